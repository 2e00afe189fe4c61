//! A nonce, and what a client needs to write a message around it.

use chrono::{DateTime, Utc};
use ids::{AccountId, ChainId};
use rand::{Rng, distr::Alphanumeric};

use crate::{
    error::{Error, Refused},
    model::{Aim, NONCE_LIFE},
    prove_account::Prover,
    store,
};

/// 24 of 62 characters: 142 bits. Letters and digits only, which is all that the standard allows.
const NONCE_CHARS: usize = 24;

/// A nonce that was issued.
pub(crate) struct Issued {
    pub(crate) nonce: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) chains: Vec<ChainId>,
    /// What is to be signed, where the account is known.
    pub(crate) message: Option<String>,
}

/// Issues a nonce. For a sign-in nobody needs to say for whom; where the account is named, the nonce is good for it and
/// its chain alone.
pub(crate) async fn issue_nonce(
    with: Prover<'_>,
    aim: &Aim,
    account: Option<&AccountId>,
) -> Result<Issued, Error> {
    let chains = with.peers.chains.enabled().await?.to_vec();
    if account.is_some_and(|account| !chains.contains(&account.chain_id)) {
        return Err(Refused::ChainDisabled.into());
    }
    let nonce = random_nonce();
    let domain = with.rules.domain();
    let expires_at = store::insert_nonce(with.db, &nonce, domain, NONCE_LIFE, aim, account).await?;
    with.mirror.nonce_issued(&nonce, NONCE_LIFE);
    // By one clock: the database's, which decides about the nonce.
    let issued_at = expires_at - NONCE_LIFE;
    let message = account.map(|account| with.rules.compose(aim, account, &nonce, issued_at, expires_at));
    Ok(Issued { nonce, expires_at, chains, message })
}

fn random_nonce() -> String {
    // The thread's generator is a cryptographic one that is seeded by the system.
    rand::rng().sample_iter(Alphanumeric).take(NONCE_CHARS).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_alphanumeric_and_never_the_same() {
        let many: std::collections::BTreeSet<String> = (0..1000).map(|_| random_nonce()).collect();
        assert_eq!(many.len(), 1000);
        assert!(many.iter().all(|nonce| nonce.len() == NONCE_CHARS));
        assert!(many.iter().all(|nonce| nonce.bytes().all(|b| b.is_ascii_alphanumeric())));
    }
}
