//! Logins that are not as simple as they look: services away, several accounts, several chains, the suspended.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail, ensure};
use e2e::Stage;
use proto::chainregistry::v1::{Chain, Endpoint, UpsertChainRequest};
use serde_json::{Value, json};

use crate::{
    count::note,
    frontend::{Frontend, LOCAL_CHAIN, Person, error_code, signature, written},
    operator::registry,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long what ended may still be taken.
const EXPOSURE: Duration = Duration::from_secs(5);
const OTHER_CHAIN: u64 = 31_399;

pub(crate) fn awkward_logins(stage: &Stage) -> anyhow::Result<()> {
    let begun = Instant::now();
    let frontend = Frontend::new(stage)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let known = PrivateKeySigner::random();
    let user_id = runtime.block_on(frontend.sign_in(&known))?.user_id;

    let stranger = PrivateKeySigner::random();
    stage.fleet().kill("user")?;
    stage.fleet().kill("wallet")?;
    let outcome = runtime.block_on(without_user_and_wallet(&frontend, &known, &stranger));
    stage.fleet().start("user", &[])?;
    stage.fleet().start("wallet", &[])?;
    ensure!(outcome? == user_id, "a known account came back as somebody else");
    runtime.block_on(patiently(&frontend, &stranger))?;
    note(begun, "with user and wallet down the known log in and the unknown are told to try again");

    let linked = PrivateKeySigner::random();
    runtime.block_on(linked_and_unlinked(&frontend, &known, &linked))?;
    note(begun, "a linked account is the older user's, and its sessions end when it is unlinked");

    runtime.block_on(put_chain(stage, true))?;
    // It would hear of the chain within a minute; a new process has no list to go by yet.
    stage.fleet().restart("auth")?;
    let outcome = runtime.block_on(two_chains(&frontend, &known));
    runtime.block_on(put_chain(stage, false))?;
    outcome?;
    note(begun, "the same address on two chains is one user");

    let suspended = runtime.block_on(patiently(&frontend, &PrivateKeySigner::random()))?;
    operator(stage, &["suspend", &suspended.user_id.to_string()])?;
    let took = runtime.block_on(frontend.shut_out(&suspended.access, EXPOSURE))?;
    note(begun, &format!("suspension ended a session {} ms after it was in force", took.as_millis()));
    stage.fleet().kill("user")?;
    let outcome = runtime.block_on(stays_out(&frontend, &suspended));
    stage.fleet().start("user", &[])?;
    outcome?;
    note(begun, "whoever was suspended stays out while user is down");
    Ok(())
}

/// What the operator's tool is told to do.
pub(crate) fn operator(stage: &Stage, arguments: &[&str]) -> anyhow::Result<()> {
    let (subcommand, rest) = arguments.split_first().context("a subcommand")?;
    let output = stage.fleet().desk_command(subcommand)?.args(rest).output()?;
    ensure!(
        output.status.success(),
        "desk {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

async fn without_user_and_wallet(
    frontend: &Frontend,
    known: &PrivateKeySigner,
    stranger: &PrivateKeySigner,
) -> anyhow::Result<uuid::Uuid> {
    let back = frontend.sign_in(known).await.context("a known account")?;
    let message = frontend.message(stranger).await?;
    let input =
        json!({ "message": message, "signature": signature(stranger, &message)?, "delivery": "BEARER" });
    let verify = "mutation ($input: VerifySiweInput!) { verifySiwe(input: $input) { __typename } }";
    let begun = Instant::now();
    let answer = frontend.answer(None, verify, json!({ "input": input })).await?;
    let code = error_code(&answer);
    ensure!(matches!(code, Some("UNAVAILABLE" | "DEADLINE_EXCEEDED")), "an unknown account: {answer}");
    ensure!(begun.elapsed() < Duration::from_secs(6), "it took {:?} to say so", begun.elapsed());
    Ok(back.user_id)
}

/// Signs in once everything is back: breakers need a moment to see it.
async fn patiently(frontend: &Frontend, signer: &PrivateKeySigner) -> anyhow::Result<Person> {
    let begun = Instant::now();
    loop {
        match frontend.sign_in(signer).await {
            Ok(person) => return Ok(person),
            Err(err) if begun.elapsed() > PATIENCE => return Err(err),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn linked_and_unlinked(
    frontend: &Frontend,
    known: &PrivateKeySigner,
    linked: &PrivateKeySigner,
) -> anyhow::Result<()> {
    let owner = patiently(frontend, known).await?;
    let wallet_id = link(frontend, &owner, linked).await?;
    let by_linked = patiently(frontend, linked).await?;
    ensure!(by_linked.user_id == owner.user_id, "a linked account logged in as somebody else");

    // Somebody else may sign for their own account as they like: it is the older user's who linked it.
    let other = frontend.sign_in(&PrivateKeySigner::random()).await?;
    match try_link(frontend, &other, linked).await? {
        answer if answer["code"] == "WALLET_TAKEN" => {}
        answer => bail!("a takeover was answered {answer}"),
    }

    let unlink = "mutation ($id: ID!) { it: unlinkWallet(id: $id) { __typename ... on Problem { code } } }";
    // Of no concern to others, and not told apart from a wallet that is not there.
    let refused = frontend.ask(Some(&other.access), unlink, json!({ "id": wallet_id })).await?;
    ensure!(refused["it"]["code"] == "NOT_FOUND", "{refused}");
    let answer = frontend.ask(Some(&owner.access), unlink, json!({ "id": wallet_id })).await?;
    ensure!(answer["it"]["__typename"] == "UnlinkedWallet", "{answer}");
    frontend.shut_out(&by_linked.access, EXPOSURE).await.context("the session of an unlinked account")?;
    let refused = frontend.refresh(&by_linked.refresh).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_EXPIRED"), "its refresh token: {refused:?}");
    ensure!(frontend.is_let_in(&owner.access).await?, "the owner's own session ended too");
    let anew = patiently(frontend, linked).await?;
    ensure!(anew.user_id != owner.user_id, "an unlinked account is still the older user's");
    Ok(())
}

async fn try_link(frontend: &Frontend, owner: &Person, signer: &PrivateKeySigner) -> anyhow::Result<Value> {
    let token = Some(owner.access.as_str());
    let nonce = "mutation { issueSiweNonce(purpose: LINK) { nonce domain uri statement } }";
    let asked = frontend.ask(token, nonce, json!({})).await?;
    let message = written(&asked["issueSiweNonce"], signer, LOCAL_CHAIN);
    let input = json!({ "message": message, "signature": signature(signer, &message)?, "label": "second" });
    let link = "mutation ($input: LinkWalletInput!) {
        it: linkWallet(input: $input) { __typename ... on Wallet { id } ... on Problem { code message } } }";
    let mut answer = frontend.ask(token, link, json!({ "input": input })).await?;
    Ok(answer["it"].take())
}

/// Links a further account, and gives the wallet's id.
async fn link(frontend: &Frontend, owner: &Person, signer: &PrivateKeySigner) -> anyhow::Result<String> {
    let answer = try_link(frontend, owner, signer).await?;
    ensure!(answer["__typename"] == "Wallet", "{answer}");
    Ok(answer["id"].as_str().context("a wallet has an id")?.to_owned())
}

async fn two_chains(frontend: &Frontend, signer: &PrivateKeySigner) -> anyhow::Result<()> {
    let here = patiently(frontend, signer).await?;
    let message = frontend.message_for(signer, OTHER_CHAIN).await?;
    let there = match frontend.verify(signer, &message).await? {
        Ok(tokens) => Person::of(signer.clone(), tokens)?,
        Err(code) => bail!("the other chain: {code}"),
    };
    ensure!(here.user_id == there.user_id, "the same address on another chain is somebody else");
    Ok(())
}

/// A chain that nobody serves: no one who signs with a key needs it.
async fn put_chain(stage: &Stage, enabled: bool) -> anyhow::Result<()> {
    let chain = Chain {
        chain_id: format!("eip155:{OTHER_CHAIN}"),
        chain_numeric: OTHER_CHAIN,
        name: "Elsewhere".to_owned(),
        native_symbol: "ETH".to_owned(),
        decimals: 18,
        enabled,
        confirmations: 1,
        reorg_depth: 64,
        ..Default::default()
    };
    let endpoint = Endpoint {
        url: "http://127.0.0.1:9".to_owned(),
        priority: 1,
        weight: 1,
        auth_type: "none".to_owned(),
        rate_limit: 0,
        active: true,
    };
    let asked = UpsertChainRequest { chain: Some(chain), endpoints: vec![endpoint] };
    registry(stage)?.upsert_chain(asked).await.context("the chain could not be registered")?;
    Ok(())
}

async fn stays_out(frontend: &Frontend, person: &Person) -> anyhow::Result<()> {
    let message = frontend.message(&person.signer).await?;
    let refused = frontend.verify(&person.signer, &message).await?.err();
    ensure!(refused.as_deref() == Some("USER_SUSPENDED"), "a suspended user: {refused:?}");
    let refused = frontend.refresh(&person.refresh).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_EXPIRED"), "a suspended user's refresh token: {refused:?}");
    Ok(())
}
