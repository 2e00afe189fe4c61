//! Random logs: what is encoded comes back as it was, and what is broken breaks nothing.

use abi::seaport::{ReceivedItem, Seaport, SpentItem};
use proptest::{collection::vec, prelude::*};

use super::*;

const ROLES: [Role; 5] = [Role::Factory, COLLECTION, MULTI, Role::Exchange, Role::Currency];

const KNOWN: [B256; 32] = [
    topics::TRANSFER,
    topics::TRANSFER_SINGLE,
    topics::TRANSFER_BATCH,
    topics::CONSECUTIVE_TRANSFER,
    topics::URI,
    topics::APPROVAL,
    topics::APPROVAL_FOR_ALL,
    topics::METADATA_UPDATE,
    topics::BATCH_METADATA_UPDATE,
    topics::PERMANENT_URI,
    topics::LOCKED,
    topics::UNLOCKED,
    topics::COLLECTION_CREATED,
    topics::ERC721_COLLECTION_CREATED,
    topics::CONTRACT_URI_UPDATED,
    topics::STRING_CONTRACT_URI_UPDATED,
    topics::THIRDWEB_CONTRACT_URI_UPDATED,
    topics::OWNERSHIP_TRANSFERRED,
    topics::OWNERSHIP_TRANSFER_STARTED,
    topics::STAGE_UPDATED,
    topics::ROLE_GRANTED,
    topics::ROLE_REVOKED,
    topics::PAUSED,
    topics::UPGRADED,
    topics::ADMIN_CHANGED,
    topics::ORDER_FULFILLED,
    topics::ORDER_VALIDATED,
    topics::ORDER_CANCELLED,
    topics::ORDERS_MATCHED,
    topics::COUNTER_INCREMENTED,
    topics::DEPOSIT,
    topics::WITHDRAWAL,
];

fn word() -> impl Strategy<Value = U256> {
    // Small numbers are what offsets and lengths are made of.
    prop_oneof![
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        (0u64..700).prop_map(U256::from),
        Just(U256::MAX)
    ]
}

fn account() -> impl Strategy<Value = Addr> {
    prop_oneof![any::<[u8; 20]>().prop_map(Addr::from), Just(Addr::ZERO)]
}

/// What is told is never more than a small multiple of what was there.
fn is_bounded(log: &Log) {
    for role in ROLES {
        if let Reading::Known { facts, .. } = decode(log, role) {
            let told: usize =
                facts.iter().map(|(_, fact)| serde_json::to_vec(fact).map_or(0, |json| json.len())).sum();
            assert!(facts.len() <= log.data.len() / 32 + 1 && told <= 4096 + 24 * log.data.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_log_makes_decoding_fail(
        topic in 0usize..KNOWN.len(),
        topics in vec(any::<[u8; 20]>(), 0..4),
        words in vec(word(), 0..24),
        cut in 0usize..32,
    ) {
        let mut all = vec![KNOWN[topic]];
        all.extend(topics.into_iter().map(|bytes| Addr::from(bytes).into_word()));
        let mut data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        data.truncate(data.len().saturating_sub(cut));
        is_bounded(&raw(all, data.into()));
    }

    #[test]
    fn no_change_of_a_real_log_makes_decoding_fail(
        of in 0usize..6,
        places in vec((any::<prop::sample::Index>(), word()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut log = real(of);
        let mut data = log.data.to_vec();
        for (place, word) in places {
            let place = place.index(data.len() / 32) * 32;
            data[place..place + 32].copy_from_slice(&word.to_be_bytes::<32>());
        }
        if is_cut {
            data.truncate(cut.index(data.len()));
        }
        log.data = data.into();
        is_bounded(&log);
    }

    #[test]
    fn batches_come_back_as_they_were_encoded(
        (operator, from, to) in (account(), account(), account()),
        items in vec((word(), word()), 0..40),
    ) {
        let (ids, values): (Vec<U256>, Vec<U256>) = items.iter().copied().unzip();
        let log = log_of(Erc1155::TransferBatch { operator, from, to, ids, values });
        let moves = (0..).zip(&items).filter(|(_, (_, value))| !value.is_zero()).map(|(place, (id, value))| {
            (place, TokenMoved {
                token_id: TokenId::new(*id),
                last_token_id: None,
                from: from.into(),
                to: to.into(),
                quantity: *value,
                operator: Some(operator.into()),
            })
        });
        let expected: Vec<(u32, TokenMoved)> = moves.collect();
        match decode(&log, MULTI) {
            Reading::Known { facts, .. } => {
                let found = facts.into_iter().map(|(place, fact)| match fact {
                    Fact::Minted(moved) | Fact::Burned(moved) | Fact::Transferred(moved) => (place, moved),
                    other => panic!("{other:?}"),
                });
                prop_assert_eq!(found.collect::<Vec<_>>(), expected);
            }
            Reading::Malformed { .. } => prop_assert!(from.is_zero() && to.is_zero() && !expected.is_empty()),
            Reading::Unknown => prop_assert!(false, "a batch is known"),
        }
    }

    #[test]
    fn texts_come_back_as_they_were_encoded(texts in vec("\\PC{0,80}", 4..5), number in word()) {
        let log = log_of(Erc1155::URI { value: texts[0].clone(), id: number });
        let token_id = TokenId::new(number);
        let told = match texts[0].as_str() {
            "" => MetadataChanged::Range { from_token_id: token_id, to_token_id: token_id },
            uri => MetadataChanged::Uri { token_id, uri: uri.to_owned() },
        };
        prop_assert_eq!(only(&log, MULTI), Fact::Metadata(told));
        let event = VitrineFactory::CollectionCreated {
            name: texts[1].clone(), symbol: texts[2].clone(), contractURI: texts[3].clone(), maxSupply: number,
            ..creation()
        };
        let Fact::Created { created, .. } = only(&log_of(event), Role::Factory) else { panic!() };
        prop_assert_eq!((&created.name, &created.symbol), (&texts[1], &texts[2]));
        prop_assert_eq!(created.contract_uri.unwrap_or_default(), texts[3].clone());
        prop_assert_eq!(created.max_supply, (!number.is_zero()).then(|| number.to_string()));
    }

    #[test]
    fn orders_come_back_as_they_were_encoded(
        (offerer, zone, recipient) in (account(), account(), account()),
        given in vec((0u8..6, account(), word(), word()), 0..8),
        wanted in vec((0u8..6, account(), word(), word(), account()), 0..8),
    ) {
        let spent = |(kind, token, identifier, amount)| SpentItem { itemType: kind, token, identifier, amount };
        let got = |(kind, token, identifier, amount, recipient)| {
            ReceivedItem { itemType: kind, token, identifier, amount, recipient }
        };
        let log = log_of(Seaport::OrderFulfilled {
            orderHash: B256::repeat_byte(3),
            offerer, zone, recipient,
            offer: given.iter().copied().map(spent).collect(),
            consideration: wanted.iter().copied().map(got).collect(),
        });
        let Fact::OrderFilled(OrderFilled::Fulfilled { offerer: maker, recipient: taker, offer, consideration, .. }) =
            only(&log, Role::Exchange) else { panic!() };
        prop_assert_eq!((maker, taker), (offerer.into(), recipient.into()));
        let offer: Vec<_> = offer.iter()
            .map(|item| (item.item_type, Addr::from(item.token), item.identifier.number(), item.amount))
            .collect();
        prop_assert_eq!(offer, given);
        let consideration: Vec<_> = consideration.iter()
            .map(|item| {
                let to = Addr::from(item.recipient.unwrap());
                (item.item_type, Addr::from(item.token), item.identifier.number(), item.amount, to)
            })
            .collect();
        prop_assert_eq!(consideration, wanted);
    }

    #[test]
    fn any_bytes_are_a_bounded_name_and_uri(bytes in vec(any::<u8>(), 0..3000)) {
        let name = name(&bytes);
        prop_assert!(name.len() <= LONGEST_NAME && !name.contains('\0'));
        prop_assert!(known_uri(&bytes).is_none_or(|uri| uri.len() <= LONGEST_URI && !uri.contains('\0')));
    }
}

fn real(of: usize) -> Log {
    let item = SpentItem { itemType: 2, token: BOB, identifier: U256::ONE, amount: U256::ONE };
    match of {
        0 => batch_of(&[1, 2, 3], &[4, 5, 6]),
        1 => log_of(creation()),
        2 => log_of(Erc1155::URI { value: "ipfs://a".into(), id: U256::ONE }),
        3 => log_of(ThirdwebContractUri::ContractURIUpdated { prevURI: "a".into(), newURI: "b".into() }),
        4 => log_of(Seaport::OrdersMatched { orderHashes: vec![B256::ZERO; 3] }),
        _ => log_of(Seaport::OrderFulfilled {
            orderHash: B256::ZERO,
            offerer: ALICE,
            zone: BOB,
            recipient: BOB,
            offer: vec![item.clone(), item],
            consideration: vec![],
        }),
    }
}
