//! What a transaction is, against what was prepared; and what a mined one did, read from its receipt's logs. A key's
//! transaction is the prepared one to the letter; what a contract account does is carried by somebody else's, and its
//! logs tell.

use abi::{
    launchpad::VitrineFactory::CollectionCreated,
    standards::{Erc721, Erc1155},
    topics,
};
use alloy::{
    primitives::{self, B256, U256, address},
    rpc::types::Log,
    sol,
    sol_types::{SolCall, SolEvent},
};
use evm::Receipt;
use ids::{Address, TokenId};

use crate::{
    intent::End,
    model::{Intent, Kind, Problem, Transaction},
};

/// The EntryPoints of ERC-4337, versions 0.6, 0.7 and 0.8: the same on every chain.
const ENTRY_POINTS: [primitives::Address; 3] = [
    address!("5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"),
    address!("0000000071727De22E5E9d8BAf0edAc6f37da032"),
    address!("4337084D9E255Ff0702461CF8895CE9E908Ff108"),
];

sol! {
    event UserOperationEvent(
        bytes32 indexed userOpHash,
        address indexed sender,
        address indexed paymaster,
        uint256 nonce,
        bool success,
        uint256 actualGasCost,
        uint256 actualGasUsed
    );
    // Safe's own words; later versions index the first argument.
    event ExecutionSuccess(bytes32 txHash, uint256 payment);
    event ExecutionFailure(bytes32 txHash, uint256 payment);
    event ExecutionFromModuleSuccess(address indexed module);
    event ExecutionFromModuleFailure(address indexed module);
}

/// What differs between a transaction and the prepared one, in words; None where nothing does.
pub(crate) fn mismatch(seen: &evm::Transaction, prepared: &Transaction) -> Option<String> {
    let mut words = Vec::new();
    if seen.from != primitives::Address::from(prepared.from) {
        words.push(format!("it is sent by {}, not by {}", Address::from(seen.from), prepared.from));
    }
    match seen.to.map(Address::from) {
        Some(to) if to == prepared.to => {}
        Some(to) => words.push(format!("it goes to {to}, not to {}", prepared.to)),
        None => words.push(format!("it makes a contract instead of calling {}", prepared.to)),
    }
    if seen.input.as_ref() != prepared.data.as_slice() {
        words.push("its data is not the prepared data".to_owned());
    }
    if seen.value != prepared.value {
        words.push(format!("it pays {} wei, not {}", seen.value, prepared.value));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// What a contract account's transaction did of the prepared step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Carried {
    /// All of it.
    Done,
    /// It was tried, and came to nothing.
    Failed(Problem),
    /// Nothing of it; in words, why.
    Not(String),
}

/// Reads whether a mined transaction carries the step of a contract account: the account acted in it, and the effect of
/// the step is in its logs.
pub(crate) fn carried(
    receipt: &Receipt,
    seen: &evm::Transaction,
    intent: &Intent,
    prepared: &Transaction,
) -> Carried {
    let acted = acted(receipt, seen, prepared.from.into());
    let needle = prepared.data.as_slice();
    let is_named = !needle.is_empty() && seen.input.windows(needle.len()).any(|part| part == needle);
    let effect = effect(&receipt.logs, intent, prepared, is_named);
    if effect == Effect::Proof || (effect == Effect::Seen && acted == Acted::Yes) {
        return Carried::Done;
    }
    if acted != Acted::No && is_named {
        let message = "the account carried the call out, and it did not do what was prepared".to_owned();
        return Carried::Failed(Problem { code: "TX_WILL_FAIL".to_owned(), message });
    }
    Carried::Not(match acted {
        Acted::Yes => "the account does something else in it".to_owned(),
        Acted::Tried => "what the account tried in it failed".to_owned(),
        Acted::No => format!("{} does nothing in it", prepared.from),
    })
}

/// What a contract account did in a transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Acted {
    No,
    /// It tried, and says itself that it came to nothing.
    Tried,
    Yes,
}

fn acted(receipt: &Receipt, seen: &evm::Transaction, account: primitives::Address) -> Acted {
    const FAILED: [B256; 2] = [ExecutionFailure::SIGNATURE_HASH, ExecutionFromModuleFailure::SIGNATURE_HASH];
    const DONE: [B256; 2] = [ExecutionSuccess::SIGNATURE_HASH, ExecutionFromModuleSuccess::SIGNATURE_HASH];
    let operations = || {
        let logs = receipt.logs.iter().filter(|log| ENTRY_POINTS.contains(&log.address()));
        let events = logs.filter_map(|log| UserOperationEvent::decode_log(&log.inner).ok());
        events.filter(|event| event.sender == account).map(|event| event.success)
    };
    let own = || receipt.logs.iter().filter(|log| log.address() == account);
    let says =
        |words: &[B256]| own().any(|log| log.topics().first().is_some_and(|topic| words.contains(topic)));
    if says(&DONE) || operations().any(|is_success| is_success) {
        return Acted::Yes;
    }
    if says(&FAILED) || operations().any(|is_success| !is_success) {
        return Acted::Tried;
    }
    match own().next().is_some() || seen.to == Some(account) {
        true if receipt.is_success => Acted::Yes,
        true => Acted::Tried,
        false => Acted::No,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    None,
    /// What was prepared happened, by whomever.
    Seen,
    /// It happened, and nobody but the account can have done it.
    Proof,
}

/// `is_named` tells whether the prepared call is in the transaction word for word.
fn effect(logs: &[Log], intent: &Intent, prepared: &Transaction, is_named: bool) -> Effect {
    let at_target = || logs.iter().filter(|log| Address::from(log.address()) == prepared.to);
    let is_seen = |is_seen: bool| if is_seen { Effect::Seen } else { Effect::None };
    if let Ok(call) = Erc721::setApprovalForAllCall::abi_decode(&prepared.data) {
        let words = [word(prepared.from.into()), word(call.operator), flag(call.approved)];
        return match at_target().any(|log| says(log, topics::APPROVAL_FOR_ALL, &words)) {
            true => Effect::Proof,
            false => Effect::None,
        };
    }
    // ERC-20's approval of an amount has the same selector and the same topic.
    if let Ok(call) = Erc721::approveCall::abi_decode(&prepared.data) {
        let words = [word(prepared.from.into()), word(call.to), B256::from(call.tokenId)];
        return is_seen(at_target().any(|log| says(log, topics::APPROVAL, &words)));
    }
    match intent.kind {
        Kind::CreateCollection if created(logs, intent, prepared.to).is_some() => Effect::Proof,
        Kind::Mint721 | Kind::Mint1155 => is_seen(has_minted(logs, intent, prepared.to, is_named)),
        // Others fill orders too, in the same transaction as well: who got what tells whose purchase it is.
        Kind::Buy => is_seen(at_target().any(|log| {
            let asked = intent.payload["recipient"].as_str().and_then(|text| text.parse().ok());
            let recipient = recipient_of(log, intent);
            recipient.is_some() && (recipient == Some(prepared.from) || recipient == asked)
        })),
        Kind::AcceptOffer => {
            let recipients = at_target().filter_map(|log| recipient_of(log, intent));
            let recipients: Vec<Address> = recipients.collect();
            let is_given = || logs.iter().any(|log| is_from(log, intent, prepared.from));
            is_seen(recipients.contains(&prepared.from) || (!recipients.is_empty() && is_given()))
        }
        // The exchange lets nobody but the maker cancel.
        Kind::CancelListing if at_target().any(|log| is_of_order(log, topics::ORDER_CANCELLED, intent)) => {
            Effect::Proof
        }
        _ => Effect::None,
    }
}

/// For whom the intent's order was filled; None for any other log.
fn recipient_of(log: &Log, intent: &Intent) -> Option<Address> {
    if !is_of_order(log, topics::ORDER_FULFILLED, intent) {
        return None;
    }
    let word = log.data().data.get(32..64).map(B256::from_slice)?;
    Some(primitives::Address::from_word(word).into())
}

/// Whether a token of the intent's collection leaves this account.
fn is_from(log: &Log, intent: &Intent, account: Address) -> bool {
    if intent.contract != Some(log.address().into()) {
        return false;
    }
    let account: primitives::Address = account.into();
    Erc721::Transfer::decode_log(&log.inner).is_ok_and(|event| event.from == account)
        || Erc1155::TransferSingle::decode_log(&log.inner).is_ok_and(|event| event.from == account)
        || Erc1155::TransferBatch::decode_log(&log.inner).is_ok_and(|event| event.from == account)
}

fn word(address: primitives::Address) -> B256 {
    address.into_word()
}

fn flag(is_set: bool) -> B256 {
    B256::from(U256::from(u8::from(is_set)))
}

/// Whether a log has this topic and these arguments, whichever of them are indexed.
fn says(log: &Log, topic: B256, arguments: &[B256]) -> bool {
    let data = log.data().data.chunks_exact(32).map(B256::from_slice);
    log.topics().first() == Some(&topic)
        && log.topics().iter().skip(1).copied().chain(data).eq(arguments.iter().copied())
}

/// Both events of an order begin with its hash; the catalog's id of an order is made of it.
fn is_of_order(log: &Log, topic: B256, intent: &Intent) -> bool {
    let hash = log.data().data.get(..32).map(B256::from_slice);
    let (true, Some(hash)) = (log.topics().first() == Some(&topic), hash) else { return false };
    intent.order_id == Some(ids::order_row(intent.chain_id, log.address().into(), hash.into()))
}

/// Whether the logs say that the factory made this intent's collection: so it is, whoever carried the call. The salt
/// holds the creator and the intent, so nobody else's call can log it.
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
    match intent.kind {
        Kind::CreateCollection => End::Done { contract: created(logs, intent, to), token_ids: Vec::new() },
        Kind::Mint721 | Kind::Mint1155 => {
            let mut token_ids: Vec<TokenId> =
                minted_to(logs, intent, to).map(|(id, _)| TokenId::new(id)).collect();
            token_ids.sort_unstable();
            token_ids.dedup();
            End::Done { contract: Some(to), token_ids }
        }
        _ => End::Done { contract: None, token_ids: Vec::new() },
    }
}

/// Whether the recipient of a mint got as many as were asked for. More is what several calls brought, of which this
/// must be one.
fn has_minted(logs: &[Log], intent: &Intent, collection: Address, is_named: bool) -> bool {
    let number = |field: &str| intent.payload[field].as_str().and_then(|text| amounts::parse(text).ok());
    let quantity = number("quantity").unwrap_or(U256::ONE);
    let token_id = number("token_id");
    let got = minted_to(logs, intent, collection)
        .filter(|(id, _)| token_id.is_none_or(|asked| asked == *id))
        .fold(U256::ZERO, |sum, (_, amount)| sum.saturating_add(amount));
    got == quantity || (got > quantity && is_named)
}

/// The tokens that came into being for the recipient of a mint, with how many of each.
fn minted_to<'a>(
    logs: &'a [Log],
    intent: &Intent,
    collection: Address,
) -> impl Iterator<Item = (U256, U256)> + 'a {
    let recipient: Option<Address> = intent.payload["recipient"].as_str().and_then(|text| text.parse().ok());
    logs.iter()
        .filter(move |log| Address::from(log.address()) == collection)
        .flat_map(minted)
        .filter(move |(to, ..)| recipient.is_none_or(|recipient| recipient == Address::from(*to)))
        .map(|(_, id, amount)| (id, amount))
}

fn minted(log: &Log) -> Vec<(primitives::Address, U256, U256)> {
    if let Ok(event) = Erc721::Transfer::decode_log(&log.inner)
        && event.from.is_zero()
    {
        return vec![(event.to, event.tokenId, U256::ONE)];
    }
    if let Ok(event) = Erc1155::TransferSingle::decode_log(&log.inner)
        && event.from.is_zero()
    {
        return vec![(event.to, event.id, event.value)];
    }
    match Erc1155::TransferBatch::decode_log(&log.inner) {
        Ok(event) if event.from.is_zero() => {
            let amounts = event.ids.iter().zip(&event.values);
            amounts.map(|(id, amount)| (event.to, *id, *amount)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
