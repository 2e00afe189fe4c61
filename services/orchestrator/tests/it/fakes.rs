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
    chainregistry::v1::{self as registry, chain_registry_service_server as registry_server},
    wallet::v1::{self as wallet, wallet_service_server as wallet_server},
};
use tonic::{Request, Response, Status};

use crate::rig::{CHAIN, WITHIN};

/// What the four services know and were told.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) chain_url: String,
    pub(crate) factory: String,
    /// The wallets of everybody.
    pub(crate) wallets: Mutex<Vec<(String, String)>>,
    pub(crate) is_disabled: AtomicBool,
    pub(crate) is_catalog_down: AtomicBool,
    pub(crate) pending: Mutex<BTreeSet<String>>,
    pub(crate) confirmations: Mutex<u32>,
    pub(crate) is_auth_down: AtomicBool,
    /// What auth was told that sessions prepare.
    pub(crate) notes: Mutex<Vec<auth::SetIntentContextRequest>>,
}

#[derive(Clone)]
pub(crate) struct Fake(pub(crate) Arc<World>);

fn elsewhere<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of this story"))
}

#[tonic::async_trait]
impl registry_server::ChainRegistryService for Fake {
    async fn get_chain(
        &self,
        request: Request<registry::GetChainRequest>,
    ) -> Result<Response<registry::GetChainResponse>, Status> {
        if request.get_ref().chain_id != CHAIN {
            return Err(Status::not_found("no such chain"));
        }
        let factory = registry::Contract {
            name: "erc721_erc1155_factory".into(),
            address: self.0.factory.clone(),
            standard: "factory".into(),
            ..registry::Contract::default()
        };
        let chain = registry::Chain {
            chain_id: CHAIN.into(),
            name: "Anvil".into(),
            enabled: !self.0.is_disabled.load(Ordering::SeqCst),
            confirmations: *self.0.confirmations.lock().unwrap(),
            contracts: vec![factory],
            ..registry::Chain::default()
        };
        Ok(Response::new(registry::GetChainResponse { chain: Some(chain) }))
    }

    async fn list_endpoints(
        &self,
        _: Request<registry::ListEndpointsRequest>,
    ) -> Result<Response<registry::ListEndpointsResponse>, Status> {
        let endpoint = registry::Endpoint {
            url: self.0.chain_url.clone(),
            weight: 1,
            auth_type: "none".into(),
            active: true,
            ..registry::Endpoint::default()
        };
        Ok(Response::new(registry::ListEndpointsResponse { endpoints: vec![endpoint], version: 1 }))
    }

    async fn list_chains(
        &self,
        _: Request<registry::ListChainsRequest>,
    ) -> Result<Response<registry::ListChainsResponse>, Status> {
        elsewhere()
    }

    async fn upsert_chain(
        &self,
        _: Request<registry::UpsertChainRequest>,
    ) -> Result<Response<registry::UpsertChainResponse>, Status> {
        elsewhere()
    }

    async fn upsert_contract(
        &self,
        _: Request<registry::UpsertContractRequest>,
    ) -> Result<Response<registry::UpsertContractResponse>, Status> {
        elsewhere()
    }
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
                    // Long past what its asker waits.
                    tokio::time::sleep(WITHIN).await;
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
                let request = request.into_inner();
                assert_eq!(request.contract.unwrap().chain_id, CHAIN);
                self.0.pending.lock().unwrap().insert(request.intent_id);
                Ok(Response::new(catalog::PutPendingCollectionResponse { collection: None }))
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
    get_collection: GetCollectionRequest -> GetCollectionResponse,
    batch_get_collections: BatchGetCollectionsRequest -> BatchGetCollectionsResponse,
    list_collections: ListCollectionsRequest -> ListCollectionsResponse,
    get_token: GetTokenRequest -> GetTokenResponse,
    batch_get_tokens: BatchGetTokensRequest -> BatchGetTokensResponse,
    list_tokens: ListTokensRequest -> ListTokensResponse,
    list_owners: ListOwnersRequest -> ListOwnersResponse,
    list_activities: ListActivitiesRequest -> ListActivitiesResponse,
    owner_stats: OwnerStatsRequest -> OwnerStatsResponse,
}
