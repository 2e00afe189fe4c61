//! Several calls tried in order, each on the state that the ones before it leave (`eth_simulateV1`).

use alloy::{
    eips::BlockId,
    primitives::{Bytes, U64},
    rpc::types::{Log, TransactionRequest},
};
use serde::Deserialize;
use serde_json::json;

use crate::{Node, NodeError};

/// What one of the calls would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    pub is_success: bool,
    pub gas_used: u64,
    /// What the call returned; empty for one that failed.
    pub return_data: Bytes,
    /// What it reverted with, where it did and the node tells.
    pub revert_data: Option<Bytes>,
    /// Why it failed, in the node's words.
    pub message: Option<String>,
    pub logs: Vec<Log>,
}

impl Node {
    /// Tries the calls at a block without changing anything: no nonces, fees or signatures are checked. A node without
    /// the method answers with an error that [`is_unsupported`](NodeError::is_unsupported).
    pub async fn simulate(
        &self,
        calls: &[TransactionRequest],
        block: BlockId,
    ) -> Result<Vec<Simulated>, NodeError> {
        let payload = json!({
            "blockStateCalls": [{ "calls": calls }],
            "validation": false,
            "traceTransfers": false,
            "returnFullTransactions": false,
        });
        let blocks: Vec<WireBlock> = self.request("eth_simulateV1", json!([payload, block])).await?;
        let simulated: Vec<Simulated> =
            blocks.into_iter().flat_map(|block| block.calls).map(Simulated::from).collect();
        if simulated.len() != calls.len() {
            let (asked, told) = (calls.len(), simulated.len());
            return Err(NodeError::Transport(format!("{asked} calls were simulated and {told} told of")));
        }
        Ok(simulated)
    }
}

#[derive(Deserialize)]
struct WireBlock {
    calls: Vec<WireCall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCall {
    status: U64,
    gas_used: U64,
    #[serde(default, alias = "returnValue")]
    return_data: Bytes,
    #[serde(default)]
    logs: Vec<Log>,
    #[serde(default)]
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Bytes>,
}

impl From<WireCall> for Simulated {
    fn from(wire: WireCall) -> Simulated {
        let is_success = !wire.status.is_zero();
        let (message, told) = match wire.error {
            Some(error) => (Some(error.message), error.data.filter(|data| !data.is_empty())),
            None => (None, None),
        };
        // Nodes put what a call reverted with into the error, into what it returned, or into both.
        let (return_data, revert_data) = match is_success {
            true => (wire.return_data, None),
            false => (Bytes::new(), told.or(Some(wire.return_data)).filter(|data| !data.is_empty())),
        };
        Simulated {
            is_success,
            gas_used: wire.gas_used.to(),
            return_data,
            revert_data,
            message,
            logs: wire.logs,
        }
    }
}
