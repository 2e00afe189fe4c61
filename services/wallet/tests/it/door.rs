//! What auth and the gateway ask of links, and who may ask for anything.

use std::time::Duration;

use ids::UserId;
use proto::wallet::v1::{
    BatchListWalletsRequest, LinkWalletRequest, ListActivityRequest, ListApprovalHistoryRequest,
    ListApprovalsRequest, ListGrantorsRequest, ResolveAccountsRequest, SetLabelRequest, SetPrimaryRequest,
    UnlinkRequest, UpsertLinkRequest,
};
use rpc::{Code, Problem};

use crate::fleet::{self, by};

const ACCOUNT: &str = "eip155:31337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

fn link(user_id: UserId) -> UpsertLinkRequest {
    UpsertLinkRequest {
        user_id: user_id.to_string(),
        account_id: ACCOUNT.to_owned(),
        r#type: "eoa".to_owned(),
        connector: "metamask".to_owned(),
    }
}

#[tokio::test]
async fn a_link_is_made_resolved_listed_and_told() {
    let wallet = fleet::start().await;
    let (mut auth, mut gateway) = (wallet.client("auth"), wallet.client("gateway"));
    let user_id = UserId::new();
    let made = auth.upsert_link(link(user_id)).await.unwrap().into_inner();
    assert!(made.created);
    let again = auth.upsert_link(link(UserId::new())).await.unwrap().into_inner();
    assert!(!again.created);
    assert_eq!(again.wallet, made.wallet, "the owner's link is the answer");

    // The same key on another chain is the same person; any case of the address is understood.
    let asked = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned();
    let request = ResolveAccountsRequest {
        account_ids: vec![asked.clone(), ACCOUNT.replace('f', "e")],
        ..Default::default()
    };
    let owners = auth.resolve_accounts(request).await.unwrap().into_inner().user_id_by_account;
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[&asked], user_id.to_string());

    let request = BatchListWalletsRequest { user_ids: vec![UserId::new().to_string(), user_id.to_string()] };
    let wallets = gateway.batch_list_wallets(request).await.unwrap().into_inner().wallets;
    assert_eq!(wallets, [made.wallet.unwrap()]);
    assert!(wallets[0].is_primary);
    assert_eq!((wallets[0].connector.as_str(), wallets[0].account_id.as_str()), ("metamask", ACCOUNT));
    assert_eq!(wallets[0].last_seen_time, None, "nobody has signed in with it");

    for queue in ["auth.wallets.changed", "user.wallets.changed", "subs.wallets.linked"] {
        let within = Duration::from_secs(60);
        testkit::eventually(within, queue, async || (wallet.vhost.depth(queue).await == 1).then_some(()))
            .await;
    }
    wallet.end().await;
}

#[tokio::test]
async fn an_account_is_resolved_as_the_kind_that_was_proven() {
    let wallet = fleet::start().await;
    let mut auth = wallet.client("auth");
    let (key, contract) = (UserId::new(), UserId::new());
    auth.upsert_link(link(key)).await.unwrap();
    let as_contract = UpsertLinkRequest { r#type: "contract".to_owned(), ..link(contract) };
    assert!(auth.upsert_link(as_contract).await.unwrap().into_inner().created);
    for (account_type, owner) in [("eoa", key), ("contract", contract), ("", key)] {
        let account_type = account_type.to_owned();
        let request = ResolveAccountsRequest { account_ids: vec![ACCOUNT.to_owned()], account_type };
        let owners = auth.resolve_accounts(request).await.unwrap().into_inner().user_id_by_account;
        assert_eq!(owners[ACCOUNT], owner.to_string());
    }
    let odd = ResolveAccountsRequest { account_ids: vec![], account_type: "robot".to_owned() };
    let problem = Problem::from(&auth.resolve_accounts(odd).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "account_type");
    wallet.end().await;
}

#[tokio::test]
async fn bad_input_is_named() {
    let wallet = fleet::start().await;
    let mut auth = wallet.client("auth");
    for (path, request) in [
        ("user_id", UpsertLinkRequest { user_id: "me".into(), ..link(UserId::new()) }),
        ("account_id", UpsertLinkRequest { account_id: "0xf39".into(), ..link(UserId::new()) }),
        ("type", UpsertLinkRequest { r#type: "robot".into(), ..link(UserId::new()) }),
        ("connector", UpsertLinkRequest { connector: "x".repeat(51), ..link(UserId::new()) }),
        ("connector", UpsertLinkRequest { connector: "a\0b".into(), ..link(UserId::new()) }),
    ] {
        let problem = Problem::from(&auth.upsert_link(request).await.unwrap_err());
        assert_eq!(problem.code, Code::BadInput);
        assert_eq!(problem.violations[0].path, path);
    }
    let many = ResolveAccountsRequest { account_ids: vec![ACCOUNT.to_owned(); 101], ..Default::default() };
    assert_eq!(Problem::from(&auth.resolve_accounts(many).await.unwrap_err()).code, Code::BadInput);
    wallet.end().await;
}

/// What each call answers to a peer: the code, or nothing where it was let in and worked.
macro_rules! asked {
    ($client:expr, $($name:ident: $request:expr),+ $(,)?) => {
        vec![$((stringify!($name), $client.$name($request).await.err().map(|status| Problem::from(&status).code))),+]
    };
}

#[tokio::test]
async fn each_call_is_open_to_those_who_need_it_alone() {
    let wallet = fleet::start().await;
    let of_auth = ["upsert_link", "resolve_accounts"];
    for peer in ["auth", "gateway", "orchestrator", "user", "subs-worker", "operator"] {
        let mut client = wallet.client(peer);
        let user = UserId::new();
        let answers = asked!(
            client,
            upsert_link: link(user),
            resolve_accounts: ResolveAccountsRequest::default(),
            batch_list_wallets: BatchListWalletsRequest::default(),
            link_wallet: by(user, LinkWalletRequest::default()),
            unlink: by(user, UnlinkRequest::default()),
            set_label: by(user, SetLabelRequest::default()),
            set_primary: by(user, SetPrimaryRequest::default()),
            list_activity: by(user, ListActivityRequest::default()),
            list_approvals: ListApprovalsRequest::default(),
            list_approval_history: ListApprovalHistoryRequest::default(),
            list_grantors: ListGrantorsRequest::default(),
        );
        for (call, code) in answers {
            let may = match peer {
                "auth" => of_auth.contains(&call),
                "gateway" => !of_auth.contains(&call),
                "orchestrator" => call == "batch_list_wallets",
                _ => false,
            };
            assert_eq!(code != Some(Code::Forbidden), may, "{peer} asks for {call}: {code:?}");
        }
    }
    wallet.end().await;
}

#[tokio::test]
async fn who_acts_for_nobody_can_do_nothing() {
    let wallet = fleet::start().await;
    let mut gateway = wallet.client("gateway");
    let answers = asked!(
        gateway,
        link_wallet: fleet::proven(ACCOUNT),
        unlink: UnlinkRequest { wallet_id: UserId::new().to_string() },
        set_label: SetLabelRequest { wallet_id: UserId::new().to_string(), label: String::new() },
        set_primary: SetPrimaryRequest { wallet_id: UserId::new().to_string() },
        list_activity: ListActivityRequest { page_size: 1, page_token: String::new() },
    );
    for (call, code) in answers {
        assert_eq!(code, Some(Code::Unauthenticated), "{call}");
    }
    assert!(wallet.auth.world().asked.is_empty());
    wallet.end().await;
}
