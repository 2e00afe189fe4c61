//! Follows: idempotent, counted by what really happened, listed newest first.

use futures::future::join_all;
use ids::UserId;
use proto::user::v1::{
    BatchGetStatsRequest, BatchIsFollowingRequest, ListFollowsRequest, Preferences, SetFollowRequest, Stats,
    UpdatePreferencesRequest, User,
};
use rpc::{Code, Problem};

use super::rig::{Served, acting, acting_as_nobody, mask, refused, serve};

fn follow(user: &User, following: bool) -> SetFollowRequest {
    SetFollowRequest { user_id: user.user_id.clone(), following }
}

async fn stats(service: &Served, user: &User) -> Stats {
    let ask = BatchGetStatsRequest { user_ids: vec![user.user_id.clone()] };
    service.client("gateway").batch_get_stats(ask).await.unwrap().into_inner().stats.pop().unwrap()
}

async fn counters(service: &Served, user: &User) -> (i32, i32) {
    let stats = stats(service, user).await;
    (stats.followers_count, stats.following_count)
}

/// Counters that are not what the rows are.
const DRIFTED: &str = "select count(*) from user_stats s where
    followers_count <> (select count(*) from user_follows f where f.following_id = s.user_id)
    or following_count <> (select count(*) from user_follows f where f.follower_id = s.user_id)";

#[tokio::test]
async fn following_twice_counts_once_and_so_does_letting_go() {
    let service = serve().await;
    let (ada, bob) = (service.user(7).await, service.user(8).await);
    let mut gateway = service.client("gateway");
    for (following, expected) in [(true, 1), (true, 1), (false, 0), (false, 0), (true, 1)] {
        let answer = gateway.set_follow(acting(follow(&bob, following), &ada)).await.unwrap().into_inner();
        assert_eq!(answer.user.unwrap().user_id, bob.user_id);
        assert_eq!(counters(&service, &bob).await, (expected, 0));
        assert_eq!(counters(&service, &ada).await, (0, expected));
    }
    let ask = |of: &[&User]| {
        let mut user_ids: Vec<String> = of.iter().map(|user| user.user_id.clone()).collect();
        user_ids.push(UserId::new().to_string());
        BatchIsFollowingRequest { user_ids }
    };
    let followed = gateway.batch_is_following(acting(ask(&[&ada, &bob]), &ada)).await.unwrap().into_inner();
    assert_eq!(followed.user_ids, std::slice::from_ref(&bob.user_id));
    let followed = gateway.batch_is_following(acting(ask(&[&ada, &bob]), &bob)).await.unwrap().into_inner();
    assert!(followed.user_ids.is_empty());
    let many = BatchIsFollowingRequest { user_ids: vec![ada.user_id.clone(); 101] };
    assert_eq!(refused(gateway.batch_is_following(acting(many, &ada)).await).0, Code::BadInput);
    service.end().await;
}

#[tokio::test]
async fn nobody_follows_themselves_or_who_is_not_there_and_the_suspended_follow_nobody() {
    let service = serve().await;
    let (ada, bob) = (service.user(7).await, service.user(8).await);
    let mut gateway = service.client("gateway");
    let problem = Problem::from(&gateway.set_follow(acting(follow(&ada, true), &ada)).await.unwrap_err());
    assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "user_id"));
    let stranger = User { user_id: UserId::new().to_string(), ..Default::default() };
    for following in [true, false] {
        assert_eq!(
            refused(gateway.set_follow(acting(follow(&stranger, following), &ada)).await).0,
            Code::NotFound
        );
    }
    let answer = gateway.set_follow(acting_as_nobody(follow(&ada, true))).await;
    assert_eq!(refused(answer).0, Code::NotFound);
    service.suspend(&ada).await;
    let refusal = refused(gateway.set_follow(acting(follow(&bob, true), &ada)).await);
    assert_eq!(refusal, (Code::Forbidden, "USER_SUSPENDED".to_owned()));
    assert_eq!(service.count("select count(*) from user_follows").await, 0);
    assert_eq!(service.count(DRIFTED).await, 0);
    service.end().await;
}

#[tokio::test]
async fn sixteen_at_once_over_four_users_leave_counters_that_are_what_the_rows_are() {
    let service = serve().await;
    let users = join_all((1..=4).map(|n| service.user(n))).await;
    // Mutual pairs in both orders, on and off: what would wait in a circle would fail or last.
    let tasks = (0..16_usize).map(|task| {
        let (users, mut gateway) = (users.clone(), service.client("gateway"));
        async move {
            for round in 0..12_usize {
                let (from, to) = ((task + round) % 4, (task * 3 + round * 5 + 1) % 4);
                if from != to {
                    let ask = follow(&users[to], (task + round * 7) % 3 != 0);
                    gateway.set_follow(acting(ask, &users[from])).await.unwrap();
                }
            }
        }
    });
    join_all(tasks).await;
    assert_eq!(service.count(DRIFTED).await, 0);
    assert!(service.count("select count(*) from user_follows").await > 0);
    service.end().await;
}

#[tokio::test]
async fn follows_are_listed_newest_first_page_by_page_from_both_ends() {
    let service = serve().await;
    let star = service.user(99).await;
    let fans = join_all((1..=7).map(|n| service.user(n))).await;
    let mut gateway = service.client("gateway");
    for fan in &fans {
        gateway.set_follow(acting(follow(&star, true), fan)).await.unwrap();
        gateway.set_follow(acting(follow(fan, true), &star)).await.unwrap();
    }
    let newest: Vec<&String> = fans.iter().rev().map(|fan| &fan.user_id).collect();
    for followers in [true, false] {
        let mut ask = ListFollowsRequest {
            user_id: star.user_id.clone(),
            followers,
            page_size: 3,
            ..Default::default()
        };
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = gateway.list_follows(ask.clone()).await.unwrap().into_inner();
            assert_eq!((page.total_size, page.positions.len()), (7, page.users.len()));
            seen.extend(page.users.into_iter().map(|user| user.user_id));
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            assert_eq!(Some(&page.next_page_token), page.positions.last());
            ask.page_token = page.next_page_token;
        }
        assert_eq!((seen.iter().collect::<Vec<_>>(), pages), (newest.clone(), 3), "{followers}");
    }
    // From the middle of a page; and a row that goes meanwhile moves nothing.
    let mut ask = ListFollowsRequest {
        user_id: star.user_id.clone(),
        followers: true,
        page_size: 4,
        ..Default::default()
    };
    ask.page_token = gateway.list_follows(ask.clone()).await.unwrap().into_inner().positions[1].clone();
    gateway.set_follow(acting(follow(&star, false), &fans[5])).await.unwrap();
    let page = gateway.list_follows(ask.clone()).await.unwrap().into_inner();
    let seen: Vec<String> = page.users.into_iter().map(|user| user.user_id).collect();
    assert_eq!((seen.iter().collect::<Vec<_>>(), page.total_size), (newest[2..6].to_vec(), 6));

    ask.page_token = "nonsense".into();
    assert_eq!(refused(gateway.list_follows(ask.clone()).await), (Code::BadInput, "BAD_CURSOR".to_owned()));
    for page_size in [0, -1, 101] {
        let ask = ListFollowsRequest { page_size, page_token: String::new(), ..ask.clone() };
        assert_eq!(refused(gateway.list_follows(ask).await).0, Code::BadInput);
    }
    let ask = ListFollowsRequest { user_id: UserId::new().to_string(), page_size: 1, ..Default::default() };
    assert_eq!(refused(gateway.list_follows(ask).await).0, Code::NotFound);
    service.end().await;
}

#[tokio::test]
async fn lists_are_seen_by_whom_the_privacy_level_names() {
    let service = serve().await;
    let (ada, bob, eve) = (service.user(7).await, service.user(8).await, service.user(9).await);
    let mut gateway = service.client("gateway");
    gateway.set_follow(acting(follow(&ada, true), &bob)).await.unwrap();
    // Whom Ada follows is no follower of hers.
    gateway.set_follow(acting(follow(&eve, true), &ada)).await.unwrap();
    for (level, to_followers, to_others) in
        [("public", true, true), ("followers", true, false), ("private", false, false)]
    {
        let preferences = Some(Preferences { privacy_level: level.into(), ..Default::default() });
        let update_mask = mask(&["privacy_level"]);
        let ask = UpdatePreferencesRequest { preferences, update_mask, expected_version: 0 };
        gateway.update_preferences(acting(ask, &ada)).await.unwrap();
        for followers in [true, false] {
            let user_id = ada.user_id.clone();
            let ask = ListFollowsRequest { user_id, followers, page_size: 9, ..Default::default() };
            for (request, is_seen) in [
                (acting(ask.clone(), &ada), true),
                (acting(ask.clone(), &bob), to_followers),
                (acting(ask.clone(), &eve), to_others),
                (acting_as_nobody(ask.clone()), to_others),
                (tonic::Request::new(ask), to_others),
            ] {
                let page = gateway.list_follows(request).await.unwrap().into_inner();
                let expected = if is_seen { (1, 1) } else { (0, 0) };
                assert_eq!((page.users.len(), page.total_size), expected, "{level}");
                assert!(page.next_page_token.is_empty());
            }
        }
    }
    service.end().await;
}
