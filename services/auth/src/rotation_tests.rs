//! The rule of rotation as a machine: tabs that refresh at once, answers that get lost, a thief with a copy, and clocks that
//! are set while all this goes on.

use proptest::prelude::*;

use super::*;

const HOME: &str = "home";
const AWAY: &str = "away";

/// A family as the store keeps it. A token is its place in the list.
struct Family {
    life: Life,
    tokens: Vec<Token>,
    parents: Vec<Option<usize>>,
    now: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Token(usize),
    Reused,
    Expired,
}

impl Family {
    fn begin() -> Family {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let expires_at = now + TimeDelta::days(30);
        Family {
            life: Life { is_revoked: false, expires_at, absolute_expires_at: now + TimeDelta::days(90) },
            tokens: vec![Token { expires_at, used: None }],
            parents: vec![None],
            now,
        }
    }

    fn child(&self, token: usize) -> Option<usize> {
        let children: Vec<usize> =
            (0..self.tokens.len()).filter(|child| self.parents[*child] == Some(token)).collect();
        assert!(children.len() <= 1, "a token has one successor");
        children.first().copied()
    }

    /// What the store does around the rule, with the session's row locked.
    fn present(&mut self, token: usize, fingerprint: &str) -> Answer {
        let chain: Vec<usize> =
            std::iter::successors(Some(token), |token| self.child(*token)).take(CHAIN_MAX).collect();
        let links: Vec<Token> = chain.iter().map(|token| self.tokens[*token].clone()).collect();
        match judge(&self.life, &links, fingerprint, self.now) {
            Outcome::Rotate => {
                let used = Used { at: self.now, fingerprint: fingerprint.to_owned(), is_repeatable: true };
                self.tokens[token].used = Some(used);
                let expires_at = (self.now + TimeDelta::days(30)).min(self.life.absolute_expires_at);
                self.tokens.push(Token { expires_at, used: None });
                self.parents.push(Some(token));
                self.life.expires_at = expires_at;
                Answer::Token(self.tokens.len() - 1)
            }
            Outcome::Repeat(steps) => Answer::Token(chain[steps]),
            Outcome::Reused => {
                self.life.is_revoked = true;
                Answer::Reused
            }
            Outcome::Expired => Answer::Expired,
        }
    }

    fn is_over(&self) -> bool {
        self.life.is_revoked || self.now >= self.life.expires_at || self.now >= self.life.absolute_expires_at
    }

    fn live(&self) -> Vec<usize> {
        (0..self.tokens.len()).filter(|token| self.tokens[*token].used.is_none()).collect()
    }

    fn pass(&mut self, millis: i64) {
        self.now += TimeDelta::milliseconds(millis);
    }
}

/// One time that a device refreshes: its tabs ask one after the other, each gets its answer or not, and at the end one
/// does; then so long passes until the next time.
#[derive(Debug, Clone)]
struct Round {
    /// Milliseconds before the request, and whether its answer is lost.
    requests: Vec<(i64, bool)>,
    /// Whether a tab that was slow still asks with the token of the round before.
    is_late_tab: bool,
    rest_millis: i64,
}

fn round() -> impl Strategy<Value = Round> {
    let rest = prop_oneof![Just(0), 0..1_000_i64, 0..(29 * 86_400_000_i64)];
    (prop::collection::vec((0..1_500_i64, any::<bool>()), 1..6), any::<bool>(), rest)
        .prop_map(|(requests, is_late_tab, rest_millis)| Round { requests, is_late_tab, rest_millis })
}

#[derive(Debug, Clone)]
enum Move {
    Pass(i64),
    SetClock(i64),
    /// A tab asks with what it has; the answer is lost or not.
    Refresh {
        tab: usize,
        is_lost: bool,
    },
    /// The browser's tabs share what one of them got.
    Share {
        tab: usize,
    },
    Steal {
        tab: usize,
    },
    /// The thief presents a copy, as itself or under the victim's fingerprint.
    Attack {
        copy: usize,
        is_forged: bool,
    },
}

fn step() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (0..15_000_i64).prop_map(Move::Pass),
        1 => (0..86_400_000_i64 * 20).prop_map(Move::Pass),
        1 => prop_oneof![-3_600_000..3_600_000_i64, -9_000..9_000_i64].prop_map(Move::SetClock),
        6 => (0..3_usize, any::<bool>()).prop_map(|(tab, is_lost)| Move::Refresh { tab, is_lost }),
        2 => (0..3_usize).prop_map(|tab| Move::Share { tab }),
        1 => (0..3_usize).prop_map(|tab| Move::Steal { tab }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(copy, is_forged)| Move::Attack { copy, is_forged }),
    ]
}

/// Presents a token and checks the answer against what may be answered at all.
fn present(family: &mut Family, token: usize, fingerprint: &str) -> Answer {
    let is_over = family.is_over();
    let used = family.tokens[token].used.clone();
    let answer = family.present(token, fingerprint);
    let is_retry = |used: &Used| {
        used.fingerprint == fingerprint && (family.now - used.at).abs() < TimeDelta::seconds(10)
    };
    match (&used, answer) {
        _ if is_over => assert_eq!(answer, Answer::Expired, "nothing comes of a session that is over"),
        (None, Answer::Token(next)) => assert_eq!(family.parents[next], Some(token)),
        (None, _) => panic!("the live token was refused"),
        (Some(used), Answer::Token(_)) => assert!(is_retry(used), "a reuse went unseen"),
        (Some(_), Answer::Expired) => panic!("a used token is a reuse or a retry"),
        (Some(_), Answer::Reused) => assert!(family.life.is_revoked),
    }
    if let Answer::Token(next) = answer {
        assert_eq!(family.live(), [next], "whoever is answered gets the one live token, never a sibling");
    }
    assert_eq!(family.live().len(), 1, "a family has one live token");
    answer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whoever_retries_lost_answers_within_the_grace_is_never_signed_out(
        rounds in prop::collection::vec(round(), 1..12)
    ) {
        let mut family = Family::begin();
        let (mut jar, mut before): (usize, Option<usize>) = (0, None);
        for round in rounds {
            let (presented, mut got) = (jar, Vec::new());
            for (wait, is_lost) in round.requests {
                family.pass(wait);
                if family.is_over() {
                    return Ok(());
                }
                let answer = present(&mut family, presented, HOME);
                let Answer::Token(next) = answer else { panic!("signed out: {answer:?}") };
                if !is_lost {
                    got.push(next);
                }
            }
            // The last retry is answered, still within the grace.
            if got.is_empty() {
                let Answer::Token(next) = present(&mut family, presented, HOME) else { panic!("signed out") };
                got.push(next);
            }
            prop_assert!(got.iter().all(|token| *token == got[0]), "tabs of one device converge");
            jar = got[0];
            if let Some(before) = before.filter(|_| round.is_late_tab) {
                let is_in_grace = family.tokens[before]
                    .used
                    .as_ref()
                    .is_some_and(|used| family.now - used.at < GRACE);
                if is_in_grace {
                    prop_assert_eq!(present(&mut family, before, HOME), Answer::Token(jar));
                }
            }
            before = Some(presented);
            family.pass(round.rest_millis);
        }
        prop_assert!(!family.life.is_revoked);
    }

    #[test]
    fn no_reuse_goes_unseen_whatever_tabs_thieves_and_clocks_do(
        moves in prop::collection::vec(step(), 1..60)
    ) {
        let mut family = Family::begin();
        let mut tabs = [0_usize; 3];
        let mut copies: Vec<usize> = Vec::new();
        for step in moves {
            match step {
                Move::Pass(millis) => family.pass(millis),
                Move::SetClock(millis) => family.pass(millis),
                Move::Refresh { tab, is_lost } => {
                    if let Answer::Token(next) = present(&mut family, tabs[tab], HOME) && !is_lost {
                        tabs[tab] = next;
                    }
                }
                Move::Share { tab } => tabs = [tabs[tab]; 3],
                Move::Steal { tab } => copies.push(tabs[tab]),
                Move::Attack { copy, is_forged } if !copies.is_empty() => {
                    let copy = copies[copy % copies.len()];
                    if let Answer::Token(next) = present(&mut family, copy, if is_forged { HOME } else { AWAY }) {
                        copies.push(next);
                    }
                }
                Move::Attack { .. } => {}
            }
        }
        // In the end nobody holds anything that the others hold too: as soon as both sides have asked once more, late
        // enough, the session is over.
        if !copies.is_empty() && !family.is_over() {
            for token in tabs.into_iter().chain(copies) {
                family.pass(11_000);
                present(&mut family, token, HOME);
            }
            family.pass(11_000);
            for token in 0..family.tokens.len() {
                if family.tokens[token].used.is_some() {
                    present(&mut family, token, HOME);
                    prop_assert!(family.is_over(), "an old token ends the session");
                }
            }
        }
    }
}

fn token(used: Option<(i64, &str)>, now: DateTime<Utc>) -> Token {
    let used = used.map(|(ago, fingerprint)| Used {
        at: now - TimeDelta::milliseconds(ago),
        fingerprint: fingerprint.to_owned(),
        is_repeatable: true,
    });
    Token { expires_at: now + TimeDelta::days(1), used }
}

#[test]
fn the_grace_ends_with_its_tenth_second_and_is_for_the_same_device() {
    let now = Utc::now();
    let end = now + TimeDelta::days(1);
    let life = Life { is_revoked: false, expires_at: end, absolute_expires_at: end };
    let of = |used, fingerprint| judge(&life, &[token(Some(used), now), token(None, now)], fingerprint, now);
    assert_eq!(of((9_999, HOME), HOME), Outcome::Repeat(1));
    assert_eq!(of((10_000, HOME), HOME), Outcome::Reused);
    assert_eq!(of((0, HOME), AWAY), Outcome::Reused);
    // The database's clock was set back a little, or a lot.
    assert_eq!(of((-9_999, HOME), HOME), Outcome::Repeat(1));
    assert_eq!(of((-3_600_000, HOME), HOME), Outcome::Reused);
    // How the successor was made is forgotten.
    let mut forgotten = token(Some((0, HOME)), now);
    forgotten.used.as_mut().unwrap().is_repeatable = false;
    assert_eq!(judge(&life, &[forgotten, token(None, now)], HOME, now), Outcome::Reused);
}

#[test]
fn a_session_that_is_over_is_not_ended_again() {
    let now = Utc::now();
    let chain = [token(Some((20_000, HOME)), now), token(None, now)];
    let (soon, over) = (now + TimeDelta::seconds(1), now);
    for (is_revoked, expires_at, absolute_expires_at) in
        [(true, soon, soon), (false, over, soon), (false, soon, over)]
    {
        let life = Life { is_revoked, expires_at, absolute_expires_at };
        assert_eq!(judge(&life, &chain, HOME, now), Outcome::Expired);
        assert_eq!(judge(&life, &chain[1..], HOME, now), Outcome::Expired);
    }
    let life = Life { is_revoked: false, expires_at: soon, absolute_expires_at: soon };
    assert_eq!(judge(&life, &chain, HOME, now), Outcome::Reused);
    assert_eq!(judge(&life, &[], HOME, now), Outcome::Reused);
    let mut stale = token(None, now);
    stale.expires_at = now;
    assert_eq!(judge(&life, &[stale], HOME, now), Outcome::Expired);
}
