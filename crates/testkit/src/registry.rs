//! A chain registry that says what a test tells it, over real mutual TLS, and tells its watchers of each change.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use proto::chainregistry::v1::{
    self as pb, chain_registry_service_server::ChainRegistryService,
    chain_registry_service_server::ChainRegistryServiceServer,
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

use crate::Certs;

const LOOKS_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Default)]
struct State {
    version: u64,
    chains: Vec<pb::DialledChain>,
}

/// What the registry knows, in the hands of a test. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct Registry {
    state: Arc<watch::Sender<State>>,
    fees: Arc<Mutex<Option<pb::SuggestFeesResponse>>>,
    is_down: Arc<AtomicBool>,
    /// Cancelled and made anew each time that the registry goes away.
    streams: Arc<Mutex<CancellationToken>>,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            state: Arc::new(watch::channel(State { version: 1, chains: Vec::new() }).0),
            fees: Arc::default(),
            is_down: Arc::default(),
            streams: Arc::default(),
        }
    }
}

/// The registry at an address; its listener ends when this is dropped.
#[derive(Debug)]
pub struct RegistryDoor {
    /// `https://127.0.0.1:port`.
    pub url: Url,
    _serving: DropGuard,
}

/// A registry without chains, and its door.
pub fn registry(certs: &Certs) -> (Registry, RegistryDoor) {
    let registry = Registry::default();
    let door =
        registry_at(&registry, TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"), certs);
    (registry, door)
}

/// The registry behind a listener that the test opened.
pub fn registry_at(registry: &Registry, listener: TcpListener, certs: &Certs) -> RegistryDoor {
    let address = listener.local_addr().expect("the listener is bound");
    let identity =
        rpc::Identity::load(&certs.settings_for("chain-registry")).expect("the certificates are good");
    let stop = CancellationToken::new();
    let streams = registry.clone();
    let ended = stop.clone();
    // A process that ends takes its streams with it; serving alone would wait for them.
    tokio::spawn(async move {
        ended.cancelled().await;
        streams.cut();
    });
    tokio::spawn(rpc::serve(listener, identity, registry.routes(), stop.clone()));
    let url = format!("https://{address}").parse().expect("an address makes a URL");
    RegistryDoor { url, _serving: stop.drop_guard() }
}

impl Registry {
    /// A registry that says what `describe` says, and is away while that says nothing. For tests whose world is one
    /// state that is changed in place; a change is seen within some milliseconds.
    pub fn of(mut describe: impl FnMut() -> Option<Vec<pb::DialledChain>> + Send + 'static) -> Registry {
        let registry = Registry::default();
        registry.adopt(describe());
        let followed = registry.clone();
        tokio::spawn(async move {
            // Ends when nobody else has the registry any more.
            while Arc::strong_count(&followed.state) > 1 {
                followed.adopt(describe());
                tokio::time::sleep(LOOKS_EVERY).await;
            }
        });
        registry
    }

    fn adopt(&self, said: Option<Vec<pb::DialledChain>>) {
        let is_down = said.is_none();
        if self.is_down.load(Ordering::SeqCst) != is_down {
            self.set_down(is_down);
        }
        if let Some(chains) = said.filter(|chains| *chains != self.state.borrow().chains) {
            self.change(|known| *known = chains);
        }
    }

    /// For a test that serves it beside other services.
    pub fn routes(&self) -> Routes {
        Routes::new(ChainRegistryServiceServer::new(self.clone()))
    }

    /// Changes the chains; whoever watches is told of it as of one new version, which is returned.
    pub fn change(&self, change: impl FnOnce(&mut Vec<pb::DialledChain>)) -> u64 {
        self.state.send_modify(|state| {
            change(&mut state.chains);
            state.version += 1;
        });
        self.state.borrow().version
    }

    /// Says these chains as of this version, whatever the version was: what watchers see of a database that is restored.
    pub fn restore(&self, version: u64, chains: Vec<pb::DialledChain>) {
        self.state.send_replace(State { version, chains });
    }

    /// Puts a chain in the place of the one with its id, or beside the others.
    pub fn put(&self, chain: pb::DialledChain) -> u64 {
        let id = id_of(&chain).to_owned();
        self.change(|chains| {
            match chains.iter_mut().find(|known| id_of(known) == id.as_str()) {
                Some(known) => *known = chain,
                None => chains.push(chain),
            };
        })
    }

    /// Changes one chain, which must be there.
    pub fn update(&self, chain_id: &str, change: impl FnOnce(&mut pb::Chain)) -> u64 {
        self.change(|chains| {
            let dialled = chains.iter_mut().find(|known| id_of(known) == chain_id);
            let chain = dialled.and_then(|dialled| dialled.chain.as_mut());
            change(chain.unwrap_or_else(|| panic!("the registry has no {chain_id}")));
        })
    }

    /// Replaces the endpoints of a chain, which must be there.
    pub fn set_endpoints(&self, chain_id: &str, endpoints: Vec<pb::Endpoint>) -> u64 {
        self.change(|chains| {
            let dialled = chains.iter_mut().find(|known| id_of(known) == chain_id);
            dialled.unwrap_or_else(|| panic!("the registry has no {chain_id}")).endpoints = endpoints;
        })
    }

    /// Forgets a chain.
    pub fn remove(&self, chain_id: &str) -> u64 {
        self.change(|chains| chains.retain(|known| id_of(known) != chain_id))
    }

    /// What `SuggestFees` answers; until it is said, 30 gwei at most with 1 gwei on a base fee of 1 gwei.
    pub fn set_fees(&self, fees: pb::SuggestFeesResponse) {
        *self.fees.lock().unwrap_or_else(PoisonError::into_inner) = Some(fees);
    }

    /// Refuses every call and ends every stream, or stops doing so.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
        if is_down {
            self.cut();
        }
    }

    /// How many watch it now.
    pub fn watchers(&self) -> usize {
        self.state.receiver_count()
    }

    /// Ends every stream.
    pub fn cut(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.cancel();
        *streams = CancellationToken::new();
    }

    fn up(&self) -> Result<State, Status> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(Status::unavailable("the registry is away")),
            false => Ok(self.state.borrow().clone()),
        }
    }

    fn find(&self, chain_id: &str) -> Result<(u64, pb::DialledChain), Status> {
        let State { version, chains } = self.up()?;
        let found = chains.into_iter().find(|known| id_of(known) == chain_id);
        found.map(|chain| (version, chain)).ok_or_else(|| Status::not_found("no such chain"))
    }
}

fn id_of(chain: &pb::DialledChain) -> &str {
    chain.chain.as_ref().map_or("", |chain| chain.chain_id.as_str())
}

impl Registry {
    /// An enabled chain with a block to confirm and one endpoint, as anvil is.
    pub fn chain(chain_id: &str, url: &str) -> pb::DialledChain {
        let chain = pb::Chain {
            chain_id: chain_id.to_owned(),
            name: "Anvil".to_owned(),
            native_symbol: "ETH".to_owned(),
            decimals: 18,
            enabled: true,
            confirmations: 1,
            reorg_depth: 64,
            block_time_millis: 1000,
            finality_blocks: 64,
            features_json: "{}".to_owned(),
            ..pb::Chain::default()
        };
        pb::DialledChain { chain: Some(chain), endpoints: vec![Registry::endpoint(url)] }
    }

    /// An endpoint without a key.
    pub fn endpoint(url: &str) -> pb::Endpoint {
        pb::Endpoint {
            url: url.to_owned(),
            priority: 0,
            weight: 1,
            auth_type: "none".to_owned(),
            rate_limit: 0,
            active: true,
        }
    }
}

/// What the people who run a fleet do with a registry has no part in a test of those who read it.
macro_rules! reads_and {
    ($($name:ident: $request:ident -> $response:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl ChainRegistryService for Registry {
            $(async fn $name(&self, _: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                Err(Status::unimplemented("not part of this story"))
            })+

            type WatchSnapshotStream = BoxStream<'static, Result<pb::WatchSnapshotResponse, Status>>;

            async fn watch_snapshot(
                &self,
                _: Request<pb::WatchSnapshotRequest>,
            ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
                let cut = self.streams.lock().unwrap_or_else(PoisonError::into_inner).clone();
                self.up()?;
                let told = WatchStream::new(self.state.subscribe()).map(|State { version, chains }| {
                    Ok(pb::WatchSnapshotResponse { version, chains })
                });
                Ok(Response::new(told.take_until(cut.cancelled_owned()).boxed()))
            }

            async fn get_snapshot(
                &self,
                _: Request<pb::GetSnapshotRequest>,
            ) -> Result<Response<pb::GetSnapshotResponse>, Status> {
                let State { version, chains } = self.up()?;
                Ok(Response::new(pb::GetSnapshotResponse { version, chains }))
            }

            async fn list_chains(
                &self,
                request: Request<pb::ListChainsRequest>,
            ) -> Result<Response<pb::ListChainsResponse>, Status> {
                let State { version, chains } = self.up()?;
                let everything = request.into_inner().include_disabled;
                let chains = chains.into_iter().filter_map(|dialled| dialled.chain);
                let chains = chains.filter(|chain| everything || chain.enabled).collect();
                Ok(Response::new(pb::ListChainsResponse { chains, version }))
            }

            async fn get_chain(
                &self,
                request: Request<pb::GetChainRequest>,
            ) -> Result<Response<pb::GetChainResponse>, Status> {
                let (_, dialled) = self.find(&request.into_inner().chain_id)?;
                Ok(Response::new(pb::GetChainResponse { chain: dialled.chain }))
            }

            async fn list_endpoints(
                &self,
                request: Request<pb::ListEndpointsRequest>,
            ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
                let (version, dialled) = self.find(&request.into_inner().chain_id)?;
                Ok(Response::new(pb::ListEndpointsResponse { endpoints: dialled.endpoints, version }))
            }

            async fn suggest_fees(
                &self,
                request: Request<pb::SuggestFeesRequest>,
            ) -> Result<Response<pb::SuggestFeesResponse>, Status> {
                self.find(&request.into_inner().chain_id)?;
                let said = self.fees.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(Response::new(said.unwrap_or_else(|| pb::SuggestFeesResponse {
                    base_fee: "1000000000".to_owned(),
                    max_fee_per_gas: "30000000000".to_owned(),
                    max_priority_fee_per_gas: "1000000000".to_owned(),
                    capped: false,
                    observe_time: None,
                })))
            }
        }
    };
}

reads_and! {
    upsert_chain: UpsertChainRequest -> UpsertChainResponse,
    upsert_contract: UpsertContractRequest -> UpsertContractResponse,
    enable_chain: EnableChainRequest -> EnableChainResponse,
    set_endpoints: SetEndpointsRequest -> SetEndpointsResponse,
    set_gas_policy: SetGasPolicyRequest -> SetGasPolicyResponse,
    remove_contract: RemoveContractRequest -> RemoveContractResponse,
    bump_version: BumpVersionRequest -> BumpVersionResponse,
    get_abi: GetAbiRequest -> GetAbiResponse,
    resolve_proxy: ResolveProxyRequest -> ResolveProxyResponse,
    list_audit: ListAuditRequest -> ListAuditResponse,
}
