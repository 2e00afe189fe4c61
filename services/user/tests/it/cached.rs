//! The cache of users: what it has is shown, what changes is in it at once, and without it the database answers.

use proto::user::v1::{BatchGetUsersRequest, Profile, SetStatusRequest, User};

use super::rig::{Served, acting, profile, serve_with_redis};

async fn get(service: &Served, user: &User) -> User {
    let ask = BatchGetUsersRequest { user_ids: vec![user.user_id.clone()] };
    service.client("gateway").batch_get_users(ask).await.unwrap().into_inner().users.pop().unwrap()
}

#[tokio::test]
async fn a_user_is_read_from_the_cache_until_a_change_and_without_it_from_the_database() {
    let redis_url = testkit::redis().await;
    let service = serve_with_redis(&redis_url).await;
    let ada = service.user(7).await;
    assert_eq!(get(&service, &ada).await, ada);

    // A change that the service does not know of: it is not seen, so it is the cache that answers.
    sqlx::query("update profiles set bio = 'behind'").execute(&service.db.pool).await.unwrap();
    assert_eq!(get(&service, &ada).await.profile.unwrap().bio, "");

    let ask = profile(Profile { username: "Ada".into(), ..Default::default() }, &["username"]);
    let answer = service.client("gateway").update_profile(acting(ask, &ada)).await.unwrap();
    let changed = answer.into_inner().user.unwrap();
    assert_eq!(get(&service, &ada).await, changed);
    let ask =
        SetStatusRequest { user_id: ada.user_id.clone(), status: "suspended".into(), ..Default::default() };
    let suspended = service.client("operator").set_status(ask).await.unwrap().into_inner().user.unwrap();
    assert_eq!(get(&service, &ada).await, suspended);

    let client = redis::Client::open(redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("user:profile:{}", ada.user_id);
    let (stamp, seconds): (i64, i64) = redis::pipe()
        .cmd("HGET")
        .arg(&key)
        .arg("stamp")
        .cmd("TTL")
        .arg(&key)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(stamp, suspended.version + suspended.revision);
    assert!((1..=300).contains(&seconds));

    // Everything lost: the database has it.
    let _: () = redis::cmd("FLUSHDB").query_async(&mut redis).await.unwrap();
    assert_eq!(get(&service, &ada).await, suspended);
    service.end().await;
}
