// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC1155Holder} from "@openzeppelin/contracts/token/ERC1155/utils/ERC1155Holder.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// A wallet that is a contract: what its owner signed, it signed. Whoever becomes the owner signs from then on, and what
/// the one before signed is signed no longer. For tests.
contract OwnedWallet is Ownable, IERC1271, ERC721Holder, ERC1155Holder {
    constructor(address owner_) Ownable(owner_) {}

    receive() external payable {}

    function execute(address target, uint256 value, bytes calldata data) external onlyOwner returns (bytes memory) {
        (bool done, bytes memory answer) = target.call{value: value}(data);
        return Address.verifyCallResult(done, answer);
    }

    /// `hash` is the digest that wallets sign: for text, the one of EIP-191.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool signed = SignatureChecker.isValidSignatureNow(owner(), hash, signature);
        return signed ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// Makes such wallets at addresses that are known before they exist. For tests.
contract OwnedWalletFactory {
    function deploy(address owner, bytes32 salt) external returns (address wallet) {
        wallet = predict(owner, salt);
        if (wallet.code.length == 0) new OwnedWallet{salt: salt}(owner);
    }

    function predict(address owner, bytes32 salt) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(OwnedWallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code)))));
    }
}
