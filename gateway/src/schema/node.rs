//! Opaque ids: `id` names its type, so that any entity can be found by it alone.

use async_graphql::{Context, ID, Interface, Object, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{ChainId, CollectionId, IntentId, OrderId, SessionId, TokenRowId, UserId, WalletId};
use uuid::Uuid;

use super::{
    allowlist::{self, Allowlist},
    chain::Chain,
    collection::Collection,
    intent::TxIntent,
    order::{self, Order},
    session::{self, Session},
    token::Token,
    user::User,
    wallet::{self, Wallet},
};
use crate::{
    error::{PAGE_TOO_LARGE, coded, failed},
    loaders::Loaders,
    viewer::Viewer,
};

/// The most ids that are looked up at once.
const LARGEST: usize = 100;

/// Everything that has an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque; pass it to `node`."))]
pub(crate) enum Node {
    Chain(Chain),
    Collection(Collection),
    Token(Token),
    User(User),
    TxIntent(TxIntent),
    Wallet(Wallet),
    Session(Box<Session>),
    Order(Box<Order>),
    Allowlist(Allowlist),
}

/// The opaque id of an entity.
pub(crate) fn id(kind: &str, key: impl std::fmt::Display) -> ID {
    ID(URL_SAFE_NO_PAD.encode(format!("{kind}:{key}")))
}

/// The key inside an opaque id, if it is one of that kind.
pub(crate) fn key<K: std::str::FromStr>(kind: &str, id: &str) -> Option<K> {
    if id.len() > 256 {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    text.strip_prefix(kind)?.strip_prefix(':')?.parse().ok()
}

#[derive(Default)]
pub(crate) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any entity, by its opaque id; null where there is none or it is not yours to see.
    async fn node(&self, context: &Context<'_>, id: ID) -> Option<Result<Node>> {
        find(context, &id).await.transpose()
    }

    /// Entities by their opaque ids, in that order, each as `node` gives it; at most 100.
    #[graphql(complexity = "weight(&ids) + ids.len() * child_complexity")]
    async fn nodes(&self, context: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Result<Node>>>> {
        if ids.len() > LARGEST {
            return Err(coded(PAGE_TOO_LARGE, format!("at most {LARGEST} ids at once")));
        }
        let found = ids.iter().map(|id| find(context, id));
        Ok(futures::future::join_all(found).await.into_iter().map(Result::transpose).collect())
    }
}

/// What it costs to find entities: those of one owner and orders take a call each, the others share one.
fn weight(ids: &[ID]) -> usize {
    let is_single = |id: &ID| {
        ["TxIntent", "Session", "Order", "Allowlist"].iter().any(|kind| key::<Uuid>(kind, id).is_some())
    };
    ids.iter().map(|id| if is_single(id) { 10 } else { 1 }).sum()
}

async fn find(context: &Context<'_>, id: &str) -> Result<Option<Node>> {
    let loaders = context.data::<Loaders>()?;
    if let Some(key) = key::<CollectionId>("Collection", id) {
        let found = loaders.collections.load_one(key).await.map_err(|status| failed(&status))?;
        return Ok(found.map(|row| Node::Collection(Collection(row))));
    }
    if let Some(key) = key::<TokenRowId>("Token", id) {
        let found = loaders.tokens.load_one(key).await.map_err(|status| failed(&status))?;
        return Ok(found.map(|row| Node::Token(Token(row))));
    }
    if let Some(key) = key::<UserId>("User", id) {
        let found = loaders.users.load_one(key).await.map_err(|status| failed(&status))?;
        return Ok(found.map(|row| Node::User(User(row))));
    }
    if let Some(key) = key::<ChainId>("Chain", id) {
        let found = loaders.chains.load_one(key).await.map_err(|status| failed(&status))?;
        return Ok(found.map(|row| Node::Chain(Chain(row))));
    }
    if let Some(key) = key::<IntentId>("TxIntent", id) {
        // To a guest it is as if there were none: whether there is one is its owner's to know.
        let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(None) };
        return Ok(super::intent::load(context, viewer, key).await?.map(Node::TxIntent));
    }
    if let Some(key) = key::<WalletId>("Wallet", id) {
        return Ok(wallet::own(context, key).await?.map(Node::Wallet));
    }
    if let Some(key) = key::<SessionId>("Session", id) {
        let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(None) };
        let found = session::own(context, viewer, key).await?;
        return Ok(found.map(|session| Node::Session(Box::new(session))));
    }
    if let Some(key) = key::<OrderId>("Order", id) {
        return Ok(order::load(context, key).await.transpose()?.map(|order| Node::Order(Box::new(order))));
    }
    if let Some(key) = key::<Uuid>("Allowlist", id) {
        let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(None) };
        return Ok(allowlist::load(context, viewer, key).await?.map(Node::Allowlist));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_call_of_its_own_weighs_more() {
        assert_eq!(weight(&[id("User", UserId::new()), id("Session", SessionId::new())]), 11);
        assert_eq!(weight(&[id("TxIntent", IntentId::new()), ID("nonsense".to_owned())]), 11);
        assert_eq!(weight(&[id("Order", OrderId::new()), id("Allowlist", Uuid::now_v7())]), 20);
    }

    #[test]
    fn an_id_opens_as_its_own_kind_only() {
        let user = UserId::new();
        let opaque = id("User", user);
        assert_eq!(key::<UserId>("User", &opaque), Some(user));
        assert_eq!(key::<UserId>("Use", &opaque), None);
        assert_eq!(key::<CollectionId>("Collection", &opaque), None);
        assert_eq!(key::<UserId>("User", "%%%"), None);
    }
}
