//! Whose key signed: EIP-191 over the bytes as they were received.

use alloy::primitives::Signature;
use ids::Address;

/// The address whose key signed the message; `None` for what is no signature of a key.
///
/// One form only: 65 bytes, `v` of 0, 1, 27 or 28, `s` in the lower half. A signature has a twin with a high `s` and the
/// other `v`; accepting both would make two signatures out of one.
pub(crate) fn recover(message: &[u8], signature: &[u8]) -> Option<Address> {
    let bytes: &[u8; 65] = signature.try_into().ok()?;
    let parity = match bytes[64] {
        0 | 27 => false,
        1 | 28 => true,
        _ => return None,
    };
    let signature = Signature::from_bytes_and_parity(&bytes[..64], parity);
    if signature.normalize_s().is_some() {
        return None;
    }
    let address = signature.recover_address_from_msg(message).ok()?;
    (!address.is_zero()).then(|| address.into())
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::U256,
        signers::{SignerSync, local::PrivateKeySigner},
    };

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
}
