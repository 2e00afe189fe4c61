//! Sign-in with Ethereum, and sessions.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Union};
use http::{HeaderValue, header::SET_COOKIE};
use proto::auth::v1::{
    self as pb, IssueNonceRequest, RevokeSessionsRequest, ValidateSessionRequest, VerifySiweRequest,
};

use super::{
    Visitor, node,
    problem::{self, SiweProblem},
    scalar::{AccountId, ChainId, DateTime, Hex, Uri, moment_of, ours, text},
    user::User,
};
use crate::{
    error::failed,
    loaders::Loaders,
    peers::Peers,
    viewer::{SESSION_COOKIE, Viewer},
};

const REFRESH_COOKIE: &str = "__Host-vitrine_refresh";

/// What a message to sign has to say.
#[derive(SimpleObject)]
pub(crate) struct SiweNonce {
    /// Good for one sign-in.
    nonce: String,
    /// Until when.
    expires_at: DateTime,
    /// The domain that the message must name.
    domain: String,
    /// The URI that the message must name.
    uri: Uri,
    /// The statement that the message should carry.
    statement: String,
    /// The chains that can be signed in on.
    chain_ids: Vec<ChainId>,
}

/// One sign-in on one device, until it ends.
#[derive(SimpleObject, Clone)]
pub(crate) struct Session {
    id: ID,
    created_at: DateTime,
    last_used_at: DateTime,
    expires_at: DateTime,
    user_agent: Option<String>,
    ip_address: Option<String>,
    /// Whether this request belongs to it.
    is_current: bool,
    /// The account that signed.
    account: AccountId,
}

/// A session that has just begun.
#[derive(SimpleObject)]
pub(crate) struct AuthSession {
    session: Session,
    /// Who signed in; null with an error while users cannot be read.
    user: Option<User>,
    /// For the `Authorization` header: `Bearer …`.
    access_token: String,
    access_token_expires_at: DateTime,
    /// Null where it was delivered as a cookie.
    refresh_token: Option<String>,
}

/// How tokens reach the client.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenDelivery {
    /// As `HttpOnly` cookies, for pages.
    Cookie,
    /// In the answer, for everything else.
    Bearer,
}

#[derive(InputObject)]
pub(crate) struct VerifySiweInput {
    /// The EIP-4361 message, as it was signed.
    message: String,
    signature: Hex,
    #[graphql(default_with = "TokenDelivery::Cookie")]
    delivery: TokenDelivery,
    /// A UUID that the device keeps.
    device_id: Option<String>,
}

/// A session, or why there is none.
#[derive(Union)]
pub(crate) enum VerifySiweResult {
    Session(Box<AuthSession>),
    Siwe(SiweProblem),
}

#[derive(Default)]
pub(crate) struct AuthMutation;

#[Object]
impl AuthMutation {
    /// A nonce for a message to sign. Needs no account: popular clients ask before they know one.
    async fn issue_siwe_nonce(&self, context: &Context<'_>) -> Result<SiweNonce> {
        let client = Some(context.data_unchecked::<Visitor>().to_wire(None));
        let peers = context.data_unchecked::<Peers>();
        let answer = peers.auth.clone().issue_nonce(IssueNonceRequest { client, ..Default::default() }).await;
        let nonce = answer.map_err(|status| failed(&status))?.into_inner();
        Ok(SiweNonce {
            expires_at: moment_of(nonce.expire_time.as_ref()),
            nonce: nonce.nonce,
            domain: nonce.domain,
            uri: Uri(nonce.uri),
            statement: nonce.statement,
            chain_ids: nonce.chain_ids.iter().map(|chain| ours(chain)).collect::<Result<_>>()?,
        })
    }

    /// Signs in with a signed message.
    async fn verify_siwe(&self, context: &Context<'_>, input: VerifySiweInput) -> Result<VerifySiweResult> {
        let client = Some(context.data_unchecked::<Visitor>().to_wire(input.device_id));
        let asked = VerifySiweRequest { message: input.message, signature: input.signature.0, client, ..Default::default() };
        let peers = context.data_unchecked::<Peers>();
        let opened = match peers.auth.clone().verify_siwe(asked).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return problem::siwe(&status).map(VerifySiweResult::Siwe),
        };
        let tokens = opened.tokens.unwrap_or_default();
        let session = opened.session.unwrap_or_default();
        let user = load_user(context, &session).await;
        let mut refresh_token = Some(tokens.refresh_token.clone());
        if input.delivery == TokenDelivery::Cookie {
            set_cookie(context, SESSION_COOKIE, &tokens.access_token, tokens.access_expire_time.as_ref());
            set_cookie(context, REFRESH_COOKIE, &tokens.refresh_token, tokens.refresh_expire_time.as_ref());
            refresh_token = None;
        }
        Ok(VerifySiweResult::Session(Box::new(AuthSession {
            session: shown(&session, true)?,
            user,
            access_token_expires_at: moment_of(tokens.access_expire_time.as_ref()),
            access_token: tokens.access_token,
            refresh_token,
        })))
    }

    /// Ends the session. Fine when there is none.
    async fn sign_out(&self, context: &Context<'_>) -> Result<bool> {
        for name in [SESSION_COOKIE, REFRESH_COOKIE] {
            append_cookie(context, &format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
        }
        let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(true) };
        let asked = RevokeSessionsRequest {
            session_ids: vec![viewer.session_id.to_string()],
            reason: "signed_out".to_owned(),
            ..Default::default()
        };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let peers = context.data_unchecked::<Peers>();
        peers.auth.clone().revoke_sessions(asked).await.map_err(|status| failed(&status))?;
        Ok(true)
    }
}

/// The session of this request, as auth knows it.
pub(crate) async fn current(context: &Context<'_>, viewer: &Viewer) -> Result<Option<Session>> {
    let asked = ValidateSessionRequest { session_id: viewer.session_id.to_string() };
    let peers = context.data_unchecked::<Peers>();
    let answer =
        peers.auth.clone().validate_session(asked).await.map_err(|status| failed(&status))?.into_inner();
    answer.session.filter(|_| answer.active).map(|session| shown(&session, true)).transpose()
}

/// The session was opened whether or not its user can be shown just now.
async fn load_user(context: &Context<'_>, session: &pb::Session) -> Option<User> {
    let id = session.user_id.parse().ok()?;
    let found = context.data_unchecked::<Loaders>().users.load_one(id).await;
    found.ok().flatten().map(User)
}

fn shown(session: &pb::Session, is_current: bool) -> Result<Session> {
    Ok(Session {
        id: node::id("Session", &session.session_id),
        created_at: moment_of(session.create_time.as_ref()),
        last_used_at: moment_of(session.last_used_time.as_ref()),
        expires_at: moment_of(session.expire_time.as_ref()),
        user_agent: text(&session.user_agent),
        ip_address: text(&session.ip_address),
        is_current,
        account: ours(&session.account_id)?,
    })
}

fn set_cookie(context: &Context<'_>, name: &str, value: &str, until: Option<&prost_types::Timestamp>) {
    let age = moment_of(until).0.signed_duration_since(chrono::Utc::now()).num_seconds().max(0);
    append_cookie(
        context,
        &format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={age}"),
    );
}

fn append_cookie(context: &Context<'_>, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        context.append_http_header(SET_COOKIE, value);
    }
}
