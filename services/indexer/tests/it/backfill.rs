//! What was registered late is fetched while the chain goes on.

use alloy::primitives::Address;
use proto::indexer::v1 as pb;
use serde_json::{Value, json};
use testkit::eventually;

use crate::rig::{self, CHAIN, Rig, Running, SOON, Stores};

impl Rig {
    /// A job, asked for as an operator does.
    pub(crate) async fn job(&self, running: &Running, asked: pb::StartJobRequest) -> pb::Job {
        self.try_job(running, asked).await.unwrap()
    }

    pub(crate) async fn try_job(
        &self,
        running: &Running,
        asked: pb::StartJobRequest,
    ) -> Result<pb::Job, tonic::Status> {
        let mut client = running.client(self, "operator");
        eventually(SOON, "the door is open", async || match client.start_job(asked.clone()).await {
            Err(status) if status.code() == tonic::Code::Unavailable => None,
            answered => Some(answered),
        })
        .await
        .map(|answered| answered.into_inner().job.unwrap())
    }

    /// Watches a job until it has ended.
    pub(crate) async fn ended(&self, running: &Running, job_id: i64) -> pb::Job {
        let mut client = running.client(self, "operator");
        let mut watch = client.watch_job(pb::WatchJobRequest { job_id }).await.unwrap().into_inner();
        let mut last = None;
        while let Some(told) = tokio::time::timeout(SOON, watch.message()).await.unwrap().unwrap() {
            last = told.job;
        }
        last.unwrap()
    }

    /// A factory beside the one that every test has.
    async fn second_factory(&self) -> testkit::Deployed {
        self.chain.deploy_factory().await
    }

    fn names(&self, more: &[(&str, Address, u64)]) {
        let first = ("factory", self.deployed.factory, self.deployed.block);
        self.register(&[&[first][..], more].concat(), 64);
    }
}

impl Stores {
    /// Waits until no job is open.
    pub(crate) async fn idle(&self) {
        eventually(SOON, "no job is open", async || {
            (self.count("select count(*) from jobs where state in ('QUEUED', 'RUNNING')").await == 0)
                .then_some(())
        })
        .await;
    }
}

/// Mints until told to stop, so that the head goes on meanwhile.
async fn mint_for(rig: &Rig, collections: &[Address], turns: u64) {
    for turn in 0..turns {
        for collection in collections {
            rig.mint(*collection, 1 + turn % 2).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_registered_late_is_fetched_while_mints_go_on() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    // Made by a factory that nobody follows.
    let late = rig.create(false, "Late").await;
    let made_in = rig.chain.head().await;
    rig.deployed = first;
    let known = rig.create(false, "Known").await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    mint_for(&rig, &[late, known], 6).await;
    stores.caught_up(&rig).await;

    rig.names(&[("ERC721", late, made_in)]);
    mint_for(&rig, &[late, known], 6).await;
    eventually(SOON, "a backfill was begun", async || {
        (stores.count("select count(*) from jobs").await == 1).then_some(())
    })
    .await;
    mint_for(&rig, &[late, known], 2).await;
    stores.idle().await;
    stores.caught_up(&rig).await;

    let mut client = running.client(&rig, "operator");
    let list = pb::ListJobsRequest { chain_id: CHAIN.into(), page_size: 10, page_token: String::new() };
    let jobs = client.list_jobs(list).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].kind(), jobs[0].state()), (pb::JobKind::Backfill, pb::JobState::Done), "{jobs:?}");
    assert_eq!((jobs[0].asked_by.as_str(), jobs[0].contract.as_str()), ("indexer", &*format!("{late:#x}")));
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;

    // Named no more, it is followed no more.
    let running = rig.start(&stores);
    rig.names(&[]);
    eventually(SOON, "the contract is forgotten", async || {
        (stores.count("select count(*) from followed_contracts where source = 'registry'").await == 1)
            .then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_that_is_registered_late_brings_its_collections() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let second = rig.deployed;
    let before = rig.create(false, "Before").await;
    rig.mint(before, 2).await;
    let stores = rig.stores().await;
    rig.deployed = first;
    rig.names(&[]);
    let running = rig.start(&stores);
    let ours = rig.create(false, "Ours").await;
    rig.deployed = second;
    let between = rig.create(true, "Between").await;
    for turn in 1..=4 {
        rig.mint(before, 1).await;
        rig.mint_multi(between, &[turn], &[turn]).await;
        rig.mint(ours, 1).await;
    }
    stores.caught_up(&rig).await;
    rig.deployed = first;
    rig.names(&[("factory", second.factory, second.block)]);
    rig.deployed = second;
    for turn in 1..=4 {
        rig.mint(before, 1).await;
        rig.mint_multi(between, &[turn], &[turn]).await;
    }
    let after = rig.create(false, "After").await;
    rig.mint(after, 3).await;
    eventually(SOON, "a backfill was begun", async || {
        (stores.count("select count(*) from jobs").await == 1).then_some(())
    })
    .await;
    stores.idle().await;
    rig.mint(before, 1).await;
    rig.mint_multi(between, &[9], &[9]).await;
    stores.caught_up(&rig).await;
    assert_eq!(stores.count("select count(*) from jobs where state = 'DONE'").await, 1);
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_were_filled_in_are_taken_back_and_brought_back_whole() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let late = rig.create(false, "Late").await;
    let made_in = rig.chain.head().await;
    rig.deployed = first;
    let ours = rig.create(false, "Ours").await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    mint_for(&rig, &[ours, late], 4).await;
    stores.caught_up(&rig).await;
    rig.names(&[("ERC721", late, made_in)]);
    eventually(SOON, "a backfill was begun", async || {
        (stores.count("select count(*) from jobs").await == 1).then_some(())
    })
    .await;
    stores.idle().await;
    let before = stores.told().await;
    let state = rig.chain.rpc("anvil_dumpState", json!([])).await;
    for _ in 0..2 {
        rig.chain.rpc("anvil_reorg", json!([4, []])).await;
        stores.caught_up(&rig).await;
        rig.chain.rpc("anvil_loadState", json!([state])).await;
        stores.caught_up(&rig).await;
    }
    running.stop().await;
    let told = stores.told().await;
    assert!(told.len() > before.len());
    rig::assert_told_once(&told);
    assert_eq!(rig::net(&told), rig::net(&before), "the same blocks, the same events");
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_during_a_backfill_leaves_nothing_out() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let late = rig.create(false, "Late").await;
    let made_in = rig.chain.head().await;
    rig.deployed = first;
    let ours = rig.create(false, "Ours").await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    mint_for(&rig, &[ours, late], 8).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig.names(&[("ERC721", late, made_in)]);
    // The blocks are read and the job's documents written; the chain is another one when the commit is tried again.
    let mut mortal = rig.spawn(&stores, "indexer.job_raw_written:1");
    mortal.dead().await;
    rig.chain.rpc("anvil_reorg", json!([5, []])).await;
    rig.mint(late, 3).await;
    let running = rig.start(&stores);
    for _ in 0..3 {
        rig.chain.rpc("anvil_reorg", json!([2, []])).await;
        rig.mint(late, 1).await;
        rig.mint(ours, 1).await;
    }
    stores.caught_up(&rig).await;
    stores.idle().await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

/// Dies while a backfill is made, and another indexer ends it.
async fn survives(failpoint: &str) {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let second = rig.deployed;
    let late = rig.create(false, "Late").await;
    rig.deployed = first;
    let ours = rig.create(false, "Ours").await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    mint_for(&rig, &[ours, late], 3).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig.names(&[("factory", second.factory, second.block)]);
    let mut mortal = rig.spawn(&stores, failpoint);
    mortal.dead().await;
    mint_for(&rig, &[ours, late], 2).await;
    let both = [rig.start(&stores), rig.start(&stores)];
    stores.caught_up(&rig).await;
    stores.idle().await;
    stores.caught_up(&rig).await;
    for running in both {
        running.stop().await;
    }
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_after_the_raw_events_of_a_backfill() {
    survives("indexer.job_raw_written:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_after_the_commit_of_a_backfill() {
    survives("indexer.job_committed:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_in_words() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let ours = rig.create(false, "Ours").await;
    stores.caught_up(&rig).await;
    let head = rig.chain.head().await;
    let asked = |kind: pb::JobKind, from_block, to_block| pb::StartJobRequest {
        chain_id: CHAIN.into(),
        kind: kind.into(),
        from_block,
        to_block,
        ..Default::default()
    };
    let refusals = [
        (asked(pb::JobKind::Unspecified, 1, 1), "kind"),
        (asked(pb::JobKind::Verify, 0, 1), "from_block"),
        (asked(pb::JobKind::Verify, 1, head + 1), "to_block"),
        (asked(pb::JobKind::Verify, 3, 2), "to_block"),
        (asked(pb::JobKind::Rewind, head + 1, 0), "from_block"),
        (asked(pb::JobKind::Backfill, 1, head), "contract"),
        (
            pb::StartJobRequest { contract: format!("{ours:#x}"), ..asked(pb::JobKind::Replay, 1, head) },
            "contract",
        ),
        (pb::StartJobRequest { dry_run: true, ..asked(pb::JobKind::Verify, 1, head) }, "dry_run"),
    ];
    for (refused, field) in refusals {
        let status = rig.try_job(&running, refused.clone()).await.unwrap_err();
        let problem = rpc::Problem::from(&status);
        assert_eq!(problem.code, rpc::Code::BadInput, "{refused:?}: {status:?}");
        assert_eq!(problem.violations[0].path, field, "{refused:?}");
    }
    let nowhere = pb::StartJobRequest { chain_id: "eip155:1".into(), ..asked(pb::JobKind::Verify, 1, 1) };
    assert_eq!(rig.try_job(&running, nowhere).await.unwrap_err().code(), tonic::Code::NotFound);

    let mut client = running.client(&rig, "operator");
    let job = rig.job(&running, asked(pb::JobKind::Verify, 1, head)).await;
    assert_eq!(job.asked_by, "operator");
    let ended = rig.ended(&running, job.job_id).await;
    assert_eq!(ended.state(), pb::JobState::Done);
    let late = client.cancel_job(pb::CancelJobRequest { job_id: job.job_id }).await.unwrap_err();
    assert_eq!(late.code(), tonic::Code::FailedPrecondition);
    let none = client.get_job(pb::GetJobRequest { job_id: 999 }).await.unwrap_err();
    assert_eq!(none.code(), tonic::Code::NotFound);

    let page = |page_token: String| pb::ListJobsRequest { page_size: 1, page_token, ..Default::default() };
    let another = rig.job(&running, asked(pb::JobKind::Verify, 1, 1)).await;
    let first = client.list_jobs(page(String::new())).await.unwrap().into_inner();
    assert_eq!(first.jobs[0].job_id, another.job_id, "the newest first");
    let second = client.list_jobs(page(first.next_page_token)).await.unwrap().into_inner();
    assert_eq!((second.jobs[0].job_id, second.next_page_token.as_str()), (job.job_id, ""));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_was_ended_early_is_made_good_by_the_next_one() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let second = rig.deployed;
    let early = rig.create(false, "Early").await;
    rig.mint(early, 2).await;
    // More than one step reads.
    rig.chain.mine(100).await;
    mint_for(&rig, &[early], 3).await;
    rig.deployed = first;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    running.stop().await;

    rig.names(&[("factory", second.factory, second.block)]);
    let mut mortal = rig.spawn(&stores, "indexer.job_committed:1");
    mortal.dead().await;
    assert_eq!(stores.count("select count(*) from jobs where state = 'RUNNING'").await, 1);
    assert_eq!(stores.count("select count(*) from followed_contracts where source = 'factory'").await, 1);
    sqlx::query("update jobs set state = 'CANCELLED', ended_at = now()")
        .execute(&stores.db.pool)
        .await
        .unwrap();

    let running = rig.start(&stores);
    rig.deployed = second;
    let found_by_follower = rig.create(false, "Late").await;
    mint_for(&rig, &[early, found_by_follower], 2).await;
    stores.caught_up(&rig).await;
    let asked = pb::StartJobRequest {
        chain_id: CHAIN.into(),
        kind: pb::JobKind::Backfill.into(),
        contract: format!("{:#x}", second.factory),
        from_block: second.block,
        to_block: rig.chain.head().await,
        ..Default::default()
    };
    let job = rig.job(&running, asked.clone()).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
    assert_eq!(found(&job)["counts"]["collections"], 1, "the other one was never missed: {job:?}");
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;

    // Once it is done, nothing is missed any more.
    let before = stores.told().await.len();
    let again = rig.job(&running, asked).await;
    let again = rig.ended(&running, again.job_id).await;
    assert_eq!(again.state(), pb::JobState::Done, "{again:?}");
    assert_eq!((again.events, stores.told().await.len()), (0, before), "{again:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_is_fetched_from_its_beginning_although_its_chain_was_begun_later() {
    let mut rig = Rig::new().await;
    rig.deployed = rig.second_factory().await;
    let old = rig.create(false, "Old").await;
    let made_in = rig.chain.head().await;
    rig.mint(old, 2).await;
    rig.chain.mine(20).await;
    let new = rig.second_factory().await;
    let factory = ("factory", new.factory, new.block);
    rig.register(&[factory], 1);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    assert!(stores.count("select first_block from indexer_checkpoints").await > made_in.cast_signed());
    rig.register(&[factory, ("ERC721", old, made_in)], 1);
    eventually(SOON, "a backfill was begun", async || {
        (stores.count("select count(*) from jobs").await == 1).then_some(())
    })
    .await;
    stores.idle().await;
    let before = rig::net(&stores.told().await);
    assert!(!before.is_empty());
    let asked = pb::StartJobRequest {
        chain_id: CHAIN.into(),
        kind: pb::JobKind::Backfill.into(),
        contract: format!("{old:#x}"),
        from_block: made_in,
        to_block: rig.chain.head().await,
        ..Default::default()
    };
    let too_low = pb::StartJobRequest { from_block: made_in - 1, ..asked.clone() };
    let refused = rpc::Problem::from(&rig.try_job(&running, too_low).await.unwrap_err());
    assert_eq!(refused.violations[0].path, "from_block");
    let job = rig.job(&running, asked).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!((job.state(), job.events as usize), (pb::JobState::Done, before.len()), "{job:?}");
    assert_eq!(rig::net(&stores.told().await), before, "the same under the same ids");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_named_no_more_is_fetched_no_more() {
    let mut rig = Rig::new().await;
    let first = rig.deployed;
    rig.deployed = rig.second_factory().await;
    let late = rig.create(false, "Late").await;
    let made_in = rig.chain.head().await;
    rig.deployed = first;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    rig.mint(late, 2).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig.names(&[("ERC721", late, made_in)]);
    let mut mortal = rig.spawn(&stores, "indexer.job_raw_written:1");
    mortal.dead().await;
    // The job cannot go on, and its contract is named no more.
    rig.endpoint("http://127.0.0.1:1");
    rig.names(&[]);
    let running = rig.start(&stores);
    stores.idle().await;
    let job = stores.count("select id from jobs").await;
    let job = rig.ended(&running, job).await;
    assert_eq!(job.state(), pb::JobState::Cancelled, "{job:?}");
    assert!(job.error.contains("the registry does not name"), "{}", job.error);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_currency_has_no_past_to_fetch() {
    let rig = Rig::new().await;
    let (weth, block) = rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
    rig.names(&[("ERC20", weth, block)]);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    let asked = pb::StartJobRequest {
        chain_id: CHAIN.into(),
        kind: pb::JobKind::Backfill.into(),
        contract: format!("{weth:#x}"),
        from_block: block,
        to_block: rig.chain.head().await,
        ..Default::default()
    };
    let problem = rpc::Problem::from(&rig.try_job(&running, asked).await.unwrap_err());
    let violation = &problem.violations[0];
    assert_eq!((violation.path.as_str(), violation.code.as_str()), ("contract", "CURRENCY"), "{problem:?}");
    running.stop().await;
}

/// What a job has found, by name.
pub(crate) fn found(job: &pb::Job) -> Value {
    serde_json::from_str(&job.found_json).unwrap()
}
