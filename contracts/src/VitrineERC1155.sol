// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC1155Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC1155/ERC1155Upgradeable.sol";
import {CreateParams, VitrineCollection} from "./VitrineCollection.sol";

/// An ERC-1155 collection: `maxSupply` bounds each id by itself, a stage's price is for one unit of any id.
/// Lives behind a factory's clone.
contract VitrineERC1155 is ERC1155Upgradeable, VitrineCollection {
    string public name;
    string public symbol;
    mapping(uint256 id => uint256) private _mintedOf;
    mapping(uint256 id => uint256) private _burnedOf;

    function initialize(CreateParams calldata p, address creator) external initializer {
        // The URI lives in the shared part.
        __ERC1155_init("");
        __VitrineCollection_init(p, creator);
        name = p.name;
        symbol = p.symbol;
    }

    function mint(address to, uint256 id, uint256 amount, uint256 stageId, bytes32[] calldata proof)
        external
        payable
        whenNotPaused
    {
        _admit(stageId, amount, proof);
        _count(id, amount);
        // Asks the receiver last.
        _mint(to, id, amount, "");
    }

    function mintBatch(
        address to,
        uint256[] calldata ids,
        uint256[] calldata amounts,
        uint256 stageId,
        bytes32[] calldata proof
    ) external payable whenNotPaused {
        if (ids.length != amounts.length) revert LengthMismatch();
        uint256 quantity;
        for (uint256 i = 0; i < amounts.length; i++) {
            // One empty element would be an event about nothing.
            if (amounts[i] == 0) revert ZeroQuantity();
            quantity += amounts[i];
        }
        _admit(stageId, quantity, proof);
        for (uint256 i = 0; i < ids.length; i++) {
            _count(ids[i], amounts[i]);
        }
        _mintBatch(to, ids, amounts, "");
    }

    /// A free mint for each address; the supply counts it, the stages do not.
    function mintBatchTo(address[] calldata to, uint256[] calldata ids, uint256[] calldata amounts)
        external
        whenNotPaused
        onlyRole(MINTER_ROLE)
    {
        if (to.length == 0) revert ZeroQuantity();
        if (to.length != ids.length || ids.length != amounts.length) revert LengthMismatch();
        for (uint256 i = 0; i < to.length; i++) {
            if (amounts[i] == 0) revert ZeroQuantity();
            _count(ids[i], amounts[i]);
        }
        for (uint256 i = 0; i < to.length; i++) {
            _mint(to[i], ids[i], amounts[i], "");
        }
    }

    function _count(uint256 id, uint256 amount) private {
        uint256 minted = _mintedOf[id];
        _requireSupply(minted, amount);
        _mintedOf[id] = minted + amount;
        // A free stage lets anybody mint any amount of a new id: the sum over all ids must not be what stops the others.
        unchecked {
            uint256 total = _totalMinted + amount;
            _totalMinted = total < amount ? type(uint256).max : total;
        }
    }

    /// By the holder or an operator the holder approved.
    function burn(address from, uint256 id, uint256 amount) external {
        _requireHolder(from);
        _burnedOf[id] += amount;
        _burn(from, id, amount);
    }

    function burnBatch(address from, uint256[] calldata ids, uint256[] calldata amounts) external {
        _requireHolder(from);
        if (ids.length != amounts.length) revert LengthMismatch();
        for (uint256 i = 0; i < ids.length; i++) {
            _burnedOf[ids[i]] += amounts[i];
        }
        _burnBatch(from, ids, amounts);
    }

    function _requireHolder(address from) private view {
        address sender = _msgSender();
        if (from != sender && !isApprovedForAll(from, sender)) revert ERC1155MissingApprovalForAll(sender, from);
    }

    /// Units of an id that exist now.
    function totalSupply(uint256 id) external view returns (uint256) {
        return _mintedOf[id] - _burnedOf[id];
    }

    /// Units of an id ever minted: what `maxSupply` bounds.
    function totalMinted(uint256 id) external view returns (uint256) {
        return _mintedOf[id];
    }

    /// The id's own URI if one was set, else baseURI; a client puts the id in place of `{id}`.
    function uri(uint256 id) public view override returns (string memory) {
        string storage own = _tokenURIs[id];
        return bytes(own).length != 0 ? own : _baseURIValue;
    }

    function setTokenURI(uint256 id, string calldata newURI) external {
        _requireUriWriter();
        _tokenURIs[id] = newURI;
        emit URI(newURI, id);
        emit MetadataUpdate(id);
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC1155Upgradeable, VitrineCollection)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }
}
