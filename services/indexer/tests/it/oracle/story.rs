//! A story: what happens to a chain, to its nodes and to the indexers, step by step, all of it decided by the seed.

use std::{collections::BTreeMap, time::Duration};

use testkit::{Liar, Lie};
use tokio::time::Instant;

use super::{
    check,
    fleet::{EDGES, Fleet, LOOKS_EVERY},
    rng::Rng,
    world::World,
};
use crate::{liars::LIES, rig::SOON};

const DEPTHS: [u64; 5] = [1, 2, 7, 12, 64];
/// What the registry says may be taken back.
const DEEPEST: u64 = 64;
/// A story of so many steps has room for every trick.
const LONG: u64 = 30;
/// In the middle of a story nobody waits longer.
const A_WHILE: Duration = Duration::from_secs(15);
/// A lie is soon told, where anybody asks; and an edge soon reached, where there is something to do.
const SOON_MET: Duration = Duration::from_secs(8);
const AT_THE_END: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
enum Step {
    Blocks,
    Empty,
    Reorganise(u64),
    Reorder,
    ShorterThenLonger,
    FlipFlop,
    Kill,
    /// Somebody dies there, and what leads there is done.
    Edge(&'static str),
    Lie(Lie),
    Honest,
    Register,
    Sync,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) reorgs: BTreeMap<String, u64>,
    pub(crate) deaths: BTreeMap<String, u64>,
    /// What was not only meant to be told, but was.
    pub(crate) lies: BTreeMap<String, u64>,
    pub(crate) blocks: u64,
    pub(crate) events: u64,
    pub(crate) retractions: u64,
    pub(crate) orphans: usize,
    pub(crate) divergences: Vec<String>,
    pub(crate) steps: Vec<String>,
    pub(crate) last_words: String,
}

impl Outcome {
    /// Nothing has happened yet, of all that may.
    pub(crate) fn nothing() -> Outcome {
        let none = |of: &mut dyn Iterator<Item = String>| of.map(|name| (name, 0)).collect();
        let tricks = ["reorder", "shorter", "flip"].map(str::to_owned);
        let deaths = EDGES.iter().chain(&["signal"]).map(|name| (*name).to_owned());
        Outcome {
            reorgs: none(&mut DEPTHS.iter().map(u64::to_string).chain(tricks)),
            deaths: none(&mut { deaths }),
            lies: none(&mut LIES.iter().map(|lie| kind(*lie))),
            ..Outcome::default()
        }
    }
}

/// The name of a lie without how much of it is told.
fn kind(lie: Lie) -> String {
    format!("{lie:?}").split('(').next().unwrap_or_default().to_owned()
}

struct Story<'a> {
    rng: Rng,
    fleet: Fleet<'a>,
    liar: Liar,
    /// What the liar is meant to tell, and who always tells the truth.
    lie: Option<Lie>,
    honest: &'a Liar,
    /// The highest block that an indexer may have read: what is taken back is counted from there.
    highest: u64,
    registered: usize,
    outcome: Outcome,
}

/// Tells the story of a seed and says what came of it.
pub(crate) async fn tell(seed: u64, length: u64) -> Outcome {
    let mut rng = Rng::new(seed);
    let steps = plan(seed, &mut rng, length);
    let mut world = World::new().await;
    let (liar, honest) = (Liar::before(&world.rig.chain.url).await, Liar::before(&world.rig.chain.url).await);
    world.rig.endpoints(&liar.url, &honest.url);
    world.register(2);
    let stores = world.rig.stores().await;

    // The rig is lent to the processes; the world goes on changing its chain.
    let rig = std::sync::Arc::clone(&world.rig);
    let fleet = Fleet::new(&rig, &stores, &mut rng);
    let (highest, outcome) = (world.rig.chain.head().await, Outcome::nothing());
    let (lie, honest) = (None, &honest);
    let mut story = Story { rng, fleet, liar, lie, honest, highest, registered: 2, outcome };
    let ended = story.go(&mut world, &steps).await;
    story.end_lie();
    let mut outcome = std::mem::take(&mut story.outcome);
    for (of, count) in std::mem::take(&mut story.fleet.deaths) {
        *outcome.deaths.entry(of).or_default() += count;
    }
    outcome.last_words = story.fleet.last_words();
    story.fleet.kill_all();
    if let Err(why) = ended {
        outcome.divergences.push(why);
        return outcome;
    }
    world.rig.endpoint(&honest.url);
    let told = stores.told().await;
    outcome.blocks = world.rig.chain.head().await;
    outcome.events = super::compare::events(&told).iter().filter(|event| !event.removed).count() as u64;
    outcome.retractions = super::compare::events(&told).iter().filter(|event| event.removed).count() as u64;
    outcome.divergences = check::divergences(&world, &stores).await;
    outcome.orphans = check::orphans(&world, &stores).await;
    outcome
}

/// What a short story must have: of each two seeds that follow one another, one dies at an edge and loses many blocks,
/// and the other one is lied to and sees blocks come back.
fn musts(seed: u64) -> Vec<Step> {
    let (edge, lie) =
        (EDGES[(seed % EDGES.len() as u64) as usize], LIES[(seed % LIES.len() as u64) as usize]);
    match seed % 2 {
        1 => vec![Step::Edge(edge), Step::Reorganise(12)],
        _ => vec![Step::Lie(lie), Step::FlipFlop],
    }
}

/// Each depth and each trick once where the story is long enough, and whatever the seed adds. As many seeds as there
/// are edges die at each, and eight or so are told every lie.
fn plan(seed: u64, rng: &mut Rng, length: u64) -> Vec<Step> {
    let mut tricks: Vec<Step> = DEPTHS.into_iter().map(Step::Reorganise).collect();
    tricks.extend([Step::Reorder, Step::ShorterThenLonger, Step::FlipFlop, Step::Kill]);
    let (edges, lies) = (EDGES.len() as u64, LIES.len() as u64);
    tricks.extend((0..4).map(|more| Step::Lie(LIES[((seed * 4 + more) % lies) as usize])));
    tricks.extend((0..2).map(|more| Step::Edge(EDGES[((seed * 2 + more) % edges) as usize])));
    rng.shuffle(&mut tricks);
    let mut forced = match length < LONG {
        true => musts(seed),
        false => vec![],
    };
    if length >= LONG {
        forced.append(&mut tricks);
    }
    // All must come, or the clean scan would know more.
    let registering =
        forced.iter().filter(|step| matches!(step, Step::Edge(edge) if edge.contains("job"))).count();
    forced.extend((registering..2).map(|_| Step::Register));
    while (forced.len() as u64) < length {
        forced.push(match rng.below(100) {
            0..40 => Step::Blocks,
            40..46 => Step::Empty,
            46..60 => Step::Reorganise(*rng.pick(&DEPTHS[..4]).unwrap()),
            60..66 => Step::Reorder,
            66..71 => Step::ShorterThenLonger,
            71..77 => Step::FlipFlop,
            77..84 => Step::Kill,
            84..90 => Step::Lie(*rng.pick(LIES).unwrap()),
            90..93 => Step::Honest,
            _ => Step::Sync,
        });
    }
    rng.shuffle(&mut forced);
    forced.insert(0, Step::Blocks);
    forced
}

impl Story<'_> {
    async fn go(&mut self, world: &mut World, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.outcome.steps.push(format!("{step:?} at {}", world.rig.chain.head().await));
            self.step(world, *step).await?;
            self.fleet.tend(&mut self.rng, true)?;
        }
        if self.rng.chance(50) {
            self.end_lie();
        }
        self.outcome.steps.push("the end".to_owned());
        self.blocks(world, 2).await;
        if !self.fleet.settle(&mut self.rng, AT_THE_END, false).await? {
            return Err(format!("not at the head within {AT_THE_END:?}"));
        }
        self.finished(world).await
    }

    /// Nothing is left to do: no job, no document that says something older. Then still at the head.
    async fn finished(&mut self, world: &World) -> Result<(), String> {
        let deadline = Instant::now() + SOON;
        loop {
            self.fleet.tend(&mut self.rng, false)?;
            let left = world.left_to_do(self.fleet.stores()).await;
            let is_there = self.fleet.settle(&mut self.rng, Duration::ZERO, false).await?;
            match left {
                None if is_there => return Ok(()),
                left if Instant::now() > deadline => {
                    return Err(format!("not done within {SOON:?}: {left:?}"));
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn step(&mut self, world: &mut World, step: Step) -> Result<(), String> {
        match step {
            Step::Blocks => self.blocks(world, 3).await,
            Step::Empty => {
                let blocks = self.rng.between(1, 12);
                world.rig.chain.mine(blocks).await;
            }
            Step::Reorganise(depth) => {
                self.reach(world, depth).await?;
                self.count(format!("{depth}"));
                world.reorganise(&mut self.rng, depth).await;
                self.maybe_sync().await?;
                self.blocks(world, 2).await;
            }
            Step::Reorder => {
                world.block(&mut self.rng, 5).await;
                self.reach(world, 1).await?;
                self.count("reorder".to_owned());
                world.reorder(&mut self.rng).await;
            }
            Step::ShorterThenLonger => {
                let depth = self.rng.between(2, 6);
                self.reach(world, depth).await?;
                self.count("shorter".to_owned());
                world.shorten(depth).await;
                self.blocks(world, 1).await;
                self.maybe_sync().await?;
                let more = self.rng.between(1, depth + 2);
                for _ in 0..more {
                    self.blocks(world, 1).await;
                }
            }
            Step::FlipFlop => self.flip_flop(world).await?,
            Step::Kill => self.fleet.kill(&mut self.rng),
            Step::Edge(edge) => self.die_at(world, edge).await?,
            Step::Lie(lie) => self.be_told(world, lie).await?,
            Step::Honest => self.end_lie(),
            Step::Register => self.register(world),
            Step::Sync => {
                self.fleet.settle(&mut self.rng, A_WHILE, true).await?;
            }
        }
        self.highest = self.highest.max(world.rig.chain.head().await);
        Ok(())
    }

    async fn blocks(&mut self, world: &mut World, most: u64) {
        for _ in 0..self.rng.between(1, most) {
            let transactions = self.rng.between(1, 6);
            world.block(&mut self.rng, transactions).await;
        }
        self.highest = self.highest.max(world.rig.chain.head().await);
    }

    fn register(&mut self, world: &World) {
        self.registered += 1;
        world.register(self.registered);
    }

    /// The lie of before ends, and counts where anybody was told it.
    fn end_lie(&mut self) {
        if let Some(lie) = self.lie.take().filter(|_| self.liar.lied() > 0) {
            *self.outcome.lies.entry(kind(lie)).or_default() += 1;
        }
        self.liar.set(Lie::Honest);
    }

    /// A lie by somebody whom nobody has caught yet.
    async fn be_told(&mut self, world: &mut World, lie: Lie) -> Result<(), String> {
        self.end_lie();
        self.liar = Liar::before(&world.rig.chain.url).await;
        self.liar.set(lie);
        self.lie = Some(lie);
        world.rig.endpoints(&self.liar.url, &self.honest.url);
        self.blocks(world, 2).await;
        // Much is said of ranges of blocks.
        world.rig.chain.mine(4).await;
        self.blocks(world, 1).await;
        let deadline = Instant::now() + SOON_MET;
        while self.liar.lied() == 0 && Instant::now() < deadline {
            self.fleet.tend(&mut self.rng, true)?;
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(())
    }

    /// Everybody is born to die there, and then there is something to do that leads there.
    async fn die_at(&mut self, world: &mut World, edge: &str) -> Result<(), String> {
        let is_of_branches = edge.contains("revert");
        if is_of_branches {
            self.reach(world, 2).await?;
            self.fleet.settle(&mut self.rng, A_WHILE, false).await?;
        }
        let before = self.fleet.deaths_at(edge);
        self.fleet.arm(edge);
        if is_of_branches {
            self.count("2".to_owned());
            world.reorganise(&mut self.rng, 2).await;
        } else if edge.contains("job") {
            self.register(world);
        }
        self.blocks(world, 2).await;
        let deadline = Instant::now() + SOON_MET;
        while self.fleet.deaths_at(edge) == before && Instant::now() < deadline {
            self.fleet.tend(&mut self.rng, true)?;
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(())
    }

    fn count(&mut self, what: String) {
        *self.outcome.reorgs.entry(what).or_default() += 1;
    }

    async fn maybe_sync(&mut self) -> Result<(), String> {
        if self.rng.chance(65) {
            self.fleet.settle(&mut self.rng, A_WHILE, true).await?;
        }
        Ok(())
    }

    /// Grows the chain until `depth` blocks can go, and waits where an indexer may be on a branch that would then be
    /// further away than the window reaches.
    async fn reach(&mut self, world: &mut World, depth: u64) -> Result<(), String> {
        while world.rig.chain.head().await < world.base + depth + 3 {
            if depth > 12 {
                world.rig.chain.mine(5).await;
            }
            self.blocks(world, 2).await;
        }
        self.maybe_sync().await?;
        if self.highest - (world.rig.chain.head().await - depth) > DEEPEST {
            // Whoever is at the head by its hash is on no other branch.
            if !self.fleet.settle(&mut self.rng, AT_THE_END, true).await? {
                return Err(format!("not at the head within {AT_THE_END:?}"));
            }
            self.highest = world.rig.chain.head().await;
            let is_near = self.highest - (world.rig.chain.head().await - depth) <= DEEPEST;
            assert!(is_near, "the head is where the indexer is");
        }
        Ok(())
    }

    /// A, B, A: the very same blocks come back.
    async fn flip_flop(&mut self, world: &mut World) -> Result<(), String> {
        world.block(&mut self.rng, 4).await;
        let depth = self.rng.between(1, 3);
        self.reach(world, depth).await?;
        let kept = world.keep().await;
        let fork = world.rig.chain.head().await - depth;
        for _ in 0..self.rng.between(1, 2) {
            self.count("flip".to_owned());
            world.replace(depth, vec![]).await;
            if self.rng.chance(40) {
                self.blocks(world, 2).await;
            }
            self.maybe_sync().await?;
            world.bring_back(&kept, fork).await;
            self.maybe_sync().await?;
        }
        Ok(())
    }
}
