//! What the people who run the fleet tell the registry, with their own certificate.

use std::path::Path;

use anyhow::Context;
use e2e::Stage;
use proto::chainregistry::v1::{
    Endpoint, GetChainRequest, SetEndpointsRequest, UpsertChainRequest,
    chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::Channel;
use url::Url;

const LOCAL: &str = "eip155:31337";

/// The certificate of the people who run the fleet.
fn identity(stage: &Stage) -> anyhow::Result<rpc::Identity> {
    let certs = Path::new(stage.variable("CERTS_DIR")?);
    rpc::Identity::load(&rpc::Settings {
        addr: ([127, 0, 0, 1], 0).into(),
        ca: certs.join("ca.pem"),
        cert: certs.join("operator.pem"),
        key: certs.join("operator.key"),
    })
}

pub(crate) fn registry(stage: &Stage) -> anyhow::Result<ChainRegistryServiceClient<Channel>> {
    let identity = identity(stage)?;
    let url: Url = stage.variable("CHAIN_REGISTRY_URL")?.parse()?;
    Ok(ChainRegistryServiceClient::new(rpc::channel("chain-registry", &url, &identity)?))
}

/// How many blocks the local chain asks for from now on.
pub(crate) async fn confirmations(stage: &Stage, count: u32) -> anyhow::Result<()> {
    let mut registry = registry(stage)?;
    let asked = GetChainRequest { chain_id: LOCAL.to_owned() };
    let mut chain = registry.get_chain(asked).await?.into_inner().chain.context("the local chain")?;
    chain.confirmations = count;
    let asked = UpsertChainRequest { chain: Some(chain), endpoints: vec![own(stage, 1)?] };
    registry.upsert_chain(asked).await?;
    Ok(())
}

/// The endpoints of the local chain: this one before the node itself, or the node alone.
pub(crate) async fn endpoints(stage: &Stage, first: Option<&str>) -> anyhow::Result<()> {
    let before = first.map(|url| endpoint(url, 1));
    let endpoints = before.into_iter().chain([own(stage, 2)?]).collect();
    let asked = SetEndpointsRequest { chain_id: LOCAL.to_owned(), endpoints, expected_version: 0 };
    registry(stage)?.set_endpoints(asked).await?;
    Ok(())
}

fn own(stage: &Stage, priority: i32) -> anyhow::Result<Endpoint> {
    Ok(endpoint(stage.variable("RPC_URL")?, priority))
}

fn endpoint(url: &str, priority: i32) -> Endpoint {
    let auth_type = "none".to_owned();
    Endpoint { url: url.to_owned(), priority, weight: 1, auth_type, rate_limit: 0, active: true }
}
