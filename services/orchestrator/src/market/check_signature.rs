//! Whether a maker signed an order: by its key, or, where the maker is a contract, by the contract's own word (ERC-1271).

use std::sync::LazyLock;

use alloy::{
    primitives::{Address as Raw, B256, Bytes, Signature},
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use ids::Address;

use crate::{chains::Chain, error::Error, prepare::unreachable_node, read_token::is_contracts_own};

/// No account's signature is longer.
pub(crate) const SIGNATURE_MAX: usize = 8192;
/// What the question may cost the node, whatever the account does.
const GAS: u64 = 1_000_000;

static VALIDATOR: LazyLock<Bytes> =
    LazyLock::new(|| abi::artifact("SignatureValidator").expect("the validator is compiled in"));

/// The signature as the exchange takes it; None where the maker did not sign this.
pub(crate) async fn check_signature(
    chain: &Chain,
    maker: Address,
    hash: B256,
    signature: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    if let Some(signature) = by_key(maker, hash, signature) {
        return Ok(Some(signature));
    }
    Ok(is_by_contract(chain, maker, hash, signature).await?.then(|| signature.to_vec()))
}

/// 65 bytes as wallets make them, or the 64 of EIP-2098. The exchange knows one spelling of the recovery byte.
fn by_key(maker: Address, hash: B256, signature: &[u8]) -> Option<Vec<u8>> {
    let parsed = match (signature.len(), signature.last()) {
        (64, _) => Signature::from_erc2098(signature),
        (65, Some(0 | 1 | 27 | 28)) => Signature::from_raw(signature).ok()?,
        _ => return None,
    };
    let signer = parsed.recover_address_from_prehash(&hash).ok()?;
    (signer == Raw::from(maker)).then(|| parsed.as_bytes().to_vec())
}

/// Only one byte comes out of the call, whatever the account answers.
async fn is_by_contract(chain: &Chain, maker: Address, hash: B256, signature: &[u8]) -> Result<bool, Error> {
    let arguments = (Raw::from(maker), hash, Raw::ZERO, Bytes::new(), Bytes::copy_from_slice(signature));
    let code = [VALIDATOR.as_ref(), &arguments.abi_encode_params()].concat();
    let request = TransactionRequest {
        gas: Some(GAS),
        ..TransactionRequest::default().input(Bytes::from(code).into())
    };
    match chain.node.call(&request, alloy::eips::BlockId::latest(), None).await {
        Ok(answer) => Ok(answer.as_ref() == [1]),
        Err(err) if is_contracts_own(&err) => Ok(false),
        Err(err) => Err(unreachable_node(&err)),
    }
}

#[cfg(test)]
mod tests {
    use alloy::signers::{SignerSync, local::PrivateKeySigner};

    use super::*;

    #[test]
    fn every_spelling_of_a_keys_signature_becomes_the_exchanges_own() {
        let (signer, hash) = (PrivateKeySigner::random(), B256::repeat_byte(7));
        let maker = Address::from(signer.address());
        let signature = signer.sign_hash_sync(&hash).unwrap();
        let whole = signature.as_bytes().to_vec();
        let mut small = whole.clone();
        small[64] -= 27;
        for spelling in [whole.clone(), small, signature.as_erc2098().to_vec()] {
            assert_eq!(by_key(maker, hash, &spelling).as_ref(), Some(&whole));
        }
        assert_eq!(by_key(maker, B256::repeat_byte(8), &whole), None);
        assert_eq!(by_key(Address::new([1; 20]), hash, &whole), None);
        let mut wrong = whole;
        wrong[64] = 29;
        assert_eq!(by_key(maker, hash, &wrong), None);
        assert_eq!(by_key(maker, hash, &[]), None);
    }
}
