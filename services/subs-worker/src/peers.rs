//! The services that this one calls.

use proto::orchestrator::v1::intent_service_client::IntentServiceClient;

use crate::config;

/// One client a service; clones share the connection.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) intents: IntentServiceClient<rpc::Channel>,
}

impl Peers {
    pub(crate) fn connect(urls: &config::Peers, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        let orchestrator = rpc::channel("orchestrator", &urls.orchestrator, identity)?;
        Ok(Peers { intents: IntentServiceClient::new(orchestrator) })
    }
}
