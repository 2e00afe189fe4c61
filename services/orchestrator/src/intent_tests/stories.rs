//! No story of a chain leaves an intent stuck, takes it out of order, or moves it twice: whatever reorganisations,
//! duplicates, lost looks, lagging nodes, cancellations and words of the catalog come in whatever order, once the chain
//! stands still the intent is where the chain says.

use proptest::prelude::*;

use super::{
    world::{ALL, REQUIRED, SETTLED, What, World, hash},
    *,
};
use crate::{intent::Outlook, model::Judgement};

#[derive(Debug, Clone)]
enum Event {
    Report(usize),
    Send(usize),
    Forget(usize),
    Mine {
        id: usize,
        is_reverted: bool,
    },
    Empty(u8),
    Reorganise {
        depth: usize,
        is_kept: bool,
        is_replaced: bool,
    },
    Catalogue(usize, bool),
    Cancel,
    Wait(u32),
    Look {
        lag: usize,
        is_lost: bool,
    },
    /// The node says nothing of some hashes, or has forgotten old states.
    Askew {
        silent: u8,
        is_pruned: bool,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = || 0..ALL.len();
    prop_oneof![
        3 => prop_oneof![Just(0_usize), Just(1), Just(2), Just(6)].prop_map(Event::Report),
        3 => id().prop_map(Event::Send),
        1 => id().prop_map(Event::Forget),
        3 => (id(), prop::bool::weighted(0.3)).prop_map(|(id, is_reverted)| Event::Mine { id, is_reverted }),
        2 => (1_u8..5).prop_map(Event::Empty),
        2 => (1_usize..SETTLED, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(depth, is_kept, is_replaced)| Event::Reorganise { depth, is_kept, is_replaced }),
        2 => (id(), prop::bool::weighted(0.7)).prop_map(|(id, is_there)| Event::Catalogue(id, is_there)),
        1 => Just(Event::Cancel),
        2 => (1_u32..1800).prop_map(Event::Wait),
        6 => (prop_oneof![3 => Just(0_usize), 1 => 1_usize..5], prop::bool::weighted(0.15))
            .prop_map(|(lag, is_lost)| Event::Look { lag, is_lost }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(silent, is_pruned)| Event::Askew { silent, is_pruned }),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Report(id) => world.report(id),
        Event::Send(id) => {
            if !world.chain.iter().any(|block| block.tx.is_some_and(|(there, _)| there == id)) {
                world.pool.insert(id);
            }
        }
        Event::Forget(id) => {
            world.pool.remove(&id);
        }
        Event::Mine { id, is_reverted } if world.can_mine(id) => world.mine(Some((id, is_reverted))),
        Event::Mine { .. } => {}
        Event::Empty(count) => (0..count).for_each(|_| world.mine(None)),
        Event::Reorganise { depth, is_kept, is_replaced } => world.reorganise(depth, is_kept, is_replaced),
        Event::Catalogue(id, is_there) => world.catalogue(id, is_there),
        Event::Cancel => world.cancel(),
        Event::Wait(seconds) => world.now += TimeDelta::seconds(seconds.into()),
        Event::Look { lag, is_lost } => world.look(lag, is_lost),
        Event::Askew { silent, is_pruned } => world.look_askew(silent, is_pruned),
    }
}

/// The chain comes to rest: what waits is mined or forgotten, everything is as deep as it gets, and the catalog knows
/// all of it. Then the tracker looks as often as it wants to.
fn settle(world: &mut World, is_mined: bool) {
    while let Some(id) = world.pool.iter().copied().find(|id| is_mined && world.can_mine(*id)) {
        world.mine(Some((id, false)));
    }
    world.pool.clear();
    (0..SETTLED + REQUIRED as usize).for_each(|_| world.mine(None));
    // The words that come now wake nobody: who waits for them looks by itself.
    world.catalogued.extend(0..ALL.len());
    for _ in 0..5_000 {
        if world.next_look_at.is_none() {
            return;
        }
        world.look(0, false);
    }
    panic!("the tracker never comes to rest: {:?}", world.intent);
}

/// Where an intent belongs on a chain that stands still.
fn expected(world: &World) -> Status {
    let open = || world.candidates.iter().filter(|known| known.judgement != Judgement::Refused);
    let ids = || open().map(|known| (0..ALL.len()).find(|id| hash(*id) == known.tx_hash).unwrap());
    let mined = |id: usize| world.chain.iter().filter_map(|block| block.tx).find(|(there, _)| *there == id);
    // A speed-up counts though nobody reported it.
    let under_nonce = open().filter_map(|known| World::taker(&world.chain, known.nonce?)).map(|(_, id)| id);
    let carried: Vec<bool> = ids()
        .chain(under_nonce)
        .filter(|id| ALL[*id].0 == What::Ours)
        .filter_map(|id| Some(mined(id)?.1))
        .collect();
    if carried.iter().any(|is_reverted| !is_reverted) {
        return Status::Ready;
    }
    if !carried.is_empty() {
        return Status::Failed;
    }
    let takers: Vec<What> = open()
        .filter_map(|known| World::taker(&world.chain, known.nonce?))
        .map(|(_, id)| ALL[id].0)
        .collect();
    match (open().next(), takers.as_slice()) {
        (None, _) if world.intent.status == Status::Cancelled => Status::Cancelled,
        (None, _) => Status::Expired,
        (Some(_), []) => Status::Dropped,
        (Some(_), takers) if takers.iter().all(|what| *what == What::Cancelling) => Status::Cancelled,
        (Some(_), _) => Status::Replaced,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_an_intent_ends_where_the_chain_says(
        kind in prop_oneof![
            Just(Kind::CreateCollection), Just(Kind::Mint721), Just(Kind::Buy), Just(Kind::Approve)
        ],
        events in prop::collection::vec(any_event(), 0..60),
        is_mined in any::<bool>(),
    ) {
        let mut world = World::new(kind);
        for event in &events {
            let before = world.intent.revision;
            happen(&mut world, event);
            prop_assert!(world.intent.revision >= before);
            let is_over = matches!(world.intent.status, Status::Prepared | Status::Submitted | Status::Mined | Status::Confirmed);
            prop_assert!(!is_over || world.next_look_at.is_some(), "nobody looks at {:?}", world.intent);
        }
        settle(&mut world, is_mined);
        prop_assert_eq!(world.intent.status, expected(&world), "{:?}\n{:?}", world.intent, world.candidates);
        // At rest, another look finds nothing.
        let revision = world.intent.revision;
        world.next_look_at = Some(world.now);
        world.look(0, false);
        prop_assert_eq!(world.intent.revision, revision);
    }

    #[test]
    fn a_signed_order_ends_stored_or_over(
        facts in prop::collection::vec(0_usize..5, 0..12),
        is_stored_at_last in any::<bool>(),
    ) {
        let mut intent = intent(Kind::List, Status::Prepared);
        intent.deadline_at = intent.created_at + TimeDelta::hours(1);
        let order_id = Uuid::from_u128(1);
        let choices = [Fact::Signed, Fact::Stored(order_id), Fact::CancelAsked, Fact::TimePassed, Fact::Waiting(TX)];
        for choice in facts {
            let from = intent.status;
            intent.apply(&choices[choice]);
            let is_final = matches!(from, Status::Ready | Status::Cancelled | Status::Expired);
            prop_assert!(!is_final || from == intent.status, "{from:?} is final");
            let looks = intent.next_look(now(), Outlook::default()).is_some();
            prop_assert_eq!(looks, matches!(intent.status, Status::Prepared | Status::Submitted));
            prop_assert_eq!(intent.status == Status::Ready, intent.order_id == Some(order_id));
        }
        // The tracker puts the order until it is stored, or its time is over.
        intent.apply(&if is_stored_at_last { Fact::Stored(order_id) } else { Fact::TimePassed });
        intent.apply(&Fact::TimePassed);
        prop_assert!(matches!(intent.status, Status::Ready | Status::Cancelled | Status::Expired));
    }
}
