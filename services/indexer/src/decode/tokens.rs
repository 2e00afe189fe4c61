//! What happens to tokens: who has them, who may move them, and what they say of themselves.

use abi::topics;
use alloy_primitives::{B256, U256};
use events::{
    Standard,
    mints::{MetadataChanged, TokenMoved},
    wallets::ApprovalChanged,
};
use ids::{Address, TokenId};

use super::{
    Fact, Facts, Known, MOST_MOVES, Malformed, one,
    words::{Words, address, indexed, known_uri, number},
};
use crate::model::Log;

pub(super) fn of_collection(topic: B256, log: &Log, standard: Standard) -> Known {
    use Standard::{Erc721 as Single, Erc1155 as Multi};
    Some(match (topic, standard) {
        // Three topics are an ERC-20 transfer or approval, and one is older than any standard: of no collection.
        (topics::TRANSFER, Single) if log.topics.len() == 4 => ("Transfer", transfer(log)),
        (topics::APPROVAL, Single) if log.topics.len() == 4 => ("Approval", approval(log)),
        (topics::CONSECUTIVE_TRANSFER, Single) => ("ConsecutiveTransfer", consecutive_transfer(log)),
        (topics::TRANSFER_SINGLE, Multi) => ("TransferSingle", transfer_single(log)),
        (topics::TRANSFER_BATCH, Multi) => ("TransferBatch", transfer_batch(log)),
        (topics::URI, Multi) => ("URI", uri(log)),
        (topics::APPROVAL_FOR_ALL, _) => ("ApprovalForAll", approval_for_all(log)),
        (topics::METADATA_UPDATE, _) => ("MetadataUpdate", metadata_update(log)),
        (topics::BATCH_METADATA_UPDATE, _) => ("BatchMetadataUpdate", batch_metadata_update(log)),
        (topics::PERMANENT_URI, _) => ("PermanentURI", permanent_uri(log)),
        (topics::LOCKED, _) => ("Locked", lock(log, |token_id| MetadataChanged::Locked { token_id })),
        (topics::UNLOCKED, _) => ("Unlocked", lock(log, |token_id| MetadataChanged::Unlocked { token_id })),
        _ => return None,
    })
}

fn transfer(log: &Log) -> Facts {
    let [from, to, id] = indexed::<3>(log)?;
    moved(None, (address(from)?, address(to)?), id, U256::ONE).map(one)
}

/// ERC-2309: kept as a range however long it is.
fn consecutive_transfer(log: &Log) -> Facts {
    let [first, from, to] = indexed::<3>(log)?;
    let (first, last) = (number(first), Words::of(&log.data).number(0)?);
    if first > last {
        return Err(Malformed);
    }
    let last_token_id = (first != last).then(|| TokenId::new(last));
    let ends = (address(from)?, address(to)?);
    fact_of(TokenMoved { last_token_id, ..token_moved(None, ends, first, U256::ONE) }).map(one)
}

fn transfer_single(log: &Log) -> Facts {
    let [operator, from, to] = indexed::<3>(log)?;
    let (operator, ends) = (address(operator)?, (address(from)?, address(to)?));
    let data = Words::of(&log.data);
    let (id, value) = (data.word(0)?, data.number(1)?);
    if value == U256::ZERO {
        return Ok(Vec::new());
    }
    moved(Some(operator), ends, &id, value).map(one)
}

fn transfer_batch(log: &Log) -> Facts {
    let [operator, from, to] = indexed::<3>(log)?;
    let (operator, ends) = (address(operator)?, (address(from)?, address(to)?));
    let data = Words::of(&log.data);
    let (ids, values) = (data.items(0, 1, MOST_MOVES)?, data.items(1, 1, MOST_MOVES)?);
    if ids.len() != values.len() {
        return Err(Malformed);
    }
    let mut facts = Vec::with_capacity(ids.len());
    for (index, (id, value)) in (0..).zip(ids.zip(values)) {
        let value = value.number(0)?;
        // An empty item moves nothing, but keeps its place: the others are known by theirs.
        if value != U256::ZERO {
            facts.push((index, moved(Some(operator), ends, &id.word(0)?, value)?));
        }
    }
    Ok(facts)
}

fn moved(
    operator: Option<Address>,
    ends: (Address, Address),
    id: &B256,
    quantity: U256,
) -> Result<Fact, Malformed> {
    fact_of(token_moved(operator, ends, number(id), quantity))
}

fn token_moved(
    operator: Option<Address>,
    (from, to): (Address, Address),
    id: U256,
    quantity: U256,
) -> TokenMoved {
    TokenMoved { token_id: TokenId::new(id), last_token_id: None, from, to, quantity, operator }
}

fn fact_of(moved: TokenMoved) -> Result<Fact, Malformed> {
    match (moved.from.is_zero(), moved.to.is_zero()) {
        (true, true) => Err(Malformed),
        (true, false) => Ok(Fact::Minted(moved)),
        (false, true) => Ok(Fact::Burned(moved)),
        (false, false) => Ok(Fact::Transferred(moved)),
    }
}

fn approval(log: &Log) -> Facts {
    let [owner, operator, id] = indexed::<3>(log)?;
    let operator = address(operator)?;
    Ok(one(Fact::Approval(ApprovalChanged {
        owner: address(owner)?,
        operator,
        token_id: Some(TokenId::new(number(id))),
        is_approved: !operator.is_zero(),
    })))
}

fn approval_for_all(log: &Log) -> Facts {
    let [owner, operator] = indexed::<2>(log)?;
    Ok(one(Fact::Approval(ApprovalChanged {
        owner: address(owner)?,
        operator: address(operator)?,
        token_id: None,
        is_approved: Words::of(&log.data).flag(0)?,
    })))
}

fn metadata_update(log: &Log) -> Facts {
    let [] = indexed::<0>(log)?;
    let id = TokenId::new(Words::of(&log.data).number(0)?);
    Ok(one(Fact::Metadata(MetadataChanged::Range { from_token_id: id, to_token_id: id })))
}

fn batch_metadata_update(log: &Log) -> Facts {
    let [] = indexed::<0>(log)?;
    let data = Words::of(&log.data);
    let (from, to) = (data.number(0)?, data.number(1)?);
    if from > to {
        return Err(Malformed);
    }
    let (from_token_id, to_token_id) = (TokenId::new(from), TokenId::new(to));
    Ok(one(Fact::Metadata(MetadataChanged::Range { from_token_id, to_token_id })))
}

fn uri(log: &Log) -> Facts {
    let [id] = indexed::<1>(log)?;
    let token_id = TokenId::new(number(id));
    Ok(one(Fact::Metadata(match known_uri(Words::of(&log.data).bytes(0)?) {
        Some(uri) => MetadataChanged::Uri { token_id, uri },
        // Too long to carry: that it changed is said all the same.
        None => MetadataChanged::Range { from_token_id: token_id, to_token_id: token_id },
    })))
}

fn permanent_uri(log: &Log) -> Facts {
    let [id] = indexed::<1>(log)?;
    let uri = known_uri(Words::of(&log.data).bytes(0)?);
    Ok(one(Fact::Metadata(MetadataChanged::Frozen { token_id: TokenId::new(number(id)), uri })))
}

fn lock(log: &Log, change: fn(TokenId) -> MetadataChanged) -> Facts {
    let [] = indexed::<0>(log)?;
    Ok(one(Fact::Metadata(change(TokenId::new(Words::of(&log.data).number(0)?)))))
}
