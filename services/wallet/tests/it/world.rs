//! auth as wallet meets it: a door with a memory that says of a message what the message says of itself.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
};

use proto::auth::v1::{
    self as pb,
    auth_service_server::{AuthService, AuthServiceServer},
};
use rpc::{Code, Identity, Refusal};
use testkit::Certs;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

/// What was asked, and what is out of order.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) asked: Vec<pb::VerifyOwnershipRequest>,
    pub(crate) refuses: Option<Refusal>,
    pub(crate) hangs: bool,
}

/// The door's memory.
#[derive(Clone, Default)]
pub(crate) struct Auth(Arc<Mutex<World>>);

/// A message that proves an account as a kind of account: `eip155:1:0x.. eoa once-more`.
pub(crate) fn proof_of(account: &str, kind: &str, nonce: &str) -> String {
    format!("{account} {kind} {nonce}")
}

impl Auth {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Opens the door.
    pub(crate) fn serve(&self, certs: &Certs, stop: &CancellationToken) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let identity = Identity::load(&certs.settings_for("auth")).unwrap();
        let routes = Routes::new(AuthServiceServer::new(self.clone()));
        tokio::spawn(rpc::serve(listener, identity, routes, stop.clone()));
        url
    }
}

macro_rules! unasked {
    ($($name:ident: $request:ident -> $response:ident,)+) => {
        #[tonic::async_trait]
        impl AuthService for Auth {
            async fn verify_ownership(
                &self,
                request: Request<pb::VerifyOwnershipRequest>,
            ) -> Result<Response<pb::VerifyOwnershipResponse>, Status> {
                let request = request.into_inner();
                let (refuses, hangs) = {
                    let mut world = self.world();
                    world.asked.push(request.clone());
                    (world.refuses.clone(), world.hangs)
                };
                if hangs {
                    std::future::pending::<()>().await;
                }
                if let Some(refusal) = refuses {
                    return Err(refusal.into());
                }
                let mut words = request.message.split(' ');
                let mut word = || words.next().unwrap_or_default().to_owned();
                let (account_id, account_type) = (word(), word());
                if request.signature != b"signed" {
                    return Err(Refusal::new(Code::BadInput, "SIGNATURE_INVALID", "not the account's").into());
                }
                let method = if account_type == "contract" { "eip1271" } else { "eoa" }.to_owned();
                Ok(Response::new(pb::VerifyOwnershipResponse { account_id, account_type, method }))
            }

            $(async fn $name(
                &self,
                _: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                Err(Status::unimplemented("wallet does not ask"))
            })+
        }
    };
}

unasked! {
    issue_nonce: IssueNonceRequest -> IssueNonceResponse,
    verify_siwe: VerifySiweRequest -> VerifySiweResponse,
    refresh_session: RefreshSessionRequest -> RefreshSessionResponse,
    validate_session: ValidateSessionRequest -> ValidateSessionResponse,
    list_sessions: ListSessionsRequest -> ListSessionsResponse,
    revoke_sessions: RevokeSessionsRequest -> RevokeSessionsResponse,
    list_login_events: ListLoginEventsRequest -> ListLoginEventsResponse,
    set_intent_context: SetIntentContextRequest -> SetIntentContextResponse,
    get_jwks: GetJwksRequest -> GetJwksResponse,
    list_revocations: ListRevocationsRequest -> ListRevocationsResponse,
    rotate_signing_key: RotateSigningKeyRequest -> RotateSigningKeyResponse,
}
