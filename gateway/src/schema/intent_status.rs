//! Intents as they change: an intent now, then after every change, to its end.

use async_graphql::{Context, ID, Result, Subscription};
use events::intents::IntentUpserted;
use futures::Stream;
use ids::IntentId;
use proto::{common::v1 as common, orchestrator::v1 as pb};

use super::{
    guard::{Requires, auth},
    intent::{self, TxIntent},
    live::{Say, async_stream},
    node,
    scalar::{DateTime, to_timestamp},
    user::{Role, acting},
};
use crate::{
    error::coded,
    live::{Fact, Live, Lost, lost},
};

#[derive(Default)]
pub(crate) struct IntentSubscription;

#[Subscription]
impl IntentSubscription {
    /// The intent as it is now, then after every change; ends when the intent has.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn intent_status(
        &self,
        context: &Context<'_>,
        intent_id: ID,
    ) -> Result<impl Stream<Item = Result<TxIntent>> + use<>> {
        let viewer = acting(context)?.clone();
        let not_found = || coded(rpc::Code::NotFound.as_str(), "there is no such intent");
        let id: IntentId = node::key("TxIntent", &intent_id).ok_or_else(not_found)?;
        // Watched before it is read: a change in between is seen by the one or by the other.
        let mut events = context.data_unchecked::<Live>().subscribe();
        let now = intent::load(context, &viewer, id).await?.ok_or_else(not_found)?;
        Ok(async_stream(async move |mut say: Say<TxIntent>| {
            let (mut revision, mut is_over) = now.progress();
            say.send(Ok(now)).await;
            while !is_over {
                match events.next().await {
                    Err(Lost) => return say.send(Err(lost())).await,
                    Ok(event) => {
                        if let Fact::Intent(fact) = &event.fact {
                            let is_news = fact.intent_id == id
                                && fact.created_by == viewer.user_id
                                && fact.revision as u64 > revision;
                            if is_news {
                                let intent = TxIntent::told(fact);
                                (revision, is_over) = intent.progress();
                                say.send(Ok(intent)).await;
                            }
                        }
                    }
                }
            }
        }))
    }
}

/// The intent as its event shows it.
pub(crate) fn of_fact(fact: &IntentUpserted) -> pb::Intent {
    let at = |at: chrono::DateTime<chrono::Utc>| Some(to_timestamp(DateTime(at)));
    let chain_id = fact.chain_id.to_string();
    let contract = fact
        .contract
        .map(|contract| common::ContractRef { chain_id: chain_id.clone(), address: contract.to_lower() });
    let tokens = fact.contract.iter().flat_map(|contract| {
        fact.token_ids.iter().map(|token_id| common::TokenRef {
            chain_id: chain_id.clone(),
            address: contract.to_lower(),
            token_id: token_id.to_string(),
        })
    });
    pb::Intent {
        intent_id: fact.intent_id.to_string(),
        kind: pb::IntentKind::from_str_name(&format!("INTENT_KIND_{}", fact.kind)).unwrap_or_default().into(),
        status: pb::IntentStatus::from_str_name(&format!("INTENT_STATUS_{}", fact.status))
            .unwrap_or_default()
            .into(),
        preview_address: fact.preview_address.map(|address| address.to_lower()).unwrap_or_default(),
        tx_hash: fact.tx_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        created_by: fact.created_by.to_string(),
        error_code: fact.error_code.clone().unwrap_or_default(),
        error_message: fact.error_message.clone().unwrap_or_default(),
        deadline: at(fact.deadline_at),
        create_time: at(fact.created_at),
        update_time: at(fact.updated_at),
        tokens: tokens.collect(),
        contract,
        revision: fact.revision as u64,
        confirmations: fact.confirmations.unwrap_or_default(),
        required_confirmations: fact.required_confirmations,
        order_id: fact.order_id.map(|id| id.to_string()).unwrap_or_default(),
        chain_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_says_all_that_the_first_answer_said() {
        let at: chrono::DateTime<chrono::Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let second = Some(prost_types::Timestamp { seconds: at.timestamp(), nanos: 0 });
        let address = |byte: u8| ids::Address::new([byte; 20]);
        let chain_id = "eip155:31337".to_owned();
        // Every field is named and none is left as it would be unsaid.
        let first = pb::Intent {
            intent_id: IntentId::new().to_string(),
            kind: pb::IntentKind::CreateCollection.into(),
            status: pb::IntentStatus::Mined.into(),
            preview_address: address(1).to_lower(),
            tx_hash: format!("0x{}", "22".repeat(32)),
            created_by: ids::UserId::new().to_string(),
            error_code: "TX_WILL_FAIL".to_owned(),
            error_message: "no".to_owned(),
            deadline: second,
            create_time: second,
            update_time: second,
            tokens: vec![common::TokenRef {
                chain_id: chain_id.clone(),
                address: address(1).to_lower(),
                token_id: "7".to_owned(),
            }],
            contract: Some(common::ContractRef {
                chain_id: chain_id.clone(),
                address: address(1).to_lower(),
            }),
            revision: 3,
            confirmations: 1,
            required_confirmations: 2,
            order_id: ids::OrderId::new().to_string(),
            chain_id,
        };
        let later = IntentUpserted {
            intent_id: first.intent_id.parse().unwrap(),
            created_by: first.created_by.parse().unwrap(),
            kind: "CREATE_COLLECTION".to_owned(),
            status: "MINED".to_owned(),
            chain_id: first.chain_id.parse().unwrap(),
            contract: Some(address(1)),
            preview_address: Some(address(1)),
            token_ids: vec!["7".parse().unwrap()],
            tx_hash: Some(first.tx_hash.parse().unwrap()),
            confirmations: Some(1),
            required_confirmations: 2,
            error_code: Some(first.error_code.clone()),
            error_message: Some(first.error_message.clone()),
            order_id: Some(first.order_id.parse().unwrap()),
            revision: 3,
            deadline_at: at,
            created_at: at,
            updated_at: at,
        };
        assert_eq!(of_fact(&later), first);
        // A fact of before the field was there can be read still.
        let mut older = serde_json::to_value(&later).unwrap();
        older.as_object_mut().unwrap().remove("previewAddress").unwrap();
        let older: IntentUpserted = serde_json::from_value(older).unwrap();
        assert_eq!(of_fact(&older).preview_address, "");
    }
}
