//! The factory and the collections of `contracts/`: the same names, the same order, held to the compiled ABI by a test.
//!
//! The standard part of a collection (transfers, balances, royalties, roles) is in [`crate::standards`].

#![expect(
    clippy::too_many_arguments,
    reason = "the macro writes a function with one argument a field of an event"
)]

use alloy::primitives::{Address, B256, keccak256};
use alloy::sol;
use alloy::sol_types::SolValue;

/// `standard` of [`VitrineFactory::CollectionCreated`].
pub const STANDARD_ERC721: u8 = 0;
/// `standard` of [`VitrineFactory::CollectionCreated`].
pub const STANDARD_ERC1155: u8 = 1;
/// `kind` of a [`Stage`].
pub const STAGE_ALLOWLIST: u8 = 0;
/// `kind` of a [`Stage`].
pub const STAGE_PUBLIC: u8 = 1;
/// The factory refuses more stages.
pub const MAX_STAGES: usize = 16;
/// `mintWithURIs` refuses more of them.
pub const MAX_URIS: usize = 200;

sol! {
    #![sol(abi, all_derives)]

    /// A period in which anybody (or anybody on a list) may mint at one price; see the Solidity source.
    struct Stage {
        uint8 kind;
        uint256 price;
        uint64 startsAt;
        uint64 endsAt;
        uint256 maxPerWallet;
        bytes32 merkleRoot;
        uint256 maxSupply;
    }

    /// What a creator decides when the collection is made.
    struct CreateParams {
        string name;
        string symbol;
        string baseURI;
        string contractURI;
        uint256 maxSupply;
        address royaltyRecipient;
        uint96 royaltyBps;
        Stage[] stages;
    }

    /// Everything a client needs to know before it lets a wallet sign a mint.
    struct MintInfo {
        bool open;
        uint256 stageId;
        uint8 kind;
        uint256 price;
        uint64 startsAt;
        uint64 endsAt;
        uint256 maxPerWallet;
        bytes32 merkleRoot;
        uint256 minted;
        uint256 limitLeft;
        uint256 totalMinted;
        uint256 maxSupply;
        bool paused;
        uint256 stageMaxSupply;
        uint256 stageMinted;
    }

    interface VitrineFactory {
        /// `salt` is [`salt`] of the creator and the intent, `standard` 0 for ERC-721 and 1 for ERC-1155.
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
        /// The clone exists: this creator used this intent before.
        error FailedDeployment();

        constructor(address erc721, address erc1155);
        function createERC721Collection(CreateParams p, bytes32 intentId) external returns (address collection);
        function createERC1155Collection(CreateParams p, bytes32 intentId) external returns (address collection);
        function predictCollection(address creator, bytes32 intentId, bool erc1155) external view returns (address);
        function saltOf(address creator, bytes32 intentId) external pure returns (bytes32);
        function erc721Implementation() external view returns (address);
        function erc1155Implementation() external view returns (address);
    }

    /// What both kinds of collection have, and every error that a mint at either may revert with.
    interface VitrineCollection {
        event StageUpdated(uint8 index, uint256 price);
        event Withdrawn(address indexed to, uint256 amount);

        error UnknownStage(uint256 stageId);
        error MintNotOpen(uint256 stageId);
        error NotAllowlisted(address wallet);
        error LimitReached(uint256 maxPerWallet, uint256 minted);
        error SoldOut(uint256 maxSupply, uint256 minted);
        error StageSoldOut(uint256 maxSupply, uint256 minted);
        error WrongPayment(uint256 expected, uint256 sent);
        error ZeroQuantity();
        error TooManyURIs(uint256 count);
        error LengthMismatch();
        error TooManyStages(uint256 count);
        error InvalidStage(uint256 index);
        error WithdrawFailed();
        error EnforcedPause();
        error ExpectedPause();
        error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);
        error OwnableUnauthorizedAccount(address account);
        error ERC2981InvalidDefaultRoyalty(uint256 numerator, uint256 denominator);
        error ERC2981InvalidDefaultRoyaltyReceiver(address receiver);
        error ERC721InvalidReceiver(address receiver);
        error ERC721NonexistentToken(uint256 tokenId);
        error ERC721InsufficientApproval(address operator, uint256 tokenId);
        error ERC1155InvalidReceiver(address receiver);
        error ERC1155InsufficientBalance(address sender, uint256 balance, uint256 needed, uint256 tokenId);
        error ERC1155MissingApprovalForAll(address operator, address owner);

        function name() external view returns (string);
        function symbol() external view returns (string);
        function owner() external view returns (address);
        function maxSupply() external view returns (uint256);
        function baseURI() external view returns (string);
        function contractURI() external view returns (string);
        function stages() external view returns (Stage[]);
        function mintedBy(uint256 stageId, address wallet) external view returns (uint256);
        function mintInfo(address wallet) external view returns (MintInfo info);
        function mintInfoAt(address wallet, uint256 stageId) external view returns (MintInfo);
        function setStages(Stage[] newStages) external;
        function setBaseURI(string newURI) external;
        function setContractURI(string newURI) external;
        function setTokenURI(uint256 tokenId, string newURI) external;
        function setDefaultRoyalty(address recipient, uint96 bps) external;
        function pause() external;
        function unpause() external;
        function withdraw(address to) external;
        function MINTER_ROLE() external view returns (bytes32);
        function PAUSER_ROLE() external view returns (bytes32);
        function DEFAULT_ADMIN_ROLE() external view returns (bytes32);
    }

    interface VitrineERC721 {
        function mint(address to, uint256 quantity, uint256 stageId, bytes32[] proof) external payable;
        function mintBatchTo(address[] to) external;
        function mintWithURIs(address to, string[] uris) external;
        function MAX_URIS() external view returns (uint256);
        function burn(uint256 tokenId) external;
        function totalSupply() external view returns (uint256);
        function tokenURI(uint256 tokenId) external view returns (string);
    }

    interface VitrineERC1155 {
        function mint(address to, uint256 id, uint256 amount, uint256 stageId, bytes32[] proof) external payable;
        function mintBatch(
            address to,
            uint256[] ids,
            uint256[] amounts,
            uint256 stageId,
            bytes32[] proof
        ) external payable;
        function mintBatchTo(address[] to, uint256[] ids, uint256[] amounts) external;
        function burn(address from, uint256 id, uint256 amount) external;
        function burnBatch(address from, uint256[] ids, uint256[] amounts) external;
        function totalSupply(uint256 id) external view returns (uint256);
        function totalMinted(uint256 id) external view returns (uint256);
        function uri(uint256 id) external view returns (string);
    }

    /// A foreign collection with a public mint, for tests.
    interface PlainERC721 {
        constructor(string name_, string symbol_);
        function mint(address to) external returns (uint256 tokenId);
        function totalMinted() external view returns (uint256);
    }
}

/// The factory's salt of an intent: part of the clone's address, and what `CollectionCreated` tells of the intent.
pub fn salt(creator: Address, intent_id: B256) -> B256 {
    keccak256((creator, intent_id).abi_encode())
}
