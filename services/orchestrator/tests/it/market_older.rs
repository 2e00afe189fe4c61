//! What a maker has open already counts: older listings are called off before an approval brings them back, open offers
//! keep their allowance, and what a reorganisation takes back is told as well.

use abi::{
    seaport::Seaport,
    standards::{Erc20, Erc721},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::{SolCall, SolValue},
};
use proto::{
    catalog::v1::OrderStatus,
    chainregistry::v1::Contract,
    orchestrator::v1::{IntentStatus, Step, StepKind, TrackTxRequest},
};
use serde_json::json;

use crate::{
    market::{ETHER, Market, acceptance, cancellation, listing, offer, purchase, reason},
    rig::address,
};

fn amount_of(step: &Step) -> U256 {
    Erc20::approveCall::abi_decode(&step.transaction.as_ref().unwrap().data).unwrap().amount
}

#[tokio::test]
async fn a_cancellation_that_a_reorganisation_takes_back_is_taken_back_in_the_catalog() {
    let market = Market::start().await;
    *market.rig.world.confirmations.lock().unwrap() = 2;
    *market.rig.world.reorg_depth.lock().unwrap() = 64;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let order = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let order = market.place(&seller, order).await;
    assert_eq!((order.status(), order.as_of_block), (OrderStatus::Active, 0));

    let (intent, steps) = market.cancel(&seller, cancellation(&seller, &order)).await.unwrap();
    assert_eq!(intent.required_confirmations, 2);
    let snapshot = market.rig.chain.rpc("evm_snapshot", json!([])).await;
    let tx_hash = market.send(&steps).await;
    let (intent_id, step_id) = (intent.intent_id.clone(), steps[0].step_id.clone());
    let request = seller.says(TrackTxRequest { intent_id, step_id, tx_hash });
    market.rig.intents("gateway").track_tx(request).await.unwrap();
    market.rig.reaches(&seller, &intent, IntentStatus::Mined).await;
    assert_eq!(market.order(&order.id).status(), OrderStatus::Active, "not deep yet");
    let included = market.rig.chain.head().await;
    market.rig.chain.mine(1).await;
    market.rig.reaches(&seller, &intent, IntentStatus::Ready).await;
    market.is_told(&order, OrderStatus::Cancelled, "0").await;
    assert_eq!(
        market.order(&order.id).as_of_block,
        included,
        "the block that is as deep as the chain asks for"
    );

    market.rig.chain.rpc("evm_revert", json!([snapshot])).await;
    market.rig.chain.rpc("evm_increaseTime", json!([7])).await;
    market.rig.chain.mine(3).await;
    market.is_told(&order, OrderStatus::Active, "0").await;
    let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    market.send(&bought.1).await;
    assert_eq!(market.owner_of(&token).await, buyer.address);
    market.rig.end().await;
}

#[tokio::test]
async fn a_token_that_is_listed_again_is_first_called_off_where_it_was() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let cheap = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let cheap = market.place(&seller, cheap).await;
    let dear = market.list(&seller, listing(&seller, &token, 2 * ETHER)).await.unwrap();
    let kinds: Vec<StepKind> = dear.1.iter().map(Step::kind).collect();
    assert_eq!(kinds, [StepKind::Transaction, StepKind::Signature]);
    assert_eq!(dear.1[0].title, "Cancel 1 older listing of the token");
    assert!(dear.1[0].description.contains("for 1 ETH") && dear.1[0].simulated, "{}", dear.1[0].description);
    let dear = market.place(&seller, dear).await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &cheap)).await), "ORDER_CANCELLED");

    // The one that is cancelled already is not cancelled again; the approval that is missing comes after it.
    let revoke = Erc721::approveCall { to: Address::ZERO, tokenId: U256::from(1) };
    market.call(&seller, &token.address, revoke, 0).await;
    let (_, steps) = market.list(&seller, listing(&seller, &token, 3 * ETHER)).await.unwrap();
    let titles: Vec<&str> = steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Cancel 1 older listing of the token", "Approve the exchange", "List 1"]);

    // An accept that approves does so as well.
    market.wrap(&buyer, ETHER).await;
    let bid = market.offer(&buyer, offer(&buyer, &token, ETHER / 2)).await.unwrap();
    let bid = market.place(&buyer, bid).await;
    let accepted = market.accept(&seller, acceptance(&seller, &bid)).await.unwrap();
    let titles: Vec<&str> = accepted.1.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Cancel 1 older listing of the token", "Approve the exchange", "Sell 1"]);
    assert!(accepted.1.iter().all(|step| step.simulated));
    market.carry_out(&seller, &accepted).await;
    assert_eq!(market.owner_of(&token).await, buyer.address);
    let hash = dear.order_hash.parse().unwrap();
    let status = market.rig.view(&market.exchange, Seaport::getOrderStatusCall { orderHash: hash }).await;
    assert!(status.isCancelled);

    // Bounded: more are never looked at, and nothing is signed beside them.
    let token = market.foreign_token(&seller).await;
    let many = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let many = market.place(&seller, many).await;
    for n in 0..20 {
        let mut copy = many.clone();
        copy.id = format!("{n}");
        market.rig.world.orders.lock().unwrap().insert(copy.id.clone(), copy);
    }
    assert_eq!(reason(market.list(&seller, listing(&seller, &token, ETHER)).await), "ORDER_INVALID");
    market.rig.end().await;
}

#[tokio::test]
async fn editions_are_listed_beside_each_other_as_far_as_there_are_editions() {
    let market = Market::start().await;
    let (creator, seller) = (market.rig.user(3).await, market.rig.user(1).await);
    let token = market.own_editions(&creator, &seller, 4).await;
    let two = |price: u64| {
        let mut wanted = listing(&seller, &token, price);
        wanted.quantity = "2".into();
        wanted
    };
    for price in [2 * ETHER, 4 * ETHER] {
        let prepared = market.list(&seller, two(price)).await.unwrap();
        assert!(!prepared.1[0].title.starts_with("Cancel"), "{}", prepared.1[0].title);
        market.place(&seller, prepared).await;
    }
    let (_, steps) = market.list(&seller, two(6 * ETHER)).await.unwrap();
    assert_eq!(steps[0].title, "Cancel 2 older listings of the token");
    market.rig.end().await;
}

#[tokio::test]
async fn open_offers_keep_the_allowance_that_they_need() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let (token, other) = (market.foreign_token(&seller).await, market.foreign_token(&seller).await);
    market.wrap(&buyer, 9 * ETHER).await;
    let first = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    assert_eq!(amount_of(&first.1[0]), U256::from(ETHER));
    market.place(&buyer, first).await;
    let second = market.offer(&buyer, offer(&buyer, &token, 2 * ETHER)).await.unwrap();
    assert_eq!(amount_of(&second.1[0]), U256::from(3 * ETHER));
    let words = &second.1[0].description;
    assert!(words.contains("up to 3 WETH") && words.contains("1 WETH for your open offers"), "{words}");
    let second = market.place(&buyer, second).await;
    // A purchase pays beside them.
    let mut wanted = listing(&seller, &other, ETHER);
    wanted.currency = market.weth.clone();
    let order = market.list(&seller, wanted).await.unwrap();
    let order = market.place(&seller, order).await;
    let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    assert_eq!(amount_of(&bought.1[0]), U256::from(4 * ETHER));
    market.carry_out(&buyer, &bought).await;
    let accepted = market.accept(&seller, acceptance(&seller, &second)).await.unwrap();
    market.carry_out(&seller, &accepted).await;

    // A currency that changes an allowance only by way of none, as USDT does.
    let arguments = (address(&buyer.address), U256::from(1000)).abi_encode_params();
    let code = [testkit::trial_contract("StubbornERC20").to_vec(), arguments].concat();
    let (tether, _) = market.rig.chain.deploy(code.into()).await;
    let tether = format!("{tether:#x}");
    market.rig.world.contracts.lock().unwrap().push(Contract {
        name: "tether".into(),
        address: tether.clone(),
        standard: "ERC20".into(),
        ..Contract::default()
    });
    let bid = |price: u64| {
        let mut wanted = offer(&buyer, &other, price);
        wanted.currency.clone_from(&tether);
        wanted.collection.as_mut().unwrap().address.clone_from(&token.address);
        wanted.token_id = "7".into();
        wanted
    };
    let first = testkit::eventually(crate::rig::WITHIN, "the currency is known", async || {
        market.offer(&buyer, bid(100)).await.ok()
    })
    .await;
    let amounts = |steps: &[Step]| -> Vec<U256> { steps[..steps.len() - 1].iter().map(amount_of).collect() };
    assert_eq!(amounts(&first.1), [U256::from(100)]);
    market.place(&buyer, first).await;
    let second = market.offer(&buyer, bid(50)).await.unwrap();
    assert_eq!(amounts(&second.1), [U256::ZERO, U256::from(150)]);
    market.place(&buyer, second).await;
    market.rig.end().await;
}
