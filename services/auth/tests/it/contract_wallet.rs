//! Wallets that are contracts: what they accept lets them in, on their own chain only, and nothing that a contract does
//! is taken for a yes or holds anybody up.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, B256, Bytes, hex, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall, SolValue},
};
use chrono::{SecondsFormat, Utc};
use ids::AccountId;
use proto::auth::v1::{ClientInfo, Session, VerifySiweRequest};
use rpc::{Code, Problem};
use serde_json::json;
use testkit::{Chain, trial_contract};
use tonic::Status;

use crate::{
    fleet::{Fleet, reason, start, start_at},
    quiet_node,
    world::CHAIN,
};

sol! {
    function deploy(address owner, bytes32 salt) external returns (address wallet);
    function predict(address owner, bytes32 salt) external view returns (address);
    function transferOwnership(address newOwner) external;
    function refuse() external pure;
    function loop() external pure;
    function nothing() external view returns (address);
    function yes(bytes32 salt) external returns (address);
}

const OTHER_CHAIN: u64 = 31338;
/// A verdict has four seconds; the rest is the machine's.
const BOUNDED: Duration = Duration::from_secs(6);

async fn start_with_chain() -> (Fleet, Chain) {
    let chain = testkit::chain().await;
    (start_at([(CHAIN, vec![chain.url.clone()])]).await, chain)
}

fn account(number: u64, address: Address) -> AccountId {
    AccountId::new(ids::ChainId::new(number).unwrap(), address.into())
}

async fn deploy(chain: &Chain, name: &str, arguments: &[u8]) -> Address {
    chain.deploy([trial_contract(name).as_ref(), arguments].concat().into()).await.0
}

async fn wallet(chain: &Chain, owner: &PrivateKeySigner) -> Address {
    deploy(chain, "OwnedWallet", &owner.address().abi_encode()).await
}

/// A message for an account around a new nonce, signed by whatever the closure makes of it.
async fn request(
    fleet: &Fleet,
    account: &AccountId,
    sign: impl FnOnce(&str) -> Vec<u8>,
) -> VerifySiweRequest {
    let nonce = fleet.nonce().await;
    let message = format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}\nVersion: 1\nChain ID: {}\n\
         Nonce: {}\nIssued At: {}",
        nonce.domain,
        account.address,
        nonce.statement,
        nonce.uri,
        account.chain_id.number(),
        nonce.nonce,
        Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    );
    let client = ClientInfo { ip_address: "203.0.113.7".to_owned(), ..Default::default() };
    VerifySiweRequest { signature: sign(&message), message, client: Some(client), ..Default::default() }
}

async fn knock(
    fleet: &Fleet,
    account: &AccountId,
    sign: impl FnOnce(&str) -> Vec<u8>,
) -> Result<Session, Status> {
    let request = request(fleet, account, sign).await;
    Ok(fleet.verify(request).await?.session.unwrap())
}

fn by(signer: &PrivateKeySigner) -> impl Fn(&str) -> Vec<u8> + use<> {
    let signer = signer.clone();
    move |message| signer.sign_message_sync(message.as_bytes()).unwrap().as_bytes().to_vec()
}

/// Says with a signature how its account is made.
fn wrapped(factory: Address, preparation: Vec<u8>, signature: Vec<u8>) -> Vec<u8> {
    let mut bytes = (factory, Bytes::from(preparation), Bytes::from(signature)).abi_encode_params();
    bytes.extend(hex!("6492649264926492649264926492649264926492649264926492649264926492"));
    bytes
}

async fn refusal(fleet: &Fleet, account: &AccountId, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
    reason(&knock(fleet, account, sign).await.unwrap_err())
}

#[tokio::test]
async fn a_contract_signs_in_as_itself_and_its_owner_as_somebody_else() {
    let (fleet, chain) = start_with_chain().await;
    let (owner, next) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let address = wallet(&chain, &owner).await;
    let id = account(CHAIN, address);
    let session = knock(&fleet, &id, by(&owner)).await.unwrap();
    assert_eq!((session.account_id.as_str(), session.account_type.as_str()), (&*id.to_lower(), "contract"));
    assert!(fleet.others.world().links.contains_key(&id.to_lower()), "linked as a contract of its chain");

    // What it said, and as of which block, is kept with what it was asked.
    let (method, hash, number, proof): (String, String, i64, Vec<u8>) = sqlx::query_as(
        "select verify_method, block_hash, block_number, signature
         from sessions join session_proofs using (session_id)",
    )
    .fetch_one(&fleet.db.pool)
    .await
    .unwrap();
    let block = chain.rpc("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
    assert_eq!((method.as_str(), block["hash"].as_str()), ("eip1271", Some(hash.as_str())));
    assert_eq!(proof.len(), 65);
    let told: serde_json::Value =
        sqlx::query_scalar("select body from outbox").fetch_one(&fleet.db.pool).await.unwrap();
    assert_eq!(told["data"]["accountType"], "contract");

    // The owner's own account is another one, whoever is asked about it.
    let own = fleet.sign_in(&owner).await.unwrap().session.unwrap();
    assert_eq!(own.account_type, "eoa");
    assert_ne!(own.user_id, session.user_id);

    // Known by now, it needs nobody but its chain.
    {
        let mut world = fleet.others.world();
        (world.is_user_down, world.is_wallet_down, world.is_registry_down) = (true, true, true);
    }
    assert_eq!(knock(&fleet, &id, by(&owner)).await.unwrap().user_id, session.user_id);

    // Who owns it no longer does not sign for it any more, and the next one does.
    let owner_now = owner.address();
    chain.rpc("anvil_setBalance", json!([owner_now, "0xde0b6b3a7640000"])).await;
    chain.rpc("anvil_impersonateAccount", json!([owner_now])).await;
    let data = Bytes::from(transferOwnershipCall { newOwner: next.address() }.abi_encode());
    let sent = json!([{ "from": owner_now, "to": address, "data": data }]);
    chain.rpc("eth_sendTransaction", sent).await;
    chain.mine(1).await;
    assert_eq!(refusal(&fleet, &id, by(&owner)).await, "SIGNATURE_INVALID");
    assert_eq!(knock(&fleet, &id, by(&next)).await.unwrap().user_id, session.user_id);
    fleet.end().await;
}

#[tokio::test]
async fn a_wallet_that_does_not_exist_yet_signs_in_and_still_does_not_exist() {
    let (fleet, chain) = start_with_chain().await;
    let factory = deploy(&chain, "OwnedWalletFactory", &[]).await;
    let (owner, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let salt = B256::repeat_byte(7);
    let asked = Bytes::from(predictCall { owner: owner.address(), salt }.abi_encode());
    let answer = chain.rpc("eth_call", json!([{ "to": factory, "data": asked }, "latest"])).await;
    let address = Address::from_slice(&hex::decode(answer.as_str().unwrap()).unwrap()[12..]);
    let id = account(CHAIN, address);
    let make = deployCall { owner: owner.address(), salt }.abi_encode();
    let by_factory = |signer: &PrivateKeySigner| {
        let (sign, make) = (by(signer), make.clone());
        move |message: &str| wrapped(factory, make, sign(message))
    };

    assert_eq!(refusal(&fleet, &id, by(&owner)).await, "SIGNATURE_INVALID", "nobody is there to ask");
    let session = knock(&fleet, &id, by_factory(&owner)).await.unwrap();
    assert_eq!(session.account_type, "contract");
    let method: String =
        sqlx::query_scalar("select verify_method from sessions").fetch_one(&fleet.db.pool).await.unwrap();
    assert_eq!(method, "erc6492");
    assert_eq!(chain.rpc("eth_getCode", json!([address, "latest"])).await, "0x", "nothing was deployed");
    assert_eq!(refusal(&fleet, &id, by_factory(&other)).await, "SIGNATURE_INVALID");

    // Whoever else the same factory makes is not this account.
    let stranger = deployCall { owner: other.address(), salt }.abi_encode();
    let sign = by(&other);
    let forged = |message: &str| wrapped(factory, stranger, sign(message));
    assert_eq!(refusal(&fleet, &id, forged).await, "SIGNATURE_INVALID");

    // Once it is deployed, the same wrapping is good, also when making it again fails, and the bare signature too.
    chain.send(json!({ "to": factory, "data": Bytes::from(make.clone()) })).await;
    for preparation in [make.clone(), refuseCall {}.abi_encode()] {
        let sign = by(&owner);
        let again = |message: &str| wrapped(factory, preparation, sign(message));
        assert_eq!(knock(&fleet, &id, again).await.unwrap().user_id, session.user_id);
    }
    assert_eq!(knock(&fleet, &id, by(&owner)).await.unwrap().user_id, session.user_id);
    assert_eq!(refusal(&fleet, &id, by_factory(&other)).await, "SIGNATURE_INVALID");
    fleet.end().await;
}

#[tokio::test]
async fn one_address_on_two_chains_is_two_accounts() {
    let (here, there) = (testkit::chain().await, testkit::chain().await);
    let (one, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    // The first contract of the same deployer has the same address everywhere.
    let (address, same) = (wallet(&here, &one).await, wallet(&there, &other).await);
    assert_eq!(address, same);
    there.rpc("anvil_setChainId", json!([OTHER_CHAIN])).await;
    let fleet = start_at([(CHAIN, vec![here.url.clone()]), (OTHER_CHAIN, vec![there.url.clone()])]).await;
    let first = knock(&fleet, &account(CHAIN, address), by(&one)).await.unwrap();
    let second = knock(&fleet, &account(OTHER_CHAIN, address), by(&other)).await.unwrap();
    assert_ne!(first.user_id, second.user_id);
    assert_eq!(refusal(&fleet, &account(CHAIN, address), by(&other)).await, "SIGNATURE_INVALID");
    assert_eq!(refusal(&fleet, &account(OTHER_CHAIN, address), by(&one)).await, "SIGNATURE_INVALID");
    // Known as two accounts, also while nobody else can be asked.
    fleet.others.world().is_wallet_down = true;
    let again = knock(&fleet, &account(OTHER_CHAIN, address), by(&other)).await.unwrap();
    assert_eq!(again.user_id, second.user_id);
    fleet.end().await;
}

#[tokio::test]
async fn whatever_a_hostile_contract_does_it_is_refused_in_bounded_time() {
    let (fleet, chain) = start_with_chain().await;
    let signer = PrivateKeySigner::random();
    let mut accounts = Vec::new();
    for name in [
        "HostileRevert",
        "HostileLoop",
        "HostileHuge",
        "HostileLarge",
        "HostileRightAligned",
        "HostileShort",
        "HostileLong",
        "HostileDirty",
        "HostileTrue",
        "HostileEmpty",
    ] {
        accounts.push((name.to_owned(), deploy(&chain, name, &[]).await));
    }
    // Precompiled contracts answer to anything, and of most addresses there is no code.
    accounts.extend((1..=10).map(|n| (format!("precompile {n}"), Address::with_last_byte(n))));
    accounts.push(("nobody".to_owned(), Address::repeat_byte(0x77)));
    accounts.push(("somebody else's key".to_owned(), PrivateKeySigner::random().address()));
    let factory = deploy(&chain, "HostileFactory", &[]).await;
    accounts.push(("a factory".to_owned(), factory));

    let mut refused = 0;
    let mut slowest = Duration::ZERO;
    let mut asked = async |what: &str, address: Address, signature: Vec<u8>| {
        let began = Instant::now();
        let answer = refusal(&fleet, &account(CHAIN, address), |_| signature).await;
        assert_eq!(answer, "SIGNATURE_INVALID", "{what}");
        assert!(began.elapsed() < BOUNDED, "{what} took {:?}", began.elapsed());
        slowest = slowest.max(began.elapsed());
        refused += 1;
    };
    let signature = signer.sign_message_sync(b"something else").unwrap().as_bytes().to_vec();
    let preparations = [
        ("refuses", refuseCall {}.abi_encode()),
        ("loops", loopCall {}.abi_encode()),
        ("makes nothing", nothingCall {}.abi_encode()),
        ("makes another one", yesCall { salt: B256::repeat_byte(1) }.abi_encode()),
    ];
    for (name, address) in &accounts {
        asked(name, *address, signature.clone()).await;
        // A contract that is there may be prepared first; that makes no yes of its answer.
        let (_, make) = &preparations[3];
        asked(&format!("{name}, prepared"), *address, wrapped(factory, make.clone(), signature.clone()))
            .await;
    }
    for (name, preparation) in &preparations {
        let claimed = Address::repeat_byte(0x78);
        asked(name, claimed, wrapped(factory, preparation.clone(), signature.clone())).await;
        let hostile = accounts[1].1;
        asked(name, hostile, wrapped(factory, preparation.clone(), signature.clone())).await;
    }
    let nobody = Address::repeat_byte(0x79);
    let whole = wrapped(factory, refuseCall {}.abi_encode(), signature.clone());
    for (what, signature) in [
        ("no signature", Vec::new()),
        ("the suffix alone", whole[whole.len() - 32..].to_vec()),
        ("half a wrapping", whole[64..].to_vec()),
        ("a long one", vec![0xaa; 16 * 1024]),
        ("one that is too long", vec![0xaa; 16 * 1024 + 1]),
        ("a long wrapped one", wrapped(factory, vec![0xaa; 8000], vec![0xbb; 8000])),
        ("a factory that nobody is", wrapped(Address::ZERO, Vec::new(), signature.clone())),
        ("a factory that is the account", wrapped(nobody, Vec::new(), signature.clone())),
    ] {
        asked(what, nobody, signature).await;
    }
    println!("refused {refused} signatures, the slowest in {slowest:?}");
    assert_eq!(fleet.count("sessions").await, 0);
    assert_eq!(fleet.results().await, vec!["signature_invalid"; refused]);
    assert_eq!(fleet.others.world().ensured, 0);

    // And the chain still answers: what says yes to everything is let in as what it is.
    let made = yesCall { salt: B256::repeat_byte(9) }.abi_encode();
    let code = keccak256(trial_contract("YesToAll"));
    let address = factory.create2(B256::repeat_byte(9), code);
    let by_factory = |message: &str| wrapped(factory, made, message.as_bytes().to_vec());
    assert_eq!(knock(&fleet, &account(CHAIN, address), by_factory).await.unwrap().account_type, "contract");
    fleet.end().await;
}

#[tokio::test]
async fn a_chain_that_cannot_be_asked_stops_contracts_and_nobody_else() {
    let (fleet, chain) = start_with_chain().await;
    let owner = PrivateKeySigner::random();
    let id = account(CHAIN, wallet(&chain, &owner).await);
    knock(&fleet, &id, by(&owner)).await.unwrap();

    // An endpoint that proved itself once and leads to another chain by now is not believed.
    chain.rpc("anvil_setChainId", json!([OTHER_CHAIN])).await;
    let problem = Problem::from(&knock(&fleet, &id, by(&owner)).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    assert!(problem.retry_after.is_some());
    chain.rpc("anvil_setChainId", json!([CHAIN])).await;
    knock(&fleet, &id, by(&owner)).await.unwrap();

    drop(chain);
    let began = Instant::now();
    assert_eq!(refusal(&fleet, &id, by(&owner)).await, "UNAVAILABLE");
    assert!(began.elapsed() < BOUNDED);
    for _ in 0..20 {
        fleet.sign_in(&PrivateKeySigner::random()).await.unwrap();
    }
    fleet.sign_in(&owner).await.unwrap();
    let mut expected = vec!["success", "unavailable", "success", "unavailable"];
    expected.extend(["success"; 21]);
    assert_eq!(fleet.results().await, expected);
    fleet.end().await;
}

#[tokio::test]
async fn a_chain_without_an_endpoint_is_no_chain_to_ask_and_another_endpoint_is_taken_where_one_is_away() {
    let chain = testkit::chain().await;
    let urls = vec!["http://127.0.0.1:1".to_owned(), chain.url.clone()];
    let fleet = start_at([(CHAIN, urls), (OTHER_CHAIN, Vec::new())]).await;
    let owner = PrivateKeySigner::random();
    let address = wallet(&chain, &owner).await;
    assert_eq!(refusal(&fleet, &account(OTHER_CHAIN, address), by(&owner)).await, "UNAVAILABLE");
    for _ in 0..5 {
        knock(&fleet, &account(CHAIN, address), by(&owner)).await.unwrap();
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_node_that_says_yes_to_everything_fails_the_probe() {
    use axum::{Json, Router, routing::post};
    let answer = async |Json(question): Json<serde_json::Value>| {
        let result = match question["method"].as_str().unwrap() {
            "eth_chainId" => json!(format!("{CHAIN:#x}")),
            "eth_call" => json!("0x01"),
            _ => json!({ "number": "0x1", "hash": B256::ZERO, "parentHash": B256::ZERO, "timestamp": "0x1" }),
        };
        Json(json!({ "jsonrpc": "2.0", "id": 1, "result": result }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
    let fleet = start_at([(CHAIN, vec![url])]).await;
    let id = account(CHAIN, Address::repeat_byte(0x77));
    assert_eq!(refusal(&fleet, &id, |_| vec![1; 65]).await, "UNAVAILABLE");
    assert_eq!(fleet.count("sessions").await, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_full_block_is_no_answer_that_is_too_long() {
    // The node's blocks have two thousand transactions.
    let fleet = start().await;
    let id = account(CHAIN, Address::repeat_byte(0x77));
    assert_eq!(refusal(&fleet, &id, |_| vec![1; 65]).await, "SIGNATURE_INVALID");
    fleet.end().await;
}

#[tokio::test]
async fn a_chain_is_tried_out_before_anybody_asks_and_a_node_that_has_no_time_then_has_not_failed() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Json, Router, routing::post};
    let (tries, quiet) = (Arc::new(AtomicUsize::new(0)), quiet_node::answer_for(CHAIN));
    let counted = Arc::clone(&tries);
    let answer = async move |Json(question): Json<serde_json::Value>| {
        if question["method"] == "eth_call" && counted.fetch_add(1, Ordering::SeqCst) == 0 {
            let error = json!({ "code": -32000, "message": "header not found" });
            return Json(json!({ "jsonrpc": "2.0", "id": 1, "error": error }));
        }
        quiet(question)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
    let fleet = start_at([(CHAIN, vec![url])]).await;
    let within = Duration::from_secs(20);
    let is_tried = async || (tries.load(Ordering::SeqCst) == 1).then_some(());
    testkit::eventually(within, "the chain is tried out", is_tried).await;
    let id = account(CHAIN, Address::repeat_byte(0x77));
    assert_eq!(refusal(&fleet, &id, |_| vec![1; 65]).await, "SIGNATURE_INVALID");
    fleet.end().await;
}
