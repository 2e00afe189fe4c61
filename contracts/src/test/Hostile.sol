// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

// Contracts that answer `isValidSignature(bytes32,bytes)` in every way but the right one. All of them answer to any call
// at all, so that no selector has to match. For tests.

/// Refuses with a reason.
contract HostileRevert {
    fallback() external {
        revert("no");
    }
}

/// Never ends.
contract HostileLoop {
    fallback() external {
        assembly {
            for {} 1 {} {}
        }
    }
}

/// Answers with 2 MB: more than any cap on gas pays for.
contract HostileHuge {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 2000000)
        }
    }
}

/// Answers with 200 kB that begin like the right answer: cheap in gas, and more than anybody should read.
contract HostileLarge {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 200000)
        }
    }
}

/// The right four bytes at the wrong end of the word.
contract HostileRightAligned {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e)
            return(0, 32)
        }
    }
}

/// The right four bytes and nothing after them.
contract HostileShort {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 4)
        }
    }
}

/// The right word and another one after it.
contract HostileLong {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 64)
        }
    }
}

/// The right four bytes with something in the padding.
contract HostileDirty {
    fallback() external {
        assembly {
            mstore(0, or(shl(224, 0x1626ba7e), 1))
            return(0, 32)
        }
    }
}

/// Says true.
contract HostileTrue {
    fallback() external {
        assembly {
            mstore(0, 1)
            return(0, 32)
        }
    }
}

/// Answers with nothing, and succeeds.
contract HostileEmpty {
    fallback() external {}
}

/// What a counterfactual signature may name as its factory.
contract HostileFactory {
    function refuse() external pure {
        revert("no");
    }

    function loop() external pure {
        assembly {
            for {} 1 {} {}
        }
    }

    /// Says that it made a wallet, and made none.
    function nothing() external view returns (address) {
        return address(this);
    }

    /// Makes a contract that says yes to everything, at an address that `deployed` tells.
    function yes(bytes32 salt) external returns (address) {
        return address(new YesToAll{salt: salt}());
    }
}

/// Signs whatever it is asked about: not hostile to the verifier, only to its owner.
contract YesToAll {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}
