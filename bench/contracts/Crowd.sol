// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// The collection whose history the indexer's benchmark reads: OpenZeppelin's ERC-721, with real mints and real
/// transfers, many in one transaction, so that a chain of a hundred thousand of them is made in a minute. Who moves a
/// token is not asked; everything else is the library's, state and events alike.
contract Crowd is ERC721 {
    uint256 public totalMinted;

    constructor() ERC721("Crowd", "CROWD") {}

    /// One mint, then `transfers` of what is there, to whom the seed says.
    function stir(uint256 seed, uint256 transfers) external {
        uint256 minted = ++totalMinted;
        _mint(_somebody(seed, type(uint256).max), minted);
        for (uint256 i = 0; i < transfers; i++) {
            uint256 token = (uint256(keccak256(abi.encode(seed, i, "token"))) % minted) + 1;
            _transfer(_ownerOf(token), _somebody(seed, i), token);
        }
    }

    /// The owners of the tokens from `first` on, zero where there is none.
    function ownersFrom(uint256 first, uint256 count) external view returns (address[] memory owners) {
        owners = new address[](count);
        for (uint256 i = 0; i < count; i++) owners[i] = _ownerOf(first + i);
    }

    /// One of two thousand.
    function _somebody(uint256 seed, uint256 i) private pure returns (address) {
        uint256 one = uint256(keccak256(abi.encode(seed, i, "somebody"))) % 2000;
        return address(uint160(uint256(keccak256(abi.encode(one)))));
    }
}
