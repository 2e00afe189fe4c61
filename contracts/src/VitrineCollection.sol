// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControlUpgradeable} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {ERC2981Upgradeable} from "@openzeppelin/contracts-upgradeable/token/common/ERC2981Upgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// A period in which anybody (or anybody on a list) may mint at one price.
struct Stage {
    /// 0 = allowlist, 1 = public.
    uint8 kind;
    /// Wei for one token; a mint sends exactly price * quantity.
    uint256 price;
    /// First second of the stage.
    uint64 startsAt;
    /// First second after the stage; 0 = open end.
    uint64 endsAt;
    /// Tokens that one wallet may mint in this stage; 0 = unlimited.
    uint256 maxPerWallet;
    /// Root over keccak256(bytes.concat(keccak256(abi.encode(wallet)))); read for an allowlist only. Zero admits nobody.
    bytes32 merkleRoot;
    /// Tokens that all wallets together may mint in this stage; 0 = unlimited.
    uint256 maxSupply;
}

/// What a creator decides when the collection is made.
struct CreateParams {
    string name;
    string symbol;
    string baseURI;
    string contractURI;
    /// Tokens ever minted (ERC-721), or units ever minted of each id (ERC-1155); 0 = unlimited. Burning frees nothing.
    uint256 maxSupply;
    address royaltyRecipient;
    uint96 royaltyBps;
    Stage[] stages;
}

/// Everything a client needs to know before it lets a wallet sign a mint.
struct MintInfo {
    /// Whether the stage's window holds now. Says nothing about `paused`.
    bool open;
    uint256 stageId;
    uint8 kind;
    uint256 price;
    uint64 startsAt;
    uint64 endsAt;
    uint256 maxPerWallet;
    bytes32 merkleRoot;
    /// What the wallet minted in this stage.
    uint256 minted;
    /// What the wallet may still mint in this stage; 2^256-1 = no limit.
    uint256 limitLeft;
    /// Tokens (ERC-721) or units of all ids (ERC-1155) ever minted.
    uint256 totalMinted;
    uint256 maxSupply;
    bool paused;
    /// What all wallets together may mint in this stage; 0 = unlimited.
    uint256 stageMaxSupply;
    /// What all wallets together minted in this stage.
    uint256 stageMinted;
}

/// What the ERC-721 and the ERC-1155 collection share: stages, royalties, roles, metadata URIs, money.
///
/// The wallet that a stage's list and limit speak of is the sender of the mint, who also pays; the recipient is free.
/// The owner always receives all three roles; roles granted to others survive a change of owner.
abstract contract VitrineCollection is
    OwnableUpgradeable,
    AccessControlUpgradeable,
    PausableUpgradeable,
    ERC2981Upgradeable
{
    bytes32 public constant MINTER_ROLE = keccak256("MINTER_ROLE");
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    uint8 internal constant ALLOWLIST = 0;
    uint8 internal constant PUBLIC = 1;
    /// A bound, so that `mintInfo` and `setStages` always fit into a call.
    uint256 public constant MAX_STAGES = 16;

    // ERC-4906
    event MetadataUpdate(uint256 _tokenId);
    event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);
    // ERC-7572
    event ContractURIUpdated();
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
    error LengthMismatch();
    error TooManyStages(uint256 count);
    error InvalidStage(uint256 index);
    error WithdrawFailed();

    /// Tokens ever minted for ERC-721; units ever minted of one id for ERC-1155. 0 = unlimited.
    uint256 public maxSupply;
    /// Tokens ever minted, or units of all ids.
    uint256 internal _totalMinted;
    string private _contractURI;
    string internal _baseURIValue;
    Stage[] private _stages;
    /// By stage index and wallet. `setStages` keeps it, so editing a stage does not hand out a second limit.
    mapping(uint256 stageId => mapping(address wallet => uint256)) private _mintedBy;
    mapping(uint256 tokenId => string) internal _tokenURIs;
    /// By stage index; kept by `setStages` like what each wallet minted.
    mapping(uint256 stageId => uint256) private _stageMinted;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    function __VitrineCollection_init(CreateParams calldata p, address creator) internal onlyInitializing {
        __Ownable_init(creator);
        __AccessControl_init();
        __Pausable_init();
        __ERC2981_init();
        maxSupply = p.maxSupply;
        _baseURIValue = p.baseURI;
        _contractURI = p.contractURI;
        if (p.royaltyRecipient != address(0) || p.royaltyBps != 0) {
            _setDefaultRoyalty(p.royaltyRecipient, p.royaltyBps);
        }
        _replaceStages(p.stages);
    }

    // ---- what a client asks before a mint

    function stages() external view returns (Stage[] memory) {
        return _stages;
    }

    function mintedBy(uint256 stageId, address wallet) external view returns (uint256) {
        return _mintedBy[stageId][wallet];
    }

    /// The open public stage if there is one (anybody may use it), else the first open allowlist stage, else
    /// `open == false` with a zero stage.
    function mintInfo(address wallet) external view returns (MintInfo memory info) {
        uint256 count = _stages.length;
        bool found;
        uint256 chosen;
        for (uint256 i = 0; i < count; i++) {
            if (!_isOpen(_stages[i])) continue;
            if (_stages[i].kind == PUBLIC) return _infoOf(i, wallet);
            if (!found) (found, chosen) = (true, i);
        }
        if (found) return _infoOf(chosen, wallet);
        info.totalMinted = _totalMinted;
        info.maxSupply = maxSupply;
        info.paused = paused();
    }

    /// The same for a stage that the client names, open or not.
    function mintInfoAt(address wallet, uint256 stageId) external view returns (MintInfo memory) {
        if (stageId >= _stages.length) revert UnknownStage(stageId);
        return _infoOf(stageId, wallet);
    }

    function _infoOf(uint256 stageId, address wallet) private view returns (MintInfo memory info) {
        Stage storage stage = _stages[stageId];
        uint256 limit = stage.maxPerWallet;
        uint256 minted = _mintedBy[stageId][wallet];
        info.open = _isOpen(stage);
        info.stageId = stageId;
        info.kind = stage.kind;
        info.price = stage.price;
        info.startsAt = stage.startsAt;
        info.endsAt = stage.endsAt;
        info.maxPerWallet = limit;
        info.merkleRoot = stage.merkleRoot;
        info.minted = minted;
        info.limitLeft = limit == 0 ? type(uint256).max : (minted < limit ? limit - minted : 0);
        info.totalMinted = _totalMinted;
        info.maxSupply = maxSupply;
        info.paused = paused();
        info.stageMaxSupply = stage.maxSupply;
        info.stageMinted = _stageMinted[stageId];
    }

    function _isOpen(Stage storage stage) private view returns (bool) {
        uint64 endsAt = stage.endsAt;
        return block.timestamp >= stage.startsAt && (endsAt == 0 || block.timestamp < endsAt);
    }

    // ---- the rules of a paid mint

    /// Checks the stage, the list, both limits and the payment, and takes `quantity` from the sender's and the stage's.
    /// Every effect is in storage before the caller's token reaches anybody.
    function _admit(uint256 stageId, uint256 quantity, bytes32[] calldata proof) internal {
        if (quantity == 0) revert ZeroQuantity();
        if (stageId >= _stages.length) revert UnknownStage(stageId);
        Stage storage stage = _stages[stageId];
        if (!_isOpen(stage)) revert MintNotOpen(stageId);
        address wallet = _msgSender();
        if (stage.kind == ALLOWLIST) {
            bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(wallet))));
            if (!MerkleProof.verifyCalldata(proof, stage.merkleRoot, leaf)) revert NotAllowlisted(wallet);
        }
        uint256 limit = stage.maxPerWallet;
        uint256 minted = _mintedBy[stageId][wallet];
        if (limit != 0 && (minted >= limit || quantity > limit - minted)) revert LimitReached(limit, minted);
        uint256 stageLimit = stage.maxSupply;
        uint256 stageMinted = _stageMinted[stageId];
        if (stageLimit != 0 && (stageMinted >= stageLimit || quantity > stageLimit - stageMinted)) {
            revert StageSoldOut(stageLimit, stageMinted);
        }
        uint256 expected = stage.price * quantity;
        if (msg.value != expected) revert WrongPayment(expected, msg.value);
        _mintedBy[stageId][wallet] = minted + quantity;
        // In a free unlimited stage one wallet may take any amount: the sum must not be what stops the others.
        unchecked {
            uint256 sum = stageMinted + quantity;
            _stageMinted[stageId] = sum < stageMinted ? type(uint256).max : sum;
        }
    }

    /// Whether `quantity` more fit over `minted`.
    function _requireSupply(uint256 minted, uint256 quantity) internal view {
        uint256 max = maxSupply;
        if (max != 0 && (minted >= max || quantity > max - minted)) revert SoldOut(max, minted);
    }

    // ---- what the owner changes

    /// Replaces every stage. Indices keep what each wallet, and all of them together, minted under them.
    function setStages(Stage[] calldata newStages) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _replaceStages(newStages);
    }

    function _replaceStages(Stage[] calldata newStages) private {
        uint256 count = newStages.length;
        if (count > MAX_STAGES) revert TooManyStages(count);
        delete _stages;
        for (uint256 i = 0; i < count; i++) {
            Stage calldata stage = newStages[i];
            if (stage.kind > PUBLIC || (stage.endsAt != 0 && stage.endsAt <= stage.startsAt)) revert InvalidStage(i);
            _stages.push(stage);
            emit StageUpdated(uint8(i), stage.price);
        }
    }

    function contractURI() external view returns (string memory) {
        return _contractURI;
    }

    function setContractURI(string calldata newURI) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _contractURI = newURI;
        emit ContractURIUpdated();
    }

    function baseURI() external view returns (string memory) {
        return _baseURIValue;
    }

    /// The range of the event is every id there is, which ERC-4906 lets readers take for "all tokens".
    function setBaseURI(string calldata newURI) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _baseURIValue = newURI;
        emit BatchMetadataUpdate(0, type(uint256).max);
    }

    function setDefaultRoyalty(address recipient, uint96 bps) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setDefaultRoyalty(recipient, bps);
    }

    /// Stops every mint; transfers and burns go on.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    function withdraw(address payable to) external onlyRole(DEFAULT_ADMIN_ROLE) {
        // Zero would burn the takings for ever.
        if (to == address(0)) revert WithdrawFailed();
        uint256 amount = address(this).balance;
        emit Withdrawn(to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert WithdrawFailed();
    }

    /// Per-token URIs may be written by who mints or who administers.
    function _requireUriWriter() internal view {
        if (!hasRole(DEFAULT_ADMIN_ROLE, _msgSender())) _checkRole(MINTER_ROLE);
    }

    /// A new owner takes the three roles over from the old one, so that `owner()` never shows somebody without power.
    function _transferOwnership(address newOwner) internal override {
        address oldOwner = owner();
        if (oldOwner != address(0)) {
            _revokeRole(DEFAULT_ADMIN_ROLE, oldOwner);
            _revokeRole(MINTER_ROLE, oldOwner);
            _revokeRole(PAUSER_ROLE, oldOwner);
        }
        if (newOwner != address(0)) {
            _grantRole(DEFAULT_ADMIN_ROLE, newOwner);
            _grantRole(MINTER_ROLE, newOwner);
            _grantRole(PAUSER_ROLE, newOwner);
        }
        super._transferOwnership(newOwner);
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        virtual
        override(AccessControlUpgradeable, ERC2981Upgradeable)
        returns (bool)
    {
        // 0x49064906 is ERC-4906's by decree; 0x7f5828d0 is ERC-173, whose two functions Ownable has.
        return interfaceId == 0x49064906 || interfaceId == 0x7f5828d0 || super.supportsInterface(interfaceId);
    }
}
