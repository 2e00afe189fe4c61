// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Says whether a contract account accepts a signature (ERC-1271), also one of an account that does not exist yet
/// (ERC-6492). It is never deployed: its creation code is run by `eth_call`, and what it "returns as its code" is one byte,
/// 1 for yes and 0 for no. Whatever the account or the factory does, the answer is that byte, and what they changed is
/// thrown away with the call.
///
/// No key is recovered here: whether a key signed is known before anybody is asked.
contract SignatureValidator {
    /// What ERC-1271 answers for yes: the selector at the left, nothing after it.
    bytes32 private constant YES = 0x1626ba7e00000000000000000000000000000000000000000000000000000000;
    /// What an account may spend on its answer.
    uint256 private constant QUESTION_GAS = 1_000_000;
    /// What a factory must leave: the question, and a little for the verdict.
    uint256 private constant RESERVED_GAS = 1_100_000;

    /// @param factory Makes the account, or prepares it; zero where there is nothing to prepare.
    constructor(address account, bytes32 hash, address factory, bytes memory preparation, bytes memory signature) {
        bool yes = _accepts(account, hash, signature);
        if (!yes && factory != address(0) && _prepares(factory, preparation)) yes = _accepts(account, hash, signature);
        assembly ("memory-safe") {
            mstore8(0, yes)
            return(0, 1)
        }
    }

    function _accepts(address account, bytes32 hash, bytes memory signature) private view returns (bool yes) {
        // A precompiled contract answers without having code.
        if (account.code.length == 0) return false;
        bytes memory question = abi.encodeWithSelector(bytes4(YES), hash, signature);
        // At most one word of the answer is copied, however long it is.
        assembly ("memory-safe") {
            let done := staticcall(QUESTION_GAS, account, add(question, 32), mload(question), 0, 32)
            yes := and(and(done, eq(returndatasize(), 32)), eq(mload(0), YES))
        }
    }

    function _prepares(address factory, bytes memory preparation) private returns (bool done) {
        uint256 left = gasleft();
        if (left <= RESERVED_GAS) return false;
        assembly ("memory-safe") {
            done := call(sub(left, RESERVED_GAS), factory, 0, add(preparation, 32), mload(preparation), 0, 0)
        }
    }
}
