//! The services that this one calls.

use proto::media::v1::media_service_client::MediaServiceClient;

use crate::config;

/// One client a service; clones share the connection.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) media: MediaServiceClient<rpc::Channel>,
}

impl Peers {
    pub(crate) fn connect(urls: &config::Peers, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        Ok(Peers { media: MediaServiceClient::new(rpc::channel("media", &urls.media, identity)?) })
    }
}
