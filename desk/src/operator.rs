//! Calls as the operator: with the certificate that the services know the people who run the fleet by.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use rpc::Problem;
use tonic::{Response, Status};
use url::Url;

/// Where the operator's certificate is.
#[derive(clap::Args, Clone)]
pub(crate) struct Certs {
    /// The folder with the certificates.
    #[arg(long = "certs", global = true, env = "VITRINE_CERTS_DIR", default_value = ".vitrine/run/certs")]
    dir: PathBuf,
}

impl Certs {
    /// A way to a service, which connects at the first call.
    pub(crate) fn channel(&self, service: &'static str, url: &Url) -> anyhow::Result<rpc::Channel> {
        rpc::channel(service, url, &identity(&self.dir)?)
    }
}

pub(crate) fn identity(certs: &Path) -> anyhow::Result<rpc::Identity> {
    // The operator answers no calls: the address is never bound.
    rpc::Identity::load(&rpc::Settings {
        addr: ([127, 0, 0, 1], 0).into(),
        ca: certs.join("ca.pem"),
        cert: certs.join("operator.pem"),
        key: certs.join("operator.key"),
    })
    .with_context(|| format!("no operator's certificate in {}: `desk certs` makes one", certs.display()))
}

/// The answer, or what the service said instead, in one line.
pub(crate) fn answer<T>(answered: Result<Response<T>, Status>) -> anyhow::Result<T> {
    match answered {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => {
            let problem = Problem::from(&status);
            Err(anyhow!("{}: {}", problem.code.as_str(), problem.message))
        }
    }
}
