//! What strangers' contracts may do to those who trade their tokens, and what is said before it is signed.

use abi::{launchpad::VitrineERC721, standards::Erc721};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolValue,
};
use prost_types::Timestamp;
use proto::{
    catalog::v1::OrderStatus,
    chainregistry::v1::Contract,
    common::v1::{ContractRef, TokenRef, TokenStandard},
    orchestrator::v1::{IntentStatus, Step},
};
use rpc::Problem;
use serde_json::Value;
use std::sync::atomic::Ordering;

use crate::{
    market::{ETHER, Market, acceptance, cancellation, fresh, listing, offer, purchase, reason, sign},
    rig::{CHAIN, WITHIN, address},
};

fn erc20(name: &str, address: &str) -> Contract {
    let (name, address, standard) = (name.into(), address.into(), "ERC20".into());
    Contract { name, address, standard, ..Contract::default() }
}

fn words(step: &Step) -> String {
    step.description.to_lowercase()
}

#[tokio::test]
async fn what_is_signed_says_who_gets_what_from_whom_and_when() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    let token = market.own_token(&creator, &seller).await;
    let says = |text: &str, expected: &[&str]| {
        for part in expected {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    };
    let royalty = |amount: &str| format!("{} gets a royalty of {amount} (5 %)", creator.address);
    let mut wanted = listing(&seller, &token, 2 * ETHER);
    (wanted.taker, wanted.start_time) =
        (buyer.address.clone(), Some(Timestamp { seconds: 4_000_000_000, nanos: 0 }));
    wanted.end_time = Some(Timestamp { seconds: 4_000_086_400, nanos: 0 });
    // Far ahead is told as such, and a year ahead is the most.
    let problem = Problem::from(&market.list(&seller, wanted.clone()).await.unwrap_err());
    assert_eq!(problem.violations[0].message, "must be at most a year ahead");
    (wanted.start_time, wanted.end_time) = (None, crate::market::in_an_hour());
    let (_, steps) = market.list(&seller, wanted).await.unwrap();
    let alone = format!("to {} alone", buyer.address);
    says(
        &words(steps.last().unwrap()),
        &["for 2 eth", &alone, "from 20", "until 20", "you get 1.9 eth", &royalty("0.1 eth")],
    );
    let (_, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    says(&words(steps.last().unwrap()), &["to anybody", "you get 0.95 eth"]);

    market.wrap(&buyer, 2 * ETHER).await;
    let bid = market.offer(&buyer, offer(&buyer, &token, 2 * ETHER)).await.unwrap();
    let expected = ["offers 2 weth", "until 20", "the seller gets 1.9 weth", &royalty("0.1 weth")];
    says(&words(bid.1.last().unwrap()), &expected);
    let bid = market.place(&buyer, bid).await;
    let (_, steps) = market.accept(&seller, acceptance(&seller, &bid)).await.unwrap();
    let to = format!("to {}", buyer.address);
    says(&words(steps.last().unwrap()), &[&to, "until 20", "you get 1.9 weth", &royalty("0.1 weth")]);
    market.rig.end().await;
}

#[tokio::test]
async fn a_collection_that_asks_for_the_whole_price_is_not_traded() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    let mut wanted = creator.wants_collection(&fresh("greedy"), TokenStandard::Erc721);
    wanted.royalty_bps = 10_000;
    let ContractRef { chain_id, address: contract } = market.rig.collection(&creator, wanted).await;
    let mint = VitrineERC721::mintCall {
        to: address(&seller.address),
        quantity: U256::from(1),
        stageId: U256::ZERO,
        proof: vec![],
    };
    let receipt = market.call(&seller, &contract, mint, ETHER).await;
    let token_id: U256 = receipt["logs"][0]["topics"][3].as_str().unwrap().parse().unwrap();
    let token = TokenRef { chain_id, address: contract, token_id: token_id.to_string() };
    market.wrap(&buyer, ETHER).await;
    let refused = [
        market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap_err(),
        market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap_err(),
    ];
    for status in refused {
        let problem = Problem::from(&status);
        assert_eq!(problem.reason, "ORDER_INVALID");
        let said = problem.message.to_lowercase();
        assert!(said.contains(&creator.address) && said.contains("100 %") && said.contains("10 %"), "{said}");
    }
    // The creator's own sale pays nobody else.
    let back = Erc721::transferFromCall {
        from: address(&seller.address),
        to: address(&creator.address),
        tokenId: token_id,
    };
    market.call(&seller, &token.address, back, 0).await;
    assert!(market.list(&creator, listing(&creator, &token, ETHER)).await.is_ok());
    market.rig.end().await;
}

#[tokio::test]
async fn contracts_that_misbehave_are_their_own_fault_and_nobody_elses() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let deploy = async |name: &str, arguments: Vec<u8>| {
        let code = [testkit::trial_contract(name).to_vec(), arguments].concat();
        let (at, _) = market.rig.chain.deploy(code.into()).await;
        format!("{at:#x}")
    };
    let token =
        |contract: &str| TokenRef { chain_id: CHAIN.into(), address: contract.into(), token_id: "1".into() };
    for name in ["HostileLoop", "HostileRevert", "HostileHuge", "HostileLarge", "HostileTrue", "HostileEmpty"]
    {
        let found = deploy(name, vec![]).await;
        let listed = market.list(&seller, listing(&seller, &token(&found), ETHER)).await;
        assert_eq!(reason(listed), "CONTRACT_UNKNOWN", "{name}");
    }
    let looping = deploy("LoopingToken", vec![]).await;
    assert_eq!(reason(market.list(&seller, listing(&seller, &token(&looping), ETHER)).await), "NOT_OWNER");
    // Currencies that the registry knows, and that fail.
    let good = market.foreign_token(&seller).await;
    for name in ["HostileLoop", "HostileHuge", "HostileRevert", "HostileEmpty"] {
        let currency = deploy(name, vec![]).await;
        market.rig.world.contracts.lock().unwrap().push(erc20(name, &currency));
        let mut wanted = offer(&buyer, &good, ETHER);
        wanted.currency = currency;
        let found = testkit::eventually(WITHIN, "the currency is known", async || {
            let found = reason(market.offer(&buyer, wanted.clone()).await);
            (found != "VALIDATION_FAILED").then_some(found)
        })
        .await;
        assert!(["ORDER_INVALID", "INSUFFICIENT_BALANCE"].contains(&found.as_str()), "{name}: {found}");
    }
    // The node is as good as before.
    assert!(market.list(&seller, listing(&seller, &good, ETHER)).await.is_ok());

    // A royalty that is told only for tokens that there are.
    let receiver = market.rig.user(4).await.address;
    let arguments = (address(&seller.address), address(&receiver)).abi_encode_params();
    let picky = deploy("PickyRoyalty", arguments).await;
    market.wrap(&buyer, ETHER).await;
    let mut wanted = offer(&buyer, &token(&picky), ETHER);
    wanted.token_id = String::new();
    let (_, steps) = market.offer(&buyer, wanted.clone()).await.unwrap();
    assert!(words(&steps[1]).contains("told none when it was asked"), "{}", steps[1].description);
    market.rig.world.catalogued.lock().unwrap().insert(picky);
    wanted.request_id = fresh("offer");
    let (_, steps) = market.offer(&buyer, wanted).await.unwrap();
    assert!(words(&steps[1]).contains("(5 %)"), "{}", steps[1].description);
    let typed: Value = serde_json::from_str(&steps[1].typed_data_json).unwrap();
    assert_eq!(typed["message"]["consideration"][1]["recipient"], receiver);
    market.rig.end().await;
}

#[tokio::test]
async fn only_currencies_of_the_chain_and_its_real_exchange_are_traded_with() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    let (fake, _) = market.rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
    let mut listed = listing(&seller, &token, ETHER);
    listed.currency = format!("{fake:#x}");
    let mut offered = offer(&buyer, &token, ETHER);
    offered.currency.clone_from(&listed.currency);
    let refused =
        [market.list(&seller, listed).await.unwrap_err(), market.offer(&buyer, offered).await.unwrap_err()];
    for status in refused {
        let problem = Problem::from(&status);
        assert_eq!(problem.violations[0].path, "currency");
        assert_eq!(problem.violations[0].message, "is not a currency of this chain");
    }
    market.wrap(&buyer, ETHER).await;
    let bid = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    let bid = market.place(&buyer, bid).await;
    let order = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    let order = market.place(&seller, order).await;

    // The exchange is replaced, and the currency is none any more: what is there can still be called off.
    let code = |name: &str| abi::artifact(name).unwrap();
    let (conduits, _) = market.rig.chain.deploy(code("LocalConduitController")).await;
    let (next, _) =
        market.rig.chain.deploy([code("Seaport").to_vec(), conduits.abi_encode()].concat().into()).await;
    let exchange = |address: String| Contract { standard: "exchange".into(), ..erc20("seaport", &address) };
    let known = market.rig.world.contracts.lock().unwrap().clone();
    *market.rig.world.contracts.lock().unwrap() = vec![known[0].clone()];
    testkit::eventually(WITHIN, "the currency is gone", async || {
        let accepted = market.accept(&seller, acceptance(&seller, &bid)).await;
        (accepted.is_err() && reason(accepted) == "ORDER_INVALID").then_some(())
    })
    .await;
    *market.rig.world.contracts.lock().unwrap() = vec![known[0].clone(), exchange(format!("{next:#x}"))];
    testkit::eventually(WITHIN, "the exchange is another", async || {
        let bought = market.buy(&buyer, purchase(&buyer, &order)).await;
        (bought.is_err() && reason(bought) == "ORDER_INVALID").then_some(())
    })
    .await;
    market.rig.world.is_disabled.store(true, Ordering::SeqCst);
    testkit::eventually(WITHIN, "the chain is disabled", async || {
        let bought = market.buy(&buyer, purchase(&buyer, &order)).await;
        (reason(bought) == "CHAIN_DISABLED").then_some(())
    })
    .await;
    let cancelled = market.cancel(&seller, cancellation(&seller, &order)).await.unwrap();
    assert_eq!(cancelled.1[0].transaction.as_ref().unwrap().to, market.exchange);
    market.carry_out(&seller, &cancelled).await;
    market.is_told(&order, OrderStatus::Cancelled, "0").await;

    // What is registered as an exchange and is none.
    market.rig.world.is_disabled.store(false, Ordering::SeqCst);
    *market.rig.world.contracts.lock().unwrap() = vec![exchange(market.weth.clone())];
    let problem = testkit::eventually(WITHIN, "the exchange is none", async || {
        let listed = market.list(&seller, listing(&seller, &token, ETHER)).await;
        let problem = Problem::from(&listed.err()?);
        (problem.reason == "CONTRACT_UNKNOWN").then_some(problem)
    })
    .await;
    assert!(problem.message.contains("is not Seaport 1.6"), "{}", problem.message);
    market.rig.end().await;
}

#[tokio::test]
async fn an_order_that_the_catalog_never_takes_ends_its_intent() {
    let mut market = Market::start().await;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    market.rig.world.is_catalog_refusing.store(true, Ordering::SeqCst);
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    let (failed, _) = market.submit(&seller, &intent, sign(&steps, 1)).await.unwrap();
    assert_eq!((failed.status(), failed.error_code.as_str()), (IntentStatus::Failed, "ORDER_INVALID"));

    // The tracker finds it out as well.
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.rig.world.is_catalog_down.store(true, Ordering::SeqCst);
    let (waits, _) = market.submit(&seller, &intent, sign(&steps, 1)).await.unwrap();
    assert_eq!(waits.status(), IntentStatus::Submitted);
    market.rig.world.is_catalog_down.store(false, Ordering::SeqCst);
    market.rig.restart().await;
    let failed = market.rig.reaches(&seller, &intent, IntentStatus::Failed).await;
    assert_eq!(failed.error_code, "ORDER_INVALID");

    // An approval that was there, and is not: who plans none names who does.
    market.rig.world.is_catalog_refusing.store(false, Ordering::SeqCst);
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    assert_eq!(steps.len(), 1);
    let revoke = Erc721::approveCall { to: Address::ZERO, tokenId: U256::from(1) };
    market.call(&seller, &token.address, revoke, 0).await;
    let problem = Problem::from(&market.submit(&seller, &intent, sign(&steps, 1)).await.unwrap_err());
    assert_eq!(problem.reason, "NOT_APPROVED");
    assert!(problem.message.contains("prepareApprove of token 1"), "{}", problem.message);
    market.rig.end().await;
}

#[tokio::test]
async fn an_offer_is_taken_only_when_its_makers_money_is_followed() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    market.wrap(&buyer, ETHER).await;
    let (intent, steps) = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    let signature = sign(&steps, 2);

    market.rig.world.is_indexer_down.store(true, Ordering::SeqCst);
    let problem = Problem::from(&market.submit(&buyer, &intent, signature.clone()).await.unwrap_err());
    assert_eq!(problem.reason, "UNAVAILABLE");
    let waits = market.rig.get(&buyer, &intent.intent_id).await;
    assert_eq!(waits.status(), IntentStatus::Prepared, "nothing was kept, and it can be handed in again");
    assert!(market.rig.world.orders.lock().unwrap().is_empty());

    market.rig.world.is_indexer_down.store(false, Ordering::SeqCst);
    let (done, _) = market.submit(&buyer, &intent, signature).await.unwrap();
    assert_eq!(done.status(), IntentStatus::Ready);
    assert_eq!(*market.rig.world.payers.lock().unwrap(), [(market.weth.clone(), buyer.address.clone())]);

    // An indexer that follows as many as it can is no reason to refuse anybody.
    market.rig.world.is_indexer_full.store(true, Ordering::SeqCst);
    market.wrap(&buyer, ETHER).await;
    let (intent, steps) = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    let (done, _) = market.submit(&buyer, &intent, sign(&steps, 2)).await.unwrap();
    assert_eq!(done.status(), IntentStatus::Ready);
    assert_eq!(market.rig.world.payers.lock().unwrap().len(), 1);

    // Of who lists, nobody's money counts.
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    market.rig.world.is_indexer_down.store(true, Ordering::SeqCst);
    market.submit(&seller, &intent, sign(&steps, 1)).await.unwrap();
    assert_eq!(market.rig.world.payers.lock().unwrap().len(), 1);
    market.rig.end().await;
}
