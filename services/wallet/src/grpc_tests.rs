//! ListApprovals behind its door: no service may call it yet, so no certificate opens it from outside.

use rpc::{Code, Problem};

use super::*;
use crate::MIGRATOR;

const OWNER: &str = "0x0101010101010101010101010101010101010101";

fn page(page_size: i32, page_token: &str) -> Request<pb::ListApprovalsRequest> {
    Request::new(pb::ListApprovalsRequest {
        owner: OWNER.to_owned(),
        chain_id: "eip155:31337".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    })
}

#[tokio::test]
async fn approvals_in_force_are_listed_page_by_page_newest_first() {
    let db = testkit::database(&MIGRATOR).await;
    // Two in one log position, as two contracts' rows may be; and one that is no longer in force.
    for (n, block, is_approved) in
        [(0, 10, true), (1, 11, true), (2, 11, true), (3, 12, false), (4, 13, true)]
    {
        sqlx::query(
            "insert into approvals (id, chain_id, contract, slot, owner, operator, token_id, is_approved, block_number,
                 block_hash, block_time, tx_hash, log_index, batch_index)
             values ($1, 'eip155:31337', '0x0909', $2, $3, '0x0202', 7, $4, $5, '0xaa', now(), '0xbb', 0, 0)",
        )
        .bind(uuid::Uuid::now_v7())
        .bind(n.to_string())
        .bind(OWNER)
        .bind(is_approved)
        .bind(block)
        .execute(&db.pool)
        .await
        .unwrap();
    }
    let door = Door { db: db.pool.clone() };
    let (mut blocks, mut token) = (Vec::new(), String::new());
    for expected in [2, 2] {
        let answer = door.list_approvals(page(2, &token)).await.unwrap().into_inner();
        assert_eq!(answer.approvals.len(), expected);
        assert!(answer.approvals.iter().all(|approval| approval.token_id == "7" && approval.approved));
        blocks.extend(answer.approvals.into_iter().map(|approval| approval.block.unwrap().number));
        token = answer.next_page_token;
    }
    assert_eq!(blocks, [13, 11, 11, 10]);
    assert_eq!(token, "", "there is no third page");
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let db = testkit::database(&MIGRATOR).await;
    let door = Door { db: db.pool.clone() };
    let problem = async |request| Problem::from(&door.list_approvals(request).await.unwrap_err());
    let bad = problem(page(2, "nonsense")).await;
    assert_eq!((bad.code, bad.reason.as_str()), (Code::BadInput, "BAD_CURSOR"));
    for size in [0, -1, 101] {
        assert_eq!(problem(page(size, "")).await.violations[0].path, "page_size");
    }
}
