//! Whether a message proves an account, for a sign-in or for a link: the nonce is burned before anything else about it is
//! looked at, then site, time and chain, then the key; a chain is asked last, and only about what no key signed.

use chrono::Utc;
use ids::UserId;
use sqlx::PgPool;

use crate::{
    contract::Verdict,
    error::{Error, Refused},
    limit::{Limits, Take},
    login_event::LoginEvent,
    model::{Aim, Client, Kind, Method},
    peers::Peers,
    signature, siwe,
    store::{self, Burned, Mirror, Proof},
};

/// What no wallet's signature is longer than.
const SIGNATURE_MAX_BYTES: usize = 16 * 1024;

/// What came in.
pub(crate) struct Attempt {
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) client: Client,
    pub(crate) errand: Errand,
}

/// What the signature is handed in for; its nonce must have been issued for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A sign-in. Cookies are given only to the browser that asked for the nonce: otherwise whoever gets somebody to open
    /// a page could sign them in as somebody else.
    SignIn { as_cookies: bool, pre_session: Vec<u8> },
    /// A further account of this user.
    Link { user_id: UserId },
}

/// What a proof needs.
#[derive(Clone, Copy)]
pub(crate) struct Prover<'a> {
    pub(crate) db: &'a PgPool,
    pub(crate) rules: &'a siwe::Rules,
    pub(crate) peers: &'a Peers,
    pub(crate) mirror: &'a Mirror,
    pub(crate) limits: &'a Limits,
}

/// An account that was proved.
pub(crate) struct Proven {
    pub(crate) message: siwe::Message,
    pub(crate) method: Method,
    /// What a contract account was asked about and when: its answer may change.
    pub(crate) proof: Option<Proof>,
}

impl Proven {
    /// What holds the account's key.
    pub(crate) fn kind(&self) -> Kind {
        self.method.kind()
    }
}

/// Finds the account that the message proves, or says why it proves none.
pub(crate) async fn prove_account(
    with: Prover<'_>,
    attempt: &Attempt,
    record: &mut LoginEvent,
) -> Result<Proven, Error> {
    with.limits.take_for(Take::SignIn, attempt.client.ip).await?;
    let message = siwe::parse(&attempt.message)?;
    record.account = Some(message.account);
    record.domain = Some(message.domain.clone());

    let burned = store::burn_nonce(with.db, &message.nonce).await?;
    let Some(burned) = burned else {
        return Err(why_not_burned(with.db, &message.nonce, &attempt.errand).await?.into());
    };
    launch::failpoint("auth.nonce.consumed");
    with.mirror.nonce_burned(&message.nonce);

    if !attempt.errand.fits(&burned) {
        return Err(Refused::NonceForeign.into());
    }
    check(with, &message, &burned, &attempt.errand).await?;
    let (method, proof) = check_signature(with, &message, attempt).await?;
    Ok(Proven { message, method, proof })
}

/// Whoever has no business with the nonce does not hear what became of it, either.
async fn why_not_burned(db: &PgPool, nonce: &str, errand: &Errand) -> Result<Refused, Error> {
    Ok(match store::find_nonce(db, nonce).await? {
        None => Refused::NonceUnknown,
        Some((issued, _)) if !errand.fits(&issued) => Refused::NonceForeign,
        Some((_, true)) => Refused::NonceUsed,
        Some((_, false)) => Refused::NonceExpired,
    })
}

impl Errand {
    fn fits(&self, burned: &Burned) -> bool {
        match self {
            Errand::SignIn { as_cookies, pre_session } => {
                let is_same_browser = burned.pre_session.as_ref().is_some_and(|bound| bound == pre_session);
                burned.purpose == "sign_in" && (is_same_browser || !as_cookies)
            }
            Errand::Link { user_id } => burned.purpose == "link" && burned.user_id == Some(user_id.0),
        }
    }
}

async fn check(
    with: Prover<'_>,
    message: &siwe::Message,
    burned: &Burned,
    errand: &Errand,
) -> Result<(), Error> {
    with.rules.check_site(message)?;
    if let Errand::Link { user_id } = errand {
        with.rules.check_statement(message, &Aim::Link { user_id: *user_id })?;
    }
    siwe::check_time(message, Utc::now())?;
    let (account, chain_id) = (message.account.address, message.account.chain_id);
    if burned.chain_id.as_ref().is_some_and(|bound| *bound != chain_id.to_string()) {
        return Err(Refused::ChainMismatch.into());
    }
    if burned.account_id.as_ref().is_some_and(|bound| *bound != account.to_lower()) {
        return Err(Refused::SignatureInvalid.into());
    }
    match with.peers.chains.is_enabled(chain_id).await? {
        true => Ok(()),
        false => Err(Refused::ChainDisabled.into()),
    }
}

/// A key that signed is the account's, whatever code may be at its address: no chain has to be asked about it. Of what no
/// key signed the account itself has the word.
async fn check_signature(
    with: Prover<'_>,
    message: &siwe::Message,
    attempt: &Attempt,
) -> Result<(Method, Option<Proof>), Error> {
    if attempt.signature.len() > SIGNATURE_MAX_BYTES {
        return Err(Refused::SignatureInvalid.into());
    }
    let signer = signature::recover(attempt.message.as_bytes(), &attempt.signature);
    if signer == Some(message.account.address) {
        return Ok((Method::Eoa, None));
    }
    with.limits.take_for(Take::ContractCheck, attempt.client.ip).await?;
    let contracts = &with.peers.contracts;
    match contracts.check(&message.account, &attempt.message, &attempt.signature).await? {
        Verdict::Accepted(method, proof) => Ok((method, Some(proof))),
        Verdict::Refused { .. } => Err(Refused::SignatureInvalid.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(aim: &Aim) -> Burned {
        let (purpose, user_id, pre_session) = match aim {
            Aim::SignIn { pre_session } => ("sign_in", None, pre_session.map(|hash| hash.to_vec())),
            Aim::Link { user_id } => ("link", Some(user_id.0), None),
        };
        Burned { account_id: None, chain_id: None, purpose: purpose.to_owned(), user_id, pre_session }
    }

    #[test]
    fn a_nonce_is_good_for_what_it_was_issued_for() {
        let (mine, theirs) = (UserId::new(), UserId::new());
        let browser = [1; 32];
        let bearer = issued(&Aim::SignIn { pre_session: None });
        let cookies = issued(&Aim::SignIn { pre_session: Some(browser) });
        let link = issued(&Aim::Link { user_id: mine });
        let sign_in =
            |as_cookies, pre_session: &[u8]| Errand::SignIn { as_cookies, pre_session: pre_session.to_vec() };

        assert!(sign_in(false, &[]).fits(&bearer));
        assert!(sign_in(false, &[]).fits(&cookies), "a client without cookies has none to show");
        assert!(sign_in(true, &browser).fits(&cookies));
        for other in [&[][..], &[2; 32], &browser[..31]] {
            assert!(!sign_in(true, other).fits(&cookies), "{other:?}");
        }
        // A nonce of nobody's browser gives no cookies, not even to a browser that shows nothing.
        assert!(!sign_in(true, &[]).fits(&bearer) && !sign_in(true, &browser).fits(&bearer));

        assert!(Errand::Link { user_id: mine }.fits(&link));
        assert!(!Errand::Link { user_id: theirs }.fits(&link));
        for nonce in [&bearer, &cookies] {
            assert!(!Errand::Link { user_id: mine }.fits(nonce));
        }
        assert!(!sign_in(false, &[]).fits(&link) && !sign_in(true, &[]).fits(&link));
    }
}
