//! How an endpoint's past decides about it.

use super::*;

fn live() -> Live {
    Live::new(Endpoint::parse("http://127.0.0.1:1", "none", 0, 10).unwrap())
}

#[test]
fn a_failing_endpoint_is_left_longer_each_time_and_forgiven_when_it_works() {
    let (live, now) = (live(), Instant::now());
    live.set_proven(now);
    assert!(live.leave(Reason::Failing, now) && !live.is_proven(now));
    assert_eq!((live.left(now), live.left_until()), (Some(Reason::Failing), Some(now + FIRST_PAUSE)));
    assert!(!live.leave(Reason::Failing, now), "what fails at one moment is one failure");
    let later = now + FIRST_PAUSE;
    live.leave(Reason::Failing, later);
    assert_eq!(live.left_until(), Some(later + 2 * FIRST_PAUSE));
    for n in 1..40 {
        live.leave(Reason::Failing, later + n * LONGEST_PAUSE);
    }
    assert_eq!(live.left_until(), Some(later + 40 * LONGEST_PAUSE));
    live.worked(now, Duration::ZERO);
    assert_eq!(live.left(now), None);
}

#[test]
fn a_liar_is_left_for_longer_and_no_answer_of_its_own_brings_it_back() {
    let (live, now) = (live(), Instant::now());
    live.leave(Reason::Failing, now);
    assert!(live.leave(Reason::Lying, now));
    assert_eq!(live.left_until(), Some(now + FIRST_PAUSE_OF_A_LIAR));
    live.worked(now, Duration::ZERO);
    assert_eq!(live.left(now), Some(Reason::Lying));
    assert!(!live.leave(Reason::Failing, now), "it stays a liar");
    live.take_back();
    assert_eq!(live.left(now), None);
    live.leave(Reason::Lying, now);
    assert_eq!(live.left_until(), Some(now + 2 * FIRST_PAUSE_OF_A_LIAR));
}

#[test]
fn the_proof_of_the_chain_has_to_be_renewed() {
    let (live, now) = (live(), Instant::now());
    live.set_proven(now);
    assert!(live.is_proven(now) && !live.is_proven(now + PROOF_HOLDS));
}

#[test]
fn a_limited_endpoint_is_given_the_peace_that_it_asks_for() {
    let (live, now) = (live(), Instant::now());
    let until = live.limit(now, Some(Duration::from_secs(7)));
    assert!(until >= now + Duration::from_secs(7) && until <= now + Duration::from_secs(8));
    assert_eq!(live.left(now), Some(Reason::Limited));
    assert_eq!(live.admit(now), Err(until));
    assert_eq!((live.left(until), live.admit(until)), (None, Ok(())));
    assert!(live.limit(now, Some(Duration::from_secs(1 << 40))) <= now + LONGEST_PEACE * 2);
}

#[test]
fn what_fails_often_or_is_slow_gets_a_smaller_share() {
    let (good, bad, slow, now) = (live(), live(), live(), Instant::now());
    for n in 0..50 {
        good.worked(now, Duration::from_millis(20));
        slow.worked(now, Duration::from_millis(800));
        let _ = if n % 2 == 0 {
            bad.worked(now, Duration::from_millis(20))
        } else {
            bad.leave(Reason::Failing, now)
        };
    }
    let fastest = good.latency().unwrap();
    let (good, bad, slow) = (good.share(fastest), bad.share(fastest), slow.share(fastest));
    assert!(good > 9.9 && bad < 4.0 && bad > 0.5 && slow < 3.0, "{good} {bad} {slow}");
}

#[test]
fn one_miss_is_an_accident_and_three_within_a_minute_are_not() {
    let (live, now) = (live(), Instant::now());
    assert!(!live.missed(now) && !live.missed(now));
    let later = now + MISSES_FORGIVEN_AFTER + FIRST_PAUSE;
    assert!(!live.missed(later) && !live.missed(later) && live.missed(later));
}

#[test]
fn other_settings_keep_the_past() {
    let (live, now) = (live(), Instant::now());
    live.leave(Reason::Lying, now);
    let other = live.with(Endpoint { weight: 3, ..live.endpoint.clone() });
    assert!(other.is_same(&live) && other.left(now) == Some(Reason::Lying));
}

#[test]
fn a_head_is_compared_now_and_then_whether_or_not_it_moves() {
    let (live, now) = (live(), Instant::now());
    assert!(!live.saw_head(7, now) && !live.saw_head(7, now + COMPARED_EVERY / 2));
    assert!(live.saw_head(8, now + COMPARED_EVERY), "another endpoint should be heard");
    assert!(!live.saw_head(9, now + COMPARED_EVERY * 3 / 2), "it was, a moment ago");
    assert!(live.saw_head(9, now + COMPARED_EVERY * 2));
    assert_eq!(live.head(now + COMPARED_EVERY * 2), Some(9));
    assert_eq!(live.head(now + COMPARED_EVERY * 2 + HEAD_FRESH), None);
}
