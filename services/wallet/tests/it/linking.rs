//! Linking by proof, unlinking, names and the primary wallet, as the gateway asks for them.

use std::time::{Duration, Instant};

use ids::{UserId, WalletId};
use proto::wallet::v1::{
    Activity, BatchListWalletsRequest, LinkWalletRequest, ListActivityRequest, SetLabelRequest,
    SetPrimaryRequest, UnlinkRequest, Wallet,
};
use rpc::{Code, Problem, Refusal};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    fleet::{self, Fleet, account, by, proven},
    world::proof_of,
};

impl Fleet {
    async fn wallets(&self, user_id: UserId) -> Vec<Wallet> {
        let request = BatchListWalletsRequest { user_ids: vec![user_id.to_string()] };
        self.client("gateway").batch_list_wallets(request).await.unwrap().into_inner().wallets
    }

    async fn unlink(&self, user_id: UserId, wallet_id: &str) -> Result<(), Problem> {
        let request = by(user_id, UnlinkRequest { wallet_id: wallet_id.to_owned() });
        let answer = self.client("gateway").unlink(request).await;
        answer.map(drop).map_err(|status| Problem::from(&status))
    }

    async fn label(&self, user_id: UserId, wallet_id: &str, label: &str) -> Result<Wallet, Problem> {
        let request = SetLabelRequest { wallet_id: wallet_id.to_owned(), label: label.to_owned() };
        let answer = self.client("gateway").set_label(by(user_id, request)).await;
        answer.map(|answer| answer.into_inner().wallet.unwrap()).map_err(|status| Problem::from(&status))
    }

    async fn primary(&self, user_id: UserId, wallet_id: &str) -> Result<Wallet, Problem> {
        let request = by(user_id, SetPrimaryRequest { wallet_id: wallet_id.to_owned() });
        let answer = self.client("gateway").set_primary(request).await;
        answer.map(|answer| answer.into_inner().wallet.unwrap()).map_err(|status| Problem::from(&status))
    }

    /// Every activity of a user, by pages of two.
    async fn activities(&self, user_id: UserId) -> Vec<Activity> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = by(user_id, ListActivityRequest { page_size: 2, page_token });
            let page = self.client("gateway").list_activity(request).await.unwrap().into_inner();
            assert_eq!(page.positions.len(), page.activities.len());
            all.extend(page.activities);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }
}

#[tokio::test]
async fn a_proven_account_is_linked_with_its_proof_and_told() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    let request = LinkWalletRequest {
        label: " Cold ".to_owned(),
        connector: "ledger".to_owned(),
        ip_address: "2001:db8::1".to_owned(),
        user_agent: "browser\n".to_owned(),
        ..proven(&account(7))
    };
    let message = request.message.clone();
    let answer = wallet.link(user, request).await.unwrap();
    let link = answer.wallet.unwrap();
    assert!(answer.created && link.is_primary);
    assert_eq!(
        (link.label.as_str(), link.connector.as_str(), link.r#type.as_str()),
        ("Cold", "ledger", "eoa")
    );
    assert_eq!(wallet.wallets(user).await, std::slice::from_ref(&link));

    let asked = wallet.auth.world().asked.clone();
    let client = asked[0].client.clone().unwrap();
    assert_eq!((asked.len(), asked[0].user_id.clone()), (1, user.to_string()));
    assert_eq!((client.ip_address.as_str(), client.user_agent.as_str()), ("2001:db8::1", "browser"));

    let proof: (String, Value, String) =
        sqlx::query_as("select verification_type, verification_data, status from wallet_verifications")
            .fetch_one(&wallet.db.pool)
            .await
            .unwrap();
    let hash = hex::encode(Sha256::digest(message));
    let told = json!({ "method": "eoa", "messageHash": hash, "chainId": "eip155:31337" });
    assert_eq!(proof, ("siwe".to_owned(), told, "verified".to_owned()));

    let activities = wallet.activities(user).await;
    assert_eq!(activities.len(), 1);
    assert_eq!((activities[0].action.as_str(), activities[0].account_id.clone()), ("linked", account(7)));
    assert_eq!(activities[0].ip_address, "2001:db8::1");
    assert_eq!(activities[0].user_agent, "browser");
    let within = Duration::from_secs(60);
    let queue = "auth.wallets.changed";
    testkit::eventually(within, queue, async || (wallet.vhost.depth(queue).await == 1).then_some(())).await;
    wallet.end().await;
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_by_its_user_alone() {
    let wallet = fleet::start().await;
    let (user, other) = (UserId::new(), UserId::new());
    let request = proven(&account(7));
    let first = wallet.link(user, request.clone()).await.unwrap();
    // The nonce is burned.
    wallet.auth.world().refuses = Some(Refusal::new(Code::BadInput, "NONCE_USED", "used"));
    let again = wallet.link(user, request.clone()).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.wallet, first.wallet);
    let problem = wallet.link(other, request).await.unwrap_err();
    assert_eq!(problem.reason, "NONCE_USED");
    assert_eq!(wallet.count("wallet_activity").await, 1);
    wallet.end().await;
}

#[tokio::test]
async fn nobody_takes_an_account_from_its_owner_even_with_proof() {
    let wallet = fleet::start().await;
    let (owner, other) = (UserId::new(), UserId::new());
    let link = wallet.linked(owner, 7).await;
    let problem = wallet.link(other, proven(&account(7))).await.unwrap_err();
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "WALLET_TAKEN"));
    assert!(!problem.message.contains(&owner.to_string()), "whose it is, is not told");
    // Nor on another chain: a key is the same person everywhere.
    let elsewhere = account(7).replace("31337", "1");
    assert_eq!(wallet.link(other, proven(&elsewhere)).await.unwrap_err().reason, "WALLET_TAKEN");
    assert_eq!(wallet.wallets(owner).await, std::slice::from_ref(&link));
    assert!(wallet.wallets(other).await.is_empty());
    assert!(wallet.activities(other).await.is_empty());

    // Once its owner lets it go, whoever proves it has it.
    wallet.linked(owner, 1).await;
    wallet.unlink(owner, &link.wallet_id).await.unwrap();
    assert!(wallet.link(other, proven(&account(7))).await.unwrap().created);
    wallet.end().await;
}

#[tokio::test]
async fn linking_again_does_what_was_asked_with_it() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    wallet.linked(user, 1).await;
    let second = wallet.linked(user, 2).await;
    assert!(!second.is_primary);
    let request = LinkWalletRequest {
        label: "Second".to_owned(),
        connector: "rabby".to_owned(),
        make_primary: true,
        ..proven(&account(2))
    };
    let answer = wallet.link(user, request).await.unwrap();
    let link = answer.wallet.unwrap();
    assert!(!answer.created && link.is_primary);
    assert_eq!(link.wallet_id, second.wallet_id);
    assert_eq!((link.label.as_str(), link.connector.as_str()), ("Second", "rabby"));
    let wallets = wallet.wallets(user).await;
    assert_eq!(wallets[0], link);
    assert!(!wallets[1].is_primary);
    let actions: Vec<String> = wallet.activities(user).await.into_iter().map(|did| did.action).collect();
    assert_eq!(actions, ["made_primary", "labelled", "linked", "linked"]);
    assert_eq!(wallet.count("wallet_verifications").await, 3);
    assert_eq!(wallet.count("outbox").await, 2);

    // A new one may be primary from its first moment.
    let request = LinkWalletRequest { make_primary: true, ..proven(&account(3)) };
    assert!(wallet.link(user, request).await.unwrap().wallet.unwrap().is_primary);
    assert_eq!(wallet.wallets(user).await.iter().filter(|wallet| wallet.is_primary).count(), 1);
    wallet.end().await;
}

#[tokio::test]
async fn what_auth_refuses_is_passed_on_and_changes_nothing() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    let forged = LinkWalletRequest { signature: b"forged".to_vec(), ..proven(&account(7)) };
    let problem = wallet.link(user, forged).await.unwrap_err();
    assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "SIGNATURE_INVALID"));
    for (refusal, code, reason) in [
        (Refusal::new(Code::BadInput, "NONCE_EXPIRED", "late"), Code::BadInput, "NONCE_EXPIRED"),
        (Refusal::new(Code::RateLimited, "RATE_LIMITED", "slowly"), Code::RateLimited, "RATE_LIMITED"),
        (Refusal::new(Code::Forbidden, "USER_SUSPENDED", "no"), Code::Forbidden, "USER_SUSPENDED"),
        (Refusal::new(Code::Unavailable, "UNAVAILABLE", "the chain"), Code::Unavailable, "UNAVAILABLE"),
        (Refusal::new(Code::Internal, "INTERNAL", "a bug"), Code::Unavailable, "UNAVAILABLE"),
    ] {
        wallet.auth.world().refuses = Some(refusal);
        let problem = wallet.link(user, proven(&account(7))).await.unwrap_err();
        assert_eq!((problem.code, problem.reason.as_str()), (code, reason));
    }
    wallet.auth.world().refuses = None;
    let odd = LinkWalletRequest { message: proof_of(&account(7), "robot", "1"), ..proven(&account(7)) };
    assert_eq!(wallet.link(user, odd).await.unwrap_err().code, Code::Unavailable);
    for table in ["wallet_links", "wallet_activity", "wallet_verifications", "outbox"] {
        assert_eq!(wallet.count(table).await, 0, "{table}");
    }
    wallet.end().await;
}

#[tokio::test]
async fn an_auth_that_hangs_is_given_up_in_time() {
    let wallet = fleet::start().await;
    wallet.auth.world().hangs = true;
    let began = Instant::now();
    let problem = wallet.link(UserId::new(), proven(&account(7))).await.unwrap_err();
    assert!(matches!(problem.code, Code::Unavailable | Code::DeadlineExceeded), "{problem:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
    wallet.auth.world().hangs = false;
    wallet.end().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_reaches_nobody() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    for (path, request) in [
        ("message", LinkWalletRequest { message: String::new(), ..proven(&account(7)) }),
        ("message", LinkWalletRequest { message: "x".repeat(8193), ..proven(&account(7)) }),
        ("signature", LinkWalletRequest { signature: vec![], ..proven(&account(7)) }),
        ("signature", LinkWalletRequest { signature: vec![0; 16_385], ..proven(&account(7)) }),
        ("label", LinkWalletRequest { label: "é".repeat(101), ..proven(&account(7)) }),
        ("label", LinkWalletRequest { label: "\u{202e}dloC".to_owned(), ..proven(&account(7)) }),
        ("connector", LinkWalletRequest { connector: "x".repeat(51), ..proven(&account(7)) }),
        ("ip_address", LinkWalletRequest { ip_address: "here".to_owned(), ..proven(&account(7)) }),
    ] {
        let problem = wallet.link(user, request).await.unwrap_err();
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    assert!(wallet.auth.world().asked.is_empty());
    wallet.end().await;
}

#[tokio::test]
async fn unlinking_is_told_and_the_last_wallet_stays() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    let (first, second) = (wallet.linked(user, 1).await, wallet.linked(user, 2).await);
    wallet.unlink(user, &first.wallet_id).await.unwrap();
    let left = wallet.wallets(user).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].is_primary && left[0].wallet_id == second.wallet_id);
    let problem = wallet.unlink(user, &second.wallet_id).await.unwrap_err();
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "LAST_WALLET"));
    // As after a lost answer: done once, and to others a wallet that is not there.
    wallet.unlink(user, &first.wallet_id).await.unwrap();
    assert_eq!(wallet.unlink(UserId::new(), &first.wallet_id).await.unwrap_err().reason, "NOT_FOUND");

    let actions: Vec<String> = wallet.activities(user).await.into_iter().map(|did| did.action).collect();
    assert_eq!(actions, ["made_primary", "unlinked", "linked", "linked"]);
    let fact: Value =
        sqlx::query_scalar("select body -> 'data' from outbox where routing_key = 'wallet.unlinked'")
            .fetch_one(&wallet.db.pool)
            .await
            .unwrap();
    assert_eq!(fact["userId"], json!(user.to_string()));
    assert_eq!(fact["walletId"], json!(first.wallet_id));
    assert_eq!(fact["accountId"].as_str().unwrap().to_lowercase(), account(1));
    assert_eq!((&fact["type"], &fact["isPrimary"]), (&json!("eoa"), &json!(true)));
    let within = Duration::from_secs(60);
    let queue = "subs.wallets.unlinked";
    testkit::eventually(within, queue, async || (wallet.vhost.depth(queue).await == 1).then_some(())).await;
    wallet.end().await;
}

#[tokio::test]
async fn anothers_wallet_answers_like_one_that_is_not_there() {
    let wallet = fleet::start().await;
    let (owner, stranger) = (UserId::new(), UserId::new());
    let theirs = wallet.linked(owner, 1).await;
    wallet.linked(owner, 2).await;
    wallet.linked(stranger, 3).await;
    let before = wallet.wallets(owner).await;
    let nobodys = WalletId::new().to_string();
    for ask in [
        wallet.unlink(stranger, &theirs.wallet_id).await.unwrap_err(),
        wallet.label(stranger, &theirs.wallet_id, "mine").await.unwrap_err(),
        wallet.primary(stranger, &theirs.wallet_id).await.unwrap_err(),
    ]
    .into_iter()
    .zip([
        wallet.unlink(stranger, &nobodys).await.unwrap_err(),
        wallet.label(stranger, &nobodys, "mine").await.unwrap_err(),
        wallet.primary(stranger, &nobodys).await.unwrap_err(),
    ]) {
        assert_eq!(ask.0, ask.1);
        assert_eq!((ask.0.code, ask.0.reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    }
    assert_eq!(wallet.wallets(owner).await, before);
    assert_eq!(wallet.activities(stranger).await.len(), 1, "a user sees what they did, not what others did");
    wallet.end().await;
}

#[tokio::test]
async fn a_wallet_is_named_and_made_primary_and_that_is_noted_once() {
    let wallet = fleet::start().await;
    let user = UserId::new();
    wallet.linked(user, 1).await;
    let second = wallet.linked(user, 2).await;
    for _ in 0..2 {
        assert_eq!(wallet.label(user, &second.wallet_id, "Savings").await.unwrap().label, "Savings");
        assert!(wallet.primary(user, &second.wallet_id).await.unwrap().is_primary);
    }
    assert_eq!(wallet.label(user, &second.wallet_id, "").await.unwrap().label, "");
    for bad in ["a\nb", "a\u{2066}b", &"x".repeat(101)] {
        let problem = wallet.label(user, &second.wallet_id, bad).await.unwrap_err();
        assert_eq!(problem.violations[0].path, "label");
    }
    let wallets = wallet.wallets(user).await;
    assert_eq!(wallets.iter().filter(|wallet| wallet.is_primary).count(), 1);
    assert_eq!(wallets[0].wallet_id, second.wallet_id);
    let actions: Vec<String> = wallet.activities(user).await.into_iter().map(|did| did.action).collect();
    assert_eq!(actions, ["labelled", "made_primary", "labelled", "linked", "linked"]);

    let request = by(user, ListActivityRequest { page_size: 1, page_token: "nonsense".to_owned() });
    let problem = Problem::from(&wallet.client("gateway").list_activity(request).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "BAD_CURSOR"));
    wallet.end().await;
}
