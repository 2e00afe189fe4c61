//! The events of a block become messages: one for each kind, split only where it grows too large.

use chrono::{DateTime, Utc};
use events::{
    Block, ChainBatch, ChainEvent, Finality, Message, Standard, chain,
    collections::{self, CollectionCreated, CollectionUpdated},
    mints::{self, MetadataChanged, TokenBurned, TokenMinted, TokenTransferred},
    wallets::{self, ApprovalChanged},
};
use ids::{Address, ChainId, TxHash};
use serde::{Deserialize, Serialize};

use crate::{decode::Fact, model::Header};

/// Events in one message at most.
const MOST_EVENTS: usize = 500;
/// Bytes of events in one message at most.
const MOST_BYTES: usize = 256 * 1024;

/// A decoded log with what its events carry of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// The contract that logged it.
    pub(crate) contract: Address,
    /// What that contract is, where known.
    pub(crate) standard: Option<Standard>,
    pub(crate) tx_hash: TxHash,
    pub(crate) tx_from: Address,
    pub(crate) log_index: u32,
    pub(crate) facts: Vec<(u32, Fact)>,
}

/// What all batches of a block have in common.
#[derive(Debug, Clone)]
pub(crate) struct Of {
    pub(crate) chain_id: ChainId,
    pub(crate) block: Block,
    pub(crate) generation: u32,
    pub(crate) finality: Finality,
}

impl Of {
    pub(crate) fn new(chain_id: ChainId, header: &Header, generation: u32, finality: Finality) -> Of {
        Of { chain_id, block: header.block(), generation, finality }
    }
}

macro_rules! kinds {
    ($($kind:ident = $text:literal, $fact:ty, $message:path;)+) => {
        /// One message's worth of events, as it is kept for a retraction.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "batch", rename_all = "lowercase")]
        pub(crate) enum Batch {
            $($kind(ChainBatch<$fact>),)+
        }

        impl Batch {
            /// The word that names the kind in keys and columns.
            pub(crate) const fn kind(&self) -> &'static str {
                match self { $(Batch::$kind(_) => $text,)+ }
            }

            /// How many events it holds.
            pub(crate) fn len(&self) -> usize {
                match self { $(Batch::$kind(batch) => batch.events.len(),)+ }
            }

            /// The message that tells of it.
            pub(crate) fn message(&self, part: usize) -> Message {
                match self { $(Batch::$kind(batch) => $message(batch, part),)+ }
            }

            /// The same events, taken back: the same ids and generation, and where the branches part.
            pub(crate) fn retracted(mut self, fork_block: u64) -> Batch {
                match &mut self {
                    $(Batch::$kind(batch) => (batch.removed, batch.fork_block) = (true, Some(fork_block)),)+
                }
                self
            }
        }
    };
}

kinds! {
    Created = "created", CollectionCreated, collections::created;
    Updated = "updated", CollectionUpdated, collections::updated;
    Minted = "minted", TokenMinted, mints::minted;
    Transferred = "transferred", TokenTransferred, mints::transferred;
    Burned = "burned", TokenBurned, mints::burned;
    Metadata = "metadata", MetadataChanged, mints::metadata_changed;
    Approval = "approval", ApprovalChanged, wallets::approval_changed;
}

/// Sorts a block's facts by kind, in the order of the chain, and cuts each kind into parts. The cuts depend on the
/// events alone, so a re-scan names the same parts.
pub(crate) fn batches(of: &Of, told: Vec<Told>) -> Vec<(usize, Batch)> {
    let (mut created, mut updated, mut approvals, mut metadata) = (vec![], vec![], vec![], vec![]);
    let (mut minted, mut transferred, mut burned) = (vec![], vec![], vec![]);
    for log in told {
        let place = Place {
            id: |index| chain::event_id(of.chain_id, of.block.hash, log.tx_hash, log.log_index, index),
            contract: log.contract,
            standard: log.standard,
            tx_hash: log.tx_hash,
            tx_from: log.tx_from,
            log_index: log.log_index,
            finality: of.finality,
        };
        for (index, fact) in log.facts {
            match fact {
                Fact::Created { collection, standard, created: fact, .. } => {
                    let event = place.event(index, fact);
                    created.push(ChainEvent { contract: collection, standard: Some(standard), ..event });
                }
                Fact::Updated(fact) => updated.push(place.event(index, fact)),
                Fact::Minted(fact) => minted.push(place.event(index, TokenMinted(fact))),
                Fact::Transferred(fact) => transferred.push(place.event(index, TokenTransferred(fact))),
                Fact::Burned(fact) => burned.push(place.event(index, TokenBurned(fact))),
                Fact::Metadata(fact) => metadata.push(place.event(index, fact)),
                Fact::Approval(fact) => approvals.push(place.event(index, fact)),
            }
        }
    }
    let mut batches = Vec::new();
    cut(of, created, Batch::Created, &mut batches);
    cut(of, updated, Batch::Updated, &mut batches);
    cut(of, minted, Batch::Minted, &mut batches);
    cut(of, transferred, Batch::Transferred, &mut batches);
    cut(of, burned, Batch::Burned, &mut batches);
    cut(of, metadata, Batch::Metadata, &mut batches);
    cut(of, approvals, Batch::Approval, &mut batches);
    batches
}

struct Place<I> {
    id: I,
    contract: Address,
    standard: Option<Standard>,
    tx_hash: TxHash,
    tx_from: Address,
    log_index: u32,
    finality: Finality,
}

impl<I: Fn(u32) -> String> Place<I> {
    fn event<E>(&self, batch_index: u32, fact: E) -> ChainEvent<E> {
        ChainEvent {
            id: (self.id)(batch_index),
            contract: self.contract,
            standard: self.standard,
            tx_hash: self.tx_hash,
            tx_from: self.tx_from,
            log_index: self.log_index,
            batch_index,
            finality: self.finality,
            fact,
        }
    }
}

fn cut<E: Serialize>(
    of: &Of,
    events: Vec<ChainEvent<E>>,
    kind: impl Fn(ChainBatch<E>) -> Batch,
    batches: &mut Vec<(usize, Batch)>,
) {
    let (mut part, mut bytes, mut held) = (0, 0, Vec::new());
    let batch = |events| {
        kind(ChainBatch {
            chain_id: of.chain_id,
            block: of.block.clone(),
            generation: of.generation,
            removed: false,
            fork_block: None,
            events,
        })
    };
    for event in events {
        let size = size_bytes(&event);
        if !held.is_empty() && (held.len() == MOST_EVENTS || bytes + size > MOST_BYTES) {
            batches.push((part, batch(std::mem::take(&mut held))));
            (part, bytes) = (part + 1, 0);
        }
        bytes += size;
        held.push(event);
    }
    if !held.is_empty() {
        batches.push((part, batch(held)));
    }
}

/// How long the event is as JSON, without writing it anywhere.
fn size_bytes(event: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, event).expect("events are plain structs, and counting does not fail");
    count.0
}

/// How settled a block is, by the newest safe and finalized blocks that the node told of.
pub(crate) fn finality(number: u64, safe: Option<u64>, finalized: Option<u64>) -> Finality {
    let under = |mark: Option<u64>| mark.is_some_and(|mark| number <= mark);
    match (under(finalized), under(safe)) {
        (true, _) => Finality::Finalized,
        (false, true) => Finality::Safe,
        (false, false) => Finality::Latest,
    }
}

/// The time of a block as nodes give it.
pub(crate) fn block_time(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use events::mints::TokenMoved;
    use ids::{Hash32, TokenId};

    use super::*;

    fn of() -> Of {
        let block = Block {
            number: 7,
            hash: Hash32::new([7; 32]),
            parent_hash: Hash32::new([6; 32]),
            time: block_time(1_700_000_000).unwrap(),
        };
        Of { chain_id: ChainId::new(31337).unwrap(), block, generation: 1, finality: Finality::Latest }
    }

    fn told(log_index: u32, facts: Vec<(u32, Fact)>) -> Told {
        Told {
            contract: Address::new([1; 20]),
            standard: Some(Standard::Erc1155),
            tx_hash: Hash32::new([9; 32]),
            tx_from: Address::new([2; 20]),
            log_index,
            facts,
        }
    }

    fn mint(id: u64) -> Fact {
        Fact::Minted(TokenMoved {
            token_id: TokenId::new(U256::from(id)),
            from: Address::ZERO,
            to: Address::new([3; 20]),
            quantity: U256::ONE,
            operator: None,
        })
    }

    #[test]
    fn a_block_becomes_one_message_a_kind_and_large_kinds_are_split() {
        let many = (0..1201).map(|index| (index, mint(index.into()))).collect();
        let uri = Fact::Metadata(MetadataChanged::Uri {
            token_id: TokenId::new(U256::ONE),
            uri: "ipfs://x".into(),
        });
        let batches = batches(&of(), vec![told(0, many), told(1, vec![(0, uri)])]);

        let held: Vec<_> = batches.iter().map(|(part, batch)| (batch.kind(), *part, batch.len())).collect();
        assert_eq!(held.iter().filter(|(kind, ..)| *kind == "minted").map(|(.., n)| n).sum::<usize>(), 1201);
        assert_eq!(held.last(), Some(&("metadata", 0, 1)));
        let ids: std::collections::HashSet<_> =
            batches.iter().map(|(part, batch)| batch.message(*part).envelope.id).collect();
        assert_eq!(ids.len(), batches.len(), "each part has an id of its own");
        for (_, batch) in &batches {
            assert!(batch.len() <= MOST_EVENTS);
            assert!(serde_json::to_vec(batch).unwrap().len() <= MOST_BYTES + 1024);
        }
    }

    #[test]
    fn a_retraction_repeats_ids_and_generation_under_an_id_of_its_own() {
        let (part, batch) = batches(&of(), vec![told(4, vec![(0, mint(1))])]).remove(0);
        let stored = serde_json::to_value(&batch).unwrap();
        let back: Batch = serde_json::from_value(stored).unwrap();
        assert_eq!(back, batch);

        let (first, taken) = (batch.message(part), back.retracted(3).message(part));
        assert_eq!(taken.envelope.id, format!("{}/removed", first.envelope.id));
        assert_eq!(taken.routing_key, first.routing_key);
        let (was, is) = (&first.envelope.data, &taken.envelope.data);
        assert_eq!(is["removed"], true);
        assert_eq!(is["forkBlock"], 3);
        assert_eq!((&is["generation"], &is["events"]), (&was["generation"], &was["events"]));
    }

    #[test]
    fn finality_follows_the_marks_of_the_node() {
        assert_eq!(finality(5, Some(6), Some(4)), Finality::Safe);
        assert_eq!(finality(4, Some(6), Some(4)), Finality::Finalized);
        assert_eq!(finality(7, Some(6), Some(4)), Finality::Latest);
        assert_eq!(finality(1, None, None), Finality::Latest);
    }
}
