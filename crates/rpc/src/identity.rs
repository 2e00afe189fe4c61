//! Who this process is, by certificate, and whom it believes. The files are looked at every two seconds; a change that
//! can be used takes effect on the next handshake, one that cannot is logged and counted, and the last good one stays.
use std::{
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::TLS13,
};

use crate::{Settings, metrics, spiffe};

const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The certificate, key and trust of this process; clones share one reload.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    live: ArcSwap<Live>,
}

#[derive(Debug)]
pub(crate) struct Live {
    name: Arc<str>,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
}

#[derive(PartialEq, Eq)]
struct Files {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// Reads the three files and watches them from then on, as long as a clone lives. Wants a Tokio runtime.
    pub fn load(settings: &Settings) -> anyhow::Result<Self> {
        let files = Files::read(settings)?;
        let live = ArcSwap::from_pointee(files.parse()?);
        let inner = Arc::new(Inner { settings: settings.clone(), live });
        tokio::spawn(watch(Arc::downgrade(&inner), files));
        Ok(Self(inner))
    }

    /// The service that the certificate in use names.
    pub fn name(&self) -> Arc<str> {
        self.0.live.load().name.clone()
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }
}

async fn watch(inner: Weak<Inner>, mut seen: Files) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let Some(inner) = inner.upgrade() else { return };
        // A file that is missing for a moment is a rotation under way.
        let Ok(files) = Files::read(&inner.settings) else { continue };
        if files == seen {
            continue;
        }
        // Certificate and key are two files: between the two writes they do not fit, and the next look finds the pair.
        match files.parse() {
            Ok(live) => {
                inner.live.store(Arc::new(live));
                metrics::RELOADS.with_label_values(&["ok"]).inc();
                tracing::info!("certificates reloaded");
            }
            Err(err) => {
                metrics::RELOADS.with_label_values(&["error"]).inc();
                tracing::error!(error = %format!("{err:#}"), "certificates changed but cannot be used");
            }
        }
        seen = files;
    }
}

impl Files {
    fn read(settings: &Settings) -> anyhow::Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        Ok(Self { ca: read(&settings.ca)?, cert: read(&settings.cert)?, key: read(&settings.key)? })
    }

    fn parse(&self) -> anyhow::Result<Live> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&self.ca) {
            roots
                .add(authority.context("the authority's file is not PEM")?)
                .context("the authority's certificate")?;
        }
        if roots.is_empty() {
            bail!("the authority's file holds no certificate");
        }
        let chain = CertificateDer::pem_slice_iter(&self.cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.context("the certificate's file is not PEM")?;
        let leaf = chain.first().context("the certificate's file holds no certificate")?;
        let name = spiffe::service(leaf).context("the certificate names no service of the fleet")?;
        let end = spiffe::not_after(leaf).unwrap_or_default();
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("the key's file holds no private key")?;

        metrics::NOT_AFTER.with_label_values(&[&name]).set(end);
        configs(name, Arc::new(roots), chain, key)
    }
}

fn configs(
    name: Arc<str>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<Live> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())?;
    server.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session is not verified again; an expired or replaced certificate must not live on in a ticket.
    server.send_tls13_tickets = 0;

    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    client.resumption = Resumption::disabled();
    Ok(Live { name, server: Arc::new(server), client: Arc::new(client) })
}
