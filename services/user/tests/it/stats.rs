//! Figures: asked of the catalog in the background, summed over a user's accounts, and never in a hurry.

use std::time::Duration;

use ids::UserId;
use proto::{
    catalog::v1::OwnerStats,
    user::v1::{BatchGetStatsRequest, EnsureUserRequest, SetRoleRequest, Stats, User, set_role_request::Who},
};
use rpc::Code;

use super::rig::{Served, ensure, refused, serve};

const WITHIN: Duration = Duration::from_secs(60);

fn figures(items: i32, collections: i32, volume: &str) -> OwnerStats {
    OwnerStats {
        items_count: items,
        collections_count: collections,
        listings_count: 1,
        volume_sold: volume.to_owned(),
        volume_purchased: "7".to_owned(),
        ..Default::default()
    }
}

async fn stats(service: &Served, user: &User) -> Stats {
    let ask = BatchGetStatsRequest { user_ids: vec![user.user_id.clone()] };
    service.client("gateway").batch_get_stats(ask).await.unwrap().into_inner().stats.pop().unwrap()
}

/// Marks as an event does, only that it has settled.
async fn mark(service: &Served) {
    sqlx::query("update user_stats set dirty_at = now() - interval '2 seconds'")
        .execute(&service.db.pool)
        .await
        .unwrap();
}

/// A second account of a user, as wallet's word leaves it.
async fn link(service: &Served, user: &User, identity: &str, kind: &str) {
    let address = identity.rsplit(':').next().unwrap();
    sqlx::query(
        "insert into user_accounts (identity, account_id, address, type, user_id, state)
         values ($1, $2, $3, $4, $5::uuid, 'linked')",
    )
    .bind(identity)
    .bind(if identity.contains(':') { identity.to_owned() } else { format!("eip155:1:{identity}") })
    .bind(address)
    .bind(kind)
    .bind(&user.user_id)
    .execute(&service.db.pool)
    .await
    .unwrap();
}

fn address(n: u8) -> String {
    format!("0x{}", format!("{n:02x}").repeat(20))
}

#[tokio::test]
async fn figures_are_summed_over_all_accounts_and_make_a_creator_of_who_has_a_collection() {
    let service = serve().await;
    let (ada, bob) = (service.user(7).await, service.user(8).await);
    let contract = format!("eip155:1:{}", address(10));
    link(&service, &ada, &address(9), "eoa").await;
    link(&service, &ada, &contract, "contract").await;
    let big = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    service.catalog.figures.lock().unwrap().extend([
        (address(7), figures(2, 0, big)),
        (address(9), figures(i32::MAX, 1, big)),
        (contract.clone(), figures(5, 0, "1")),
    ]);
    mark(&service).await;
    let summed = testkit::eventually(WITHIN, "the sums are written", async || {
        let stats = stats(&service, &ada).await;
        (stats.items_count > 0).then_some(stats)
    })
    .await;
    assert_eq!((summed.items_count, summed.collections_count, summed.listings_count), (i32::MAX, 1, 3));
    let twice = "231584178474632390847141970017375815706539969331281128078915168015826259279871";
    assert_eq!((summed.volume_sold.as_str(), summed.volume_purchased.as_str()), (twice, "21"));
    assert_eq!(stats(&service, &bob).await.items_count, 0);
    assert_eq!(
        service.user(7).await.roles,
        ["user", "creator"],
        "a collection of a wallet that was linked later"
    );
    assert_eq!(service.user(8).await.roles, ["user"]);
    assert_eq!(service.told("user.roles_changed").await.len(), 1);
    assert_eq!(service.count("select count(*) from user_audit where actor = 'catalog'").await, 1);

    // Nothing is asked again until somebody is marked again.
    assert_eq!(service.count("select count(*) from user_stats where dirty_at is not null").await, 0);
    // An unlinked account takes its figures along.
    sqlx::query("update user_accounts set user_id = null, state = 'unlinked' where user_id::text = $1")
        .bind(&ada.user_id)
        .execute(&service.db.pool)
        .await
        .unwrap();
    mark(&service).await;
    testkit::eventually(WITHIN, "nothing is left", async || {
        (stats(&service, &ada).await.items_count == 0).then_some(())
    })
    .await;
    service.end().await;
}

#[tokio::test]
async fn a_creator_whom_a_person_unmade_is_not_made_again_until_a_person_does() {
    let service = serve().await;
    let ada = service.user(7).await;
    let mut operator = service.client("operator");
    let ask = |granted| {
        let who = Some(Who::UserId(ada.user_id.clone()));
        SetRoleRequest { who, role: "creator".into(), granted, ..Default::default() }
    };
    operator.set_role(ask(true)).await.unwrap();
    operator.set_role(ask(false)).await.unwrap();
    service.catalog.figures.lock().unwrap().insert(address(7), figures(1, 3, "0"));
    mark(&service).await;
    testkit::eventually(WITHIN, "the figures are there", async || {
        (stats(&service, &ada).await.collections_count == 3).then_some(())
    })
    .await;
    assert_eq!(service.user(7).await.roles, ["user"]);
    let roles = operator.set_role(ask(true)).await.unwrap().into_inner().user.unwrap().roles;
    assert_eq!(roles, ["user", "creator"]);
    service.end().await;
}

#[tokio::test]
async fn while_the_catalog_is_away_marks_stay_and_it_is_not_stormed() {
    let service = serve().await;
    let ada = service.user(7).await;
    service.catalog.figures.lock().unwrap().insert(address(7), figures(4, 0, "0"));
    *service.catalog.is_away.lock().unwrap() = true;
    mark(&service).await;
    testkit::eventually(WITHIN, "the catalog was asked", async || {
        (!service.catalog.asked.lock().unwrap().is_empty()).then_some(())
    })
    .await;
    // The rest of the service does not notice.
    assert_eq!(stats(&service, &ada).await.items_count, 0);
    testkit::eventually(WITHIN, "the claim is given back", async || {
        let free = "select count(*) from user_stats where dirty_at is not null and claimed_until is null";
        (service.count(free).await == 1).then_some(())
    })
    .await;
    let asked = service.catalog.asked.lock().unwrap().len();
    assert!(asked <= 2, "{asked} calls to a catalog that is away");
    *service.catalog.is_away.lock().unwrap() = false;
    testkit::eventually(WITHIN, "the figures are there", async || {
        (stats(&service, &ada).await.items_count == 4).then_some(())
    })
    .await;
    service.end().await;
}

#[tokio::test]
async fn one_user_whose_figures_do_not_fit_holds_up_nobody_else() {
    let service = serve().await;
    let (ada, bob) = (service.user(7).await, service.user(8).await);
    service
        .catalog
        .figures
        .lock()
        .unwrap()
        .extend([(address(7), figures(-1, 0, "0")), (address(8), figures(4, 0, "0"))]);
    mark(&service).await;
    testkit::eventually(WITHIN, "the others have figures", async || {
        (stats(&service, &bob).await.items_count == 4).then_some(())
    })
    .await;
    assert_eq!(stats(&service, &ada).await.items_count, 0);
    let open = "select count(*) from user_stats where dirty_at is not null and claimed_until is not null";
    assert_eq!(service.count(open).await, 1, "asked again when the claim ends");
    service.end().await;
}

#[tokio::test]
async fn more_users_than_a_batch_and_more_accounts_than_a_call_are_all_asked_about() {
    let service = serve().await;
    let ada = service.user(1).await;
    for n in 2..=140 {
        link(&service, &ada, &address(n), "eoa").await;
    }
    let mut auth = service.client("auth");
    for n in 150..=215 {
        auth.ensure_user(EnsureUserRequest { ..ensure(1, n) }).await.unwrap();
    }
    let all = (1..=215).map(|n| (address(n), figures(1, 0, "0")));
    service.catalog.figures.lock().unwrap().extend(all);
    mark(&service).await;
    testkit::eventually(WITHIN, "everybody has figures", async || {
        let open = "select count(*) from user_stats where dirty_at is not null or items_count = 0";
        (service.count(open).await == 0).then_some(())
    })
    .await;
    assert_eq!(stats(&service, &ada).await.items_count, 140);
    assert!(service.catalog.asked.lock().unwrap().iter().all(|addresses| addresses.len() <= 100));
    service.end().await;
}

#[tokio::test]
async fn figures_are_read_in_the_order_of_the_request() {
    let service = serve().await;
    let (ada, bob) = (service.user(7).await, service.user(8).await);
    let mut gateway = service.client("gateway");
    let user_ids = vec![bob.user_id.clone(), UserId::new().to_string(), ada.user_id.clone()];
    let found = gateway.batch_get_stats(BatchGetStatsRequest { user_ids }).await.unwrap().into_inner().stats;
    let ids: Vec<&String> = found.iter().map(|stats| &stats.user_id).collect();
    assert_eq!(ids, [&bob.user_id, &ada.user_id]);
    assert_eq!((found[0].volume_sold.as_str(), found[0].volume_purchased.as_str()), ("0", "0"));
    let many = BatchGetStatsRequest { user_ids: vec![ada.user_id; 101] };
    assert_eq!(refused(gateway.batch_get_stats(many).await).0, Code::BadInput);
    service.end().await;
}
