//! The topics against values that were computed elsewhere.

use abi::topics::*;
use alloy::primitives::{B256, keccak256};

#[test]
fn topics_are_the_values_that_are_seen_on_public_chains() {
    let known: [(B256, &str, &str); 30] = [
        (
            TRANSFER,
            "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            "Transfer(address,address,uint256)",
        ),
        (
            TRANSFER_SINGLE,
            "c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62",
            "TransferSingle(address,address,address,uint256,uint256)",
        ),
        (
            TRANSFER_BATCH,
            "4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb",
            "TransferBatch(address,address,address,uint256[],uint256[])",
        ),
        (URI, "6bb7ff708619ba0610cba295a58592e0451dee2622938c8755667688daf3529b", "URI(string,uint256)"),
        (
            CONSECUTIVE_TRANSFER,
            "deaa91b6123d068f5821d0fb0678463d1a8a6079fe8af5de3ce5e896dcf9133d",
            "ConsecutiveTransfer(uint256,uint256,address,address)",
        ),
        (
            APPROVAL,
            "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
            "Approval(address,address,uint256)",
        ),
        (
            APPROVAL_FOR_ALL,
            "17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31",
            "ApprovalForAll(address,address,bool)",
        ),
        (
            METADATA_UPDATE,
            "f8e1a15aba9398e019f0b49df1a4fde98ee17ae345cb5f6b5e2c27f5033e8ce7",
            "MetadataUpdate(uint256)",
        ),
        (
            BATCH_METADATA_UPDATE,
            "6bd5c950a8d8df17f772f5af37cb3655737899cbf903264b9795592da439661c",
            "BatchMetadataUpdate(uint256,uint256)",
        ),
        (
            CONTRACT_URI_UPDATED,
            "a5d4097edda6d87cb9329af83fb3712ef77eeb13738ffe43cc35a4ce305ad962",
            "ContractURIUpdated()",
        ),
        (
            THIRDWEB_CONTRACT_URI_UPDATED,
            "c9c7c3fe08b88b4df9d4d47ef47d2c43d55c025a0ba88ca442580ed9e7348a16",
            "ContractURIUpdated(string,string)",
        ),
        (
            OWNERSHIP_TRANSFERRED,
            "8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0",
            "OwnershipTransferred(address,address)",
        ),
        (
            OWNERSHIP_TRANSFER_STARTED,
            "38d16b8cac22d99fc7c124b9cd0de2d3fa1faef420bfe791d8c362d765e22700",
            "OwnershipTransferStarted(address,address)",
        ),
        (
            PERMANENT_URI,
            "a109ba539900bf1b633f956d63c96fc89b814c7287f7aa50a9216d0b55657207",
            "PermanentURI(string,uint256)",
        ),
        (
            ORDERS_MATCHED,
            "4b9f2d36e1b4c93de62cc077b00b1a91d84b6c31b4a14e012718dcca230689e7",
            "OrdersMatched(bytes32[])",
        ),
        (
            DEPOSIT,
            "e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c",
            "Deposit(address,uint256)",
        ),
        (
            WITHDRAWAL,
            "7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65",
            "Withdrawal(address,uint256)",
        ),
        (
            ROLE_GRANTED,
            "2f8788117e7eff1d82e926ec794901d17c78024a50270940304540a733656f0d",
            "RoleGranted(bytes32,address,address)",
        ),
        (
            ROLE_REVOKED,
            "f6391f5c32d9c69d2a47ea670b442974b53935d1edc7fd64eb21e047a839171b",
            "RoleRevoked(bytes32,address,address)",
        ),
        (UPGRADED, "bc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b", "Upgraded(address)"),
        (
            ADMIN_CHANGED,
            "7e644d79422f17c01e4894b5f4f588d331ebfa28653d42ae832dc59e38c9798f",
            "AdminChanged(address,address)",
        ),
        (
            BEACON_UPGRADED,
            "1cf3b03a6cf19fa2baba4df148e9dcabedea7f8a5c07840e207e5c089be95d3e",
            "BeaconUpgraded(address)",
        ),
        (PAUSED, "62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258", "Paused(address)"),
        (UNPAUSED, "5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa", "Unpaused(address)"),
        (LOCKED, "032bc66be43dbccb7487781d168eb7bda224628a3b2c3388bdf69b532a3a1611", "Locked(uint256)"),
        (UNLOCKED, "f27b6ce5b2f5e68ddb2fd95a8a909d4ecf1daaac270935fff052feacb24f1842", "Unlocked(uint256)"),
        (
            ERC721_COLLECTION_CREATED,
            "377ed24080182038060fc1a37945d17d0e9eea8fe03571594bf5813ecb7e710b",
            "ERC721CollectionCreated(address,address)",
        ),
        (
            ERC1155_COLLECTION_CREATED,
            "4ebab407865d916989eddb5b77e25682cf754987126527327811df2d30ea456f",
            "ERC1155CollectionCreated(address,address)",
        ),
        (
            IMPLEMENTATION_DEPLOYED,
            "c86adeccdfd5b96c99a63be33cf8547313ccd17729b48f0572a9fa0cd23ff710",
            "ImplementationDeployed(address)",
        ),
        (
            STAGE_UPDATED,
            "5d5f43e2ea4473dc52ad8846c20d237f20238a8c304e2a3684e4bac491aa619e",
            "StageUpdated(uint8,uint256)",
        ),
    ];
    for (topic, value, signature) in known {
        assert_eq!(hex::encode(topic), value, "{signature}");
        assert_eq!(topic, keccak256(signature), "{signature}");
    }
}

#[test]
fn our_factory_event_is_not_the_predecessors_of_the_same_name() {
    let predecessors = keccak256("CollectionCreated(address,address,string,string,uint256)");
    assert_ne!(COLLECTION_CREATED, predecessors);
    let ours = "CollectionCreated(address,address,bytes32,uint8,string,string,string,uint256,address,uint96)";
    assert_eq!(COLLECTION_CREATED, keccak256(ours));
}

#[test]
fn an_event_with_one_text_is_not_the_one_of_the_same_name_with_two_or_none() {
    assert_eq!(STRING_CONTRACT_URI_UPDATED, keccak256("ContractURIUpdated(string)"));
    assert_eq!(WITHDRAWN, keccak256("Withdrawn(address,uint256)"));
    assert!(![CONTRACT_URI_UPDATED, THIRDWEB_CONTRACT_URI_UPDATED].contains(&STRING_CONTRACT_URI_UPDATED));
}

#[test]
fn the_exchanges_events_are_those_of_every_public_chain() {
    for (topic, value) in [
        (ORDER_FULFILLED, "9d9af8e38d66c62e2c12f0225249fd9d721c54b83f48d9352c97c6cacdcb6f31"),
        (ORDER_CANCELLED, "6bacc01dbe442496068f7d234edd811f1a5f833243e0aec824f86ab861f3c90d"),
        (ORDER_VALIDATED, "f280791efe782edcf06ce15c8f4dff17601db3b88eb3805a0db7d77faf757f04"),
        (COUNTER_INCREMENTED, "721c20121297512b72821b97f5326877ea8ecf4bb9948fea5bfcb6453074d37f"),
    ] {
        assert_eq!(format!("{topic:x}"), value);
    }
}
