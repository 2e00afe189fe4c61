//! The indexer, for operators: how far chains are read, what was read, and work over ranges of blocks.

mod jobs;
mod register;
mod show;

use std::{io::IsTerminal, time::Duration};

use anyhow::{Context, bail};
use proto::indexer::v1::{
    self as pb, Checkpoint, GetTransactionEventsRequest, ListCheckpointsRequest, ListRawEventsRequest,
    ProbeContractRequest, WatchCheckpointsRequest, indexer_service_client::IndexerServiceClient,
};
use url::Url;

use crate::operator::{Certs, answer};

const PAGE: i32 = 500;
const PATIENCE: Duration = Duration::from_secs(45);

/// What the shell hears.
const EXITS: &str = "Exit codes: 0 where the question was answered, or the work that was waited for ended well; 1 where \
                     it could not be asked, or that work failed, was cancelled, or found that what is stored and the \
                     chain differ; 2 where the line is not understood.";

#[derive(clap::Args)]
#[command(after_help = EXITS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Which chain, such as `eip155:1`; may be left out where only one is read.
    #[arg(long, global = true)]
    chain: Option<String>,
    /// The indexer.
    #[arg(long, global = true, env = "VITRINE_INDEXER_URL", default_value = "https://127.0.0.1:50058")]
    service: Url,
    /// The chain-registry.
    #[arg(
        long,
        global = true,
        env = "VITRINE_CHAIN_REGISTRY_URL",
        default_value = "https://127.0.0.1:50056"
    )]
    registry: Url,
    #[command(flatten)]
    certs: Certs,
}

#[derive(clap::Subcommand)]
enum What {
    /// How far each chain is read, how fast, by which endpoints, and what work is open.
    Status {
        /// Goes on, with each change.
        #[arg(long)]
        watch: bool,
    },
    /// Raw events: of a transaction, or of a range of blocks.
    Events(Events),
    /// What a contract says that it is.
    Probe {
        /// Its address.
        address: String,
    },
    /// Looks at a contract, registers it, and waits until what was missed of it is fetched.
    Register(register::Arguments),
    /// Fetches the logs of one contract that is followed, for a range of blocks. What is there already is left.
    #[command(after_help = EXITS)]
    Backfill {
        /// Its address.
        contract: String,
        #[command(flatten)]
        range: jobs::Range,
    },
    /// Tells everything of a range once more, under the same ids: consumers that saw it do nothing.
    #[command(after_help = EXITS)]
    Replay {
        #[command(flatten)]
        range: jobs::Range,
        /// Counts what would be told, and tells nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        wait: jobs::Wait,
    },
    /// Takes back everything from a block on, and reads on from there: the way out of a halt.
    #[command(after_help = EXITS)]
    Rewind(jobs::Rewind),
    /// Holds what is stored of a range against the chain, and changes nothing. Ends with 1 where something differs.
    #[command(after_help = EXITS)]
    Verify {
        #[command(flatten)]
        range: jobs::Range,
        #[command(flatten)]
        wait: jobs::Wait,
    },
    /// Pieces of work, newest first.
    Jobs {
        /// So many at most.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=100))]
        count: i32,
    },
    /// One piece of work, as it is.
    #[command(after_help = EXITS)]
    Job {
        /// Its number.
        id: i64,
        /// Goes on until it has ended, and ends with 1 where it did not end well.
        #[arg(long)]
        watch: bool,
    },
    /// Ends a piece of work after the step that it is at. A rewind that has begun cannot be ended.
    Cancel {
        /// Its number.
        id: i64,
    },
}

#[derive(clap::Args)]
struct Events {
    /// The transaction's hash.
    #[arg(long, conflicts_with_all = ["from", "to", "contract", "event", "removed"], required_unless_present = "from")]
    tx: Option<String>,
    /// The first block.
    #[arg(long, requires = "to")]
    from: Option<u64>,
    /// The last block, at most 10,000 further.
    #[arg(long, requires = "from")]
    to: Option<u64>,
    /// Of one contract only.
    #[arg(long)]
    contract: Option<String>,
    /// Of one kind only: `Transfer`, `OrderFulfilled`, ...
    #[arg(long)]
    event: Option<String>,
    /// Also those of blocks that were taken back.
    #[arg(long)]
    removed: bool,
    /// With topics, data and what they say, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The indexer and the chain that is meant.
pub(crate) struct Desk {
    indexer: IndexerServiceClient<rpc::Channel>,
    chain: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let channel = arguments.certs.channel("indexer", &arguments.service)?;
    let mut desk = Desk { indexer: IndexerServiceClient::new(channel), chain: arguments.chain.clone() };
    match &arguments.what {
        What::Status { watch: false } => desk.status().await,
        What::Status { watch: true } => desk.watch_status().await,
        What::Events(events) => desk.events(events).await,
        What::Probe { address } => {
            let probed = desk.probe(address).await?;
            print!("{}", show::probe(address, &probed));
            Ok(())
        }
        What::Register(what) => register::run(&mut desk, what, arguments).await,
        What::Backfill { contract, range } => {
            let ask = desk.ask(pb::JobKind::Backfill, range).await?;
            desk.work(pb::StartJobRequest { contract: contract.to_lowercase(), ..ask }, true).await
        }
        What::Replay { range, dry_run, wait } => {
            let ask = desk.ask(pb::JobKind::Replay, range).await?;
            desk.work(pb::StartJobRequest { dry_run: *dry_run, ..ask }, wait.waits()).await
        }
        What::Rewind(rewind) => desk.rewind(rewind).await,
        What::Verify { range, wait } => {
            let ask = desk.ask(pb::JobKind::Verify, range).await?;
            desk.work(ask, wait.waits()).await
        }
        What::Jobs { count } => desk.jobs(*count).await,
        What::Job { id, watch: false } => desk.job(*id).await,
        What::Job { id, watch: true } => desk.watch_job(*id).await,
        What::Cancel { id } => desk.cancel(*id).await,
    }
}

impl Desk {
    async fn checkpoints(&mut self) -> anyhow::Result<Vec<Checkpoint>> {
        let asked = ListCheckpointsRequest { chain_id: self.chain.clone().unwrap_or_default() };
        Ok(answer(self.indexer.list_checkpoints(asked).await)?.checkpoints)
    }

    /// The chain that is meant, as far as it is read.
    pub(crate) async fn checkpoint(&mut self) -> anyhow::Result<Checkpoint> {
        let mut all = self.checkpoints().await?;
        match (all.len(), &self.chain) {
            (1, _) => Ok(all.remove(0)),
            (0, Some(chain)) => bail!("nobody reads {chain}: `cargo xtask index status` shows what is read"),
            (0, None) => bail!("no chain is read yet"),
            _ => {
                let names: Vec<String> = all.into_iter().map(|one| one.chain_id).collect();
                bail!("say which chain: --chain {}", names.join(" or "))
            }
        }
    }

    async fn status(&mut self) -> anyhow::Result<()> {
        let checkpoints = self.checkpoints().await?;
        print!("{}", show::status(&checkpoints, chrono::Utc::now()));
        Ok(())
    }

    async fn watch_status(&mut self) -> anyhow::Result<()> {
        let asked = WatchCheckpointsRequest { chain_id: self.chain.clone().unwrap_or_default() };
        let mut told = answer(self.indexer.watch_checkpoints(asked).await)?;
        let is_seen = std::io::stdout().is_terminal();
        while let Some(now) = answer(told.message().await.map(tonic::Response::new))? {
            // A person sees the newest in one place; a file keeps all.
            let clear = if is_seen { "\x1b[2J\x1b[H" } else { "" };
            print!("{clear}{}", show::status(&now.checkpoints, chrono::Utc::now()));
            std::io::Write::flush(&mut std::io::stdout())?;
        }
        bail!("the indexer has stopped; watch again")
    }

    async fn events(&mut self, events: &Events) -> anyhow::Result<()> {
        let chain_id = self.checkpoint().await?.chain_id;
        if let Some(tx) = &events.tx {
            let asked = GetTransactionEventsRequest { chain_id, tx_hash: tx.to_lowercase() };
            let found = answer(self.indexer.get_transaction_events(patient(asked)).await)?.events;
            print!("{}", show::events(&found, events.json, true));
            return Ok(());
        }
        let (from_block, to_block) = events.from.zip(events.to).context("say --tx, or --from and --to")?;
        let (mut page_token, mut is_first) = (String::new(), true);
        loop {
            let asked = ListRawEventsRequest {
                chain_id: chain_id.clone(),
                from_block,
                to_block,
                contract: events.contract.clone().unwrap_or_default().to_lowercase(),
                event_type: events.event.clone().unwrap_or_default(),
                include_removed: events.removed,
                page_size: PAGE,
                page_token,
            };
            let page = answer(self.indexer.list_raw_events(patient(asked)).await)?;
            print!("{}", show::events(&page.events, events.json, is_first));
            (page_token, is_first) = (page.next_page_token, false);
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    pub(crate) async fn probe(&mut self, address: &str) -> anyhow::Result<pb::ProbeContractResponse> {
        let chain_id = self.checkpoint().await?.chain_id;
        let asked = ProbeContractRequest { chain_id, address: address.to_lowercase() };
        answer(self.indexer.probe_contract(patient(asked)).await)
    }
}

/// For questions that the stores or a node answer in their own time.
fn patient<T>(asked: T) -> tonic::Request<T> {
    let mut asked = tonic::Request::new(asked);
    asked.set_timeout(PATIENCE);
    asked
}
