// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721A} from "erc721a/contracts/ERC721A.sol";
import {ERC721} from "solady/src/tokens/ERC721.sol";
import {ERC1155} from "solady/src/tokens/ERC1155.sol";

/// ERC721A (MIT, Chiru Labs) whose first tokens are told as one range, by ERC-2309, when it is made; everybody may mint and
/// every owner burn. For tests.
contract RangeERC721A is ERC721A {
    constructor(address to, uint256 quantity) ERC721A("Range", "RANGE") {
        _mintERC2309(to, quantity);
    }

    function mint(address to, uint256 quantity) external {
        _mint(to, quantity);
    }

    function burn(uint256 id) external {
        _burn(id, true);
    }
}

/// Solady's ERC-721 (MIT, Vectorized): everybody may mint, every owner burn. For tests.
contract SoladyERC721 is ERC721 {
    function name() public pure override returns (string memory) {
        return "Solady";
    }

    function symbol() public pure override returns (string memory) {
        return "SOLADY";
    }

    function tokenURI(uint256) public pure override returns (string memory) {
        return "ipfs://solady";
    }

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function burn(uint256 id) external {
        _burn(msg.sender, id);
    }
}

/// Solady's ERC-1155 (MIT, Vectorized): everybody may mint, every owner burn. For tests.
contract SoladyERC1155 is ERC1155 {
    function uri(uint256) public pure override returns (string memory) {
        return "ipfs://solady/{id}";
    }

    function mint(address to, uint256[] calldata ids, uint256[] calldata amounts) external {
        _batchMint(to, ids, amounts, "");
    }

    function mint(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }

    function burn(address from, uint256[] calldata ids, uint256[] calldata amounts) external {
        _batchBurn(msg.sender, from, ids, amounts);
    }
}
