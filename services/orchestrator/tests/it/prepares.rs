//! Preparing: what is signed is right, one request id is one intent, and what cannot work says why.

use std::sync::atomic::Ordering;

use abi::launchpad::{VitrineCollection, VitrineERC721, VitrineERC1155};
use alloy::{
    primitives::{B256, U256, keccak256},
    sol_types::{SolCall, SolValue},
};
use futures::future::join_all;
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1::{IntentStatus, PrepareMint721Request, PrepareMint1155Request},
};
use rpc::{Code, Problem};
use serde_json::json;

use crate::rig::{CHAIN, Rig, User, address, public_stage};

fn mint721(user: &User, collection: &ContractRef, quantity: u32) -> PrepareMint721Request {
    PrepareMint721Request {
        request_id: format!("mint {quantity} {}", ids::IntentId::new()),
        collection: Some(collection.clone()),
        minter: user.address.clone(),
        recipient: String::new(),
        quantity,
        proof: vec![],
        ..PrepareMint721Request::default()
    }
}

#[tokio::test]
async fn auth_is_told_what_a_session_prepares_and_is_not_waited_for() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let prepared = rig
        .create(&user, user.wants_collection("key-1", TokenStandard::Erc721))
        .await
        .unwrap()
        .intent
        .unwrap();
    let notes = rig.world.notes.lock().unwrap().clone();
    assert_eq!(notes.len(), 1);
    assert_eq!((&notes[0].session_id, &notes[0].user_id), (&user.caller.session_id, &user.caller.user_id));
    assert_eq!((notes[0].chain_id.as_str(), notes[0].kind.as_str()), (CHAIN, "CREATE_COLLECTION"));
    assert_eq!(notes[0].intent_id, prepared.intent_id);

    // It never answers again: whoever waits for it waits for ever.
    rig.world.is_auth_down.store(true, Ordering::SeqCst);
    let asked = rig.create(&user, user.wants_collection("key-2", TokenStandard::Erc721));
    let answered = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    answered.expect("the answer does not wait for auth's").unwrap();
    assert_eq!(rig.world.notes.lock().unwrap().len(), 1);
    rig.end().await;
}

async fn refusal(rig: &Rig, user: &User, request: PrepareMint721Request) -> Problem {
    Problem::from(&rig.mints().prepare_mint721(user.says(request)).await.unwrap_err())
}

#[tokio::test]
async fn eight_clients_with_one_key_get_one_intent_and_one_calldata() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let request = || user.wants_collection("key-1", TokenStandard::Erc721);
    let answers = join_all((0..8).map(|_| rig.create(&user, request()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    let count: i64 =
        sqlx::query_scalar("select count(*) from tx_intents").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(count, 1);

    let mut other = request();
    other.name = "Sunrises".into();
    let problem = Problem::from(&rig.create(&user, other).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));

    // The key is the user's own: another user's is another intent.
    let stranger = rig.user(2).await;
    let theirs =
        rig.create(&stranger, stranger.wants_collection("key-1", TokenStandard::Erc721)).await.unwrap();
    assert_ne!(theirs.intent.unwrap().intent_id, answers[0].intent.as_ref().unwrap().intent_id);

    // A repetition is answered when the request would not be possible any more.
    rig.world.is_disabled.store(true, Ordering::SeqCst);
    assert_eq!(&rig.create(&user, request()).await.unwrap(), &answers[0]);
    rig.end().await;
}

#[tokio::test]
async fn a_create_predicts_the_address_that_the_chain_gives() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    for (key, standard) in [("a", TokenStandard::Erc721), ("b", TokenStandard::Erc1155)] {
        let prepared = rig.create(&user, user.wants_collection(key, standard)).await.unwrap();
        let intent = prepared.intent.clone().unwrap();
        assert_eq!(intent.status(), IntentStatus::Prepared);
        let step = &prepared.steps[0];
        let transaction = step.transaction.as_ref().unwrap();
        assert!(step.simulated && transaction.from == user.address && transaction.value == "0");
        assert_eq!(address(&transaction.to), rig.deployed.factory);
        let hash = rig.send(step).await;
        let receipt = rig.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1");
        let owner = rig.view(&intent.preview_address, VitrineCollection::ownerCall {}).await;
        assert_eq!(owner, address(&user.address));
        let name = rig.view(&intent.preview_address, VitrineCollection::nameCall {}).await;
        assert_eq!(name, "Sunsets");
        // What live updates are made of says it as well.
        let told: Option<String> = sqlx::query_scalar(
            "select body #>> '{data,previewAddress}' from outbox
             where message_id = 'intent/' || $1 || '/1'",
        )
        .bind(&intent.intent_id)
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
        assert_eq!(told, Some(intent.preview_address));
    }
    rig.end().await;
}

#[tokio::test]
async fn each_wrong_field_is_named_at_once_and_nothing_is_stored() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let mut request = user.wants_collection("key", TokenStandard::Unspecified);
    request.max_supply = "-1".into();
    request.royalty_recipient = "0x12".into();
    request.stages[0].price_raw = "1.5".into();
    let problem = Problem::from(&rig.create(&user, request).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "VALIDATION_FAILED"));
    let paths: Vec<&str> = problem.violations.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["standard", "royalty_recipient", "max_supply", "stages[0].price_raw"]);

    let mut request = user.wants_collection("key", TokenStandard::Erc721);
    request.name = String::new();
    let problem = Problem::from(&rig.create(&user, request).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "name");
    let problem = Problem::from(
        &rig.create(&user, user.wants_collection("", TokenStandard::Erc721)).await.unwrap_err(),
    );
    assert_eq!(problem.violations[0].path, "request_id");
    let count: i64 =
        sqlx::query_scalar("select count(*) from tx_intents").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(count, 0);
    rig.end().await;
}

#[tokio::test]
async fn a_wallet_of_somebody_else_a_disabled_chain_and_a_wrong_peer_are_refused() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    let problem = Problem::from(
        &rig.create(&user, other.wants_collection("key", TokenStandard::Erc721)).await.unwrap_err(),
    );
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Forbidden, "FORBIDDEN"));

    let mut request = user.wants_collection("key", TokenStandard::Erc721);
    request.chain_id = "eip155:5".into();
    let problem = Problem::from(&rig.create(&user, request).await.unwrap_err());
    assert_eq!(problem.reason, "CHAIN_DISABLED");

    // Nobody but the gateway prepares, and nobody but subs-worker resolves.
    let mut client =
        proto::orchestrator::v1::collection_orchestrator_service_client::CollectionOrchestratorServiceClient::new(
            rig.channel("catalog"),
        );
    let request = user.says(user.wants_collection("key", TokenStandard::Erc721));
    let status = client.prepare_create_collection(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let told = proto::orchestrator::v1::ResolveIntentRequest::default();
    let status = rig.intents("gateway").resolve_intent(told).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    rig.end().await;
}

#[tokio::test]
async fn a_mint_of_either_standard_costs_what_its_stage_says() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("721", TokenStandard::Erc721)).await;
    let prepared = rig
        .mints()
        .prepare_mint721(minter.says(mint721(&minter, &collection, 3)))
        .await
        .unwrap()
        .into_inner();
    let transaction = prepared.steps[0].transaction.clone().unwrap();
    assert_eq!(transaction.value, "3000000000000000000");
    let call = VitrineERC721::mintCall::abi_decode(&transaction.data).unwrap();
    assert_eq!((call.to, call.quantity, call.stageId), (address(&minter.address), U256::from(3), U256::ZERO));
    let hash = rig.send(&prepared.steps[0]).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
    let total = rig.view(&collection.address, VitrineERC721::totalSupplyCall {}).await;
    assert_eq!(total, U256::from(3));

    let collection = rig.collection(&creator, creator.wants_collection("1155", TokenStandard::Erc1155)).await;
    let token_id = U256::MAX;
    let request = PrepareMint1155Request {
        request_id: "mint 1155".into(),
        collection: Some(collection.clone()),
        minter: minter.address.clone(),
        recipient: creator.address.clone(),
        token_id: token_id.to_string(),
        quantity: "5".into(),
        proof: vec![],
        ..PrepareMint1155Request::default()
    };
    let prepared = rig.mints().prepare_mint1155(minter.says(request.clone())).await.unwrap().into_inner();
    assert_eq!(prepared.steps[0].transaction.as_ref().unwrap().value, "5000000000000000000");
    let hash = rig.send(&prepared.steps[0]).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
    let minted = rig.view(&collection.address, VitrineERC1155::totalMintedCall { id: token_id }).await;
    assert_eq!(minted, U256::from(5));

    // A collection of one standard is not minted from as the other.
    let problem = refusal(&rig, &minter, mint721(&minter, &collection, 1)).await;
    assert_eq!(
        (problem.reason.as_str(), problem.violations[0].path.as_str()),
        ("VALIDATION_FAILED", "collection")
    );
    rig.end().await;
}

#[tokio::test]
async fn what_a_collection_would_refuse_is_a_typed_problem_before_anything_is_signed() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let reason = async |collection: &ContractRef, quantity: u32| {
        refusal(&rig, &minter, mint721(&minter, collection, quantity)).await.reason
    };
    let mut request = creator.wants_collection("limited", TokenStandard::Erc721);
    request.max_supply = "4".into();
    let collection = rig.collection(&creator, request).await;
    assert_eq!(reason(&collection, 6).await, "MINT_LIMIT_REACHED");
    assert_eq!(reason(&collection, 5).await, "SOLD_OUT");
    assert_eq!(reason(&collection, 0).await, "VALIDATION_FAILED");

    let mut request = creator.wants_collection("closed", TokenStandard::Erc721);
    request.stages.clear();
    let collection = rig.collection(&creator, request).await;
    assert_eq!(reason(&collection, 1).await, "MINT_NOT_OPEN");

    let mut request = creator.wants_collection("dear", TokenStandard::Erc721);
    request.stages[0].price_raw = U256::MAX.to_string();
    let collection = rig.collection(&creator, request).await;
    assert_eq!(reason(&collection, 1).await, "INSUFFICIENT_BALANCE");

    // What no rule foresees is found by the simulation, and said in the contract's words.
    let collection = rig.collection(&creator, creator.wants_collection("open", TokenStandard::Erc721)).await;
    let recipient = format!("{:#x}", rig.deployed.factory);
    let problem =
        refusal(&rig, &minter, PrepareMint721Request { recipient, ..mint721(&minter, &collection, 1) }).await;
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "TX_WILL_FAIL"));
    let words = format!(
        "the recipient is a contract that takes no tokens: ERC721InvalidReceiver(receiver: {:#x})",
        rig.deployed.factory
    );
    assert_eq!(problem.message, words);
    assert_eq!(problem.violations[1].path, "revert_data");

    // A contract that is none of ours, and an account without any code.
    let plain = abi::artifact("PlainERC721").unwrap();
    let code = [plain.to_vec(), ("P".to_owned(), "P".to_owned()).abi_encode_params()].concat();
    let (foreign, _) = rig.chain.deploy(code.into()).await;
    for stranger in [format!("{foreign:#x}"), minter.address.clone()] {
        let collection = ContractRef { chain_id: CHAIN.into(), address: stranger };
        assert_eq!(reason(&collection, 1).await, "CONTRACT_UNKNOWN");
    }
    rig.end().await;
}

#[tokio::test]
async fn a_proof_opens_the_cheaper_stage_of_its_list_though_a_public_one_is_open_too() {
    let rig = Rig::start().await;
    let (creator, listed, other) = (rig.user(1).await, rig.user(2).await, rig.user(3).await);
    let leaf = |user: &User| keccak256(keccak256(address(&user.address).abi_encode()));
    let (a, b) = (leaf(&creator), leaf(&listed));
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let root: B256 = keccak256([low.as_slice(), high.as_slice()].concat());
    let list = proto::orchestrator::v1::MintStage {
        kind: "allowlist".into(),
        allowlist_root: root.to_vec(),
        ..public_stage("1")
    };
    let mut request = creator.wants_collection("listed", TokenStandard::Erc721);
    request.stages.push(list.clone());
    let both = rig.collection(&creator, request).await;
    let proven = PrepareMint721Request { proof: vec![a.to_vec()], ..mint721(&listed, &both, 2) };
    let prepared = rig.mints().prepare_mint721(listed.says(proven)).await.unwrap().into_inner();
    let transaction = prepared.steps[0].transaction.as_ref().unwrap();
    let call = VitrineERC721::mintCall::abi_decode(&transaction.data).unwrap();
    assert_eq!((call.stageId, transaction.value.as_str()), (U256::from(1), "2"));

    let mut request = creator.wants_collection("list only", TokenStandard::Erc721);
    request.stages = vec![list];
    let only = rig.collection(&creator, request).await;
    assert_eq!(refusal(&rig, &listed, mint721(&listed, &only, 1)).await.reason, "NOT_ALLOWLISTED");
    let stolen = PrepareMint721Request { proof: vec![a.to_vec()], ..mint721(&other, &only, 1) };
    assert_eq!(refusal(&rig, &other, stolen).await.reason, "NOT_ALLOWLISTED");
    rig.end().await;
}

#[tokio::test]
async fn a_registered_factory_that_is_none_is_unknown_and_nothing_is_stored() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let revert = "0x60006000fd";
    rig.chain.rpc("anvil_setCode", json!([format!("{:#x}", rig.deployed.factory), revert])).await;
    let status = rig.create(&user, user.wants_collection("key", TokenStandard::Erc721)).await.unwrap_err();
    let problem = Problem::from(&status);
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "CONTRACT_UNKNOWN"));
    let count: i64 =
        sqlx::query_scalar("select count(*) from tx_intents").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(count, 0);
    rig.end().await;
}
