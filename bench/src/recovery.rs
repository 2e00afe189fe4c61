//! What it costs to find out whose key signed, in this process: by the library that auth uses and by the one it could.

use std::time::Duration;

use alloy::primitives::{Address, Signature, eip191_hash_message, keccak256};
use anyhow::{Context, ensure};
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};

use crate::{cpu, login::Signed};

const ROUNDS: usize = 5;

/// CPU time of one recovery by each.
pub(crate) struct Recovery {
    pub(crate) libsecp256k1: Duration,
    pub(crate) k256: Duration,
}

/// Recovers all of them by both, in turns, and checks that both find the signer each time.
pub(crate) fn recovery(all: &[Signed]) -> anyhow::Result<Recovery> {
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(each(all, by_libsecp256k1)?);
        theirs = theirs.min(each(all, by_k256)?);
    }
    Ok(Recovery { libsecp256k1: ours, k256: theirs })
}

fn each(all: &[Signed], recover: fn(&Signed) -> anyhow::Result<Address>) -> anyhow::Result<Duration> {
    let before = cpu::of_this_thread()?;
    for signed in all {
        ensure!(recover(signed)? == signed.address, "a recovery found somebody else");
    }
    let count = u32::try_from(all.len())?;
    Ok((cpu::of_this_thread()? - before) / count.max(1))
}

/// As auth does it.
fn by_libsecp256k1(signed: &Signed) -> anyhow::Result<Address> {
    let parity = if matches!(signed.signature[64], 0 | 27) { RecoveryId::Zero } else { RecoveryId::One };
    let signature = RecoverableSignature::from_compact(&signed.signature[..64], parity)?;
    let digest = Message::from_digest(eip191_hash_message(&signed.message).0);
    let key = SECP256K1.recover_ecdsa(digest, &signature)?;
    Ok(Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..]))
}

fn by_k256(signed: &Signed) -> anyhow::Result<Address> {
    let signature = Signature::from_raw(&signed.signature)?;
    signature.recover_address_from_msg(&signed.message).context("the signature belongs to no key")
}
