//! Orders: put by orchestrator, read by everybody.

use chrono::Utc;
use futures::future::join_all;
use ids::{Address, Hash32};
use prost_types::Timestamp;
use proto::{
    catalog::v1::*,
    common::v1::{ContractRef, TokenStandard},
};
use rpc::{Code, Problem};

use super::{
    fake::{address, hash},
    rig::{Served, serve},
};

const NFTS: u64 = 0xc0;

fn seconds(from_now: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: Utc::now().timestamp() + from_now, nanos: 0 })
}

fn contract(n: u64) -> ContractRef {
    ContractRef { chain_id: "eip155:1".to_owned(), address: address(n).to_lower() }
}

/// A listing of token 7; the number tells orders apart.
fn listing(n: u64) -> Order {
    Order {
        chain_id: "eip155:1".to_owned(),
        exchange: address(0xe).to_lower(),
        order_hash: hash(n).to_string(),
        side: OrderSide::Listing.into(),
        status: OrderStatus::Active.into(),
        maker: address(10).to_lower(),
        contract: Some(contract(NFTS)),
        token_id: "7".to_owned(),
        standard: TokenStandard::Erc721.into(),
        quantity: "1".to_owned(),
        price_raw: "115792089237316195423570985008687907853269984665640564039457584007913129639935"
            .to_owned(),
        start_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        components_json: format!(r#"{{"salt":"{n}","offer":[{{"amount":"1"}}],"zone":"0x00"}}"#),
        signature: vec![n as u8; 65],
        marketplace: "seaport-1.6".to_owned(),
        ..Order::default()
    }
}

/// An offer for any token.
fn offer(n: u64) -> Order {
    Order {
        side: OrderSide::Offer.into(),
        maker: address(11).to_lower(),
        taker: address(10).to_lower(),
        token_id: String::new(),
        standard: TokenStandard::Erc1155.into(),
        quantity: "5".to_owned(),
        currency: address(0x20).to_lower(),
        ..listing(n)
    }
}

async fn put(catalog: &Served, order: Order) -> Result<Order, Problem> {
    let stored = catalog.client("orchestrator").put_order(PutOrderRequest { order: Some(order) }).await;
    stored.map(|stored| stored.into_inner().order.unwrap()).map_err(|status| Problem::from(&status))
}

async fn get(catalog: &Served, id: &str) -> Order {
    let request = GetOrderRequest { id: id.to_owned() };
    catalog.client("gateway").get_order(request).await.unwrap().into_inner().order.unwrap()
}

/// The ids of a list, in pages of that size.
async fn listed(catalog: &Served, mut ask: ListOrdersRequest) -> Vec<String> {
    let (mut gateway, mut ids) = (catalog.client("gateway"), Vec::new());
    loop {
        let page = gateway.list_orders(ask.clone()).await.unwrap().into_inner();
        assert_eq!(page.orders.len(), page.cursors.len());
        ids.extend(page.orders.into_iter().map(|order| order.id));
        match page.cursors.last().filter(|_| page.has_next) {
            Some(cursor) => ask.page_token = cursor.clone(),
            None => return ids,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_read_as_it_was_put_and_putting_it_again_changes_nothing() {
    let catalog = serve().await;
    for told in [listing(1), offer(2)] {
        let first = put(&catalog, told.clone()).await.unwrap();
        let exchange = told.exchange.clone();
        let name = format!("eip155:1/{exchange}/{}", told.order_hash);
        assert_eq!(first.id, ids::derived_uuid("order", &name).to_string());
        let components = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(components(&first.components_json), components(&told.components_json));
        let read = Order {
            id: String::new(),
            create_time: None,
            quantity_filled: String::new(),
            components_json: told.components_json.clone(),
            ..first.clone()
        };
        assert_eq!(read, told);
        let again = join_all((0..8).map(|_| put(&catalog, told.clone()))).await;
        assert!(again.into_iter().all(|again| again.unwrap() == first));
        assert_eq!(get(&catalog, &first.id).await, first);
    }
    // Eight at once of one that is new, of a marketplace that is new; ten times, for it is a race.
    for n in 3..13 {
        let new = Order { marketplace: format!("market-{n}"), ..listing(n) };
        let at_once = join_all((0..8).map(|_| put(&catalog, new.clone()))).await;
        assert!(at_once.iter().all(|stored| stored.as_ref().unwrap() == at_once[0].as_ref().unwrap()));
    }
    let count: i64 =
        sqlx::query_scalar("select count(*) from orders").fetch_one(&catalog.db.pool).await.unwrap();
    assert_eq!(count, 12);
    let salts: Vec<String> = sqlx::query_scalar("select salt::text from orders order by orders.salt")
        .fetch_all(&catalog.db.pool)
        .await
        .unwrap();
    assert_eq!(salts, (1..13).map(|n| n.to_string()).collect::<Vec<_>>());

    let missing = GetOrderRequest { id: ids::derived_uuid("order", "none").to_string() };
    let status = catalog.client("gateway").get_order(missing).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Code::NotFound);
    let request = PutOrderRequest { order: Some(listing(4)) };
    let status = catalog.client("gateway").put_order(request).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Code::Forbidden);
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_never_changes_and_what_is_filled_never_becomes_less() {
    let catalog = serve().await;
    let told = offer(1);
    let stored = put(&catalog, told.clone()).await.unwrap();
    let others = [
        Order { side: OrderSide::Listing.into(), ..told.clone() },
        Order { maker: address(12).to_lower(), ..told.clone() },
        Order { taker: String::new(), ..told.clone() },
        Order { contract: Some(contract(0xc1)), ..told.clone() },
        Order { token_id: "0".to_owned(), ..told.clone() },
        Order { standard: TokenStandard::Erc721.into(), ..told.clone() },
        Order { quantity: "6".to_owned(), ..told.clone() },
        Order { price_raw: "1".to_owned(), ..told.clone() },
        Order { currency: String::new(), ..told.clone() },
        Order { start_time: seconds(0), ..told.clone() },
        Order { end_time: seconds(100), ..told.clone() },
        Order { components_json: r#"{"salt":"2"}"#.to_owned(), ..told.clone() },
        Order { marketplace: "another".to_owned(), ..told.clone() },
    ];
    for other in others {
        let problem = put(&catalog, other).await.unwrap_err();
        assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
    }
    assert_eq!(get(&catalog, &stored.id).await, stored);

    let state = |status: OrderStatus, filled: &str, as_of_block: u64| Order {
        status: status.into(),
        quantity_filled: filled.to_owned(),
        signature: vec![],
        as_of_block,
        ..told.clone()
    };
    let steps = [
        (state(OrderStatus::Inactive, "", 3), OrderStatus::Inactive, "0", 3),
        (state(OrderStatus::Active, "2", 4), OrderStatus::Active, "2", 4),
        // A late repetition of the submission.
        (told.clone(), OrderStatus::Active, "2", 4),
        (state(OrderStatus::Unspecified, "3", 5), OrderStatus::Active, "3", 5),
        (state(OrderStatus::Filled, "5", 6), OrderStatus::Filled, "5", 6),
        (told.clone(), OrderStatus::Filled, "5", 6),
        (state(OrderStatus::Active, "3", 5), OrderStatus::Filled, "5", 6),
        // The chain takes it back.
        (state(OrderStatus::Active, "3", 7), OrderStatus::Active, "3", 7),
        (state(OrderStatus::Cancelled, "3", 7), OrderStatus::Cancelled, "3", 7),
        (state(OrderStatus::Active, "0", 9), OrderStatus::Active, "0", 9),
    ];
    for (word, status, filled, as_of_block) in steps {
        let now = put(&catalog, word).await.unwrap();
        assert_eq!((now.status(), now.quantity_filled.as_str()), (status, filled));
        assert_eq!(now.as_of_block, as_of_block);
        assert_eq!((&now.signature, now.create_time), (&stored.signature, stored.create_time));
    }
    catalog.end().await;
}

/// What stands-in for the catalog are held to as well: the same words, at the real one.
#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_the_newest_block_holds() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../vectors/order_words.json")).unwrap();
    let catalog = serve().await;
    for (n, case) in (100..).zip(&cases) {
        let said = |word: &serde_json::Value| {
            let status = format!("ORDER_STATUS_{}", word["status"].as_str().unwrap());
            let filled = word["filled"].as_str().unwrap().to_owned();
            (OrderStatus::from_str_name(&status).unwrap(), filled, word["as_of_block"].as_u64().unwrap())
        };
        let mut last = None;
        for word in case["words"].as_array().unwrap() {
            let (status, quantity_filled, as_of_block) = said(word);
            let quantity = "5".to_owned();
            let order = Order { status: status.into(), quantity, quantity_filled, as_of_block, ..listing(n) };
            last = Some(put(&catalog, order).await.unwrap());
        }
        let now = last.unwrap();
        let found = (now.status(), now.quantity_filled.clone(), now.as_of_block);
        assert_eq!(found, said(&case["then"]), "{}", case["name"]);
    }
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_time_is_over_reads_as_expired_unless_it_had_another_end() {
    let catalog = serve().await;
    let over =
        |n: u64, status: OrderStatus| Order { end_time: seconds(-10), status: status.into(), ..listing(n) };
    let told = [OrderStatus::Active, OrderStatus::Inactive, OrderStatus::Filled, OrderStatus::Cancelled];
    let mut ids = Vec::new();
    for (n, status) in (1..).zip(told) {
        ids.push(put(&catalog, over(n, status)).await.unwrap().id);
    }
    let open = put(&catalog, listing(9)).await.unwrap();
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(get(&catalog, id).await.status());
    }
    use OrderStatus::{Active, Cancelled, Expired, Filled, Inactive};
    assert_eq!(statuses, [Expired, Expired, Filled, Cancelled]);
    let of = |statuses: &[OrderStatus]| ListOrdersRequest {
        statuses: statuses.iter().map(|status| i32::from(*status)).collect(),
        page_size: 10,
        ..ListOrdersRequest::default()
    };
    assert_eq!(listed(&catalog, of(&[Active])).await, [open.id.as_str()]);
    assert_eq!(listed(&catalog, of(&[Expired])).await, [ids[1].as_str(), &ids[0]]);
    assert_eq!(listed(&catalog, of(&[Filled, Cancelled, Inactive])).await, [ids[3].as_str(), &ids[2]]);
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_and_every_filter_holds_on_every_page() {
    let catalog = serve().await;
    let mut all = Vec::new();
    for n in 0..24_u64 {
        let mut told = if n % 2 == 0 { listing(n) } else { offer(n) };
        told.contract = Some(contract(NFTS + n % 3));
        if n % 4 == 0 {
            told.token_id = "8".to_owned();
        }
        if n % 5 == 0 {
            told.maker = address(12).to_lower();
        }
        if n % 6 == 0 {
            told.status = OrderStatus::Filled.into();
        }
        all.push(put(&catalog, told).await.unwrap());
    }
    all.reverse();
    let sides = [OrderSide::Unspecified, OrderSide::Listing, OrderSide::Offer];
    let makers = [String::new(), address(12).to_lower()];
    let subjects = [(None, ""), (Some(contract(NFTS)), ""), (Some(contract(NFTS)), "8")];
    for side in sides {
        for maker in &makers {
            for (contract, token_id) in &subjects {
                for statuses in [vec![], vec![OrderStatus::Active], vec![OrderStatus::Filled]] {
                    let is_meant = |order: &&Order| {
                        (side == OrderSide::Unspecified || order.side() == side)
                            && (maker.is_empty() || &order.maker == maker)
                            && (contract.is_none() || &order.contract == contract)
                            && (token_id.is_empty() || order.token_id == *token_id)
                            && (statuses.is_empty() || statuses.contains(&order.status()))
                    };
                    let expected: Vec<String> =
                        all.iter().filter(is_meant).map(|order| order.id.clone()).collect();
                    let ask = ListOrdersRequest {
                        side: side.into(),
                        statuses: statuses.iter().map(|status| i32::from(*status)).collect(),
                        maker: maker.clone(),
                        contract: contract.clone(),
                        token_id: (*token_id).to_owned(),
                        page_size: 3,
                        page_token: String::new(),
                    };
                    assert_eq!(listed(&catalog, ask.clone()).await, expected, "{ask:?}");
                }
            }
        }
    }
    let wrong = [
        ("token_id", ListOrdersRequest { token_id: "1".into(), page_size: 1, ..Default::default() }),
        ("page_size", ListOrdersRequest::default()),
        ("statuses", ListOrdersRequest { statuses: vec![0], page_size: 1, ..Default::default() }),
        ("statuses", ListOrdersRequest { statuses: vec![99], page_size: 1, ..Default::default() }),
        ("maker", ListOrdersRequest { maker: "0x".into(), page_size: 1, ..Default::default() }),
    ];
    for (path, ask) in wrong {
        let problem = Problem::from(&catalog.client("gateway").list_orders(ask).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_field_of_an_order_is_named() {
    let catalog = serve().await;
    let wrong = [
        ("chain_id", Order { chain_id: "1".into(), ..listing(1) }),
        ("contract", Order { chain_id: "eip155:5".into(), ..listing(1) }),
        ("contract", Order { contract: None, ..listing(1) }),
        ("exchange", Order { exchange: String::new(), ..listing(1) }),
        ("order_hash", Order { order_hash: "0x12".into(), ..listing(1) }),
        ("side", Order { side: 0, ..listing(1) }),
        ("standard", Order { standard: 0, ..listing(1) }),
        ("maker", Order { maker: String::new(), ..listing(1) }),
        ("quantity", Order { quantity: "0".into(), ..listing(1) }),
        ("quantity", Order { quantity_filled: "2".into(), ..listing(1) }),
        ("price_raw", Order { price_raw: "1.5".into(), ..listing(1) }),
        ("start_time", Order { start_time: None, ..listing(1) }),
        ("end_time", Order { end_time: Some(Timestamp { seconds: i64::MAX, nanos: 0 }), ..listing(1) }),
        ("end_time", Order { end_time: listing(1).start_time, ..listing(1) }),
        ("components_json", Order { components_json: "[]".into(), ..listing(1) }),
        ("components_json", Order { components_json: "{".into(), ..listing(1) }),
        ("components_json", Order { components_json: r#"{"salt":1e30}"#.into(), ..listing(1) }),
        (
            "components_json",
            Order { components_json: format!("{{\"a\":\"{}\"}}", "a".repeat(65_536)), ..listing(1) },
        ),
        ("marketplace", Order { marketplace: "Sea Port".into(), ..listing(1) }),
        ("signature", Order { signature: vec![0; 8193], ..listing(1) }),
        ("as_of_block", Order { as_of_block: u64::MAX, ..listing(1) }),
    ];
    for (path, order) in wrong {
        let problem = put(&catalog, order).await.unwrap_err();
        let path = format!("order.{path}");
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path.as_str()));
    }
    // The zero address as taker or currency is what an exchange writes for anybody and for the native currency.
    let zero = Address::ZERO.to_lower();
    let stored = put(&catalog, Order { taker: zero.clone(), currency: zero, ..listing(1) }).await.unwrap();
    assert_eq!((stored.taker.as_str(), stored.currency.as_str()), ("", ""));
    assert_eq!(stored.order_hash.parse::<Hash32>().unwrap(), hash(1));
    catalog.end().await;
}
