//! user, wallet and chain-registry as auth meets them: three doors with memories, each of which can be shut.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
};

use ids::{AccountId, UserId, WalletId};
use proto::{
    chainregistry::v1::DialledChain,
    user::v1::{
        self as user,
        user_service_server::{UserService, UserServiceServer},
    },
    wallet::v1::{
        self as wallet,
        wallet_service_server::{WalletService, WalletServiceServer},
    },
};
use rpc::Identity;
use testkit::{Certs, Registry};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

use crate::quiet_node;

/// What the others know, and which of them answer.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) users: HashMap<String, UserId>,
    pub(crate) links: HashMap<String, (UserId, WalletId)>,
    pub(crate) suspended: Vec<UserId>,
    pub(crate) is_user_down: bool,
    pub(crate) is_wallet_down: bool,
    pub(crate) is_linking_down: bool,
    pub(crate) is_registry_down: bool,
    pub(crate) ensured: usize,
    /// Chains that are enabled beside [`CHAIN`].
    pub(crate) more_chains: Vec<u64>,
    /// Where a chain is, if not at a node on which nothing is deployed.
    pub(crate) endpoints: HashMap<u64, Vec<String>>,
    quiet_node: String,
    /// Holds back wallet's answers until it is given way.
    pub(crate) hold: Option<Arc<Semaphore>>,
    pub(crate) held: usize,
}

/// The doors' shared memory.
#[derive(Clone, Default)]
pub(crate) struct Others(Arc<Mutex<World>>);

/// The chain that is enabled.
pub(crate) const CHAIN: u64 = 31337;

impl Others {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Opens the three doors.
    pub(crate) fn serve(&self, certs: &Certs, stop: &CancellationToken) -> auth::PeerUrls {
        self.world().quiet_node = quiet_node::start();
        let world = self.clone();
        let registry = Registry::of(move || told(&world.world()));
        let open = |name: &str, routes: Routes| -> Url {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
            let identity = Identity::load(&certs.settings_for(name)).unwrap();
            tokio::spawn(rpc::serve(listener, identity, routes, stop.clone()));
            url
        };
        auth::PeerUrls {
            user: open("user", Routes::new(UserServiceServer::new(self.clone()))),
            wallet: open("wallet", Routes::new(WalletServiceServer::new(self.clone()))),
            chain_registry: open("chain-registry", registry.routes()),
        }
    }
}

fn answer<T>(is_down: bool, message: T) -> Result<Response<T>, Status> {
    if is_down { Err(Status::unavailable("down for the test")) } else { Ok(Response::new(message)) }
}

/// What one user at most can own: a key's address, or a contract on its chain.
fn identity(account_id: &str, account_type: &str) -> String {
    let account = account_id.parse::<AccountId>().unwrap();
    match account_type {
        "eoa" => account.address.to_lower(),
        "contract" => account.to_lower(),
        other => panic!("auth says what kind of account it is, not {other:?}"),
    }
}

#[tonic::async_trait]
impl UserService for Others {
    async fn ensure_user(
        &self,
        request: Request<user::EnsureUserRequest>,
    ) -> Result<Response<user::EnsureUserResponse>, Status> {
        let (request, mut world) = (request.into_inner(), self.world());
        let key = identity(&request.account_id, &request.account_type);
        if world.is_user_down {
            return answer(true, user::EnsureUserResponse::default());
        }
        world.ensured += 1;
        let created = !world.users.contains_key(&key);
        let user_id = *world.users.entry(key).or_insert_with(UserId::new);
        let status = if world.suspended.contains(&user_id) { "suspended" } else { "active" };
        let user = user::User {
            user_id: user_id.to_string(),
            status: status.to_owned(),
            roles: vec!["user".to_owned(), "creator".to_owned()],
            ..Default::default()
        };
        answer(false, user::EnsureUserResponse { user: Some(user), created })
    }

    async fn get_user(
        &self,
        _: Request<user::GetUserRequest>,
    ) -> Result<Response<user::GetUserResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn batch_get_users(
        &self,
        _: Request<user::BatchGetUsersRequest>,
    ) -> Result<Response<user::BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn search_users(
        &self,
        _: Request<user::SearchUsersRequest>,
    ) -> Result<Response<user::SearchUsersResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn update_profile(
        &self,
        _: Request<user::UpdateProfileRequest>,
    ) -> Result<Response<user::UpdateProfileResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn get_preferences(
        &self,
        _: Request<user::GetPreferencesRequest>,
    ) -> Result<Response<user::GetPreferencesResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn update_preferences(
        &self,
        _: Request<user::UpdatePreferencesRequest>,
    ) -> Result<Response<user::UpdatePreferencesResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn set_follow(
        &self,
        _: Request<user::SetFollowRequest>,
    ) -> Result<Response<user::SetFollowResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn list_follows(
        &self,
        _: Request<user::ListFollowsRequest>,
    ) -> Result<Response<user::ListFollowsResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn batch_is_following(
        &self,
        _: Request<user::BatchIsFollowingRequest>,
    ) -> Result<Response<user::BatchIsFollowingResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn batch_get_stats(
        &self,
        _: Request<user::BatchGetStatsRequest>,
    ) -> Result<Response<user::BatchGetStatsResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn set_role(
        &self,
        _: Request<user::SetRoleRequest>,
    ) -> Result<Response<user::SetRoleResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn set_status(
        &self,
        _: Request<user::SetStatusRequest>,
    ) -> Result<Response<user::SetStatusResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }
}

#[tonic::async_trait]
impl WalletService for Others {
    async fn upsert_link(
        &self,
        request: Request<wallet::UpsertLinkRequest>,
    ) -> Result<Response<wallet::UpsertLinkResponse>, Status> {
        let (request, mut world) = (request.into_inner(), self.world());
        if world.is_wallet_down || world.is_linking_down {
            return answer(true, wallet::UpsertLinkResponse::default());
        }
        let asked = (request.user_id.parse().unwrap(), WalletId::new());
        let (user_id, wallet_id) =
            *world.links.entry(identity(&request.account_id, &request.r#type)).or_insert(asked);
        let link = wallet::Wallet {
            wallet_id: wallet_id.to_string(),
            user_id: user_id.to_string(),
            account_id: request.account_id,
            ..Default::default()
        };
        answer(false, wallet::UpsertLinkResponse { wallet: Some(link), created: wallet_id == asked.1 })
    }

    async fn resolve_accounts(
        &self,
        request: Request<wallet::ResolveAccountsRequest>,
    ) -> Result<Response<wallet::ResolveAccountsResponse>, Status> {
        let request = request.into_inner();
        let (told, hold) = {
            let mut world = self.world();
            world.held += usize::from(world.hold.is_some());
            let owner = |account: String| {
                let key = identity(&account, &request.account_type);
                Some((account, world.links.get(&key)?.0.to_string()))
            };
            let user_id_by_account = request.account_ids.into_iter().filter_map(owner).collect();
            let told = wallet::ResolveAccountsResponse { user_id_by_account };
            (answer(world.is_wallet_down, told), world.hold.clone())
        };
        if let Some(hold) = hold {
            drop(hold.acquire().await.unwrap());
        }
        told
    }

    async fn batch_list_wallets(
        &self,
        _: Request<wallet::BatchListWalletsRequest>,
    ) -> Result<Response<wallet::BatchListWalletsResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn list_approvals(
        &self,
        _: Request<wallet::ListApprovalsRequest>,
    ) -> Result<Response<wallet::ListApprovalsResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn link_wallet(
        &self,
        _: Request<wallet::LinkWalletRequest>,
    ) -> Result<Response<wallet::LinkWalletResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn unlink(
        &self,
        _: Request<wallet::UnlinkRequest>,
    ) -> Result<Response<wallet::UnlinkResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn set_label(
        &self,
        _: Request<wallet::SetLabelRequest>,
    ) -> Result<Response<wallet::SetLabelResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn set_primary(
        &self,
        _: Request<wallet::SetPrimaryRequest>,
    ) -> Result<Response<wallet::SetPrimaryResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn list_activity(
        &self,
        _: Request<wallet::ListActivityRequest>,
    ) -> Result<Response<wallet::ListActivityResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn list_approval_history(
        &self,
        _: Request<wallet::ListApprovalHistoryRequest>,
    ) -> Result<Response<wallet::ListApprovalHistoryResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }

    async fn list_grantors(
        &self,
        _: Request<wallet::ListGrantorsRequest>,
    ) -> Result<Response<wallet::ListGrantorsResponse>, Status> {
        Err(Status::unimplemented("auth does not ask"))
    }
}

/// What the registry tells: the chains, unless it is down.
fn told(world: &World) -> Option<Vec<DialledChain>> {
    let chain = |number: u64, enabled: bool| {
        let quiet = || vec![format!("{}{number}", world.quiet_node)];
        let urls = world.endpoints.get(&number).cloned().unwrap_or_else(quiet);
        let mut told = Registry::chain(&format!("eip155:{number}"), "");
        told.endpoints = urls.iter().map(|url| Registry::endpoint(url)).collect();
        if let Some(chain) = &mut told.chain {
            chain.enabled = enabled;
        }
        told
    };
    let mut chains = vec![chain(CHAIN, true), chain(5, false)];
    chains.extend(world.more_chains.iter().map(|number| chain(*number, true)));
    (!world.is_registry_down).then_some(chains)
}
