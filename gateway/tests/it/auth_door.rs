//! auth as the gateway meets it: a door with a memory, which can be shut.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chrono::Utc;
use ids::{SessionId, UserId};
use prost_types::Timestamp;
use proto::auth::v1::{self as pb, auth_service_server::AuthService};
use rpc::{Code, Refusal};
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::signing::FIRST;

pub(crate) const ACCOUNT: &str = "eip155:31337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

/// What auth knows, and what it was asked.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) is_down: bool,
    /// The list of ended sessions alone cannot be had.
    pub(crate) hides_revocations: bool,
    pub(crate) user: Option<UserId>,
    pub(crate) sessions: HashMap<SessionId, UserId>,
    pub(crate) ended: Vec<SessionId>,
    /// Refresh tokens with their session, and whether they were used.
    pub(crate) refresh: HashMap<String, (SessionId, bool)>,
    pub(crate) nonces: Vec<(pb::IssueNonceRequest, Option<String>)>,
    pub(crate) proofs: Vec<pb::VerifySiweRequest>,
    pub(crate) refreshes: Vec<pb::RefreshSessionRequest>,
    pub(crate) published: Vec<serde_json::Value>,
    /// Calls that change something.
    pub(crate) changes: usize,
}

/// The door's shared memory.
#[derive(Clone, Default)]
pub(crate) struct AuthDoor(Arc<Mutex<Memory>>);

impl AuthDoor {
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap()
    }

    /// A session of somebody, with an access token that ends in so many seconds.
    pub(crate) fn session(&self, user: UserId, seconds: i64) -> (SessionId, String) {
        let session = SessionId::new();
        self.memory().sessions.insert(session, user);
        (session, FIRST.sign(user, session, seconds))
    }

    pub(crate) fn is_alive(&self, session: SessionId) -> bool {
        let memory = self.memory();
        memory.sessions.contains_key(&session) && !memory.ended.contains(&session)
    }

    fn open(&self) -> Result<MutexGuard<'_, Memory>, Status> {
        let memory = self.memory();
        if memory.is_down { Err(Status::unavailable("down for the test")) } else { Ok(memory) }
    }
}

impl Memory {
    fn shown(&self, session: SessionId) -> Option<pb::Session> {
        let user = self.sessions.get(&session)?;
        Some(pb::Session {
            session_id: session.to_string(),
            user_id: user.to_string(),
            account_id: ACCOUNT.to_owned(),
            chain_id: "eip155:31337".to_owned(),
            create_time: Some(from_now(0)),
            last_used_time: Some(from_now(0)),
            expire_time: Some(from_now(90 * 86_400)),
            ..Default::default()
        })
    }

    fn tokens(&mut self, session: SessionId) -> pb::TokenPair {
        let refresh_token = format!("refresh-{}", uuid::Uuid::new_v4());
        self.refresh.insert(refresh_token.clone(), (session, false));
        pb::TokenPair {
            access_token: FIRST.sign(self.sessions[&session], session, 900),
            access_expire_time: Some(from_now(900)),
            refresh_token,
            refresh_expire_time: Some(from_now(30 * 86_400)),
        }
    }
}

/// The nonce of that number; the first characters tell them apart, as in life.
fn nonce(number: usize) -> String {
    format!("{number:08}nonce{:09}", 0)
}

fn from_now(seconds: i64) -> Timestamp {
    Timestamp { seconds: Utc::now().timestamp() + seconds, nanos: 0 }
}

fn refused(code: Code, reason: &'static str) -> Status {
    Refusal::new(code, reason, "refused for the test").into()
}

#[tonic::async_trait]
impl AuthService for AuthDoor {
    async fn issue_nonce(
        &self,
        request: Request<pb::IssueNonceRequest>,
    ) -> Result<Response<pb::IssueNonceResponse>, Status> {
        let caller = rpc::caller::of(&request).ok().map(|caller| caller.user_id);
        let request = request.into_inner();
        let mut memory = self.open()?;
        memory.changes += 1;
        memory.nonces.push((request, caller));
        Ok(Response::new(pb::IssueNonceResponse {
            nonce: nonce(memory.nonces.len()),
            expire_time: Some(from_now(300)),
            domain: "localhost:8081".to_owned(),
            uri: "http://localhost:8081".to_owned(),
            chain_ids: vec!["eip155:31337".to_owned()],
            ..Default::default()
        }))
    }

    async fn verify_siwe(
        &self,
        request: Request<pb::VerifySiweRequest>,
    ) -> Result<Response<pb::VerifySiweResponse>, Status> {
        let mut memory = self.open()?;
        memory.changes += 1;
        let request = request.into_inner();
        memory.proofs.push(request.clone());
        match request.message.as_str() {
            "suspended" => return Err(refused(Code::Forbidden, "USER_SUSPENDED")),
            "forged" => return Err(refused(Code::BadInput, "SIGNATURE_INVALID")),
            "limited" => {
                let wait = Duration::from_millis(2500);
                let refusal = Refusal::new(Code::RateLimited, "RATE_LIMITED", "too many").retry_after(wait);
                return Err(refusal.into());
            }
            _ => {}
        }
        let named = request.message.lines().find_map(|line| line.strip_prefix("Nonce: "));
        let is_bound = memory.nonces.iter().zip(1..).any(|((asked, _), number)| {
            let is_meant = named == Some(nonce(number).as_str());
            is_meant && !asked.pre_session.is_empty() && asked.pre_session == request.pre_session
        });
        if request.as_cookies && !is_bound {
            return Err(refused(Code::BadInput, "NONCE_UNKNOWN"));
        }
        let user = *memory.user.get_or_insert_with(UserId::new);
        let session = SessionId::new();
        memory.sessions.insert(session, user);
        let (shown, tokens) = (memory.shown(session), Some(memory.tokens(session)));
        Ok(Response::new(pb::VerifySiweResponse { session: shown, tokens, user_created: false }))
    }

    async fn verify_ownership(
        &self,
        _: Request<pb::VerifyOwnershipRequest>,
    ) -> Result<Response<pb::VerifyOwnershipResponse>, Status> {
        Err(Status::unimplemented("the gateway does not ask"))
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        let mut memory = self.open()?;
        memory.changes += 1;
        let request = request.into_inner();
        memory.refreshes.push(request.clone());
        let token = request.refresh_token;
        let Some((session, was_used)) = memory.refresh.insert(token.clone(), (SessionId::new(), true)) else {
            memory.refresh.remove(&token);
            return Err(refused(Code::Unauthenticated, "REFRESH_EXPIRED"));
        };
        memory.refresh.insert(token, (session, true));
        if memory.ended.contains(&session) {
            return Err(refused(Code::Unauthenticated, "REFRESH_EXPIRED"));
        }
        if was_used {
            memory.ended.push(session);
            return Err(refused(Code::Unauthenticated, "REFRESH_REUSED"));
        }
        let (shown, tokens) = (memory.shown(session), Some(memory.tokens(session)));
        Ok(Response::new(pb::RefreshSessionResponse { session: shown, tokens }))
    }

    async fn validate_session(
        &self,
        request: Request<pb::ValidateSessionRequest>,
    ) -> Result<Response<pb::ValidateSessionResponse>, Status> {
        let memory = self.open()?;
        let id: SessionId = request.into_inner().session_id.parse().unwrap();
        let session = memory.shown(id);
        let active = session.is_some() && !memory.ended.contains(&id);
        Ok(Response::new(pb::ValidateSessionResponse { session, active, roles: Vec::new() }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = rpc::caller::of(&request)?;
        let memory = self.open()?;
        let own = memory
            .sessions
            .iter()
            .filter(|(id, user)| user.to_string() == caller.user_id && !memory.ended.contains(*id));
        let sessions = own.filter_map(|(id, _)| memory.shown(*id)).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, ..Default::default() }))
    }

    async fn revoke_sessions(
        &self,
        request: Request<pb::RevokeSessionsRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let caller = rpc::caller::of(&request);
        let mut memory = self.open()?;
        memory.changes += 1;
        let request = request.into_inner();
        if !request.refresh_token.is_empty() {
            let held = memory.refresh.get(&request.refresh_token).map(|(session, _)| *session);
            let ended = held.filter(|session| !memory.ended.contains(session));
            memory.ended.extend(ended);
            return Ok(Response::new(pb::RevokeSessionsResponse { revoked: i32::from(ended.is_some()) }));
        }
        let caller = caller?;
        let is_meant =
            |id: &SessionId| request.session_ids.contains(&id.to_string()) != request.all_but_given;
        let own = memory.sessions.iter().filter(|(id, user)| {
            user.to_string() == caller.user_id && is_meant(id) && !memory.ended.contains(*id)
        });
        let ended: Vec<SessionId> = own.map(|(id, _)| *id).collect();
        memory.ended.extend(&ended);
        Ok(Response::new(pb::RevokeSessionsResponse { revoked: ended.len() as i32 }))
    }

    async fn list_login_events(
        &self,
        request: Request<pb::ListLoginEventsRequest>,
    ) -> Result<Response<pb::ListLoginEventsResponse>, Status> {
        let caller = rpc::caller::of(&request)?;
        let event = pb::LoginEvent {
            id: uuid::Uuid::now_v7().to_string(),
            user_id: caller.user_id,
            result: "success".to_owned(),
            time: Some(from_now(0)),
            ..Default::default()
        };
        let positions = vec!["1".to_owned()];
        Ok(Response::new(pb::ListLoginEventsResponse {
            events: vec![event],
            positions,
            ..Default::default()
        }))
    }

    async fn set_intent_context(
        &self,
        _: Request<pb::SetIntentContextRequest>,
    ) -> Result<Response<pb::SetIntentContextResponse>, Status> {
        Err(Status::unimplemented("the gateway does not ask"))
    }

    async fn get_jwks(
        &self,
        _: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        let memory = self.open()?;
        let mut keys = vec![FIRST.public.clone()];
        keys.extend(memory.published.iter().cloned());
        Ok(Response::new(pb::GetJwksResponse { jwks_json: json!({ "keys": keys }).to_string() }))
    }

    async fn list_revocations(
        &self,
        _: Request<pb::ListRevocationsRequest>,
    ) -> Result<Response<pb::ListRevocationsResponse>, Status> {
        let memory = self.open()?;
        if memory.hides_revocations {
            // Auth's own word, which is no reason to leave it alone: the rest of it answers.
            return Err(refused(Code::Unavailable, "UNAVAILABLE"));
        }
        let session_ids = memory.ended.iter().map(ToString::to_string).collect();
        Ok(Response::new(pb::ListRevocationsResponse { session_ids }))
    }

    async fn rotate_signing_key(
        &self,
        _: Request<pb::RotateSigningKeyRequest>,
    ) -> Result<Response<pb::RotateSigningKeyResponse>, Status> {
        Err(Status::unimplemented("the gateway does not ask"))
    }
}
