// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {CreateParams} from "./VitrineCollection.sol";
import {VitrineERC1155} from "./VitrineERC1155.sol";
import {VitrineERC721} from "./VitrineERC721.sol";

/// Makes collections as deterministic EIP-1167 clones, owned by whoever calls.
///
/// The intent id is in the calldata; the event carries keccak256(abi.encode(creator, intentId)) as `salt`, so that who
/// stored the salt finds the intent of a transaction whose hash nobody reported, and nobody else can take its address.
contract VitrineFactory {
    uint8 private constant ERC721 = 0;
    uint8 private constant ERC1155 = 1;

    address public immutable erc721Implementation;
    address public immutable erc1155Implementation;

    /// standard: 0 = ERC-721, 1 = ERC-1155.
    event CollectionCreated(
        address indexed collection,
        address indexed creator,
        bytes32 indexed salt,
        uint8 standard,
        string name,
        string symbol,
        string contractURI,
        uint256 maxSupply,
        address royaltyRecipient,
        uint96 royaltyBps
    );

    error NoCode(address implementation);

    constructor(address erc721, address erc1155) {
        if (erc721.code.length == 0) revert NoCode(erc721);
        if (erc1155.code.length == 0) revert NoCode(erc1155);
        erc721Implementation = erc721;
        erc1155Implementation = erc1155;
    }

    function createERC721Collection(CreateParams calldata p, bytes32 intentId) external returns (address collection) {
        bytes32 salt = saltOf(msg.sender, intentId);
        collection = Clones.cloneDeterministic(erc721Implementation, salt);
        _announce(collection, salt, ERC721, p);
        VitrineERC721(collection).initialize(p, msg.sender);
    }

    function createERC1155Collection(CreateParams calldata p, bytes32 intentId) external returns (address collection) {
        bytes32 salt = saltOf(msg.sender, intentId);
        collection = Clones.cloneDeterministic(erc1155Implementation, salt);
        _announce(collection, salt, ERC1155, p);
        VitrineERC1155(collection).initialize(p, msg.sender);
    }

    function predictCollection(address creator, bytes32 intentId, bool erc1155) external view returns (address) {
        address implementation = erc1155 ? erc1155Implementation : erc721Implementation;
        return Clones.predictDeterministicAddress(implementation, saltOf(creator, intentId));
    }

    function saltOf(address creator, bytes32 intentId) public pure returns (bytes32) {
        return keccak256(abi.encode(creator, intentId));
    }

    /// Comes before the collection's own events, so that a reader knows the collection when it meets them.
    function _announce(address collection, bytes32 salt, uint8 standard, CreateParams calldata p) private {
        emit CollectionCreated(
            collection,
            msg.sender,
            salt,
            standard,
            p.name,
            p.symbol,
            p.contractURI,
            p.maxSupply,
            p.royaltyRecipient,
            p.royaltyBps
        );
    }
}
