//! The chain-registry, called as the operator.

use anyhow::Context;
use proto::chainregistry::v1::{
    Chain, Contract, Endpoint, GetChainRequest, UpsertChainRequest, UpsertContractRequest,
    chain_registry_service_client::ChainRegistryServiceClient,
};
use url::Url;

use crate::{Fleet, operator::identity};

pub(crate) struct Registry(ChainRegistryServiceClient<rpc::Channel>);

impl Registry {
    pub(crate) fn connect(fleet: &Fleet) -> anyhow::Result<Registry> {
        let identity = identity(&fleet.certs)?;
        Ok(Registry(ChainRegistryServiceClient::new(rpc::channel(
            "chain-registry",
            &fleet.registry,
            &identity,
        )?)))
    }

    pub(crate) async fn find(&self, chain_id: &str) -> anyhow::Result<Option<Chain>> {
        match self.0.clone().get_chain(GetChainRequest { chain_id: chain_id.to_owned() }).await {
            Ok(answer) => Ok(answer.into_inner().chain),
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(status).context("the chain-registry did not answer"),
        }
    }

    pub(crate) async fn put_chain(&self, chain: Chain, url: &Url) -> anyhow::Result<()> {
        let endpoint = Endpoint {
            url: url.to_string(),
            priority: 1,
            weight: 1,
            auth_type: "none".to_owned(),
            rate_limit: 0,
            active: true,
        };
        let asked = UpsertChainRequest { chain: Some(chain), endpoints: vec![endpoint] };
        self.0.clone().upsert_chain(asked).await.context("the chain could not be registered")?;
        Ok(())
    }

    pub(crate) async fn put_contract(
        &self,
        chain_id: &str,
        contract: Contract,
        abi: String,
    ) -> anyhow::Result<()> {
        let asked = UpsertContractRequest {
            chain_id: chain_id.to_owned(),
            contract: Some(contract),
            abi_json: abi,
            ..Default::default()
        };
        self.0.clone().upsert_contract(asked).await.context("the contract could not be registered")?;
        Ok(())
    }
}
