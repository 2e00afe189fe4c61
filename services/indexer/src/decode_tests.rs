//! Logs built by hand, of every kind and misshapen.

use abi::{
    launchpad::{self, VitrineCollection, VitrineFactory},
    predecessor::PredecessorFactory,
    standards::{
        AccessControl, Erc173, Erc721, Erc1155, Erc1967, Erc2309, Erc4906, Erc5192, Ownable2Step, Pausable,
        PermanentUri, StringContractUri, ThirdwebContractUri,
    },
    topics,
};
use alloy::{
    primitives::{Address as Addr, B256, Bytes, U256, keccak256},
    sol_types::SolEvent,
};
use ids::{Hash32, TokenId};

use super::{
    collections::INITIALIZED,
    words::{LONGEST_NAME, LONGEST_URI},
    *,
};

#[path = "decode_orders_tests.rs"]
mod orders;
#[path = "decode_random_tests.rs"]
mod random;

const ALICE: Addr = Addr::repeat_byte(0xa1);
const BOB: Addr = Addr::repeat_byte(0xb0);
const COLLECTION: Role = Role::Collection(Standard::Erc721);
const MULTI: Role = Role::Collection(Standard::Erc1155);

fn log_of<E: SolEvent>(event: E) -> Log {
    let encoded = event.encode_log_data();
    raw(encoded.topics().to_vec(), encoded.data)
}

fn raw(topics: Vec<B256>, data: Bytes) -> Log {
    let address = Address::new([0xcc; 20]);
    Log { address, topics, data, tx_hash: Hash32::new([1; 32]), log_index: 3 }
}

fn facts(log: &Log, role: Role) -> Vec<(u32, Fact)> {
    match decode(log, role) {
        Reading::Known { facts, .. } => facts,
        other => panic!("{other:?}"),
    }
}

fn only(log: &Log, role: Role) -> Fact {
    let mut facts = facts(log, role);
    assert_eq!(facts.len(), 1);
    facts.remove(0).1
}

fn moved(from: Addr, to: Addr, id: u64, quantity: u64, operator: Option<Addr>) -> TokenMoved {
    TokenMoved {
        token_id: TokenId::new(U256::from(id)),
        last_token_id: None,
        from: from.into(),
        to: to.into(),
        quantity: U256::from(quantity),
        operator: operator.map(Address::from),
    }
}

fn transfer_of(from: Addr, to: Addr, id: u64) -> Log {
    log_of(Erc721::Transfer { from, to, tokenId: U256::from(id) })
}

#[test]
fn a_transfer_is_a_mint_a_burn_or_a_change_of_hands_by_its_ends() {
    assert_eq!(
        only(&transfer_of(Addr::ZERO, BOB, 7), COLLECTION),
        Fact::Minted(moved(Addr::ZERO, BOB, 7, 1, None))
    );
    assert_eq!(
        only(&transfer_of(ALICE, Addr::ZERO, 7), COLLECTION),
        Fact::Burned(moved(ALICE, Addr::ZERO, 7, 1, None))
    );
    assert_eq!(
        only(&transfer_of(ALICE, BOB, 7), COLLECTION),
        Fact::Transferred(moved(ALICE, BOB, 7, 1, None))
    );
    let nobody = decode(&transfer_of(Addr::ZERO, Addr::ZERO, 7), COLLECTION);
    assert_eq!(nobody, Reading::Malformed { event: "Transfer" });
}

#[test]
fn a_transfer_of_three_topics_is_erc_20_and_of_no_collection() {
    let mut log = transfer_of(ALICE, BOB, 7);
    let amount = log.topics.pop().unwrap();
    log.data = amount.to_vec().into();
    assert_eq!(decode(&log, COLLECTION), Reading::Unknown);
    let mut approval = log_of(Erc721::Approval { owner: ALICE, approved: BOB, tokenId: U256::ONE });
    approval.topics.pop();
    assert_eq!(decode(&approval, COLLECTION), Reading::Unknown);
}

#[test]
fn events_of_the_other_standard_are_not_understood() {
    let single =
        Erc1155::TransferSingle { operator: ALICE, from: ALICE, to: BOB, id: U256::ONE, value: U256::ONE };
    assert_eq!(decode(&log_of(single), COLLECTION), Reading::Unknown);
    assert_eq!(decode(&transfer_of(ALICE, BOB, 1), MULTI), Reading::Unknown);
    assert_eq!(decode(&transfer_of(ALICE, BOB, 1), Role::Factory), Reading::Unknown);
}

#[test]
fn a_range_of_tokens_is_kept_as_one_however_long_it_is() {
    let of = |first: u64, last: U256, from, to| {
        log_of(Erc2309::ConsecutiveTransfer {
            fromTokenId: U256::from(first),
            toTokenId: last,
            fromAddress: from,
            toAddress: to,
        })
    };
    let last_token_id = Some(TokenId::new(U256::MAX));
    let range = |from, to| TokenMoved { last_token_id, ..moved(from, to, 5, 1, None) };
    let cases = [
        (Addr::ZERO, BOB, Fact::Minted(range(Addr::ZERO, BOB))),
        (ALICE, Addr::ZERO, Fact::Burned(range(ALICE, Addr::ZERO))),
        (ALICE, BOB, Fact::Transferred(range(ALICE, BOB))),
    ];
    for (from, to, fact) in cases {
        assert_eq!(only(&of(5, U256::MAX, from, to), COLLECTION), fact);
    }
    let single = only(&of(5, U256::from(5), Addr::ZERO, BOB), COLLECTION);
    assert_eq!(single, Fact::Minted(moved(Addr::ZERO, BOB, 5, 1, None)), "one token is no range");
    let malformed = Reading::Malformed { event: "ConsecutiveTransfer" };
    assert_eq!(decode(&of(5, U256::from(4), ALICE, BOB), COLLECTION), malformed, "inverted");
    assert_eq!(decode(&of(5, U256::MAX, Addr::ZERO, Addr::ZERO), COLLECTION), malformed);
    assert_eq!(decode(&raw(vec![topics::CONSECUTIVE_TRANSFER], Bytes::new()), COLLECTION), malformed);
    assert_eq!(decode(&of(5, U256::MAX, ALICE, BOB), MULTI), Reading::Unknown);
}

#[test]
fn a_transfer_that_indexes_nothing_is_older_than_any_standard_and_unknown() {
    let data = [ALICE.into_word().0, BOB.into_word().0, U256::from(7).to_be_bytes()].concat();
    for topic in [topics::TRANSFER, topics::APPROVAL] {
        let log = raw(vec![topic], data.clone().into());
        for role in [COLLECTION, MULTI, Role::Currency, Role::Exchange, Role::Factory] {
            assert_eq!(decode(&log, role), Reading::Unknown);
        }
    }
}

#[test]
fn an_address_with_stray_bits_is_malformed() {
    let mut log = transfer_of(ALICE, BOB, 7);
    log.topics[1].0[0] = 1;
    assert_eq!(decode(&log, COLLECTION), Reading::Malformed { event: "Transfer" });
}

#[test]
fn a_single_transfer_carries_operator_and_quantity_and_nothing_is_not_a_quantity() {
    let of = |value| Erc1155::TransferSingle {
        operator: BOB,
        from: Addr::ZERO,
        to: ALICE,
        id: U256::from(9),
        value,
    };
    let fact = only(&log_of(of(U256::from(5))), MULTI);
    assert_eq!(fact, Fact::Minted(moved(Addr::ZERO, ALICE, 9, 5, Some(BOB))));
    assert!(facts(&log_of(of(U256::ZERO)), MULTI).is_empty());
    let Fact::Minted(most) = only(&log_of(of(U256::MAX)), MULTI) else { panic!() };
    assert_eq!(most.quantity, U256::MAX);
}

fn batch_of(ids: &[u64], values: &[u64]) -> Log {
    let numbers = |of: &[u64]| of.iter().map(|n| U256::from(*n)).collect::<Vec<_>>();
    log_of(Erc1155::TransferBatch {
        operator: BOB,
        from: ALICE,
        to: BOB,
        ids: numbers(ids),
        values: numbers(values),
    })
}

#[test]
fn a_batch_keeps_the_place_of_each_item_also_beside_empty_ones() {
    let told = facts(&batch_of(&[4, 5, 4], &[1, 0, 2]), MULTI);
    let first = Fact::Transferred(moved(ALICE, BOB, 4, 1, Some(BOB)));
    let third = Fact::Transferred(moved(ALICE, BOB, 4, 2, Some(BOB)));
    assert_eq!(told, [(0, first), (2, third)]);
}

#[test]
fn a_batch_of_unequal_lengths_is_malformed() {
    assert_eq!(decode(&batch_of(&[1, 2], &[1]), MULTI), Reading::Malformed { event: "TransferBatch" });
}

#[test]
fn a_batch_of_more_than_any_transaction_can_move_is_refused_whole() {
    let all: Vec<u64> = (0..MOST_MOVES as u64).collect();
    assert_eq!(facts(&batch_of(&all, &all), MULTI).len(), MOST_MOVES - 1, "all but the empty one");
    let malformed = Reading::Malformed { event: "TransferBatch" };
    let more: Vec<u64> = (0..=MOST_MOVES as u64).collect();
    assert_eq!(decode(&batch_of(&more, &more), MULTI), malformed);
    let hostile = vec![1; 100_000];
    assert_eq!(decode(&batch_of(&hostile, &hostile), MULTI), malformed);
}

#[test]
fn ids_and_values_that_are_the_same_words_are_read_as_such() {
    // Both offsets point to one array: as the encoding allows, and no compiler writes.
    let mut log = batch_of(&[7, 8], &[7, 8]);
    let mut data = log.data.to_vec();
    data.copy_within(0..32, 32);
    log.data = data.into();
    assert_eq!(facts(&log, MULTI), facts(&batch_of(&[7, 8], &[7, 8]), MULTI));
    // An offset that points back to the head, whose first word says how many there are.
    let mut backwards = batch_of(&[7, 8], &[7, 8]).data.to_vec();
    backwards[..32].fill(0);
    log.data = backwards.into();
    assert_eq!(decode(&log, MULTI), Reading::Malformed { event: "TransferBatch" });
}

#[test]
fn a_batch_that_claims_more_than_it_has_costs_nothing() {
    let mut log = batch_of(&[1], &[1]);
    let mut data = log.data.to_vec();
    data[64..96].fill(0xff);
    log.data = data.into();
    assert_eq!(decode(&log, MULTI), Reading::Malformed { event: "TransferBatch" });
    data = vec![0; 64];
    (data[30], data[31], data[62], data[63]) = (0xff, 0xe0, 0xff, 0xe0);
    log.data = data.into();
    assert_eq!(decode(&log, MULTI), Reading::Malformed { event: "TransferBatch" });
}

#[test]
fn approvals_are_given_and_taken_away() {
    let approve = |approved| log_of(Erc721::Approval { owner: ALICE, approved, tokenId: U256::from(3) });
    let Fact::Approval(given) = only(&approve(BOB), COLLECTION) else { panic!() };
    assert_eq!((given.token_id, given.is_approved), (Some(TokenId::new(U256::from(3))), true));
    let Fact::Approval(cleared) = only(&approve(Addr::ZERO), COLLECTION) else { panic!() };
    assert!(!cleared.is_approved && cleared.operator.is_zero());
    for (role, approved) in [(COLLECTION, true), (MULTI, false)] {
        let log = log_of(Erc721::ApprovalForAll { owner: ALICE, operator: BOB, approved });
        let Fact::Approval(all) = only(&log, role) else { panic!() };
        assert_eq!((all.token_id, all.is_approved), (None, approved));
    }
    let mut neither = log_of(Erc721::ApprovalForAll { owner: ALICE, operator: BOB, approved: true });
    neither.data = U256::from(2).to_be_bytes_vec().into();
    assert_eq!(decode(&neither, COLLECTION), Reading::Malformed { event: "ApprovalForAll" });
}

#[test]
fn metadata_changes_are_ranges_with_both_ends_and_never_reversed() {
    let range = |from, to| Erc4906::BatchMetadataUpdate { _fromTokenId: from, _toTokenId: to };
    let all = only(&log_of(range(U256::ZERO, U256::MAX)), COLLECTION);
    let (from_token_id, to_token_id) = (TokenId::new(U256::ZERO), TokenId::new(U256::MAX));
    assert_eq!(all, Fact::Metadata(MetadataChanged::Range { from_token_id, to_token_id }));
    let reversed = decode(&log_of(range(U256::from(2), U256::ONE)), COLLECTION);
    assert_eq!(reversed, Reading::Malformed { event: "BatchMetadataUpdate" });
    let one = TokenId::new(U256::from(4));
    let fact = only(&log_of(Erc4906::MetadataUpdate { _tokenId: U256::from(4) }), MULTI);
    assert_eq!(fact, Fact::Metadata(MetadataChanged::Range { from_token_id: one, to_token_id: one }));
    let told = only(&log_of(Erc1155::URI { value: "ipfs://a\0b".into(), id: U256::from(4) }), MULTI);
    assert_eq!(told, Fact::Metadata(MetadataChanged::Uri { token_id: one, uri: "ipfs://a\u{fffd}b".into() }));
    for length in [0, LONGEST_URI + 1, 4 * 1024 * 1024] {
        let long = only(&log_of(Erc1155::URI { value: "x".repeat(length), id: U256::from(4) }), MULTI);
        assert_eq!(long, Fact::Metadata(MetadataChanged::Range { from_token_id: one, to_token_id: one }));
    }
}

#[test]
fn metadata_is_frozen_and_tokens_are_locked_and_unlocked() {
    let token_id = TokenId::new(U256::from(4));
    let frozen =
        |value: &str| log_of(PermanentUri::PermanentURI { _value: value.into(), _id: U256::from(4) });
    let (locked, unlocked) = (
        log_of(Erc5192::Locked { tokenId: U256::from(4) }),
        log_of(Erc5192::Unlocked { tokenId: U256::from(4) }),
    );
    for role in [COLLECTION, MULTI] {
        let at = |uri: Option<&str>| {
            Fact::Metadata(MetadataChanged::Frozen { token_id, uri: uri.map(str::to_owned) })
        };
        assert_eq!(only(&frozen("ipfs://a"), role), at(Some("ipfs://a")));
        assert_eq!(only(&frozen(""), role), at(None));
        assert_eq!(only(&frozen(&"x".repeat(LONGEST_URI + 1)), role), at(None));
        assert_eq!(only(&locked, role), Fact::Metadata(MetadataChanged::Locked { token_id }));
        assert_eq!(only(&unlocked, role), Fact::Metadata(MetadataChanged::Unlocked { token_id }));
    }
    let mut empty = frozen("ipfs://a");
    empty.data = Bytes::new();
    assert_eq!(decode(&empty, COLLECTION), Reading::Malformed { event: "PermanentURI" });
}

#[test]
fn changes_of_the_contract_are_told_one_by_one() {
    use CollectionUpdated as To;
    let role = B256::repeat_byte(5);
    let (alice, bob) = (Address::from(ALICE), Address::from(BOB));
    let cases: Vec<(Log, To)> = vec![
        (
            log_of(Erc173::OwnershipTransferred { previousOwner: ALICE, newOwner: BOB }),
            To::OwnershipTransferred { from: alice, to: bob },
        ),
        (
            log_of(Ownable2Step::OwnershipTransferStarted { previousOwner: ALICE, newOwner: BOB }),
            To::OwnershipTransferStarted { from: alice, to: bob },
        ),
        (
            log_of(Erc1967::AdminChanged { previousAdmin: ALICE, newAdmin: BOB }),
            To::AdminChanged { from: alice, to: bob },
        ),
        (log_of(Erc1967::BeaconUpgraded { beacon: BOB }), To::BeaconUpgraded { beacon: bob }),
        (
            log_of(StringContractUri::ContractURIUpdated { newURI: "b".into() }),
            To::ContractUriUpdated { uri: Some("b".into()) },
        ),
        (
            log_of(StringContractUri::ContractURIUpdated { newURI: String::new() }),
            To::ContractUriUpdated { uri: None },
        ),
        (
            log_of(AccessControl::RoleGranted { role, account: BOB, sender: ALICE }),
            To::RoleGranted { role: role.into(), account: bob },
        ),
        (
            log_of(AccessControl::RoleRevoked { role, account: BOB, sender: ALICE }),
            To::RoleRevoked { role: role.into(), account: bob },
        ),
        (raw(vec![topics::CONTRACT_URI_UPDATED], Bytes::new()), To::ContractUriUpdated { uri: None }),
        (
            log_of(ThirdwebContractUri::ContractURIUpdated { prevURI: "a".into(), newURI: "b".into() }),
            To::ContractUriUpdated { uri: Some("b".into()) },
        ),
        (log_of(Pausable::Paused { account: ALICE }), To::Paused),
        (log_of(Pausable::Unpaused { account: ALICE }), To::Unpaused),
        (
            log_of(VitrineCollection::StageUpdated { index: 2, price: U256::from(10) }),
            To::StageUpdated { stage: 2, price: U256::from(10) },
        ),
        (log_of(Erc1967::Upgraded { implementation: BOB }), To::Upgraded { implementation: bob }),
    ];
    for (log, change) in cases {
        for role in [COLLECTION, MULTI] {
            assert_eq!(only(&log, role), Fact::Updated(change.clone()));
        }
        let mut indexed = log.clone();
        indexed.topics.push(B256::ZERO);
        assert!(matches!(decode(&indexed, COLLECTION), Reading::Malformed { .. }), "{change:?}");
    }
}

fn creation() -> VitrineFactory::CollectionCreated {
    VitrineFactory::CollectionCreated {
        collection: BOB,
        creator: ALICE,
        salt: B256::repeat_byte(9),
        standard: launchpad::STANDARD_ERC1155,
        name: "Sea".into(),
        symbol: "SEA".into(),
        contractURI: "ipfs://c".into(),
        maxSupply: U256::ZERO,
        royaltyRecipient: Addr::ZERO,
        royaltyBps: alloy::primitives::aliases::U96::from(250),
    }
}

#[test]
fn a_creation_tells_everything_of_our_factory_and_no_more_than_it_knows() {
    let Fact::Created { collection, standard, created, is_bare } = only(&log_of(creation()), Role::Factory)
    else {
        panic!()
    };
    assert_eq!((collection, standard, is_bare), (Address::from(BOB), Standard::Erc1155, false));
    assert_eq!((created.name.as_str(), created.symbol.as_str(), created.royalty_bps), ("Sea", "SEA", 250));
    assert_eq!((created.max_supply, created.royalty_recipient), (None, None));
    assert_eq!(created.salt, Some(Hash32::new([9; 32])));
    assert_eq!(created.factory, Address::new([0xcc; 20]));
    let odd = VitrineFactory::CollectionCreated { standard: 2, ..creation() };
    assert_eq!(decode(&log_of(odd), Role::Factory), Reading::Malformed { event: "CollectionCreated" });
}

#[test]
fn a_name_in_broken_utf_8_or_without_end_still_makes_a_collection() {
    let mut log = log_of(VitrineFactory::CollectionCreated { name: "Sea\0~~~~".into(), ..creation() });
    let mut data = log.data.to_vec();
    let at = data.windows(4).position(|four| four == b"~~~~").unwrap();
    data[at] = 0xff;
    log.data = data.into();
    let Fact::Created { created, .. } = only(&log, Role::Factory) else { panic!() };
    assert_eq!(created.name, "Sea\u{fffd}\u{fffd}~~~");
    let long = log_of(VitrineFactory::CollectionCreated { name: "ü".repeat(5000), ..creation() });
    let Fact::Created { created, .. } = only(&long, Role::Factory) else { panic!() };
    assert_eq!(created.name.len(), LONGEST_NAME);
}

#[test]
fn the_predecessors_creations_are_bare() {
    let single = PredecessorFactory::ERC721CollectionCreated { collection: BOB, creator: ALICE };
    let multi = PredecessorFactory::ERC1155CollectionCreated { collection: BOB, creator: ALICE };
    for (log, kind) in [(log_of(single), Standard::Erc721), (log_of(multi), Standard::Erc1155)] {
        let Fact::Created { standard, created, is_bare, .. } = only(&log, Role::Factory) else { panic!() };
        assert_eq!((standard, is_bare, created.creator), (kind, true, Address::from(ALICE)));
        assert_eq!(created.name, "");
    }
}

#[test]
fn what_is_known_and_says_nothing_new_is_not_unknown() {
    assert_eq!(INITIALIZED, keccak256("Initialized(uint64)"));
    let log = raw(vec![INITIALIZED], U256::ONE.to_be_bytes_vec().into());
    assert_eq!(decode(&log, COLLECTION), Reading::Known { event: "Initialized", facts: vec![] });
    assert_eq!(decode(&raw(vec![], Bytes::new()), COLLECTION), Reading::Unknown);
    assert_eq!(decode(&raw(vec![B256::repeat_byte(1)], Bytes::new()), COLLECTION), Reading::Unknown);
}
