//! What cannot work is said before anything is signed, with its reason.

use abi::{
    seaport::Seaport,
    standards::{Erc20, Erc721},
};
use alloy::primitives::{Address, U256};
use prost_types::Timestamp;
use proto::{common::v1::TokenRef, orchestrator::v1::IntentStatus};
use rpc::Problem;
use serde_json::json;

use crate::{
    market::{ETHER, Market, acceptance, cancellation, in_an_hour, listing, offer, purchase, reason, sign},
    rig::{CHAIN, address},
};

fn paths(problem: &Problem) -> Vec<&str> {
    problem.violations.iter().map(|violation| violation.path.as_str()).collect()
}

#[tokio::test]
async fn a_listing_that_could_not_be_filled_is_refused() {
    let market = Market::start().await;
    let (seller, other) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let refused = async |change: &dyn Fn(&mut proto::orchestrator::v1::PrepareListingRequest)| {
        let mut request = listing(&seller, &token, ETHER);
        change(&mut request);
        Problem::from(&market.list(&seller, request).await.unwrap_err())
    };
    // A token that there is not, and one of somebody else.
    let found = refused(&|request| request.token.as_mut().unwrap().token_id = "2".into()).await;
    assert_eq!(found.reason, "NOT_OWNER");
    let mut theirs = listing(&other, &token, ETHER);
    theirs.seller = other.address.clone();
    assert_eq!(reason(market.list(&other, theirs).await), "NOT_OWNER");
    // A wallet that is not the caller's.
    assert_eq!(refused(&|request| request.seller = other.address.clone()).await.reason, "FORBIDDEN");
    // No contract, and contracts that are no tokens.
    for address in [other.address.clone(), market.weth.clone(), market.exchange.clone()] {
        let found = refused(&|request| request.token.as_mut().unwrap().address = address.clone()).await;
        assert_eq!(found.reason, "CONTRACT_UNKNOWN");
    }
    // A currency that is none.
    for currency in [other.address.clone(), market.exchange.clone(), token.address.clone()] {
        let found = refused(&|request| request.currency = currency.clone()).await;
        assert_eq!((found.reason.as_str(), paths(&found)), ("VALIDATION_FAILED", vec!["currency"]));
    }
    let found = refused(&|request| request.quantity = "2".into()).await;
    assert_eq!(paths(&found), ["quantity"]);
    let found = refused(&|request| {
        request.price_raw = "0".into();
        request.end_time = Some(Timestamp { seconds: 1000, nanos: 0 });
        request.taker = request.seller.clone();
    })
    .await;
    assert_eq!(paths(&found), ["price_raw", "end_time", "taker"]);
    assert_eq!(paths(&refused(&|request| request.end_time = None).await), ["end_time"]);
    let found = refused(&|request| request.token.as_mut().unwrap().chain_id = "eip155:5".into()).await;
    assert_eq!(found.reason, "CHAIN_DISABLED");
    let stored: i64 = sqlx::query_scalar("select count(*) from tx_intents where kind = 'LIST'")
        .fetch_one(&market.rig.db.pool)
        .await
        .unwrap();
    assert_eq!(stored, 0);
    market.rig.end().await;
}

#[tokio::test]
async fn a_price_that_cannot_be_divided_is_refused() {
    let market = Market::start().await;
    let (creator, seller) = (market.rig.user(3).await, market.rig.user(1).await);
    let token = market.own_editions(&creator, &seller, 3).await;
    let mut request = listing(&seller, &token, ETHER);
    request.quantity = "3".into();
    let found = Problem::from(&market.list(&seller, request.clone()).await.unwrap_err());
    assert_eq!(paths(&found), ["price_raw"]);
    // More than there are.
    (request.quantity, request.price_raw) = ("4".into(), "4".into());
    assert_eq!(reason(market.list(&seller, request).await), "NOT_OWNER");
    market.rig.end().await;
}

#[tokio::test]
async fn an_offer_that_could_not_be_paid_is_refused() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    assert_eq!(reason(market.offer(&buyer, offer(&buyer, &token, ETHER)).await), "INSUFFICIENT_BALANCE");
    market.wrap(&buyer, ETHER).await;
    market.wrap(&seller, ETHER).await;
    assert_eq!(reason(market.offer(&seller, offer(&seller, &token, ETHER)).await), "ORDER_INVALID");
    let mut native = offer(&buyer, &token, ETHER);
    native.currency = format!("0x{}", "0".repeat(40));
    let found = Problem::from(&market.offer(&buyer, native).await.unwrap_err());
    assert_eq!((found.reason.as_str(), paths(&found)), ("VALIDATION_FAILED", vec!["currency"]));

    // Prepared, and spent before it was signed.
    let (intent, steps) = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    let signature = sign(&steps, 2);
    assert_eq!(reason(market.submit(&buyer, &intent, signature.clone()).await), "NOT_APPROVED");
    market.send(&steps).await;
    let transfer = Erc20::transferCall { to: address(&seller.address), amount: U256::from(1) };
    market.call(&buyer, &market.weth, transfer, 0).await;
    assert_eq!(reason(market.submit(&buyer, &intent, signature.clone()).await), "INSUFFICIENT_BALANCE");
    market.wrap(&buyer, 1).await;
    let (intent, _) = market.submit(&buyer, &intent, signature).await.unwrap();
    assert_eq!(intent.status(), IntentStatus::Ready);

    // Spent after it was signed: nobody is led to accept it.
    let order = market.order(&intent.order_id);
    let transfer = Erc20::transferCall { to: address(&seller.address), amount: U256::from(1) };
    market.call(&buyer, &market.weth, transfer, 0).await;
    assert_eq!(reason(market.accept(&seller, acceptance(&seller, &order)).await), "ORDER_INVALID");
    assert_eq!(reason(market.accept(&buyer, acceptance(&buyer, &order)).await), "ORDER_INVALID");
    let stranger = market.rig.user(3).await;
    market.wrap(&buyer, 1).await;
    assert_eq!(reason(market.accept(&stranger, acceptance(&stranger, &order)).await), "NOT_OWNER");
    assert_eq!(reason(market.buy(&stranger, purchase(&stranger, &order)).await), "VALIDATION_FAILED");
    market.rig.end().await;
}

#[tokio::test]
async fn a_signature_is_taken_from_the_maker_for_this_order_alone() {
    let market = Market::start().await;
    let (seller, other) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let (_, dearer) = market.list(&seller, listing(&seller, &token, 2 * ETHER)).await.unwrap();
    market.send(&steps).await;
    let mut broken = sign(&steps, 1);
    broken[5] ^= 1;
    // The same order for another chain.
    let mut elsewhere = steps.clone();
    elsewhere[1].typed_data_json = steps[1].typed_data_json.replace("\"chainId\":31337", "\"chainId\":1");
    assert_ne!(elsewhere, steps);
    for wrong in [sign(&steps, 2), sign(&dearer, 1), broken, sign(&elsewhere, 1), vec![7; 65], vec![1]] {
        assert_eq!(reason(market.submit(&seller, &intent, wrong).await), "SIGNATURE_INVALID");
    }
    for size in [0, 8193] {
        assert_eq!(reason(market.submit(&seller, &intent, vec![1; size]).await), "VALIDATION_FAILED");
    }
    assert_eq!(reason(market.submit(&other, &intent, sign(&steps, 1)).await), "NOT_FOUND");
    assert!(market.rig.world.orders.lock().unwrap().is_empty());

    // Between preparation and signature the maker called off all orders.
    market.call(&seller, &market.exchange, Seaport::incrementCounterCall {}, 0).await;
    assert_eq!(reason(market.submit(&seller, &intent, sign(&steps, 1)).await), "ORDER_CANCELLED");
    // Or gave the token away.
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let transfer = Erc721::transferFromCall {
        from: address(&seller.address),
        to: address(&other.address),
        tokenId: U256::from(1),
    };
    market.call(&seller, &token.address, transfer, 0).await;
    assert_eq!(reason(market.submit(&seller, &intent, sign(&steps, 1)).await), "NOT_OWNER");
    assert!(market.rig.world.orders.lock().unwrap().is_empty());
    market.rig.end().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_filled_now_is_not_offered_for_signing() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token: TokenRef = market.foreign_token(&seller).await;
    let order = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let order = market.place(&seller, order).await;
    assert_eq!(reason(market.buy(&seller, purchase(&seller, &order)).await), "ORDER_INVALID");
    assert_eq!(reason(market.accept(&buyer, acceptance(&buyer, &order)).await), "VALIDATION_FAILED");
    let mut unknown = purchase(&buyer, &order);
    unknown.order_id = ids::IntentId::new().to_string();
    assert_eq!(reason(market.buy(&buyer, unknown).await), "NOT_FOUND");

    // A buyer without the money.
    let rich = market.ether_of(&buyer.address).await;
    market.rig.chain.rpc("anvil_setBalance", json!([buyer.address, "0x1000"])).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "INSUFFICIENT_BALANCE");
    market.rig.chain.rpc("anvil_setBalance", json!([buyer.address, format!("{rich:#x}")])).await;

    // What the catalog says beside what was signed is not believed.
    let mut forged = order.clone();
    forged.components_json = forged.components_json.replace(&ETHER.to_string(), "1");
    market.rig.world.orders.lock().unwrap().insert(order.id.clone(), forged);
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_INVALID");
    market.rig.world.orders.lock().unwrap().insert(order.id.clone(), order.clone());

    // The seller takes the approval back, and gives it again.
    for (to, expected) in [(Address::ZERO, Some("ORDER_INVALID")), (address(&market.exchange), None)] {
        let call = Erc721::approveCall { to, tokenId: U256::from(1) };
        market.call(&seller, &token.address, call, 0).await;
        let answer = market.buy(&buyer, purchase(&buyer, &order)).await;
        assert_eq!(answer.is_err(), expected.is_some());
        if let Some(expected) = expected {
            assert_eq!(reason(answer), expected);
        }
    }
    // The seller has it no longer.
    let transfer = |from: &str, to: &str| Erc721::transferFromCall {
        from: address(from),
        to: address(to),
        tokenId: U256::from(1),
    };
    market.call(&seller, &token.address, transfer(&seller.address, &buyer.address), 0).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_INVALID");
    market.call(&buyer, &token.address, transfer(&buyer.address, &seller.address), 0).await;

    // Not open yet.
    let mut later = listing(&seller, &token, ETHER);
    later.start_time = in_an_hour().map(|time| Timestamp { seconds: time.seconds - 60, ..time });
    let later = market.list(&seller, later).await.unwrap();
    let later = market.place(&seller, later).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &later)).await), "ORDER_INVALID");
    assert!(market.cancel(&seller, cancellation(&seller, &later)).await.is_ok());

    // Called off with all others of the wallet.
    market.call(&seller, &market.exchange, Seaport::incrementCounterCall {}, 0).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_CANCELLED");
    // Over, by the chain's clock.
    let order = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let order = market.place(&seller, order).await;
    market.rig.chain.rpc("evm_increaseTime", json!([4000])).await;
    market.rig.chain.mine(1).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_EXPIRED");
    assert_eq!(reason(market.cancel(&seller, cancellation(&seller, &order)).await), "ORDER_EXPIRED");
    assert_eq!(CHAIN, order.chain_id);
    market.rig.end().await;
}
