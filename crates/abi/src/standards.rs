//! The interfaces that the ERCs define, as far as a reader of any collection needs them.

use alloy::primitives::{FixedBytes, fixed_bytes};
use alloy::sol;

sol! {
    #![sol(abi, all_derives)]

    interface Erc165 {
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
    }

    /// Its events share their topics with ERC-721's, and index one word less.
    interface Erc20 {
        function name() external view returns (string);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address owner) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
    }

    interface Erc721 {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
        event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

        function name() external view returns (string);
        function symbol() external view returns (string);
        function tokenURI(uint256 tokenId) external view returns (string);
        function balanceOf(address owner) external view returns (uint256);
        function ownerOf(uint256 tokenId) external view returns (address);
        function getApproved(uint256 tokenId) external view returns (address);
        function isApprovedForAll(address owner, address operator) external view returns (bool);
        function totalSupply() external view returns (uint256);
        function approve(address to, uint256 tokenId) external;
        function setApprovalForAll(address operator, bool approved) external;
        function transferFrom(address from, address to, uint256 tokenId) external;
        function safeTransferFrom(address from, address to, uint256 tokenId) external;
    }

    /// Many tokens in one log; the range includes both ends.
    interface Erc2309 {
        event ConsecutiveTransfer(
            uint256 indexed fromTokenId,
            uint256 toTokenId,
            address indexed fromAddress,
            address indexed toAddress
        );
    }

    interface Erc1155 {
        event TransferSingle(
            address indexed operator,
            address indexed from,
            address indexed to,
            uint256 id,
            uint256 value
        );
        event TransferBatch(
            address indexed operator,
            address indexed from,
            address indexed to,
            uint256[] ids,
            uint256[] values
        );
        event ApprovalForAll(address indexed account, address indexed operator, bool approved);
        event URI(string value, uint256 indexed id);

        function uri(uint256 id) external view returns (string);
        function balanceOf(address account, uint256 id) external view returns (uint256);
        function balanceOfBatch(address[] accounts, uint256[] ids) external view returns (uint256[]);
        function isApprovedForAll(address account, address operator) external view returns (bool);
        function setApprovalForAll(address operator, bool approved) external;
        function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes data) external;
        function safeBatchTransferFrom(
            address from,
            address to,
            uint256[] ids,
            uint256[] values,
            bytes data
        ) external;
    }

    /// Royalties; asked with a price of 10,000 it answers basis points.
    interface Erc2981 {
        function royaltyInfo(uint256 tokenId, uint256 salePrice) external view returns (address receiver, uint256 amount);
    }

    /// Metadata changed; a range that ends at 2^256-1 means every token.
    interface Erc4906 {
        event MetadataUpdate(uint256 _tokenId);
        event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);
    }

    interface Erc7572 {
        event ContractURIUpdated();

        function contractURI() external view returns (string);
    }

    /// What thirdweb's contracts log in the place of ERC-7572's event.
    interface ThirdwebContractUri {
        event ContractURIUpdated(string prevURI, string newURI);
    }

    /// What others log in its place.
    interface StringContractUri {
        event ContractURIUpdated(string newURI);
    }

    /// Metadata that never changes again.
    interface PermanentUri {
        event PermanentURI(string _value, uint256 indexed _id);
    }

    /// Soulbound tokens.
    interface Erc5192 {
        event Locked(uint256 tokenId);
        event Unlocked(uint256 tokenId);
    }

    interface Erc173 {
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

        function owner() external view returns (address);
        function transferOwnership(address newOwner) external;
    }

    /// Ownership in two steps, beside ERC-173.
    interface Ownable2Step {
        event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner);
    }

    interface AccessControl {
        event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender);
        event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender);

        function hasRole(bytes32 role, address account) external view returns (bool);
    }

    interface Pausable {
        event Paused(address account);
        event Unpaused(address account);

        function paused() external view returns (bool);
    }

    /// Proxies whose implementation changes under an address.
    interface Erc1967 {
        event Upgraded(address indexed implementation);
        event AdminChanged(address previousAdmin, address newAdmin);
        event BeaconUpgraded(address indexed beacon);
    }

    interface Erc1271 {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// What `supportsInterface` is asked.
pub const ERC165_ID: FixedBytes<4> = fixed_bytes!("01ffc9a7");
/// A contract that claims this one lies about every other.
pub const NO_INTERFACE_ID: FixedBytes<4> = fixed_bytes!("ffffffff");
pub const ERC721_ID: FixedBytes<4> = fixed_bytes!("80ac58cd");
pub const ERC1155_ID: FixedBytes<4> = fixed_bytes!("d9b67a26");
pub const ERC2981_ID: FixedBytes<4> = fixed_bytes!("2a55205a");
/// ERC-721 metadata and enumeration, ERC-1155 metadata, ERC-4906, ERC-5192, ERC-4907 and ERC-173.
pub const EXTENSION_IDS: [FixedBytes<4>; 7] = [
    fixed_bytes!("5b5e139f"),
    fixed_bytes!("780e9d63"),
    fixed_bytes!("0e89341c"),
    fixed_bytes!("49064906"),
    fixed_bytes!("b45a3c0e"),
    fixed_bytes!("ad092b5c"),
    fixed_bytes!("7f5828d0"),
];
