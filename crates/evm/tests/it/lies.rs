//! Endpoints that lie, lag, limit, hang or break, each beside an honest one: left within the call, and taken back when
//! they behave.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, B256},
    rpc::types::Filter,
};
use evm::{BlockBloom, Endpoint, Header, Limits, Node, NodeError};
use ids::ChainId;
use serde_json::json;
use testkit::{Chain, Deployed, Liar, Lie};

const LIMITS: Limits =
    Limits { endpoint: Duration::from_millis(400), call: Duration::from_secs(3), answer_bytes: 8 << 20 };
const BACK_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn endpoint(url: &str, priority: i32) -> Endpoint {
    Endpoint::parse(url, "url", priority, 1).unwrap()
}

pub(crate) fn node(endpoints: Vec<Endpoint>) -> Node {
    Node::new(ChainId::new(31337).unwrap(), endpoints).with_limits(LIMITS)
}

/// A liar that is asked first, an honest endpoint that is asked when it is left, and what is true.
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) deployed: Deployed,
    pub(crate) liar: Liar,
    pub(crate) honest: Liar,
    pub(crate) node: Node,
    pub(crate) truth: Node,
}

impl World {
    pub(crate) async fn start() -> World {
        let chain = testkit::chain().await;
        chain.mine(40).await;
        let deployed = chain.deploy_factory().await;
        chain.mine(10).await;
        let (liar, honest) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
        let node = node(vec![endpoint(&liar.url, 0), endpoint(&honest.url, 1)]);
        let truth = self::node(vec![endpoint(&chain.url, 0)]);
        let world = World { chain, deployed, liar, honest, node, truth };
        assert_eq!(world.ask().await, world.truth().await);
        assert_eq!(world.honest.asked(), 0, "the first one is asked while it behaves");
        world
    }

    /// Everything that anybody asks, of the block with the first implementation's creation.
    async fn ask(&self) -> Told {
        Told::by(&self.node, &self.deployed).await
    }

    async fn truth(&self) -> Told {
        Told::by(&self.truth, &self.deployed).await
    }

    /// Whether questions pass it by. Who looks after it asks it too, now and then, so one look is not enough.
    pub(crate) async fn is_left(&self) -> bool {
        for _ in 0..5 {
            let before = self.liar.asked();
            let number = self.node.block_number().await.unwrap();
            assert_eq!(number, self.chain.head().await);
            if self.liar.asked() == before {
                return true;
            }
        }
        false
    }

    pub(crate) async fn is_back(&self) {
        testkit::eventually(BACK_WITHIN, "it is asked again", async || (!self.is_left().await).then_some(()))
            .await;
    }
}

#[derive(Debug, PartialEq)]
struct Told {
    number: u64,
    latest: Header,
    by_number: Option<Header>,
    by_hash: Option<Header>,
    receipts: Option<Vec<evm::Receipt>>,
    receipt: Option<evm::Receipt>,
    transaction: Option<evm::Transaction>,
    logs: usize,
    of_contract: usize,
}

impl Told {
    async fn by(node: &Node, deployed: &Deployed) -> Told {
        let filter = Filter::new().from_block(0).to_block(deployed.block).address(deployed.erc721);
        let of_contract = node.logs(&filter).await.unwrap();
        let block = of_contract[0].block_number.unwrap();
        let by_number = node.header_by_number(block).await.unwrap();
        let hash = by_number.as_ref().unwrap().hash;
        let blocks: Vec<BlockBloom> = vec![by_number.as_ref().unwrap().into()];
        let receipts = node.block_receipts(hash).await.unwrap();
        let transaction = receipts.as_ref().unwrap()[0].transaction_hash;
        Told {
            number: node.block_number().await.unwrap(),
            latest: node.latest_header().await.unwrap(),
            by_hash: node.header_by_hash(hash).await.unwrap(),
            receipt: node.receipt(transaction).await.unwrap(),
            transaction: node.transaction(transaction).await.unwrap(),
            logs: node.logs_of(&blocks).await.unwrap().len(),
            by_number,
            receipts,
            of_contract: of_contract.len(),
        }
    }
}

/// Tells the truth in every mode, leaves the liar, and takes it back when it is honest again.
async fn survives(lie: Lie) {
    let world = World::start().await;
    world.liar.set(lie);
    // Only what the lie is about shows it: some are found out by the third question.
    for _ in 0..3 {
        assert_eq!(world.ask().await, world.truth().await, "{lie:?}");
    }
    assert!(world.honest.asked() > 0, "{lie:?}");
    assert!(world.is_left().await, "{lie:?}");
    world.liar.set(Lie::Honest);
    let began = Instant::now();
    world.is_back().await;
    println!("{lie:?}: back after {:?}", began.elapsed());
    assert_eq!(world.ask().await, world.truth().await, "{lie:?}");
}

macro_rules! each {
    ($($name:ident: $lie:expr),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            survives($lie).await;
        })+
    };
}

each! {
    one_that_says_another_hash_is_left_and_taken_back: Lie::WrongHash,
    one_that_says_another_block_is_left_and_taken_back: Lie::WrongBlock,
    one_that_says_logs_twice_is_left_and_taken_back: Lie::DuplicatedLogs,
    one_that_says_logs_of_others_is_left_and_taken_back: Lie::ForeignLogs,
    one_whose_head_is_old_is_left_and_taken_back: Lie::StaleHead(20),
    one_whose_head_is_in_the_future_is_left_and_taken_back: Lie::FutureHead(1000),
    one_that_makes_up_blocks_is_left_and_taken_back: Lie::Fabricates(1000),
    one_that_is_asked_too_much_is_left_and_taken_back: Lie::TooMany(4),
    one_that_has_reached_its_limit_is_left_and_taken_back: Lie::Limited,
    one_that_is_slow_is_left_and_taken_back: Lie::Slow(Duration::from_secs(5)),
    one_that_never_answers_is_left_and_taken_back: Lie::Hangs,
    one_that_closes_its_connections_is_left_and_taken_back: Lie::HalfOpen,
    one_that_says_no_json_is_left_and_taken_back: Lie::Garbage,
    one_that_is_broken_is_left_and_taken_back: Lie::ServerError,
    one_that_has_no_receipts_is_left_and_taken_back: Lie::NullReceipts,
}

#[tokio::test]
async fn one_that_comes_to_serve_another_chain_is_left_within_seconds_and_taken_back() {
    let world = World::start().await;
    world.liar.set(Lie::OtherChain);
    testkit::eventually(BACK_WITHIN, "it is left", async || world.is_left().await.then_some(())).await;
    world.liar.set(Lie::Honest);
    world.is_back().await;
}

#[tokio::test]
async fn a_head_that_stands_still_is_found_out_although_nobody_asks_the_other_one() {
    let world = World::start().await;
    let head = world.chain.head().await;
    world.chain.mine(30).await;
    world.liar.set(Lie::StaleHead(30));
    assert_eq!(world.node.block_number().await, Ok(head), "nothing contradicts it yet");
    testkit::eventually(BACK_WITHIN, "the head is the chain's", async || {
        (world.node.block_number().await == Ok(head + 30)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_chain_that_went_back_itself_is_believed() {
    let world = World::start().await;
    let snapshot = world.chain.rpc("evm_snapshot", json!([])).await;
    world.chain.mine(50).await;
    assert_eq!(world.node.block_number().await, Ok(world.chain.head().await));
    world.chain.rpc("evm_revert", json!([snapshot])).await;
    for _ in 0..3 {
        assert_eq!(world.node.block_number().await, Ok(world.chain.head().await));
    }
    assert!(!world.is_left().await, "both say the same");
}

#[tokio::test]
async fn a_liar_alone_is_not_believed() {
    let chain = testkit::chain().await;
    let deployed = chain.deploy_factory().await;
    let liar = Liar::before(&chain.url).await;
    let node = node(vec![endpoint(&liar.url, 0)]);
    let header = node.header_by_number(deployed.block).await.unwrap().unwrap();
    let filter = Filter::new().from_block(0).to_block(deployed.block);
    let blocks = {
        let logs = node.logs(&filter).await.unwrap();
        let block = node.header_by_number(logs[0].block_number.unwrap()).await.unwrap().unwrap();
        [BlockBloom::from(&block)]
    };
    liar.set(Lie::WrongHash);
    assert!(matches!(node.header_by_hash(header.hash).await, Err(NodeError::Lie(_))));
    liar.set(Lie::WrongBlock);
    assert!(matches!(node.header_by_number(header.number).await, Err(NodeError::Lie(_))));
    liar.set(Lie::DuplicatedLogs);
    assert!(matches!(node.logs(&filter).await, Err(NodeError::Lie(_))));
    liar.set(Lie::MissingLogs);
    assert!(matches!(node.logs_of(&blocks).await, Err(NodeError::Lie(_))));
    liar.set(Lie::ForeignLogs);
    let of_nobody = filter.address(Address::repeat_byte(5));
    assert!(matches!(node.logs(&of_nobody).await, Err(NodeError::Lie(_))));
    liar.set(Lie::NullReceipts);
    assert_eq!(node.receipt(B256::ZERO).await, Ok(None), "nobody can tell that it lies");
}

#[tokio::test]
async fn the_registrys_rate_is_never_exceeded_and_the_rest_goes_to_the_next() {
    let chain = testkit::chain().await;
    let (first, second) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
    let limited = endpoint(&first.url, 0).with_rate_limit(10);
    let node = node(vec![limited.clone(), endpoint(&second.url, 1)]);
    for _ in 0..40 {
        node.block_number().await.unwrap();
    }
    // One of the ten may have been the proof of the chain; the questions took far less than another second.
    assert!((9..=20).contains(&first.asked()), "{}", first.asked());
    assert!(second.asked() >= 20);
    // Alone, it makes its callers wait: 25 questions need two seconds more than the first ten.
    let alone = self::node(vec![limited]).with_limits(Limits { call: Duration::from_secs(10), ..LIMITS });
    let began = Instant::now();
    for _ in 0..25 {
        alone.block_number().await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    // Where nobody can wait so long it is told as a limit, within the deadline.
    let hurried = alone.with_limits(Limits { call: Duration::from_millis(100), ..LIMITS });
    let mut refused = None;
    for _ in 0..30 {
        refused = hurried.block_number().await.err().or(refused);
    }
    assert!(refused.unwrap().is_limit());
}

#[tokio::test]
async fn a_short_peace_is_waited_for_within_the_deadline() {
    let chain = testkit::chain().await;
    let liar = Liar::before(&chain.url).await;
    let node = node(vec![endpoint(&liar.url, 0)]);
    node.block_number().await.unwrap();
    liar.set(Lie::TooMany(1));
    let (asking, liar) = (tokio::spawn(async move { node.block_number().await }), liar);
    let asked = liar.asked();
    testkit::eventually(BACK_WITHIN, "it was refused", async || (liar.asked() > asked).then_some(())).await;
    liar.set(Lie::Honest);
    assert_eq!(asking.await.unwrap(), Ok(0));
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_a_silent_endpoint_for_the_next_caller() {
    let world = World::start().await;
    let patient = world.node.with_limits(Limits { endpoint: Duration::from_secs(5), ..LIMITS });
    world.liar.set(Lie::Hangs);
    let hurried = tokio::time::timeout(Duration::from_millis(1200), patient.block_number()).await;
    assert!(hurried.is_err());
    assert!(world.is_left().await);
}

#[tokio::test]
async fn weights_share_the_questions_and_a_bad_one_gets_fewer() {
    let chain = testkit::chain().await;
    let (light, heavy) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
    let weighed = |url: &str, weight| Endpoint { weight, ..endpoint(url, 0) };
    let node = node(vec![weighed(&light.url, 1), weighed(&heavy.url, 9)]);
    for _ in 0..400 {
        node.block_number().await.unwrap();
    }
    // 40 of 400 fall to it on average; 90 is more than eight standard deviations away.
    assert!((10..90).contains(&light.asked()), "{} {}", light.asked(), heavy.asked());
}

#[tokio::test]
async fn how_the_endpoints_stand_is_shown_without_their_names() {
    let world = World::start().await;
    world.liar.set(Lie::ServerError);
    world.node.block_number().await.unwrap();
    let shown = prometheus::TextEncoder::new().encode_to_string(&prometheus::gather()).unwrap();
    assert!(
        shown.contains(r#"chain_endpoints_left_total{chain="eip155:31337",reason="failing"}"#),
        "{shown}"
    );
    assert!(shown.contains(r#"chain_endpoints{chain="eip155:31337",standing="available"}"#));
    assert!(!shown.contains("s3cret") && !shown.contains("127.0.0.1"));
}
