//! The state machine: against its table in the documentation, fact by fact; and on chains that do whatever they like.

mod looks;
mod stories;
mod table;
mod world;

use amounts::U256;
use chrono::{TimeDelta, Utc};
use ids::{Address, BlockHash, ChainId, Hash32, IntentId, TokenId, TxHash, UserId};
use uuid::Uuid;

use crate::{
    intent::{End, Fact, Inclusion, Outlook, Taker},
    model::{Catalogued, Intent, Kind, PendingCollection, Problem, Status, Word, catalogued, now},
};

const TX: TxHash = Hash32::new([1; 32]);
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
        order_id: None,
        awaits_catalog: true,
        is_order_due: false,
        is_contract_account: None,
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
    let says = |told: &[Catalogued]| catalogued(&mint, told);
    assert_eq!(says(&[]), Word::Unsaid, "words that are not kept any more take nothing back");
    assert_eq!(says(&[told(&[1], false)]), Word::Unsaid);
    assert_eq!(says(&[told(&[], false)]), Word::Unsaid, "the collection's word is not the tokens'");
    assert_eq!(says(&[told(&[1], false), told(&[2], false)]), Word::There);
    assert_eq!(says(&[told(&[3, 2, 1], false)]), Word::There);
    assert_eq!(says(&[told(&[1, 2], false), told(&[2], true)]), Word::Removed);
    assert_eq!(says(&[told(&[2], true)]), Word::Removed);
    assert_eq!(says(&[told(&[2], true), told(&[1, 2], false)]), Word::There);
    let create = Intent { kind: Kind::CreateCollection, token_ids: vec![], ..mint.clone() };
    assert_eq!(catalogued(&create, &[told(&[], false)]), Word::There);
    assert_eq!(catalogued(&create, &[told(&[1], false)]), Word::Unsaid);
}

#[test]
fn who_does_not_answer_is_asked_the_more_rarely_the_longer_that_goes_on_and_clocks_may_step_back() {
    let mut create = intent(Kind::CreateCollection, Status::Submitted);
    create.pending = PendingCollection::PutDue;
    let start = create.updated_at;
    let wait = |seconds: i64| create.patience(start + TimeDelta::seconds(seconds));
    assert_eq!(wait(0), TimeDelta::seconds(2));
    assert_eq!(wait(600), TimeDelta::seconds(60));
    assert_eq!(wait(1_000_000), TimeDelta::minutes(10));
    assert_eq!(wait(-3600), TimeDelta::seconds(2));
    let back = start - TimeDelta::hours(1);
    let next = create.next_look(back, Outlook::default()).unwrap();
    assert!(next > back && next <= back + TimeDelta::seconds(2));
}

#[test]
fn what_is_done_is_not_watched_for_ever_where_no_node_answers() {
    let ready = intent(Kind::Buy, Status::Ready);
    let at = |days| ready.next_look(ready.updated_at + TimeDelta::days(days), Outlook::default());
    assert!(at(1).is_some() && at(29).is_some());
    assert_eq!(at(31), None);
}

#[test]
fn what_a_purchase_is_about_was_known_before_and_stays_known() {
    let mut buy = intent(Kind::Buy, Status::Submitted);
    let id = TokenId::new(U256::from(7));
    (buy.contract, buy.token_ids, buy.order_id) = (Some(COLLECTION), vec![id], Some(Uuid::from_u128(1)));
    let bare = End::Done { contract: None, token_ids: vec![] };
    buy.apply(&included(2, bare.clone()));
    buy.apply(&Fact::Gone);
    assert_eq!((buy.contract, buy.token_ids.as_slice()), (Some(COLLECTION), [id].as_slice()));
    buy.apply(&included(3, bare));
    assert!(!buy.is_order_due);
    buy.apply(&Fact::Catalogued(now()));
    assert_eq!((buy.status, buy.is_order_due), (Status::Ready, true));
    buy.is_order_due = false;
    buy.apply(&Fact::Gone);
    assert!(buy.is_order_due, "the catalog hears that it was taken back");
}

#[test]
fn a_dropped_create_takes_its_pending_collection_back_and_brings_it_again_when_it_revives() {
    let mut create = intent(Kind::CreateCollection, Status::Submitted);
    create.pending = PendingCollection::Put;
    create.apply(&Fact::Unseen { now: now(), drop_after: TimeDelta::zero() });
    assert_eq!((create.status, create.pending), (Status::Dropped, PendingCollection::RemoveDue));
    create.pending = PendingCollection::Removed;
    create.apply(&Fact::Waiting(TX));
    assert_eq!((create.status, create.pending), (Status::Submitted, PendingCollection::PutDue));
}

#[test]
fn a_node_that_lags_takes_nothing_back_within_a_block() {
    for (end, status) in [(done(), Status::Confirmed), (reverted(), Status::Failed)] {
        let mut intent = intent(Kind::CreateCollection, Status::Submitted);
        intent.apply(&included(3, end.clone()));
        let before = intent.clone();
        assert!(!intent.apply(&included(1, end)), "{status:?}");
        assert_eq!((intent.status, intent.confirmations), (status, before.confirmations));
    }
}

#[test]
fn a_wallet_that_cancels_is_told_from_one_that_does_something_else() {
    for (by, status) in [(Taker::Cancelling, Status::Cancelled), (Taker::Other, Status::Replaced)] {
        let mut intent = intent(Kind::Mint721, Status::Submitted);
        intent.apply(&Fact::NonceTaken(by));
        assert_eq!(intent.status, status);
        // A reorganisation may yet bring the transaction.
        intent.apply(&included(3, done()));
        assert_eq!(intent.status, Status::Confirmed);
    }
}

/// An intent of this kind that was sent, for the tests of others.
pub(crate) fn an_intent(kind: Kind) -> Intent {
    intent(kind, Status::Submitted)
}
