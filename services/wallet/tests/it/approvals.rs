//! Approvals by the door: the pages, the cache before them, and what the chain's events do to both.

use std::time::Duration;

use amounts::U256;
use chrono::Utc;
use events::{
    Block, ChainBatch, ChainEvent, Finality, Message, Standard,
    mints::{TokenMoved, TokenTransferred, transferred},
    wallets::{ApprovalChanged, approval_changed},
};
use ids::{Address, BlockHash, ChainId, TokenId, TxHash};
use proto::wallet::v1::{Approval, ListApprovalHistoryRequest, ListApprovalsRequest, ListGrantorsRequest};
use rpc::{Code, Problem};

use crate::fleet::{self, Fleet};

const OWNER: Address = Address::new([1; 20]);
const OPERATOR: Address = Address::new([2; 20]);

fn chain() -> ChainId {
    "eip155:31337".parse().unwrap()
}

fn event<E>(number: u64, token: u8, fact: E) -> (Block, ChainEvent<E>) {
    let hash = BlockHash::new([u8::try_from(number).unwrap(); 32]);
    let tx_hash = TxHash::new([token; 32]);
    let parent_hash = BlockHash::new([0; 32]);
    let block = Block { number, hash, parent_hash, time: Utc::now() };
    let event = ChainEvent {
        id: events::chain::event_id(chain(), hash, tx_hash, 0, 0),
        contract: Address::new([9; 20]),
        standard: Some(Standard::Erc721),
        tx_hash,
        tx_from: OWNER,
        log_index: 0,
        batch_index: 0,
        finality: Finality::Latest,
        fact,
    };
    (block, event)
}

fn batch<E>((block, event): (Block, ChainEvent<E>), removed: bool) -> ChainBatch<E> {
    let fork_block = removed.then_some(block.number - 1);
    ChainBatch { chain_id: chain(), block, generation: 0, removed, fork_block, events: vec![event] }
}

/// A block in which the owner lets the operator move a token.
fn approval(number: u64, token: u8) -> Message {
    let token_id = Some(TokenId::new(U256::from(token)));
    let fact = ApprovalChanged { owner: OWNER, operator: OPERATOR, token_id, is_approved: true };
    approval_changed(&batch(event(number, token, fact), false), 0)
}

/// A block in which a token leaves the owner, or the retraction of it.
fn transfer(number: u64, token: u8, removed: bool) -> Message {
    let fact = TokenTransferred(TokenMoved {
        token_id: TokenId::new(U256::from(token)),
        last_token_id: None,
        from: OWNER,
        to: OPERATOR,
        quantity: U256::from(1_u8),
        operator: None,
    });
    transferred(&batch(event(number, token, fact), removed), 0)
}

impl Fleet {
    async fn publish(&self, messages: &[Message]) {
        let bus = bus::Bus::connect(&self.vhost.secret(), &mut testkit::process("indexer"));
        assert!(bus.publish(messages).await.into_iter().all(|sent| sent.is_ok()));
    }

    async fn approvals(&self, page_size: i32, page_token: &str) -> (Vec<Approval>, String, Vec<String>) {
        let request = ListApprovalsRequest {
            owner: OWNER.to_string(),
            chain_id: chain().to_string(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let page = self.client("gateway").list_approvals(request).await.unwrap().into_inner();
        (page.approvals, page.next_page_token, page.positions)
    }

    async fn history(&self, page_size: i32, page_token: &str) -> (Vec<Approval>, String, Vec<String>) {
        let request = ListApprovalHistoryRequest {
            owner: OWNER.to_string(),
            chain_id: chain().to_string(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let page = self.client("gateway").list_approval_history(request).await.unwrap().into_inner();
        (page.approvals, page.next_page_token, page.positions)
    }

    async fn grantors(&self, page_size: i32, page_token: &str) -> (Vec<Approval>, String, Vec<String>) {
        let request = ListGrantorsRequest {
            operator: OPERATOR.to_string(),
            chain_id: chain().to_string(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let page = self.client("gateway").list_grantors(request).await.unwrap().into_inner();
        (page.approvals, page.next_page_token, page.positions)
    }

    /// Waits until the owner's tokens in force are these.
    async fn in_force(&self, expected: &[&str]) {
        testkit::eventually(Duration::from_secs(60), "the approvals of the chain", async || {
            let (approvals, ..) = self.approvals(100, "").await;
            let tokens: Vec<&str> = approvals.iter().map(|approval| approval.token_id.as_str()).collect();
            (tokens == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_chain_is_followed_through_the_cache() {
    let wallet = fleet::start_with_redis(testkit::redis().await).await;
    wallet.in_force(&[]).await;
    wallet.publish(&[approval(1, 7), approval(2, 8)]).await;
    // The empty page is cached, so that this ends in time only because the change drops it.
    wallet.in_force(&["8", "7"]).await;
    wallet.publish(&[transfer(3, 7, false)]).await;
    wallet.in_force(&["8"]).await;
    wallet.publish(&[transfer(3, 7, true)]).await;
    wallet.in_force(&["8", "7"]).await;

    let (shown, ..) = wallet.history(100, "").await;
    assert_eq!(shown.iter().map(|row| row.token_id.as_str()).collect::<Vec<_>>(), ["8", "7"]);
    wallet.publish(&[transfer(4, 8, false)]).await;
    wallet.in_force(&["7"]).await;
    let (shown, ..) = wallet.history(100, "").await;
    assert_eq!(
        (shown[0].cause.as_str(), shown[0].approved, shown[0].token_id.as_str()),
        ("transfer", false, "8")
    );
    assert_eq!((shown[1].cause.as_str(), shown[1].approved), ("approval", true));
    assert_eq!(shown.len(), 3);

    // The cache is what answers: a row that appears without an event is not seen.
    wallet.approvals(100, "").await;
    sqlx::query("delete from approvals").execute(&wallet.db.pool).await.unwrap();
    assert_eq!(wallet.approvals(100, "").await.0.len(), 1);
    wallet.end().await;
}

#[tokio::test]
async fn lists_come_page_by_page_newest_first_and_go_on_from_each_position() {
    // Once through the cache, once without it: the pages are the same.
    for redis_url in ["redis://127.0.0.1:1".to_owned(), testkit::redis().await] {
        let wallet = fleet::start_with_redis(redis_url).await;
        wallet
            .publish(&[approval(1, 1), approval(2, 2), approval(3, 3), approval(4, 4), approval(5, 5)])
            .await;
        wallet.in_force(&["5", "4", "3", "2", "1"]).await;
        for what in ["approvals", "history", "grantors"] {
            let page = async |size, token: &str| match what {
                "approvals" => wallet.approvals(size, token).await,
                "history" => wallet.history(size, token).await,
                _ => wallet.grantors(size, token).await,
            };
            let (mut blocks, mut token, mut positions) = (Vec::new(), String::new(), Vec::new());
            for expected in [2, 2, 1] {
                let (rows, next, at) = page(2, &token).await;
                assert_eq!((rows.len(), at.len()), (expected, expected), "{what}");
                blocks.extend(rows.into_iter().map(|row| row.block.unwrap().number));
                positions.extend(at);
                token = next;
            }
            assert_eq!((blocks.as_slice(), token.as_str()), ([5, 4, 3, 2, 1].as_slice(), ""), "{what}");
            let (after, next, _) = page(1, &positions[2]).await;
            assert_eq!(after[0].block.as_ref().unwrap().number, 2, "{what}");
            assert_eq!(next, positions[3], "{what}");
        }
        wallet.end().await;
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let wallet = fleet::start().await;
    let mut gateway = wallet.client("gateway");
    let good = ListApprovalsRequest {
        owner: OWNER.to_string(),
        chain_id: chain().to_string(),
        page_size: 1,
        page_token: String::new(),
    };
    for (path, request) in [
        ("owner", ListApprovalsRequest { owner: "me".to_owned(), ..good.clone() }),
        ("chain_id", ListApprovalsRequest { chain_id: "1".to_owned(), ..good.clone() }),
        ("page_size", ListApprovalsRequest { page_size: 0, ..good.clone() }),
        ("page_size", ListApprovalsRequest { page_size: -1, ..good.clone() }),
        ("page_size", ListApprovalsRequest { page_size: 101, ..good.clone() }),
    ] {
        let problem = Problem::from(&gateway.list_approvals(request).await.unwrap_err());
        assert_eq!(problem.violations[0].path, path);
    }
    let bad = ListApprovalsRequest { page_token: "nonsense".to_owned(), ..good };
    let problem = Problem::from(&gateway.list_approvals(bad).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "BAD_CURSOR"));
    let request = ListGrantorsRequest { operator: "me".to_owned(), page_size: 1, ..Default::default() };
    let problem = Problem::from(&gateway.list_grantors(request).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "operator");
    wallet.end().await;
}
