//! What is signed says what the terms say, in every shape that is made here, and outside tools read it alike.

use abi::seaport::{FULL_OPEN, PARTIAL_OPEN};
use alloy::{
    dyn_abi::TypedData,
    primitives::{Address as Raw, B256, U256},
};
use ids::{Address, ChainId, TokenId};
use proptest::{option, prelude::*};

use super::order::{
    Royalty, Side, Terms, message, order_hash, parse_message, parse_typed_data, signing_hash, typed_data,
};
use crate::ask::Standard;

const EXCHANGE: Address = Address::new([0xee; 20]);

fn chain() -> ChainId {
    ChainId::new(31337).unwrap()
}

prop_compose! {
    fn address()(bytes in any::<[u8; 20]>().prop_filter("is nobody", |bytes| bytes != &[0; 20])) -> Address {
        Address::new(bytes)
    }
}

prop_compose! {
    fn word()(bytes in any::<[u8; 32]>()) -> U256 {
        U256::from_be_bytes(bytes)
    }
}

prop_compose! {
    pub(super) fn terms()(
        (is_listing, is_721) in any::<(bool, bool)>(),
        (maker, contract, currency) in (address(), address(), address()),
        is_native in any::<bool>(),
        taker in option::of(address()),
        token_id in option::of(word()),
        quantity in 1_u128..(1 << 120),
        unit in 1_u128..,
        royalty in option::of((address(), 0_u16..=10_000)),
        (starts_at, ends_at) in any::<(u64, u64)>(),
    ) -> Terms {
        let quantity = if is_721 { U256::from(1) } else { U256::from(quantity) };
        let price = U256::from(unit) * quantity;
        // One of a whole number: what a creator gets is told for one token.
        let royalty = royalty.map(|(receiver, bps)| {
            let amount = U256::from(unit) * U256::from(bps) / U256::from(10_000) * quantity;
            Royalty { receiver, amount }
        });
        Terms {
            side: if is_listing { Side::Listing } else { Side::Offer },
            maker,
            taker: taker.filter(|_| is_listing),
            standard: if is_721 { Standard::Erc721 } else { Standard::Erc1155 },
            contract,
            token_id: match token_id {
                None if is_listing => Some(TokenId::new(U256::ZERO)),
                token_id => token_id.map(TokenId::new),
            },
            quantity,
            price,
            currency: (!is_listing || !is_native).then_some(currency),
            royalty: royalty.filter(|royalty| !royalty.amount.is_zero() && royalty.receiver != maker),
            starts_at,
            ends_at,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn terms_are_read_back_from_what_was_signed(terms in terms(), salt in word(), counter in word()) {
        let components = terms.components(salt, counter);
        prop_assert_eq!(Terms::of(&components), Some(terms.clone()));
        prop_assert_eq!(parse_message(&message(&components)), Some(components.clone()));
        let typed = typed_data(&components, chain(), EXCHANGE);
        prop_assert_eq!(parse_typed_data(&typed), Some((components.clone(), EXCHANGE)));
        // Whoever pays pays the price, and nobody is paid twice.
        let paid: U256 = components.consideration.iter().filter(|item| item.itemType < 2).map(|item| item.startAmount).sum();
        let royalty = terms.royalty.map_or(U256::ZERO, |royalty| royalty.amount);
        prop_assert_eq!(paid, if terms.side == Side::Listing { terms.price } else { royalty });
        let is_partial = terms.quantity > U256::from(1) && terms.taker.is_none();
        prop_assert_eq!(components.orderType, if is_partial { PARTIAL_OPEN } else { FULL_OPEN });
    }

    #[test]
    fn an_outside_reader_of_typed_data_signs_the_same_hash(terms in terms(), salt in word(), counter in word()) {
        let components = terms.components(salt, counter);
        let typed: TypedData = serde_json::from_value(typed_data(&components, chain(), EXCHANGE)).unwrap();
        prop_assert_eq!(typed.eip712_signing_hash().unwrap(), signing_hash(&components, chain(), EXCHANGE));
        prop_assert_eq!(B256::from(order_hash(&components)), typed.hash_struct().unwrap());
    }

    #[test]
    fn what_the_terms_do_not_say_is_no_order_of_ours(terms in terms(), salt in word(), at in 0_usize..7) {
        let mut components = terms.components(salt, U256::ZERO);
        match at {
            0 => components.zone = Raw::repeat_byte(1),
            1 => components.conduitKey = B256::repeat_byte(1),
            2 => components.offer[0].endAmount += U256::from(1),
            3 => components.consideration[0].endAmount -= U256::from(1),
            4 => components.orderType = 2,
            5 => components.zoneHash = B256::repeat_byte(1),
            _ => components.offer.push(components.offer[0].clone()),
        }
        prop_assert_eq!(Terms::of(&components), None);
    }
}

#[test]
fn a_part_of_an_order_costs_its_part() {
    let maker = Address::new([1; 20]);
    let terms = Terms {
        side: Side::Listing,
        maker,
        taker: None,
        standard: Standard::Erc1155,
        contract: Address::new([2; 20]),
        token_id: Some(TokenId::new(U256::ZERO)),
        quantity: U256::from(4),
        price: U256::from(400),
        currency: None,
        royalty: Some(Royalty { receiver: EXCHANGE, amount: U256::from(40) }),
        starts_at: 0,
        ends_at: 1,
    };
    assert_eq!(terms.part(terms.price, U256::from(3)), U256::from(300));
    assert_eq!(terms.part(terms.net(), U256::from(3)), U256::from(270));
}
