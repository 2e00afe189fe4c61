//! What a mined transaction did, read from its receipt's logs, and whether it is the prepared one.

use abi::{
    launchpad::VitrineFactory::CollectionCreated,
    standards::{Erc721, Erc1155},
};
use alloy::{primitives, rpc::types::Log, sol_types::SolEvent};
use ids::{Address, TokenId};

use crate::{
    intent::End,
    model::{Intent, Kind, Transaction},
};

/// Whether this is the transaction that was prepared: from the wallet, to the target, with the data and the value.
pub(crate) fn is_prepared(seen: &evm::Transaction, prepared: &Transaction) -> bool {
    seen.from == primitives::Address::from(prepared.from)
        && seen.to == Some(prepared.to.into())
        && seen.input.as_ref() == prepared.data.as_slice()
        && seen.value == prepared.value
}

/// Whether the logs say that the factory made this intent's collection: so it is, whoever carried the call. The salt
/// holds the creator and the intent, so nobody else's call can log it.
pub(crate) fn is_announced(logs: &[Log], intent: &Intent, factory: Address) -> bool {
    created(logs, intent, factory).is_some()
}

fn created(logs: &[Log], intent: &Intent, factory: Address) -> Option<Address> {
    let salt = intent.salt?;
    logs.iter().filter(|log| Address::from(log.address()) == factory).find_map(|log| {
        let event = CollectionCreated::decode_log(&log.inner).ok()?;
        let is_ours = ids::Hash32::from(event.salt) == salt && Address::from(event.creator) == intent.from;
        is_ours.then(|| event.collection.into())
    })
}

/// What a successful transaction brought. `to` is the prepared target: the factory, or the collection.
pub(crate) fn of_logs(logs: &[Log], intent: &Intent, to: Address) -> End {
    if intent.kind == Kind::CreateCollection {
        return End::Done { contract: created(logs, intent, to), token_ids: Vec::new() };
    }
    let mut token_ids: Vec<TokenId> = logs
        .iter()
        .filter(|log| Address::from(log.address()) == to)
        .flat_map(minted)
        .map(TokenId::new)
        .collect();
    token_ids.sort_unstable();
    token_ids.dedup();
    End::Done { contract: Some(to), token_ids }
}

fn minted(log: &Log) -> Vec<primitives::U256> {
    if let Ok(event) = Erc721::Transfer::decode_log(&log.inner)
        && event.from.is_zero()
    {
        return vec![event.tokenId];
    }
    if let Ok(event) = Erc1155::TransferSingle::decode_log(&log.inner)
        && event.from.is_zero()
    {
        return vec![event.id];
    }
    match Erc1155::TransferBatch::decode_log(&log.inner) {
        Ok(event) if event.from.is_zero() => event.ids.clone(),
        _ => Vec::new(),
    }
}
