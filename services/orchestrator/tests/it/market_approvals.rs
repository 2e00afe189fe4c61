//! What an approval of the exchange brings back: older listings that only waited for it are called off before it, whichever
//! verb gives it, and what nobody waits for stays as it is.

use std::sync::atomic::Ordering;

use abi::{
    launchpad::{PlainERC721, VitrineERC1155},
    seaport::Seaport,
    standards::{Erc721, Erc1155},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use proto::{
    catalog::v1::{Order, OrderStatus},
    common::v1::{ContractRef, TokenRef},
    orchestrator::v1::{
        PrepareApproveRequest, Step, market_orchestrator_service_client::MarketOrchestratorServiceClient,
    },
};
use rpc::Problem;
use tonic::Status;

use crate::{
    market::{ETHER, Market, Prepared, acceptance, fresh, listing, offer, purchase, reason},
    rig::{CHAIN, User, address},
};

const OTHER: &str = "0x00000000000000000000000000000000000000ab";

/// Of all tokens to the exchange.
fn approval(owner: &User, token: &TokenRef) -> PrepareApproveRequest {
    PrepareApproveRequest {
        request_id: fresh("approve"),
        contract: Some(ContractRef { chain_id: CHAIN.into(), address: token.address.clone() }),
        owner: owner.address.clone(),
        ..PrepareApproveRequest::default()
    }
}

async fn approve(market: &Market, user: &User, request: PrepareApproveRequest) -> Result<Prepared, Status> {
    let mut client = MarketOrchestratorServiceClient::new(market.rig.channel("gateway"));
    let answer = client.prepare_approve(user.says(request)).await?.into_inner();
    Ok((answer.intent.unwrap(), answer.steps))
}

fn titles(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.title.as_str()).collect()
}

/// Tokens 1 to `count` of one foreign collection.
async fn tokens(market: &Market, owner: &User, count: u64) -> Vec<TokenRef> {
    let first = market.foreign_token(owner).await;
    for _ in 1..count {
        let mint = PlainERC721::mintCall { to: address(&owner.address) };
        market.call(owner, &first.address, mint, 0).await;
    }
    (1..=count).map(|id| TokenRef { token_id: id.to_string(), ..first.clone() }).collect()
}

async fn place(market: &Market, seller: &User, token: &TokenRef, price: u64) -> Order {
    let prepared = market.list(seller, listing(seller, token, price)).await.unwrap();
    market.place(seller, prepared).await
}

/// Approves one token for somebody, or for nobody, past the API.
async fn approve_one(market: &Market, owner: &User, token: &TokenRef, to: &str) {
    let to = if to.is_empty() { Address::ZERO } else { address(to) };
    let call = Erc721::approveCall { to, tokenId: amounts::parse(&token.token_id).unwrap() };
    market.call(owner, &token.address, call, 0).await;
}

async fn approve_all(market: &Market, owner: &User, token: &TokenRef, approved: bool) {
    let call = Erc721::setApprovalForAllCall { operator: address(&market.exchange), approved };
    market.call(owner, &token.address, call, 0).await;
}

async fn is_approved_for_all(market: &Market, owner: &User, token: &TokenRef) -> bool {
    let (account, operator) = (address(&owner.address), address(&market.exchange));
    market.rig.view(&token.address, Erc1155::isApprovedForAllCall { account, operator }).await
}

async fn is_cancelled(market: &Market, order: &Order) -> bool {
    let hash = order.order_hash.parse().unwrap();
    market.rig.view(&market.exchange, Seaport::getOrderStatusCall { orderHash: hash }).await.isCancelled
}

#[tokio::test]
async fn a_listing_approves_its_own_token_and_brings_no_other_listing_back() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let held = tokens(&market, &seller, 3).await;
    let cheap = place(&market, &seller, &held[0], ETHER).await;
    approve_one(&market, &seller, &held[0], "").await;
    approve_all(&market, &seller, &held[0], false).await;

    // Somebody else may move the second token, and is told of.
    approve_one(&market, &seller, &held[1], OTHER).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &held[1], 5 * ETHER)).await.unwrap();
    assert_eq!(titles(&steps), ["Approve the exchange", "List 1"]);
    let words = steps[0].description.to_lowercase();
    assert!(words.contains("your token 2 of") && words.contains(&format!("approval of {OTHER}")), "{words}");
    let call = Erc721::approveCall::abi_decode(&steps[0].transaction.as_ref().unwrap().data).unwrap();
    assert_eq!((call.to, call.tokenId), (address(&market.exchange), U256::from(2)));
    let dear = market.place(&seller, (intent, steps)).await;
    assert!(!is_approved_for_all(&market, &seller, &held[0]).await);
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &cheap)).await), "ORDER_INVALID");
    let bought = market.buy(&buyer, purchase(&buyer, &dear)).await.unwrap();
    market.carry_out(&buyer, &bought).await;
    assert_eq!(market.owner_of(&held[1]).await, buyer.address);

    // Nobody else has an approval of the third one; who has one for all needs none.
    let (_, steps) = market.list(&seller, listing(&seller, &held[2], ETHER)).await.unwrap();
    assert!(!steps[0].description.contains("replaces"), "{}", steps[0].description);
    approve_all(&market, &seller, &held[0], true).await;
    let (_, steps) = market.list(&seller, listing(&seller, &held[2], ETHER)).await.unwrap();
    assert_eq!(titles(&steps), ["List 1"]);
    market.rig.end().await;
}

#[tokio::test]
async fn an_approval_for_all_first_calls_off_what_it_would_bring_back() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let held = tokens(&market, &seller, 4).await;
    let mut orders = Vec::new();
    for (token, price) in held.iter().zip(1..) {
        orders.push(place(&market, &seller, token, price * ETHER).await);
    }
    // The first two wait for an approval, the third can be bought, the fourth is not the seller's any more.
    approve_one(&market, &seller, &held[0], "").await;
    approve_one(&market, &seller, &held[1], OTHER).await;
    let (from, to) = (address(&seller.address), address(&buyer.address));
    let moved = Erc721::transferFromCall { from, to, tokenId: U256::from(4) };
    market.call(&seller, &held[3].address, moved, 0).await;

    let prepared = approve(&market, &seller, approval(&seller, &held[0])).await.unwrap();
    let steps = &prepared.1;
    assert_eq!(titles(steps), ["Cancel 2 older listings of the collection", "Approve all tokens"]);
    let words = &steps[0].description;
    assert!(words.contains("token 1 for 1 ETH") && words.contains("token 2 for 2 ETH"), "{words}");
    assert!(steps.iter().all(|step| step.simulated));
    market.carry_out(&seller, &prepared).await;
    assert!(is_approved_for_all(&market, &seller, &held[0]).await);
    for (order, expected) in orders.iter().zip([true, true, false, false]) {
        assert_eq!(is_cancelled(&market, order).await, expected, "token {}", order.token_id);
    }
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &orders[0])).await), "ORDER_CANCELLED");
    let bought = market.buy(&buyer, purchase(&buyer, &orders[2])).await.unwrap();
    market.carry_out(&buyer, &bought).await;
    assert_eq!(market.owner_of(&held[2]).await, buyer.address);
    market.rig.end().await;
}

#[tokio::test]
async fn an_approval_of_one_token_first_calls_off_the_listings_of_that_token() {
    let market = Market::start().await;
    let seller = market.rig.user(1).await;
    let held = tokens(&market, &seller, 2).await;
    let one = || PrepareApproveRequest { token_id: "1".into(), ..approval(&seller, &held[0]) };
    let cheap = place(&market, &seller, &held[0], ETHER).await;
    let other = place(&market, &seller, &held[1], ETHER).await;
    // What can be bought already stays.
    let (_, steps) = approve(&market, &seller, one()).await.unwrap();
    assert_eq!(titles(&steps), ["Approve token 1 (changes nothing: it is so already)"]);
    approve_all(&market, &seller, &held[0], true).await;
    approve_one(&market, &seller, &held[0], OTHER).await;
    let (_, steps) = approve(&market, &seller, one()).await.unwrap();
    assert_eq!(titles(&steps), ["Approve token 1"]);
    assert!(steps[0].description.contains("replaces the approval of"), "{}", steps[0].description);

    approve_all(&market, &seller, &held[0], false).await;
    approve_one(&market, &seller, &held[0], "").await;
    approve_one(&market, &seller, &held[1], "").await;
    let prepared = approve(&market, &seller, one()).await.unwrap();
    assert_eq!(titles(&prepared.1), ["Cancel 1 older listing of the token", "Approve token 1"]);
    assert!(prepared.1[0].description.contains("for 1 ETH"), "{}", prepared.1[0].description);
    market.carry_out(&seller, &prepared).await;
    assert_eq!((is_cancelled(&market, &cheap).await, is_cancelled(&market, &other).await), (true, false));

    // Orders of a counter that is over are dead, and cancelled once is cancelled.
    approve_one(&market, &seller, &held[0], "").await;
    let (_, steps) = approve(&market, &seller, one()).await.unwrap();
    assert_eq!(titles(&steps), ["Approve token 1"]);
    let (_, steps) = approve(&market, &seller, approval(&seller, &held[0])).await.unwrap();
    assert_eq!(titles(&steps), ["Cancel 1 older listing of the collection", "Approve all tokens"]);
    market.call(&seller, &market.exchange, Seaport::incrementCounterCall {}, 0).await;
    let (_, steps) = approve(&market, &seller, approval(&seller, &held[0])).await.unwrap();
    assert_eq!(titles(&steps), ["Approve all tokens"]);
    market.rig.end().await;
}

#[tokio::test]
async fn only_an_approval_of_the_exchange_asks_the_catalog_and_is_bounded() {
    let market = Market::start().await;
    let seller = market.rig.user(1).await;
    let held = tokens(&market, &seller, 1).await;
    let cheap = place(&market, &seller, &held[0], ETHER).await;
    approve_one(&market, &seller, &held[0], "").await;
    let token = |id: &str| PrepareApproveRequest { token_id: id.into(), ..approval(&seller, &held[0]) };
    let to_other = |id: &str| PrepareApproveRequest { operator: OTHER.into(), ..token(id) };

    market.rig.world.is_catalog_down.store(true, Ordering::SeqCst);
    for id in ["", "1"] {
        assert_eq!(reason(approve(&market, &seller, token(id)).await), "UNAVAILABLE");
        assert_eq!(approve(&market, &seller, to_other(id)).await.unwrap().1.len(), 1);
    }
    // An allowance brings no listing back.
    let weth = TokenRef { address: market.weth.clone(), ..held[0].clone() };
    let amount = PrepareApproveRequest { amount: "5".into(), ..approval(&seller, &weth) };
    assert_eq!(approve(&market, &seller, amount).await.unwrap().1.len(), 1);
    market.rig.world.is_catalog_down.store(false, Ordering::SeqCst);

    for n in 0..20 {
        let copy = Order { id: format!("{n}"), ..cheap.clone() };
        market.rig.world.orders.lock().unwrap().insert(copy.id.clone(), copy);
    }
    for id in ["", "1"] {
        let problem = Problem::from(&approve(&market, &seller, token(id)).await.unwrap_err());
        assert_eq!(problem.reason, "ORDER_INVALID");
        assert!(problem.message.contains("more than 20 open listings"), "{}", problem.message);
        assert_eq!(approve(&market, &seller, to_other(id)).await.unwrap().1.len(), 1);
    }
    market.rig.end().await;
}

#[tokio::test]
async fn editions_are_approved_only_after_the_other_tokens_listings_are_called_off() {
    let market = Market::start().await;
    let (creator, seller, buyer) =
        (market.rig.user(3).await, market.rig.user(1).await, market.rig.user(2).await);
    let seven = market.own_editions(&creator, &seller, 2).await;
    let eight = TokenRef { token_id: "8".into(), ..seven.clone() };
    let (to, id, amount) = (address(&seller.address), U256::from(8), U256::from(2));
    let mint = VitrineERC1155::mintCall { to, id, amount, stageId: U256::ZERO, proof: vec![] };
    market.call(&seller, &seven.address, mint, 2 * ETHER).await;
    let cheap = place(&market, &seller, &seven, ETHER).await;
    // As long as the approval stands, both are listed beside each other.
    let beside = market.list(&seller, listing(&seller, &eight, 3 * ETHER)).await.unwrap();
    assert_eq!(titles(&beside.1), ["List 1"]);
    let beside = market.place(&seller, beside).await;

    approve_all(&market, &seller, &seven, false).await;
    market.wrap(&buyer, ETHER).await;
    let bid = market.offer(&buyer, offer(&buyer, &eight, ETHER / 2)).await.unwrap();
    let bid = market.place(&buyer, bid).await;
    let (_, steps) = market.accept(&seller, acceptance(&seller, &bid)).await.unwrap();
    let cancelled = "Cancel 2 older listings of the collection";
    assert_eq!(titles(&steps), [cancelled, "Approve the exchange", "Sell 1"]);
    let prepared = market.list(&seller, listing(&seller, &eight, 4 * ETHER)).await.unwrap();
    assert_eq!(titles(&prepared.1), [cancelled, "Approve the exchange", "List 1"]);
    let words = &prepared.1[0].description;
    assert!(words.contains("token 7 for 1 ETH") && words.contains("token 8 for 3 ETH"), "{words}");
    let dear = market.place(&seller, prepared).await;
    assert!(is_cancelled(&market, &cheap).await && is_cancelled(&market, &beside).await);
    assert_eq!(reason(market.buy(&buyer, purchase(&buyer, &cheap)).await), "ORDER_CANCELLED");
    assert_eq!(market.order(&dear.id).status(), OrderStatus::Active);
    let accepted = market.accept(&seller, acceptance(&seller, &bid)).await.unwrap();
    assert_eq!(titles(&accepted.1), ["Sell 1"]);
    market.carry_out(&seller, &accepted).await;
    assert_eq!(market.editions_of(&eight, &buyer.address).await, 1);
    market.rig.end().await;
}

#[tokio::test]
async fn more_open_offers_than_are_counted_are_refused_and_never_cut() {
    let market = Market::start().await;
    let (seller, buyer) = (market.rig.user(1).await, market.rig.user(2).await);
    let token = market.foreign_token(&seller).await;
    market.wrap(&buyer, 2 * ETHER).await;
    let bid = market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap();
    let bid = market.place(&buyer, bid).await;
    for n in 0..100 {
        let copy = Order { id: format!("{n}"), ..bid.clone() };
        market.rig.world.orders.lock().unwrap().insert(copy.id.clone(), copy);
    }
    let problem = Problem::from(&market.offer(&buyer, offer(&buyer, &token, ETHER)).await.unwrap_err());
    assert_eq!(problem.reason, "ORDER_INVALID");
    assert!(problem.message.contains("more than 100 open offers"), "{}", problem.message);
    market.rig.end().await;
}
