//! Whether a wallet may mint, from what the collection says of itself.

use abi::launchpad::{MintInfo, STAGE_ALLOWLIST};
use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue,
};

use crate::{ask::MintAsk, model::Problem};

/// What the mint costs, or why it is not possible. `minted` is what the supply is counted against: all tokens of an
/// ERC-721, the units of one id of an ERC-1155.
pub(crate) fn price(ask: &MintAsk, info: &MintInfo, minted: U256) -> Result<U256, Problem> {
    let refuse = |code: &str, message: String| Err(Problem { code: code.to_owned(), message });
    if info.paused {
        return refuse("MINT_NOT_OPEN", "minting is paused".to_owned());
    }
    if !info.open {
        return refuse("MINT_NOT_OPEN", "no stage is open".to_owned());
    }
    if info.kind == STAGE_ALLOWLIST && !is_listed(ask.minter.into(), &proof(ask), info.merkleRoot) {
        return refuse("NOT_ALLOWLISTED", format!("{} is not on the allowlist", ask.minter));
    }
    if ask.quantity > info.limitLeft {
        return refuse(
            "MINT_LIMIT_REACHED",
            format!("{} of {} are left for the wallet", info.limitLeft, info.maxPerWallet),
        );
    }
    let left = info.maxSupply.saturating_sub(minted);
    if !info.maxSupply.is_zero() && ask.quantity > left {
        return refuse("SOLD_OUT", format!("{left} of {} are left", info.maxSupply));
    }
    match info.price.checked_mul(ask.quantity) {
        Some(value) => Ok(value),
        None => refuse("TX_WILL_FAIL", "the price of so many is beyond 2^256".to_owned()),
    }
}

/// The proof as the contract reads it.
pub(crate) fn proof(ask: &MintAsk) -> Vec<B256> {
    ask.proof.iter().copied().map(B256::from).collect()
}

/// Whether the proof leads from the wallet to the root, as OpenZeppelin's `MerkleProof` goes.
pub(crate) fn is_listed(wallet: Address, proof: &[B256], root: B256) -> bool {
    let leaf = keccak256(keccak256(wallet.abi_encode()));
    let reached = proof.iter().fold(leaf, |node, sibling| {
        let (low, high) = if node <= *sibling { (node, *sibling) } else { (*sibling, node) };
        keccak256([low.as_slice(), high.as_slice()].concat())
    });
    root != B256::ZERO && reached == root
}

/// The implementation that an EIP-1167 clone points to; None for any other code.
pub(crate) fn implementation_of(code: &[u8]) -> Option<Address> {
    const BEFORE: [u8; 10] = [0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73];
    const AFTER: [u8; 15] =
        [0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3];
    let address = code.strip_prefix(&BEFORE)?.strip_suffix(&AFTER)?;
    (address.len() == 20).then(|| Address::from_slice(address))
}

#[cfg(test)]
mod tests {
    use ids::ChainId;

    use super::*;
    use crate::ask::Standard;

    fn ask(quantity: u64) -> MintAsk {
        let wallet = ids::Address::new([1; 20]);
        MintAsk {
            standard: Standard::Erc721,
            chain_id: ChainId::new(1).unwrap(),
            collection: wallet,
            minter: wallet,
            recipient: wallet,
            token_id: None,
            quantity: U256::from(quantity),
            proof: vec![],
        }
    }

    fn info() -> MintInfo {
        MintInfo {
            open: true,
            stageId: U256::ZERO,
            kind: 1,
            price: U256::from(10).pow(U256::from(20)),
            startsAt: 0,
            endsAt: 0,
            maxPerWallet: U256::from(5),
            merkleRoot: B256::ZERO,
            minted: U256::from(2),
            limitLeft: U256::from(3),
            totalMinted: U256::from(8),
            maxSupply: U256::from(10),
            paused: false,
        }
    }

    fn code(ask: &MintAsk, info: &MintInfo) -> String {
        price(ask, info, info.totalMinted).unwrap_err().code
    }

    #[test]
    fn the_price_is_exact_beyond_64_bits() {
        let value = price(&ask(2), &info(), U256::from(8)).unwrap();
        assert_eq!(value.to_string(), "200000000000000000000");
    }

    #[test]
    fn each_reason_has_its_code() {
        assert_eq!(code(&ask(4), &info()), "MINT_LIMIT_REACHED");
        assert_eq!(code(&ask(3), &info()), "SOLD_OUT");
        assert_eq!(code(&ask(1), &MintInfo { open: false, ..info() }), "MINT_NOT_OPEN");
        assert_eq!(code(&ask(1), &MintInfo { paused: true, ..info() }), "MINT_NOT_OPEN");
        assert_eq!(code(&ask(1), &MintInfo { kind: 0, ..info() }), "NOT_ALLOWLISTED");
        assert_eq!(code(&ask(2), &MintInfo { price: U256::MAX, ..info() }), "TX_WILL_FAIL");
    }

    #[test]
    fn an_unlimited_supply_never_sells_out() {
        let info = MintInfo { maxSupply: U256::ZERO, limitLeft: U256::MAX, ..info() };
        assert!(price(&ask(200), &info, U256::MAX).is_ok());
    }

    #[test]
    fn a_proof_holds_for_its_wallet_alone() {
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let leaf = |wallet: Address| keccak256(keccak256(wallet.abi_encode()));
        let (low, high) = if leaf(a) < leaf(b) { (leaf(a), leaf(b)) } else { (leaf(b), leaf(a)) };
        let root = keccak256([low.as_slice(), high.as_slice()].concat());
        assert!(is_listed(a, &[leaf(b)], root) && is_listed(b, &[leaf(a)], root));
        assert!(!is_listed(Address::repeat_byte(3), &[leaf(a)], root));
        assert!(!is_listed(a, &[], root));
        assert!(is_listed(a, &[], leaf(a)) && !is_listed(a, &[], B256::ZERO));
    }

    #[test]
    fn a_clone_is_told_from_other_code() {
        let target = Address::repeat_byte(0xab);
        let mut clone = vec![0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73];
        clone.extend_from_slice(target.as_slice());
        clone.extend([
            0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3,
        ]);
        assert_eq!(implementation_of(&clone), Some(target));
        assert_eq!(implementation_of(&[]), None);
        clone.push(0);
        assert_eq!(implementation_of(&clone), None);
    }
}
