//! Seaport 1.6: a listing that is filled, one that is cancelled, and one that a new counter makes void.

use abi::seaport::{
    ConsiderationItem, FULL_OPEN, OfferItem, Order, OrderComponents, OrderParameters, Seaport, item,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::SolValue,
};

use super::{
    Stage,
    ask::{Single, accounts, deploy, pay, send, view},
    told::{Event, Picture, number},
};
use crate::rig::Rig;

sol! {
    interface Minting {
        function mint(address to, uint256 number) external;
    }
}

const PRICE: u64 = 1_000_000_000;

fn listing(seller: Address, token: Address, id: u64) -> OrderComponents {
    let price = U256::from(PRICE);
    OrderComponents {
        offerer: seller,
        zone: Address::ZERO,
        offer: vec![OfferItem {
            itemType: item::ERC721,
            token,
            identifierOrCriteria: U256::from(id),
            startAmount: U256::ONE,
            endAmount: U256::ONE,
        }],
        consideration: vec![ConsiderationItem {
            itemType: item::NATIVE,
            token: Address::ZERO,
            identifierOrCriteria: U256::ZERO,
            startAmount: price,
            endAmount: price,
            recipient: seller,
        }],
        orderType: FULL_OPEN,
        startTime: U256::ZERO,
        endTime: U256::from(u64::MAX),
        zoneHash: B256::ZERO,
        salt: U256::from(id),
        conduitKey: B256::ZERO,
        counter: U256::ZERO,
    }
}

/// Not signed: its maker shows it to the exchange in a transaction.
fn order(of: &OrderComponents) -> Order {
    let of = of.clone();
    let parameters = OrderParameters {
        totalOriginalConsiderationItems: U256::from(of.consideration.len()),
        offerer: of.offerer,
        zone: of.zone,
        offer: of.offer,
        consideration: of.consideration,
        orderType: of.orderType,
        startTime: of.startTime,
        endTime: of.endTime,
        zoneHash: of.zoneHash,
        salt: of.salt,
        conduitKey: of.conduitKey,
    };
    Order { parameters, signature: Bytes::new() }
}

async fn hash(rig: &Rig, exchange: Address, order: &OrderComponents) -> B256 {
    view(rig, exchange, Seaport::getOrderHashCall { order: order.clone() }).await.unwrap()
}

/// The kinds of what was told of an order, in their order.
fn kinds(events: &[Event], hash: B256) -> Vec<&str> {
    let of_order = events.iter().filter(|event| event.fact["orderHash"] == format!("{hash:#x}"));
    of_order.map(|event| event.kind.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_orders_is_what_seaport_says_of_them() {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    let (seller, buyer) = (accounts[1], accounts[2]);
    let code = |name: &str| abi::artifact(name).unwrap();
    let (conduits, _) = stage.rig.chain.deploy(code("LocalConduitController")).await;
    let exchange_code = [code("Seaport").to_vec(), conduits.abi_encode()].concat();
    let made = stage.rig.chain.deploy(exchange_code.into()).await;
    let token = deploy(&stage.rig, "SoladyERC721", Vec::new()).await;
    let exchange = made.0;
    stage.register("exchange", made);
    stage.register("ERC721", token);
    stage.start();
    let (rig, token) = (&stage.rig, token.0);
    for number in 0..3 {
        let number = U256::from(number);
        send(rig, seller, token, Minting::mintCall { to: seller, number }).await;
    }
    send(rig, seller, token, Single::setApprovalForAllCall { operator: exchange, approved: true }).await;

    let listings = [0, 1, 2].map(|id| listing(seller, token, id));
    let mut hashes = Vec::new();
    for listing in &listings {
        hashes.push(hash(rig, exchange, listing).await);
    }
    let orders = listings.iter().map(order).collect();
    send(rig, seller, exchange, Seaport::validateCall { orders }).await;
    let call = Seaport::fulfillOrderCall { order: order(&listings[0]), fulfillerConduitKey: B256::ZERO };
    pay(rig, buyer, exchange, call, U256::from(PRICE)).await;
    send(rig, seller, exchange, Seaport::cancelCall { orders: vec![listings[1].clone()] }).await;
    send(rig, seller, exchange, Seaport::incrementCounterCall {}).await;

    let events = stage.told().await;
    let rig = &stage.rig;
    let of = |hash| kinds(&events, hash);
    assert_eq!(of(hashes[0]), ["vitrine.orders.validated.v1", "vitrine.orders.fulfilled.v1"]);
    assert_eq!(of(hashes[1]), ["vitrine.orders.validated.v1", "vitrine.orders.cancelled.v1"]);
    assert_eq!(of(hashes[2]), ["vitrine.orders.validated.v1"]);
    for hash in &hashes {
        let says = view(rig, exchange, Seaport::getOrderStatusCall { orderHash: *hash }).await.unwrap();
        let told = of(*hash);
        let has = |verb: &str| told.contains(&format!("vitrine.orders.{verb}.v1").as_str());
        assert_eq!(says.isCancelled, has("cancelled"), "{hash}");
        assert_eq!(says.totalFilled > U256::ZERO, has("fulfilled"), "{hash}");
        // A cancelled order is valid no longer.
        assert_eq!(says.isValidated, has("validated") && !has("cancelled"), "{hash}");
    }

    let find =
        |kind: &str| events.iter().find(|event| event.kind == format!("vitrine.orders.{kind}.v1")).unwrap();
    let filled = &find("fulfilled").fact;
    assert_eq!(filled["fill"], "fulfilled");
    assert_eq!(filled["offerer"], format!("{seller:#x}"));
    assert_eq!(filled["recipient"], format!("{buyer:#x}"));
    assert_eq!(filled["offer"][0]["identifier"], "0");
    assert_eq!(filled["offer"][0]["token"], format!("{token:#x}"));
    assert_eq!(number(&filled["consideration"][0]["amount"]), U256::from(PRICE));
    assert_eq!(filled["consideration"][0]["recipient"], format!("{seller:#x}"));
    let validated = &find("validated").fact;
    assert_eq!((&validated["salt"], &validated["orderType"]), (&"0".into(), &0.into()));
    assert_eq!(number(&validated["endsAt"]), U256::from(u64::MAX));
    let counter = &find("counter").fact;
    let says = view(rig, exchange, Seaport::getCounterCall { offerer: seller }).await.unwrap();
    assert_eq!((number(&counter["newCounter"]), &counter["offerer"]), (says, &format!("{seller:#x}").into()));

    // The token went the way of the order.
    let picture = Picture::of(token, &events);
    for id in 0..3 {
        let owner = view(rig, token, Single::ownerOfCall { id: U256::from(id) }).await;
        assert_eq!(owner, Some(picture.owners[&U256::from(id)]));
    }
    assert_eq!(picture.owners[&U256::ZERO], buyer);
}
