//! What users may do, who may change it, and that each change is told and recorded.

use futures::future::join_all;
use ids::UserId;
use proto::user::v1::{EnsureUserRequest, SetRoleRequest, SetStatusRequest, User, set_role_request::Who};
use rpc::{Code, Problem};

use super::rig::{acting, ensure, refused, serve};

fn role(user: &User, role: &str, granted: bool) -> SetRoleRequest {
    let who = Some(Who::UserId(user.user_id.clone()));
    SetRoleRequest { who, role: role.to_owned(), granted, reason: "because".into(), ..Default::default() }
}

fn status(user: &User, status: &str) -> SetStatusRequest {
    let (user_id, status) = (user.user_id.clone(), status.to_owned());
    SetStatusRequest { user_id, status, reason: "spam".into(), ..Default::default() }
}

const ACTIVE_ADMINS: &str = "select count(*) from user_roles r join users u using (user_id)
    where r.role = 'admin' and u.status = 'active'";

#[tokio::test]
async fn the_operator_makes_the_first_admin_by_account_who_makes_others() {
    let service = serve().await;
    let admin = service.admin(7).await;
    assert_eq!(admin.roles, ["user", "admin"]);
    assert_eq!(service.user(7).await, admin, "made by the operator, found at the sign-in");
    assert_eq!(service.admin(7).await, admin, "once more changes nothing");

    let ada = service.user(8).await;
    let mut gateway = service.client("gateway");
    for (name, granted, roles) in [
        ("moderator", true, &["user", "moderator"][..]),
        ("creator", true, &["user", "moderator", "creator"]),
        ("moderator", false, &["user", "creator"]),
    ] {
        let before = service.user(8).await.revision;
        for _ in 0..2 {
            let answer = gateway.set_role(acting(role(&ada, name, granted), &admin)).await.unwrap();
            let user = answer.into_inner().user.unwrap();
            assert_eq!(
                (user.roles.iter().map(String::as_str).collect::<Vec<_>>(), user.revision),
                (roles.to_vec(), before + 1)
            );
        }
    }
    let told = service.told("user.roles_changed").await;
    let of_ada: Vec<_> = told
        .iter()
        .filter(|fact| fact["userId"] == ada.user_id.as_str())
        .map(|fact| {
            (
                fact["isReduced"].as_bool().unwrap(),
                fact["revision"].as_i64().unwrap(),
                fact["roles"].to_string(),
            )
        })
        .collect();
    let expected = [
        (false, 2, r#"["user","moderator"]"#.to_owned()),
        (false, 3, r#"["user","moderator","creator"]"#.to_owned()),
        (true, 4, r#"["user","creator"]"#.to_owned()),
    ];
    assert_eq!(of_ada, expected);
    let record: Vec<(String, Option<String>, String, String, String, i64)> = sqlx::query_as(
        "select actor, actor_id::text, before, after, reason, revision from user_audit
         where user_id::text = $1 order by revision",
    )
    .bind(&ada.user_id)
    .fetch_all(&service.db.pool)
    .await
    .unwrap();
    let by = Some(admin.user_id.clone());
    let line = |before: &str, after: &str, revision| {
        ("admin".to_owned(), by.clone(), before.to_owned(), after.to_owned(), "because".to_owned(), revision)
    };
    let expected = [
        line("user", "user,moderator", 2),
        line("user,moderator", "user,moderator,creator", 3),
        line("user,moderator,creator", "user,creator", 4),
    ];
    assert_eq!(record, expected);
    assert_eq!(service.count("select count(*) from user_audit where actor = 'operator'").await, 1);
    assert_eq!(
        service
            .count("select count(*) from user_roles where role = 'creator' and granted_by is not null")
            .await,
        1
    );
    service.end().await;
}

#[tokio::test]
async fn only_who_is_an_admin_now_changes_roles_and_status() {
    let service = serve().await;
    let (admin, former) = (service.admin(7).await, service.admin(8).await);
    let ada = service.user(9).await;
    let (mut gateway, mut operator) = (service.client("gateway"), service.client("operator"));
    let forbidden = (Code::Forbidden, "FORBIDDEN".to_owned());
    let moderator = User { roles: vec!["user".into(), "moderator".into()], ..ada.clone() };
    for caller in [&ada, &moderator] {
        assert_eq!(refused(gateway.set_role(acting(role(&ada, "admin", true), caller)).await), forbidden);
        assert_eq!(refused(gateway.set_status(acting(status(&admin, "suspended"), caller)).await), forbidden);
    }
    // A token says for a while what is no longer so; and nobody is an admin by a token alone.
    operator.set_role(role(&former, "admin", false)).await.unwrap();
    let pretender = User { roles: vec!["admin".into()], ..ada.clone() };
    for caller in [&former, &pretender] {
        assert_eq!(refused(gateway.set_role(acting(role(&ada, "admin", true), caller)).await), forbidden);
        assert_eq!(refused(gateway.set_status(acting(status(&ada, "suspended"), caller)).await), forbidden);
    }
    assert_eq!(refused(gateway.set_role(role(&ada, "admin", true)).await).0, Code::Unauthenticated);
    assert_eq!(refused(service.client("auth").set_role(role(&ada, "admin", true)).await).0, Code::Forbidden);
    assert_eq!(service.user(9).await, ada);

    // An account that nobody has is made by the operator's word alone, and only to be given something.
    let by_account = |granted| {
        let who = Some(Who::AccountId(ensure(1, 77).account_id));
        SetRoleRequest { who, role: "moderator".into(), granted, ..Default::default() }
    };
    assert_eq!(refused(gateway.set_role(acting(by_account(true), &admin)).await).0, Code::NotFound);
    assert_eq!(refused(operator.set_role(by_account(false)).await).0, Code::NotFound);
    assert_eq!(service.count("select count(*) from users").await, 3);
    service.end().await;
}

#[tokio::test]
async fn an_operator_makes_an_admin_of_a_contract_that_has_yet_to_sign_in() {
    let service = serve().await;
    let mut operator = service.client("operator");
    let ask = |account_type: &str| {
        let who = Some(Who::AccountId(ensure(1, 7).account_id));
        SetRoleRequest {
            who,
            role: "admin".into(),
            granted: true,
            account_type: account_type.into(),
            ..Default::default()
        }
    };
    let admin = operator.set_role(ask("contract")).await.unwrap().into_inner().user.unwrap();
    let sign_in = EnsureUserRequest { account_type: "contract".into(), ..ensure(1, 7) };
    let made = service.client("auth").ensure_user(sign_in).await.unwrap().into_inner();
    assert_eq!((made.user.unwrap(), made.created), (admin.clone(), false));
    // Without a kind it is whichever has a user; the key of the same address is somebody else.
    assert_eq!(operator.set_role(ask("")).await.unwrap().into_inner().user.unwrap().user_id, admin.user_id);
    let key = operator.set_role(ask("eoa")).await.unwrap().into_inner().user.unwrap();
    assert_ne!(key.user_id, admin.user_id);
    let problem = Problem::from(&operator.set_role(ask("robot")).await.unwrap_err());
    assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "account_type"));
    service.end().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named() {
    let service = serve().await;
    let ada = service.user(9).await;
    let mut operator = service.client("operator");
    let stranger = User { user_id: UserId::new().to_string(), ..Default::default() };
    for name in ["user", "king", ""] {
        let problem = Problem::from(&operator.set_role(role(&ada, name, true)).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "role"));
    }
    for name in ["deleted", "", "banned"] {
        let problem = Problem::from(&operator.set_status(status(&ada, name)).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "status"));
    }
    let long = SetStatusRequest { reason: "x".repeat(501), ..status(&ada, "suspended") };
    assert_eq!(Problem::from(&operator.set_status(long).await.unwrap_err()).violations[0].path, "reason");
    let nobody = SetRoleRequest { who: None, ..role(&ada, "admin", true) };
    assert_eq!(Problem::from(&operator.set_role(nobody).await.unwrap_err()).violations[0].path, "who");
    assert_eq!(refused(operator.set_role(role(&stranger, "admin", true)).await).0, Code::NotFound);
    assert_eq!(refused(operator.set_status(status(&stranger, "suspended")).await).0, Code::NotFound);
    for expected_revision in [ada.revision + 1, ada.revision + 7] {
        let stale = (Code::Conflict, "STALE_VERSION".to_owned());
        let ask = SetRoleRequest { expected_revision, ..role(&ada, "admin", true) };
        assert_eq!(refused(operator.set_role(ask).await), stale);
        let ask = SetStatusRequest { expected_revision, ..status(&ada, "suspended") };
        assert_eq!(refused(operator.set_status(ask).await), stale);
    }
    let ask = SetStatusRequest { expected_revision: ada.revision, ..status(&ada, "suspended") };
    assert_eq!(operator.set_status(ask).await.unwrap().into_inner().user.unwrap().revision, ada.revision + 1);
    service.end().await;
}

#[tokio::test]
async fn a_suspension_is_told_once_recorded_and_lifted() {
    let service = serve().await;
    let (admin, ada) = (service.admin(7).await, service.named(9, "Ada").await);
    let mut gateway = service.client("gateway");
    for (wanted, revision) in [("suspended", 2), ("suspended", 2), ("active", 3), ("active", 3)] {
        let answer = gateway.set_status(acting(status(&ada, wanted), &admin)).await.unwrap();
        let user = answer.into_inner().user.unwrap();
        assert_eq!((user.status.as_str(), user.revision, user.version), (wanted, revision, ada.version));
    }
    let told: Vec<(String, i64)> = service
        .told("user.status_changed")
        .await
        .iter()
        .map(|fact| (fact["status"].as_str().unwrap().to_owned(), fact["revision"].as_i64().unwrap()))
        .collect();
    assert_eq!(told, [("suspended".to_owned(), 2), ("active".to_owned(), 3)]);
    let record =
        "select count(*) from user_audit where what = 'status' and reason = 'spam' and actor = 'admin'";
    assert_eq!(service.count(record).await, 2);
    service.end().await;
}

#[tokio::test]
async fn an_admin_keeps_themselves_and_there_is_always_one_left() {
    let service = serve().await;
    let admin = service.admin(7).await;
    let (mut gateway, mut operator) = (service.client("gateway"), service.client("operator"));
    let conflict = (Code::Conflict, "CONFLICT".to_owned());
    assert_eq!(refused(gateway.set_role(acting(role(&admin, "admin", false), &admin)).await), conflict);
    assert_eq!(refused(gateway.set_status(acting(status(&admin, "suspended"), &admin)).await), conflict);
    assert_eq!(refused(operator.set_role(role(&admin, "admin", false)).await), conflict);
    assert_eq!(refused(operator.set_status(status(&admin, "suspended")).await), conflict);

    // A suspended admin is none: the other one is the last.
    let second = service.admin(8).await;
    operator.set_status(status(&second, "suspended")).await.unwrap();
    assert_eq!(refused(operator.set_role(role(&admin, "admin", false)).await), conflict);
    operator.set_role(role(&second, "admin", false)).await.unwrap();
    assert_eq!(service.count(ACTIVE_ADMINS).await, 1);
    service.end().await;
}

#[tokio::test]
async fn two_admins_who_demote_each_other_at_once_leave_one() {
    for round in 0..6 {
        let service = serve().await;
        let (one, other) = (service.admin(7).await, service.admin(8).await);
        let asks = [(&one, &other), (&other, &one)].map(|(by, of)| {
            let mut gateway = service.client("gateway");
            async move {
                if round % 2 == 0 {
                    gateway.set_role(acting(role(of, "admin", false), by)).await.map(drop)
                } else {
                    gateway.set_status(acting(status(of, "suspended"), by)).await.map(drop)
                }
            }
        });
        let answers = join_all(asks).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "round {round}");
        let refusal = answers.into_iter().find_map(Result::err).unwrap();
        assert_eq!(Problem::from(&refusal).code, Code::Forbidden);
        assert_eq!(service.count(ACTIVE_ADMINS).await, 1);
        service.end().await;
    }
}

#[tokio::test]
async fn eight_grants_at_once_are_one_change() {
    let service = serve().await;
    let ada = service.user(9).await;
    let asks = (0..8).map(|_| {
        let mut operator = service.client("operator");
        let ask = role(&ada, "moderator", true);
        async move { operator.set_role(ask).await.unwrap().into_inner().user.unwrap().revision }
    });
    assert!(join_all(asks).await.iter().all(|revision| *revision == ada.revision + 1));
    assert_eq!(service.told("user.roles_changed").await.len(), 1);
    assert_eq!(service.count("select count(*) from user_audit").await, 1);
    service.end().await;
}
