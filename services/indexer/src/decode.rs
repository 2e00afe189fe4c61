//! A log becomes facts. Pure: what must be asked of the chain afterwards is left open and filled in by `read_contract`.

use abi::{
    launchpad::{self, VitrineCollection, VitrineFactory},
    predecessor::PredecessorFactory,
    standards::{AccessControl, Erc173, Erc721, Erc1155, Erc1967, Erc4906, Pausable, ThirdwebContractUri},
    topics,
};
use alloy::sol_types::SolEvent;
use alloy_primitives::{B256, U256, b256};
use events::{
    Standard,
    collections::{CollectionCreated, CollectionUpdated},
    mints::{MetadataChanged, TokenMoved},
    wallets::ApprovalChanged,
};
use ids::{Address, TokenId};
use serde::Serialize;

use crate::model::{Log, Role};

/// `Initialized(uint64)`: every clone logs it, and it says nothing that its creation has not said.
const INITIALIZED: B256 = b256!("c7f505b2f371ae2175ee4913f4499e1f2633a7b5936321eed1cdaeb6115181d2");

/// A contract may call itself anything; more of a name than this is not kept.
const LONGEST_NAME: usize = 1024;
/// Whole images are put into `data:` URIs; more than this stays with the raw log.
const LONGEST_URI: usize = 64 * 1024;

/// What a log says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// An event that we know. Not every one says something new.
    Known {
        /// The event's name.
        event: &'static str,
        /// What happened, each with its place inside the log.
        facts: Vec<(u32, Fact)>,
    },
    /// No event that we know of such a contract.
    Unknown,
    /// An event that we know, with contents that it cannot have.
    Malformed {
        /// The event's name.
        event: &'static str,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Fact {
    /// A factory made a collection.
    Created {
        /// Which.
        collection: Address,
        /// Of which kind.
        standard: Standard,
        /// What is known of it.
        created: CollectionCreated,
        /// Whether name, symbol and the rest must be read from the contract.
        is_bare: bool,
    },
    /// A collection's contract changed.
    Updated(CollectionUpdated),
    /// Tokens came into being.
    Minted(TokenMoved),
    /// Tokens changed hands.
    Transferred(TokenMoved),
    /// Tokens are gone.
    Burned(TokenMoved),
    /// Metadata may have changed.
    Metadata(MetadataChanged),
    /// Somebody may move tokens, or no more.
    Approval(ApprovalChanged),
}

/// The contents do not fit the event.
struct Malformed;

type Facts = Result<Vec<(u32, Fact)>, Malformed>;

/// Reads a log of a contract that is followed as `role`.
pub(crate) fn decode(log: &Log, role: Role) -> Reading {
    let Some(topic) = log.topics.first() else { return Reading::Unknown };
    let known = match role {
        Role::Factory => of_factory(*topic, log),
        Role::Collection(standard) => of_collection(*topic, log, standard),
    };
    match known {
        Some((event, Ok(facts))) => Reading::Known { event, facts },
        Some((event, Err(Malformed))) => Reading::Malformed { event },
        None => Reading::Unknown,
    }
}

fn of_factory(topic: B256, log: &Log) -> Option<(&'static str, Facts)> {
    Some(match topic {
        topics::COLLECTION_CREATED => ("CollectionCreated", created(log)),
        topics::ERC721_COLLECTION_CREATED => ("ERC721CollectionCreated", {
            exact::<PredecessorFactory::ERC721CollectionCreated>(log)
                .map(|event| bare(log, event.collection.into(), event.creator.into(), Standard::Erc721))
        }),
        topics::ERC1155_COLLECTION_CREATED => ("ERC1155CollectionCreated", {
            exact::<PredecessorFactory::ERC1155CollectionCreated>(log)
                .map(|event| bare(log, event.collection.into(), event.creator.into(), Standard::Erc1155))
        }),
        topics::IMPLEMENTATION_DEPLOYED => ("ImplementationDeployed", Ok(Vec::new())),
        _ => return None,
    })
}

fn of_collection(topic: B256, log: &Log, standard: Standard) -> Option<(&'static str, Facts)> {
    use Standard::{Erc721 as Single, Erc1155 as Multi};
    Some(match (topic, standard) {
        // Three topics are an ERC-20 transfer or approval: of no collection.
        (topics::TRANSFER, Single) if log.topics.len() == 4 => ("Transfer", transfer(log)),
        (topics::APPROVAL, Single) if log.topics.len() == 4 => ("Approval", approval(log)),
        (topics::TRANSFER_SINGLE, Multi) => ("TransferSingle", transfer_single(log)),
        (topics::TRANSFER_BATCH, Multi) => ("TransferBatch", transfer_batch(log)),
        (topics::URI, Multi) => ("URI", uri(log)),
        (topics::APPROVAL_FOR_ALL, _) => ("ApprovalForAll", approval_for_all(log)),
        (topics::METADATA_UPDATE, _) => ("MetadataUpdate", metadata_update(log)),
        (topics::BATCH_METADATA_UPDATE, _) => ("BatchMetadataUpdate", batch_metadata_update(log)),
        (topics::WITHDRAWN, _) => ("Withdrawn", Ok(Vec::new())),
        (INITIALIZED, _) => ("Initialized", Ok(Vec::new())),
        _ => {
            let (event, change) = change(topic, log)?;
            (event, change.map(|change| one(Fact::Updated(change))))
        }
    })
}

fn change(topic: B256, log: &Log) -> Option<(&'static str, Result<CollectionUpdated, Malformed>)> {
    use CollectionUpdated as To;
    Some(match topic {
        topics::OWNERSHIP_TRANSFERRED => (
            "OwnershipTransferred",
            exact::<Erc173::OwnershipTransferred>(log).map(|event| To::OwnershipTransferred {
                from: event.previousOwner.into(),
                to: event.newOwner.into(),
            }),
        ),
        topics::ROLE_GRANTED => (
            "RoleGranted",
            exact::<AccessControl::RoleGranted>(log)
                .map(|event| To::RoleGranted { role: event.role.into(), account: event.account.into() }),
        ),
        topics::ROLE_REVOKED => (
            "RoleRevoked",
            exact::<AccessControl::RoleRevoked>(log)
                .map(|event| To::RoleRevoked { role: event.role.into(), account: event.account.into() }),
        ),
        topics::CONTRACT_URI_UPDATED => ("ContractURIUpdated", Ok(To::ContractUriUpdated { uri: None })),
        topics::THIRDWEB_CONTRACT_URI_UPDATED => (
            "ContractURIUpdated",
            lossy::<ThirdwebContractUri::ContractURIUpdated>(log)
                .map(|event| To::ContractUriUpdated { uri: known_uri(event.newURI) }),
        ),
        topics::PAUSED => ("Paused", exact::<Pausable::Paused>(log).map(|_| To::Paused)),
        topics::UNPAUSED => ("Unpaused", exact::<Pausable::Unpaused>(log).map(|_| To::Unpaused)),
        topics::STAGE_UPDATED => (
            "StageUpdated",
            exact::<VitrineCollection::StageUpdated>(log)
                .map(|event| To::StageUpdated { stage: event.index.into(), price: event.price }),
        ),
        topics::UPGRADED => (
            "Upgraded",
            exact::<Erc1967::Upgraded>(log)
                .map(|event| To::Upgraded { implementation: event.implementation.into() }),
        ),
        _ => return None,
    })
}

fn created(log: &Log) -> Facts {
    let event = lossy::<VitrineFactory::CollectionCreated>(log)?;
    let standard = match event.standard {
        launchpad::STANDARD_ERC721 => Standard::Erc721,
        launchpad::STANDARD_ERC1155 => Standard::Erc1155,
        _ => return Err(Malformed),
    };
    let creator = event.creator.into();
    let created = CollectionCreated {
        factory: log.address,
        creator,
        owner: creator,
        salt: Some(event.salt.into()),
        name: name(event.name),
        symbol: name(event.symbol),
        contract_uri: known_uri(event.contractURI),
        max_supply: (event.maxSupply != U256::ZERO).then(|| event.maxSupply.to_string()),
        royalty_recipient: Some(Address::from(event.royaltyRecipient))
            .filter(|recipient| !recipient.is_zero()),
        royalty_bps: event.royaltyBps.try_into().map_err(|_| Malformed)?,
    };
    Ok(one(Fact::Created { collection: event.collection.into(), standard, created, is_bare: false }))
}

/// The predecessor's factory tells who made what, and nothing more.
fn bare(log: &Log, collection: Address, creator: Address, standard: Standard) -> Vec<(u32, Fact)> {
    let created = CollectionCreated {
        factory: log.address,
        creator,
        owner: creator,
        salt: None,
        name: String::new(),
        symbol: String::new(),
        contract_uri: None,
        max_supply: None,
        royalty_recipient: None,
        royalty_bps: 0,
    };
    one(Fact::Created { collection, standard, created, is_bare: true })
}

fn transfer(log: &Log) -> Facts {
    let event = exact::<Erc721::Transfer>(log)?;
    moved(None, event.from.into(), event.to.into(), event.tokenId, U256::ONE).map(one)
}

fn transfer_single(log: &Log) -> Facts {
    let event = exact::<Erc1155::TransferSingle>(log)?;
    if event.value == U256::ZERO {
        return Ok(Vec::new());
    }
    moved(Some(event.operator.into()), event.from.into(), event.to.into(), event.id, event.value).map(one)
}

fn transfer_batch(log: &Log) -> Facts {
    let event = exact::<Erc1155::TransferBatch>(log)?;
    if event.ids.len() != event.values.len() {
        return Err(Malformed);
    }
    let mut facts = Vec::with_capacity(event.ids.len());
    for (index, (id, value)) in (0..).zip(event.ids.iter().zip(&event.values)) {
        // An empty item moves nothing, but keeps its place: the others are known by theirs.
        if *value != U256::ZERO {
            let fact = moved(Some(event.operator.into()), event.from.into(), event.to.into(), *id, *value)?;
            facts.push((index, fact));
        }
    }
    Ok(facts)
}

fn moved(
    operator: Option<Address>,
    from: Address,
    to: Address,
    id: U256,
    quantity: U256,
) -> Result<Fact, Malformed> {
    let moved = TokenMoved { token_id: TokenId::new(id), from, to, quantity, operator };
    match (from.is_zero(), to.is_zero()) {
        (true, true) => Err(Malformed),
        (true, false) => Ok(Fact::Minted(moved)),
        (false, true) => Ok(Fact::Burned(moved)),
        (false, false) => Ok(Fact::Transferred(moved)),
    }
}

fn approval(log: &Log) -> Facts {
    let event = exact::<Erc721::Approval>(log)?;
    let operator: Address = event.approved.into();
    Ok(one(Fact::Approval(ApprovalChanged {
        owner: event.owner.into(),
        operator,
        token_id: Some(TokenId::new(event.tokenId)),
        is_approved: !operator.is_zero(),
    })))
}

fn approval_for_all(log: &Log) -> Facts {
    let event = exact::<Erc721::ApprovalForAll>(log)?;
    Ok(one(Fact::Approval(ApprovalChanged {
        owner: event.owner.into(),
        operator: event.operator.into(),
        token_id: None,
        is_approved: event.approved,
    })))
}

fn metadata_update(log: &Log) -> Facts {
    let id = TokenId::new(exact::<Erc4906::MetadataUpdate>(log)?._tokenId);
    Ok(one(Fact::Metadata(MetadataChanged::Range { from_token_id: id, to_token_id: id })))
}

fn batch_metadata_update(log: &Log) -> Facts {
    let event = exact::<Erc4906::BatchMetadataUpdate>(log)?;
    if event._fromTokenId > event._toTokenId {
        return Err(Malformed);
    }
    Ok(one(Fact::Metadata(MetadataChanged::Range {
        from_token_id: TokenId::new(event._fromTokenId),
        to_token_id: TokenId::new(event._toTokenId),
    })))
}

fn uri(log: &Log) -> Facts {
    let event = lossy::<Erc1155::URI>(log)?;
    let token_id = TokenId::new(event.id);
    Ok(one(Fact::Metadata(match known_uri(event.value) {
        Some(uri) => MetadataChanged::Uri { token_id, uri },
        // Too long to carry: that it changed is said all the same.
        None => MetadataChanged::Range { from_token_id: token_id, to_token_id: token_id },
    })))
}

fn one(fact: Fact) -> Vec<(u32, Fact)> {
    vec![(0, fact)]
}

/// For events of words: a topic or a word with stray bits was not written by a compiler.
fn exact<E: SolEvent>(log: &Log) -> Result<E, Malformed> {
    E::decode_raw_log_validate(log.topics.iter().copied(), &log.data).map_err(|_| Malformed)
}

/// For events with text: bytes that are no UTF-8 are replaced, since the event happened whatever its text is.
fn lossy<E: SolEvent>(log: &Log) -> Result<E, Malformed> {
    E::decode_raw_log(log.topics.iter().copied(), &log.data).map_err(|_| Malformed)
}

/// A name as a contract tells it, bounded, and without the NUL that no database column takes.
pub(crate) fn name(text: String) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    text.truncate(text.floor_char_boundary(LONGEST_NAME));
    text
}

/// A URI as a contract tells it; none where it is empty or longer than anybody should carry.
pub(crate) fn known_uri(text: String) -> Option<String> {
    if text.is_empty() || text.len() > LONGEST_URI {
        return None;
    }
    Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
