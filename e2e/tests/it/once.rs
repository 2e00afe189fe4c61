//! A request is one intent, whoever asks, how often, at once, and though the orchestrator dies while it answers.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, ensure};
use e2e::Stage;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    count::{free_collection, note},
    frontend::{Frontend, LOCAL_CHAIN, Person},
};

const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);
const PLACES: [&str; 2] = ["orch.intent_inserted:1", "orch.response_unsent:1"];

/// A preparation: the field, and its input without the key.
#[derive(Clone)]
struct Request {
    field: &'static str,
    input: Value,
}

pub(crate) fn a_request_is_one_intent_however_often_it_is_asked(stage: &Stage) -> anyhow::Result<()> {
    let begun = Instant::now();
    let collection =
        json!({ "chainId": format!("eip155:{LOCAL_CHAIN}"), "address": free_collection(stage)? });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let frontend = Frontend::new(stage)?;
    let person = runtime.block_on(rich_person(stage, &frontend))?;
    let requests = requests(&person, &collection);

    for request in &requests {
        runtime.block_on(agree(stage, &frontend, &person, request))?;
    }
    note(begun, &format!("{AT_ONCE} clients at once have one intent and the same to sign, of each kind"));
    runtime.block_on(compete(stage, &frontend, &person, &requests[0]))?;
    note(begun, "of two bodies under one key one wins, and the other is a conflict");

    for place in PLACES {
        for request in &requests {
            stage.fleet().stop("orchestrator")?;
            stage.fleet().start("orchestrator", &[("VITRINE_FAILPOINT", place)])?;
            let asking = runtime.spawn({
                let (url, frontend, person, request) =
                    (database(stage)?, frontend.clone(), person.clone(), request.clone());
                async move { agreed(&url, &frontend, &person, &request).await }
            });
            let dying = Instant::now();
            while stage.fleet().room().is_alive("orchestrator") {
                ensure!(dying.elapsed() < PATIENCE, "the orchestrator does not die at {place}");
                std::thread::park_timeout(Duration::from_millis(10));
            }
            stage.fleet().start("orchestrator", &[])?;
            runtime.block_on(asking)??;
        }
        note(begun, &format!("one intent though the orchestrator died at {place}"));
    }
    Ok(())
}

fn requests(person: &Person, collection: &Value) -> Vec<Request> {
    let wallet = person.address();
    let chain = &collection["chainId"];
    let creation = json!({ "chainId": chain, "standard": "ERC721", "name": "Once", "symbol": "ONE",
        "creator": wallet, "royaltyBps": 250, "mintStages": [{ "kind": "PUBLIC", "priceRaw": "1" }] });
    vec![
        Request {
            field: "prepareMint721",
            input: json!({ "collection": collection, "minter": wallet, "quantity": 1 }),
        },
        Request { field: "prepareCreateCollection", input: creation },
        Request { field: "prepareApprove", input: json!({ "contract": collection, "owner": wallet }) },
    ]
}

fn database(stage: &Stage) -> anyhow::Result<String> {
    Ok(stage.variable("ORCHESTRATOR_DATABASE_URL")?.to_owned())
}

async fn agree(stage: &Stage, frontend: &Frontend, person: &Person, request: &Request) -> anyhow::Result<()> {
    agreed(&database(stage)?, frontend, person, request).await
}

/// All of them ask at once until they are answered, and have the same answer; the database has one intent.
async fn agreed(url: &str, frontend: &Frontend, person: &Person, request: &Request) -> anyhow::Result<()> {
    let key = Uuid::new_v4().to_string();
    let asking = (0..AT_ONCE).map(|_| ask(frontend, person, request, &key));
    let answers = futures::future::try_join_all(asking).await?;
    for answer in &answers {
        ensure!(answer["__typename"] == "PreparedTransaction", "{}: {answer}", request.field);
        ensure!(answer == &answers[0], "{}: {answer} and {}", request.field, answers[0]);
    }
    stored_once(url, &key).await
}

/// Half of them ask for something else under the same key.
async fn compete(
    stage: &Stage,
    frontend: &Frontend,
    person: &Person,
    request: &Request,
) -> anyhow::Result<()> {
    let key = Uuid::new_v4().to_string();
    let mut other = request.clone();
    other.input["quantity"] = json!(2);
    let asking =
        (0..AT_ONCE).map(|turn| ask(frontend, person, if turn % 2 == 0 { request } else { &other }, &key));
    let answers = futures::future::try_join_all(asking).await?;
    let (even, odd): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(turn, _)| turn % 2 == 0);
    let won = |half: &[(usize, &Value)]| {
        half.iter().all(|(_, answer)| answer["__typename"] == "PreparedTransaction" && *answer == half[0].1)
    };
    let lost = |half: &[(usize, &Value)]| half.iter().all(|(_, answer)| answer["code"] == "CONFLICT");
    ensure!((won(&even) && lost(&odd)) || (won(&odd) && lost(&even)), "{answers:?}");
    stored_once(&database(stage)?, &key).await
}

async fn stored_once(url: &str, key: &str) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(url).await?;
    let count: i64 = sqlx::query_scalar("select count(*) from tx_intents where request_id = $1")
        .bind(key)
        .fetch_one(&mut db)
        .await?;
    ensure!(count == 1, "{count} intents of one request");
    Ok(())
}

/// Asks until there is an answer, as a client does that does not know whether it was heard.
async fn ask(frontend: &Frontend, person: &Person, request: &Request, key: &str) -> anyhow::Result<Value> {
    let field = request.field;
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query = format!(
        "mutation ($input: {kind}!) {{ it: {field}(input: $input) {{ __typename
           ... on PreparedTransaction {{
             intent {{ id previewAddress deadlineAt }}
             steps {{ id transaction {{ to data value gas maxFeePerGas maxPriorityFeePerGas }} }}
           }}
           ... on Problem {{ code message }} }} }}"
    );
    let mut input = request.input.clone();
    input["idempotencyKey"] = json!(key);
    let begun = Instant::now();
    loop {
        let answer = frontend.ask(Some(&person.access), &query, json!({ "input": input })).await;
        match answer {
            Ok(mut data) => return Ok(data["it"].take()),
            Err(err) if begun.elapsed() > PATIENCE => return Err(err).context(field),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Somebody whose wallet can pay.
async fn rich_person(stage: &Stage, frontend: &Frontend) -> anyhow::Result<Person> {
    let person = frontend.sign_in(&PrivateKeySigner::random()).await?;
    fund(stage, &person).await?;
    Ok(person)
}

/// Gives a wallet one ether.
pub(crate) async fn fund(stage: &Stage, person: &Person) -> anyhow::Result<()> {
    let params = json!([person.address(), "0xde0b6b3a7640000"]);
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance", "params": params });
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.post(stage.variable("RPC_URL")?).json(&asked).send().await?.error_for_status()?;
    Ok(())
}
