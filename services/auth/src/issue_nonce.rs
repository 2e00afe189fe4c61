//! A nonce, and what a client needs to write a message around it.

use chrono::{DateTime, Utc};
use ids::ChainId;
use rand::{Rng, distr::Alphanumeric};
use sqlx::PgPool;

use crate::{
    chains::Chains,
    error::Error,
    model::NONCE_LIFE,
    siwe::Rules,
    store::{self, Mirror},
};

/// 24 of 62 characters: 142 bits. Letters and digits only, which is all that the standard allows.
const NONCE_CHARS: usize = 24;

/// A nonce that was issued.
pub(crate) struct Issued {
    pub(crate) nonce: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) chains: Vec<ChainId>,
}

/// Issues a nonce; nobody needs to say for whom.
pub(crate) async fn issue_nonce(
    db: &PgPool,
    mirror: &Mirror,
    chains: &Chains,
    rules: &Rules,
) -> Result<Issued, Error> {
    let chains = chains.enabled().await?.to_vec();
    let nonce = random_nonce();
    let expires_at = store::insert_nonce(db, &nonce, rules.domain(), NONCE_LIFE).await?;
    mirror.nonce_issued(&nonce, NONCE_LIFE);
    Ok(Issued { nonce, expires_at, chains })
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
