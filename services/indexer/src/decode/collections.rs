//! What happens to collections: how they come into being, and what changes in their contracts.

use abi::{launchpad, topics};
use alloy_primitives::{B256, U256, b256};
use events::{
    Standard,
    collections::{CollectionCreated, CollectionUpdated},
};
use ids::Address;

use super::{
    Fact, Facts, Known, Malformed, one,
    words::{Words, address, indexed, known_uri, name},
};
use crate::model::Log;

/// `Initialized(uint64)`: every clone logs it, and it says nothing that its creation has not said.
pub(super) const INITIALIZED: B256 =
    b256!("c7f505b2f371ae2175ee4913f4499e1f2633a7b5936321eed1cdaeb6115181d2");

pub(super) fn of_factory(topic: B256, log: &Log) -> Known {
    Some(match topic {
        topics::COLLECTION_CREATED => ("CollectionCreated", created(log)),
        topics::ERC721_COLLECTION_CREATED => ("ERC721CollectionCreated", bare(log, Standard::Erc721)),
        topics::ERC1155_COLLECTION_CREATED => ("ERC1155CollectionCreated", bare(log, Standard::Erc1155)),
        topics::IMPLEMENTATION_DEPLOYED => ("ImplementationDeployed", Ok(Vec::new())),
        _ => return None,
    })
}

pub(super) fn of_collection(topic: B256, log: &Log) -> Known {
    let data = Words::of(&log.data);
    let (event, change) = match topic {
        topics::WITHDRAWN => return Some(("Withdrawn", Ok(Vec::new()))),
        INITIALIZED => return Some(("Initialized", Ok(Vec::new()))),
        topics::OWNERSHIP_TRANSFERRED => (
            "OwnershipTransferred",
            two(log).map(|(from, to)| CollectionUpdated::OwnershipTransferred { from, to }),
        ),
        topics::OWNERSHIP_TRANSFER_STARTED => (
            "OwnershipTransferStarted",
            two(log).map(|(from, to)| CollectionUpdated::OwnershipTransferStarted { from, to }),
        ),
        topics::ROLE_GRANTED => (
            "RoleGranted",
            role(log).map(|(role, account)| CollectionUpdated::RoleGranted { role: role.into(), account }),
        ),
        topics::ROLE_REVOKED => (
            "RoleRevoked",
            role(log).map(|(role, account)| CollectionUpdated::RoleRevoked { role: role.into(), account }),
        ),
        topics::CONTRACT_URI_UPDATED => ("ContractURIUpdated", contract_uri(log, None)),
        topics::STRING_CONTRACT_URI_UPDATED => ("ContractURIUpdated", contract_uri(log, Some(0))),
        // The one before comes first.
        topics::THIRDWEB_CONTRACT_URI_UPDATED => ("ContractURIUpdated", contract_uri(log, Some(1))),
        topics::PAUSED => ("Paused", unindexed(log, data.address(0)).map(|_| CollectionUpdated::Paused)),
        topics::UNPAUSED => {
            ("Unpaused", unindexed(log, data.address(0)).map(|_| CollectionUpdated::Unpaused))
        }
        topics::STAGE_UPDATED => ("StageUpdated", stage(log)),
        topics::UPGRADED => {
            ("Upgraded", single(log).map(|implementation| CollectionUpdated::Upgraded { implementation }))
        }
        topics::ADMIN_CHANGED => ("AdminChanged", admin(log)),
        topics::BEACON_UPGRADED => {
            ("BeaconUpgraded", single(log).map(|beacon| CollectionUpdated::BeaconUpgraded { beacon }))
        }
        _ => return None,
    };
    Some((event, change.map(|change| one(Fact::Updated(change)))))
}

type Change = Result<CollectionUpdated, Malformed>;

fn single(log: &Log) -> Result<Address, Malformed> {
    let [account] = indexed::<1>(log)?;
    address(account)
}

fn two(log: &Log) -> Result<(Address, Address), Malformed> {
    let [from, to] = indexed::<2>(log)?;
    Ok((address(from)?, address(to)?))
}

fn role(log: &Log) -> Result<(B256, Address), Malformed> {
    let [role, account, sender] = indexed::<3>(log)?;
    address(sender)?;
    Ok((*role, address(account)?))
}

/// An event that indexes nothing.
fn unindexed<T>(log: &Log, found: Result<T, Malformed>) -> Result<T, Malformed> {
    let [] = indexed::<0>(log)?;
    found
}

fn contract_uri(log: &Log, place: Option<usize>) -> Change {
    let [] = indexed::<0>(log)?;
    let uri = match place {
        Some(place) => known_uri(Words::of(&log.data).bytes(place)?),
        None => None,
    };
    Ok(CollectionUpdated::ContractUriUpdated { uri })
}

fn stage(log: &Log) -> Change {
    let [] = indexed::<0>(log)?;
    let data = Words::of(&log.data);
    Ok(CollectionUpdated::StageUpdated { stage: data.small(0)?.into(), price: data.number(1)? })
}

fn admin(log: &Log) -> Change {
    let [] = indexed::<0>(log)?;
    let data = Words::of(&log.data);
    Ok(CollectionUpdated::AdminChanged { from: data.address(0)?, to: data.address(1)? })
}

fn created(log: &Log) -> Facts {
    let [collection, creator, salt] = indexed::<3>(log)?;
    let data = Words::of(&log.data);
    let standard = match data.small(0)? {
        launchpad::STANDARD_ERC721 => Standard::Erc721,
        launchpad::STANDARD_ERC1155 => Standard::Erc1155,
        _ => return Err(Malformed),
    };
    let creator = address(creator)?;
    let max_supply = data.number(4)?;
    let created = CollectionCreated {
        factory: log.address,
        creator,
        owner: creator,
        salt: Some((*salt).into()),
        name: name(data.bytes(1)?),
        symbol: name(data.bytes(2)?),
        contract_uri: known_uri(data.bytes(3)?),
        max_supply: (max_supply != U256::ZERO).then(|| max_supply.to_string()),
        royalty_recipient: Some(data.address(5)?).filter(|recipient| !recipient.is_zero()),
        royalty_bps: data.number(6)?.try_into().map_err(|_| Malformed)?,
    };
    Ok(one(Fact::Created { collection: address(collection)?, standard, created, is_bare: false }))
}

/// The predecessor's factory tells who made what, and nothing more.
fn bare(log: &Log, standard: Standard) -> Facts {
    let (collection, creator) = two(log)?;
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
    Ok(one(Fact::Created { collection, standard, created, is_bare: true }))
}
