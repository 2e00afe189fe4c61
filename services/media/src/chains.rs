//! The chains as the registry tells of them; a call of a contract's view.

use std::time::Duration;

use alloy::primitives::Bytes;
use evm::{Limits, NodeError};
use ids::AccountId;
use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;
use tokio_util::sync::CancellationToken;

use crate::config::Peers;

/// A `data:` URI of the largest document, in base64 and then in hexadecimal, with room to spare.
const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(3), call: Duration::from_secs(6), answer_bytes: 2 * 1024 * 1024 };

/// Clones share what is known.
#[derive(Clone)]
pub(crate) struct Chains(::chains::Chains);

/// Why a contract gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error("the registry does not tell the chain's endpoints: {0}")]
    Registry(#[from] ::chains::Lookup),
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Chains {
    /// The chains, and the task that follows the registry.
    pub(crate) fn connect(
        peers: &Peers,
        identity: &rpc::Identity,
        stopping: CancellationToken,
    ) -> anyhow::Result<(Chains, impl Future<Output = anyhow::Result<()>> + Send + 'static)> {
        let registry = rpc::channel("chain-registry", &peers.chain_registry, identity)?;
        let (chains, watching) = ::chains::Chains::watch(ChainRegistryServiceClient::new(registry), stopping);
        Ok((Chains(chains), watching))
    }

    pub(crate) async fn view(&self, contract: AccountId, data: Vec<u8>) -> Result<Bytes, Silence> {
        let node = self.0.get(contract.chain_id).await?.node.with_limits(LIMITS);
        Ok(node.view(contract.address.into(), data.into()).await?)
    }
}
