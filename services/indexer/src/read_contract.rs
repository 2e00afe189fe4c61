//! What an event leaves open is asked of the contract, at the event's own block.

use std::time::Duration;

use abi::{
    launchpad::VitrineCollection,
    standards::{Erc2981, Erc7572},
};
use alloy::{
    eips::BlockId,
    primitives::{B256, U256},
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolValue},
};
use events::collections::{CollectionCreated, CollectionUpdated};
use evm::{Limits, Node, NodeError};
use ids::{Address, BlockHash};

use crate::{
    decode::{self, Fact, Reading},
    error::Error,
    record::ReadBlock,
};

/// A view needs no more; a hostile one gets no more.
const MOST_GAS: u64 = 5_000_000;
const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(3), call: Duration::from_secs(9), answer_bytes: 512 * 1024 };

/// Fills in what decoding left open.
pub(crate) async fn read_contracts(node: &Node, blocks: &mut [ReadBlock]) -> Result<(), Error> {
    let node = node.with_limits(LIMITS);
    for block in blocks {
        let at = block.header.hash;
        for log in &mut block.logs {
            let contract = log.log.address;
            let Reading::Known { facts, .. } = &mut log.reading else { continue };
            for (_, fact) in facts {
                match fact {
                    Fact::Created { collection, created, is_bare: is_bare @ true, .. } => {
                        read_collection(&node, *collection, at, created).await?;
                        *is_bare = false;
                    }
                    Fact::Updated(CollectionUpdated::ContractUriUpdated { uri: uri @ None }) => {
                        *uri = ask_text(&node, contract, at, &Erc7572::contractURICall {})
                            .await?
                            .and_then(decode::known_uri);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
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
        ask_text(node, collection, at, &VitrineCollection::nameCall {}),
        ask_text(node, collection, at, &VitrineCollection::symbolCall {}),
        ask_text(node, collection, at, &Erc7572::contractURICall {}),
        ask(node, collection, at, &VitrineCollection::ownerCall {}),
        ask(node, collection, at, &VitrineCollection::maxSupplyCall {}),
        ask(node, collection, at, &royalty_call),
    )?;
    created.name = name.map(decode::name).unwrap_or_default();
    created.symbol = symbol.map(decode::name).unwrap_or_default();
    created.contract_uri = uri.and_then(decode::known_uri);
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
) -> Result<Option<C::Return>, Error> {
    let answer = view(node, to, at, call).await?;
    Ok(answer.and_then(|bytes| C::abi_decode_returns(&bytes).ok()))
}

/// Text in whatever bytes the contract has it: what is no UTF-8 is replaced.
async fn ask_text<C: SolCall>(
    node: &Node,
    to: Address,
    at: BlockHash,
    call: &C,
) -> Result<Option<String>, Error> {
    let answer = view(node, to, at, call).await?;
    Ok(answer.and_then(|bytes| String::abi_decode(&bytes).ok()))
}

/// `None` where the contract does not answer. A node that cannot be reached is another matter: then the block waits.
async fn view(
    node: &Node,
    to: Address,
    at: BlockHash,
    call: &impl SolCall,
) -> Result<Option<Vec<u8>>, Error> {
    let request = TransactionRequest {
        gas: Some(MOST_GAS),
        ..TransactionRequest::default().to(to.into()).input(call.abi_encode().into())
    };
    let mut answer = node.call(&request, BlockId::hash(B256::from(at)), None).await;
    if matches!(&answer, Err(err @ NodeError::Rpc { .. }) if !err.is_revert()) {
        // The state of old blocks is gone on most nodes; what the contract says now is the next best.
        answer = node.call(&request, BlockId::latest(), None).await;
    }
    match answer {
        Ok(bytes) => Ok(Some(bytes.into())),
        // A contract that does not answer is told as such; a node that is busy is asked again, with the whole block.
        Err(err @ NodeError::Rpc { .. }) if !err.is_limit() => Ok(None),
        Err(NodeError::TooLarge { .. }) => Ok(None),
        Err(err) => Err(err.into()),
    }
}
