//! What a look is worth that was told of some hashes alone, or of transactions that nobody can judge yet.

use ids::StepId;

use super::*;
use crate::{
    conclude::{Held, Seen, Sight, conclude, conclude_step},
    model::{Candidate, Judgement, StepStatus},
};

fn seen(n: u8, judgement: Judgement, sight: Sight) -> Seen {
    let candidate = Candidate::new(StepId::new(), Hash32::new([n; 32]), judgement, Some(0));
    Seen { candidate, is_new: false, sight, act: String::new(), taker: None, asked_at: None }
}

fn mined(end: End) -> Sight {
    let inclusion = Inclusion { tx_hash: TX, block: (7, BLOCK), confirmations: 9, end };
    Sight::Mined { inclusion: Box::new(inclusion), nonce: Some(0) }
}

fn facts(status: Status, seen: &[Seen]) -> Vec<Fact> {
    conclude(&intent(Kind::Buy, status), seen, Held::Nowhere, (now(), TimeDelta::zero()))
}

#[test]
fn of_a_look_that_was_not_told_all_only_what_is_there_counts() {
    let unheard = || seen(2, Judgement::Verified, Sight::Unheard);
    let taken = Sight::Superseded { by: Taker::Other, confirmations: 9, nonce: 0 };
    for sight in [Sight::Unseen, taken, mined(reverted()), Sight::Other("it is another".into())] {
        let one = seen(1, Judgement::Unseen, sight);
        assert_ne!(facts(Status::Submitted, std::slice::from_ref(&one)), [], "{one:?} is a fact alone");
        assert_eq!(facts(Status::Submitted, &[one, unheard()]), []);
    }
    let done = facts(Status::Submitted, &[seen(1, Judgement::Verified, mined(done())), unheard()]);
    assert!(matches!(done.as_slice(), [Fact::Included(_)]));
    let waiting = seen(1, Judgement::Verified, Sight::Waiting { nonce: Some(0) });
    assert_eq!(facts(Status::Submitted, &[unheard(), waiting]), [Fact::Waiting(Hash32::new([1; 32]))]);
}

#[test]
fn what_is_visible_and_not_judged_yet_does_not_count_as_dropped() {
    let visible =
        || vec![seen(1, Judgement::Unseen, Sight::Visible), seen(2, Judgement::Unseen, Sight::Unseen)];
    assert_eq!(facts(Status::Submitted, &visible()), [Fact::Visible(Hash32::new([1; 32]))]);
    let mut intent = intent(Kind::Buy, Status::Submitted);
    intent.apply(&Fact::Unseen { now: now(), drop_after: TimeDelta::minutes(1) });
    assert!(intent.unseen_since.is_some());
    intent.apply(&Fact::Visible(TX));
    assert_eq!((intent.status, intent.unseen_since), (Status::Submitted, None));
}

#[test]
fn a_hash_keeps_who_took_its_nonce_and_the_block_that_held_it() {
    let known = seen(1, Judgement::Verified, Sight::Unseen);
    assert_eq!(known.learned(), None);
    let mut taken =
        seen(1, Judgement::Verified, Sight::Superseded { by: Taker::Other, confirmations: 1, nonce: 0 });
    taken.taker = Some(TX);
    assert_eq!(taken.learned().and_then(|known| known.taker), Some(TX));
    let held = seen(1, Judgement::Unseen, mined(done())).learned().unwrap();
    assert_eq!((held.judgement, held.block), (Judgement::Verified, Some((7, BLOCK))));
}

#[test]
fn a_new_hash_takes_a_step_no_further_back() {
    let named = conclude_step(&[seen(1, Judgement::Unseen, Sight::Unseen)], 3);
    assert!(named.is_further_than(StepStatus::Failed) && named.is_further_than(StepStatus::Prepared));
    for status in [StepStatus::Submitted, StepStatus::Mined, StepStatus::Done] {
        assert!(!named.is_further_than(status), "{status:?}");
    }
}
