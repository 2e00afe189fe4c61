//! Approvals and transfers as the chain tells them: twice, late, backwards and in any order.

use std::collections::BTreeMap;

use events::{
    Finality, Message, Standard,
    mints::{TokenMoved, burned, transferred},
    wallets::approval_changed,
};
use ids::{Address, BlockHash, TokenId, TxHash};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use super::*;
use crate::{
    MIGRATOR,
    page::{Position, one_more},
    store::Found,
};

/// What happens in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    /// An operator may move a token; nobody may, where the operator is 0.
    Approve(u8, u8),
    /// An operator may move everything, or may no longer.
    ApproveAll(u8, bool),
    /// A token went elsewhere.
    Transfer(u8),
    /// All tokens from one to another went elsewhere together.
    TransferAll(u8, u8),
    /// A token is gone.
    Burn(u8),
    /// Some of an ERC-1155 token went elsewhere, which is no business of approvals.
    Move(u8),
}

/// A block: its height, its name among those of the height, how often it has become canonical, whether it left.
#[derive(Debug, Clone)]
struct Step {
    number: u64,
    name: u8,
    generation: u32,
    removed: bool,
    logs: Vec<Did>,
}

fn owner(n: u8) -> Address {
    Address::new([n; 20])
}

/// The messages of a block as the indexer sends them: each kind its own.
fn messages(step: &Step) -> Vec<Message> {
    let chain_id = "eip155:31337".parse().unwrap();
    let hash = BlockHash::new([step.name; 32]);
    let number = step.number;
    let parent_hash = BlockHash::new([0; 32]);
    let block = Block { number, hash, parent_hash, time: Utc::now() };
    let event = |at: usize, standard| {
        let (tx_hash, log_index) = (TxHash::new([at as u8; 32]), u32::try_from(at).unwrap());
        ChainEvent {
            id: events::chain::event_id(chain_id, hash, tx_hash, log_index, 0),
            contract: owner(9),
            standard: Some(standard),
            tx_hash,
            tx_from: owner(1),
            log_index,
            batch_index: 0,
            finality: Finality::Latest,
            fact: (),
        }
    };
    let moved = |token: u8, to| TokenMoved {
        token_id: TokenId::new(amounts::U256::from(token)),
        last_token_id: None,
        from: owner(1),
        to,
        quantity: amounts::U256::from(1_u8),
        operator: None,
    };
    let (mut approvals, mut transfers, mut burns) = (Vec::new(), Vec::new(), Vec::new());
    for (at, did) in step.logs.iter().enumerate() {
        let at_721 = event(at, Standard::Erc721);
        match *did {
            Did::Approve(operator, token) => approvals.push(with(
                at_721,
                ApprovalChanged {
                    owner: owner(1),
                    operator: owner(operator),
                    token_id: Some(TokenId::new(amounts::U256::from(token))),
                    is_approved: operator != 0,
                },
            )),
            Did::ApproveAll(operator, is_approved) => approvals.push(with(
                at_721,
                ApprovalChanged { owner: owner(1), operator: owner(operator), token_id: None, is_approved },
            )),
            Did::Transfer(token) => transfers.push(with(at_721, TokenTransferred(moved(token, owner(8))))),
            Did::TransferAll(first, last) => {
                let last_token_id = Some(TokenId::new(amounts::U256::from(last)));
                let fact = TokenMoved { last_token_id, ..moved(first, owner(8)) };
                transfers.push(with(at_721, TokenTransferred(fact)));
            }
            Did::Burn(token) => burns.push(with(at_721, TokenBurned(moved(token, Address::ZERO)))),
            Did::Move(token) => {
                transfers.push(with(event(at, Standard::Erc1155), TokenTransferred(moved(token, owner(8)))))
            }
        }
    }
    let mut told = Vec::new();
    if !approvals.is_empty() {
        told.push(approval_changed(&batch(chain_id, &block, step, approvals), 0));
    }
    if !transfers.is_empty() {
        told.push(transferred(&batch(chain_id, &block, step, transfers), 0));
    }
    if !burns.is_empty() {
        told.push(burned(&batch(chain_id, &block, step, burns), 0));
    }
    told
}

fn with<E>(at: ChainEvent<()>, fact: E) -> ChainEvent<E> {
    ChainEvent {
        id: at.id,
        contract: at.contract,
        standard: at.standard,
        tx_hash: at.tx_hash,
        tx_from: at.tx_from,
        log_index: at.log_index,
        batch_index: at.batch_index,
        finality: at.finality,
        fact,
    }
}

fn batch<E>(chain_id: ChainId, block: &Block, step: &Step, events: Vec<ChainEvent<E>>) -> ChainBatch<E> {
    ChainBatch {
        chain_id,
        block: block.clone(),
        generation: step.generation,
        removed: step.removed,
        fork_block: step.removed.then_some(step.number - 1),
        events,
    }
}

/// Who may move what, and what the history shows, newest first: place, operator, token, given, why.
type InForce = Vec<(String, Option<String>)>;
type Shown = Vec<(i64, i32, String, Option<String>, bool, String)>;

/// The tokens that left their owner.
fn gone(did: &Did) -> Vec<u8> {
    match *did {
        Did::TransferAll(first, last) => (first..=last).collect(),
        Did::Transfer(token) | Did::Burn(token) => vec![token],
        _ => Vec::new(),
    }
}

/// The same from the canonical chain, by reading it once from its beginning.
fn folded(steps: &[Step]) -> (InForce, Shown) {
    let mut canonical: BTreeMap<u64, &Step> = BTreeMap::new();
    for step in steps {
        if step.removed {
            canonical.remove(&step.number);
        } else {
            canonical.insert(step.number, step);
        }
    }
    let (mut tokens, mut all) = (BTreeMap::new(), BTreeMap::new());
    let mut shown = Shown::new();
    for step in canonical.values() {
        for (at, did) in step.logs.iter().enumerate() {
            let mut show = |operator: u8, token: Option<u8>, given: bool, cause: &str| {
                let place = (i64::try_from(step.number).unwrap(), i32::try_from(at).unwrap());
                let (operator, token) = (owner(operator).to_lower(), token.map(|token| token.to_string()));
                shown.push((place.0, place.1, operator, token, given, cause.to_owned()));
            };
            match *did {
                Did::Approve(operator, token) => {
                    tokens.insert(token, operator);
                    show(operator, Some(token), operator != 0, "approval");
                }
                Did::ApproveAll(operator, given) => {
                    all.insert(operator, given);
                    show(operator, None, given, "approval");
                }
                Did::Transfer(_) | Did::Burn(_) | Did::TransferAll(..) => {
                    for token in gone(did) {
                        if tokens.insert(token, 0).is_some_and(|operator| operator != 0) {
                            show(0, Some(token), false, "transfer");
                        }
                    }
                }
                Did::Move(_) => {}
            }
        }
    }
    let of_tokens = tokens.into_iter().filter(|(_, operator)| *operator != 0);
    let of_tokens = of_tokens.map(|(token, operator)| (owner(operator).to_lower(), Some(token.to_string())));
    let of_all = all.into_iter().filter(|(_, given)| *given);
    let of_all = of_all.map(|(operator, _)| (owner(operator).to_lower(), None));
    let mut in_force: InForce = of_tokens.chain(of_all).collect();
    in_force.sort();
    shown.sort();
    shown.reverse();
    (in_force, shown)
}

/// The same from the database, as pages show it.
async fn told(db: &PgPool) -> (InForce, Shown) {
    let chain_id = "eip155:31337".parse().unwrap();
    let (start, limit) = (Position::START, one_more(1000));
    let rows = store::list_approvals(db, owner(1), chain_id, start, limit).await.unwrap();
    let mut in_force: InForce = rows.into_iter().map(|row| (row.operator, row.token_id)).collect();
    in_force.sort();
    let rows = store::list_history(db, owner(1), chain_id, start, limit).await.unwrap();
    let shown = rows
        .into_iter()
        .map(|row| (row.block_number, row.log_index, row.operator, row.token_id, row.is_approved, row.cause));
    let mut shown: Shown = shown.collect();
    assert!(shown.is_sorted_by(|later, earlier| (later.0, later.1) >= (earlier.0, earlier.1)));
    // The tokens of one log are as good in one order as in another.
    shown.sort();
    shown.reverse();
    (in_force, shown)
}

/// A database and the cache that is told of its changes.
struct Stage {
    db: testkit::TestDb,
    cache: ApprovalsCache,
}

impl Stage {
    async fn new() -> Stage {
        let url = testkit::redis().await;
        let redis = store::connect(&url.as_str().into(), &mut testkit::process("wallet")).unwrap();
        Stage { db: testkit::database(&MIGRATOR).await, cache: ApprovalsCache::over(redis) }
    }

    async fn deliver(&self, message: &Message) -> Result<Handled, Failure> {
        let is_approval = message.envelope.kind == <ChainBatch<ApprovalChanged>>::TYPE;
        match is_approval {
            true => on_approvals(&self.db.pool, &self.cache, &message.envelope).await,
            false => on_transfers(&self.db.pool, &self.cache, &message.envelope).await,
        }
    }

    async fn applied(&self, steps: &[Step]) -> (InForce, Shown) {
        for message in steps.iter().flat_map(messages) {
            assert!(self.deliver(&message).await.unwrap().dead.is_empty());
        }
        told(&self.db.pool).await
    }
}

fn step(number: u64, name: u8, logs: &[Did]) -> Step {
    Step { number, name, generation: 0, removed: false, logs: logs.to_vec() }
}

fn taken_back(step: &Step) -> Step {
    Step { removed: true, ..step.clone() }
}

fn anew(step: &Step) -> Step {
    Step { removed: false, generation: step.generation + 1, ..step.clone() }
}

#[tokio::test]
async fn a_transfer_takes_the_tokens_approval_away_and_its_retraction_gives_it_back() {
    let stage = Stage::new().await;
    let given = step(1, 1, &[Did::Approve(3, 7), Did::ApproveAll(4, true), Did::Approve(5, 8)]);
    let gone = step(2, 2, &[Did::Transfer(7), Did::Transfer(7), Did::Burn(6), Did::Move(8)]);
    let (in_force, shown) = stage.applied(&[given.clone(), gone.clone()]).await;
    let (all, eight) = ((owner(4).to_lower(), None), (owner(5).to_lower(), Some("8".to_owned())));
    assert_eq!(in_force, [all.clone(), eight.clone()]);
    assert_eq!(shown.len(), 4, "of the transfers only the first took something away: {shown:?}");
    assert_eq!(
        shown[0],
        (2, 0, Address::ZERO.to_lower(), Some("7".to_owned()), false, "transfer".to_owned())
    );

    let (in_force, shown) = stage.applied(&[taken_back(&gone)]).await;
    assert_eq!(in_force, [(owner(3).to_lower(), Some("7".to_owned())), all, eight]);
    assert_eq!(shown.len(), 3, "what was taken back is not shown: {shown:?}");
    assert_eq!((in_force, shown), folded(&[given, gone.clone(), taken_back(&gone)]));
}

#[tokio::test]
async fn an_approval_and_a_transfer_of_one_block_follow_their_places_in_it() {
    for (logs, stands) in
        [([Did::Approve(3, 7), Did::Transfer(7)], false), ([Did::Transfer(7), Did::Approve(3, 7)], true)]
    {
        let stage = Stage::new().await;
        let (in_force, _) = stage.applied(&[step(1, 1, &logs)]).await;
        assert_eq!(in_force.len(), usize::from(stands), "{logs:?}");
    }
}

#[tokio::test]
async fn a_range_takes_the_approvals_of_all_its_tokens_away_whichever_is_known_first() {
    let given =
        step(1, 1, &[Did::Approve(3, 7), Did::Approve(4, 8), Did::Approve(5, 200), Did::Approve(6, 201)]);
    let gone = step(2, 2, &[Did::TransferAll(8, 200)]);
    let left = [(owner(3), "7"), (owner(6), "201")];
    let left = left.map(|(operator, token)| (operator.to_lower(), Some(token.to_owned())));
    for order in [[&given, &gone], [&gone, &given]] {
        let stage = Stage::new().await;
        let steps = order.map(Step::clone);
        let (in_force, shown) = stage.applied(&steps).await;
        assert_eq!((in_force, shown), folded(&[given.clone(), gone.clone()]));
        let (in_force, _) = stage.applied(&steps).await;
        assert_eq!(in_force, left);
        // Every token of it has one row, told twice or not, and their retraction has the same places.
        let kept: i64 = sqlx::query_scalar("select count(*) from approvals_history where cause = 'transfer'")
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
        assert_eq!(kept, 193);
        let (in_force, shown) = stage.applied(&[taken_back(&gone)]).await;
        assert_eq!((in_force, shown), folded(std::slice::from_ref(&given)));
    }
}

#[tokio::test]
async fn a_range_that_is_too_long_goes_to_the_dead_queue_alone() {
    let stage = Stage::new().await;
    stage.applied(&[step(1, 1, &[Did::Approve(3, 7), Did::Approve(4, 8)])]).await;
    let mut message =
        messages(&step(2, 2, &[Did::TransferAll(8, 9), Did::TransferAll(8, 9), Did::Transfer(7)])).remove(0);
    message.envelope.data["events"][0]["lastTokenId"] = json!("100008");
    message.envelope.data["events"][1]["lastTokenId"] = json!("7");
    let handled = stage.deliver(&message).await.unwrap();
    let dead: Vec<_> = handled.dead.iter().map(|dead| (dead.index, dead.reason)).collect();
    assert_eq!(dead, [(0, "range_too_long"), (1, "malformed")]);
    assert_eq!(told(&stage.db.pool).await.0, [(owner(4).to_lower(), Some("8".to_owned()))]);
}

/// A chain that grows, is cut back, grows another branch, and sometimes comes back to the first.
fn some_chain(random: &mut StdRng) -> Vec<Step> {
    let some_logs = |random: &mut StdRng| -> Vec<Did> {
        (0..random.random_range(0..6))
            .map(|_| {
                let token = random.random_range(1..3);
                match random.random_range(0..9) {
                    8 => Did::TransferAll(1, token),
                    0..3 => Did::Approve(random.random_range(0..4), token),
                    3 => Did::ApproveAll(random.random_range(2..4), random.random()),
                    4..6 => Did::Transfer(token),
                    6 => Did::Burn(token),
                    _ => Did::Move(token),
                }
            })
            .collect()
    };
    let (mut steps, mut canonical) = (Vec::new(), Vec::<Step>::new());
    let mut left: Vec<Step> = Vec::new();
    let mut name = 0;
    for _ in 0..12 {
        for _ in 0..random.random_range(0..=canonical.len().min(3)) {
            let gone: Step = canonical.pop().unwrap();
            steps.push(taken_back(&gone));
            left.push(gone);
        }
        let number = canonical.len() as u64 + 1;
        let returns = left.iter().position(|gone| gone.number == number).filter(|_| random.random());
        let block = match returns {
            Some(at) => anew(&left.swap_remove(at)),
            None => {
                name += 1;
                step(number, name, &some_logs(random))
            }
        };
        steps.push(block.clone());
        canonical.push(block);
    }
    steps
}

#[tokio::test]
async fn whatever_the_order_and_repetition_approvals_end_as_the_canonical_chain_says() {
    for seed in 0..20 {
        let random = &mut StdRng::seed_from_u64(seed);
        let steps = some_chain(random);
        let stage = Stage::new().await;
        let mut told_twice: Vec<Message> =
            steps.iter().flat_map(messages).flat_map(|message| [message.clone(), message]).collect();
        told_twice.shuffle(random);
        // Four at once, as four replicas would.
        for four in told_twice.chunks(4) {
            let applied = futures::future::join_all(four.iter().map(|m| stage.deliver(m))).await;
            assert!(applied.into_iter().all(|applied| applied.unwrap().dead.is_empty()));
        }
        assert_eq!(told(&stage.db.pool).await, folded(&steps), "seed {seed}: {steps:?}");
    }
}

#[tokio::test]
async fn every_step_of_a_chain_leaves_what_a_fold_of_it_gives() {
    for seed in 100..106 {
        let steps = some_chain(&mut StdRng::seed_from_u64(seed));
        let stage = Stage::new().await;
        for at in 0..steps.len() {
            let found = stage.applied(&steps[at..=at]).await;
            assert_eq!(found, folded(&steps[..=at]), "seed {seed}, step {at}: {steps:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_was_transferred_often_costs_no_more_than_a_new_one() {
    let db = testkit::database(&MIGRATOR).await;
    sqlx::query(
        "insert into approvals_history (id, event_id, generation, removed, chain_id, contract, slot, owner, operator,
             is_approved, block_number, block_hash, block_time, tx_hash, log_index, batch_index, cause)
         select gen_random_uuid(), 'e' || n, 0, false, 'eip155:31337', $1, 'token/' || (n % 2) * n, $2, $3, false, n,
             '0x' || n, now(), '0x', 0, 0, 'transfer'
         from generate_series(1, 20000) n",
    )
    .bind(owner(9).to_lower())
    .bind(owner(1).to_lower())
    .bind(Address::ZERO.to_lower())
    .execute(&db.pool)
    .await
    .unwrap();
    sqlx::query("analyze approvals_history").execute(&db.pool).await.unwrap();

    // Token 0 has had ten thousand transfers.
    let message = &messages(&step(30_000, 1, &[Did::Approve(3, 0), Did::Transfer(0)]))[1];
    let batch = Head::deserialize(&message.envelope.data).unwrap();
    let event = ChainEvent::<TokenMoved>::deserialize(&message.envelope.data["events"][0]).unwrap();
    let entries = [Entry::transfer(event).unwrap()];
    let block = ChainBatch {
        chain_id: batch.chain_id,
        block: batch.block,
        generation: 0,
        removed: false,
        fork_block: None,
        events: Vec::new(),
    };
    let mut tx = db.pool.begin().await.unwrap();
    let inserted = store::insert_ledger(&mut tx, &block, &entries).await.unwrap();
    store::show_neighbours(&mut tx, block.chain_id, &inserted.event_ids).await.unwrap();
    store::decide_slots(&mut tx, block.chain_id, &inserted.slots).await.unwrap();
    let (scanned, fetched): (i64, i64) = sqlx::query_as(
        "select seq_tup_read, coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'approvals_history'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(scanned, 0, "the ledger is never read from end to end");
    assert!(fetched < 100, "{fetched} rows were read for one transfer");
}

#[tokio::test]
async fn what_was_applied_by_a_process_that_died_is_dropped_from_the_cache_when_it_comes_again() {
    let stage = Stage::new().await;
    let (chain_id, name) = ("eip155:31337".parse().unwrap(), owner(1).to_lower());
    let message = messages(&step(1, 1, &[Did::ApproveAll(4, true)])).remove(0);
    for _ in 0..2 {
        let Found::Nothing(seen) = stage.cache.find(chain_id, &name).await else { panic!("it was dropped") };
        stage.cache.put(chain_id, &name, &seen, &[]).await;
        assert!(matches!(stage.cache.find(chain_id, &name).await, Found::Page(_)));
        stage.deliver(&message).await.unwrap();
    }
    assert!(matches!(stage.cache.find(chain_id, &name).await, Found::Nothing(_)));
}

#[tokio::test]
async fn a_bad_element_goes_to_the_dead_queue_alone() {
    let stage = Stage::new().await;
    let all = |operator| Did::ApproveAll(operator, true);
    let mut message = messages(&step(1, 1, &[all(2), all(3), all(4)])).remove(0);
    message.envelope.data["events"][1]["operator"] = json!("0xnobody");
    let handled = stage.deliver(&message).await.unwrap();
    let dead: Vec<_> = handled.dead.iter().map(|dead| (dead.index, dead.reason)).collect();
    assert_eq!(dead, [(1, "malformed")]);
    assert_eq!(told(&stage.db.pool).await.0, [(owner(2).to_lower(), None), (owner(4).to_lower(), None)]);

    message.envelope.kind = "vitrine.wallets.approval.v9".to_owned();
    let failure = on_approvals(&stage.db.pool, &stage.cache, &message.envelope).await.unwrap_err();
    assert!(matches!(failure, Failure::Never { reason: "unknown_type", .. }));

    let mut message = messages(&step(1, 1, &[Did::Transfer(1), Did::Transfer(2)])).remove(0);
    message.envelope.data["events"][0]["tokenId"] = json!("-1");
    let handled = stage.deliver(&message).await.unwrap();
    assert_eq!(handled.dead.len(), 1);
    message.envelope.kind = "vitrine.mints.minted.v1".to_owned();
    let failure = stage.deliver(&message).await.unwrap_err();
    assert!(matches!(failure, Failure::Never { reason: "unknown_type", .. }));
}
