//! Random histories of a chain that changes its mind: blocks come, are taken back, come again.

use std::collections::BTreeMap;

use amounts::U256;
use events::{Envelope, Standard, collections::CollectionUpdated};
use ids::{Address, ChainId};

use super::{
    fake::{Event, FakeBlock, address, block, created, hash, messages, moved, moved_many, ranged, updated},
    naive::{World, walk},
};

/// A small generator of numbers that a seed fixes.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len() as u64) as usize].clone()) }
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// What was published, and the chain as it is at the end.
pub(crate) struct History {
    pub(crate) messages: Vec<Envelope>,
    pub(crate) canonical: Vec<FakeBlock>,
}

/// Grows a chain by `steps`: mostly new blocks, sometimes a branch that replaces the last few, sometimes the old branch
/// again. Each time a block becomes canonical is a generation of it.
pub(crate) fn history(chain_id: ChainId, dice: &mut Dice, steps: u64) -> History {
    let mut canonical: Vec<FakeBlock> = Vec::new();
    let mut generations: BTreeMap<ids::BlockHash, u32> = BTreeMap::new();
    let mut abandoned: Vec<Vec<FakeBlock>> = Vec::new();
    let mut published = Vec::new();
    let mut made = 0;
    for _ in 0..steps {
        if dice.one_in(4) && canonical.len() > 2 {
            let depth = 1 + dice.below(canonical.len() as u64 / 2) as usize;
            take_back(chain_id, &mut canonical, depth, &generations, &mut abandoned, &mut published);
        } else if dice.one_in(3) && !abandoned.is_empty() {
            // The old branch again: back to where it left the chain, and along it.
            let branch = abandoned.swap_remove(dice.below(abandoned.len() as u64) as usize);
            let root = branch[0].number as usize;
            let is_ours =
                root == 0 || canonical.get(root - 1).is_some_and(|last| last.hash == branch[0].parent);
            if !is_ours || canonical.get(root).is_some_and(|now| now.hash == branch[0].hash) {
                continue;
            }
            let depth = canonical.len() - root;
            take_back(chain_id, &mut canonical, depth, &generations, &mut abandoned, &mut published);
            for block in branch {
                add(chain_id, &mut canonical, block, &mut generations, &mut published);
            }
        } else {
            let events = some_events(&canonical, dice);
            made += 1;
            let mut next = block(canonical.len() as u64, made, events);
            next.parent = canonical.last().map_or(hash(0), |last| last.hash);
            add(chain_id, &mut canonical, next, &mut generations, &mut published);
        }
    }
    History { messages: published, canonical }
}

fn add(
    chain_id: ChainId,
    canonical: &mut Vec<FakeBlock>,
    block: FakeBlock,
    generations: &mut BTreeMap<ids::BlockHash, u32>,
    published: &mut Vec<Envelope>,
) {
    let generation = generations.entry(block.hash).and_modify(|g| *g += 1).or_insert(0);
    published.extend(messages(chain_id, &block, *generation, false));
    canonical.push(block);
}

fn take_back(
    chain_id: ChainId,
    canonical: &mut Vec<FakeBlock>,
    depth: usize,
    generations: &BTreeMap<ids::BlockHash, u32>,
    abandoned: &mut Vec<Vec<FakeBlock>>,
    published: &mut Vec<Envelope>,
) {
    let branch = canonical.split_off(canonical.len() - depth);
    for block in branch.iter().rev() {
        published.extend(messages(chain_id, block, generations[&block.hash], true));
    }
    if !branch.is_empty() {
        abandoned.push(branch);
    }
}

/// What may happen next on this chain.
fn some_events(canonical: &[FakeBlock], dice: &mut Dice) -> Vec<Event> {
    let (mut world, height) = (walk(canonical), canonical.len() as u64);
    let mut events = Vec::new();
    for _ in 0..dice.below(6) {
        let contract = address(0xc0 + dice.below(3));
        let standard = if contract == address(0xc2) { Standard::Erc1155 } else { Standard::Erc721 };
        let event = match (world.collections.contains_key(&contract), standard) {
            (false, _) => {
                let name = format!("Collection {height} of {}", dice.below(100));
                Some(created(contract, standard, &name, address(1 + dice.below(4))))
            }
            _ if dice.one_in(5) => Some(updated(contract, standard, some_change(dice, height))),
            (true, Standard::Erc721) => move_one(&world, dice, contract),
            (true, Standard::Erc1155) => move_several(&world, dice, contract),
        };
        if let Some(event) = event {
            world.happen(&event, chrono::DateTime::UNIX_EPOCH);
            events.push(event);
        }
    }
    events
}

fn some_change(dice: &mut Dice, height: u64) -> CollectionUpdated {
    let account = address(1 + dice.below(4));
    match dice.below(7) {
        0 => CollectionUpdated::OwnershipTransferred { from: address(1), to: account },
        1 => CollectionUpdated::RoleGranted { role: hash(dice.below(2)), account },
        2 => CollectionUpdated::RoleRevoked { role: hash(dice.below(2)), account },
        3 => CollectionUpdated::ContractUriUpdated { uri: Some(format!("ipfs://{height}")) },
        4 => CollectionUpdated::Paused,
        5 => CollectionUpdated::Unpaused,
        _ => CollectionUpdated::StageUpdated {
            stage: dice.below(2) as u32,
            price: U256::from(dice.below(1000)),
        },
    }
}

fn move_one(world: &World, dice: &mut Dice, contract: Address) -> Option<Event> {
    let to = address(1 + dice.below(5));
    let held: Vec<(u64, Address)> = world
        .tokens
        .iter()
        .filter(|((at, _), _)| *at == contract)
        .filter_map(|((_, number), token)| Some((*number, token.owner?)))
        .collect();
    match dice.below(6) {
        0 | 1 => {
            // A number that was burned may be minted again.
            let number = dice.below(20);
            let is_there = held.iter().any(|(known, _)| *known == number);
            (!is_there).then(|| moved(contract, number, Address::ZERO, to))
        }
        2 => {
            // Several at once, where none of them is there.
            let (first, more) = (dice.below(20), dice.below(5));
            let is_free = !held.iter().any(|(known, _)| (first..=first + more).contains(known));
            is_free.then(|| ranged(contract, (first, first + more), Address::ZERO, to))
        }
        3 => dice.pick(&held).map(|(first, owner)| {
            let is_next = |number: &u64| held.contains(&(*number, owner));
            let last = (first..first + 4).take_while(is_next).last().unwrap_or(first);
            let to = if dice.one_in(3) { Address::ZERO } else { to };
            ranged(contract, (first, last), owner, to)
        }),
        4 => dice.pick(&held).map(|(number, owner)| moved(contract, number, owner, to)),
        _ => dice.pick(&held).map(|(number, owner)| moved(contract, number, owner, Address::ZERO)),
    }
}

fn move_several(world: &World, dice: &mut Dice, contract: Address) -> Option<Event> {
    let to = address(1 + dice.below(5));
    let held: Vec<(u64, Address, u64)> = world
        .balances
        .iter()
        .filter(|((at, ..), quantity)| *at == contract && **quantity > 0)
        .map(|((_, number, owner), quantity)| (*number, *owner, *quantity as u64))
        .collect();
    match dice.below(4) {
        0 | 1 => Some(moved_many(contract, dice.below(4), Address::ZERO, to, 1 + dice.below(50))),
        2 => dice
            .pick(&held)
            .map(|(number, owner, most)| moved_many(contract, number, owner, to, 1 + dice.below(most))),
        _ => dice.pick(&held).map(|(number, owner, most)| {
            moved_many(contract, number, owner, Address::ZERO, 1 + dice.below(most))
        }),
    }
}
