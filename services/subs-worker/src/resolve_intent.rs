//! A catalogued entity may be what an intent was waiting for: the orchestrator is told, and decides.

use events::{
    Envelope, Fact, NotThisFact,
    collections::CollectionUpserted,
    mints::{TokenUpserted, TokensUpserted},
};
use ids::{Address, ChainId};
use proto::{common::v1::ContractRef, orchestrator::v1::ResolveIntentRequest};
use tonic::Status;

use crate::peers::Peers;

/// What the orchestrator needs to know of a message; nothing for messages that no intent waits for.
pub(crate) fn question(envelope: &Envelope) -> Result<Option<ResolveIntentRequest>, NotThisFact> {
    let mut asked = match envelope.kind.as_str() {
        CollectionUpserted::TYPE => {
            let fact: CollectionUpserted = envelope.open()?;
            ResolveIntentRequest {
                tx_hashes: fact.tx_hashes.iter().map(ToString::to_string).collect(),
                salts: fact.salts.iter().map(ToString::to_string).collect(),
                removed: fact.removed,
                ..about(fact.collection.chain_id, fact.collection.contract)
            }
        }
        TokenUpserted::TYPE => {
            let fact: TokenUpserted = envelope.open()?;
            ResolveIntentRequest {
                tx_hashes: fact.tx_hashes.iter().map(ToString::to_string).collect(),
                token_ids: vec![fact.token.token_id.to_string()],
                removed: fact.removed,
                ..about(fact.token.chain_id, fact.token.contract)
            }
        }
        TokensUpserted::TYPE => {
            let fact: TokensUpserted = envelope.open()?;
            ResolveIntentRequest {
                tx_hashes: fact.tx_hashes.iter().map(ToString::to_string).collect(),
                token_ids: fact.token_ids.iter().map(ToString::to_string).collect(),
                ..about(fact.chain_id, fact.contract)
            }
        }
        _ => return Ok(None),
    };
    if asked.tx_hashes.is_empty() && asked.salts.is_empty() {
        return Ok(None);
    }
    asked.event_id.clone_from(&envelope.id);
    Ok(Some(asked))
}

pub(crate) async fn resolve_intent(peers: &Peers, asked: ResolveIntentRequest) -> Result<(), Status> {
    let event_id = asked.event_id.clone();
    let resolved = peers.intents.clone().resolve_intent(asked).await?.into_inner();
    if !resolved.intent_ids.is_empty() {
        tracing::info!(event.id = %event_id, intents = resolved.intent_ids.len(), "intents resolved");
    }
    Ok(())
}

fn about(chain_id: ChainId, contract: Address) -> ResolveIntentRequest {
    ResolveIntentRequest {
        chain_id: chain_id.to_string(),
        collection: Some(ContractRef { chain_id: chain_id.to_string(), address: contract.to_lower() }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch() -> TokensUpserted {
        TokensUpserted {
            collection_id: ids::CollectionId::new(),
            chain_id: "eip155:31337".parse().unwrap(),
            contract: Address::new([7; 20]),
            token_ids: vec!["1".parse().unwrap(), "2".parse().unwrap()],
            tx_hashes: vec![ids::TxHash::new([9; 32])],
            block_number: 5,
        }
    }

    #[test]
    fn every_token_of_a_batch_is_told() {
        let message = events::mints::upserted_batch(&batch(), "cause");
        let asked = question(&message.envelope).unwrap().unwrap();
        assert_eq!(asked.token_ids, ["1", "2"]);
        assert_eq!(asked.tx_hashes.len(), 1);
        assert_eq!(asked.event_id, message.envelope.id);
        assert_eq!(asked.collection.unwrap().address, Address::new([7; 20]).to_lower());
    }

    #[test]
    fn a_change_without_a_transaction_asks_nothing() {
        let fact = TokensUpserted { tx_hashes: vec![], ..batch() };
        assert_eq!(question(&events::mints::upserted_batch(&fact, "cause").envelope), Ok(None));
    }

    #[test]
    fn a_message_that_does_not_fit_its_type_is_named() {
        let mut envelope = events::mints::upserted_batch(&batch(), "cause").envelope;
        envelope.data = json!({ "token_ids": 3 });
        assert!(matches!(question(&envelope), Err(NotThisFact::Malformed { .. })));
    }

    #[test]
    fn other_facts_ask_nothing() {
        let mut envelope = events::mints::upserted_batch(&batch(), "cause").envelope;
        envelope.kind = "vitrine.wallets.linked.v1".to_owned();
        assert_eq!(question(&envelope), Ok(None));
    }
}
