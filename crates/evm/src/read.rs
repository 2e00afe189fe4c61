//! The questions that services ask, with the answers reduced to what is used: chains add fields of their own.

use std::time::Instant;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bloom, Bytes, U64, U128, U256},
    rpc::types::{Log, TransactionRequest, state::StateOverride},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Node, NodeError,
    check::{Check, Fit},
};

/// Receipts asked for at once where a node does not give a block's together.
pub(crate) const AT_ONCE: usize = 8;

/// A block's header, as far as anybody here needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub number: u64,
    pub hash: B256,
    pub parent_hash: B256,
    /// Seconds since 1970.
    pub timestamp: u64,
    pub logs_bloom: Bloom,
    pub base_fee_per_gas: Option<u128>,
}

/// What became of a transaction that is in a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub transaction_hash: B256,
    pub transaction_index: u64,
    pub block_hash: B256,
    pub block_number: u64,
    pub from: Address,
    pub to: Option<Address>,
    pub contract_address: Option<Address>,
    pub is_success: bool,
    pub gas_used: u64,
    pub logs: Vec<Log>,
}

/// A transaction that a node knows, mined or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    pub hash: B256,
    pub from: Address,
    pub to: Option<Address>,
    pub nonce: u64,
    pub value: U256,
    pub input: Bytes,
    /// None while it waits.
    pub block_hash: Option<B256>,
}

/// What a transaction pays for gas now, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Of the next block.
    pub base_fee: u128,
    /// What the node suggests on top of it.
    pub priority_fee: u128,
}

impl Node {
    /// The number of the newest block.
    pub async fn block_number(&self) -> Result<u64, NodeError> {
        let check = Check::head(|number: &U64| number.to());
        Ok(self.ask("eth_blockNumber", &json!([]), &check).await?.to())
    }

    /// A block's header by its number; None beyond the head.
    pub async fn header_by_number(&self, number: u64) -> Result<Option<Header>, NodeError> {
        let params = json!([U64::from(number), false]);
        let head = self.inner.highest_head(Instant::now());
        let fit = |found: &Option<WireHeader>| match found {
            Some(header) => Fit::only_if(
                header.number.to::<u64>() == number,
                "a block has another number than was asked for",
            ),
            None if head.is_some_and(|head| number <= head) => Fit::Doubt,
            None => Fit::Yes,
        };
        Ok(self.ask("eth_getBlockByNumber", &params, &Check::by(&fit)).await?.map(Header::from))
    }

    /// The header of the newest block.
    pub async fn latest_header(&self) -> Result<Header, NodeError> {
        let check = Check::head(|header: &WireHeader| header.number.to());
        Ok(self.ask("eth_getBlockByNumber", &json!(["latest", false]), &check).await?.into())
    }

    /// A block's header by its hash; None where no endpoint knows it (any more).
    pub async fn header_by_hash(&self, hash: B256) -> Result<Option<Header>, NodeError> {
        let fit = |found: &Option<WireHeader>| match found {
            Some(header) => Fit::only_if(header.hash == hash, "a block has another hash than was asked for"),
            None => Fit::Doubt,
        };
        let check = Check::found_by(&fit, |found| Some(found.as_ref()?.number.to()));
        Ok(self.ask("eth_getBlockByHash", &json!([hash, false]), &check).await?.map(Header::from))
    }

    /// What became of a transaction; None while it is in no block.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>, NodeError> {
        let fit = |found: &Option<WireReceipt>| match found {
            Some(receipt) => Fit::only_if(
                receipt.transaction_hash == hash,
                "a receipt is of another transaction than was asked for",
            ),
            None => Fit::Doubt,
        };
        let check = Check::found_by(&fit, |found| Some(found.as_ref()?.block_number.to()));
        Ok(self.ask("eth_getTransactionReceipt", &json!([hash]), &check).await?.map(Receipt::from))
    }

    /// What became of each of these; those in no block are left out.
    pub async fn receipts(&self, hashes: &[B256]) -> Result<Vec<Receipt>, NodeError> {
        let found: Vec<Option<Receipt>> = stream::iter(hashes.to_vec())
            .map(|hash| self.receipt(hash))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Every receipt of a block. Nodes without `eth_getBlockReceipts` answer with an error.
    pub async fn block_receipts(&self, block: B256) -> Result<Option<Vec<Receipt>>, NodeError> {
        let fit = |found: &Option<Vec<WireReceipt>>| match found {
            Some(receipts) => Fit::only_if(
                receipts.iter().all(|receipt| receipt.block_hash == block),
                "a receipt is of another block than was asked for",
            ),
            None => Fit::Doubt,
        };
        let check = Check::found_by(&fit, |found| Some(found.as_ref()?.first()?.block_number.to()));
        let found = self.ask("eth_getBlockReceipts", &json!([block]), &check).await?;
        Ok(found.map(|receipts| receipts.into_iter().map(Receipt::from).collect()))
    }

    /// A transaction, mined or waiting; None where no endpoint has seen it.
    pub async fn transaction(&self, hash: B256) -> Result<Option<Transaction>, NodeError> {
        let fit = |found: &Option<WireTransaction>| match found {
            Some(transaction) => {
                Fit::only_if(transaction.hash == hash, "a transaction is another one than was asked for")
            }
            None => Fit::Doubt,
        };
        let check = Check::found_by(&fit, |found| Some(found.as_ref()?.block_number?.to()));
        Ok(self.ask("eth_getTransactionByHash", &json!([hash]), &check).await?.map(Transaction::from))
    }

    /// The transactions of a block by its number; None beyond the head.
    pub async fn transactions_of(&self, number: u64) -> Result<Option<Vec<Transaction>>, NodeError> {
        let params = json!([U64::from(number), true]);
        let found: Option<WireBlock> = self.request("eth_getBlockByNumber", params).await?;
        Ok(found.map(|block| block.transactions.into_iter().map(Transaction::from).collect()))
    }

    /// Executes a call at a block, on a state that `overrides` may change, and changes nothing.
    pub async fn call(
        &self,
        request: &TransactionRequest,
        block: BlockId,
        overrides: Option<&StateOverride>,
    ) -> Result<Bytes, NodeError> {
        let params = match overrides {
            Some(overrides) => json!([request, block, overrides]),
            None => json!([request, block]),
        };
        self.request("eth_call", params).await
    }

    /// Calls a contract's view at the newest block.
    pub async fn view(&self, to: Address, data: Bytes) -> Result<Bytes, NodeError> {
        let request = TransactionRequest::default().to(to).input(data.into());
        self.call(&request, BlockId::latest(), None).await
    }

    /// The gas that a transaction would use; an error with the revert where it would fail.
    pub async fn estimate_gas(&self, request: &TransactionRequest) -> Result<u64, NodeError> {
        Ok(self.request::<U64>("eth_estimateGas", json!([request])).await?.to())
    }

    /// The code at an address; empty for an account without any.
    pub async fn code(&self, address: Address, block: BlockId) -> Result<Bytes, NodeError> {
        self.request("eth_getCode", json!([address, block])).await
    }

    /// How many transactions an account has sent, as of a block.
    pub async fn nonce(&self, address: Address, block: BlockId) -> Result<u64, NodeError> {
        Ok(self.request::<U64>("eth_getTransactionCount", json!([address, block])).await?.to())
    }

    /// What an account holds, in wei, as of a block.
    pub async fn balance(&self, address: Address, block: BlockId) -> Result<U256, NodeError> {
        self.request("eth_getBalance", json!([address, block])).await
    }

    /// One slot of a contract's storage, as of a block.
    pub async fn storage(&self, address: Address, slot: B256, block: BlockId) -> Result<B256, NodeError> {
        self.request("eth_getStorageAt", json!([address, slot, block])).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireHeader {
    pub(crate) number: U64,
    pub(crate) hash: B256,
    parent_hash: B256,
    pub(crate) timestamp: U64,
    #[serde(default)]
    logs_bloom: Option<Bloom>,
    #[serde(default)]
    base_fee_per_gas: Option<U128>,
}

impl From<WireHeader> for Header {
    fn from(wire: WireHeader) -> Header {
        Header {
            number: wire.number.to(),
            hash: wire.hash,
            parent_hash: wire.parent_hash,
            timestamp: wire.timestamp.to(),
            // Without a bloom nothing can be ruled out.
            logs_bloom: wire.logs_bloom.unwrap_or(Bloom::repeat_byte(0xff)),
            base_fee_per_gas: wire.base_fee_per_gas.map(|fee| fee.to()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReceipt {
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    block_number: U64,
    from: Address,
    to: Option<Address>,
    #[serde(default)]
    contract_address: Option<Address>,
    #[serde(default)]
    status: Option<U64>,
    gas_used: U64,
    logs: Vec<Log>,
}

impl From<WireReceipt> for Receipt {
    fn from(wire: WireReceipt) -> Receipt {
        Receipt {
            transaction_hash: wire.transaction_hash,
            transaction_index: wire.transaction_index.to(),
            block_hash: wire.block_hash,
            block_number: wire.block_number.to(),
            from: wire.from,
            to: wire.to,
            contract_address: wire.contract_address,
            // Receipts from before Byzantium have a state root in the status's place.
            is_success: wire.status.is_none_or(|status| !status.is_zero()),
            gas_used: wire.gas_used.to(),
            logs: wire.logs,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    hash: B256,
    from: Address,
    to: Option<Address>,
    nonce: U64,
    value: U256,
    input: Bytes,
    #[serde(default)]
    block_hash: Option<B256>,
    #[serde(default)]
    block_number: Option<U64>,
}

/// A block with its transactions whole.
#[derive(Deserialize)]
struct WireBlock {
    transactions: Vec<WireTransaction>,
}

impl From<WireTransaction> for Transaction {
    fn from(wire: WireTransaction) -> Transaction {
        let WireTransaction { hash, from, to, nonce, value, input, block_hash, .. } = wire;
        Transaction { hash, from, to, nonce: nonce.to(), value, input, block_hash }
    }
}
