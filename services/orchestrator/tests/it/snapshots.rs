//! Allowlists of who held tokens of a collection at a block that is settled and indexed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use abi::launchpad::VitrineERC721;
use alloy::{
    primitives::{Bytes, U256},
    sol_types::SolCall,
};
use proto::{
    catalog::v1::{Holder, ListHoldersAtRequest, ListHoldersAtResponse},
    common::v1::{BlockRef, ContractRef, TokenStandard},
    indexer::v1::{self as indexer, indexer_service_server::IndexerService},
    orchestrator::v1::{
        Allowlist, GetProofRequest, GetProofResponse, ListAllowlistMembersRequest, SnapshotAllowlistRequest,
    },
};
use rpc::{Code, Problem};
use serde_json::json;
use tokio::sync::Barrier;
use tonic::{Request, Response, Status};

use crate::{
    allowlists::{is_proved, lists, numbered, proof},
    fakes::Fake,
    rig::{CHAIN, Rig, User, address, public_stage},
};

/// What the catalog says of holders, and the indexer of how far it is.
#[derive(Default)]
pub(crate) struct Holders {
    /// The moves that the catalog has heard of.
    moves: Mutex<u64>,
    /// Far ahead where nothing is said.
    checkpoints: Mutex<Option<Vec<indexer::Checkpoint>>>,
    /// By address.
    pub(crate) all: Mutex<Vec<(String, u64)>>,
    pub(crate) asked: Mutex<Vec<ListHoldersAtRequest>>,
    /// Met twice by each call, where there is one: when it has come, and before it is answered.
    pub(crate) gate: Mutex<Option<Arc<Barrier>>>,
}

impl Holders {
    pub(crate) async fn answer(
        &self,
        request: ListHoldersAtRequest,
    ) -> Result<Response<ListHoldersAtResponse>, Status> {
        self.asked.lock().unwrap().push(request.clone());
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.wait().await;
            gate.wait().await;
        }
        let all = self.all.lock().unwrap();
        if all.is_empty() {
            return Err(Status::not_found("there is no such collection"));
        }
        let least: u64 = request.min_quantity.parse().unwrap();
        let size = request.page_size as usize;
        let page: Vec<_> = all.iter().filter(|(owner, _)| *owner > request.page_token).take(size).collect();
        let next_page_token = if page.len() == size { page[size - 1].0.clone() } else { String::new() };
        let held = page.into_iter().filter(|(_, quantity)| *quantity >= least);
        let holders =
            held.map(|(owner, quantity)| Holder { address: owner.clone(), quantity: quantity.to_string() });
        let moves = if request.moves_from_block == 0 { 0 } else { *self.moves.lock().unwrap() };
        Ok(Response::new(ListHoldersAtResponse { holders: holders.collect(), next_page_token, moves }))
    }
}

#[tonic::async_trait]
impl IndexerService for Fake {
    type WatchCheckpointsStream = futures::stream::Empty<Result<indexer::WatchCheckpointsResponse, Status>>;
    type WatchJobStream = futures::stream::Empty<Result<indexer::WatchJobResponse, Status>>;

    async fn watch_checkpoints(
        &self,
        _: Request<indexer::WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn list_raw_events(
        &self,
        _: Request<indexer::ListRawEventsRequest>,
    ) -> Result<Response<indexer::ListRawEventsResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn probe_contract(
        &self,
        _: Request<indexer::ProbeContractRequest>,
    ) -> Result<Response<indexer::ProbeContractResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn start_job(
        &self,
        _: Request<indexer::StartJobRequest>,
    ) -> Result<Response<indexer::StartJobResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn get_job(
        &self,
        _: Request<indexer::GetJobRequest>,
    ) -> Result<Response<indexer::GetJobResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn watch_job(
        &self,
        _: Request<indexer::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn list_jobs(
        &self,
        _: Request<indexer::ListJobsRequest>,
    ) -> Result<Response<indexer::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn cancel_job(
        &self,
        _: Request<indexer::CancelJobRequest>,
    ) -> Result<Response<indexer::CancelJobResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }

    async fn follow_payer(
        &self,
        request: Request<indexer::FollowPayerRequest>,
    ) -> Result<Response<indexer::FollowPayerResponse>, Status> {
        if self.0.is_indexer_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the indexer is away"));
        }
        if self.0.is_indexer_full.load(Ordering::SeqCst) {
            return Err(rpc::Refusal::new(rpc::Code::RateLimited, "RATE_LIMITED", "no more of them").into());
        }
        let payer = request.into_inner();
        assert_eq!(payer.chain_id, CHAIN);
        self.0.payers.lock().unwrap().push((payer.token, payer.account));
        Ok(Response::new(indexer::FollowPayerResponse {}))
    }

    async fn list_checkpoints(
        &self,
        request: Request<indexer::ListCheckpointsRequest>,
    ) -> Result<Response<indexer::ListCheckpointsResponse>, Status> {
        assert_eq!(request.into_inner().chain_id, CHAIN);
        let told = self.0.holders.checkpoints.lock().unwrap().clone();
        let checkpoints = told.unwrap_or_else(|| vec![checkpoint(1 << 40)]);
        Ok(Response::new(indexer::ListCheckpointsResponse { checkpoints }))
    }

    async fn get_transaction_events(
        &self,
        _: Request<indexer::GetTransactionEventsRequest>,
    ) -> Result<Response<indexer::GetTransactionEventsResponse>, Status> {
        Err(Status::unimplemented("not part of this story"))
    }
}

fn checkpoint(number: u64) -> indexer::Checkpoint {
    let indexed = Some(BlockRef { number, ..BlockRef::default() });
    indexer::Checkpoint { chain_id: CHAIN.into(), indexed, ..indexer::Checkpoint::default() }
}

async fn snapshot(rig: &Rig, user: &User, request: SnapshotAllowlistRequest) -> Result<Allowlist, Problem> {
    let mut request = user.says(request);
    // A hundred thousand holders take their time in a build that is not optimised.
    request.set_timeout(Duration::from_secs(30));
    let stored = lists(rig).snapshot_allowlist(request).await;
    stored.map(|stored| stored.into_inner().allowlist.unwrap()).map_err(|status| Problem::from(&status))
}

fn wants_snapshot(block_number: u64) -> SnapshotAllowlistRequest {
    SnapshotAllowlistRequest {
        name: "holders".into(),
        collection: Some(ContractRef { chain_id: CHAIN.into(), address: numbered(0xc0) }),
        block_number,
        min_quantity: String::new(),
    }
}

#[tokio::test]
async fn a_snapshot_lists_who_held_tokens_at_a_settled_block() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    *rig.world.confirmations.lock().unwrap() = 3;
    rig.chain.mine(10).await;
    let head = rig.chain.head().await;

    let unknown = snapshot(&rig, &user, wants_snapshot(0)).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    let dead = format!("0x{}dead", "0".repeat(36));
    let mut all: Vec<(String, u64)> = (1..=25_000).map(|n| (numbered(n * 3), n)).collect();
    all.push((dead.clone(), 5));
    all.sort();
    *rig.world.holders.all.lock().unwrap() = all.clone();
    rig.world.holders.asked.lock().unwrap().clear();

    let rich = SnapshotAllowlistRequest { min_quantity: "24000".into(), ..wants_snapshot(0) };
    let list = snapshot(&rig, &user, rich).await.unwrap();
    let block = list.block.clone().unwrap();
    assert_eq!((list.count, block.number), (1001, head - 2));
    let header = rig.chain.rpc("eth_getBlockByNumber", json!([format!("{:#x}", head - 2), false])).await;
    assert_eq!(header["hash"], block.hash);
    assert_eq!(list.collection.clone().unwrap().address, numbered(0xc0));
    let asked = rig.world.holders.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3, "pages of ten thousand");
    assert!(asked.iter().all(|asked| asked.block_number == head - 2 && asked.min_quantity == "24000"));
    let proved = proof(&rig, &list.root, &numbered(24_000 * 3)).await;
    assert!(proved.listed && is_proved(&list.root, &numbered(24_000 * 3), &proved.proof));
    assert!(!proof(&rig, &list.root, &numbered(23_999 * 3)).await.listed);

    // Contracts and small accounts are in, the burned ones are not.
    *rig.world.holders.all.lock().unwrap() =
        vec![(numbered(3), 1), (dead.clone(), 9), (rig.deployed.factory.to_string().to_lowercase(), 1)];
    let few = snapshot(&rig, &user, wants_snapshot(head - 2)).await.unwrap();
    let request = ListAllowlistMembersRequest {
        allowlist_id: few.allowlist_id.clone(),
        page_size: 100,
        page_token: String::new(),
    };
    let members =
        lists(&rig).list_allowlist_members(user.says(request)).await.unwrap().into_inner().addresses;
    let expected = BTreeSet::from([numbered(3), rig.deployed.factory.to_string().to_lowercase()]);
    assert_eq!(BTreeSet::from_iter(members), expected);
    assert_eq!(snapshot(&rig, &user, wants_snapshot(head - 3)).await.unwrap(), few, "the same addresses");

    // Who has any is on the list unless more is asked for.
    assert_eq!(rig.world.holders.asked.lock().unwrap().last().unwrap().min_quantity, "1");
    for wrong in ["0", "-1", "1.5", "many"] {
        let request = SnapshotAllowlistRequest { min_quantity: wrong.into(), ..wants_snapshot(0) };
        let problem = snapshot(&rig, &user, request).await.unwrap_err();
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "min_quantity"));
    }
    let elsewhere = ContractRef { chain_id: "eip155:7".into(), address: numbered(0xc0) };
    let request = SnapshotAllowlistRequest { collection: Some(elsewhere), ..wants_snapshot(0) };
    assert_eq!(snapshot(&rig, &user, request).await.unwrap_err().reason, "CHAIN_DISABLED");

    let early = snapshot(&rig, &user, wants_snapshot(head - 1)).await.unwrap_err();
    assert_eq!((early.code, early.violations[0].path.as_str()), (Code::BadInput, "block_number"));
    let nobody = SnapshotAllowlistRequest { min_quantity: "10".into(), ..wants_snapshot(0) };
    assert_eq!(snapshot(&rig, &user, nobody).await.unwrap_err().code, Code::Conflict);
    rig.end().await;
}

#[tokio::test]
async fn the_largest_list_is_proved_and_a_larger_one_is_refused() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    // 0x..dead is among these and not on the list.
    *rig.world.holders.all.lock().unwrap() = (1..=100_001).map(|n| (numbered(n), 1)).collect();
    let list = snapshot(&rig, &user, wants_snapshot(0)).await.unwrap();
    assert_eq!(list.count, 100_000);
    for wallet in [1, 50_000, 100_001] {
        let proved = proof(&rig, &list.root, &numbered(wallet)).await;
        assert!(is_proved(&list.root, &numbered(wallet), &proved.proof));
        // Anybody may ask: an answer is small however long the list is.
        assert!(proved.proof.len() <= 17 && proved.proof.iter().all(|node| node.len() == 32));
    }
    let stranger = proof(&rig, &list.root, &numbered(0xdead)).await;
    assert_eq!(stranger, GetProofResponse { known: true, listed: false, proof: vec![] });
    for (path, root, address) in [
        ("root", vec![7; 31], numbered(1)),
        ("root", vec![7; 10_000], numbered(1)),
        ("address", vec![7; 32], String::new()),
    ] {
        let refused = lists(&rig).get_proof(GetProofRequest { root, address }).await.unwrap_err();
        let problem = Problem::from(&refused);
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    rig.world.holders.all.lock().unwrap().push((numbered(100_002), 1));
    let too_many = snapshot(&rig, &user, wants_snapshot(0)).await.unwrap_err();
    assert_eq!(too_many.code, Code::Conflict);
    rig.end().await;
}

#[tokio::test]
async fn a_snapshot_under_which_the_block_is_reorganised_away_is_tried_again_by_its_caller() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let before = rig.chain.rpc("evm_snapshot", json!([])).await;
    rig.chain.mine(1).await;
    *rig.world.holders.all.lock().unwrap() = vec![(numbered(3), 1)];
    let gate = Arc::new(Barrier::new(2));
    *rig.world.holders.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let reorganise = async {
        gate.wait().await;
        assert_eq!(rig.chain.rpc("evm_revert", json!([before])).await, true);
        // Another block of that number.
        rig.chain.rpc("evm_increaseTime", json!([1000])).await;
        rig.chain.mine(1).await;
        gate.wait().await;
    };
    let (answer, ()) = tokio::join!(snapshot(&rig, &user, wants_snapshot(0)), reorganise);
    assert_eq!(answer.unwrap_err().code, Code::Unavailable);
    let count: i64 =
        sqlx::query_scalar("select count(*) from allowlists").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(count, 0);

    *rig.world.holders.gate.lock().unwrap() = None;
    assert_eq!(snapshot(&rig, &user, wants_snapshot(0)).await.unwrap().count, 1);
    rig.end().await;
}

#[tokio::test]
async fn a_snapshot_is_of_a_block_that_is_indexed() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    rig.chain.mine(10).await;
    let head = rig.chain.head().await;
    *rig.world.holders.all.lock().unwrap() = vec![(numbered(3), 1)];
    let index = |told: Vec<indexer::Checkpoint>| {
        *rig.world.holders.checkpoints.lock().unwrap() = Some(told);
    };
    let refused = async |block_number: u64, why: &str| {
        let problem = snapshot(&rig, &user, wants_snapshot(block_number)).await.unwrap_err();
        assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
        assert!(problem.message.contains(why), "{}", problem.message);
    };
    index(vec![checkpoint(head - 4)]);
    refused(head - 3, &format!("the index is at block {}", head - 4)).await;
    index(vec![]);
    refused(0, "has not begun").await;
    index(vec![indexer::Checkpoint { halted: true, ..checkpoint(head) }]);
    refused(0, "has stopped").await;
    assert!(rig.world.holders.asked.lock().unwrap().is_empty(), "nobody is asked for holders");

    index(vec![checkpoint(head - 4)]);
    let list = snapshot(&rig, &user, wants_snapshot(0)).await.unwrap();
    assert_eq!(list.block.unwrap().number, head - 4);
    assert_eq!(rig.world.holders.asked.lock().unwrap()[0].block_number, head - 4);
    rig.end().await;
}

#[tokio::test]
async fn a_catalog_that_has_not_heard_of_the_last_moves_is_waited_for() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let mut request = user.wants_collection("key", TokenStandard::Erc721);
    request.stages = vec![public_stage("0")];
    let collection = rig.collection(&user, request).await;
    for _ in 0..3 {
        let (to, quantity) = (address(&user.address), U256::ONE);
        let call = VitrineERC721::mintCall { to, quantity, stageId: U256::ZERO, proof: vec![] };
        let data = Bytes::from(call.abi_encode());
        let transaction = json!({ "from": user.address, "to": collection.address, "data": data });
        let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
        assert_eq!(rig.receipt(hash.as_str().unwrap()).await["status"], "0x1");
    }
    let holders = &rig.world.holders;
    *holders.all.lock().unwrap() = (1..=10_001).map(|n| (numbered(n), 1)).collect();
    let wanted = |block_number| SnapshotAllowlistRequest {
        collection: Some(collection.clone()),
        ..wants_snapshot(block_number)
    };
    *holders.moves.lock().unwrap() = 2;
    let problem = snapshot(&rig, &user, wanted(0)).await.unwrap_err();
    assert_eq!(problem.code, Code::Unavailable);
    assert!(problem.message.contains("2 of the 3 moves"), "{}", problem.message);
    // Before the last one there were two.
    let head = rig.chain.head().await;
    snapshot(&rig, &user, wanted(head - 1)).await.unwrap();

    *holders.moves.lock().unwrap() = 3;
    holders.asked.lock().unwrap().clear();
    snapshot(&rig, &user, wanted(0)).await.unwrap();
    let asked: Vec<u64> = holders.asked.lock().unwrap().iter().map(|page| page.moves_from_block).collect();
    assert_eq!(asked, [1, 0], "counted before the first page");
    rig.end().await;
}
