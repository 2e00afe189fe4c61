//! The door for calls: parse, call, reply.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};
use prost_types::Timestamp;
use proto::auth::v1::{
    self as pb,
    auth_service_server::{AuthService, AuthServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    access_token::Issuer,
    error::Error,
    issue_nonce::issue_nonce,
    model::{Client, Session},
    peers::Peers,
    revoke_sessions::revoke_sessions,
    siwe::Rules,
    store::{self, Mirror},
    verify_siwe::{Attempt, SignIn, SignedIn, verify_siwe},
};

const SESSIONS_MAX: usize = 100;
const USER_AGENT_MAX_CHARS: usize = 512;

/// The door with what its calls need.
pub(crate) struct Door {
    db: PgPool,
    rules: Rules,
    peers: Peers,
    tokens: Issuer,
    mirror: Mirror,
}

impl Door {
    pub(crate) fn new(db: PgPool, rules: Rules, peers: Peers, tokens: Issuer, mirror: Mirror) -> Door {
        Door { db, rules, peers, tokens, mirror }
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
        _: Request<pb::IssueNonceRequest>,
    ) -> Result<Response<pb::IssueNonceResponse>, Status> {
        let issued = issue_nonce(&self.db, &self.mirror, &self.peers.chains, &self.rules).await?;
        Ok(Response::new(pb::IssueNonceResponse {
            nonce: issued.nonce,
            expire_time: Some(timestamp(issued.expires_at)),
            domain: self.rules.domain().to_owned(),
            uri: self.rules.uri().to_owned(),
            statement: self.rules.statement().to_owned(),
            chain_ids: issued.chains.iter().map(ToString::to_string).collect(),
            message: String::new(),
        }))
    }

    async fn verify_siwe(
        &self,
        request: Request<pb::VerifySiweRequest>,
    ) -> Result<Response<pb::VerifySiweResponse>, Status> {
        let request = request.into_inner();
        let client = client(request.client.unwrap_or_default())?;
        let attempt = Attempt { message: request.message, signature: request.signature, client };
        let with = SignIn {
            db: &self.db,
            rules: &self.rules,
            peers: &self.peers,
            tokens: &self.tokens,
            mirror: &self.mirror,
        };
        Ok(Response::new(verify_siwe(&with, &attempt).await?.into()))
    }

    async fn validate_session(
        &self,
        request: Request<pb::ValidateSessionRequest>,
    ) -> Result<Response<pb::ValidateSessionResponse>, Status> {
        let session_id = session_id("session_id", &request.into_inner().session_id)?;
        let found = store::find_session(&self.db, session_id).await.map_err(Error::from)?;
        let Some((session, standing)) = found else {
            return Ok(Response::new(pb::ValidateSessionResponse::default()));
        };
        Ok(Response::new(pb::ValidateSessionResponse {
            active: session.is_alive(Utc::now()) && standing.is_active(),
            roles: standing.roles,
            session: Some(session.into()),
        }))
    }

    async fn revoke_sessions(
        &self,
        request: Request<pb::RevokeSessionsRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let caller = rpc::caller::of(&request)?;
        let user_id: UserId = caller.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?;
        let request = request.into_inner();
        if request.session_ids.len() > SESSIONS_MAX {
            return Err(Error::field("session_ids", "must be at most 100").into());
        }
        let reason = match request.reason.as_str() {
            "signed_out" => "signed_out",
            "" | "revoked" => "revoked",
            _ => return Err(Error::field("reason", "must be signed_out or revoked").into()),
        };
        let parse = |id: &String| session_id("session_ids", id);
        let ids = request.session_ids.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let revoked = revoke_sessions(&self.db, &self.mirror, user_id, &ids, reason).await?;
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
        let ids = store::list_revoked_alive(&self.db, Utc::now()).await.map_err(Error::from)?;
        Ok(Response::new(pb::ListRevocationsResponse {
            session_ids: ids.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn verify_ownership(
        &self,
        _: Request<pb::VerifyOwnershipRequest>,
    ) -> Result<Response<pb::VerifyOwnershipResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn refresh_session(
        &self,
        _: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_sessions(
        &self,
        _: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_login_events(
        &self,
        _: Request<pb::ListLoginEventsRequest>,
    ) -> Result<Response<pb::ListLoginEventsResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_intent_context(
        &self,
        _: Request<pb::SetIntentContextRequest>,
    ) -> Result<Response<pb::SetIntentContextResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn rotate_signing_key(
        &self,
        _: Request<pb::RotateSigningKeyRequest>,
    ) -> Result<Response<pb::RotateSigningKeyResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }
}

fn session_id(path: &'static str, text: &str) -> Result<SessionId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
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
            ..Default::default()
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
