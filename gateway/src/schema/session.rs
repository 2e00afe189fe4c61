//! Sessions and attempts to sign in, as their owner sees them.

use async_graphql::{Context, ID, Result, SimpleObject};
use ids::SessionId;
use proto::auth::v1::{self as pb, ListLoginEventsRequest, ListSessionsRequest};

use super::{
    connection::{Page, connection},
    node,
    scalar::{AccountId, ChainId, DateTime, moment_of, ours, ours_or_none, text},
};
use crate::{cursor::Seal, error::failed, peers::Peers, session, viewer::Viewer};

/// The most sessions that are shown; those that were used last go first.
const SHOWN: i32 = 100;

/// One sign-in on one device, until it ends.
#[derive(SimpleObject, Clone)]
pub(crate) struct Session {
    #[graphql(owned)]
    pub(crate) id: ID,
    pub(crate) created_at: DateTime,
    pub(crate) last_used_at: DateTime,
    pub(crate) expires_at: DateTime,
    pub(crate) user_agent: Option<String>,
    pub(crate) ip_address: Option<String>,
    /// Whether this request belongs to it.
    pub(crate) is_current: bool,
    /// The chain that the signed message named.
    pub(crate) chain_id: ChainId,
    /// The account that signed.
    pub(crate) account: AccountId,
    /// What this session is preparing; null where nothing is.
    pub(crate) intent_context: Option<IntentContext>,
}

/// What a session is preparing.
#[derive(SimpleObject, Clone)]
pub(crate) struct IntentContext {
    pub(crate) chain_id: ChainId,
    /// `CREATE_COLLECTION`, `MINT_721`, …
    pub(crate) kind: String,
    /// The ids of the intents, the newest first.
    pub(crate) intent_ids: Vec<ID>,
    pub(crate) updated_at: DateTime,
}

/// An attempt to sign in, to link a wallet or to refresh a session.
#[derive(SimpleObject, Clone)]
pub(crate) struct LoginEvent {
    id: ID,
    /// The session that it opened or belonged to.
    session_id: Option<ID>,
    /// The account that the message named.
    account: Option<AccountId>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    /// `success`, or what was wrong: `nonce_used`, `signature_invalid`, …
    result: String,
    /// The domain that the message named.
    domain: Option<String>,
    occurred_at: DateTime,
}

connection!(LoginEventConnection, LoginEventEdge, LoginEvent, "login events");

/// The session of this request, as auth knows it.
pub(crate) async fn current(context: &Context<'_>, viewer: &Viewer) -> Result<Option<Session>> {
    own(context, viewer, viewer.session_id).await
}

/// A session of the viewer; nothing for one that has ended or is not theirs.
pub(crate) async fn own(context: &Context<'_>, viewer: &Viewer, id: SessionId) -> Result<Option<Session>> {
    let peers = context.data_unchecked::<Peers>();
    let found = session::current::find(peers, viewer, id).await.map_err(|status| failed(&status))?;
    found.map(|found| shown(&found, Some(viewer))).transpose()
}

/// The viewer's sessions that are alive, those used last first.
pub(crate) async fn sessions(context: &Context<'_>, viewer: &Viewer) -> Result<Vec<Session>> {
    let asked = ListSessionsRequest { page_size: SHOWN, page_token: String::new() };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let answer = context.data_unchecked::<Peers>().auth.clone().list_sessions(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    answer.sessions.iter().map(|session| shown(session, Some(viewer))).collect()
}

/// Attempts to sign in as the viewer, newest first.
pub(crate) async fn login_events(
    context: &Context<'_>,
    viewer: &Viewer,
    first: Option<i32>,
    after: Option<String>,
) -> Result<LoginEventConnection> {
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, LoginEventConnection::KIND, first, after.as_deref())?;
    let asked = ListLoginEventsRequest { page_size: page.size, page_token: page.token.clone() };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let answer = context.data_unchecked::<Peers>().auth.clone().list_login_events(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.events.iter().map(login_event).collect::<Result<Vec<_>>>()?;
    let has_next = !answer.next_page_token.is_empty();
    Ok(LoginEventConnection::new(seal, &page, nodes, &answer.positions, has_next))
}

/// A session as the API shows it.
pub(crate) fn shown(session: &pb::Session, viewer: Option<&Viewer>) -> Result<Session> {
    let account: AccountId = ours(&session.account_id)?;
    Ok(Session {
        id: node::id("Session", &session.session_id),
        created_at: moment_of(session.create_time.as_ref()),
        last_used_at: moment_of(session.last_used_time.as_ref()),
        expires_at: moment_of(session.expire_time.as_ref()),
        user_agent: text(&session.user_agent),
        ip_address: text(&session.ip_address),
        is_current: viewer.is_none_or(|viewer| viewer.session_id.to_string() == session.session_id),
        chain_id: ours_or_none(&session.chain_id)?.unwrap_or(ChainId(account.0.chain_id)),
        account,
        intent_context: session.intent_context.as_ref().map(intent_context).transpose()?,
    })
}

fn intent_context(preparing: &pb::IntentContext) -> Result<IntentContext> {
    Ok(IntentContext {
        chain_id: ours(&preparing.chain_id)?,
        kind: preparing.kind.clone(),
        intent_ids: preparing.intent_ids.iter().map(|id| node::id("TxIntent", id)).collect(),
        updated_at: moment_of(preparing.update_time.as_ref()),
    })
}

fn login_event(event: &pb::LoginEvent) -> Result<LoginEvent> {
    Ok(LoginEvent {
        id: node::id("LoginEvent", &event.id),
        session_id: text(&event.session_id).map(|id| node::id("Session", id)),
        account: ours_or_none(&event.account_id)?,
        ip_address: text(&event.ip_address),
        user_agent: text(&event.user_agent),
        result: event.result.clone(),
        domain: text(&event.domain),
        occurred_at: moment_of(event.time.as_ref()),
    })
}
