//! The registry and the indexer, called as the operator: which chain there is, which contract of it is read, and how far.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy::primitives::hex;
use anyhow::{Context, bail};
use proto::{
    chainregistry::v1::{
        Chain, Contract, Endpoint, SetEndpointsRequest, UpsertChainRequest, UpsertContractRequest,
        chain_registry_service_client::ChainRegistryServiceClient,
    },
    indexer::v1::{
        Checkpoint, FollowState, ListCheckpointsRequest, indexer_service_client::IndexerServiceClient,
    },
};
use url::Url;

use crate::{
    crowd::{CHAIN, Crowd},
    variable::variable,
};

fn chain_id() -> String {
    format!("eip155:{CHAIN}")
}

/// How long the indexer may take to say what is waited for.
const SAYS_WITHIN: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(20);

fn identity() -> anyhow::Result<rpc::Identity> {
    let certs = PathBuf::from(variable("VITRINE_CERTS_DIR")?);
    // The operator answers no calls: the address is never bound.
    rpc::Identity::load(&rpc::Settings {
        addr: ([127, 0, 0, 1], 0).into(),
        ca: certs.join("ca.pem"),
        cert: certs.join("operator.pem"),
        key: certs.join("operator.key"),
    })
}

fn registry() -> anyhow::Result<ChainRegistryServiceClient<rpc::Channel>> {
    let url: Url = variable("VITRINE_CHAIN_REGISTRY_URL")?.parse()?;
    Ok(ChainRegistryServiceClient::new(rpc::channel("chain-registry", &url, &identity()?)?))
}

/// Asks the indexer until it says of the chain what is waited for.
async fn until(what: &str, is_said: impl Fn(&Checkpoint) -> bool) -> anyhow::Result<()> {
    let url: Url = variable("VITRINE_INDEXER_URL")?.parse()?;
    let mut indexer = IndexerServiceClient::new(rpc::channel("indexer", &url, &identity()?)?);
    let began = Instant::now();
    loop {
        let said = indexer.list_checkpoints(ListCheckpointsRequest { chain_id: chain_id() }).await;
        if let Ok(said) = &said
            && said.get_ref().checkpoints.iter().any(&is_said)
        {
            return Ok(());
        }
        if began.elapsed() > SAYS_WITHIN {
            bail!("after {SAYS_WITHIN:?} the indexer is not {what}: {said:?}");
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Waits until the indexer follows the chain with nothing left to read, the node having told it of this head.
pub(crate) async fn is_at_head(head: u64) -> anyhow::Result<()> {
    until("at the head", |checkpoint| {
        checkpoint.state() == FollowState::Following
            && checkpoint.live
            && checkpoint.lag_blocks == 0
            && checkpoint.indexed.as_ref().is_some_and(|block| block.number == head)
            && checkpoint.endpoints.iter().any(|endpoint| endpoint.head == head)
    })
    .await
}

/// Waits until heads arrive by a socket.
pub(crate) async fn is_subscribed() -> anyhow::Result<()> {
    until("subscribed to heads", |checkpoint| checkpoint.endpoints.iter().any(|endpoint| endpoint.subscribed))
        .await
}

fn endpoint(url: String) -> Endpoint {
    Endpoint { url, priority: 1, weight: 1, auth_type: "none".to_owned(), rate_limit: 0, active: true }
}

/// Registers the chain with one endpoint; again, it says whether the chain is read now.
pub(crate) async fn enable(crowd: &Crowd, enabled: bool) -> anyhow::Result<()> {
    let chain = Chain {
        chain_id: chain_id(),
        chain_numeric: CHAIN,
        name: "Crowd".to_owned(),
        native_symbol: "ETH".to_owned(),
        decimals: 18,
        enabled,
        confirmations: 1,
        reorg_depth: 64,
        // As fast as they are mined here: how often a socket may wake depends on it.
        block_time_millis: 100,
        ..Default::default()
    };
    let asked = UpsertChainRequest { chain: Some(chain), endpoints: vec![endpoint(crowd.url.clone())] };
    registry()?.upsert_chain(asked).await.context("the chain could not be registered")?;
    Ok(())
}

/// Registers the chain, and the collection on it.
pub(crate) async fn register(crowd: &Crowd) -> anyhow::Result<()> {
    enable(crowd, true).await?;
    let contract = Contract {
        name: "crowd".to_owned(),
        address: hex::encode_prefixed(crowd.collection),
        start_block: crowd.created,
        standard: "ERC721".to_owned(),
        ..Default::default()
    };
    let asked =
        UpsertContractRequest { chain_id: chain_id(), contract: Some(contract), ..Default::default() };
    registry()?.upsert_contract(asked).await.context("the collection could not be registered")?;
    Ok(())
}

/// Adds a socket to the chain's endpoints.
pub(crate) async fn add_socket(crowd: &Crowd) -> anyhow::Result<()> {
    let socket = crowd.url.replacen("http", "ws", 1);
    let endpoints = vec![endpoint(crowd.url.clone()), endpoint(socket)];
    let asked = SetEndpointsRequest { chain_id: chain_id(), endpoints, ..Default::default() };
    registry()?.set_endpoints(asked).await.context("the socket could not be registered")?;
    Ok(())
}
