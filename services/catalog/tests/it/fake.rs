//! Events of a chain, as an indexer would publish them.

use amounts::U256;
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    Block, ChainBatch, ChainEvent, Envelope, Finality, Standard,
    chain::event_id,
    collections::{self, CollectionCreated, CollectionUpdated},
    mints::{self, MetadataChanged, TokenBurned, TokenMinted, TokenMoved, TokenTransferred},
};
use ids::{Address, BlockHash, ChainId, Hash32, TokenId, TxHash};
use sqlx::PgPool;

/// What happened at one place of a block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Created(CollectionCreated),
    Updated(CollectionUpdated),
    Moved(TokenMoved),
    Metadata(MetadataChanged),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) contract: Address,
    pub(crate) standard: Standard,
    pub(crate) what: What,
}

/// A block with what happened in it; the place in the list is the log index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeBlock {
    pub(crate) number: u64,
    pub(crate) hash: BlockHash,
    pub(crate) parent: BlockHash,
    pub(crate) time: DateTime<Utc>,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn chain(number: u64) -> ChainId {
    ChainId::new(number).unwrap()
}

pub(crate) fn address(n: u64) -> Address {
    let mut bytes = [0x11; 20];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    Address::new(bytes)
}

pub(crate) fn hash(n: u64) -> Hash32 {
    let mut bytes = [0x22; 32];
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    Hash32::new(bytes)
}

pub(crate) fn token_id(n: u64) -> TokenId {
    TokenId::new(U256::from(n))
}

/// A block of that height; `fork` tells blocks of one height apart.
pub(crate) fn block(number: u64, fork: u64, events: Vec<Event>) -> FakeBlock {
    let time = DateTime::from_timestamp(1_760_000_000, 0).unwrap() + TimeDelta::seconds(12 * number as i64);
    let hash_of = |number: u64| hash(number * 1_000_000 + fork);
    FakeBlock { number, hash: hash_of(number), parent: hash_of(number.saturating_sub(1)), time, events }
}

pub(crate) fn created(contract: Address, standard: Standard, name: &str, owner: Address) -> Event {
    let what = What::Created(CollectionCreated {
        factory: address(0xfac),
        creator: owner,
        owner,
        salt: Some(hash(0x5a17)),
        name: name.to_owned(),
        symbol: "SYM".to_owned(),
        contract_uri: Some("ipfs://first".to_owned()),
        max_supply: Some("1000".to_owned()),
        royalty_recipient: Some(owner),
        royalty_bps: 250,
    });
    Event { contract, standard, what }
}

pub(crate) fn updated(contract: Address, standard: Standard, change: CollectionUpdated) -> Event {
    Event { contract, standard, what: What::Updated(change) }
}

/// A move of an ERC-721.
pub(crate) fn moved(contract: Address, token: u64, from: Address, to: Address) -> Event {
    let quantity = U256::from(1);
    let what = What::Moved(TokenMoved {
        token_id: token_id(token),
        last_token_id: None,
        from,
        to,
        quantity,
        operator: None,
    });
    Event { contract, standard: Standard::Erc721, what }
}

/// A move of all tokens from one to another, both included, in one log: ERC-2309.
pub(crate) fn ranged(contract: Address, (first, last): (u64, u64), from: Address, to: Address) -> Event {
    let quantity = U256::from(1);
    let last_token_id = Some(token_id(last));
    let what = What::Moved(TokenMoved {
        token_id: token_id(first),
        last_token_id,
        from,
        to,
        quantity,
        operator: None,
    });
    Event { contract, standard: Standard::Erc721, what }
}

/// A move of an ERC-1155.
pub(crate) fn moved_many(contract: Address, token: u64, from: Address, to: Address, quantity: u64) -> Event {
    let (quantity, operator) = (U256::from(quantity), Some(address(0x0b)));
    let what = What::Moved(TokenMoved {
        token_id: token_id(token),
        last_token_id: None,
        from,
        to,
        quantity,
        operator,
    });
    Event { contract, standard: Standard::Erc1155, what }
}

/// The messages of a block: one a kind.
pub(crate) fn messages(
    chain_id: ChainId,
    block: &FakeBlock,
    generation: u32,
    removed: bool,
) -> Vec<Envelope> {
    let at = |index: usize, event: &Event| Place { chain_id, block, index, event: event.clone() };
    let events: Vec<Place<'_>> =
        block.events.iter().enumerate().map(|(index, event)| at(index, event)).collect();
    let mut envelopes = Vec::new();
    let head = Head { chain_id, block, generation, removed };

    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Created(fact) => Some(p.with(fact.clone())),
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, collections::created);
    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Updated(fact) => Some(p.with(fact.clone())),
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, collections::updated);
    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Moved(fact) if fact.from.is_zero() => Some(p.with(TokenMinted(fact.clone()))),
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, mints::minted);
    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Moved(fact) if fact.to.is_zero() => Some(p.with(TokenBurned(fact.clone()))),
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, mints::burned);
    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Moved(fact) if !fact.from.is_zero() && !fact.to.is_zero() => {
            Some(p.with(TokenTransferred(fact.clone())))
        }
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, mints::transferred);
    let facts = events.iter().filter_map(|p| match &p.event.what {
        What::Metadata(fact) => Some(p.with(fact.clone())),
        _ => None,
    });
    head.publish(facts.collect(), &mut envelopes, mints::metadata_changed);
    envelopes
}

struct Place<'a> {
    chain_id: ChainId,
    block: &'a FakeBlock,
    index: usize,
    event: Event,
}

impl Place<'_> {
    fn with<E>(&self, fact: E) -> ChainEvent<E> {
        // Two events a transaction.
        let tx_hash: TxHash = hash(self.block.number * 1000 + self.index as u64 / 2);
        let (log_index, batch_index) = (self.index as u32, 0);
        ChainEvent {
            id: event_id(self.chain_id, self.block.hash, tx_hash, log_index, batch_index),
            contract: self.event.contract,
            standard: Some(self.event.standard),
            tx_hash,
            tx_from: address(0xabc),
            log_index,
            batch_index,
            finality: Finality::Latest,
            fact,
        }
    }
}

struct Head<'a> {
    chain_id: ChainId,
    block: &'a FakeBlock,
    generation: u32,
    removed: bool,
}

impl Head<'_> {
    fn publish<E>(
        &self,
        events: Vec<ChainEvent<E>>,
        envelopes: &mut Vec<Envelope>,
        message: impl Fn(&ChainBatch<E>, usize) -> events::Message,
    ) {
        if events.is_empty() {
            return;
        }
        let block = Block {
            number: self.block.number,
            hash: self.block.hash,
            parent_hash: self.block.parent,
            time: self.block.time,
        };
        let fork_block = self.removed.then(|| self.block.number.saturating_sub(1));
        let (chain_id, generation, removed) = (self.chain_id, self.generation, self.removed);
        let batch = ChainBatch { chain_id, block, generation, removed, fork_block, events };
        envelopes.push(message(&batch, 0).envelope);
    }
}

/// So long ago that every block is at the head.
pub(crate) fn at_the_head() -> TimeDelta {
    TimeDelta::days(36_500)
}

/// Delivers messages one after the other; all of them must be applied.
pub(crate) async fn deliver(db: &PgPool, envelopes: &[Envelope]) {
    for envelope in envelopes {
        let handled = catalog::apply(db, envelope, at_the_head()).await.unwrap();
        assert!(handled.dead.is_empty(), "{:?}", handled.dead);
    }
}
