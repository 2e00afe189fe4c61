//! Why a call reverts, in the API's codes and in words.

use std::{collections::HashMap, sync::LazyLock};

use abi::launchpad::{
    VitrineCollection::VitrineCollectionErrors as Collection, VitrineFactory::VitrineFactoryErrors as Factory,
};
use alloy::{
    dyn_abi::{DynSolValue, JsonAbiExt},
    json_abi,
    primitives::{Bytes, Selector},
    sol_types::{Panic, Revert, SolError, SolInterface},
};

use crate::model::Problem;

/// Of a text that a contract chose.
const TEXT_MAX: usize = 256;
/// Of the bytes of an error that nobody knows.
const SHOWN_MAX: usize = 68;

/// Errors that any contract may end with: what it is for the API, in words, and as Solidity declares it.
const DECLARED: &[(&str, &str, &str)] = &[
    // ERC-6093: tokens.
    (
        "INSUFFICIENT_BALANCE",
        "the balance is too small",
        "ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
    ),
    (
        "NOT_APPROVED",
        "the allowance is too small",
        "ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)",
    ),
    ("TX_WILL_FAIL", "", "ERC20InvalidSender(address sender)"),
    ("TX_WILL_FAIL", "", "ERC20InvalidReceiver(address receiver)"),
    ("TX_WILL_FAIL", "", "ERC20InvalidApprover(address approver)"),
    ("TX_WILL_FAIL", "", "ERC20InvalidSpender(address spender)"),
    ("TX_WILL_FAIL", "", "ERC721InvalidOwner(address owner)"),
    ("TX_WILL_FAIL", "there is no such token", "ERC721NonexistentToken(uint256 tokenId)"),
    (
        "NOT_OWNER",
        "the token belongs to somebody else",
        "ERC721IncorrectOwner(address sender, uint256 tokenId, address owner)",
    ),
    ("TX_WILL_FAIL", "", "ERC721InvalidSender(address sender)"),
    (
        "TX_WILL_FAIL",
        "the recipient is a contract that takes no tokens",
        "ERC721InvalidReceiver(address receiver)",
    ),
    (
        "NOT_APPROVED",
        "the token is not approved",
        "ERC721InsufficientApproval(address operator, uint256 tokenId)",
    ),
    ("NOT_OWNER", "only the token's owner may approve", "ERC721InvalidApprover(address approver)"),
    ("TX_WILL_FAIL", "", "ERC721InvalidOperator(address operator)"),
    (
        "NOT_OWNER",
        "the wallet holds too few",
        "ERC1155InsufficientBalance(address sender, uint256 balance, uint256 needed, uint256 tokenId)",
    ),
    ("TX_WILL_FAIL", "", "ERC1155InvalidSender(address sender)"),
    (
        "TX_WILL_FAIL",
        "the recipient is a contract that takes no tokens",
        "ERC1155InvalidReceiver(address receiver)",
    ),
    (
        "NOT_APPROVED",
        "the tokens are not approved",
        "ERC1155MissingApprovalForAll(address operator, address owner)",
    ),
    ("TX_WILL_FAIL", "", "ERC1155InvalidApprover(address approver)"),
    ("TX_WILL_FAIL", "", "ERC1155InvalidOperator(address operator)"),
    ("TX_WILL_FAIL", "", "ERC1155InvalidArrayLength(uint256 idsLength, uint256 valuesLength)"),
    // OpenZeppelin's others.
    ("NOT_OWNER", "the wallet is not the owner", "OwnableUnauthorizedAccount(address account)"),
    (
        "NOT_OWNER",
        "the wallet lacks the role",
        "AccessControlUnauthorizedAccount(address account, bytes32 neededRole)",
    ),
    ("TX_WILL_FAIL", "the contract is paused", "EnforcedPause()"),
    ("TX_WILL_FAIL", "", "ReentrancyGuardReentrantCall()"),
    ("TX_WILL_FAIL", "", "SafeERC20FailedOperation(address token)"),
    ("TX_WILL_FAIL", "", "AddressEmptyCode(address target)"),
    ("TX_WILL_FAIL", "", "FailedCall()"),
    ("TX_WILL_FAIL", "", "InsufficientBalance(uint256 balance, uint256 needed)"),
    // Seaport 1.6.
    ("ORDER_FILLED", "the order is filled", "OrderAlreadyFilled(bytes32 orderHash)"),
    ("ORDER_FILLED", "a part of the order is filled", "OrderPartiallyFilled(bytes32 orderHash)"),
    ("ORDER_CANCELLED", "the order is cancelled", "OrderIsCancelled(bytes32 orderHash)"),
    ("ORDER_EXPIRED", "the order is not open now", "InvalidTime(uint256 startTime, uint256 endTime)"),
    ("SIGNATURE_INVALID", "the order's signature does not hold", "InvalidSignature()"),
    ("SIGNATURE_INVALID", "the order's signature is not its maker's", "InvalidSigner()"),
    ("SIGNATURE_INVALID", "the order's signature does not hold", "BadSignatureV(uint8 v)"),
    ("SIGNATURE_INVALID", "the maker's contract refuses the signature", "BadContractSignature()"),
    ("ORDER_INVALID", "", "BadFraction()"),
    ("ORDER_INVALID", "the order cannot be divided like that", "InexactFraction()"),
    ("ORDER_INVALID", "the order is not to be filled in parts", "PartialFillsNotEnabledForOrder()"),
    ("ORDER_INVALID", "", "MissingOriginalConsiderationItems()"),
    (
        "ORDER_INVALID",
        "",
        "ConsiderationNotMet(uint256 orderIndex, uint256 considerationIndex, uint256 shortfallAmount)",
    ),
    ("ORDER_INVALID", "", "NoSpecifiedOrdersAvailable()"),
    ("ORDER_INVALID", "", "OfferAndConsiderationRequiredOnFulfillment()"),
    ("ORDER_INVALID", "", "InvalidRestrictedOrder(bytes32 orderHash)"),
    ("ORDER_INVALID", "", "InvalidContractOrder(bytes32 orderHash)"),
    ("ORDER_INVALID", "", "InvalidProof()"),
    ("ORDER_INVALID", "", "CriteriaNotEnabledForItem()"),
    ("ORDER_INVALID", "", "OrderCriteriaResolverOutOfRange(uint8 side)"),
    ("ORDER_INVALID", "", "OfferCriteriaResolverOutOfRange()"),
    ("ORDER_INVALID", "", "ConsiderationCriteriaResolverOutOfRange()"),
    ("ORDER_INVALID", "", "UnresolvedOfferCriteria(uint256 orderIndex, uint256 offerIndex)"),
    ("ORDER_INVALID", "", "UnresolvedConsiderationCriteria(uint256 orderIndex, uint256 considerationIndex)"),
    ("ORDER_INVALID", "", "MissingItemAmount()"),
    ("ORDER_INVALID", "", "UnusedItemParameters()"),
    ("ORDER_INVALID", "", "InvalidERC721TransferAmount(uint256 amount)"),
    ("ORDER_INVALID", "", "InvalidBasicOrderParameterEncoding()"),
    ("ORDER_INVALID", "", "InvalidNativeOfferItem()"),
    ("ORDER_INVALID", "only the maker may cancel the order", "CannotCancelOrder()"),
    ("TX_WILL_FAIL", "too little of the native currency is sent", "InsufficientNativeTokensSupplied()"),
    ("TX_WILL_FAIL", "the wrong amount of the native currency is sent", "InvalidMsgValue(uint256 value)"),
    (
        "TX_WILL_FAIL",
        "a recipient does not take the native currency",
        "NativeTokenTransferGenericFailure(address account, uint256 amount)",
    ),
    (
        "TX_WILL_FAIL",
        "a token cannot be moved",
        "TokenTransferGenericFailure(address token, address from, address to, uint256 identifier, uint256 amount)",
    ),
    (
        "TX_WILL_FAIL",
        "a token cannot be moved",
        "ERC1155BatchTransferGenericFailure(address token, address from, address to, uint256[] identifiers, uint256[] amounts)",
    ),
    (
        "TX_WILL_FAIL",
        "a token cannot be moved",
        "BadReturnValueFromERC20OnTransfer(address token, address from, address to, uint256 amount)",
    ),
    ("TX_WILL_FAIL", "there is no contract where the order has a token", "NoContract(address account)"),
    ("TX_WILL_FAIL", "", "InvalidConduit(bytes32 conduitKey, address conduit)"),
    ("TX_WILL_FAIL", "", "InvalidCallToConduit(address conduit)"),
    ("TX_WILL_FAIL", "", "NoReentrantCalls()"),
];

struct Declared {
    code: &'static str,
    words: &'static str,
    error: json_abi::Error,
}

static BY_SELECTOR: LazyLock<HashMap<Selector, Declared>> = LazyLock::new(|| {
    let declared = DECLARED.iter().map(|(code, words, text)| {
        let error =
            json_abi::Error::parse(text).expect("each line of the list is a declaration; a test reads all");
        (error.selector(), Declared { code, words, error })
    });
    declared.collect()
});

/// The code and the sentence for what a reverted call returned.
pub(crate) fn decode(data: Option<&Bytes>) -> Problem {
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        return problem("TX_WILL_FAIL", "the contract reverts without a reason");
    };
    if let Some(problem) = Collection::abi_decode(data).ok().and_then(|error| of_collection(&error)) {
        return problem;
    }
    match Factory::abi_decode(data) {
        Ok(Factory::FailedDeployment(_)) => {
            return problem("TX_WILL_FAIL", "FailedDeployment: the collection exists already");
        }
        Ok(Factory::NoCode(error)) => {
            return problem("TX_WILL_FAIL", format!("NoCode: {}", error.implementation));
        }
        Err(_) => {}
    }
    if let Some(problem) = of_declared(data) {
        return problem;
    }
    if let Ok(error) = Revert::abi_decode(data) {
        return problem("TX_WILL_FAIL", plain(&error.reason));
    }
    if let Ok(error) = Panic::abi_decode(data) {
        let words = error.kind().map_or("unknown", |kind| kind.as_str());
        return problem("TX_WILL_FAIL", format!("Panic({:#x}): {words}", error.code));
    }
    // The generated debug form names the error and its arguments.
    if let Ok(error) = Collection::abi_decode(data) {
        return problem("TX_WILL_FAIL", plain(&format!("{error:?}")));
    }
    let selector = data.get(..4).map(Bytes::copy_from_slice).unwrap_or_else(|| data.clone());
    let shown = Bytes::copy_from_slice(&data[..data.len().min(SHOWN_MAX)]);
    let rest = if data.len() > SHOWN_MAX { ".." } else { "" };
    problem("TX_WILL_FAIL", format!("the contract reverts with an unknown error {selector}: {shown}{rest}"))
}

/// A text that somebody else chose, fit to be shown: one line, of bounded length, that turns no writing around.
pub(crate) fn plain(text: &str) -> String {
    let is_shown = |c: &char| {
        let turns = matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !c.is_control() && !turns
    };
    let shown: String = text.chars().filter(is_shown).take(TEXT_MAX).collect();
    if shown.is_empty() { "the contract reverts without a reason".to_owned() } else { shown }
}

/// What our collections say in their own errors.
fn of_collection(error: &Collection) -> Option<Problem> {
    let found = match error {
        Collection::MintNotOpen(_) | Collection::UnknownStage(_) => {
            problem("MINT_NOT_OPEN", "the stage is not open")
        }
        Collection::EnforcedPause(_) => problem("MINT_PAUSED", "minting is paused"),
        Collection::NotAllowlisted(error) => {
            problem("NOT_ALLOWLISTED", format!("{} is not on the allowlist", error.wallet))
        }
        Collection::LimitReached(error) => problem(
            "MINT_LIMIT_REACHED",
            format!("the wallet has minted {} of {} tokens of this stage", error.minted, error.maxPerWallet),
        ),
        Collection::SoldOut(error) => {
            problem("SOLD_OUT", format!("{} of {} tokens are minted", error.minted, error.maxSupply))
        }
        Collection::StageSoldOut(error) => problem(
            "SOLD_OUT",
            format!("{} of the {} tokens of this stage are minted", error.minted, error.maxSupply),
        ),
        Collection::WrongPayment(error) => problem(
            "PRICE_CHANGED",
            format!("the collection wants {} wei, and {} are sent", error.expected, error.sent),
        ),
        _ => return None,
    };
    Some(found)
}

/// An error of the list, with its arguments by name.
fn of_declared(data: &[u8]) -> Option<Problem> {
    let selector = Selector::try_from(data.get(..4)?).ok()?;
    let Declared { code, words, error } = BY_SELECTOR.get(&selector)?;
    let values = error.abi_decode_input(&data[4..]).ok()?;
    let named = error.inputs.iter().zip(&values);
    let arguments: Vec<String> =
        named.map(|(input, value)| format!("{}: {}", input.name, shown(value))).collect();
    let call = format!("{}({})", error.name, arguments.join(", "));
    let message = if words.is_empty() { call } else { format!("{words}: {call}") };
    Some(problem(code, plain(&message)))
}

fn shown(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Address(address) => format!("{address:#x}"),
        DynSolValue::FixedBytes(word, size) => Bytes::copy_from_slice(&word[..*size]).to_string(),
        DynSolValue::Bool(flag) => flag.to_string(),
        DynSolValue::Array(values) => format!("{} values", values.len()),
        _ => "?".to_owned(),
    }
}

fn problem(code: &str, message: impl Into<String>) -> Problem {
    Problem { code: code.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use abi::launchpad::VitrineCollection;
    use alloy::primitives::{Address, B256, U256, keccak256};

    use super::*;

    #[test]
    fn each_refusal_of_a_mint_has_its_code() {
        let (three, one) = (U256::from(3), U256::from(1));
        let cases: [(Vec<u8>, &str); 7] = [
            (VitrineCollection::SoldOut { maxSupply: three, minted: three }.abi_encode(), "SOLD_OUT"),
            (VitrineCollection::StageSoldOut { maxSupply: three, minted: one }.abi_encode(), "SOLD_OUT"),
            (VitrineCollection::MintNotOpen { stageId: U256::ZERO }.abi_encode(), "MINT_NOT_OPEN"),
            (VitrineCollection::EnforcedPause {}.abi_encode(), "MINT_PAUSED"),
            (VitrineCollection::NotAllowlisted { wallet: Address::ZERO }.abi_encode(), "NOT_ALLOWLISTED"),
            (
                VitrineCollection::LimitReached { maxPerWallet: one, minted: one }.abi_encode(),
                "MINT_LIMIT_REACHED",
            ),
            (VitrineCollection::WrongPayment { expected: three, sent: one }.abi_encode(), "PRICE_CHANGED"),
        ];
        for (data, code) in cases {
            assert_eq!(decode(Some(&data.into())).code, code);
        }
    }

    #[test]
    fn the_whole_list_can_be_read_and_no_selector_is_in_it_twice() {
        assert_eq!(BY_SELECTOR.len(), DECLARED.len());
        for (code, _, text) in DECLARED {
            // A declaration without its arguments' names is what a selector is made of.
            let error = json_abi::Error::parse(text).unwrap();
            assert_eq!(error.selector().as_slice(), &keccak256(error.signature())[..4]);
            let arguments: Vec<DynSolValue> = error
                .inputs
                .iter()
                .map(|input| match input.ty.as_str() {
                    "address" => DynSolValue::Address(Address::repeat_byte(7)),
                    "bytes32" => DynSolValue::FixedBytes(B256::repeat_byte(8), 32),
                    "uint8" => DynSolValue::Uint(U256::from(9), 8),
                    "uint256" => DynSolValue::Uint(U256::MAX, 256),
                    "uint256[]" => DynSolValue::Array(vec![]),
                    other => panic!("{other}"),
                })
                .collect();
            let data = [error.selector().to_vec(), error.abi_encode_input_raw(&arguments).unwrap()].concat();
            let found = decode(Some(&data.into()));
            // A paused collection of ours has a code of its own.
            if error.name != "EnforcedPause" {
                assert_eq!(&found.code, code, "{text}");
                assert!(found.message.contains(&error.name), "{}", found.message);
            }
        }
    }

    #[test]
    fn arguments_are_told_by_name_and_whole() {
        let data = [
            keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")[..4].to_vec(),
            B256::left_padding_from(&[7; 20]).to_vec(),
            B256::ZERO.to_vec(),
            B256::repeat_byte(0xff).to_vec(),
        ];
        let found = decode(Some(&data.concat().into()));
        assert_eq!(found.code, "NOT_APPROVED");
        let whole = format!(
            "the allowance is too small: ERC20InsufficientAllowance(spender: {:#x}, allowance: 0, needed: {})",
            Address::repeat_byte(7),
            U256::MAX
        );
        assert_eq!(found.message, whole);
    }

    #[test]
    fn a_reason_is_shown_in_its_words_and_garbage_harms_nobody() {
        let reason = |text: &str| decode(Some(&Revert::from(text).abi_encode().into())).message;
        assert_eq!(reason("no balance"), "no balance");
        assert_eq!(reason("a\u{202e}b\n\0c"), "abc");
        assert_eq!(reason("\u{7}"), "the contract reverts without a reason");
        assert_eq!(reason(&"x".repeat(100_000)).len(), TEXT_MAX);
        assert_eq!(decode(None).code, "TX_WILL_FAIL");
        assert_eq!(decode(Some(&Bytes::from_static(&[1, 2]))).code, "TX_WILL_FAIL");
        let panic = Panic { code: U256::from(0x11) }.abi_encode();
        assert_eq!(decode(Some(&panic.into())).message, "Panic(0x11): arithmetic underflow or overflow");
        let unknown = decode(Some(&Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef, 0]))).message;
        assert_eq!(unknown, "the contract reverts with an unknown error 0xdeadbeef: 0xdeadbeef00");
        let long = [vec![0xde, 0xad, 0xbe, 0xef], vec![1; 100_000]].concat();
        assert!(decode(Some(&long.into())).message.len() < 300);
        // Arguments that are none of this error's.
        let cut = keccak256("ERC721NonexistentToken(uint256)")[..4].to_vec();
        assert!(decode(Some(&cut.into())).message.contains("unknown error"));
    }
}
