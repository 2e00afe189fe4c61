//! The four services that orchestrator calls, which answer what a test tells them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use proto::{
    auth::v1::{self as auth, auth_service_server as auth_server},
    catalog::v1::{self as catalog, catalog_service_server as catalog_server},
    chainregistry::v1 as registry,
    common::v1::TokenRef,
    wallet::v1::{self as wallet, wallet_service_server as wallet_server},
};
use tonic::{Request, Response, Status};

use crate::{
    market_catalog::{self, Orders},
    rig::CHAIN,
};

/// What the four services know and were told.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) chain_url: String,
    /// Where the chain is asked instead, once it is said.
    pub(crate) through: Mutex<String>,
    pub(crate) factory: String,
    /// The wallets of everybody.
    pub(crate) wallets: Mutex<Vec<(String, String)>>,
    pub(crate) is_disabled: AtomicBool,
    pub(crate) is_catalog_down: AtomicBool,
    /// Whether the catalog refuses every collection that is about to be.
    pub(crate) is_pending_refused: AtomicBool,
    pub(crate) pending: Mutex<BTreeSet<String>>,
    pub(crate) confirmations: Mutex<u32>,
    pub(crate) reorg_depth: Mutex<u32>,
    /// Where the node of chain eip155:5 is, which never answers.
    pub(crate) silent_url: Mutex<String>,
    /// What the registry knows beside the factory.
    pub(crate) contracts: Mutex<Vec<registry::Contract>>,
    /// What the catalog keeps, by id.
    pub(crate) orders: Orders,
    /// Whether the catalog says that it will never take an order.
    pub(crate) is_catalog_refusing: AtomicBool,
    /// Contracts that the catalog follows.
    pub(crate) catalogued: Mutex<BTreeSet<String>>,
    pub(crate) is_auth_down: AtomicBool,
    pub(crate) holders: crate::snapshots::Holders,
    /// Whether the indexer cannot take a payer.
    pub(crate) is_indexer_down: AtomicBool,
    /// Whether it follows as many as it can.
    pub(crate) is_indexer_full: AtomicBool,
    /// Whose money the indexer follows, in which currency.
    pub(crate) payers: Mutex<Vec<(String, String)>>,
    /// What auth was told that sessions prepare.
    pub(crate) notes: Mutex<Vec<auth::SetIntentContextRequest>>,
}

#[derive(Clone)]
pub(crate) struct Fake(pub(crate) Arc<World>);

fn elsewhere<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of this story"))
}

/// What the registry tells: one chain.
pub(crate) fn told(world: &World) -> Vec<registry::DialledChain> {
    let factory = registry::Contract {
        name: "erc721_erc1155_factory".into(),
        address: world.factory.clone(),
        standard: "factory".into(),
        ..registry::Contract::default()
    };
    let through = world.through.lock().unwrap().clone();
    let url = if through.is_empty() { &world.chain_url } else { &through };
    let mut dialled = testkit::Registry::chain(CHAIN, url);
    if let Some(chain) = &mut dialled.chain {
        chain.enabled = !world.is_disabled.load(Ordering::SeqCst);
        chain.confirmations = *world.confirmations.lock().unwrap();
        chain.reorg_depth = *world.reorg_depth.lock().unwrap();
        chain.contracts = std::iter::once(factory).chain(world.contracts.lock().unwrap().clone()).collect();
    }
    let silent = world.silent_url.lock().unwrap().clone();
    let silent = (!silent.is_empty()).then(|| testkit::Registry::chain("eip155:5", &silent));
    std::iter::once(dialled).chain(silent).collect()
}

#[tonic::async_trait]
impl wallet_server::WalletService for Fake {
    async fn batch_list_wallets(
        &self,
        request: Request<wallet::BatchListWalletsRequest>,
    ) -> Result<Response<wallet::BatchListWalletsResponse>, Status> {
        let asked = request.into_inner().user_ids;
        let known = self.0.wallets.lock().unwrap();
        let wallets =
            known.iter().filter(|(user_id, _)| asked.contains(user_id)).map(|(user_id, address)| {
                let (user_id, address) = (user_id.clone(), address.clone());
                wallet::Wallet {
                    user_id,
                    address,
                    r#type: "eoa".into(),
                    chain_id: "eip155:1".into(),
                    ..Default::default()
                }
            });
        Ok(Response::new(wallet::BatchListWalletsResponse { wallets: wallets.collect() }))
    }

    async fn upsert_link(
        &self,
        _: Request<wallet::UpsertLinkRequest>,
    ) -> Result<Response<wallet::UpsertLinkResponse>, Status> {
        elsewhere()
    }

    async fn resolve_accounts(
        &self,
        _: Request<wallet::ResolveAccountsRequest>,
    ) -> Result<Response<wallet::ResolveAccountsResponse>, Status> {
        elsewhere()
    }

    async fn list_approvals(
        &self,
        _: Request<wallet::ListApprovalsRequest>,
    ) -> Result<Response<wallet::ListApprovalsResponse>, Status> {
        elsewhere()
    }

    async fn link_wallet(
        &self,
        _: Request<wallet::LinkWalletRequest>,
    ) -> Result<Response<wallet::LinkWalletResponse>, Status> {
        elsewhere()
    }

    async fn unlink(
        &self,
        _: Request<wallet::UnlinkRequest>,
    ) -> Result<Response<wallet::UnlinkResponse>, Status> {
        elsewhere()
    }

    async fn set_label(
        &self,
        _: Request<wallet::SetLabelRequest>,
    ) -> Result<Response<wallet::SetLabelResponse>, Status> {
        elsewhere()
    }

    async fn set_primary(
        &self,
        _: Request<wallet::SetPrimaryRequest>,
    ) -> Result<Response<wallet::SetPrimaryResponse>, Status> {
        elsewhere()
    }

    async fn list_activity(
        &self,
        _: Request<wallet::ListActivityRequest>,
    ) -> Result<Response<wallet::ListActivityResponse>, Status> {
        elsewhere()
    }

    async fn list_approval_history(
        &self,
        _: Request<wallet::ListApprovalHistoryRequest>,
    ) -> Result<Response<wallet::ListApprovalHistoryResponse>, Status> {
        elsewhere()
    }

    async fn list_grantors(
        &self,
        _: Request<wallet::ListGrantorsRequest>,
    ) -> Result<Response<wallet::ListGrantorsResponse>, Status> {
        elsewhere()
    }
}

/// Of auth only the notes have a part here.
macro_rules! auth_elsewhere {
    ($($name:ident: $request:ident -> $response:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl auth_server::AuthService for Fake {
            $(async fn $name(&self, _: Request<auth::$request>) -> Result<Response<auth::$response>, Status> {
                elsewhere()
            })+

            async fn set_intent_context(
                &self,
                request: Request<auth::SetIntentContextRequest>,
            ) -> Result<Response<auth::SetIntentContextResponse>, Status> {
                if self.0.is_auth_down.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                self.0.notes.lock().unwrap().push(request.into_inner());
                Ok(Response::new(auth::SetIntentContextResponse {}))
            }
        }
    };
}

auth_elsewhere! {
    issue_nonce: IssueNonceRequest -> IssueNonceResponse,
    verify_siwe: VerifySiweRequest -> VerifySiweResponse,
    verify_ownership: VerifyOwnershipRequest -> VerifyOwnershipResponse,
    refresh_session: RefreshSessionRequest -> RefreshSessionResponse,
    validate_session: ValidateSessionRequest -> ValidateSessionResponse,
    list_sessions: ListSessionsRequest -> ListSessionsResponse,
    revoke_sessions: RevokeSessionsRequest -> RevokeSessionsResponse,
    list_login_events: ListLoginEventsRequest -> ListLoginEventsResponse,
    get_jwks: GetJwksRequest -> GetJwksResponse,
    list_revocations: ListRevocationsRequest -> ListRevocationsResponse,
    rotate_signing_key: RotateSigningKeyRequest -> RotateSigningKeyResponse,
}

/// The reads of the catalog have no part here.
macro_rules! elsewhere {
    ($($name:ident: $request:ident -> $response:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl catalog_server::CatalogService for Fake {
            $(async fn $name(&self, _: Request<catalog::$request>) -> Result<Response<catalog::$response>, Status> {
                elsewhere()
            })+

            async fn put_pending_collection(
                &self,
                request: Request<catalog::PutPendingCollectionRequest>,
            ) -> Result<Response<catalog::PutPendingCollectionResponse>, Status> {
                if self.0.is_catalog_down.load(Ordering::SeqCst) {
                    return Err(Status::unavailable("down"));
                }
                if self.0.is_pending_refused.load(Ordering::SeqCst) {
                    return Err(Status::failed_precondition("another intent announced it"));
                }
                let request = request.into_inner();
                assert_eq!(request.contract.unwrap().chain_id, CHAIN);
                self.0.pending.lock().unwrap().insert(request.intent_id);
                Ok(Response::new(catalog::PutPendingCollectionResponse { collection: None }))
            }

            async fn put_order(
                &self,
                request: Request<catalog::PutOrderRequest>,
            ) -> Result<Response<catalog::PutOrderResponse>, Status> {
                if self.0.is_catalog_down.load(Ordering::SeqCst) {
                    return Err(Status::unavailable("down"));
                }
                if self.0.is_catalog_refusing.load(Ordering::SeqCst) {
                    return Err(Status::failed_precondition("an order of this hash is stored with other contents"));
                }
                let order = market_catalog::put(&self.0.orders, request.into_inner().order.unwrap())?;
                Ok(Response::new(catalog::PutOrderResponse { order: Some(order) }))
            }

            async fn list_orders(
                &self,
                request: Request<catalog::ListOrdersRequest>,
            ) -> Result<Response<catalog::ListOrdersResponse>, Status> {
                if self.0.is_catalog_down.load(Ordering::SeqCst) {
                    return Err(Status::unavailable("down"));
                }
                Ok(Response::new(market_catalog::list(&self.0.orders, &request.into_inner())))
            }

            async fn list_tokens(
                &self,
                request: Request<catalog::ListTokensRequest>,
            ) -> Result<Response<catalog::ListTokensResponse>, Status> {
                // A collection's id is its address here; each that is catalogued has token 1.
                let reference = TokenRef {
                    chain_id: CHAIN.into(),
                    address: request.into_inner().collection_id,
                    token_id: "1".into(),
                };
                let token = catalog::Token { r#ref: Some(reference), ..Default::default() };
                let (tokens, cursors) = (vec![token], vec![String::new()]);
                Ok(Response::new(catalog::ListTokensResponse { tokens, cursors, has_next: false }))
            }

            async fn get_order(
                &self,
                request: Request<catalog::GetOrderRequest>,
            ) -> Result<Response<catalog::GetOrderResponse>, Status> {
                let found = self.0.orders.lock().unwrap().get(&request.into_inner().id).cloned();
                let order = found.ok_or_else(|| Status::not_found("no such order"))?;
                Ok(Response::new(catalog::GetOrderResponse { order: Some(order) }))
            }

            async fn get_collection(
                &self,
                request: Request<catalog::GetCollectionRequest>,
            ) -> Result<Response<catalog::GetCollectionResponse>, Status> {
                let Some(catalog::get_collection_request::By::Contract(contract)) = request.into_inner().by
                else {
                    return elsewhere();
                };
                if !self.0.catalogued.lock().unwrap().contains(&contract.address) {
                    return Err(Status::not_found("no such collection"));
                }
                let status = "LIVE".to_owned();
                let id = contract.address.clone();
                let collection =
                    catalog::Collection { id, contract: Some(contract), status, ..Default::default() };
                Ok(Response::new(catalog::GetCollectionResponse { collection: Some(collection) }))
            }

            async fn list_holders_at(
                &self,
                request: Request<catalog::ListHoldersAtRequest>,
            ) -> Result<Response<catalog::ListHoldersAtResponse>, Status> {
                self.0.holders.answer(request.into_inner()).await
            }

            async fn remove_pending_collection(
                &self,
                request: Request<catalog::RemovePendingCollectionRequest>,
            ) -> Result<Response<catalog::RemovePendingCollectionResponse>, Status> {
                self.0.pending.lock().unwrap().remove(&request.into_inner().intent_id);
                Ok(Response::new(catalog::RemovePendingCollectionResponse {}))
            }
        }
    };
}

elsewhere! {
    batch_get_collections: BatchGetCollectionsRequest -> BatchGetCollectionsResponse,
    list_collections: ListCollectionsRequest -> ListCollectionsResponse,
    get_token: GetTokenRequest -> GetTokenResponse,
    batch_get_tokens: BatchGetTokensRequest -> BatchGetTokensResponse,
    list_owners: ListOwnersRequest -> ListOwnersResponse,
    list_activities: ListActivitiesRequest -> ListActivitiesResponse,
    owner_stats: OwnerStatsRequest -> OwnerStatsResponse,
}
