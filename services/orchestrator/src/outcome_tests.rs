//! What contract accounts did, read from receipts that no test chain makes.

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256},
    rpc::types::Log,
    sol_types::SolEvent,
};
use evm::Receipt;

use super::*;

const ACCOUNT: Address = Address::repeat_byte(5);
const BUNDLER: Address = Address::repeat_byte(6);

fn log(address: Address, data: LogData) -> Log {
    Log { inner: primitives::Log { address, data }, ..Log::default() }
}

fn acted_in(to: Address, logs: Vec<Log>) -> Acted {
    let receipt = Receipt {
        transaction_hash: B256::ZERO,
        transaction_index: 0,
        block_hash: B256::ZERO,
        block_number: 1,
        from: BUNDLER,
        to: Some(to),
        contract_address: None,
        is_success: true,
        gas_used: 1,
        logs,
    };
    let sent = evm::Transaction {
        hash: B256::ZERO,
        from: BUNDLER,
        to: Some(to),
        nonce: 0,
        value: U256::ZERO,
        input: Bytes::new(),
        block_hash: None,
    };
    acted(&receipt, &sent, ACCOUNT)
}

fn operation(sender: Address, success: bool) -> Log {
    let event = UserOperationEvent {
        userOpHash: B256::ZERO,
        sender,
        paymaster: Address::ZERO,
        nonce: U256::ZERO,
        success,
        actualGasCost: U256::ZERO,
        actualGasUsed: U256::ZERO,
    };
    log(ENTRY_POINTS[1], event.encode_log_data())
}

#[test]
fn a_safe_that_says_that_it_failed_has_only_tried() {
    let failed = || ExecutionFailure { txHash: B256::ZERO, payment: U256::ZERO }.encode_log_data();
    let done = || ExecutionSuccess { txHash: B256::ZERO, payment: U256::ZERO }.encode_log_data();
    let other = || LogData::new_unchecked(vec![B256::repeat_byte(9)], Bytes::new());
    assert_eq!(acted_in(ACCOUNT, vec![]), Acted::Yes);
    assert_eq!(acted_in(ACCOUNT, vec![log(ACCOUNT, failed())]), Acted::Tried);
    // A Safe on a layer 2 tells of every call before it carries it out.
    assert_eq!(acted_in(ACCOUNT, vec![log(ACCOUNT, other()), log(ACCOUNT, failed())]), Acted::Tried);
    let module = ExecutionFromModuleFailure { module: BUNDLER }.encode_log_data();
    assert_eq!(acted_in(BUNDLER, vec![log(ACCOUNT, module)]), Acted::Tried);
    assert_eq!(acted_in(BUNDLER, vec![log(ACCOUNT, failed()), log(ACCOUNT, done())]), Acted::Yes);
    assert_eq!(acted_in(BUNDLER, vec![log(BUNDLER, done())]), Acted::No);
}

#[test]
fn an_operation_without_success_has_only_tried() {
    let other = || LogData::new_unchecked(vec![B256::repeat_byte(9)], Bytes::new());
    assert_eq!(acted_in(BUNDLER, vec![operation(ACCOUNT, true)]), Acted::Yes);
    assert_eq!(acted_in(BUNDLER, vec![log(ACCOUNT, other()), operation(ACCOUNT, false)]), Acted::Tried);
    assert_eq!(acted_in(BUNDLER, vec![operation(BUNDLER, true)]), Acted::No);
}

#[test]
fn a_filled_order_counts_for_whom_it_was_filled() {
    let (exchange, hash) = (Address::repeat_byte(7), B256::repeat_byte(8));
    let filled_for = |recipient: Address| {
        let event = abi::seaport::Seaport::OrderFulfilled {
            orderHash: hash,
            offerer: BUNDLER,
            zone: Address::ZERO,
            recipient,
            offer: vec![],
            consideration: vec![],
        };
        vec![log(exchange, event.encode_log_data())]
    };
    let mut intent = crate::intent_tests::an_intent(Kind::Buy);
    intent.order_id = Some(ids::order_row(intent.chain_id, exchange.into(), hash.into()));
    let friend = Address::repeat_byte(11);
    intent.payload = serde_json::json!({ "recipient": format!("{friend:#x}") });
    let prepared = Transaction {
        chain_id: intent.chain_id,
        from: ACCOUNT.into(),
        to: exchange.into(),
        data: vec![1, 2, 3, 4],
        value: U256::ZERO,
        gas: U256::ZERO,
        max_fee_per_gas: U256::ZERO,
        max_priority_fee_per_gas: U256::ZERO,
    };
    let seen = |intent: &Intent, recipient| effect(&filled_for(recipient), intent, &prepared, false);
    assert_eq!(seen(&intent, ACCOUNT), Effect::Seen);
    assert_eq!(seen(&intent, friend), Effect::Seen);
    assert_eq!(seen(&intent, BUNDLER), Effect::None, "somebody else bought it in the same transaction");
    intent.kind = Kind::AcceptOffer;
    assert_eq!(seen(&intent, ACCOUNT), Effect::Seen);
    assert_eq!(seen(&intent, BUNDLER), Effect::None);
    let mut given = filled_for(BUNDLER);
    let transfer = Erc721::Transfer { from: ACCOUNT, to: BUNDLER, tokenId: U256::ONE };
    given.push(log(friend, transfer.encode_log_data()));
    intent.contract = Some(friend.into());
    assert_eq!(effect(&given, &intent, &prepared, false), Effect::Seen);
}
