//! A contract that is to be followed: looked at, registered, and fetched as far as it was missed.

use std::time::{Duration, Instant};

use anyhow::bail;
use proto::{
    chainregistry::v1::{
        Contract, GetChainRequest, UpsertContractRequest,
        chain_registry_service_client::ChainRegistryServiceClient,
    },
    indexer::v1::JobKind,
};

use super::{Desk, show};
use crate::operator::answer;

/// The registry tells the indexer, and the chain's worker takes it from there.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const NEWEST: i32 = 100;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Its address.
    address: String,
    /// The block that it was made in, or an earlier one; where the chain begins to be read, if it is left out.
    #[arg(long)]
    from_block: Option<u64>,
    /// What it is, where it does not say so itself.
    #[arg(long, value_parser = ["ERC721", "ERC1155", "factory", "exchange", "ERC20"])]
    standard: Option<String>,
    /// What it is to be known as.
    #[arg(long)]
    name: Option<String>,
}

pub(super) async fn run(desk: &mut Desk, what: &Arguments, all: &super::Arguments) -> anyhow::Result<()> {
    let address = what.address.to_lowercase();
    let at = desk.checkpoint().await?;
    let probed = desk.probe(&address).await?;
    print!("{}", show::probe(&address, &probed));
    if !probed.has_code {
        bail!("there is no contract at {address} on {}", at.chain_id);
    }
    let standard = match &what.standard {
        Some(standard) => standard.clone(),
        None if probed.standard.is_empty() => {
            bail!("{address} does not say what it is: say it with --standard, if you know better")
        }
        None => probed.standard.clone(),
    };
    let channel = all.certs.channel("chain-registry", &all.registry)?;
    let mut registry = ChainRegistryServiceClient::new(channel);
    let asked = GetChainRequest { chain_id: at.chain_id.clone() };
    let chain = answer(registry.get_chain(asked).await)?.chain.unwrap_or_default();
    let start_block = what.from_block.unwrap_or(at.first_block);
    let before = chain.contracts.into_iter().find(|known| known.address == address);
    if let Some(known) = &before {
        println!("it is registered already, as {} from block {} on", known.name, known.start_block);
        if known.standard == standard && known.start_block <= start_block {
            println!("fetch what is missing of it with: cargo xtask index backfill {address}");
            return Ok(());
        }
    }
    let newest = desk.list(1).await?.first().map_or(0, |job| job.job_id);
    let made_up = || format!("{}_{}", standard.to_lowercase(), address.get(2..10).unwrap_or_default());
    let name = what.name.clone().or(before.map(|known| known.name)).unwrap_or_else(made_up);
    let contract = Contract { name, address: address.clone(), start_block, standard, ..Default::default() };
    let asked = UpsertContractRequest {
        chain_id: at.chain_id.clone(),
        contract: Some(contract),
        ..Default::default()
    };
    let put = answer(registry.upsert_contract(asked).await)?;
    println!("registered, from block {start_block} on; the registry is at version {}", put.version);
    if at.indexed.is_none_or(|indexed| indexed.number < start_block) {
        println!("nothing was missed of it");
        return Ok(());
    }
    match fetched_by(desk, newest, &address).await? {
        Some(job_id) => desk.watch_job(job_id).await,
        None => bail!(
            "the indexer has not begun to fetch what was missed of it: it may be followed already \
             (`cargo xtask index backfill {address}` fetches it again), or nobody follows the chain \
             (`cargo xtask index status`)"
        ),
    }
}

/// The work that came of it.
async fn fetched_by(desk: &mut Desk, newest: i64, address: &str) -> anyhow::Result<Option<i64>> {
    let since = Instant::now();
    while since.elapsed() < TAKEN_WITHIN {
        let jobs = desk.list(NEWEST).await?;
        let ours = jobs
            .iter()
            .find(|job| job.job_id > newest && job.kind() == JobKind::Backfill && job.contract == address);
        if let Some(job) = ours {
            return Ok(Some(job.job_id));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(None)
}
