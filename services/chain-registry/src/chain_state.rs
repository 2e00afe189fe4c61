//! A chain with its endpoints, as the four verbs that write chains read it, change it and put it back.

use ids::ChainId;
use serde_json::{Value, json};

use crate::{
    change::{Change, Note},
    endpoint::{Endpoint, endpoint_violations},
    error::Error,
    model::{Chain, GasPolicy},
    store,
};

/// A chain and where it answers.
#[derive(Clone)]
pub(crate) struct ChainState {
    pub(crate) chain: Chain,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl ChainState {
    /// The stored state; None where there is no such chain.
    pub(crate) async fn find(change: &mut Change, chain_id: ChainId) -> Result<Option<ChainState>, Error> {
        let Some(chain) = store::list_chains(&mut change.tx, Some(chain_id)).await?.pop() else {
            return Ok(None);
        };
        let endpoints = store::list_endpoints(&mut *change.tx, Some(chain_id)).await?;
        Ok(Some(ChainState {
            chain,
            endpoints: endpoints.into_iter().map(|(_, endpoint)| endpoint).collect(),
        }))
    }

    /// What keeps it from being written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut violations = self.chain.violations();
        violations.extend(endpoint_violations(&self.endpoints));
        if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
    }

    /// Writes what differs from `before`, as one version. What is there already makes no new version. Contracts are left
    /// alone, and a gas policy that is not given too.
    pub(crate) async fn put(
        mut self,
        mut change: Change,
        actor: &str,
        action: &str,
        before: Option<&ChainState>,
    ) -> Result<(Chain, i64), Error> {
        self.endpoints.sort();
        let mut endpoints_before = before.map(|before| before.endpoints.clone()).unwrap_or_default();
        endpoints_before.sort();
        self.keep(before.map(|before| &before.chain));
        let is_same_chain = before.is_some_and(|before| before.chain == self.chain);
        if is_same_chain && endpoints_before == self.endpoints {
            return Ok((self.chain, change.version));
        }

        if !is_same_chain {
            store::upsert_chain(&mut change.tx, &self.chain).await?;
        }
        if let Some(policy) = &self.chain.gas_policy
            && before.is_none_or(|before| before.chain.gas_policy.as_ref() != Some(policy))
        {
            store::upsert_gas_policy(&mut change.tx, self.chain.chain_id, policy).await?;
        }
        if endpoints_before != self.endpoints {
            store::replace_endpoints(&mut change.tx, self.chain.chain_id, &self.endpoints).await?;
        }
        let subject = self.chain.chain_id.to_string();
        let (before, after) = (before.map(ChainState::picture), self.picture());
        let version = change.commit(Note { actor, action, subject: &subject, before, after }).await?;
        Ok((self.chain, version))
    }

    /// Takes over what a chain's writer does not decide, so that an equal chain compares equal.
    fn keep(&mut self, before: Option<&Chain>) {
        if let Some(before) = before {
            self.chain.contracts.clone_from(&before.contracts);
        }
        let policy_before = before.and_then(|before| before.gas_policy.as_ref());
        let policy = self.chain.gas_policy.take();
        self.chain.gas_policy = Some(match (policy, policy_before) {
            (Some(policy), Some(before)) if !policy.says_the_same(before) => policy,
            (_, Some(before)) => before.clone(),
            (policy, None) => policy.unwrap_or_else(GasPolicy::usual),
        });
    }

    /// For the audit.
    fn picture(&self) -> Value {
        let endpoints: Vec<Value> = self.endpoints.iter().map(Endpoint::redacted).collect();
        json!({ "chain": self.chain, "endpoints": endpoints })
    }
}
