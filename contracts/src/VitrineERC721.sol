// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {ERC721Utils} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Utils.sol";
import {CreateParams, VitrineCollection} from "./VitrineCollection.sol";

/// An ERC-721 collection; tokens are numbered from 1 in the order of their mints. Lives behind a factory's clone.
contract VitrineERC721 is ERC721Upgradeable, VitrineCollection {
    /// A bound, so that a call of `mintWithURIs` fits into a block.
    uint256 public constant MAX_URIS = 200;
    uint256 private _burned;

    error TooManyURIs(uint256 count);

    function initialize(CreateParams calldata p, address creator) external initializer {
        __ERC721_init(p.name, p.symbol);
        __VitrineCollection_init(p, creator);
    }

    function mint(address to, uint256 quantity, uint256 stageId, bytes32[] calldata proof)
        external
        payable
        whenNotPaused
    {
        _admit(stageId, quantity, proof);
        _requireSupply(_totalMinted, quantity);
        uint256 first = _totalMinted + 1;
        _totalMinted += quantity;
        for (uint256 i = 0; i < quantity; i++) {
            _mint(to, first + i);
        }
        // Receivers are asked when all tokens of the call are theirs, so a re-entrant one sees no half-done mint.
        for (uint256 i = 0; i < quantity; i++) {
            ERC721Utils.checkOnERC721Received(_msgSender(), address(0), to, first + i, "");
        }
    }

    /// One free token for each address; the supply counts it, the stages do not.
    function mintBatchTo(address[] calldata to) external whenNotPaused onlyRole(MINTER_ROLE) {
        uint256 quantity = to.length;
        if (quantity == 0) revert ZeroQuantity();
        _requireSupply(_totalMinted, quantity);
        uint256 first = _totalMinted + 1;
        _totalMinted += quantity;
        for (uint256 i = 0; i < quantity; i++) {
            _mint(to[i], first + i);
        }
        for (uint256 i = 0; i < quantity; i++) {
            ERC721Utils.checkOnERC721Received(_msgSender(), address(0), to[i], first + i, "");
        }
    }

    /// One free token for each URI, which is its own from the start; the supply counts it, the stages do not.
    function mintWithURIs(address to, string[] calldata uris) external whenNotPaused onlyRole(MINTER_ROLE) {
        uint256 quantity = uris.length;
        if (quantity == 0) revert ZeroQuantity();
        if (quantity > MAX_URIS) revert TooManyURIs(quantity);
        _requireSupply(_totalMinted, quantity);
        uint256 first = _totalMinted + 1;
        _totalMinted += quantity;
        for (uint256 i = 0; i < quantity; i++) {
            _tokenURIs[first + i] = uris[i];
            _mint(to, first + i);
        }
        for (uint256 i = 0; i < quantity; i++) {
            ERC721Utils.checkOnERC721Received(_msgSender(), address(0), to, first + i, "");
        }
    }

    /// By the owner of the token or somebody approved for it.
    function burn(uint256 tokenId) external {
        _update(address(0), tokenId, _msgSender());
        _burned += 1;
        delete _tokenURIs[tokenId];
    }

    /// Tokens that exist now.
    function totalSupply() external view returns (uint256) {
        return _totalMinted - _burned;
    }

    /// The token's own URI if one was set, else baseURI followed by the number.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        string storage own = _tokenURIs[tokenId];
        return bytes(own).length != 0 ? own : super.tokenURI(tokenId);
    }

    function setTokenURI(uint256 tokenId, string calldata newURI) external {
        _requireUriWriter();
        _requireOwned(tokenId);
        _tokenURIs[tokenId] = newURI;
        emit MetadataUpdate(tokenId);
    }

    function _baseURI() internal view override returns (string memory) {
        return _baseURIValue;
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC721Upgradeable, VitrineCollection)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }
}
