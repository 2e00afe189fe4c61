//! The services that this one calls.

use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;

use crate::config;

/// One client a service; clones share the connection.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) chains: ChainRegistryServiceClient<rpc::Channel>,
}

impl Peers {
    pub(crate) fn connect(urls: &config::Peers, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        let registry = rpc::channel("chain-registry", &urls.chain_registry, identity)?;
        Ok(Peers { chains: ChainRegistryServiceClient::new(registry) })
    }
}
