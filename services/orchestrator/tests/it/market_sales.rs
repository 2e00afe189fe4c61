//! Sales from the first step to the last, at a real exchange: what was promised is what moves.

use abi::{
    seaport::{Order as SignedOrder, OrderParameters, Seaport, WrappedNative::withdrawCall},
    standards::Erc721,
};
use alloy::{
    primitives::{B256, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolValue,
};
use futures::future::join_all;
use proto::{
    catalog::v1::OrderStatus,
    orchestrator::v1::{IntentKind, IntentStatus, StepKind, StepStatus},
};
use rpc::{Code, Problem};
use std::sync::atomic::Ordering;

use crate::{
    market::{ETHER, Market, acceptance, cancellation, components, listing, offer, purchase, reason, sign},
    rig::address,
};

#[tokio::test]
async fn a_strangers_token_is_listed_and_a_second_wallet_buys_it() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;

    let prepared = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let (intent, steps) = &prepared;
    assert_eq!((intent.kind(), intent.status()), (IntentKind::List, IntentStatus::Prepared));
    let kinds: Vec<StepKind> = steps.iter().map(|step| step.kind()).collect();
    assert_eq!(kinds, [StepKind::Transaction, StepKind::Signature]);
    assert!(steps[0].simulated);

    // Signed before the approval is there: nothing changes, and it can be signed again.
    let signature = sign(steps, 1);
    assert_eq!(reason(market.submit(&seller, intent, signature.clone()).await), "NOT_APPROVED");
    market.send(steps).await;
    let (listed, steps) = market.submit(&seller, intent, signature.clone()).await.unwrap();
    assert_eq!((listed.status(), steps[1].status()), (IntentStatus::Ready, StepStatus::Done));
    let order = market.order(&listed.order_id);
    assert_eq!((order.status(), order.price_raw.as_str()), (OrderStatus::Active, "1000000000000000000"));
    assert_eq!((order.maker.as_str(), order.currency.as_str()), (seller.address.as_str(), ""));
    assert_eq!((order.quantity.as_str(), order.marketplace.as_str()), ("1", "seaport-1.6"));
    // The same signature again is the same answer again.
    let (again, _) = market.submit(&seller, intent, signature).await.unwrap();
    assert_eq!(again, listed);

    // The exchange knows the order by this name, and takes the signature.
    assert_eq!(market.hash_on_chain(&order).await, order.order_hash);
    let signed = components(&order);
    let parameters = OrderParameters {
        offerer: signed.offerer,
        zone: signed.zone,
        totalOriginalConsiderationItems: U256::from(signed.consideration.len()),
        offer: signed.offer,
        consideration: signed.consideration,
        orderType: signed.orderType,
        startTime: signed.startTime,
        endTime: signed.endTime,
        zoneHash: signed.zoneHash,
        salt: signed.salt,
        conduitKey: signed.conduitKey,
    };
    let orders = vec![SignedOrder { parameters, signature: order.signature.clone().into() }];
    assert!(market.rig.view(&market.exchange, Seaport::validateCall { orders }).await);

    let before = market.ether_of(&seller.address).await;
    let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    assert_eq!((bought.0.order_id.as_str(), bought.1.len()), (order.id.as_str(), 1));
    assert_eq!(bought.1[0].transaction.as_ref().unwrap().value, "1000000000000000000");
    let done = market.carry_out(&buyer, &bought).await;
    assert_eq!((done.tokens.len(), done.tokens[0].token_id.as_str()), (1, "1"));
    assert_eq!(market.owner_of(&token).await, buyer.address);
    assert_eq!(market.ether_of(&seller.address).await, before + U256::from(ETHER));
    market.is_told(&order, OrderStatus::Filled, "1").await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_FILLED");
    market.rig.end().await;
}

#[tokio::test]
async fn a_listing_in_wrapped_ether_pays_the_creator_and_asks_the_buyer_for_an_approval() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    let token = market.own_token(&creator, &seller).await;
    let mut wanted = listing(&seller, &token, 2 * ETHER);
    wanted.currency = market.weth.clone();
    let order = market.list(&seller, wanted).await.unwrap();
    let order = market.place(&seller, order).await;
    assert_eq!(order.currency, market.weth);

    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "INSUFFICIENT_BALANCE");
    market.wrap(&buyer, 3 * ETHER).await;
    let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    assert_eq!(bought.1.len(), 2);
    assert_eq!(bought.1[1].transaction.as_ref().unwrap().value, "0");
    market.carry_out(&buyer, &bought).await;
    assert_eq!(market.owner_of(&token).await, buyer.address);
    assert_eq!(market.weth_of(&seller.address).await, U256::from(ETHER / 10 * 19));
    assert_eq!(market.weth_of(&creator.address).await, U256::from(ETHER / 10));
    assert_eq!(market.weth_of(&buyer.address).await, U256::from(ETHER));
    // What is wrapped is ether again whenever its owner wants it.
    let held = market.ether_of(&market.weth).await;
    market.call(&buyer, &market.weth, withdrawCall { wad: U256::from(ETHER) }, 0).await;
    assert_eq!(market.weth_of(&buyer.address).await, U256::ZERO);
    assert_eq!(market.ether_of(&market.weth).await, held - U256::from(ETHER));
    market.rig.end().await;
}

#[tokio::test]
async fn editions_are_bought_in_parts_and_for_others() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    let token = market.own_editions(&creator, &seller, 4).await;
    let mut wanted = listing(&seller, &token, 4 * ETHER);
    wanted.quantity = "4".into();
    let order = market.list(&seller, wanted).await.unwrap();
    let order = market.place(&seller, order).await;

    let mut part = purchase(&buyer, &order);
    (part.quantity, part.recipient) = ("1".into(), creator.address.clone());
    part.expected_price_raw = (ETHER - 1).to_string();
    assert_eq!(reason(market.buy(&buyer, part.clone()).await), "PRICE_CHANGED");
    part.expected_price_raw = ETHER.to_string();
    let before = market.ether_of(&seller.address).await;
    let bought = market.buy(&buyer, part).await.unwrap();
    assert_eq!(bought.1[0].transaction.as_ref().unwrap().value, ETHER.to_string());
    market.carry_out(&buyer, &bought).await;
    assert_eq!(market.editions_of(&token, &creator.address).await, 1);
    assert_eq!(market.ether_of(&seller.address).await, before + U256::from(ETHER / 100 * 95));
    market.is_told(&order, OrderStatus::Active, "1").await;

    let mut too_many = purchase(&buyer, &order);
    too_many.quantity = "4".into();
    assert_eq!(reason(market.buy(&buyer, too_many).await), "ORDER_FILLED");
    let rest = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    assert_eq!(rest.1[0].transaction.as_ref().unwrap().value, (3 * ETHER).to_string());
    market.carry_out(&buyer, &rest).await;
    assert_eq!(market.editions_of(&token, &buyer.address).await, 3);
    market.is_told(&order, OrderStatus::Filled, "4").await;
    market.rig.end().await;
}

#[tokio::test]
async fn offers_are_accepted_for_the_named_token_and_for_any_of_a_collection() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    market.wrap(&buyer, 4 * ETHER).await;

    // A stranger's token, by name, without a royalty.
    let token = market.foreign_token(&seller).await;
    let order = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    assert_eq!(order.1.len(), 2, "the currency is approved first");
    let order = market.place(&buyer, order).await;
    assert_eq!((order.currency.as_str(), order.token_id.as_str()), (market.weth.as_str(), "1"));
    assert_eq!(market.hash_on_chain(&order).await, order.order_hash);
    let accepted = market.accept(&seller, acceptance(&seller, &order)).await.unwrap();
    assert_eq!((accepted.0.kind(), accepted.1.len()), (IntentKind::AcceptOffer, 2));
    market.carry_out(&seller, &accepted).await;
    assert_eq!(market.owner_of(&token).await, buyer.address);
    assert_eq!(market.weth_of(&seller.address).await, U256::from(ETHER));
    market.is_told(&order, OrderStatus::Filled, "1").await;

    // Any token of a collection of ours; the creator's part comes out of the offer.
    let token = market.own_token(&creator, &seller).await;
    let mut wanted = offer(&buyer, &token, 2 * ETHER);
    wanted.token_id = String::new();
    let order = market.offer(&buyer, wanted).await.unwrap();
    let order = market.place(&buyer, order).await;
    assert_eq!(order.token_id, "");
    assert_eq!(reason(market.accept(&seller, acceptance(&seller, &order)).await), "VALIDATION_FAILED");
    let mut named = acceptance(&seller, &order);
    named.token_id = token.token_id.clone();
    let accepted = market.accept(&seller, named).await.unwrap();
    let done = market.carry_out(&seller, &accepted).await;
    assert_eq!(done.tokens[0].token_id, token.token_id);
    assert_eq!(market.owner_of(&token).await, buyer.address);
    assert_eq!(market.weth_of(&seller.address).await, U256::from(ETHER / 10 * 29));
    assert_eq!(market.weth_of(&creator.address).await, U256::from(ETHER / 10));
    assert_eq!(market.weth_of(&buyer.address).await, U256::from(ETHER));
    market.rig.end().await;
}

#[tokio::test]
async fn an_offer_for_editions_is_accepted_in_parts() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    market.wrap(&buyer, 3 * ETHER).await;
    let token = market.own_editions(&creator, &seller, 2).await;
    let mut wanted = offer(&buyer, &token, 3 * ETHER);
    wanted.quantity = "3".into();
    let order = market.offer(&buyer, wanted).await.unwrap();
    let order = market.place(&buyer, order).await;
    // The seller has two of the three.
    assert_eq!(reason(market.accept(&seller, acceptance(&seller, &order)).await), "NOT_OWNER");
    let mut part = acceptance(&seller, &order);
    part.quantity = "2".into();
    let accepted = market.accept(&seller, part).await.unwrap();
    market.carry_out(&seller, &accepted).await;
    assert_eq!(market.editions_of(&token, &buyer.address).await, 2);
    assert_eq!(market.weth_of(&seller.address).await, U256::from(ETHER / 10 * 19));
    assert_eq!(market.weth_of(&creator.address).await, U256::from(ETHER / 10));
    market.is_told(&order, OrderStatus::Active, "2").await;
    market.rig.end().await;
}

#[tokio::test]
async fn a_listing_for_one_wallet_is_bought_by_that_wallet_alone() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    for currency in [String::new(), market.weth.clone()] {
        let token = market.own_token(&creator, &seller).await;
        let mut wanted = listing(&seller, &token, ETHER);
        (wanted.taker, wanted.currency) = (buyer.address.clone(), currency.clone());
        let order = market.list(&seller, wanted).await.unwrap();
        let order = market.place(&seller, order).await;
        assert_eq!(order.taker, buyer.address);
        assert_eq!(reason(market.buy(&creator, purchase(&creator, &order)).await), "ORDER_INVALID");
        if !currency.is_empty() {
            market.wrap(&buyer, ETHER).await;
        }
        let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
        market.carry_out(&buyer, &bought).await;
        assert_eq!(market.owner_of(&token).await, buyer.address);
        market.is_told(&order, OrderStatus::Filled, "1").await;
    }
    assert_eq!(market.weth_of(&seller.address).await, U256::from(ETHER / 100 * 95));
    market.rig.end().await;
}

#[tokio::test]
async fn a_cancelled_order_is_over_for_everybody() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let order = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let order = market.place(&seller, order).await;
    assert_eq!(reason(market.cancel(&buyer, cancellation(&buyer, &order)).await), "NOT_OWNER");
    let cancelled = market.cancel(&seller, cancellation(&seller, &order)).await.unwrap();
    assert_eq!(cancelled.0.kind(), IntentKind::CancelListing);
    market.carry_out(&seller, &cancelled).await;
    market.is_told(&order, OrderStatus::Cancelled, "0").await;
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &order)).await), "ORDER_CANCELLED");
    assert_eq!(reason(market.cancel(&seller, cancellation(&seller, &order)).await), "ORDER_CANCELLED");
    market.rig.end().await;
}

#[tokio::test]
async fn a_wallet_that_is_a_contract_lists_by_its_own_word() {
    let market = Market::start().await;
    let (owner, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&owner).await;
    let code =
        [testkit::trial_contract("OwnedWallet").to_vec(), address(&owner.address).abi_encode()].concat();
    let (account, _) = market.rig.chain.deploy(code.into()).await;
    let moved =
        Erc721::transferFromCall { from: address(&owner.address), to: account, tokenId: U256::from(1) };
    market.call(&owner, &token.address, moved, 0).await;
    let account = format!("{account:#x}");
    market.rig.world.wallets.lock().unwrap().push((owner.caller.user_id.clone(), account.clone()));

    let mut wanted = listing(&owner, &token, ETHER);
    wanted.seller.clone_from(&account);
    let (intent, steps) = market.list(&owner, wanted).await.unwrap();
    // The approval is the account's to send; here anvil sends in its place.
    market.rig.chain.rpc("anvil_setBalance", serde_json::json!([account, "0xde0b6b3a7640000"])).await;
    market.rig.chain.rpc("anvil_impersonateAccount", serde_json::json!([account])).await;
    market.send(&steps).await;
    let signature = sign(&steps, 2);
    assert_eq!(reason(market.submit(&owner, &intent, signature).await), "SIGNATURE_INVALID");
    let (listed, _) = market.submit(&owner, &intent, sign(&steps, 1)).await.unwrap();
    let order = market.order(&listed.order_id);
    let bought = market.buy(&buyer, purchase(&buyer, &order)).await.unwrap();
    market.carry_out(&buyer, &bought).await;
    assert_eq!(market.owner_of(&token).await, buyer.address);
    market.rig.end().await;
}

#[tokio::test]
async fn eight_clients_with_one_key_get_one_order_to_sign_and_hand_in_one() {
    let market = Market::start().await;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    let request = listing(&seller, &token, ETHER);
    let answers = join_all((0..8).map(|_| market.list(&seller, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    let mut other = request.clone();
    other.price_raw = "1".into();
    let problem = Problem::from(&market.list(&seller, other).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));

    let (intent, steps) = &answers[0];
    market.send(steps).await;
    let signature = sign(steps, 1);
    let handed_in = join_all((0..8).map(|_| market.submit(&seller, intent, signature.clone()))).await;
    let ids: Vec<String> = handed_in.into_iter().map(|answer| answer.unwrap().0.intent_id).collect();
    assert!(ids.iter().all(|id| id == &intent.intent_id));
    let done = market.rig.reaches(&seller, intent, IntentStatus::Ready).await;
    assert_eq!(market.rig.world.orders.lock().unwrap().len(), 1);
    // Prepared, signed, stored: each told once.
    assert_eq!(done.revision, 3);
    // The short spelling of it is no other one.
    let compact = {
        let signer: PrivateKeySigner = testkit::KEYS[1].parse().unwrap();
        let typed: alloy::dyn_abi::TypedData = serde_json::from_str(&steps[1].typed_data_json).unwrap();
        let hash: B256 = typed.eip712_signing_hash().unwrap();
        signer.sign_hash_sync(&hash).unwrap().as_erc2098().to_vec()
    };
    assert!(market.submit(&seller, intent, compact).await.is_ok());
    market.rig.end().await;
}

#[tokio::test]
async fn an_order_that_the_catalog_did_not_hear_of_is_told_by_the_next_process() {
    let mut market = Market::start().await;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    market.rig.world.is_catalog_down.store(true, Ordering::SeqCst);
    let (waits, _) = market.submit(&seller, &intent, sign(&steps, 1)).await.unwrap();
    assert_eq!((waits.status(), waits.order_id.as_str()), (IntentStatus::Submitted, ""));
    market.rig.down().await;
    market.rig.world.is_catalog_down.store(false, Ordering::SeqCst);
    market.rig.up();
    let done = market.rig.reaches(&seller, &intent, IntentStatus::Ready).await;
    let order = market.order(&done.order_id);
    assert_eq!(market.hash_on_chain(&order).await, order.order_hash);
    market.rig.end().await;
}

#[tokio::test]
async fn a_signature_that_comes_too_late_is_refused() {
    let market = Market::start().await;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    sqlx::query("update tx_intents set deadline_at = now() where intent_id = $1::uuid")
        .bind(&intent.intent_id)
        .execute(&market.rig.db.pool)
        .await
        .unwrap();
    assert_eq!(reason(market.submit(&seller, &intent, sign(&steps, 1)).await), "INTENT_EXPIRED");
    assert!(market.rig.world.orders.lock().unwrap().is_empty());
    market.rig.end().await;
}
