//! The events of a block become messages: one for each kind, split only where it grows too large. Each event is written
//! as JSON once, and that text is what is told and what is kept.

use chrono::{DateTime, Utc};
use events::{
    Block, ChainBatch, ChainEvent, Finality, Message, Standard, chain,
    collections::{self, CollectionCreated, CollectionUpdated},
    mints::{self, MetadataChanged, TokenBurned, TokenMinted, TokenTransferred},
    orders::{self, CounterIncremented, OrderCancelled, OrderFilled, OrderValidated, PaymentChanged},
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

    /// A batch of this block without events yet.
    fn batch<E>(&self) -> ChainBatch<E> {
        ChainBatch {
            chain_id: self.chain_id,
            block: self.block.clone(),
            generation: self.generation,
            removed: false,
            fork_block: None,
            events: Vec::new(),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident = $text:literal, $field:ident: $fact:ty, $message:path;)+) => {
        /// One message's worth of events, as it was kept for a retraction.
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
            pub(crate) fn message(&self, part: u64) -> Message {
                let part = usize::try_from(part).unwrap_or(usize::MAX);
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

        /// What is written of a block so far, by kind.
        struct Kinds {
            $($field: Parts<$fact>,)+
        }

        impl Kinds {
            fn new(first_part: u64) -> Kinds {
                Kinds { $($field: Parts::new($text, $message, first_part),)+ }
            }

            fn close(self, of: &Of) -> Vec<Written> {
                let mut written = Vec::new();
                $(self.$field.close(of, &mut written);)+
                written
            }
        }
    };
}

kinds! {
    Created = "created", created: CollectionCreated, collections::created;
    Updated = "updated", updated: CollectionUpdated, collections::updated;
    Minted = "minted", minted: TokenMinted, mints::minted;
    Transferred = "transferred", transferred: TokenTransferred, mints::transferred;
    Burned = "burned", burned: TokenBurned, mints::burned;
    Metadata = "metadata", metadata: MetadataChanged, mints::metadata_changed;
    Approval = "approval", approval: ApprovalChanged, wallets::approval_changed;
    Validated = "validated", validated: OrderValidated, orders::validated;
    Fulfilled = "fulfilled", fulfilled: OrderFilled, orders::fulfilled;
    Cancelled = "cancelled", cancelled: OrderCancelled, orders::cancelled;
    Counter = "counter", counter: CounterIncremented, orders::counter_incremented;
    Payment = "payment", payment: PaymentChanged, orders::payment_changed;
}

/// One message's worth of events as JSON.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) kind: &'static str,
    pub(crate) part: u64,
    /// How many events it holds.
    pub(crate) events: usize,
    /// The envelope, whose data has no events yet.
    head: Message,
    /// The whole `ChainBatch`.
    data: String,
}

impl Written {
    /// The row of the outbox.
    pub(crate) fn message(&self, traceparent: Option<&str>) -> bus::outbox::Written {
        bus::outbox::Written::new(&self.head, traceparent, Some(&self.data))
    }

    /// What is kept for a retraction: a [`Batch`].
    pub(crate) fn kept(&self) -> String {
        bus::outbox::storable(format!(r#"{{"kind":"{}","batch":{}}}"#, self.kind, self.data))
    }
}

/// Sorts a block's facts by kind, in the order of the chain, and cuts each kind into parts, numbered from `first_part`
/// on. The cuts depend on the events alone, so a re-scan names the same parts.
pub(crate) fn write(of: &Of, told: Vec<Told>, first_part: u64) -> Vec<Written> {
    let mut kinds = Kinds::new(first_part);
    for log in told {
        let place = Place { of, log: &log };
        for (index, fact) in &log.facts {
            let index = *index;
            match fact {
                Fact::Created { collection, standard, created: fact, .. } => {
                    let event = place.event(index, fact.clone());
                    let event = ChainEvent { contract: *collection, standard: Some(*standard), ..event };
                    kinds.created.add(of, &event);
                }
                Fact::Updated(fact) => kinds.updated.add(of, &place.event(index, fact.clone())),
                Fact::Minted(fact) => kinds.minted.add(of, &place.event(index, TokenMinted(fact.clone()))),
                Fact::Transferred(fact) => {
                    kinds.transferred.add(of, &place.event(index, TokenTransferred(fact.clone())));
                }
                Fact::Burned(fact) => kinds.burned.add(of, &place.event(index, TokenBurned(fact.clone()))),
                Fact::Metadata(fact) => kinds.metadata.add(of, &place.event(index, fact.clone())),
                Fact::Approval(fact) => kinds.approval.add(of, &place.event(index, fact.clone())),
                Fact::OrderValidated(fact) => kinds.validated.add(of, &place.event(index, fact.clone())),
                Fact::OrderFilled(fact) => kinds.fulfilled.add(of, &place.event(index, fact.clone())),
                Fact::OrderCancelled(fact) => kinds.cancelled.add(of, &place.event(index, fact.clone())),
                Fact::CounterIncremented(fact) => kinds.counter.add(of, &place.event(index, fact.clone())),
                Fact::Payment(fact) => kinds.payment.add(of, &place.event(index, fact.clone())),
            }
        }
    }
    kinds.close(of)
}

struct Place<'a> {
    of: &'a Of,
    log: &'a Told,
}

impl Place<'_> {
    fn event<E>(&self, batch_index: u32, fact: E) -> ChainEvent<E> {
        let (of, log) = (self.of, self.log);
        ChainEvent {
            id: chain::event_id(of.chain_id, of.block.hash, log.tx_hash, log.log_index, batch_index),
            contract: log.contract,
            standard: log.standard,
            tx_hash: log.tx_hash,
            tx_from: log.tx_from,
            log_index: log.log_index,
            batch_index,
            finality: of.finality,
            fact,
        }
    }
}

/// The parts of one kind: those that are full, and the events of the next one.
struct Parts<E> {
    kind: &'static str,
    head: fn(&ChainBatch<E>, usize) -> Message,
    part: u64,
    full: Vec<Written>,
    count: usize,
    /// Events as JSON with commas between them.
    text: Vec<u8>,
}

impl<E: Serialize> Parts<E> {
    fn new(kind: &'static str, head: fn(&ChainBatch<E>, usize) -> Message, part: u64) -> Parts<E> {
        Parts { kind, head, part, full: Vec::new(), count: 0, text: Vec::new() }
    }

    fn add(&mut self, of: &Of, event: &ChainEvent<E>) {
        let before = self.text.len();
        if self.count > 0 {
            self.text.push(b',');
        }
        serde_json::to_writer(&mut self.text, event).expect("events are plain structs with string keys");
        if self.count > 0 && (self.count == MOST_EVENTS || self.text.len() > MOST_BYTES) {
            let next = self.text.split_off(before + 1);
            self.text.truncate(before);
            self.cut(of);
            self.text = next;
        }
        self.count += 1;
    }

    fn cut(&mut self, of: &Of) {
        let empty = of.batch();
        let head = (self.head)(&empty, usize::try_from(self.part).unwrap_or(usize::MAX));
        let mut data = serde_json::to_string(&empty).expect("a batch is a plain struct with string keys");
        // The list of events is the last field of a batch.
        data.truncate(data.len() - "]}".len());
        data.reserve(self.text.len() + 2);
        data.push_str(std::str::from_utf8(&self.text).expect("JSON is UTF-8"));
        data.push_str("]}");
        let written = Written { kind: self.kind, part: self.part, events: self.count, head, data };
        self.full.push(written);
        (self.part, self.count) = (self.part + 1, 0);
        self.text.clear();
    }

    fn close(mut self, of: &Of, written: &mut Vec<Written>) {
        if self.count > 0 {
            self.cut(of);
        }
        written.append(&mut self.full);
    }
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
            last_token_id: None,
            from: Address::ZERO,
            to: Address::new([3; 20]),
            quantity: U256::ONE,
            operator: None,
        })
    }

    /// What a consumer finds in the row of the outbox.
    fn envelope(written: &Written) -> events::Envelope {
        serde_json::from_str(&written.message(Some("00-11-22-01")).body).unwrap()
    }

    #[test]
    fn a_block_becomes_one_message_a_kind_and_large_kinds_are_split() {
        let many = (0..1201).map(|index| (index, mint(index.into()))).collect();
        let uri = Fact::Metadata(MetadataChanged::Uri {
            token_id: TokenId::new(U256::ONE),
            uri: "ipfs://x".into(),
        });
        let written = write(&of(), vec![told(0, many), told(1, vec![(0, uri)])], 7 << 20);

        let minted: Vec<&Written> = written.iter().filter(|part| part.kind == "minted").collect();
        assert!(minted.len() > 1);
        let parts: Vec<u64> = minted.iter().map(|part| part.part).collect();
        assert_eq!(parts, (7 << 20..(7 << 20) + minted.len() as u64).collect::<Vec<_>>());
        let mut index = 0;
        for part in &minted {
            let batch: ChainBatch<TokenMinted> = envelope(part).open().unwrap();
            assert_eq!(batch.events.len(), part.events);
            assert!(batch.events.len() <= MOST_EVENTS && part.data.len() <= MOST_BYTES + 1024);
            for event in batch.events {
                assert_eq!(event.batch_index, index, "none is left out, and they are in order");
                index += 1;
            }
        }
        assert_eq!(index, 1201);
        let last = written.last().unwrap();
        assert_eq!((last.kind, last.part, last.events), ("metadata", 7 << 20, 1));
        let ids: std::collections::HashSet<_> = written.iter().map(|part| envelope(part).id).collect();
        assert_eq!(ids.len(), written.len(), "each part has an id of its own");
    }

    #[test]
    fn what_is_written_once_is_the_message_and_the_batch_that_a_retraction_needs() {
        let written = write(&of(), vec![told(4, vec![(0, mint(1)), (1, mint(2))])], 0).remove(0);
        let kept: Batch = serde_json::from_str(&written.kept()).unwrap();
        assert_eq!((kept.kind(), kept.len()), (written.kind, written.events));
        let (told, known) = (envelope(&written), kept.message(0).envelope);
        assert_eq!(told.traceparent.as_deref(), Some("00-11-22-01"));
        assert_eq!(
            (told.id, told.kind, told.source, told.data),
            (known.id, known.kind, known.source, known.data)
        );
        let (row, message) = (written.message(None), kept.message(0));
        assert_eq!((row.exchange, row.routing_key), (message.exchange, message.routing_key));
    }

    #[test]
    fn a_nul_from_a_contract_is_stored_as_a_replacement() {
        let uri =
            Fact::Metadata(MetadataChanged::Uri { token_id: TokenId::new(U256::ONE), uri: "a\0b".into() });
        let written = write(&of(), vec![told(1, vec![(0, uri)])], 0).remove(0);
        for text in [written.kept(), written.message(None).body] {
            assert!(!text.contains("\\u0000") && text.contains("a\u{fffd}b"), "{text}");
        }
    }

    #[test]
    fn a_retraction_repeats_ids_and_generation_under_an_id_of_its_own() {
        let written = write(&of(), vec![told(4, vec![(0, mint(1))])], 0).remove(0);
        let kept: Batch = serde_json::from_str(&written.kept()).unwrap();
        let (first, taken) = (envelope(&written), kept.retracted(3).message(0));
        assert_eq!(taken.envelope.id, format!("{}/removed", first.id));
        assert_eq!(taken.routing_key, written.message(None).routing_key);
        let (was, is) = (&first.data, &taken.envelope.data);
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
