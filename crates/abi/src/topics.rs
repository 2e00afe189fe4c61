//! The first topic of every event that this crate knows. The number of topics tells apart what shares one:
//! `Transfer` has four for ERC-721 and three for ERC-20.

use alloy::primitives::B256;
use alloy::sol_types::SolEvent;

use crate::launchpad::{VitrineCollection, VitrineFactory};
use crate::predecessor::PredecessorFactory;
use crate::seaport::{Seaport, WrappedNative};
use crate::standards::{
    AccessControl, Erc173, Erc721, Erc1155, Erc1967, Erc2309, Erc4906, Erc5192, Erc7572, Ownable2Step,
    Pausable, PermanentUri, StringContractUri, ThirdwebContractUri,
};

pub const COLLECTION_CREATED: B256 = VitrineFactory::CollectionCreated::SIGNATURE_HASH;
pub const STAGE_UPDATED: B256 = VitrineCollection::StageUpdated::SIGNATURE_HASH;
pub const WITHDRAWN: B256 = VitrineCollection::Withdrawn::SIGNATURE_HASH;

pub const ERC721_COLLECTION_CREATED: B256 = PredecessorFactory::ERC721CollectionCreated::SIGNATURE_HASH;
pub const ERC1155_COLLECTION_CREATED: B256 = PredecessorFactory::ERC1155CollectionCreated::SIGNATURE_HASH;
pub const IMPLEMENTATION_DEPLOYED: B256 = PredecessorFactory::ImplementationDeployed::SIGNATURE_HASH;

pub const TRANSFER: B256 = Erc721::Transfer::SIGNATURE_HASH;
pub const APPROVAL: B256 = Erc721::Approval::SIGNATURE_HASH;
pub const APPROVAL_FOR_ALL: B256 = Erc721::ApprovalForAll::SIGNATURE_HASH;
pub const CONSECUTIVE_TRANSFER: B256 = Erc2309::ConsecutiveTransfer::SIGNATURE_HASH;
pub const TRANSFER_SINGLE: B256 = Erc1155::TransferSingle::SIGNATURE_HASH;
pub const TRANSFER_BATCH: B256 = Erc1155::TransferBatch::SIGNATURE_HASH;
pub const URI: B256 = Erc1155::URI::SIGNATURE_HASH;
pub const METADATA_UPDATE: B256 = Erc4906::MetadataUpdate::SIGNATURE_HASH;
pub const BATCH_METADATA_UPDATE: B256 = Erc4906::BatchMetadataUpdate::SIGNATURE_HASH;
pub const CONTRACT_URI_UPDATED: B256 = Erc7572::ContractURIUpdated::SIGNATURE_HASH;
pub const THIRDWEB_CONTRACT_URI_UPDATED: B256 = ThirdwebContractUri::ContractURIUpdated::SIGNATURE_HASH;
pub const STRING_CONTRACT_URI_UPDATED: B256 = StringContractUri::ContractURIUpdated::SIGNATURE_HASH;
pub const PERMANENT_URI: B256 = PermanentUri::PermanentURI::SIGNATURE_HASH;
pub const LOCKED: B256 = Erc5192::Locked::SIGNATURE_HASH;
pub const UNLOCKED: B256 = Erc5192::Unlocked::SIGNATURE_HASH;
pub const OWNERSHIP_TRANSFERRED: B256 = Erc173::OwnershipTransferred::SIGNATURE_HASH;
pub const OWNERSHIP_TRANSFER_STARTED: B256 = Ownable2Step::OwnershipTransferStarted::SIGNATURE_HASH;
pub const ROLE_GRANTED: B256 = AccessControl::RoleGranted::SIGNATURE_HASH;
pub const ROLE_REVOKED: B256 = AccessControl::RoleRevoked::SIGNATURE_HASH;
pub const PAUSED: B256 = Pausable::Paused::SIGNATURE_HASH;
pub const UNPAUSED: B256 = Pausable::Unpaused::SIGNATURE_HASH;
pub const UPGRADED: B256 = Erc1967::Upgraded::SIGNATURE_HASH;
pub const ADMIN_CHANGED: B256 = Erc1967::AdminChanged::SIGNATURE_HASH;
pub const BEACON_UPGRADED: B256 = Erc1967::BeaconUpgraded::SIGNATURE_HASH;

pub const ORDER_FULFILLED: B256 = Seaport::OrderFulfilled::SIGNATURE_HASH;
pub const ORDER_CANCELLED: B256 = Seaport::OrderCancelled::SIGNATURE_HASH;
pub const ORDER_VALIDATED: B256 = Seaport::OrderValidated::SIGNATURE_HASH;
pub const ORDERS_MATCHED: B256 = Seaport::OrdersMatched::SIGNATURE_HASH;
pub const COUNTER_INCREMENTED: B256 = Seaport::CounterIncremented::SIGNATURE_HASH;
pub const DEPOSIT: B256 = WrappedNative::Deposit::SIGNATURE_HASH;
pub const WITHDRAWAL: B256 = WrappedNative::Withdrawal::SIGNATURE_HASH;
