//! Who may do what: each line of the gateway's table, tried as each kind of asker on the running fleet.

use std::{collections::BTreeSet, time::Duration};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::Stage;
use futures::{SinkExt, StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::{
    awkward::operator,
    count::free_collection,
    examples::{Example, Shape, examples},
    frontend::{Frontend, Person, claims, error_code},
    once::fund,
    stolen::open_socket,
};

const ROLES: [&str; 4] = ["user", "creator", "moderator", "admin"];
/// How long a subscription has to be refused.
const REFUSED_WITHIN: Duration = Duration::from_millis(700);

/// The ids of what belongs to somebody, or could.
#[derive(Clone, Debug)]
pub(crate) struct Things {
    pub(crate) user: String,
    pub(crate) wallet: String,
    pub(crate) session: String,
    pub(crate) intent: String,
    pub(crate) upload: String,
    pub(crate) allowlist: String,
    pub(crate) address: String,
    pub(crate) refresh: String,
}

/// What everybody may name.
pub(crate) struct Public {
    pub(crate) contract: String,
}

struct Asker {
    name: &'static str,
    /// Nobody has signed in as a guest.
    person: Option<Person>,
    own: Things,
}

struct World {
    frontend: Frontend,
    public: Public,
    victim: Things,
    nobody: Things,
}

/// One kind of asker and one field.
#[derive(Clone, Copy)]
struct Cell<'a> {
    example: &'a Example,
    asker: &'a Asker,
    word: &'a str,
}

/// A line of the table: the field, and a word for each kind of asker.
struct Line<'a> {
    field: &'a str,
    words: Vec<&'a str>,
}

pub(crate) fn permissions(stage: &Stage) -> anyhow::Result<()> {
    let table = std::fs::read_to_string(xtask::repository().join("gateway/permissions.txt"))?;
    let lines = read(&table)?;
    let with_example: BTreeSet<&str> = examples().map(|example| example.field).collect();
    let in_table: BTreeSet<&str> = lines.iter().map(|line| line.field).collect();
    let differing: Vec<_> = with_example.symmetric_difference(&in_table).collect();
    ensure!(differing.is_empty(), "not both in the table and among the examples: {differing:?}");

    let public = Public { contract: free_collection(stage)? };
    let frontend = Frontend::new(stage)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let victim = runtime.block_on(someone(stage, &frontend, PrivateKeySigner::random()))?;
    let mut askers = vec![Asker { name: "guest", person: None, own: victim.1.clone() }];
    for role in ROLES {
        let signer = PrivateKeySigner::random();
        runtime.block_on(frontend.sign_in(&signer))?;
        if role != "user" {
            let account = format!("eip155:31337:{:#x}", signer.address());
            operator(stage, &["role", "grant", role, "--account", &account])?;
            runtime.block_on(has_role(&frontend, &signer, role))?;
        }
        let (person, own) = runtime.block_on(someone(stage, &frontend, signer))?;
        askers.push(Asker { name: role, person: Some(person), own });
    }
    let world = World { nobody: victim.1.nobody()?, victim: victim.1, frontend, public };

    let (mut cells, mut wrong) = (0, Vec::new());
    runtime.block_on(async {
        let before = everything(&world, &victim.0).await?;
        let all = lines.iter().flat_map(|line| {
            let example = examples().find(|example| example.field == line.field);
            line.words
                .iter()
                .zip(&askers)
                .filter_map(move |(word, asker)| Some(Cell { example: example?, asker, word }))
        });
        let world = &world;
        let (after, together): (Vec<_>, Vec<_>) = all.partition(|cell| cell.example.ends_all);
        let mut outcomes: Vec<_> =
            stream::iter(together).map(|one| try_one(stage, world, one)).buffer_unordered(8).collect().await;
        for one in after {
            outcomes.push(try_one(stage, world, one).await);
        }
        for outcome in outcomes {
            cells += 1;
            if let Err(err) = outcome {
                wrong.push(format!("{err:#}"));
            }
        }
        ensure!(
            everything(world, &victim.0).await? == before,
            "somebody changed what belongs to somebody else"
        );
        anyhow::Ok(())
    })?;
    ensure!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    println!("    {cells} cells of {} fields", lines.len());
    Ok(())
}

fn read(table: &str) -> anyhow::Result<Vec<Line<'_>>> {
    let rows = table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let cells = line.split('|').next().unwrap_or_default();
        let mut cells = cells.split_whitespace();
        let field = cells.next().context("a line begins with its field")?;
        let words: Vec<&str> = cells.collect();
        ensure!(words.len() == ROLES.len() + 1, "{field} has {} cells", words.len());
        Ok(Line { field, words })
    })
    .collect()
}

/// A person with one of each thing that a person can have.
async fn someone(
    stage: &Stage,
    frontend: &Frontend,
    signer: PrivateKeySigner,
) -> anyhow::Result<(Person, Things)> {
    let person = frontend.sign_in(&signer).await?;
    fund(stage, &person).await?;
    let token = Some(person.access.as_str());
    let data =
        frontend.ask(token, "{ viewer { user { id } session { id } wallets { id } } }", json!({})).await?;
    let viewer = &data["viewer"];
    let text = |value: &Value| value.as_str().map(str::to_owned).context("an id is missing");
    let mut things = Things {
        user: text(&viewer["user"]["id"])?,
        session: text(&viewer["session"]["id"])?,
        wallet: text(&viewer["wallets"][0]["id"])?,
        address: person.address(),
        refresh: person.refresh.clone(),
        intent: String::new(),
        upload: String::new(),
        allowlist: String::new(),
    };
    let named = frontend
        .ask(
            token,
            "mutation ($id: ID!) { setWalletLabel(id: $id, label: \"mine\") { __typename } }",
            json!({ "id": things.wallet }),
        )
        .await?;
    ensure!(named["setWalletLabel"]["__typename"] == "Wallet", "{named}");
    let example = |field: &str| examples().find(|example| example.field == field).context("an example");
    let public = Public { contract: String::new() };
    let made = async |field: &str| -> anyhow::Result<Value> {
        let example = example(field)?;
        frontend.ask(token, example.query, (example.given)(&public, &things)).await
    };
    let intent = made("Mutation.prepareCreateCollection").await?;
    let upload = made("Mutation.createMediaUpload").await?;
    let allowlist = made("Mutation.createAllowlist").await?;
    things.intent = text(&intent["it"]["intent"]["id"]).with_context(|| intent.to_string())?;
    things.allowlist = text(&allowlist["it"]["id"]).with_context(|| allowlist.to_string())?;
    things.upload = text(&upload["it"]["uploadId"]).with_context(|| upload.to_string())?;
    Ok((person, things))
}

/// Waits until a sign-in gives a token with the role.
async fn has_role(frontend: &Frontend, signer: &PrivateKeySigner, role: &str) -> anyhow::Result<()> {
    for _ in 0..100 {
        let person = frontend.sign_in(signer).await?;
        if claims(&person.access)?["roles"]
            .as_array()
            .is_some_and(|roles| roles.iter().any(|has| has == role))
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no token names the role {role} after it was granted")
}

impl Things {
    /// The same with ids that nobody has.
    fn nobody(&self) -> anyhow::Result<Things> {
        let other = |id: &str| -> anyhow::Result<String> {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id)?)?;
            let (kind, _) = text.split_once(':').context("an opaque id has a kind")?;
            Ok(URL_SAFE_NO_PAD.encode(format!("{kind}:{}", Uuid::now_v7())))
        };
        Ok(Things {
            user: other(&self.user)?,
            wallet: other(&self.wallet)?,
            session: other(&self.session)?,
            intent: other(&self.intent)?,
            upload: Uuid::now_v7().to_string(),
            allowlist: other(&self.allowlist)?,
            address: format!("{:#x}", PrivateKeySigner::random().address()),
            refresh: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()),
        })
    }

    /// An answer without the names of these things, so that two answers can be compared.
    fn rubbed_out(&self, answer: &Value) -> String {
        let mut text = answer.to_string().to_lowercase();
        let own = [&self.user, &self.wallet, &self.session, &self.intent, &self.upload, &self.allowlist];
        for own in own.into_iter().chain([&self.address]) {
            text = text.replace(&own.to_lowercase(), "…");
        }
        text
    }
}

/// What the victim has, to see that nobody changed it.
async fn everything(world: &World, victim: &Person) -> anyhow::Result<Value> {
    let query = "{ viewer {
        user { username displayName bio version status roles }
        session { id } preferences { theme version }
        wallets { id label isPrimary } walletActivity { nodes { id } }
        allowlists { nodes { id name count } }
    } intents { nodes { id status } } }";
    world.frontend.ask(Some(&victim.access), query, json!({})).await
}

async fn try_one(stage: &Stage, world: &World, cell: Cell<'_>) -> anyhow::Result<()> {
    let Cell { example, asker, word } = cell;
    let outcome = check(stage, world, cell).await;
    outcome.with_context(|| format!("{} as {}, which should be `{word}`", example.field, asker.name))
}

async fn check(stage: &Stage, world: &World, cell: Cell<'_>) -> anyhow::Result<()> {
    let Cell { example, asker, word } = cell;
    let mut person = asker.person.clone();
    let mut own = asker.own.clone();
    if let (true, Some(known)) = (example.ends_session, &person) {
        let fresh = world.frontend.sign_in(&known.signer).await?;
        own.session = crate::frontend::global_id("Session", fresh.session_id);
        own.refresh.clone_from(&fresh.refresh);
        person = Some(fresh);
    }
    let token = person.as_ref().map(|person| person.access.as_str());
    let ask = async |things: &Things| -> anyhow::Result<Value> {
        let variables = (example.given)(&world.public, things);
        match example.field.starts_with("Subscription.") {
            true => watch(stage, token, example.query, variables).await,
            false => world.frontend.answer(token, example.query, variables).await,
        }
    };
    if word == "own" && example.shape == Shape::Ids {
        let (theirs, unknown) = (ask(&world.victim).await?, ask(&world.nobody).await?);
        let (theirs, unknown) =
            (world.victim.rubbed_out(&told(theirs)), world.nobody.rubbed_out(&told(unknown)));
        ensure!(theirs == unknown, "somebody else's is answered {theirs}, an unknown one {unknown}");
    }
    if word == "own" && example.shape == Shape::Shown {
        let theirs = ask(&world.victim).await?;
        ensure!(error_code(&theirs).is_none(), "{theirs}");
        ensure!(it(&theirs["data"]).is_none_or(Value::is_null), "somebody else's is shown: {theirs}");
    }
    let about = match (word, example.shape) {
        ("own", _) => &own,
        (_, Shape::Shown) => &world.victim,
        _ => &own,
    };
    let answer = ask(about).await?;
    let code = error_code(&answer);
    let found = it(&answer["data"]);
    match word {
        "no" if asker.person.is_none() => {
            // What is the viewer's is behind a viewer that a guest has not.
            let is_absent = example.field.starts_with("Viewer.") && answer["data"]["viewer"].is_null();
            ensure!(code == Some("UNAUTHENTICATED") || (is_absent && code.is_none()), "{answer}");
        }
        "no" => ensure!(code == Some("FORBIDDEN"), "{answer}"),
        "null" => ensure!(code.is_none() && found.is_none_or(Value::is_null), "{answer}"),
        "any" | "own" => {
            ensure!(code.is_none_or(|code| example.may_fail_with.contains(&code)), "{answer}");
            let found = found.unwrap_or(&Value::Null);
            ensure!(!found.is_null() || example.may_be_null || code.is_some(), "{answer}");
            ensure!(found["code"] != "FORBIDDEN", "{answer}");
        }
        other => bail!("`{other}` is no word of the table"),
    }
    Ok(())
}

/// An answer without what is different in every one.
fn told(mut answer: Value) -> Value {
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        if let Some(extensions) = error["extensions"].as_object_mut() {
            extensions.remove("requestId");
            extensions.remove("traceId");
        }
    }
    answer
}

/// What an example selects under the name `it`, wherever that is.
fn it(data: &Value) -> Option<&Value> {
    match data {
        Value::Object(fields) => fields.get("it").or_else(|| fields.values().find_map(it)),
        Value::Array(items) => items.iter().find_map(it),
        _ => None,
    }
}

/// The first thing that a subscription brings, or nothing where it is let run.
async fn watch(stage: &Stage, token: Option<&str>, query: &str, variables: Value) -> anyhow::Result<Value> {
    let mut socket = open_socket(stage, token).await?;
    let payload = json!({ "query": query, "variables": variables });
    socket
        .send(Message::text(json!({ "id": "1", "type": "subscribe", "payload": payload }).to_string()))
        .await?;
    let news = async {
        while let Some(message) = socket.try_next().await? {
            let Ok(mut said) = serde_json::from_str::<Value>(message.to_text()?) else { continue };
            match said["type"].as_str() {
                Some("next") => return Ok(said["payload"].take()),
                Some("error") => return Ok(json!({ "errors": said["payload"].take() })),
                Some("complete") => return Ok(json!({ "data": { "it": "complete" } })),
                _ => {}
            }
        }
        bail!("the socket ended")
    };
    match tokio::time::timeout(REFUSED_WITHIN, news).await {
        Ok(news) => news,
        Err(_) => Ok(json!({ "data": { "it": "running" } })),
    }
}
