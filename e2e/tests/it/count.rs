//! The same thing counted at four places that know nothing of each other: chain, rows, delivery stream, dead queues.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, U256},
    providers::ProviderBuilder,
    sol,
};
use anyhow::{Context, bail, ensure};
use e2e::Stage;
use sqlx::{Connection, PgConnection};

use crate::load::Seen;

sol! {
    #[sol(rpc)]
    interface Collection {
        function balanceOf(address owner) external view returns (uint256);
        function totalSupply() external view returns (uint256);
    }
}

/// A collection in which anybody may mint for nothing: the one that the operator's tool seeds.
pub(crate) fn free_collection(stage: &Stage) -> anyhow::Result<String> {
    let output = stage.fleet().desk_command("seed")?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let address = said.split_whitespace().find(|word| word.starts_with("0x") && word.len() == 42);
    address.map(str::to_owned).with_context(|| format!("no address in {said:?}"))
}

/// How many tokens there were before a story, so that stories can share a collection.
pub(crate) fn minted(stage: &Stage, contract: &str) -> anyhow::Result<u64> {
    let provider = ProviderBuilder::new().connect_http(stage.variable("RPC_URL")?.parse()?);
    let contract: Address = contract.parse()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let supply: U256 =
        runtime.block_on(async { Collection::new(contract, provider).totalSupply().call().await })?;
    Ok(supply.to())
}

/// Every place tells the same tokens, none of them twice, and nothing died on the way.
pub(crate) fn all_agree(
    stage: &Stage,
    contract: &str,
    before: u64,
    count: u64,
    seen: &Seen,
) -> anyhow::Result<()> {
    let expected: BTreeSet<u64> = (before + 1..=before + count).collect();
    ensure!(minted(stage, contract)? == before + count, "the chain does not hold {count} new tokens");

    let rows = tokio::runtime::Runtime::new()?.block_on(rows(stage, contract))?;
    let rows: BTreeSet<u64> = rows.into_iter().filter(|token| *token > before).collect();
    ensure!(rows == expected, "rows: {} of {count}, missing {:?}", rows.len(), expected.difference(&rows));

    let stream = tokio::runtime::Runtime::new()?.block_on(stream(stage, contract))?;
    if let Some(stream) = stream {
        let told: BTreeSet<u64> = stream.keys().copied().filter(|token| *token > before).collect();
        ensure!(told == expected, "stream: missing {:?}", expected.difference(&told));
        let twice: Vec<_> = stream.iter().filter(|(_, times)| **times > 1).collect();
        ensure!(twice.is_empty(), "stream: told twice {twice:?}");
    }

    let socket: BTreeSet<u64> = seen.tokens.iter().copied().collect();
    ensure!(
        socket == expected,
        "socket: {} of {count}, missing {:?}",
        socket.len(),
        expected.difference(&socket)
    );
    ensure!(seen.twice == 0 && seen.cursors_twice == 0, "socket: {seen:?}");

    let output = stage.fleet().desk_command("dlq")?.args(["list"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.trim_end().ends_with("0 dead messages"), "dead letters: {said}");
    Ok(())
}

/// Waits until the catalog holds so many tokens of the contract.
pub(crate) fn catalogued(stage: &Stage, contract: &str, count: u64, within: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let rows = tokio::runtime::Runtime::new()?.block_on(rows(stage, contract));
        match rows {
            Ok(rows) if rows.len() as u64 >= count => return Ok(()),
            _ if begun.elapsed() < within => std::thread::park_timeout(Duration::from_millis(250)),
            Ok(rows) => bail!("{} of {count} tokens are catalogued after {within:?}", rows.len()),
            Err(err) => return Err(err),
        }
    }
}

async fn rows(stage: &Stage, contract: &str) -> anyhow::Result<Vec<u64>> {
    let mut db = PgConnection::connect(stage.variable("CATALOG_DATABASE_URL")?).await?;
    let contract: Address = contract.parse()?;
    let numbers: Vec<String> = sqlx::query_scalar(
        "select token_number::text from tokens where contract_address = $1 and not burned order by token_number",
    )
    .bind(contract.as_slice())
    .fetch_all(&mut db)
    .await?;
    numbers.iter().map(|number| Ok(number.parse()?)).collect()
}

/// How often each token's mint lies in the delivery stream; nothing where the stream was lost in this story.
async fn stream(stage: &Stage, contract: &str) -> anyhow::Result<Option<BTreeMap<u64, u32>>> {
    let client = redis::Client::open(stage.variable("REDIS_URL")?)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let rows: Vec<(String, Vec<(String, String)>)> =
        redis::cmd("XRANGE").arg("{subs}:deliveries").arg("-").arg("+").query_async(&mut connection).await?;
    let mut told = BTreeMap::new();
    for (_, fields) in rows {
        let Some((_, envelope)) = fields.iter().find(|(name, _)| name == "e") else { continue };
        let envelope: serde_json::Value = serde_json::from_str(envelope)?;
        let data = &envelope["data"];
        let is_mint =
            data["changed"].as_array().is_some_and(|changed| changed.iter().any(|what| what == "minted"));
        let is_ours = data["token"]["contract"].as_str().is_some_and(|at| at.eq_ignore_ascii_case(contract));
        if let (true, true, Some(number)) = (is_mint, is_ours, data["token"]["tokenId"].as_str()) {
            *told.entry(number.parse()?).or_insert(0) += 1;
        }
    }
    Ok((!told.is_empty()).then_some(told))
}

/// For the log: how long ago the story began.
pub(crate) fn note(begun: Instant, what: &str) {
    println!("    {:>6.1} s  {what}", begun.elapsed().as_secs_f64());
}
