//! Who changed what in the registry of chains, for admins.

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use proto::chainregistry::v1::{self as pb, ListAuditRequest};

use super::{
    connection::{Page, connection},
    guard::{self, auth},
    node,
    scalar::{BigInt, DateTime, moment_of, ours, text},
    user::{Role, acting},
};
use crate::{cursor::Seal, error::failed, peers::Peers};

/// One change of the registry.
#[derive(SimpleObject, Clone)]
pub(crate) struct RegistryAuditEntry {
    id: ID,
    /// The version that it made.
    version: BigInt,
    /// Who did it.
    actor: String,
    /// What was done: `chain.upserted`.
    action: String,
    /// What it was done to.
    subject: String,
    /// How it was; null for something new.
    before: Option<Json<serde_json::Value>>,
    /// How it is since.
    after: Option<Json<serde_json::Value>>,
    created_at: DateTime,
}

connection!(RegistryAuditConnection, RegistryAuditEdge, RegistryAuditEntry, "registry audit");

#[derive(Default)]
pub(crate) struct RegistryAuditQuery;

#[Object]
impl RegistryAuditQuery {
    /// Who changed what in the registry, newest first; null with an error while it cannot be read.
    #[graphql(
        complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4",
        directive = auth::apply(Role::Admin)
    )]
    async fn registry_audit(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<RegistryAuditConnection>> {
        if let Some(err) = guard::refused(context, Role::Admin) {
            return Some(Err(err));
        }
        Some(list(context, first, after).await)
    }
}

async fn list(
    context: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
) -> Result<RegistryAuditConnection> {
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, RegistryAuditConnection::KIND, first, after.as_deref())?;
    let asked = ListAuditRequest { page_size: page.size, page_token: page.token.clone() };
    let asked = rpc::caller::acting(asked, &acting(context)?.caller());
    let answer = context.data_unchecked::<Peers>().chains.clone().list_audit(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    // Each change made one version, and no two the same: the version is the position.
    let positions: Vec<String> = answer.entries.iter().map(|entry| entry.version.to_string()).collect();
    let nodes = answer.entries.iter().map(shown).collect::<Result<Vec<_>>>()?;
    let has_next = !answer.next_page_token.is_empty();
    Ok(RegistryAuditConnection::new(seal, &page, nodes, &positions, has_next))
}

fn shown(entry: &pb::AuditEntry) -> Result<RegistryAuditEntry> {
    let json = |json: &str| text(json).map(|json| ours(&json).map(Json)).transpose();
    Ok(RegistryAuditEntry {
        id: node::id("RegistryAuditEntry", &entry.audit_id),
        version: BigInt(amounts::U256::from(entry.version)),
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        subject: entry.subject.clone(),
        before: json(&entry.before_json)?,
        after: json(&entry.after_json)?,
        created_at: moment_of(entry.create_time.as_ref()),
    })
}
