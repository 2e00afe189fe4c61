//! The state machine against its table: each fact in each state, and what no sequence of facts may do.

use amounts::U256;
use chrono::{TimeDelta, Utc};
use ids::{Address, BlockHash, ChainId, Hash32, IntentId, TokenId, TxHash, UserId};
use proptest::prelude::*;

use crate::{
    intent::{End, Fact, Inclusion},
    model::{Catalogued, Intent, Kind, PendingCollection, Problem, Status, is_catalogued, now},
};

const TX: TxHash = Hash32::new([1; 32]);
const OTHER_TX: TxHash = Hash32::new([2; 32]);
const BLOCK: BlockHash = Hash32::new([3; 32]);
const COLLECTION: Address = Address::new([4; 20]);

fn intent(kind: Kind, status: Status) -> Intent {
    let now = now();
    let is_in_block = matches!(status, Status::Mined | Status::Confirmed | Status::Ready | Status::Failed);
    let is_sent = is_in_block || matches!(status, Status::Submitted | Status::Dropped | Status::Replaced);
    Intent {
        intent_id: IntentId::new(),
        kind,
        chain_id: ChainId::new(31337).unwrap(),
        created_by: UserId::new(),
        session_id: None,
        from: Address::new([5; 20]),
        preview_address: None,
        salt: None,
        request_id: "r".into(),
        request_hash: vec![],
        payload: serde_json::Value::Null,
        required_confirmations: 3,
        deadline_at: now,
        created_at: now,
        updated_at: now,
        revision: 1,
        status,
        tx_hash: is_sent.then_some(TX),
        problem: None,
        contract: None,
        token_ids: vec![],
        confirmations: None,
        block: is_in_block.then_some((7, BLOCK)),
        unseen_since: None,
        catalogued_at: (status == Status::Ready).then(Utc::now),
        pending: PendingCollection::None,
    }
}

fn included(confirmations: u32, end: End) -> Fact {
    Fact::Included(Inclusion { tx_hash: TX, block: (7, BLOCK), confirmations, end })
}

fn done() -> End {
    End::Done { contract: Some(COLLECTION), token_ids: vec![] }
}

fn reverted() -> End {
    End::Reverted(Problem { code: "SOLD_OUT".into(), message: "gone".into() })
}

fn after(status: Status, fact: &Fact) -> Status {
    let mut intent = intent(Kind::CreateCollection, status);
    intent.apply(fact);
    intent.status
}

fn facts() -> Vec<(&'static str, Fact)> {
    let unseen = |drop_after| Fact::Unseen { now: now(), drop_after };
    vec![
        ("named", Fact::Named(TX)),
        ("waiting", Fact::Waiting(TX)),
        ("included", included(1, done())),
        ("deep", included(3, done())),
        ("reverted", included(1, reverted())),
        ("deep reverted", included(3, reverted())),
        ("gone", Fact::Gone),
        ("unseen", unseen(TimeDelta::seconds(60))),
        ("long unseen", unseen(TimeDelta::zero())),
        ("refused", Fact::Refused),
        ("nonce taken", Fact::NonceTaken),
        ("catalogued", Fact::Catalogued(now())),
        ("uncatalogued", Fact::Uncatalogued),
        ("cancel asked", Fact::CancelAsked),
        ("time passed", Fact::TimePassed),
    ]
}

#[test]
fn each_fact_in_each_state_leads_where_the_table_says() {
    use Status::{
        Cancelled, Confirmed, Dropped, Expired, Failed, Mined, Prepared, Ready, Replaced, Submitted,
    };
    let columns =
        [Prepared, Submitted, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Dropped, Expired];
    let table: [(&str, [Status; 10]); 15] = [
        (
            "named",
            [Submitted, Submitted, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Submitted, Expired],
        ),
        (
            "waiting",
            [
                Submitted, Submitted, Submitted, Submitted, Submitted, Failed, Replaced, Submitted,
                Submitted, Submitted,
            ],
        ),
        ("included", [Mined, Mined, Mined, Mined, Mined, Failed, Mined, Mined, Mined, Mined]),
        // READY has its catalogued mark and keeps it.
        (
            "deep",
            [
                Confirmed, Confirmed, Confirmed, Confirmed, Ready, Failed, Confirmed, Confirmed, Confirmed,
                Confirmed,
            ],
        ),
        ("reverted", [Mined, Mined, Mined, Mined, Mined, Failed, Mined, Mined, Mined, Mined]),
        ("deep reverted", [Failed; 10]),
        (
            "gone",
            [
                Prepared, Submitted, Submitted, Submitted, Submitted, Failed, Replaced, Cancelled, Dropped,
                Expired,
            ],
        ),
        ("unseen", columns),
        (
            "long unseen",
            [Prepared, Dropped, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Dropped, Expired],
        ),
        (
            "refused",
            [Prepared, Prepared, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Prepared, Expired],
        ),
        (
            "nonce taken",
            [Prepared, Replaced, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Replaced, Expired],
        ),
        (
            "catalogued",
            [Prepared, Submitted, Mined, Ready, Ready, Failed, Replaced, Cancelled, Dropped, Expired],
        ),
        (
            "uncatalogued",
            [Prepared, Submitted, Mined, Confirmed, Confirmed, Failed, Replaced, Cancelled, Dropped, Expired],
        ),
        (
            "cancel asked",
            [Cancelled, Submitted, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Dropped, Expired],
        ),
        (
            "time passed",
            [Expired, Submitted, Mined, Confirmed, Ready, Failed, Replaced, Cancelled, Dropped, Expired],
        ),
    ];
    for ((name, row), (fact_name, fact)) in table.iter().zip(facts()) {
        assert_eq!(*name, fact_name);
        for (from, to) in columns.iter().zip(row) {
            assert_eq!(after(*from, &fact), *to, "{name} in {from:?}");
        }
    }
}

#[test]
fn a_catalogued_word_before_the_depth_makes_it_ready_at_the_depth() {
    let mut intent = intent(Kind::CreateCollection, Status::Submitted);
    intent.apply(&included(1, done()));
    intent.apply(&Fact::Catalogued(now()));
    assert_eq!(intent.status, Status::Mined);
    intent.apply(&included(3, done()));
    assert_eq!((intent.status, intent.contract), (Status::Ready, Some(COLLECTION)));
}

#[test]
fn a_reorganisation_forgets_what_the_lost_block_brought() {
    let mut intent = intent(Kind::CreateCollection, Status::Submitted);
    intent.apply(&included(2, reverted()));
    assert!(intent.problem.is_some());
    intent.apply(&Fact::Gone);
    assert_eq!((intent.status, intent.problem.clone(), intent.block), (Status::Submitted, None, None));
    assert_eq!(intent.tx_hash, Some(TX));
}

#[test]
fn the_same_fact_twice_changes_nothing_the_second_time() {
    for status in Status::ALL {
        for (name, fact) in facts() {
            let mut intent = intent(Kind::CreateCollection, *status);
            intent.apply(&fact);
            let once = intent.clone();
            let is_changed = intent.apply(&fact);
            assert!(!is_changed && intent == once, "{name} in {status:?}");
        }
    }
}

#[test]
fn a_pending_collection_is_told_when_it_is_sent_and_taken_back_when_it_fails() {
    let mut intent = intent(Kind::CreateCollection, Status::Prepared);
    intent.apply(&Fact::Named(TX));
    assert_eq!(intent.pending, PendingCollection::PutDue);
    intent.pending = PendingCollection::Put;
    intent.apply(&included(3, reverted()));
    assert_eq!((intent.status, intent.pending), (Status::Failed, PendingCollection::RemoveDue));
    let mut mint = self::intent(Kind::Mint721, Status::Prepared);
    mint.apply(&Fact::Named(TX));
    assert_eq!(mint.pending, PendingCollection::None);
}

#[test]
fn not_every_of_many_confirmations_is_news() {
    let mut intent = intent(Kind::CreateCollection, Status::Submitted);
    intent.required_confirmations = 64;
    let news = (1..=64).filter(|confirmations| intent.apply(&included(*confirmations, done()))).count();
    assert!(news <= 10, "{news}");
    assert_eq!((intent.status, intent.confirmations), (Status::Confirmed, Some(64)));
}

#[test]
fn a_mint_is_catalogued_when_each_of_its_tokens_is() {
    let token = |id: u64| TokenId::new(U256::from(id));
    let mut mint = intent(Kind::Mint721, Status::Mined);
    (mint.contract, mint.token_ids) = (Some(COLLECTION), vec![token(1), token(2)]);
    let told = |ids: &[u64], is_removed| Catalogued {
        contract: COLLECTION,
        token_ids: ids.iter().map(|id| token(*id)).collect(),
        is_removed,
    };
    assert!(!is_catalogued(&mint, &[]));
    assert!(!is_catalogued(&mint, &[told(&[1], false)]));
    assert!(!is_catalogued(&mint, &[told(&[], false)]), "the collection's word is not the tokens'");
    assert!(is_catalogued(&mint, &[told(&[1], false), told(&[2], false)]));
    assert!(is_catalogued(&mint, &[told(&[3, 2, 1], false)]));
    assert!(!is_catalogued(&mint, &[told(&[1, 2], false), told(&[2], true)]));
    assert!(is_catalogued(&mint, &[told(&[2], true), told(&[1, 2], false)]));
    let create = Intent { kind: Kind::CreateCollection, token_ids: vec![], ..mint.clone() };
    assert!(is_catalogued(&create, &[told(&[], false)]) && !is_catalogued(&create, &[told(&[1], false)]));
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let hash = prop_oneof![Just(TX), Just(OTHER_TX)];
    let inclusion = (hash.clone(), 1_u64..4, 1_u32..6, any::<bool>()).prop_map(
        |(tx_hash, number, confirmations, is_done)| {
            let block = (number, Hash32::new([u8::try_from(number).unwrap(); 32]));
            let end = if is_done { done() } else { reverted() };
            Fact::Included(Inclusion { tx_hash, block, confirmations, end })
        },
    );
    prop_oneof![
        hash.clone().prop_map(Fact::Named),
        hash.prop_map(Fact::Waiting),
        inclusion,
        Just(Fact::Gone),
        any::<bool>().prop_map(|is_long| {
            let drop_after = if is_long { TimeDelta::zero() } else { TimeDelta::hours(1) };
            Fact::Unseen { now: now(), drop_after }
        }),
        Just(Fact::Refused),
        Just(Fact::NonceTaken),
        Just(Fact::Catalogued(now())),
        Just(Fact::Uncatalogued),
        Just(Fact::CancelAsked),
        Just(Fact::TimePassed),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_facts_breaks_what_a_state_means(facts in prop::collection::vec(any_fact(), 0..40)) {
        let mut intent = intent(Kind::CreateCollection, Status::Prepared);
        for fact in facts {
            let before = intent.clone();
            intent.apply(&fact);
            let is_in_block = intent.block.is_some();
            match intent.status {
                Status::Mined => prop_assert!(is_in_block && intent.tx_hash.is_some()),
                Status::Confirmed | Status::Ready => prop_assert!(is_in_block && intent.problem.is_none()),
                Status::Failed => prop_assert!(intent.problem.is_some() && is_in_block),
                Status::Submitted => prop_assert!(!is_in_block && intent.tx_hash.is_some()),
                Status::Prepared => prop_assert!(!is_in_block && intent.tx_hash.is_none()),
                _ => prop_assert!(!is_in_block),
            }
            if intent.status == Status::Ready {
                prop_assert!(intent.catalogued_at.is_some());
            }
            if intent.status == Status::Failed && before.status != Status::Failed {
                prop_assert!(matches!(fact, Fact::Included(_)));
            }
            if before.status == Status::Failed {
                prop_assert_eq!(intent.status, Status::Failed);
            }
        }
    }

    #[test]
    fn whatever_happened_the_chain_s_last_word_makes_it_ready(facts in prop::collection::vec(any_fact(), 0..40)) {
        let mut intent = intent(Kind::CreateCollection, Status::Prepared);
        facts.iter().for_each(|fact| { intent.apply(fact); });
        prop_assume!(intent.status != Status::Failed);
        intent.apply(&included(3, done()));
        intent.apply(&Fact::Catalogued(now()));
        prop_assert_eq!(intent.status, Status::Ready);
    }
}
