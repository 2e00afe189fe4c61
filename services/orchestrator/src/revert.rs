//! Why a call reverts, in the API's codes and in words.

use abi::launchpad::{
    VitrineCollection::VitrineCollectionErrors as Collection, VitrineFactory::VitrineFactoryErrors as Factory,
};
use alloy::{
    primitives::Bytes,
    sol_types::{Panic, Revert, SolError, SolInterface},
};

use crate::model::Problem;

/// The code and the sentence for what a reverted call returned.
pub(crate) fn decode(data: Option<&Bytes>) -> Problem {
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        return problem("TX_WILL_FAIL", "the contract reverts without a reason");
    };
    if let Ok(error) = Collection::abi_decode(data) {
        return of_collection(&error);
    }
    if let Ok(error) = Factory::abi_decode(data) {
        return match error {
            Factory::FailedDeployment(_) => {
                problem("TX_WILL_FAIL", "FailedDeployment: the collection exists already")
            }
            Factory::NoCode(error) => problem("TX_WILL_FAIL", format!("NoCode: {}", error.implementation)),
        };
    }
    if let Ok(error) = Revert::abi_decode(data) {
        let reason: String = error.reason.chars().filter(|c| !c.is_control()).take(256).collect();
        return problem("TX_WILL_FAIL", reason);
    }
    if let Ok(error) = Panic::abi_decode(data) {
        return problem("TX_WILL_FAIL", format!("Panic({:#x})", error.code));
    }
    let selector = data.get(..4).map(Bytes::copy_from_slice).unwrap_or_default();
    problem("TX_WILL_FAIL", format!("the contract reverts with an unknown error {selector}"))
}

fn of_collection(error: &Collection) -> Problem {
    match error {
        Collection::MintNotOpen(_) | Collection::UnknownStage(_) => {
            problem("MINT_NOT_OPEN", "the stage is not open")
        }
        Collection::EnforcedPause(_) => problem("MINT_NOT_OPEN", "minting is paused"),
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
        Collection::WrongPayment(error) => {
            problem("TX_WILL_FAIL", format!("WrongPayment: {} expected, {} sent", error.expected, error.sent))
        }
        Collection::ERC721InvalidReceiver(_) | Collection::ERC1155InvalidReceiver(_) => {
            problem("TX_WILL_FAIL", "the recipient is a contract that takes no tokens")
        }
        // The generated debug form names the error and its arguments.
        other => problem("TX_WILL_FAIL", format!("{other:?}")),
    }
}

fn problem(code: &str, message: impl Into<String>) -> Problem {
    Problem { code: code.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use abi::launchpad::VitrineCollection;
    use alloy::primitives::{Address, U256};

    use super::*;

    #[test]
    fn each_refusal_of_a_mint_has_its_code() {
        let cases: [(Vec<u8>, &str); 6] = [
            (
                VitrineCollection::SoldOut { maxSupply: U256::from(3), minted: U256::from(3) }.abi_encode(),
                "SOLD_OUT",
            ),
            (VitrineCollection::MintNotOpen { stageId: U256::ZERO }.abi_encode(), "MINT_NOT_OPEN"),
            (VitrineCollection::EnforcedPause {}.abi_encode(), "MINT_NOT_OPEN"),
            (VitrineCollection::NotAllowlisted { wallet: Address::ZERO }.abi_encode(), "NOT_ALLOWLISTED"),
            (
                VitrineCollection::LimitReached { maxPerWallet: U256::from(1), minted: U256::from(1) }
                    .abi_encode(),
                "MINT_LIMIT_REACHED",
            ),
            (
                VitrineCollection::WrongPayment { expected: U256::from(2), sent: U256::from(1) }.abi_encode(),
                "TX_WILL_FAIL",
            ),
        ];
        for (data, code) in cases {
            assert_eq!(decode(Some(&data.into())).code, code);
        }
    }

    #[test]
    fn a_reason_is_shown_in_its_words_and_garbage_harms_nobody() {
        let data: Bytes = Revert::from("no balance").abi_encode().into();
        assert_eq!(decode(Some(&data)).message, "no balance");
        assert_eq!(decode(None).code, "TX_WILL_FAIL");
        assert_eq!(decode(Some(&Bytes::from_static(&[1, 2]))).code, "TX_WILL_FAIL");
        assert!(
            decode(Some(&Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef, 0]))).message.contains("0xdeadbeef")
        );
    }
}
