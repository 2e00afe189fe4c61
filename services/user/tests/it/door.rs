//! Who a user is: made once, found by every name; and what may not be asked.

use std::time::Duration;

use events::wallets::{WalletLinked, linked};
use ids::{UserId, WalletId};
use proto::user::v1::{
    BatchGetUsersRequest, EnsureUserRequest, GetUserRequest, UpdatePreferencesRequest, UpdateProfileRequest,
    get_user_request::By,
};
use rpc::{Code, Problem};

use super::rig::{ensure, refused, serve};

#[tokio::test]
async fn a_user_is_made_once_and_found_by_id_name_and_account() {
    let service = serve().await;
    let (mut auth, mut gateway) = (service.client("auth"), service.client("gateway"));
    let made = auth.ensure_user(ensure(1, 7)).await.unwrap().into_inner();
    assert!(made.created);
    let again = auth.ensure_user(ensure(137, 7)).await.unwrap().into_inner();
    assert!(!again.created);
    assert_eq!(again.user, made.user);
    let user = service.named(7, "Ada_L").await;
    let other = service.user(8).await;

    for by in [
        By::UserId(user.user_id.clone()),
        By::Username("aDA_l".to_owned()),
        By::AccountId(format!("eip155:10:0x{}", "07".repeat(20))),
    ] {
        let found =
            gateway.get_user(GetUserRequest { by: Some(by) }).await.unwrap().into_inner().user.unwrap();
        assert_eq!(found, user);
    }
    for name in ["nobody", "", "Ada_L\0", "Ad\u{e4}_L"] {
        let nobody = GetUserRequest { by: Some(By::Username(name.to_owned())) };
        assert_eq!(refused(gateway.get_user(nobody).await).0, Code::NotFound, "{name:?}");
    }

    let ids = vec![other.user_id.clone(), UserId::new().to_string(), user.user_id.clone()];
    let users =
        gateway.batch_get_users(BatchGetUsersRequest { user_ids: ids }).await.unwrap().into_inner().users;
    let found: Vec<&str> = users.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(found, [&other.user_id, &user.user_id], "in the order of the request");
    service.end().await;
}

#[tokio::test]
async fn a_contract_account_is_found_by_its_chain_and_is_nobody_elsewhere() {
    let service = serve().await;
    let ask = EnsureUserRequest { account_type: "contract".into(), ..ensure(1, 7) };
    let made = service.client("auth").ensure_user(ask).await.unwrap().into_inner();
    assert!(made.created);
    let mut gateway = service.client("gateway");
    let on = |chain: u64| GetUserRequest { by: Some(By::AccountId(ensure(chain, 7).account_id)) };
    let found = gateway.get_user(on(1)).await.unwrap().into_inner().user.unwrap();
    assert_eq!(found.user_id, made.user.unwrap().user_id);
    assert_eq!(refused(gateway.get_user(on(137)).await).0, Code::NotFound);
    service.end().await;
}

#[tokio::test]
async fn only_auth_makes_users_and_bad_input_is_named() {
    let service = serve().await;
    let mut gateway = service.client("gateway");
    assert_eq!(refused(gateway.ensure_user(ensure(1, 7)).await).0, Code::Forbidden);
    let bad = EnsureUserRequest { account_id: "0x07".to_owned(), ..Default::default() };
    let problem = Problem::from(&service.client("auth").ensure_user(bad).await.unwrap_err());
    assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "account_id"));
    let bad = EnsureUserRequest { account_type: "robot".into(), ..ensure(1, 7) };
    let problem = Problem::from(&service.client("auth").ensure_user(bad).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "account_type");
    let many = BatchGetUsersRequest { user_ids: vec![UserId::new().to_string(); 101] };
    assert_eq!(refused(gateway.batch_get_users(many).await).0, Code::BadInput);
    let empty = GetUserRequest { by: None };
    assert_eq!(Problem::from(&gateway.get_user(empty).await.unwrap_err()).violations[0].path, "by");
    service.end().await;
}

#[tokio::test]
async fn what_is_ones_own_needs_a_caller_whom_the_gateway_names() {
    let service = serve().await;
    let mut gateway = service.client("gateway");
    let unauthenticated = (Code::Unauthenticated, "UNAUTHENTICATED".to_owned());
    assert_eq!(refused(gateway.update_profile(UpdateProfileRequest::default()).await), unauthenticated);
    assert_eq!(
        refused(gateway.get_preferences(proto::user::v1::GetPreferencesRequest {}).await),
        unauthenticated
    );
    assert_eq!(
        refused(gateway.update_preferences(UpdatePreferencesRequest::default()).await),
        unauthenticated
    );
    assert_eq!(
        refused(gateway.set_follow(proto::user::v1::SetFollowRequest::default()).await),
        unauthenticated
    );
    let ask = proto::user::v1::BatchIsFollowingRequest::default();
    assert_eq!(refused(gateway.batch_is_following(ask).await), unauthenticated);
    for name in ["auth", "wallet", "operator"] {
        let answer = service.client(name).update_profile(UpdateProfileRequest::default()).await;
        assert_eq!(refused(answer).0, Code::Forbidden, "{name}");
    }
    service.end().await;
}

#[tokio::test]
async fn what_wallet_tells_on_the_broker_changes_whose_an_account_is() {
    let service = serve().await;
    let before = service.user(7).await;
    let owner = UserId::new();
    let fact = WalletLinked {
        user_id: owner,
        wallet_id: WalletId::new(),
        account_id: ensure(1, 7).account_id.parse().unwrap(),
        kind: "eoa".into(),
        is_primary: true,
    };
    let bus = bus::Bus::open(&service.vhost.secret(), "wallet");
    assert_eq!(bus.publish(&[linked(&fact)]).await, [Ok(())]);
    testkit::eventually(Duration::from_secs(60), "the account is the owner's", async || {
        (service.user(7).await.user_id == owner.to_string()).then_some(())
    })
    .await;
    assert_ne!(before.user_id, owner.to_string());
    service.end().await;
}
