//! Profiles: who may change them, what they may hold, once for each request, and one user a name.

use futures::future::join_all;
use proto::user::v1::{self as pb, UpdateProfileRequest};
use rpc::{Code, Problem};

use super::rig::{acting, acting_as_nobody, profile, refused, serve};

fn named(username: &str) -> UpdateProfileRequest {
    profile(pb::Profile { username: username.to_owned(), ..Default::default() }, &["username"])
}

#[tokio::test]
async fn what_is_named_changes_what_is_empty_is_cleared_and_the_rest_stays() {
    let service = serve().await;
    let user = service.named(7, "Ada").await;
    assert_eq!(user.version, 2);
    let mut gateway = service.client("gateway");
    let whole = pb::Profile {
        username: "ignored: not named".into(),
        display_name: "  Ada Lovelace ".into(),
        bio: "One.\r\nTwo.".into(),
        avatar_url: "ipfs://bafy/a.png".into(),
        banner_url: "http://127.0.0.1:8082/assets/1".into(),
        locale: "de-CH".into(),
        timezone: "Europe/Zurich".into(),
        socials: [("x".to_owned(), "https://x.com/ada".to_owned())].into(),
    };
    let fields = ["display_name", "bio", "avatar_url", "banner_url", "locale", "timezone", "socials"];
    let ask = acting(profile(whole.clone(), &fields), &user);
    let changed = gateway.update_profile(ask).await.unwrap().into_inner().user.unwrap();
    let (display_name, bio) = ("Ada Lovelace".to_owned(), "One.\nTwo.".to_owned());
    let expected = pb::Profile { username: "Ada".into(), display_name, bio, ..whole };
    assert_eq!((changed.profile.clone().unwrap(), changed.version), (expected.clone(), 3));
    let ask = profile(pb::Profile::default(), &["bio", "socials"]);
    let cleared = gateway.update_profile(acting(ask, &user)).await.unwrap().into_inner().user.unwrap();
    let expected = pb::Profile { bio: String::new(), socials: Default::default(), ..expected };
    assert_eq!((cleared.profile.unwrap(), cleared.version), (expected, 4));
    assert!(cleared.update_time.unwrap().seconds > 0);
    service.end().await;
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once_and_nothing_changes() {
    let service = serve().await;
    let user = service.user(7).await;
    let mut gateway = service.client("gateway");
    let wrong = pb::Profile { username: "a".into(), avatar_url: "javascript:1".into(), ..Default::default() };
    let mut ask = profile(wrong, &["username", "avatar_url", "password"]);
    ask.request_id = "x".repeat(65);
    ask.expected_version = -1;
    let problem = Problem::from(&gateway.update_profile(acting(ask, &user)).await.unwrap_err());
    let mut paths: Vec<&str> = problem.violations.iter().map(|violation| violation.path.as_str()).collect();
    paths.sort();
    let expected =
        ["expected_version", "profile.avatar_url", "profile.username", "request_id", "update_mask"];
    assert_eq!((problem.code, paths), (Code::BadInput, expected.to_vec()));

    for name in ["admin", "ViTrine", "support", "api", "graphql", "_root_"] {
        let problem = Problem::from(&gateway.update_profile(acting(named(name), &user)).await.unwrap_err());
        assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "USERNAME_RESERVED"), "{name}");
        assert_eq!(problem.violations[0].code, "USERNAME_RESERVED");
    }
    let nothing = profile(pb::Profile::default(), &[]);
    assert_eq!(refused(gateway.update_profile(acting(nothing, &user)).await).0, Code::BadInput);
    assert_eq!(service.user(7).await, user);
    service.end().await;
}

#[tokio::test]
async fn of_eight_who_want_one_name_at_once_one_has_it() {
    let service = serve().await;
    let users = join_all((1..=8).map(|n| service.user(n))).await;
    let names = ["Satoshi", "satoshi", "SATOSHI", "sAtoshi", "saToshi", "satOshi", "satoShi", "satosHi"];
    let asks = users.iter().zip(names).map(|(user, name)| {
        let mut gateway = service.client("gateway");
        async move { gateway.update_profile(acting(named(name), user)).await }
    });
    let answers = join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refused(answer), (Code::Conflict, "USERNAME_TAKEN".to_owned()));
    }
    assert_eq!(service.count("select count(*) from profiles where lower(username) = 'satoshi'").await, 1);
    service.end().await;
}

#[tokio::test]
async fn a_version_that_is_no_longer_so_is_a_conflict_and_of_eight_writers_one_wins() {
    let service = serve().await;
    let user = service.user(7).await;
    let asks = (0..8).map(|n| {
        let (mut gateway, user) = (service.client("gateway"), user.clone());
        let ask = UpdateProfileRequest { expected_version: 1, ..named(&format!("name_{n}")) };
        async move { gateway.update_profile(acting(ask, &user)).await }
    });
    let answers = join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refused(answer), (Code::Conflict, "STALE_VERSION".to_owned()));
    }
    assert_eq!(service.user(7).await.version, 2);
    service.end().await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer_and_changes_nothing() {
    let service = serve().await;
    let user = service.user(7).await;
    let first = UpdateProfileRequest { request_id: "r1".into(), expected_version: 1, ..named("Ada") };
    let asks = (0..8).map(|_| {
        let (mut gateway, user, ask) = (service.client("gateway"), user.clone(), first.clone());
        async move { gateway.update_profile(acting(ask, &user)).await.unwrap().into_inner().user.unwrap() }
    });
    let answers = join_all(asks).await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.version == 2));

    // Also after a later change; and another body under the name is a conflict.
    let mut gateway = service.client("gateway");
    let later = UpdateProfileRequest { request_id: "r2".into(), ..named("Ada_2") };
    assert_eq!(
        gateway.update_profile(acting(later, &user)).await.unwrap().into_inner().user.unwrap().version,
        3
    );
    let again =
        gateway.update_profile(acting(first.clone(), &user)).await.unwrap().into_inner().user.unwrap();
    assert_eq!(again, answers[0]);
    let other = UpdateProfileRequest { request_id: "r1".into(), expected_version: 1, ..named("Eve") };
    let refusal = refused(gateway.update_profile(acting(other, &user)).await);
    assert_eq!(refusal, (Code::Conflict, "CONFLICT".to_owned()));
    let now = service.user(7).await;
    assert_eq!((now.profile.unwrap().username.as_str(), now.version), ("Ada_2", 3));

    // A name for requests is one's own.
    let neighbour = service.user(8).await;
    let ask = UpdateProfileRequest { request_id: "r1".into(), ..named("Neighbour") };
    let answer = gateway.update_profile(acting(ask, &neighbour)).await.unwrap().into_inner().user.unwrap();
    assert_eq!(answer.user_id, neighbour.user_id);
    service.end().await;
}

#[tokio::test]
async fn the_suspended_and_the_unknown_change_nothing() {
    let service = serve().await;
    let user = service.named(7, "Ada").await;
    service.suspend(&user).await;
    let mut gateway = service.client("gateway");
    let refusal = refused(gateway.update_profile(acting(named("Eve"), &user)).await);
    assert_eq!(refusal, (Code::Forbidden, "USER_SUSPENDED".to_owned()));
    assert_eq!(refused(gateway.update_profile(acting_as_nobody(named("Eve"))).await).0, Code::NotFound);
    assert_eq!(service.user(7).await.profile.unwrap().username, "Ada");
    service.end().await;
}
