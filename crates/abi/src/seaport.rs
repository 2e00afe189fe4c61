//! Seaport 1.6, the exchange that orders are signed for, as far as orders are made, filled and cancelled here; and the
//! wrapped native currency. The names of the structs' fields are what EIP-712 hashes: they are Seaport's own.

use alloy::sol;

sol! {
    #![sol(abi, all_derives)]

    struct OfferItem {
        uint8 itemType;
        address token;
        uint256 identifierOrCriteria;
        uint256 startAmount;
        uint256 endAmount;
    }

    struct ConsiderationItem {
        uint8 itemType;
        address token;
        uint256 identifierOrCriteria;
        uint256 startAmount;
        uint256 endAmount;
        address recipient;
    }

    /// What a maker signs; its EIP-712 hash is the order's hash.
    struct OrderComponents {
        address offerer;
        address zone;
        OfferItem[] offer;
        ConsiderationItem[] consideration;
        uint8 orderType;
        uint256 startTime;
        uint256 endTime;
        bytes32 zoneHash;
        uint256 salt;
        bytes32 conduitKey;
        uint256 counter;
    }

    /// The same for the contract, which knows the counter itself.
    struct OrderParameters {
        address offerer;
        address zone;
        OfferItem[] offer;
        ConsiderationItem[] consideration;
        uint8 orderType;
        uint256 startTime;
        uint256 endTime;
        bytes32 zoneHash;
        uint256 salt;
        bytes32 conduitKey;
        uint256 totalOriginalConsiderationItems;
    }

    struct Order {
        OrderParameters parameters;
        bytes signature;
    }

    /// An order of which `numerator / denominator` is filled.
    struct AdvancedOrder {
        OrderParameters parameters;
        uint120 numerator;
        uint120 denominator;
        bytes signature;
        bytes extraData;
    }

    /// Which token stands for "any token".
    struct CriteriaResolver {
        uint256 orderIndex;
        uint8 side;
        uint256 index;
        uint256 identifier;
        bytes32[] criteriaProof;
    }

    struct FulfillmentComponent {
        uint256 orderIndex;
        uint256 itemIndex;
    }

    /// What is offered here goes to whoever wants it there.
    struct Fulfillment {
        FulfillmentComponent[] offerComponents;
        FulfillmentComponent[] considerationComponents;
    }

    struct SpentItem {
        uint8 itemType;
        address token;
        uint256 identifier;
        uint256 amount;
    }

    struct ReceivedItem {
        uint8 itemType;
        address token;
        uint256 identifier;
        uint256 amount;
        address recipient;
    }

    struct Execution {
        ReceivedItem item;
        address offerer;
        bytes32 conduitKey;
    }

    interface Seaport {
        event OrderFulfilled(
            bytes32 orderHash,
            address indexed offerer,
            address indexed zone,
            address recipient,
            SpentItem[] offer,
            ReceivedItem[] consideration
        );
        event OrderCancelled(bytes32 orderHash, address indexed offerer, address indexed zone);
        event OrderValidated(bytes32 orderHash, OrderParameters orderParameters);
        event CounterIncremented(uint256 newCounter, address indexed offerer);
        event OrdersMatched(bytes32[] orderHashes);

        error BadContractSignature();
        error BadFraction();
        error BadReturnValueFromERC20OnTransfer(address token, address from, address to, uint256 amount);
        error BadSignatureV(uint8 v);
        error CannotCancelOrder();
        error ConsiderationNotMet(uint256 orderIndex, uint256 considerationIndex, uint256 shortfallAmount);
        error InexactFraction();
        error InsufficientNativeTokensSupplied();
        error InvalidERC721TransferAmount(uint256 amount);
        error InvalidMsgValue(uint256 value);
        error InvalidSignature();
        error InvalidSigner();
        error InvalidTime(uint256 startTime, uint256 endTime);
        error MissingItemAmount();
        error NativeTokenTransferGenericFailure(address account, uint256 amount);
        error NoContract(address account);
        error NoReentrantCalls();
        error NoSpecifiedOrdersAvailable();
        error OrderAlreadyFilled(bytes32 orderHash);
        error OrderIsCancelled(bytes32 orderHash);
        error OrderPartiallyFilled(bytes32 orderHash);
        error PartialFillsNotEnabledForOrder();
        error TokenTransferGenericFailure(address token, address from, address to, uint256 identifier, uint256 amount);

        function cancel(OrderComponents[] orders) external returns (bool cancelled);
        function fulfillOrder(Order order, bytes32 fulfillerConduitKey) external payable returns (bool fulfilled);
        function fulfillAdvancedOrder(
            AdvancedOrder advancedOrder,
            CriteriaResolver[] criteriaResolvers,
            bytes32 fulfillerConduitKey,
            address recipient
        ) external payable returns (bool fulfilled);
        function matchAdvancedOrders(
            AdvancedOrder[] orders,
            CriteriaResolver[] criteriaResolvers,
            Fulfillment[] fulfillments,
            address recipient
        ) external payable returns (Execution[] executions);
        function validate(Order[] orders) external returns (bool validated);
        function incrementCounter() external returns (uint256 newCounter);

        function getCounter(address offerer) external view returns (uint256 counter);
        function getOrderHash(OrderComponents order) external view returns (bytes32 orderHash);
        function getOrderStatus(bytes32 orderHash) external view returns (
            bool isValidated,
            bool isCancelled,
            uint256 totalFilled,
            uint256 totalSize
        );
        function information() external view returns (
            string version,
            bytes32 domainSeparator,
            address conduitController
        );
    }

    /// What `contracts/src/WrappedEther.sol` has beyond ERC-20, and what WETH9 has everywhere.
    interface WrappedNative {
        event Deposit(address indexed dst, uint256 wad);
        event Withdrawal(address indexed src, uint256 wad);

        function deposit() external payable;
        function withdraw(uint256 wad) external;
    }
}

/// The `itemType`s of Seaport.
pub mod item {
    pub const NATIVE: u8 = 0;
    pub const ERC20: u8 = 1;
    pub const ERC721: u8 = 2;
    pub const ERC1155: u8 = 3;
    /// Any token that the criteria name; criteria 0 name every token.
    pub const ERC721_WITH_CRITERIA: u8 = 4;
    pub const ERC1155_WITH_CRITERIA: u8 = 5;
}

/// An order that is filled whole.
pub const FULL_OPEN: u8 = 0;
/// An order that may be filled in parts.
pub const PARTIAL_OPEN: u8 = 1;
/// The side of a criteria resolver.
pub const SIDE_CONSIDERATION: u8 = 1;
/// The EIP-712 domain of Seaport.
pub const DOMAIN_NAME: &str = "Seaport";
pub const DOMAIN_VERSION: &str = "1.6";
