//! Minting: the best stage for the wallet, proofs of stored lists, a creator's own mints, and what stands in the way.

use abi::launchpad::{Stage, VitrineCollection, VitrineERC721};
use alloy::{
    primitives::{Bytes, U256},
    sol_types::SolCall,
};
use futures::future::join_all;
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1::{
        GetMintEligibilityRequest, MintEligibility, MintStage, PrepareMint721Request, PrepareMint1155Request,
        PutAllowlistRequest, allowlist_service_client::AllowlistServiceClient,
    },
};
use rpc::{Code, Problem};
use serde_json::json;
use tonic::Status;

use crate::rig::{CHAIN, Rig, User, WITHIN, address, public_stage};

const COIN: &str = "1000000000000000000";

fn mint721(user: &User, collection: &ContractRef, quantity: u32) -> PrepareMint721Request {
    PrepareMint721Request {
        request_id: format!("mint {}", ids::IntentId::new()),
        collection: Some(collection.clone()),
        minter: user.address.clone(),
        quantity,
        ..PrepareMint721Request::default()
    }
}

async fn problem_of(rig: &Rig, user: &User, request: PrepareMint721Request) -> Problem {
    Problem::from(&rig.mints().prepare_mint721(user.says(request)).await.unwrap_err())
}

async fn eligibility(
    rig: &Rig,
    user: &User,
    change: impl FnOnce(&mut GetMintEligibilityRequest),
    collection: &ContractRef,
) -> Result<MintEligibility, Status> {
    let mut request = GetMintEligibilityRequest {
        collection: Some(collection.clone()),
        wallet: user.address.clone(),
        ..GetMintEligibilityRequest::default()
    };
    change(&mut request);
    let answer = rig.mints().get_mint_eligibility(user.says(request)).await?;
    Ok(answer.into_inner().eligibility.unwrap())
}

/// What the owner of a collection does to it.
async fn owner_does(rig: &Rig, owner: &User, collection: &ContractRef, call: impl SolCall) {
    let data = Bytes::from(call.abi_encode());
    let transaction = json!({ "from": owner.address, "to": collection.address, "data": data });
    let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    assert_eq!(rig.receipt(hash.as_str().unwrap()).await["status"], "0x1");
}

#[tokio::test]
async fn the_proof_of_a_stored_list_is_found_and_holds_for_its_wallets_alone() {
    let rig = Rig::start().await;
    let (creator, listed, other) = (rig.user(1).await, rig.user(2).await, rig.user(3).await);
    let addresses = vec![creator.address.clone(), listed.address.clone(), format!("0x{:040x}", 7)];
    let request = PutAllowlistRequest { name: "friends".into(), addresses };
    let mut lists = AllowlistServiceClient::new(rig.channel("gateway"));
    let list = lists.put_allowlist(creator.says(request)).await.unwrap().into_inner().allowlist.unwrap();
    let stage = MintStage { kind: "allowlist".into(), allowlist_root: list.root, ..public_stage("7") };
    let unknown = MintStage { allowlist_root: vec![9; 32], ..stage.clone() };

    let mut request = creator.wants_collection("listed", TokenStandard::Erc721);
    request.stages = vec![stage];
    let collection = rig.collection(&creator, request).await;
    let prepared = rig
        .mints()
        .prepare_mint721(listed.says(mint721(&listed, &collection, 2)))
        .await
        .unwrap()
        .into_inner();
    let told = prepared.eligibility.unwrap();
    assert!(told.eligible && told.listed && told.stage_kind == "allowlist" && told.price_raw == "7");
    assert_eq!((told.wallet_left.as_str(), told.supply_left.as_str()), ("5", "10"));
    let transaction = prepared.steps[0].transaction.as_ref().unwrap();
    let call = VitrineERC721::mintCall::abi_decode(&transaction.data).unwrap();
    assert_eq!(call.proof.iter().map(|node| node.to_vec()).collect::<Vec<_>>(), told.proof);
    assert_eq!(transaction.value, "14");
    let hash = rig.send(&prepared.steps[0]).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
    assert_eq!(eligibility(&rig, &listed, |_| (), &collection).await.unwrap().wallet_left, "3");

    assert_eq!(problem_of(&rig, &other, mint721(&other, &collection, 1)).await.reason, "NOT_ALLOWLISTED");
    let told = eligibility(&rig, &other, |_| (), &collection).await.unwrap();
    assert!(!told.eligible && !told.listed && told.proof.is_empty());
    assert_eq!((told.reason_code.as_str(), told.price_raw.as_str()), ("NOT_ALLOWLISTED", "7"));
    assert!(told.reason.contains(&other.address), "{}", told.reason);

    // A root that nobody stored is something else than not being on a list.
    let mut request = creator.wants_collection("unknown", TokenStandard::Erc721);
    request.stages = vec![unknown];
    let collection = rig.collection(&creator, request).await;
    let told = eligibility(&rig, &listed, |_| (), &collection).await.unwrap();
    assert!(told.reason_code == "NOT_ALLOWLISTED" && told.reason.contains("not stored"), "{told:?}");
    rig.end().await;
}

#[tokio::test]
async fn a_price_a_pause_and_an_empty_purse_are_told_before_anything_is_signed() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let mut request = creator.wants_collection("a", TokenStandard::Erc721);
    request.stages[0].max_supply = "3".into();
    let collection = rig.collection(&creator, request).await;
    let of = |quantity: u32, price: &str| PrepareMint721Request {
        expected_price_raw: price.into(),
        ..mint721(&minter, &collection, quantity)
    };
    assert_eq!(problem_of(&rig, &minter, of(1, "999999999999999999")).await.reason, "PRICE_CHANGED");
    let problem = problem_of(&rig, &minter, of(4, COIN)).await;
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "SOLD_OUT"));
    assert!(problem.message.contains("3 of 3 are left in this stage"), "{}", problem.message);
    rig.mints().prepare_mint721(minter.says(of(3, COIN))).await.unwrap();

    // One wei less than the price, and the price without what the gas may cost.
    let balance = |wei: u64| rig.chain.rpc("anvil_setBalance", json!([minter.address, format!("{wei:#x}")]));
    balance(999_999_999_999_999_999).await;
    let problem = problem_of(&rig, &minter, of(1, COIN)).await;
    assert_eq!(problem.reason, "INSUFFICIENT_BALANCE");
    assert!(problem.message.contains("holds 0.999999999999999999 "), "{}", problem.message);
    assert!(problem.message.contains("needs 1,"), "{}", problem.message);
    let told = eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
    assert_eq!((told.eligible, told.reason_code.as_str()), (false, "INSUFFICIENT_BALANCE"));
    assert_eq!(told.balance_raw, "999999999999999999");
    balance(1_000_000_000_000_000_000).await;
    let problem = problem_of(&rig, &minter, of(1, COIN)).await;
    assert_eq!(problem.reason, "INSUFFICIENT_BALANCE");
    assert!(problem.message.contains("1 to pay and at most 0.0"), "{}", problem.message);

    owner_does(&rig, &creator, &collection, VitrineCollection::pauseCall {}).await;
    assert_eq!(problem_of(&rig, &minter, of(1, "")).await.reason, "MINT_PAUSED");
    let told = eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
    assert!(told.paused && told.reason_code == "MINT_PAUSED");
    rig.end().await;
}

#[tokio::test]
async fn a_stage_that_is_to_come_tells_when_and_the_cheapest_open_one_is_taken() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let stage = |price: u64, starts_at: u64| Stage {
        kind: 1,
        price: U256::from(price),
        startsAt: starts_at,
        endsAt: 0,
        maxPerWallet: U256::ZERO,
        merkleRoot: Default::default(),
        maxSupply: U256::ZERO,
    };
    let later = 4_000_000_000;
    let stages = vec![stage(1, later + 1), stage(2, later)];
    owner_does(&rig, &creator, &collection, VitrineCollection::setStagesCall { newStages: stages }).await;
    let told = eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
    assert_eq!((told.reason_code.as_str(), told.stage_kind.as_str()), ("MINT_NOT_OPEN", ""));
    assert!(told.price_raw.is_empty() && !told.balance_raw.is_empty(), "{told:?}");
    assert_eq!(told.next_stage_time.map(|time| time.seconds), Some(4_000_000_000));
    assert_eq!(problem_of(&rig, &minter, mint721(&minter, &collection, 1)).await.reason, "MINT_NOT_OPEN");

    let stages = vec![stage(1, later), stage(5, 0), stage(3, 0), stage(4, 0)];
    owner_does(&rig, &creator, &collection, VitrineCollection::setStagesCall { newStages: stages }).await;
    let told =
        eligibility(&rig, &minter, |request| request.quantity = "2".into(), &collection).await.unwrap();
    assert_eq!((told.stage_index, told.price_raw.as_str(), told.wallet_left.as_str()), (2, "3", ""));
    let asked = minter.says(mint721(&minter, &collection, 2));
    let prepared = rig.mints().prepare_mint721(asked).await.unwrap().into_inner();
    assert_eq!(prepared.steps[0].transaction.as_ref().unwrap().value, "6");
    rig.end().await;
}

#[tokio::test]
async fn a_creator_mints_with_uris_of_their_own_and_nobody_else_does() {
    let rig = Rig::start().await;
    let (creator, stranger) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let uris = vec!["ipfs://one/1.json".to_owned(), "https://example.org/\u{1f305}.json".to_owned()];
    let of = |user: &User, quantity: u32| PrepareMint721Request {
        metadata_uris: uris.clone(),
        recipient: stranger.address.clone(),
        ..mint721(user, &collection, quantity)
    };
    let prepared = rig.mints().prepare_mint721(creator.says(of(&creator, 2))).await.unwrap().into_inner();
    let told = prepared.eligibility.unwrap();
    assert!(told.eligible && told.stage_kind.is_empty());
    assert_eq!(prepared.steps[0].transaction.as_ref().unwrap().value, "0");
    let hash = rig.send(&prepared.steps[0]).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
    for (id, uri) in (1_u64..).zip(&uris) {
        let call = VitrineERC721::tokenURICall { tokenId: U256::from(id) };
        assert_eq!(&rig.view(&collection.address, call).await, uri);
    }
    assert_eq!(problem_of(&rig, &stranger, of(&stranger, 2)).await.reason, "NOT_OWNER");
    let problem = problem_of(&rig, &creator, of(&creator, 3)).await;
    assert_eq!(
        (problem.reason.as_str(), problem.violations[0].path.as_str()),
        ("VALIDATION_FAILED", "quantity")
    );
    rig.end().await;
}

#[tokio::test]
async fn a_collection_that_is_still_being_made_says_so() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let prepared = rig.create(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    let collection = ContractRef { chain_id: CHAIN.into(), address: intent.preview_address.clone() };
    // What was only prepared may never be sent.
    let problem = problem_of(&rig, &minter, mint721(&minter, &collection, 1)).await;
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "CONTRACT_UNKNOWN"));

    rig.track(&creator, &intent, &format!("{:#066x}", 1)).await.unwrap();
    let problem = problem_of(&rig, &minter, mint721(&minter, &collection, 1)).await;
    assert_eq!(problem.reason, "MINT_NOT_OPEN");
    assert_eq!(problem.message, "the collection is still being made");
    let told = eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
    assert_eq!((told.eligible, told.reason_code.as_str()), (false, "MINT_NOT_OPEN"));
    assert_eq!((told.price_raw.as_str(), told.balance_raw.as_str()), ("", ""), "neither was read");
    rig.end().await;
}

#[tokio::test]
async fn stages_begin_and_end_by_the_clock_while_no_block_is_mined() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let stage = |price: u64, starts_at: u64, ends_at: u64| Stage {
        kind: 1,
        price: U256::from(price),
        startsAt: starts_at,
        endsAt: ends_at,
        maxPerWallet: U256::ZERO,
        merkleRoot: Default::default(),
        maxSupply: U256::ZERO,
    };
    let stages = vec![stage(5, now + 3, 0), stage(1, 0, now + 3)];
    owner_does(&rig, &creator, &collection, VitrineCollection::setStagesCall { newStages: stages }).await;
    let head = rig.chain.head().await;
    let told = testkit::eventually(WITHIN, "the next stage has begun", async || {
        let told = eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
        (told.price_raw == "5").then_some(told)
    });
    let told = told.await;
    assert_eq!((told.eligible, told.stage_index), (true, 0));
    let asked = minter.says(mint721(&minter, &collection, 1));
    let prepared = rig.mints().prepare_mint721(asked).await.unwrap().into_inner();
    assert_eq!(rig.chain.head().await, head, "no block was mined meanwhile");
    assert_eq!(prepared.steps[0].transaction.as_ref().unwrap().value, "5");
    let hash = rig.send(&prepared.steps[0]).await;
    assert_eq!(rig.receipt(&hash).await["status"], "0x1");
    rig.end().await;
}

#[tokio::test]
async fn a_factory_that_does_not_answer_hides_no_other_and_an_earlier_collection_is_told_as_one() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    rig.world.contracts.lock().unwrap().push(proto::chainregistry::v1::Contract {
        name: "another_factory".into(),
        address: format!("0x{:040x}", 77),
        standard: "factory".into(),
        ..Default::default()
    });
    testkit::eventually(WITHIN, "the other factory is known", async || {
        let request = creator.wants_collection(&ids::IntentId::new().to_string(), TokenStandard::Erc721);
        let refused = rig.create(&creator, request).await.err()?;
        (Problem::from(&refused).reason == "CONTRACT_UNKNOWN").then_some(())
    })
    .await;
    rig.mints().prepare_mint721(minter.says(mint721(&minter, &collection, 1))).await.unwrap();

    // Its implementation says nothing that today's say: one word, to every question.
    let code = "0x600160005260206000f3";
    rig.chain.rpc("anvil_setCode", json!([format!("{:#x}", rig.deployed.erc721), code])).await;
    let problem = problem_of(&rig, &minter, mint721(&minter, &collection, 1)).await;
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "CONTRACT_UNKNOWN"));
    assert!(problem.message.contains("earlier version of this launchpad"), "{}", problem.message);
    rig.end().await;
}

/// Answers `stages()` with 2,000 of them, and everything else with as many zeros as a `MintInfo` has.
fn many_stages() -> Bytes {
    let selector = VitrineCollection::stagesCall::SELECTOR;
    let is_stages =
        [vec![0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x63], selector.to_vec(), vec![0x14, 0x60, 0x13, 0x57]];
    let zeros = vec![0x61, 0x01, 0xe0, 0x5f, 0xf3];
    let (count, size) = (2_000_u16.to_be_bytes(), (64_u32 + 2_000 * 7 * 32).to_be_bytes());
    let array = [
        vec![0x5b, 0x60, 0x20, 0x5f, 0x52, 0x61],
        count.to_vec(),
        vec![0x60, 0x20, 0x52, 0x62],
        size[1..].to_vec(),
        vec![0x5f, 0xf3],
    ];
    [is_stages.concat(), zeros, array.concat()].concat().into()
}

#[tokio::test]
async fn a_contract_with_thousands_of_stages_costs_no_question_for_each() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let hostile = ContractRef { chain_id: CHAIN.into(), address: format!("0x{:040x}", 66) };
    rig.chain.rpc("anvil_setCode", json!([hostile.address, many_stages()])).await;
    let told = rig.view(&hostile.address, VitrineCollection::stagesCall {}).await;
    assert_eq!(told.len(), 2_000, "it does what it is for");

    let heard = testkit::Liar::before(&rig.chain.url).await;
    *rig.world.through.lock().unwrap() = heard.url.clone();
    testkit::eventually(WITHIN, "the chain is asked where it can be heard", async || {
        eligibility(&rig, &minter, |_| (), &collection).await.unwrap();
        (heard.asked() > 0).then_some(())
    })
    .await;
    let before = heard.asked();
    let problem = problem_of(&rig, &minter, mint721(&minter, &hostile, 1)).await;
    assert_eq!(problem.reason, "CONTRACT_UNKNOWN");
    assert!(heard.asked() - before < 100, "{} questions", heard.asked() - before);

    // Also one that stands where ours do is not followed.
    let implementation = format!("{:#x}", rig.deployed.erc721);
    rig.chain.rpc("anvil_setCode", json!([implementation, many_stages()])).await;
    let before = heard.asked();
    let problem = problem_of(&rig, &minter, mint721(&minter, &collection, 1)).await;
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "CONTRACT_UNKNOWN"));
    assert!(problem.message.contains("2000 stages"), "{}", problem.message);
    assert!(heard.asked() - before < 100, "{} questions", heard.asked() - before);
    rig.end().await;
}

#[tokio::test]
async fn eight_clients_with_one_key_get_one_mint_of_either_standard() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let single = rig.collection(&creator, creator.wants_collection("721", TokenStandard::Erc721)).await;
    let multi = rig.collection(&creator, creator.wants_collection("1155", TokenStandard::Erc1155)).await;
    let request = PrepareMint721Request { request_id: "one".into(), ..mint721(&minter, &single, 1) };
    let asked =
        || async { rig.mints().prepare_mint721(minter.says(request.clone())).await.unwrap().into_inner() };
    let answers = join_all((0..8).map(|_| asked())).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    let other = PrepareMint721Request { expected_price_raw: COIN.into(), ..request.clone() };
    assert_eq!(problem_of(&rig, &minter, other).await.reason, "CONFLICT");

    let request = PrepareMint1155Request {
        request_id: "two".into(),
        collection: Some(multi.clone()),
        minter: minter.address.clone(),
        token_id: U256::MAX.to_string(),
        quantity: "2".into(),
        ..PrepareMint1155Request::default()
    };
    let asked =
        || async { rig.mints().prepare_mint1155(minter.says(request.clone())).await.unwrap().into_inner() };
    let answers = join_all((0..8).map(|_| asked())).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]));

    let count = "select count(*) from tx_intents where request_id in ('one', 'two')";
    let count: i64 = sqlx::query_scalar(count).fetch_one(&rig.db.pool).await.unwrap();
    let audited = "select count(*) from session_intent_audit join tx_intents using (intent_id)
                   where request_id in ('one', 'two') and session_intent_audit.session_id = $1";
    let session = &minter.caller.session_id;
    let audited: i64 = sqlx::query_scalar(audited).bind(session).fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!((count, audited), (2, 2));

    // Whether it is possible still is told afresh; what was prepared stays.
    owner_does(&rig, &creator, &multi, VitrineCollection::pauseCall {}).await;
    let again = asked().await;
    assert_eq!((&again.intent, &again.steps), (&answers[0].intent, &answers[0].steps));
    assert_eq!(again.eligibility.unwrap().reason_code, "MINT_PAUSED");

    let wrong = eligibility(&rig, &minter, |_| (), &multi).await.unwrap_err();
    assert_eq!(Problem::from(&wrong).violations[0].path, "token_id");
    let id = |request: &mut GetMintEligibilityRequest| request.token_id = "1".into();
    let told = eligibility(&rig, &minter, id, &multi).await.unwrap();
    assert_eq!(told.supply_left, "10");
    assert_eq!(address(&minter.address), address(&again.steps[0].transaction.as_ref().unwrap().from));
    rig.end().await;
}
