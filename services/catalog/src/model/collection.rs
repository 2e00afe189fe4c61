//! A collection, and how its picture follows from what the chain has told of it.

use amounts::U256;
use chrono::{DateTime, Utc};
use events::{
    ChainEvent, Standard,
    collections::{CollectionCreated, CollectionSnapshot, CollectionUpdated},
};
use ids::{Address, BlockHash, ChainId, CollectionId, Hash32, IntentId, TxHash};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::clean;

/// A collection as its row says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Collection {
    pub(crate) id: Uuid,
    pub(crate) chain_id: i64,
    pub(crate) contract: Address,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) symbol: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) standard: String,
    pub(crate) creator: Option<Address>,
    pub(crate) owner: Option<Address>,
    pub(crate) royalty_bps: i32,
    pub(crate) royalty_recipient: Option<Address>,
    pub(crate) max_supply: Option<String>,
    pub(crate) total_supply: String,
    pub(crate) is_verified: bool,
    pub(crate) status: String,
    pub(crate) metadata_url: Option<String>,
    pub(crate) image_url: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_tx: Option<TxHash>,
    pub(crate) created_block_number: Option<i64>,
    pub(crate) items_count: i64,
    pub(crate) owners_count: i64,
    pub(crate) revision: i64,
    pub(crate) changed_block_number: i64,
    pub(crate) changed_block_hash: Option<BlockHash>,
}

impl Collection {
    /// The picture that is published.
    pub(crate) fn snapshot(&self) -> Result<CollectionSnapshot, ids::Invalid> {
        Ok(CollectionSnapshot {
            id: CollectionId(self.id),
            chain_id: ChainId::try_from(self.chain_id)?,
            contract: self.contract,
            slug: self.slug.clone(),
            name: self.name.clone(),
            symbol: self.symbol.clone(),
            description: self.description.clone(),
            standard: self.standard.parse()?,
            creator: self.creator.unwrap_or(Address::ZERO),
            owner: self.owner,
            royalty_bps: u32::try_from(self.royalty_bps).unwrap_or_default(),
            max_supply: self.max_supply.clone(),
            total_supply: self.total_supply.clone(),
            is_verified: self.is_verified,
            status: self.status.clone(),
            created_at: self.created_at,
        })
    }

    /// Everybody sees what is live; what is only prepared, its creator alone.
    pub(crate) fn is_seen_by(&self, account: Option<Address>) -> bool {
        match self.status.as_str() {
            "LIVE" => true,
            "PENDING" => account.is_some() && account == self.creator,
            _ => false,
        }
    }
}

/// What the creator has prepared.
pub(crate) struct Pending {
    pub(crate) intent_id: IntentId,
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    pub(crate) standard: Standard,
    pub(crate) name: String,
    pub(crate) symbol: String,
    pub(crate) creator: Address,
    pub(crate) metadata_uri: Option<String>,
    pub(crate) max_supply: Option<U256>,
    pub(crate) royalty_bps: u32,
}

/// The name in addresses of pages: readable, and unique without asking what other rows there are, so that a rebuild
/// in any order gives the same. The second part names the row: one factory makes the same address on several chains.
pub(crate) fn slug(name: &str, contract: Address, row: Uuid) -> String {
    let mut words = String::new();
    for c in name.chars().take(60) {
        if c.is_ascii_alphanumeric() {
            words.push(c.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    let words = words.trim_end_matches('-');
    let words = if words.is_empty() { "collection" } else { words };
    format!("{words}-{}-{}", &contract.to_lower()[2..10], &row.simple().to_string()[..8])
}

/// A part of a collection's picture that the last event about it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Aspect {
    Created,
    Owner,
    Uri,
    Pause,
    Implementation,
    Role(Hash32, Address),
    Stage(u32),
}

impl Aspect {
    /// Those that every collection has.
    pub(crate) const COMMON: [Aspect; 5] =
        [Aspect::Created, Aspect::Owner, Aspect::Uri, Aspect::Pause, Aspect::Implementation];

    /// Which one a change decides; a URI that could not be read decides nothing.
    pub(crate) fn of(change: &CollectionUpdated) -> Option<Aspect> {
        Some(match change {
            CollectionUpdated::OwnershipTransferred { .. } => Aspect::Owner,
            CollectionUpdated::RoleGranted { role, account }
            | CollectionUpdated::RoleRevoked { role, account } => Aspect::Role(*role, *account),
            CollectionUpdated::ContractUriUpdated { uri } => {
                uri.as_ref()?;
                Aspect::Uri
            }
            CollectionUpdated::Paused | CollectionUpdated::Unpaused => Aspect::Pause,
            CollectionUpdated::StageUpdated { stage, .. } => Aspect::Stage(*stage),
            CollectionUpdated::Upgraded { .. } => Aspect::Implementation,
            // Kept in the ledger; nothing that people see follows from it.
            CollectionUpdated::OwnershipTransferStarted { .. }
            | CollectionUpdated::AdminChanged { .. }
            | CollectionUpdated::BeaconUpgraded { .. } => return None,
        })
    }

    /// The word in the ledger.
    pub(crate) fn word(self) -> String {
        match self {
            Aspect::Created => "created".to_owned(),
            Aspect::Owner => "owner".to_owned(),
            Aspect::Uri => "uri".to_owned(),
            Aspect::Pause => "pause".to_owned(),
            Aspect::Implementation => "implementation".to_owned(),
            Aspect::Role(role, account) => format!("role/{role}/{}", account.to_lower()),
            Aspect::Stage(stage) => format!("stage/{stage}"),
        }
    }
}

/// The last standing event of an aspect.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) collection_id: Uuid,
    pub(crate) aspect: String,
    pub(crate) fact: Value,
    pub(crate) block_number: i64,
    pub(crate) block_hash: BlockHash,
    pub(crate) block_time: DateTime<Utc>,
    pub(crate) log_index: i64,
    pub(crate) batch_index: i64,
    pub(crate) tx_hash: TxHash,
}

impl Told {
    fn position(&self) -> (i64, i64, i64) {
        (self.block_number, self.log_index, self.batch_index)
    }

    fn change(&self) -> Option<CollectionUpdated> {
        Some(ChainEvent::<CollectionUpdated>::deserialize(&self.fact).ok()?.fact)
    }
}

/// How a contract was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Birth {
    pub(crate) fact: CollectionCreated,
    pub(crate) standard: Option<Standard>,
    pub(crate) tx_hash: TxHash,
    pub(crate) block_number: i64,
    pub(crate) block_hash: BlockHash,
    pub(crate) block_time: DateTime<Utc>,
}

/// What the standing events say of a collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Picture {
    /// Absent as long as the chain has not told of its creation.
    pub(crate) birth: Option<Birth>,
    pub(crate) owner: Option<Address>,
    pub(crate) uri: Option<String>,
    pub(crate) is_paused: bool,
    pub(crate) implementation: Option<Address>,
    /// For the roles that were asked for: since when it is held, if it is.
    pub(crate) roles: Vec<(Hash32, Address, DateTime<Utc>)>,
    /// For the stages that were asked for: the price.
    pub(crate) stages: Vec<(i64, U256, i64)>,
}

impl Picture {
    /// Puts together the last events of the aspects.
    pub(crate) fn of(told: &[Told]) -> Picture {
        let mut picture = Picture::default();
        let (mut owner_at, mut uri_at) = ((-1, -1, -1), (-1, -1, -1));
        for told in told {
            if told.aspect == Aspect::Created.word() {
                let Ok(event) = ChainEvent::<CollectionCreated>::deserialize(&told.fact) else { continue };
                // The owner and the URI at creation count until a later event says otherwise.
                if told.position() > owner_at {
                    (picture.owner, owner_at) = (Some(event.fact.owner), told.position());
                }
                if told.position() > uri_at {
                    let uri = event.fact.contract_uri.as_deref();
                    (picture.uri, uri_at) = (uri.map(|uri| clean(uri, 4096)), told.position());
                }
                picture.birth = Some(Birth {
                    fact: event.fact,
                    standard: event.standard,
                    tx_hash: told.tx_hash,
                    block_number: told.block_number,
                    block_hash: told.block_hash,
                    block_time: told.block_time,
                });
                continue;
            }
            match told.change() {
                Some(CollectionUpdated::OwnershipTransferred { to, .. }) if told.position() > owner_at => {
                    (picture.owner, owner_at) = (Some(to), told.position());
                }
                Some(CollectionUpdated::ContractUriUpdated { uri: Some(uri) })
                    if told.position() > uri_at =>
                {
                    (picture.uri, uri_at) = (Some(clean(&uri, 4096)), told.position());
                }
                Some(CollectionUpdated::Paused) => picture.is_paused = true,
                Some(CollectionUpdated::Upgraded { implementation }) => {
                    picture.implementation = Some(implementation)
                }
                Some(CollectionUpdated::RoleGranted { role, account }) => {
                    picture.roles.push((role, account, told.block_time));
                }
                Some(CollectionUpdated::StageUpdated { stage, price }) => {
                    picture.stages.push((stage.into(), price, told.block_number));
                }
                _ => {}
            }
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_readable_and_differs_by_chain() {
        let contract = Address::new([0xab; 20]);
        let [one, two] = [1, 10].map(|n| super::super::collection_row(ChainId::new(n).unwrap(), contract));
        assert!(slug("  Cool  Cats! ", contract, one).starts_with("cool-cats-abababab-"));
        assert!(slug("猫", contract, one).starts_with("collection-abababab-"));
        assert_ne!(slug("Cats", contract, one), slug("Cats", contract, two));
    }
}
