//! Nonces with a purpose: what was issued for one thing, one user, one browser or one account is good for nothing else.

use alloy::signers::local::PrivateKeySigner;
use ids::UserId;
use proto::{
    auth::v1::{
        IssueNonceRequest, IssueNonceResponse, NoncePurpose, VerifyOwnershipRequest, VerifyOwnershipResponse,
        VerifySiweRequest,
    },
    common::v1::Caller,
};
use rpc::{Code, Problem};
use tonic::Status;

use crate::{
    fleet::{Fleet, account, message, reason, signed, start, start_on_chains},
    world::CHAIN,
};

fn caller(user_id: UserId) -> Caller {
    Caller { user_id: user_id.to_string(), roles: vec!["user".to_owned()], ..Default::default() }
}

async fn issue(
    fleet: &Fleet,
    request: IssueNonceRequest,
    user_id: Option<UserId>,
) -> Result<IssueNonceResponse, Status> {
    let request = match user_id {
        Some(user_id) => rpc::caller::acting(request, &caller(user_id)),
        None => tonic::Request::new(request),
    };
    Ok(fleet.client("gateway").issue_nonce(request).await?.into_inner())
}

async fn link_nonce(fleet: &Fleet, user_id: UserId) -> IssueNonceResponse {
    let request = IssueNonceRequest { purpose: NoncePurpose::Link.into(), ..Default::default() };
    issue(fleet, request, Some(user_id)).await.unwrap()
}

async fn own(
    fleet: &Fleet,
    user_id: UserId,
    from: VerifySiweRequest,
) -> Result<VerifyOwnershipResponse, Status> {
    let VerifySiweRequest { message, signature, client, .. } = from;
    let request = VerifyOwnershipRequest { message, signature, user_id: user_id.to_string(), client };
    Ok(fleet.client("wallet").verify_ownership(request).await?.into_inner())
}

/// Purpose, result and user of each attempt, in order.
async fn attempts(fleet: &Fleet) -> Vec<(String, String, Option<uuid::Uuid>)> {
    sqlx::query_as("select purpose, result, user_id from login_events order by id")
        .fetch_all(&fleet.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_user_proves_a_further_account_once_and_nothing_is_opened_by_it() {
    let fleet = start().await;
    let (signer, user_id) = (PrivateKeySigner::random(), UserId::new());
    let nonce = link_nonce(&fleet, user_id).await;
    assert!(nonce.statement.contains("Link"), "{}", nonce.statement);
    let request = signed(&signer, &message(&signer, &nonce));
    let owned = own(&fleet, user_id, request.clone()).await.unwrap();
    assert_eq!(owned.account_id, account(&signer).to_lower());
    assert_eq!((owned.account_type.as_str(), owned.method.as_str()), ("eoa", "eoa"));
    assert_eq!(reason(&own(&fleet, user_id, request).await.unwrap_err()), "NONCE_USED");
    let expected =
        ["success", "nonce_used"].map(|result| ("link".to_owned(), result.to_owned(), Some(user_id.0)));
    assert_eq!(attempts(&fleet).await, expected);
    assert_eq!((fleet.count("sessions").await, fleet.count("outbox").await), (0, 0));
    assert_eq!(fleet.others.world().ensured, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_nonce_for_one_thing_is_unknown_to_every_other_and_gone_after_it() {
    let fleet = start().await;
    let (signer, mine, theirs) = (PrivateKeySigner::random(), UserId::new(), UserId::new());
    let around = |nonce: &IssueNonceResponse| signed(&signer, &message(&signer, nonce));

    let nonce = link_nonce(&fleet, mine).await;
    let as_sign_in = fleet.verify(around(&nonce)).await.unwrap_err();
    let again = fleet.verify(around(&nonce)).await.unwrap_err();
    let after = own(&fleet, mine, around(&nonce)).await.unwrap_err();
    assert_eq!((reason(&as_sign_in), reason(&after)), ("NONCE_UNKNOWN".into(), "NONCE_USED".into()));

    let by_another = own(&fleet, theirs, around(&link_nonce(&fleet, mine).await)).await.unwrap_err();
    let as_link = own(&fleet, mine, around(&fleet.nonce().await)).await.unwrap_err();
    // Word for word what is said of a nonce that was never issued.
    let mut never = fleet.nonce().await;
    never.nonce = "neverissuedneverissued00".to_owned();
    let never = fleet.verify(around(&never)).await.unwrap_err();
    for status in [&as_sign_in, &again, &by_another, &as_link] {
        assert_eq!(Problem::from(status), Problem::from(&never));
    }

    // What looks like a sign-in links nothing.
    let nonce = link_nonce(&fleet, mine).await;
    let quiet = message(&signer, &nonce).replacen(&nonce.statement, "Sign in to Vitrine.", 1);
    let status = own(&fleet, mine, signed(&signer, &quiet)).await.unwrap_err();
    assert_eq!(reason(&status), "MESSAGE_MALFORMED");

    let results: Vec<String> = attempts(&fleet).await.into_iter().map(|(_, result, _)| result).collect();
    let foreign = "nonce_foreign";
    assert_eq!(
        results,
        [foreign, foreign, "nonce_used", foreign, foreign, "nonce_unknown", "message_malformed"]
    );
    assert_eq!(fleet.count("sessions").await, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_link_is_asked_for_by_somebody_and_proved_to_wallet_alone() {
    let fleet = start().await;
    let request = IssueNonceRequest { purpose: NoncePurpose::Link.into(), ..Default::default() };
    let status = issue(&fleet, request, None).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Code::Unauthenticated);
    let request = VerifyOwnershipRequest { user_id: UserId::new().to_string(), ..Default::default() };
    for name in ["gateway", "user", "orchestrator"] {
        let status = fleet.client(name).verify_ownership(request.clone()).await.unwrap_err();
        assert_eq!(Problem::from(&status).code, Code::Forbidden, "{name}");
    }
    let nobody = VerifyOwnershipRequest { user_id: "me".to_owned(), ..Default::default() };
    let status = fleet.client("wallet").verify_ownership(nobody).await.unwrap_err();
    assert_eq!(Problem::from(&status).violations[0].path, "user_id");
    fleet.end().await;
}

#[tokio::test]
async fn cookies_are_given_only_to_the_browser_that_asked_for_the_nonce() {
    let fleet = start().await;
    let (signer, browser, other) = (PrivateKeySigner::random(), vec![1; 32], vec![2; 32]);
    for (asked, came, as_cookies, is_good) in [
        (&browser, &browser, true, true),
        (&browser, &other, true, false),
        (&browser, &Vec::new(), true, false),
        (&Vec::new(), &Vec::new(), true, false),
        (&Vec::new(), &browser, true, false),
        (&browser, &Vec::new(), false, true),
        (&Vec::new(), &Vec::new(), false, true),
    ] {
        let request = IssueNonceRequest { pre_session: asked.clone(), ..Default::default() };
        let nonce = issue(&fleet, request, None).await.unwrap();
        let request = VerifySiweRequest {
            pre_session: came.clone(),
            as_cookies,
            ..signed(&signer, &message(&signer, &nonce))
        };
        let answer = fleet.verify(request).await;
        match is_good {
            true => assert!(answer.is_ok(), "{asked:?} {came:?} {as_cookies}: {answer:?}"),
            false => assert_eq!(reason(&answer.unwrap_err()), "NONCE_UNKNOWN", "{asked:?} {came:?}"),
        }
    }
    let short = IssueNonceRequest { pre_session: vec![1; 31], ..Default::default() };
    let status = issue(&fleet, short, None).await.unwrap_err();
    assert_eq!(Problem::from(&status).violations[0].path, "pre_session");
    fleet.end().await;
}

#[tokio::test]
async fn a_nonce_for_an_account_comes_with_its_message_and_is_good_for_nobody_else() {
    let fleet = start_on_chains(&[10]).await;
    let (signer, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let bound = async |account_id: String, purpose: NoncePurpose| {
        let request = IssueNonceRequest { account_id, purpose: purpose.into(), ..Default::default() };
        issue(&fleet, request, Some(UserId::new())).await
    };
    let named = account(&signer).to_string();

    let issued = bound(named.clone(), NoncePurpose::SignIn).await.unwrap();
    assert!(issued.message.contains(&signer.address().to_string()) && issued.message.contains(&issued.nonce));
    assert!(fleet.verify(signed(&signer, &issued.message)).await.is_ok(), "{}", issued.message);

    let issued = bound(named.clone(), NoncePurpose::SignIn).await.unwrap();
    let theirs = fleet.verify(signed(&other, &message(&other, &issued))).await.unwrap_err();
    assert_eq!(reason(&theirs), "SIGNATURE_INVALID");
    let issued = bound(named.clone(), NoncePurpose::SignIn).await.unwrap();
    let text = issued.message.replacen(&format!("Chain ID: {CHAIN}"), "Chain ID: 10", 1);
    assert_eq!(reason(&fleet.verify(signed(&signer, &text)).await.unwrap_err()), "CHAIN_MISMATCH");

    // The same for a link.
    let user_id = UserId::new();
    let request =
        IssueNonceRequest { account_id: named, purpose: NoncePurpose::Link.into(), ..Default::default() };
    let issued = issue(&fleet, request, Some(user_id)).await.unwrap();
    assert!(issued.message.contains(&issued.statement));
    let from = signed(&signer, &issued.message);
    assert_eq!(own(&fleet, user_id, from).await.unwrap().account_id, account(&signer).to_lower());

    let elsewhere = account(&signer).to_string().replacen(&CHAIN.to_string(), "5", 1);
    let status = bound(elsewhere, NoncePurpose::SignIn).await.unwrap_err();
    assert_eq!(reason(&status), "CHAIN_DISABLED");
    let status = bound("somebody".to_owned(), NoncePurpose::SignIn).await.unwrap_err();
    assert_eq!(Problem::from(&status).violations[0].path, "account_id");
    fleet.end().await;
}
