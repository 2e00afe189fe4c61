//! Who signed a message, where the signer has a private key. Contract accounts are asked by who needs them.

use alloy::primitives::{B256, Signature};
use ids::Address;

/// Why a signature names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 65 bytes, or with a recovery byte that is none.
    #[error("a signature is 65 bytes that end in 0, 1, 27 or 28")]
    Malformed,
    /// No key could have made it.
    #[error("the signature belongs to no key")]
    Unrecoverable,
}

/// The account whose key signed `message` as wallets do (EIP-191 `personal_sign`).
pub fn recover_eoa(message: &[u8], signature: &[u8]) -> Result<Address, SignatureError> {
    let recovered = parse(signature)?.recover_address_from_msg(message);
    recovered.map(Address::from).map_err(|_| SignatureError::Unrecoverable)
}

/// The account whose key signed this hash, EIP-712's for example.
pub fn recover_eoa_of_hash(hash: B256, signature: &[u8]) -> Result<Address, SignatureError> {
    let recovered = parse(signature)?.recover_address_from_prehash(&hash);
    recovered.map(Address::from).map_err(|_| SignatureError::Unrecoverable)
}

fn parse(signature: &[u8]) -> Result<Signature, SignatureError> {
    match signature {
        [_, .., 0 | 1 | 27 | 28] if signature.len() == 65 => {
            Signature::from_raw(signature).map_err(|_| SignatureError::Malformed)
        }
        _ => Err(SignatureError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use alloy::signers::{SignerSync, local::PrivateKeySigner};

    use super::*;

    #[test]
    fn the_signer_of_a_message_is_found_with_both_spellings_of_the_recovery_byte() {
        let signer = PrivateKeySigner::random();
        let mut bytes = signer.sign_message_sync(b"hello").unwrap().as_bytes();
        assert_eq!(recover_eoa(b"hello", &bytes), Ok(signer.address().into()));
        assert_ne!(recover_eoa(b"hellO", &bytes), Ok(signer.address().into()));
        bytes[64] -= 27;
        assert_eq!(recover_eoa(b"hello", &bytes), Ok(signer.address().into()));
    }

    #[test]
    fn the_signer_of_a_hash_is_found() {
        let (signer, hash) = (PrivateKeySigner::random(), B256::repeat_byte(7));
        let bytes = signer.sign_hash_sync(&hash).unwrap().as_bytes();
        assert_eq!(recover_eoa_of_hash(hash, &bytes), Ok(signer.address().into()));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let bytes = PrivateKeySigner::random().sign_message_sync(b"x").unwrap().as_bytes();
        assert_eq!(recover_eoa(b"x", &bytes[..64]), Err(SignatureError::Malformed));
        assert_eq!(recover_eoa(b"x", &[]), Err(SignatureError::Malformed));
        let mut wrong = bytes;
        wrong[64] = 37;
        assert_eq!(recover_eoa(b"x", &wrong), Err(SignatureError::Malformed));
        let mut zero = [0; 65];
        zero[64] = 27;
        assert_eq!(recover_eoa(b"x", &zero), Err(SignatureError::Unrecoverable));
    }
}
