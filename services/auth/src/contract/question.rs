//! A question to a contract account: what the validator is run with.

use std::sync::LazyLock;

use alloy::{
    primitives::{Address as Raw, Bytes, eip191_hash_message},
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use ids::Address;

use crate::model::Method;

/// The end of a signature that says how its account is made (ERC-6492).
const SUFFIX: [u8; 32] = {
    let mut suffix = [0x92; 32];
    let mut at = 0;
    while at < 32 {
        suffix[at] = 0x64;
        at += 2;
    }
    suffix
};
/// For an account that is there: its answer, and running the validator.
const GAS: u64 = 1_000_000;
/// For one that has to be made before it answers.
const GAS_WITH_FACTORY: u64 = 5_000_000;

/// The validator's creation code.
pub(super) static VALIDATOR: LazyLock<Bytes> =
    LazyLock::new(|| abi::artifact("SignatureValidator").expect("the validator is compiled in"));

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) method: Method,
    code: Bytes,
    gas: u64,
}

impl Question {
    /// Whether the account signed the message; `None` where the signature is malformed.
    pub(super) fn of(account: Address, message: &str, signature: &[u8]) -> Option<Question> {
        let hash = eip191_hash_message(message);
        let (method, gas, (factory, preparation, signature)) = match signature.strip_suffix(&SUFFIX) {
            Some(body) => {
                let wrapped = <(Raw, Bytes, Bytes)>::abi_decode_params_validate(body).ok()?;
                (Method::Erc6492, GAS_WITH_FACTORY, wrapped)
            }
            None => (Method::Eip1271, GAS, (Raw::ZERO, Bytes::new(), Bytes::copy_from_slice(signature))),
        };
        let arguments = (Raw::from(account), hash, factory, preparation, signature).abi_encode_params();
        Some(Question { method, code: [VALIDATOR.as_ref(), &arguments].concat().into(), gas })
    }

    /// The call that asks it: a creation that is never made.
    pub(super) fn request(&self) -> TransactionRequest {
        creation(self.code.clone(), self.gas)
    }
}

/// Runs creation code.
pub(super) fn creation(code: Bytes, gas: u64) -> TransactionRequest {
    TransactionRequest { gas: Some(gas), ..TransactionRequest::default().input(code.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account() -> Address {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap()
    }

    fn wrapped(body: &[u8]) -> Vec<u8> {
        [body, &SUFFIX].concat()
    }

    #[test]
    fn the_suffix_is_the_one_of_the_standard() {
        assert_eq!(hex::encode(SUFFIX), "6492".repeat(16));
    }

    #[test]
    fn a_wrapped_signature_is_taken_apart_and_costs_more() {
        let inner = (Raw::repeat_byte(7), Bytes::from_static(b"make"), Bytes::from_static(b"signature"));
        let question = Question::of(account(), "hello", &wrapped(&inner.abi_encode_params())).unwrap();
        assert_eq!((question.method, question.gas), (Method::Erc6492, GAS_WITH_FACTORY));
        let arguments = question.code.strip_prefix(VALIDATOR.as_ref()).unwrap();
        type Arguments = (Raw, alloy::primitives::B256, Raw, Bytes, Bytes);
        let (asked, hash, factory, preparation, signature) =
            Arguments::abi_decode_params_validate(arguments).unwrap();
        assert_eq!((asked, hash), (account().into(), eip191_hash_message("hello")));
        assert_eq!((factory, preparation, signature), inner);

        let plain = Question::of(account(), "hello", b"signature").unwrap();
        assert_eq!((plain.method, plain.gas), (Method::Eip1271, GAS));
        assert!(plain.request().to.is_none(), "a creation goes to nobody");
    }

    #[test]
    fn what_only_pretends_to_be_wrapped_is_no_signature() {
        let whole = (Raw::ZERO, Bytes::new(), Bytes::from_static(&[1; 65])).abi_encode_params();
        assert!(Question::of(account(), "", &wrapped(&whole)).is_some());
        let mut beyond = whole.clone();
        // The second offset leads out of the body.
        beyond[62] = 0xff;
        for body in [&[][..], &whole[..whole.len() - 32], &[0xff; 96], &beyond] {
            assert_eq!(Question::of(account(), "", &wrapped(body)), None);
        }
    }

    proptest! {
        #[test]
        fn no_signature_panics(body in prop::collection::vec(any::<u8>(), 0..400), words in any::<[u8; 3]>()) {
            let _ = Question::of(account(), "", &wrapped(&body));
            // Words that are small numbers are offsets and lengths more often.
            let body: Vec<u8> =
                words.iter().flat_map(|word| [[0; 31].as_slice(), &[*word]].concat()).chain(body).collect();
            let _ = Question::of(account(), "", &wrapped(&body));
        }
    }
}
