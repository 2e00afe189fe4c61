//! Preferences: one's own, of closed lists, at the version that was seen.

use proto::user::v1::{GetPreferencesRequest, Preferences, UpdatePreferencesRequest};
use rpc::{Code, Problem};

use super::rig::{acting, acting_as_nobody, mask, refused, serve};

fn change(preferences: Preferences, paths: &[&str]) -> UpdatePreferencesRequest {
    UpdatePreferencesRequest { preferences: Some(preferences), update_mask: mask(paths), expected_version: 0 }
}

#[tokio::test]
async fn each_column_can_be_set_and_the_others_stay() {
    let service = serve().await;
    let (user, other) = (service.user(7).await, service.user(8).await);
    let mut gateway = service.client("gateway");
    let mut get = async |of| {
        let answer = gateway.get_preferences(acting(GetPreferencesRequest {}, of)).await.unwrap();
        answer.into_inner().preferences.unwrap()
    };
    let fresh = Preferences {
        email_notifications: false,
        push_notifications: false,
        marketing_emails: false,
        language: "en".into(),
        currency: "ETH".into(),
        theme: "system".into(),
        privacy_level: "public".into(),
        show_activity: true,
        version: 1,
    };
    assert_eq!(get(&user).await, fresh);
    let wanted = Preferences {
        email_notifications: true,
        push_notifications: true,
        marketing_emails: true,
        language: "pt-BR".into(),
        currency: "EUR".into(),
        theme: "dark".into(),
        privacy_level: "followers".into(),
        show_activity: false,
        version: 0,
    };
    let paths = [
        "email_notifications",
        "push_notifications",
        "marketing_emails",
        "language",
        "currency",
        "theme",
        "privacy_level",
        "show_activity",
    ];
    let mut expected = fresh.clone();
    for path in paths {
        let mut gateway = service.client("gateway");
        let answer =
            gateway.update_preferences(acting(change(wanted.clone(), &[path]), &user)).await.unwrap();
        let now = answer.into_inner().preferences.unwrap();
        expected.version += 1;
        match path {
            "email_notifications" => expected.email_notifications = true,
            "push_notifications" => expected.push_notifications = true,
            "marketing_emails" => expected.marketing_emails = true,
            "language" => expected.language = "pt-BR".into(),
            "currency" => expected.currency = "EUR".into(),
            "theme" => expected.theme = "dark".into(),
            "privacy_level" => expected.privacy_level = "followers".into(),
            _ => expected.show_activity = false,
        }
        assert_eq!(now, expected, "{path}");
    }
    assert_eq!(get(&user).await, expected);
    assert_eq!(get(&other).await, fresh, "somebody else's are untouched");
    service.end().await;
}

#[tokio::test]
async fn what_is_on_no_list_is_named_and_a_stale_version_is_a_conflict() {
    let service = serve().await;
    let user = service.user(7).await;
    let mut gateway = service.client("gateway");
    let wrong = Preferences { theme: "blue".into(), currency: "DOGE".into(), ..Default::default() };
    let ask = change(wrong, &["theme", "currency", "privacy_level", "language", "version"]);
    let problem = Problem::from(&gateway.update_preferences(acting(ask, &user)).await.unwrap_err());
    let mut paths: Vec<&str> = problem.violations.iter().map(|violation| violation.path.as_str()).collect();
    paths.sort();
    let expected = [
        "preferences.currency",
        "preferences.language",
        "preferences.privacy_level",
        "preferences.theme",
        "update_mask",
    ];
    assert_eq!((problem.code, paths), (Code::BadInput, expected.to_vec()));

    let dark = || change(Preferences { theme: "dark".into(), ..Default::default() }, &["theme"]);
    let at = |expected_version| UpdatePreferencesRequest { expected_version, ..dark() };
    gateway.update_preferences(acting(at(1), &user)).await.unwrap();
    let refusal = refused(gateway.update_preferences(acting(at(1), &user)).await);
    assert_eq!(refusal, (Code::Conflict, "STALE_VERSION".to_owned()));
    gateway.update_preferences(acting(at(2), &user)).await.unwrap();

    service.suspend(&user).await;
    let refusal = refused(gateway.update_preferences(acting(dark(), &user)).await);
    assert_eq!(refusal, (Code::Forbidden, "USER_SUSPENDED".to_owned()));
    gateway.get_preferences(acting(GetPreferencesRequest {}, &user)).await.unwrap();
    assert_eq!(
        refused(gateway.get_preferences(acting_as_nobody(GetPreferencesRequest {})).await).0,
        Code::NotFound
    );
    assert_eq!(refused(gateway.update_preferences(acting_as_nobody(dark())).await).0, Code::NotFound);
    service.end().await;
}

#[tokio::test]
async fn the_database_keeps_to_the_lists_too() {
    let service = serve().await;
    service.user(7).await;
    for (statement, constraint) in [
        ("update user_preferences set theme = 'blue'", "user_preferences_theme_check"),
        ("update user_preferences set privacy_level = 'x'", "user_preferences_privacy_level_check"),
        ("update user_stats set followers_count = -1", "user_stats_followers_check"),
        ("update user_stats set following_count = -1", "user_stats_following_check"),
        ("update profiles set username = 'a b'", "profiles_username_check"),
        ("update users set status = 'gone'", "users_status_check"),
        ("insert into user_roles (user_id, role) select user_id, 'king' from users", "user_roles_role_check"),
        ("insert into user_follows select user_id, user_id from users", "user_follows_self_check"),
    ] {
        let err = sqlx::query(statement).execute(&service.db.pool).await.unwrap_err();
        assert_eq!(err.as_database_error().and_then(|err| err.constraint()), Some(constraint));
    }
    service.end().await;
}
