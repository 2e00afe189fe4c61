//! The services that this one calls.

use proto::catalog::v1::catalog_service_client::CatalogServiceClient;

use crate::config;

/// One client a service; clones share the connection.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) catalog: CatalogServiceClient<rpc::Channel>,
}

impl Peers {
    pub(crate) fn connect(urls: &config::Peers, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        Ok(Peers { catalog: CatalogServiceClient::new(rpc::channel("catalog", &urls.catalog, identity)?) })
    }
}
