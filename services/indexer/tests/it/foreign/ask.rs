//! The contracts as they say themselves, and how they are made to do something.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use serde_json::{Value, json};
use testkit::eventually;

use crate::rig::{Rig, SOON};

sol! {
    interface Single {
        function ownerOf(uint256 id) external view returns (address owner);
        function balanceOf(address owner) external view returns (uint256 balance);
        function getApproved(uint256 id) external view returns (address operator);
        function isApprovedForAll(address owner, address operator) external view returns (bool approved);
        function approve(address operator, uint256 id) external;
        function setApprovalForAll(address operator, bool approved) external;
        function transferFrom(address from, address to, uint256 id) external;
        function safeTransferFrom(address from, address to, uint256 id) external;
        function burn(uint256 id) external;
    }

    interface Multi {
        function balanceOfBatch(address[] owners, uint256[] ids) external view returns (uint256[] balances);
        function isApprovedForAll(address owner, address operator) external view returns (bool approved);
        function setApprovalForAll(address operator, bool approved) external;
        function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data) external;
        function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes data) external;
    }

    /// OpenZeppelin 4.9's presets.
    interface Preset {
        function paused() external view returns (bool paused);
        function hasRole(bytes32 role, address account) external view returns (bool has);
        function pause() external;
        function unpause() external;
        function grantRole(bytes32 role, address account) external;
        function revokeRole(bytes32 role, address account) external;
        function renounceRole(bytes32 role, address account) external;
    }
}

/// Enough to look for the owner of the last token of a long range, slot by slot.
const GAS: &str = "0xf00000";

/// Deploys a contract that only tests deploy, with its arguments.
pub(super) async fn deploy(rig: &Rig, name: &str, arguments: Vec<u8>) -> (Address, u64) {
    let code = [testkit::trial_contract(name).to_vec(), arguments].concat();
    rig.chain.deploy(code.into()).await
}

/// The accounts that the node signs for; the first is who deploys.
pub(super) async fn accounts(rig: &Rig) -> Vec<Address> {
    let accounts = rig.chain.rpc("eth_accounts", json!([])).await;
    accounts.as_array().unwrap().iter().map(super::told::address).collect()
}

/// A transaction of an account; it must succeed.
pub(super) async fn send(rig: &Rig, from: Address, to: Address, call: impl SolCall) -> Value {
    pay(rig, from, to, call, U256::ZERO).await
}

pub(super) async fn pay(rig: &Rig, from: Address, to: Address, call: impl SolCall, value: U256) -> Value {
    let transaction = json!({
        "from": from, "to": to, "data": Bytes::from(call.abi_encode()), "value": value, "gas": GAS,
    });
    let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    let receipt = eventually(SOON, "the transaction is mined", async || {
        let receipt = rig.chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
        (!receipt.is_null()).then_some(receipt)
    })
    .await;
    assert_eq!(receipt["status"], "0x1", "transaction {hash} failed");
    receipt
}

/// What a contract answers now; nothing where it reverts.
pub(super) async fn view<C: SolCall>(rig: &Rig, to: Address, call: C) -> Option<C::Return> {
    let asked = json!([{ "to": to, "data": Bytes::from(call.abi_encode()) }, "latest"]);
    let answer = rig.chain.try_rpc("eth_call", asked).await.ok()?;
    let bytes: Bytes = answer.as_str().unwrap().parse().unwrap();
    Some(C::abi_decode_returns(&bytes).unwrap())
}
