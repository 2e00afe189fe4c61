//! Wallets that are contracts: somebody else's transaction carries what they do, and its logs tell.

use abi::launchpad::{VitrineCollection, VitrineERC721};
use alloy::{
    primitives::{Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use ids::{IntentId, UserId};
use proto::{
    common::v1::TokenStandard,
    orchestrator::v1::{IntentStatus, PrepareMint721Request, Step},
};
use rpc::Problem;
use serde_json::json;

use crate::rig::{Rig, User, address};

sol! {
    function execute(address target, uint256 value, bytes data) external returns (bytes memory);
}

/// A user whose wallet is a contract that this key owns.
async fn with_contract(rig: &Rig, key: &User) -> User {
    let owner = address(&key.address).abi_encode();
    let code = [testkit::trial_contract("OwnedWallet").as_ref(), &owner].concat();
    let wallet = format!("{:#x}", rig.chain.deploy(code.into()).await.0);
    rig.chain.rpc("anvil_setBalance", json!([wallet, "0x56bc75e2d63100000"])).await;
    let user_id = UserId::new().to_string();
    rig.world.wallets.lock().unwrap().push((user_id.clone(), wallet.clone()));
    let caller = proto::common::v1::Caller { user_id, ..key.caller.clone() };
    User { caller, n: key.n, address: wallet }
}

/// The key has its wallet do what was prepared.
async fn execute(rig: &Rig, key: &User, wallet: &User, step: &Step) -> String {
    let prepared = step.transaction.as_ref().unwrap();
    let value = amounts::parse(&prepared.value).unwrap();
    let call = executeCall { target: address(&prepared.to), value, data: prepared.data.clone().into() };
    let data = Bytes::from(call.abi_encode());
    let sent = json!([{ "from": key.address, "to": wallet.address, "data": data, "gas": "0x200000" }]);
    rig.chain.rpc("eth_sendTransaction", sent).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_contract_account_does_is_found_in_the_receipt_of_whoever_carried_it() {
    let rig = Rig::start().await;
    let key = rig.user(1).await;
    let wallet = with_contract(&rig, &key).await;
    let mut create = rig.create(&wallet, wallet.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let (intent, step) = (create.intent.unwrap(), create.steps.remove(0));
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    let hash = execute(&rig, &key, &wallet, &step).await;
    let waiting = rig.track(&wallet, &intent, &hash).await.unwrap();
    assert_eq!(waiting.status(), IntentStatus::Submitted);
    rig.chain.mine(1).await;
    let confirmed = rig.reaches(&wallet, &intent, IntentStatus::Confirmed).await;
    let collection = confirmed.contract.unwrap();
    assert_eq!(collection.address, intent.preview_address);

    rig.chain.rpc("evm_setAutomine", json!([true])).await;
    let mint = async |quantity: u32| {
        let request = PrepareMint721Request {
            request_id: IntentId::new().to_string(),
            collection: Some(collection.clone()),
            minter: wallet.address.clone(),
            quantity,
            ..PrepareMint721Request::default()
        };
        let mut mint = rig.mints().prepare_mint721(wallet.says(request)).await.unwrap().into_inner();
        (mint.intent.unwrap(), mint.steps.remove(0))
    };
    let (two, step) = mint(2).await;
    let (three, _) = mint(3).await;
    let hash = execute(&rig, &key, &wallet, &step).await;
    // Two minted are not three.
    let problem = Problem::from(&rig.track(&wallet, &three, &hash).await.unwrap_err());
    assert_eq!(problem.reason, "TX_MISMATCH");
    rig.track(&wallet, &two, &hash).await.unwrap();
    let confirmed = rig.reaches(&wallet, &two, IntentStatus::Confirmed).await;
    assert_eq!(confirmed.tokens.len(), 2);
    // What carries one intent of a wallet carries no other one of it.
    let (again, _) = mint(2).await;
    let problem = Problem::from(&rig.track(&wallet, &again, &hash).await.unwrap_err());
    assert_eq!(problem.reason, "TX_MISMATCH");
    rig.end().await;
}

#[tokio::test]
async fn what_the_account_did_not_do_is_a_mismatch_and_what_it_tried_is_a_failure() {
    let rig = Rig::start().await;
    let (key, creator) = (rig.user(1).await, rig.user(2).await);
    let wallet = with_contract(&rig, &key).await;
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let request = PrepareMint721Request {
        request_id: "mint".into(),
        collection: Some(collection.clone()),
        minter: wallet.address.clone(),
        quantity: 1,
        ..PrepareMint721Request::default()
    };
    let mut mint = rig.mints().prepare_mint721(wallet.says(request)).await.unwrap().into_inner();
    let (intent, step) = (mint.intent.unwrap(), mint.steps.remove(0));
    // Somebody mints a token to the wallet: the right effect, and none of the wallet's doing.
    let gift = VitrineERC721::mintCall {
        to: address(&wallet.address),
        quantity: U256::from(1),
        stageId: U256::ZERO,
        proof: vec![],
    };
    let data = Bytes::from(gift.abi_encode());
    let sent = json!([{
        "from": key.address, "to": collection.address, "data": data, "value": "0xde0b6b3a7640000", "gas": "0x200000"
    }]);
    let gift = rig.chain.rpc("eth_sendTransaction", sent).await;
    let problem = Problem::from(&rig.track(&wallet, &intent, gift.as_str().unwrap()).await.unwrap_err());
    assert_eq!(problem.reason, "TX_MISMATCH");
    assert!(problem.message.contains("does nothing in it"), "{}", problem.message);

    let pause = Bytes::from(VitrineCollection::pauseCall {}.abi_encode());
    let sent = json!([{ "from": creator.address, "to": collection.address, "data": pause }]);
    rig.receipt(rig.chain.rpc("eth_sendTransaction", sent).await.as_str().unwrap()).await;
    let hash = execute(&rig, &key, &wallet, &step).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x0");
    rig.track(&wallet, &intent, &hash).await.unwrap();
    let failed = rig.reaches(&wallet, &intent, IntentStatus::Failed).await;
    assert_eq!(failed.error_code, "TX_WILL_FAIL");
    rig.end().await;
}

#[tokio::test]
async fn nothing_of_a_contract_account_is_refused_before_its_receipt_is_deep() {
    let rig = Rig::start_deep(3).await;
    let key = rig.user(1).await;
    let wallet = with_contract(&rig, &key).await;
    let mut create = rig.create(&wallet, wallet.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let (intent, step) = (create.intent.unwrap(), create.steps.remove(0));
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    // Whether this is the wallet's doing, only its receipt could tell.
    let plain = json!([{ "from": key.address, "to": key.address, "value": "0x1", "gas": "0x5208" }]);
    let plain = rig.chain.rpc("eth_sendTransaction", plain).await.as_str().unwrap().to_owned();
    assert_eq!(rig.track(&wallet, &intent, &plain).await.unwrap().status(), IntentStatus::Submitted);
    rig.chain.mine(2).await;
    assert_eq!(rig.track(&wallet, &intent, &plain).await.unwrap().status(), IntentStatus::Submitted);
    rig.chain.mine(1).await;
    let refused = rig.reaches(&wallet, &intent, IntentStatus::Prepared).await;
    assert_eq!(refused.error_code, "TX_MISMATCH");
    let problem = Problem::from(&rig.track(&wallet, &intent, &plain).await.unwrap_err());
    assert!(problem.message.contains("does nothing in it"), "{}", problem.message);

    // What was refused on the word of a chain that is no more is judged anew.
    let hash = execute(&rig, &key, &wallet, &step).await;
    rig.track(&wallet, &intent, &hash).await.unwrap();
    sqlx::query("update tx_candidates set state = 'REFUSED' where tx_hash = $1")
        .bind(&hash)
        .execute(&rig.db.pool)
        .await
        .unwrap();
    rig.track(&wallet, &intent, &hash).await.unwrap();
    rig.chain.mine(3).await;
    rig.reaches(&wallet, &intent, IntentStatus::Confirmed).await;
    rig.end().await;
}
