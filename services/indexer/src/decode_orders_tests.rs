//! Logs of exchanges and currencies.

use std::collections::HashSet;

use abi::seaport::{
    ConsiderationItem, OfferItem, OrderParameters, ReceivedItem, Seaport, SpentItem, WrappedNative,
};
use alloy::sol;
use events::orders::OrderItem;

use super::*;

sol! {
    /// The same topics as ERC-721's, with one word less indexed.
    interface Money {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
    }
}

const HASH: B256 = B256::repeat_byte(0x77);

fn fulfilled(offer: Vec<SpentItem>, consideration: Vec<ReceivedItem>) -> Log {
    let (offerer, zone, recipient) = (ALICE, Addr::ZERO, BOB);
    log_of(Seaport::OrderFulfilled { orderHash: HASH, offerer, zone, recipient, offer, consideration })
}

fn spent(kind: u8) -> SpentItem {
    SpentItem { itemType: kind, token: BOB, identifier: U256::from(3), amount: U256::from(2) }
}

fn received(amount: U256) -> ReceivedItem {
    ReceivedItem { itemType: 0, token: Addr::ZERO, identifier: U256::ZERO, amount, recipient: ALICE }
}

fn validated() -> Seaport::OrderValidated {
    let offered = OfferItem {
        itemType: 3,
        token: BOB,
        identifierOrCriteria: U256::from(3),
        startAmount: U256::from(9),
        endAmount: U256::from(9),
    };
    let wanted = ConsiderationItem {
        itemType: 0,
        token: Addr::ZERO,
        identifierOrCriteria: U256::ZERO,
        startAmount: U256::from(100),
        endAmount: U256::from(50),
        recipient: ALICE,
    };
    Seaport::OrderValidated {
        orderHash: HASH,
        orderParameters: OrderParameters {
            offerer: ALICE,
            zone: BOB,
            offer: vec![offered],
            consideration: vec![wanted.clone(), wanted],
            orderType: 1,
            startTime: U256::from(10),
            endTime: U256::MAX,
            zoneHash: B256::repeat_byte(1),
            salt: U256::from(12),
            conduitKey: B256::repeat_byte(2),
            totalOriginalConsiderationItems: U256::from(2),
        },
    }
}

#[test]
fn a_filled_order_tells_who_gave_what_to_whom() {
    let log = fulfilled(vec![spent(2)], vec![received(U256::from(90)), received(U256::MAX)]);
    let item = |item_type, token: Addr, identifier: u64, amount, recipient| OrderItem {
        item_type,
        token: token.into(),
        identifier: TokenId::new(U256::from(identifier)),
        amount,
        end_amount: None,
        recipient,
    };
    let maker = Some(Address::from(ALICE));
    let fact = Fact::OrderFilled(OrderFilled::Fulfilled {
        order_hash: HASH.into(),
        offerer: ALICE.into(),
        zone: Address::ZERO,
        recipient: BOB.into(),
        offer: vec![item(2, BOB, 3, U256::from(2), None)],
        consideration: vec![
            item(0, Addr::ZERO, 0, U256::from(90), maker),
            item(0, Addr::ZERO, 0, U256::MAX, maker),
        ],
    });
    assert_eq!(only(&log, Role::Exchange), fact);
    for role in [COLLECTION, MULTI, Role::Factory, Role::Currency] {
        assert_eq!(decode(&log, role), Reading::Unknown);
    }
    let odd = fulfilled(vec![spent(6)], vec![]);
    assert_eq!(decode(&odd, Role::Exchange), Reading::Malformed { event: "OrderFulfilled" });
}

#[test]
fn an_order_of_more_items_than_anybody_should_carry_is_refused_unread() {
    let full = fulfilled(vec![spent(2); MOST_ITEMS], vec![received(U256::ONE); MOST_ITEMS]);
    assert_eq!(facts(&full, Role::Exchange).len(), 1);
    for items in [MOST_ITEMS + 1, 10_000] {
        for log in
            [fulfilled(vec![spent(2); items], vec![]), fulfilled(vec![], vec![received(U256::ONE); items])]
        {
            assert_eq!(decode(&log, Role::Exchange), Reading::Malformed { event: "OrderFulfilled" });
        }
    }
    let log = log_of(Seaport::OrdersMatched { orderHashes: vec![HASH; MOST_ITEMS + 1] });
    assert_eq!(decode(&log, Role::Exchange), Reading::Malformed { event: "OrdersMatched" });
}

#[test]
fn an_order_that_was_shown_is_told_whole() {
    let Fact::OrderValidated(order) = only(&log_of(validated()), Role::Exchange) else { panic!() };
    assert_eq!((order.order_hash, order.offerer, order.zone), (HASH.into(), ALICE.into(), BOB.into()));
    assert_eq!((order.order_type, order.starts_at, order.ends_at), (1, U256::from(10), U256::MAX));
    assert_eq!((order.salt, order.zone_hash), (U256::from(12), Hash32::new([1; 32])));
    assert_eq!(order.conduit_key, Hash32::new([2; 32]));
    let [given] = &order.offer[..] else { panic!() };
    assert_eq!((given.item_type, given.amount, given.end_amount), (3, U256::from(9), None));
    assert_eq!((given.token, given.recipient), (BOB.into(), None));
    let [first, second] = &order.consideration[..] else { panic!() };
    assert_eq!(first, second);
    assert_eq!((first.amount, first.end_amount), (U256::from(100), Some(U256::from(50))));
    assert_eq!(first.recipient, Some(ALICE.into()));
    let mut odd = validated();
    odd.orderParameters.orderType = 5;
    assert_eq!(decode(&log_of(odd), Role::Exchange), Reading::Malformed { event: "OrderValidated" });
}

#[test]
fn orders_are_cancelled_one_by_one_and_all_at_once_and_fill_one_another() {
    let cancelled = log_of(Seaport::OrderCancelled { orderHash: HASH, offerer: ALICE, zone: BOB });
    let fact = OrderCancelled { order_hash: HASH.into(), offerer: ALICE.into(), zone: BOB.into() };
    assert_eq!(only(&cancelled, Role::Exchange), Fact::OrderCancelled(fact));
    let counter = log_of(Seaport::CounterIncremented { newCounter: U256::MAX, offerer: ALICE });
    let fact = CounterIncremented { offerer: ALICE.into(), new_counter: U256::MAX };
    assert_eq!(only(&counter, Role::Exchange), Fact::CounterIncremented(fact));
    let matched = log_of(Seaport::OrdersMatched { orderHashes: vec![HASH, B256::ZERO] });
    let order_hashes = vec![HASH.into(), Hash32::new([0; 32])];
    assert_eq!(only(&matched, Role::Exchange), Fact::OrderFilled(OrderFilled::Matched { order_hashes }));
}

/// The word at this place becomes this number.
fn with_word(log: &Log, place: usize, number: U256) -> Log {
    let mut data = log.data.to_vec();
    data[place * 32..(place + 1) * 32].copy_from_slice(&number.to_be_bytes::<32>());
    Log { data: data.into(), ..log.clone() }
}

#[test]
fn offsets_that_lie_are_malformed_or_what_they_point_to_and_never_more() {
    let log = fulfilled(vec![spent(2)], vec![received(U256::ONE)]);
    let malformed = Reading::Malformed { event: "OrderFulfilled" };
    for offset in [U256::MAX, U256::from(u64::MAX), U256::from(u64::MAX - 31), U256::from(log.data.len())] {
        assert_eq!(decode(&with_word(&log, 2, offset), Role::Exchange), malformed);
    }
    // How many there are: more than the data has, and more than a machine can count.
    for count in [U256::from(2), U256::from(MOST_ITEMS), U256::from(u64::MAX), U256::MAX] {
        assert_eq!(decode(&with_word(&log, 9, count), Role::Exchange), malformed);
    }
    let order = log_of(validated());
    for offset in [U256::MAX, U256::from(order.data.len() - 31)] {
        let lie = with_word(&order, 1, offset);
        assert_eq!(decode(&lie, Role::Exchange), Reading::Malformed { event: "OrderValidated" });
    }
    // A tuple that begins at its own offset: its words are read, and they are no order.
    let own = with_word(&order, 1, U256::from(32));
    assert_eq!(decode(&own, Role::Exchange), Reading::Malformed { event: "OrderValidated" });
}

#[test]
fn money_of_a_currency_moves_is_allowed_wrapped_and_unwrapped() {
    let (alice, bob, amount) = (Address::from(ALICE), Address::from(BOB), U256::MAX);
    let cases = [
        (
            log_of(Money::Transfer { from: ALICE, to: BOB, value: amount }),
            PaymentChanged::Transferred { from: alice, to: bob, amount },
        ),
        (
            log_of(Money::Transfer { from: Addr::ZERO, to: BOB, value: amount }),
            PaymentChanged::Transferred { from: Address::ZERO, to: bob, amount },
        ),
        (
            log_of(Money::Approval { owner: ALICE, spender: BOB, value: amount }),
            PaymentChanged::Approved { owner: alice, spender: bob, amount },
        ),
        (
            log_of(WrappedNative::Deposit { dst: BOB, wad: amount }),
            PaymentChanged::Deposited { account: bob, amount },
        ),
        (
            log_of(WrappedNative::Withdrawal { src: BOB, wad: amount }),
            PaymentChanged::Withdrawn { account: bob, amount },
        ),
    ];
    for (log, change) in cases {
        assert_eq!(only(&log, Role::Currency), Fact::Payment(change));
        assert_eq!(decode(&log, COLLECTION), Reading::Unknown);
        assert_eq!(decode(&log, Role::Exchange), Reading::Unknown);
        let short = Log { data: log.data.slice(..31), ..log };
        assert!(matches!(decode(&short, Role::Currency), Reading::Malformed { .. }));
    }
    assert_eq!(decode(&transfer_of(ALICE, BOB, 7), Role::Currency), Reading::Unknown, "a token is no money");
}

#[test]
fn a_log_concerns_whose_money_it_is_and_not_who_may_take_it() {
    let only_bob: HashSet<Address> = [Address::from(BOB)].into();
    let value = U256::ONE;
    for (log, is_bobs) in [
        (log_of(Money::Transfer { from: ALICE, to: BOB, value }), true),
        (log_of(Money::Transfer { from: BOB, to: ALICE, value }), true),
        (log_of(Money::Transfer { from: ALICE, to: ALICE, value }), false),
        (log_of(Money::Approval { owner: BOB, spender: ALICE, value }), true),
        (log_of(Money::Approval { owner: ALICE, spender: BOB, value }), false),
        (log_of(WrappedNative::Deposit { dst: BOB, wad: value }), true),
        (log_of(WrappedNative::Withdrawal { src: ALICE, wad: value }), false),
        (transfer_of(BOB, BOB, 7), false),
        (raw(vec![], Bytes::new()), false),
    ] {
        assert_eq!(concerns(&log, &only_bob), is_bobs, "{log:?}");
    }
}
