// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Accepts one signature of one hash.
contract ProbeWallet {
    bytes32 private immutable HASH;

    constructor(bytes32 hash) {
        HASH = hash;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool isGood = hash == HASH && keccak256(signature) == keccak256("good");
        return isGood ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// Makes such wallets at addresses that are known before.
contract ProbeFactory {
    function deploy(bytes32 salt, bytes32 hash) external {
        new ProbeWallet{salt: salt}(hash);
    }
}

/// Tries the validator on a chain's own machine, all within one `eth_call`: a yes where yes is right and a no where no is.
/// Like the validator it is never deployed; it returns the successor of the number that it was given if every verdict is
/// right, so that a node that answers everything alike does not pass, and else 0.
contract SignatureValidatorProbe {
    bytes32 private constant HASH = keccak256("a message");
    bytes32 private constant OTHER = keccak256("another message");

    /// @param validator The creation code of the validator, without arguments.
    /// @param number Small enough that its first byte is 0: code must not begin with every byte.
    constructor(bytes memory validator, uint256 number) {
        address factory = address(new ProbeFactory());
        // Accounts that do not exist before the validator makes them.
        bool isRight = _verdict(validator, factory, "1", HASH, "good") == 1;
        isRight = isRight && _verdict(validator, factory, "2", HASH, "bad") == 0;
        isRight = isRight && _verdict(validator, factory, "3", OTHER, "good") == 0;
        // The first one exists now, and nothing has to be made.
        address wallet = _wallet(factory, "1");
        isRight = isRight && _ask(validator, wallet, HASH, address(0), "", "good") == 1;
        isRight = isRight && _ask(validator, wallet, HASH, address(0), "", "bad") == 0;
        // Nobody is there.
        isRight = isRight && _ask(validator, _wallet(factory, "4"), HASH, address(0), "", "good") == 0;
        uint256 answer = isRight ? number + 1 : 0;
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 32)
        }
    }

    function _verdict(bytes memory validator, address factory, bytes32 salt, bytes32 hash, bytes memory signature)
        private
        returns (uint256)
    {
        bytes memory preparation = abi.encodeCall(ProbeFactory.deploy, (salt, HASH));
        return _ask(validator, _wallet(factory, salt), hash, factory, preparation, signature);
    }

    function _wallet(address factory, bytes32 salt) private pure returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(ProbeWallet).creationCode, abi.encode(HASH)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), factory, salt, code)))));
    }

    /// Runs the validator; 2 if it gave no verdict.
    function _ask(
        bytes memory validator,
        address account,
        bytes32 hash,
        address factory,
        bytes memory preparation,
        bytes memory signature
    ) private returns (uint256 verdict) {
        bytes memory code = bytes.concat(validator, abi.encode(account, hash, factory, preparation, signature));
        verdict = 2;
        assembly ("memory-safe") {
            let made := create(0, add(code, 32), mload(code))
            if eq(extcodesize(made), 1) {
                mstore(0, 0)
                extcodecopy(made, 31, 0, 1)
                verdict := mload(0)
            }
        }
    }
}
