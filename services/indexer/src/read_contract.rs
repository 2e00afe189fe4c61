//! What an event leaves open is asked of the contract, at the event's own block.

use std::{collections::HashMap, time::Duration};

use abi::{
    launchpad::VitrineCollection,
    standards::{Erc2981, Erc7572},
};
use alloy::{
    eips::BlockId,
    primitives::{B256, Bytes, U256},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use events::collections::{CollectionCreated, CollectionUpdated};
use evm::{Limits, Node, NodeError};
use futures::{TryStreamExt, stream};
use ids::{Address, BlockHash};

use crate::{
    decode::{self, Fact, Reading, Words},
    error::Error,
    record::ReadBlock,
};

/// A view needs no more; a hostile one gets no more.
pub(crate) const MOST_GAS: u64 = 5_000_000;
/// The longest URI that is kept fits the answer, in hexadecimal.
pub(crate) const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(3), call: Duration::from_secs(9), answer_bytes: 192 * 1024 };
/// Contracts that are asked at once, each up to six things.
const AT_ONCE: usize = 4;
/// Where a contract tells of more than one change of its URI in a block, only the last one carries a longer one.
const LONGEST_COPY: usize = 1024;
/// How often an error that nobody can place is asked about.
const ROUNDS: usize = 3;
/// Nobody has code there.
const NOBODY: Address = Address::new([0xee; 20]);

/// What is asked of a contract as of a block, with where the answer belongs.
enum Ask<'a> {
    /// Of a collection that the factory named, and nothing more.
    Collection { collection: Address, created: &'a mut CollectionCreated, is_bare: &'a mut bool },
    /// Once a block, however often the contract tells that it changed.
    ContractUri { contract: Address, uris: Vec<&'a mut Option<String>> },
}

/// Fills in what decoding left open.
pub(crate) async fn read_contracts(node: &Node, blocks: &mut [ReadBlock]) -> Result<(), Error> {
    let node = &node.with_limits(LIMITS);
    let asks: Vec<(BlockHash, Ask<'_>)> = blocks.iter_mut().flat_map(asks_of).collect();
    stream::iter(asks.into_iter().map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |(at, ask)| {
            match ask {
                Ask::Collection { collection, created, is_bare } => {
                    read_collection(node, collection, at, created).await?;
                    *is_bare = false;
                }
                Ask::ContractUri { contract, mut uris } => {
                    let told = ask_text(node, contract, at, &Erc7572::contractURICall {}, decode::known_uri);
                    let uri = told.await?.flatten();
                    let last = uris.pop();
                    if uri.as_ref().is_some_and(|uri| uri.len() <= LONGEST_COPY) {
                        uris.into_iter().for_each(|place| place.clone_from(&uri));
                    }
                    if let Some(last) = last {
                        *last = uri;
                    }
                }
            }
            Ok(())
        })
        .await
}

fn asks_of(block: &mut ReadBlock) -> Vec<(BlockHash, Ask<'_>)> {
    let at = block.header.hash;
    let (mut asks, mut uris) = (Vec::new(), HashMap::<Address, Vec<&mut Option<String>>>::new());
    for log in &mut block.logs {
        let contract = log.log.address;
        let Reading::Known { facts, .. } = &mut log.reading else { continue };
        for (_, fact) in facts {
            match fact {
                Fact::Created { collection, created, is_bare, .. } if *is_bare => {
                    asks.push((at, Ask::Collection { collection: *collection, created, is_bare }));
                }
                Fact::Updated(CollectionUpdated::ContractUriUpdated { uri }) if uri.is_none() => {
                    uris.entry(contract).or_default().push(uri);
                }
                _ => {}
            }
        }
    }
    asks.extend(uris.into_iter().map(|(contract, uris)| (at, Ask::ContractUri { contract, uris })));
    asks
}

async fn read_collection(
    node: &Node,
    collection: Address,
    at: BlockHash,
    created: &mut CollectionCreated,
) -> Result<(), Error> {
    let price = U256::from(10_000);
    let royalty_call = Erc2981::royaltyInfoCall { tokenId: U256::ONE, salePrice: price };
    let (name, symbol, uri, owner, supply, royalty) = tokio::try_join!(
        ask_text(node, collection, at, &VitrineCollection::nameCall {}, decode::name),
        ask_text(node, collection, at, &VitrineCollection::symbolCall {}, decode::name),
        ask_text(node, collection, at, &Erc7572::contractURICall {}, decode::known_uri),
        ask(node, collection, at, &VitrineCollection::ownerCall {}),
        ask(node, collection, at, &VitrineCollection::maxSupplyCall {}),
        ask(node, collection, at, &royalty_call),
    )?;
    created.name = name.unwrap_or_default();
    created.symbol = symbol.unwrap_or_default();
    created.contract_uri = uri.flatten();
    created.owner = owner.map_or(created.creator, Address::from);
    created.max_supply = supply.filter(|supply| *supply != U256::ZERO).map(|supply| supply.to_string());
    // A contract that asks for more than the price has no royalty that anybody could pay.
    let royalty = royalty.filter(|royalty| royalty.amount <= price && !royalty.receiver.is_zero());
    created.royalty_bps = royalty.as_ref().map_or(0, |royalty| royalty.amount.to());
    created.royalty_recipient = royalty.map(|royalty| royalty.receiver.into());
    Ok(())
}

async fn ask<C: SolCall>(
    node: &Node,
    to: Address,
    at: BlockHash,
    call: &C,
) -> Result<Option<C::Return>, NodeError> {
    let answer = view(node, to, BlockId::hash(B256::from(at)), call.abi_encode(), MOST_GAS).await?;
    Ok(answer.and_then(|bytes| C::abi_decode_returns(&bytes).ok()))
}

async fn ask_text<T>(
    node: &Node,
    to: Address,
    at: BlockHash,
    call: &impl SolCall,
    read: fn(&[u8]) -> T,
) -> Result<Option<T>, NodeError> {
    let answer = view(node, to, BlockId::hash(B256::from(at)), call.abi_encode(), MOST_GAS).await?;
    Ok(answer.and_then(|bytes| text(&bytes).map(read)))
}

/// The text of an answer, in whatever bytes the contract has it. Contracts from before there were strings have a word.
pub(crate) fn text(answer: &[u8]) -> Option<&[u8]> {
    if answer.len() == 32 {
        let end = answer.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        return Some(&answer[..end]);
    }
    Words::of(answer).bytes(0).ok()
}

/// What a contract says, or `None` where it does not answer: it reverts, runs out of its gas, or talks without end. A
/// node that cannot say what the contract says is another matter: then the block waits.
pub(crate) async fn view(
    node: &Node,
    to: Address,
    at: BlockId,
    data: Vec<u8>,
    gas: u64,
) -> Result<Option<Bytes>, NodeError> {
    let request = TransactionRequest {
        gas: Some(gas),
        ..TransactionRequest::default().to(to.into()).input(Bytes::from(data).into())
    };
    match execute(node, &request, at).await {
        // The state of old blocks is gone on most nodes, and some take no hash; what the contract says now is next best.
        Err(err) if err.is_state_missing() || err.is_unsupported() => {
            execute(node, &request, BlockId::latest()).await
        }
        answer => answer,
    }
}

async fn execute(node: &Node, request: &TransactionRequest, at: BlockId) -> Result<Option<Bytes>, NodeError> {
    let nothing = TransactionRequest { gas: request.gas, ..TransactionRequest::default().to(NOBODY.into()) };
    for _ in 0..ROUNDS {
        let err = match node.call(request, at, None).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(err) if err.is_revert() || err.is_halt() => return Ok(None),
            Err(NodeError::TooLarge { .. }) => return Ok(None),
            Err(err) => err,
        };
        let is_strange = matches!(err, NodeError::Rpc { .. })
            && !err.is_limit()
            && !err.is_state_missing()
            && !err.is_unsupported();
        // Each kind of node has words of its own for what a call did to it. Whether these are such words is told by
        // another call: where that one fails too, it is the node that has nothing to say.
        if !is_strange || node.call(&nothing, at, None).await.is_err() {
            return Err(err);
        }
        tracing::warn!(contract = ?request.to, error = %err, "a node has no answer to a call, and has others");
    }
    Ok(None)
}

#[cfg(test)]
#[path = "read_contract_tests.rs"]
mod tests;
