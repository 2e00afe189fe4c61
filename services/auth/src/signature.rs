//! Whose key signed: EIP-191 over the bytes as they were received.

use alloy::primitives::{eip191_hash_message, keccak256};
use ids::Address;
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// The address whose key signed the message; `None` for what is no signature of a key.
///
/// One form only: 65 bytes, `v` of 0, 1, 27 or 28, `s` in the lower half. A signature has a twin with a high `s` and the
/// other `v`; accepting both would make two signatures out of one.
pub(crate) fn recover(message: &[u8], signature: &[u8]) -> Option<Address> {
    let bytes: &[u8; 65] = signature.try_into().ok()?;
    let parity = match bytes[64] {
        0 | 27 => RecoveryId::Zero,
        1 | 28 => RecoveryId::One,
        _ => return None,
    };
    let signature = RecoverableSignature::from_compact(&bytes[..64], parity).ok()?;
    let standard = signature.to_standard();
    let mut lower = standard;
    lower.normalize_s();
    if lower != standard {
        return None;
    }
    let digest = Message::from_digest(eip191_hash_message(message).0);
    let key = SECP256K1.recover_ecdsa(digest, &signature).ok()?;
    let hash = keccak256(&key.serialize_uncompressed()[1..]);
    let address = Address::from_slice(&hash[12..]).ok()?;
    (!address.is_zero()).then_some(address)
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{Signature, U256},
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use proptest::prelude::*;

    use super::*;

    fn signed(message: &[u8]) -> (Address, [u8; 65]) {
        let signer = PrivateKeySigner::random();
        (signer.address().into(), signer.sign_message_sync(message).unwrap().as_bytes())
    }

    #[test]
    fn the_signer_is_found_by_either_form_of_v() {
        let (address, mut bytes) = signed(b"hello");
        assert_eq!(recover(b"hello", &bytes), Some(address));
        bytes[64] -= 27;
        assert_eq!(recover(b"hello", &bytes), Some(address));
        assert_ne!(recover(b"hellO", &bytes), Some(address));
    }

    #[test]
    fn the_length_of_a_message_is_counted_in_bytes() {
        let (address, bytes) = signed("ä€".as_bytes());
        assert_eq!(recover("ä€".as_bytes(), &bytes), Some(address));
    }

    #[test]
    fn what_is_not_the_one_form_is_no_signature() {
        let (address, bytes) = signed(b"hello");
        for v in [2, 26, 29, 35, 255] {
            let mut other = bytes;
            other[64] = v;
            assert_eq!(recover(b"hello", &other), None, "v = {v}");
        }
        assert_eq!(recover(b"hello", &bytes[..64]), None);
        assert_eq!(recover(b"hello", &[0; 65]), None);

        // The malleable twin: n - s and the other parity recover to the same key, and are refused.
        let order = U256::from_be_slice(&alloy::primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let s = U256::from_be_slice(&bytes[32..64]);
        let mut twin = bytes;
        twin[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        twin[64] = if bytes[64] == 27 { 28 } else { 27 };
        let as_library = Signature::from_bytes_and_parity(&twin[..64], twin[64] == 28);
        assert_eq!(as_library.recover_address_from_msg(b"hello").ok().map(Into::into), Some(address));
        assert_eq!(recover(b"hello", &twin), None);
    }

    #[test]
    fn a_signature_that_another_implementation_made_names_its_signer() {
        // web3.js' documentation of `accounts.sign`, which hashes as EIP-191 says.
        let signature = alloy::primitives::hex!(
            "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
        );
        let signer = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23".parse().unwrap();
        assert_eq!(recover(b"Some data", &signature), Some(signer));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(message in any::<Vec<u8>>(), signature in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = recover(&message, &signature);
        }

        /// Of what has the one form, both implementations say the same.
        #[test]
        fn whatever_is_recovered_is_what_pure_rust_recovers(
            mut bytes in prop::collection::vec(any::<u8>(), 65..=65),
            parity in any::<bool>(),
        ) {
            // Below the half of the order, so that it is a signature more often than not.
            bytes[32] &= 0x3f;
            bytes[64] = 27 + u8::from(parity);
            let other = Signature::from_bytes_and_parity(&bytes[..64], parity);
            let expected = other.recover_address_from_msg(b"hello").ok().map(Address::from);
            prop_assert_eq!(recover(b"hello", &bytes), expected);
        }
    }
}
