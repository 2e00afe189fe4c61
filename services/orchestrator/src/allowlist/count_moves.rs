//! How many moves of a collection the chain itself has in the last blocks before a snapshot: what the catalog must have
//! heard of before it may be asked who holds what.

use abi::standards::{Erc721, Erc1155};
use abi::topics;
use alloy::{
    primitives::U256,
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use evm::NodeError;
use ids::Address;

use crate::{chains::Chain, error::Error, prepare::unreachable_node};

/// Blocks that are read; fewer where the node reads no such range at once.
const SPANS: [u64; 4] = [256, 64, 10, 1];

/// The logs that move tokens of a collection, in the blocks from `first_block` to the one that was asked for.
pub(super) struct Moves {
    pub(super) first_block: u64,
    pub(super) count: u64,
}

pub(super) async fn count_moves(chain: &Chain, contract: Address, last_block: u64) -> Result<Moves, Error> {
    let mut refused = None;
    for span in SPANS {
        // The genesis block has no transactions.
        let first_block = (last_block + 1).saturating_sub(span).max(1);
        if first_block > last_block {
            return Ok(Moves { first_block, count: 0 });
        }
        let filter = Filter::new()
            .address(alloy::primitives::Address::from(contract))
            .event_signature(vec![topics::TRANSFER, topics::TRANSFER_SINGLE, topics::TRANSFER_BATCH])
            .from_block(first_block)
            .to_block(last_block);
        match chain.node.logs(&filter).await {
            Ok(logs) => return Ok(Moves { first_block, count: moves(&logs) }),
            // Providers bound the range and the answer, each in words of its own.
            Err(err @ (NodeError::Rpc { .. } | NodeError::TooLarge { .. })) => refused = Some(err),
            Err(err) => return Err(unreachable_node(&err)),
        }
    }
    Err(refused.map_or(Error::Unavailable("the chain"), |err| unreachable_node(&err)))
}

/// Counted as the index reads them: of an ERC-721 the one event, of an ERC-1155 the two others, unless nothing moves. A
/// contract with all of them is followed as one of the two; which one is not known here, and the lower count is safe.
fn moves(logs: &[Log]) -> u64 {
    let singles = logs.iter().filter(|log| Erc721::Transfer::decode_log(&log.inner).is_ok()).count();
    let multiples = logs.iter().filter(|log| moves_multiple(log)).count();
    let count = if singles == 0 || multiples == 0 { singles + multiples } else { singles.min(multiples) };
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn moves_multiple(log: &Log) -> bool {
    if let Ok(event) = Erc1155::TransferSingle::decode_log(&log.inner) {
        return event.value != U256::ZERO;
    }
    Erc1155::TransferBatch::decode_log(&log.inner).is_ok_and(|event| {
        event.ids.len() == event.values.len() && event.values.iter().any(|value| *value != U256::ZERO)
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, IntoLogData};

    use super::*;

    const SOMEBODY: Address = Address::repeat_byte(7);

    fn log(event: &impl IntoLogData) -> Log {
        let inner = alloy::primitives::Log { address: Address::repeat_byte(1), data: event.to_log_data() };
        Log { inner, ..Log::default() }
    }

    fn batch(ids: &[u64], values: &[u64]) -> Log {
        let numbers = |of: &[u64]| of.iter().map(|n| U256::from(*n)).collect();
        log(&Erc1155::TransferBatch {
            operator: SOMEBODY,
            from: Address::ZERO,
            to: SOMEBODY,
            ids: numbers(ids),
            values: numbers(values),
        })
    }

    fn single(value: u64) -> Log {
        let (id, value) = (U256::ONE, U256::from(value));
        log(&Erc1155::TransferSingle { operator: SOMEBODY, from: SOMEBODY, to: SOMEBODY, id, value })
    }

    #[test]
    fn only_what_the_index_tells_as_a_move_is_counted() {
        // Anybody may have a contract tell of moves of nothing: the index is silent about those.
        let told = [batch(&[], &[]), batch(&[1, 2], &[0, 0]), batch(&[1], &[1, 2]), single(0)];
        assert_eq!(moves(&told), 0);
        assert_eq!(moves(&[batch(&[1, 2], &[0, 5]), single(1), single(0)]), 2);
        let transfer = log(&Erc721::Transfer { from: SOMEBODY, to: Address::ZERO, tokenId: U256::ONE });
        assert_eq!(moves(std::slice::from_ref(&transfer)), 1);
        assert_eq!(moves(&[transfer, single(1), single(2)]), 1);
    }
}
