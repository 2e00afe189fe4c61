//! The door for calls: parse, call, reply.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ids::{AccountId, SessionId, UserId};
use prost_types::Timestamp;
use proto::auth::v1::{
    self as pb,
    auth_service_server::{AuthService, AuthServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};
use tracing::Instrument;

use crate::{
    access_token::Issuer,
    ask_again::Asker,
    error::Error,
    issue_nonce::issue_nonce,
    limit::{Limits, Take},
    list_login_events::{Place, list_login_events},
    list_sessions::{Position, list_sessions},
    model::{Aim, Client, Session},
    peers::Peers,
    prove_account::{Attempt, Errand, Prover},
    refresh_session::{Refresh, Refreshed, refresh_session},
    revoke_sessions::{Ask, revoke_by_token, revoke_sessions},
    set_intent_context::{Note, set_intent_context},
    siwe::Rules,
    store::{self, Mirror, Recorded},
    verify_ownership::verify_ownership,
    verify_siwe::{SignIn, SignedIn, verify_siwe},
};

/// What an attempt without a deadline gets for its questions to others.
const ATTEMPT_ENDS_WITHIN: Duration = Duration::from_secs(10);
const USER_AGENT_MAX_CHARS: usize = 512;

/// The door with what its calls need. Clones share it.
#[derive(Clone)]
pub(crate) struct Door {
    db: PgPool,
    rules: Rules,
    peers: Peers,
    tokens: Issuer,
    mirror: Mirror,
    limits: Limits,
    asker: Asker,
}

impl Door {
    pub(crate) fn new(
        db: PgPool,
        rules: Rules,
        peers: Peers,
        tokens: Issuer,
        mirror: Mirror,
        limits: Limits,
        asker: Asker,
    ) -> Door {
        Door { db, rules, peers, tokens, mirror, limits, asker }
    }

    fn prover(&self) -> Prover<'_> {
        Prover {
            db: &self.db,
            rules: &self.rules,
            peers: &self.peers,
            mirror: &self.mirror,
            limits: &self.limits,
        }
    }

    /// The service as tonic wants it.
    pub(crate) fn routes(self) -> Routes {
        Routes::new(AuthServiceServer::new(self))
    }
}

#[tonic::async_trait]
impl AuthService for Door {
    async fn issue_nonce(
        &self,
        request: Request<pb::IssueNonceRequest>,
    ) -> Result<Response<pb::IssueNonceResponse>, Status> {
        let caller = rpc::caller::of(&request);
        let request = request.into_inner();
        let client = client(request.client.clone().unwrap_or_default())?;
        self.limits.take_for(Take::Nonce, client.ip).await?;
        let aim = match request.purpose() {
            pb::NoncePurpose::Unspecified | pb::NoncePurpose::SignIn => {
                Aim::SignIn { pre_session: pre_session(&request.pre_session)? }
            }
            pb::NoncePurpose::Link => {
                let user_id = caller?.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?;
                Aim::Link { user_id }
            }
        };
        let account = Some(&request.account_id).filter(|id| !id.is_empty()).map(|id| id.parse()).transpose();
        let account: Option<AccountId> = account.map_err(|err| Error::field("account_id", err))?;
        let issued = issue_nonce(self.prover(), &aim, account.as_ref()).await?;
        Ok(Response::new(pb::IssueNonceResponse {
            nonce: issued.nonce,
            expire_time: Some(timestamp(issued.expires_at)),
            domain: self.rules.domain().to_owned(),
            uri: self.rules.uri().to_owned(),
            statement: self.rules.statement(&aim).to_owned(),
            chain_ids: issued.chains.iter().map(ToString::to_string).collect(),
            message: issued.message.unwrap_or_default(),
        }))
    }

    async fn verify_siwe(
        &self,
        request: Request<pb::VerifySiweRequest>,
    ) -> Result<Response<pb::VerifySiweResponse>, Status> {
        let request = request.into_inner();
        let client = client(request.client.unwrap_or_default())?;
        let errand = Errand::SignIn { as_cookies: request.as_cookies, pre_session: request.pre_session };
        let attempt = Attempt { message: request.message, signature: request.signature, client, errand };
        let door = self.clone();
        let signing_in = async move {
            let with = SignIn { prover: door.prover(), tokens: &door.tokens };
            verify_siwe(&with, &attempt).await
        };
        Ok(Response::new(to_the_end(signing_in).await?.into()))
    }

    async fn validate_session(
        &self,
        request: Request<pb::ValidateSessionRequest>,
    ) -> Result<Response<pb::ValidateSessionResponse>, Status> {
        let session_id = session_id("session_id", &request.into_inner().session_id)?;
        let found = store::find_session(&self.db, session_id).await.map_err(Error::from)?;
        let Some((session, standing, now)) = found else {
            return Ok(Response::new(pb::ValidateSessionResponse::default()));
        };
        Ok(Response::new(pb::ValidateSessionResponse {
            active: session.is_alive(now) && standing.is_active(),
            roles: standing.roles,
            session: Some(session.into()),
        }))
    }

    async fn revoke_sessions(
        &self,
        request: Request<pb::RevokeSessionsRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let is_operator = rpc::caller::peer(&request).is_some_and(|peer| peer.name() == "operator");
        if !is_operator && !request.get_ref().refresh_token.is_empty() {
            let revoked = revoke_by_token(&self.db, &self.mirror, request.get_ref()).await?;
            return Ok(Response::new(pb::RevokeSessionsResponse { revoked: i32::from(revoked) }));
        }
        let caller = if is_operator { None } else { Some(rpc::caller::of(&request)?) };
        let request = request.into_inner();
        let ask = match caller {
            Some(caller) => Ask::of_owner(&caller, &request)?,
            None => Ask::of_operator(&request)?,
        };
        let revoked = revoke_sessions(&self.db, &self.mirror, &ask).await?;
        Ok(Response::new(pb::RevokeSessionsResponse { revoked: i32::try_from(revoked).unwrap_or(i32::MAX) }))
    }

    async fn get_jwks(
        &self,
        _: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        let keys = store::list_public_keys(&self.db).await.map_err(Error::from)?;
        let jwks_json = serde_json::json!({ "keys": keys }).to_string();
        Ok(Response::new(pb::GetJwksResponse { jwks_json }))
    }

    async fn list_revocations(
        &self,
        _: Request<pb::ListRevocationsRequest>,
    ) -> Result<Response<pb::ListRevocationsResponse>, Status> {
        let ids = store::list_revoked_alive(&self.db).await.map_err(Error::from)?;
        Ok(Response::new(pb::ListRevocationsResponse {
            session_ids: ids.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn verify_ownership(
        &self,
        request: Request<pb::VerifyOwnershipRequest>,
    ) -> Result<Response<pb::VerifyOwnershipResponse>, Status> {
        let request = request.into_inner();
        let client = client(request.client.unwrap_or_default())?;
        let user_id: UserId = request.user_id.parse().map_err(|err| Error::field("user_id", err))?;
        let errand = Errand::Link { user_id };
        let attempt = Attempt { message: request.message, signature: request.signature, client, errand };
        let door = self.clone();
        let proving = async move { verify_ownership(door.prover(), &attempt, user_id).await };
        let owned = to_the_end(proving).await?;
        Ok(Response::new(pb::VerifyOwnershipResponse {
            account_id: owned.account.to_lower(),
            account_type: owned.method.kind().as_str().to_owned(),
            method: owned.method.as_str().to_owned(),
        }))
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        let request = request.into_inner();
        let client = client(request.client.unwrap_or_default())?;
        let with = Refresh {
            db: &self.db,
            tokens: &self.tokens,
            mirror: &self.mirror,
            limits: &self.limits,
            asker: &self.asker,
        };
        Ok(Response::new(refresh_session(&with, &request.refresh_token, &client).await?.into()))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = rpc::caller::of(&request)?;
        let user_id: UserId = caller.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?;
        let request = request.into_inner();
        let (sessions, is_more) =
            list_sessions(&self.db, user_id, request.page_size, &request.page_token).await?;
        let positions: Vec<String> =
            sessions.iter().map(|session| Position::after(session).to_string()).collect();
        Ok(Response::new(pb::ListSessionsResponse {
            next_page_token: positions.last().filter(|_| is_more).cloned().unwrap_or_default(),
            sessions: sessions.into_iter().map(Into::into).collect(),
            positions,
        }))
    }

    async fn list_login_events(
        &self,
        request: Request<pb::ListLoginEventsRequest>,
    ) -> Result<Response<pb::ListLoginEventsResponse>, Status> {
        let caller = rpc::caller::of(&request)?;
        let user_id: UserId = caller.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?;
        let request = request.into_inner();
        let (events, is_more) =
            list_login_events(&self.db, user_id, request.page_size, &request.page_token).await?;
        let positions: Vec<String> = events.iter().map(|event| Place::after(event).to_string()).collect();
        Ok(Response::new(pb::ListLoginEventsResponse {
            next_page_token: positions.last().filter(|_| is_more).cloned().unwrap_or_default(),
            events: events.into_iter().map(Into::into).collect(),
            positions,
        }))
    }

    async fn set_intent_context(
        &self,
        request: Request<pb::SetIntentContextRequest>,
    ) -> Result<Response<pb::SetIntentContextResponse>, Status> {
        set_intent_context(&self.db, &Note::parse(request.into_inner())?).await?;
        Ok(Response::new(pb::SetIntentContextResponse {}))
    }

    async fn rotate_signing_key(
        &self,
        request: Request<pb::RotateSigningKeyRequest>,
    ) -> Result<Response<pb::RotateSigningKeyResponse>, Status> {
        let rotated = self.tokens.keys().rotate(request.into_inner().at_once).await;
        let scheduled =
            rotated.map_err(|err| rpc::internal(err.context("the signing key was not rotated")))?;
        Ok(Response::new(pb::RotateSigningKeyResponse {
            kid: scheduled.kid,
            signs_from: Some(timestamp(scheduled.signs_from)),
        }))
    }
}

/// An attempt goes on when nobody waits for it any more: its nonce is burned, and how it ended has to be recorded.
async fn to_the_end<T: Send + 'static>(
    attempt: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let time = rpc::remaining().unwrap_or(ATTEMPT_ENDS_WITHIN);
    let request_id = rpc::request_id();
    let attempt = async move { rpc::within(time, request_id.as_deref(), attempt).await };
    match tokio::spawn(attempt.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Unavailable("auth")),
        },
    }
}

fn session_id(path: &'static str, text: &str) -> Result<SessionId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

fn pre_session(bytes: &[u8]) -> Result<Option<[u8; 32]>, Error> {
    match bytes {
        [] => Ok(None),
        _ => bytes.try_into().map(Some).map_err(|_| Error::field("pre_session", "must be a SHA-256")),
    }
}

fn client(client: pb::ClientInfo) -> Result<Client, Error> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let ip = given(&client.ip_address).map(|ip| ip.parse()).transpose();
    let device_id = given(&client.device_id).map(|id| id.parse()).transpose();
    // A header is whatever somebody sent; the database takes no NUL and a log no control characters.
    let user_agent: String =
        client.user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX_CHARS).collect();
    Ok(Client {
        ip: ip.map_err(|err| Error::field("client.ip_address", err))?,
        user_agent: given(&user_agent),
        device_id: device_id.map_err(|err| Error::field("client.device_id", err))?,
    })
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<Session> for pb::Session {
    fn from(session: Session) -> pb::Session {
        pb::Session {
            session_id: session.session_id.to_string(),
            user_id: session.user_id.to_string(),
            account_id: session.account_id,
            device_id: session.device_id.map(|id| id.to_string()).unwrap_or_default(),
            ip_address: session.ip_address.unwrap_or_default(),
            user_agent: session.user_agent.unwrap_or_default(),
            create_time: Some(timestamp(session.created_at)),
            expire_time: Some(timestamp(session.expires_at)),
            last_used_time: Some(timestamp(session.last_used_at)),
            revoke_time: session.revoked_at.map(timestamp),
            chain_id: session.chain_id,
            account_type: session.account_type,
            fingerprint: session.fingerprint.unwrap_or_default(),
            intent_context: session.intent_context.map(|context| pb::IntentContext {
                chain_id: context.chain_id,
                kind: context.kind,
                intent_ids: context.intent_ids.iter().map(ToString::to_string).collect(),
                update_time: Some(timestamp(context.updated_at)),
            }),
        }
    }
}

impl From<SignedIn> for pb::VerifySiweResponse {
    fn from(signed_in: SignedIn) -> pb::VerifySiweResponse {
        let tokens = pb::TokenPair {
            access_token: signed_in.access_token,
            access_expire_time: Some(timestamp(signed_in.session.access_expires_at)),
            refresh_token: signed_in.refresh_token,
            refresh_expire_time: Some(timestamp(signed_in.refresh_expires_at)),
        };
        pb::VerifySiweResponse {
            session: Some(signed_in.session.into()),
            tokens: Some(tokens),
            user_created: signed_in.is_new_user,
        }
    }
}

impl From<Refreshed> for pb::RefreshSessionResponse {
    fn from(refreshed: Refreshed) -> pb::RefreshSessionResponse {
        let tokens = pb::TokenPair {
            access_token: refreshed.access_token,
            access_expire_time: Some(timestamp(refreshed.session.access_expires_at)),
            refresh_token: refreshed.refresh_token,
            refresh_expire_time: Some(timestamp(refreshed.session.expires_at)),
        };
        pb::RefreshSessionResponse { session: Some(refreshed.session.into()), tokens: Some(tokens) }
    }
}

impl From<Recorded> for pb::LoginEvent {
    fn from(event: Recorded) -> pb::LoginEvent {
        let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let account =
            event.chain_id.zip(event.address).map(|(chain_id, address)| format!("{chain_id}:{address}"));
        pb::LoginEvent {
            id: event.id.to_string(),
            user_id: text(event.user_id),
            session_id: text(event.session_id),
            account_id: account.unwrap_or_default(),
            ip_address: event.ip_address.unwrap_or_default(),
            user_agent: event.user_agent.unwrap_or_default(),
            result: event.result,
            domain: event.domain.unwrap_or_default(),
            time: Some(timestamp(event.at)),
        }
    }
}
