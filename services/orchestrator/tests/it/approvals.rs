//! Approvals, given and taken back, at contracts of any standard, whoever wrote them.

use abi::{
    launchpad::{PlainERC721, VitrineERC1155},
    standards::{Erc20, Erc721, Erc1155},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use futures::future::join_all;
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1::{
        IntentKind, PrepareApproveRequest, PrepareApproveResponse, PrepareRevokeApprovalRequest,
        PrepareRevokeApprovalResponse, market_orchestrator_service_client::MarketOrchestratorServiceClient,
    },
};
use rpc::{Channel, Code, Problem};
use serde_json::json;
use tonic::{Response, Status};

use crate::rig::{CHAIN, Rig, User, address};

const OPERATOR: &str = "0x00000000000000000000000000000000000000ab";

fn market(rig: &Rig) -> MarketOrchestratorServiceClient<Channel> {
    MarketOrchestratorServiceClient::new(rig.channel("gateway"))
}

fn at(contract: Address) -> ContractRef {
    ContractRef { chain_id: CHAIN.into(), address: format!("{contract:#x}") }
}

fn approval(owner: &User, contract: &ContractRef) -> PrepareApproveRequest {
    PrepareApproveRequest {
        request_id: format!("approve {}", ids::IntentId::new()),
        contract: Some(contract.clone()),
        owner: owner.address.clone(),
        operator: OPERATOR.into(),
        ..PrepareApproveRequest::default()
    }
}

fn revocation(owner: &User, contract: &ContractRef) -> PrepareRevokeApprovalRequest {
    PrepareRevokeApprovalRequest {
        request_id: format!("revoke {}", ids::IntentId::new()),
        contract: Some(contract.clone()),
        owner: owner.address.clone(),
        operator: OPERATOR.into(),
        token_id: String::new(),
    }
}

async fn approve(
    rig: &Rig,
    user: &User,
    request: PrepareApproveRequest,
) -> Result<PrepareApproveResponse, Status> {
    market(rig).prepare_approve(user.says(request)).await.map(Response::into_inner)
}

async fn revoke(
    rig: &Rig,
    user: &User,
    request: PrepareRevokeApprovalRequest,
) -> Result<PrepareRevokeApprovalResponse, Status> {
    market(rig).prepare_revoke_approval(user.says(request)).await.map(Response::into_inner)
}

async fn send_as(rig: &Rig, user: &User, to: &ContractRef, call: impl SolCall) {
    let data = Bytes::from(call.abi_encode());
    let transaction = json!({ "from": user.address, "to": to.address, "data": data });
    let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    assert_eq!(rig.receipt(hash.as_str().unwrap()).await["status"], "0x1");
}

async fn carried_out(rig: &Rig, step: &proto::orchestrator::v1::Step) {
    assert!(step.simulated);
    let hash = rig.send(step).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
}

/// A collection that no factory of ours made, with token 1 of the user.
async fn foreign(rig: &Rig, user: &User) -> ContractRef {
    let plain = abi::artifact("PlainERC721").unwrap();
    let code = [plain.to_vec(), ("P".to_owned(), "P".to_owned()).abi_encode_params()].concat();
    let collection = at(rig.chain.deploy(code.into()).await.0);
    send_as(rig, user, &collection, PlainERC721::mintCall { to: address(&user.address) }).await;
    collection
}

#[tokio::test]
async fn one_token_of_a_foreign_collection_is_approved_and_taken_back() {
    let rig = Rig::start().await;
    let (owner, other) = (rig.user(1).await, rig.user(2).await);
    let collection = foreign(&rig, &owner).await;
    let token = async || {
        let minted = rig.view(&collection.address, PlainERC721::totalMintedCall {}).await;
        assert!(minted > U256::ZERO);
        let first = rig.view(&collection.address, Erc721::ownerOfCall { tokenId: minted }).await;
        assert_eq!(first, address(&owner.address));
        minted
    };
    let id = token().await;
    let approved = async || rig.view(&collection.address, Erc721::getApprovedCall { tokenId: id }).await;
    let wanted = || PrepareApproveRequest { token_id: id.to_string(), ..approval(&owner, &collection) };

    let prepared = approve(&rig, &owner, wanted()).await.unwrap();
    let intent = prepared.intent.unwrap();
    assert_eq!(intent.kind(), IntentKind::Approve);
    assert_eq!(intent.contract.unwrap().address, collection.address);
    assert!(prepared.steps[0].description.contains("not the exchange"), "{}", prepared.steps[0].description);
    carried_out(&rig, &prepared.steps[0]).await;
    assert_eq!(approved().await, address(OPERATOR));
    let again = approve(&rig, &owner, wanted()).await.unwrap();
    assert!(again.steps[0].title.contains("changes nothing"), "{}", again.steps[0].title);

    let stranger = PrepareApproveRequest { owner: other.address.clone(), ..wanted() };
    let problem = Problem::from(&approve(&rig, &other, stranger).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "NOT_OWNER"));
    let missing = PrepareApproveRequest { token_id: "999".into(), ..wanted() };
    assert_eq!(Problem::from(&approve(&rig, &owner, missing).await.unwrap_err()).reason, "NOT_OWNER");

    let wanted =
        || PrepareRevokeApprovalRequest { token_id: id.to_string(), ..revocation(&owner, &collection) };
    let wrong = PrepareRevokeApprovalRequest { operator: format!("0x{:040x}", 5), ..wanted() };
    assert_eq!(Problem::from(&revoke(&rig, &owner, wrong).await.unwrap_err()).reason, "CONFLICT");
    let prepared = revoke(&rig, &owner, wanted()).await.unwrap();
    assert_eq!(prepared.intent.unwrap().kind(), IntentKind::RevokeApproval);
    carried_out(&rig, &prepared.steps[0]).await;
    assert_eq!(approved().await, Address::ZERO);
    let again = revoke(&rig, &owner, wanted()).await.unwrap();
    assert!(again.steps[0].title.contains("changes nothing"), "{}", again.steps[0].title);
    rig.end().await;
}

#[tokio::test]
async fn all_tokens_of_either_standard_are_approved_and_taken_back() {
    let rig = Rig::start().await;
    let owner = rig.user(1).await;
    let multi = rig.collection(&owner, owner.wants_collection("a", TokenStandard::Erc1155)).await;
    let foreign = foreign(&rig, &owner).await;
    for collection in [&multi, &foreign] {
        let is_approved = async || {
            let call = Erc1155::isApprovedForAllCall {
                account: address(&owner.address),
                operator: address(OPERATOR),
            };
            rig.view(&collection.address, call).await
        };
        let prepared = approve(&rig, &owner, approval(&owner, collection)).await.unwrap();
        carried_out(&rig, &prepared.steps[0]).await;
        assert!(is_approved().await);
        let prepared = revoke(&rig, &owner, revocation(&owner, collection)).await.unwrap();
        carried_out(&rig, &prepared.steps[0]).await;
        assert!(!is_approved().await);
    }
    // One id of an ERC-1155 cannot be approved, and no collection has amounts.
    let one = PrepareApproveRequest { token_id: "1".into(), ..approval(&owner, &multi) };
    let problem = Problem::from(&approve(&rig, &owner, one).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "token_id");
    let amount = PrepareApproveRequest { amount: "1".into(), ..approval(&owner, &multi) };
    let problem = Problem::from(&approve(&rig, &owner, amount).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "amount");
    let supply = rig.view(&multi.address, VitrineERC1155::totalSupplyCall { id: U256::from(1) }).await;
    assert_eq!(supply, U256::ZERO);
    rig.end().await;
}

#[tokio::test]
async fn an_allowance_of_the_largest_amount_is_given_and_taken_back() {
    let rig = Rig::start().await;
    let owner = rig.user(1).await;
    let coin = at(rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await.0);
    let allowance = async || {
        let call = Erc20::allowanceCall { owner: address(&owner.address), spender: address(OPERATOR) };
        rig.view(&coin.address, call).await
    };
    let most = PrepareApproveRequest { amount: U256::MAX.to_string(), ..approval(&owner, &coin) };
    let prepared = approve(&rig, &owner, most).await.unwrap();
    carried_out(&rig, &prepared.steps[0]).await;
    assert_eq!(allowance().await, U256::MAX);
    let prepared = revoke(&rig, &owner, revocation(&owner, &coin)).await.unwrap();
    carried_out(&rig, &prepared.steps[0]).await;
    assert_eq!(allowance().await, U256::ZERO);
    let problem = Problem::from(&approve(&rig, &owner, approval(&owner, &coin)).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "amount");
    rig.end().await;
}

#[tokio::test]
async fn what_is_no_token_contract_is_unknown_whatever_it_answers() {
    let rig = Rig::start().await;
    let owner = rig.user(1).await;
    let reason = async |request: PrepareApproveRequest| {
        Problem::from(&approve(&rig, &owner, request).await.unwrap_err()).reason
    };
    for name in ["HostileTrue", "HostileLoop", "HostileHuge", "HostileRevert", "HostileEmpty", "HostileDirty"]
    {
        let contract = at(rig.chain.deploy(testkit::trial_contract(name)).await.0);
        let request = PrepareApproveRequest { amount: "1".into(), ..approval(&owner, &contract) };
        assert_eq!(reason(request).await, "CONTRACT_UNKNOWN", "{name}");
    }
    let nobody = at(address(&format!("0x{:040x}", 77)));
    for contract in [&nobody, &at(address(&owner.address))] {
        assert_eq!(reason(approval(&owner, contract)).await, "CONTRACT_UNKNOWN");
    }
    let itself = PrepareApproveRequest { operator: owner.address.clone(), ..approval(&owner, &nobody) };
    assert_eq!(reason(itself).await, "VALIDATION_FAILED");
    let zero = PrepareApproveRequest { operator: format!("0x{:040x}", 0), ..approval(&owner, &nobody) };
    assert_eq!(reason(zero).await, "VALIDATION_FAILED");
    let count: i64 =
        sqlx::query_scalar("select count(*) from tx_intents").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(count, 0);
    rig.end().await;
}

#[tokio::test]
async fn eight_clients_with_one_key_get_one_approval_and_one_revocation() {
    let rig = Rig::start().await;
    let owner = rig.user(1).await;
    let collection = foreign(&rig, &owner).await;
    let request = PrepareApproveRequest { request_id: "one".into(), ..approval(&owner, &collection) };
    let answers = join_all((0..8).map(|_| approve(&rig, &owner, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    let other = PrepareApproveRequest { operator: format!("0x{:040x}", 5), ..request.clone() };
    assert_eq!(Problem::from(&approve(&rig, &owner, other).await.unwrap_err()).reason, "CONFLICT");

    let request =
        PrepareRevokeApprovalRequest { request_id: "two".into(), ..revocation(&owner, &collection) };
    let answers = join_all((0..8).map(|_| revoke(&rig, &owner, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    // One key is one request, of whichever kind.
    let taken = PrepareRevokeApprovalRequest { request_id: "one".into(), ..request };
    assert_eq!(Problem::from(&revoke(&rig, &owner, taken).await.unwrap_err()).reason, "CONFLICT");

    let count: i64 =
        sqlx::query_scalar("select count(*) from tx_intents").fetch_one(&rig.db.pool).await.unwrap();
    let audited = "select count(*) from session_intent_audit where session_id = $1";
    let session = &owner.caller.session_id;
    let audited: i64 = sqlx::query_scalar(audited).bind(session).fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!((count, audited), (2, 2));
    rig.end().await;
}
