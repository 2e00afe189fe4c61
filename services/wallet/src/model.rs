//! Links, and the rules that need no database.

mod approval;

use std::net::IpAddr;

use chrono::{DateTime, SubsecRound, Utc};
use ids::{AccountId, UserId, WalletId};
use uuid::{NoContext, Timestamp, Uuid};

pub(crate) use approval::{Approval, Entry, Run, Unfit};

/// How many wallets one user can link. A sign-in is never refused for it.
pub(crate) const LINKS_MAX: i64 = 50;
const LABEL_MAX_CHARS: usize = 100;
const CONNECTOR_MAX_CHARS: usize = 50;

/// What holds the account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key pair: the same person on every chain.
    Eoa,
    /// Code: somebody else's on another chain.
    Contract,
}

impl Kind {
    /// The word of columns and wires.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Eoa => "eoa",
            Kind::Contract => "contract",
        }
    }

    /// Who the account is: what one user at most can own.
    pub(crate) fn identity(self, account: &AccountId) -> String {
        match self {
            Kind::Eoa => account.address.to_lower(),
            Kind::Contract => account.to_lower(),
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Kind, &'static str> {
        match text {
            "eoa" => Ok(Kind::Eoa),
            "contract" => Ok(Kind::Contract),
            _ => Err("must be eoa or contract"),
        }
    }
}

/// A link of an account to a user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wallet {
    pub(crate) wallet_id: WalletId,
    pub(crate) user_id: UserId,
    pub(crate) account_id: String,
    pub(crate) identity: String,
    pub(crate) address: String,
    pub(crate) chain_id: String,
    pub(crate) is_primary: bool,
    pub(crate) kind: String,
    pub(crate) connector: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) verified_at: Option<DateTime<Utc>>,
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// What is to be linked.
#[derive(Debug, Clone)]
pub(crate) struct LinkAsk {
    pub(crate) user_id: UserId,
    pub(crate) account: AccountId,
    pub(crate) kind: Kind,
    pub(crate) connector: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) make_primary: bool,
    /// What the user signed for this link; a sign-in is proof of its own, and auth keeps it.
    pub(crate) proof: Option<Proof>,
    pub(crate) client: Client,
}

impl LinkAsk {
    /// What a sign-in asks for: the link, and nothing that the user decides.
    pub(crate) fn of_login(
        user_id: UserId,
        account: AccountId,
        kind: Kind,
        connector: Option<String>,
    ) -> LinkAsk {
        let (label, make_primary, proof, client) = (None, false, None, Client::default());
        LinkAsk { user_id, account, kind, connector, label, make_primary, proof, client }
    }
}

/// How it was shown that somebody holds an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// `eoa`, `eip1271`, `erc6492`.
    pub(crate) method: String,
    /// SHA-256 of the message, in hex.
    pub(crate) message_hash: String,
}

/// From where somebody asked, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) ip_address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl Wallet {
    /// A new link; the first of a user is the primary one. `last` is the account's link before, whoever had it.
    pub(crate) fn link(ask: &LinkAsk, owned: i64, last: Option<WalletId>, now: DateTime<Utc>) -> Wallet {
        // As the column keeps it: the first answer and the later ones are the same.
        let now = now.trunc_subsecs(6);
        Wallet {
            wallet_id: id_after(last),
            user_id: ask.user_id,
            account_id: ask.account.to_lower(),
            identity: ask.kind.identity(&ask.account),
            address: ask.account.address.to_lower(),
            chain_id: ask.account.chain_id.to_string(),
            is_primary: owned == 0,
            kind: ask.kind.as_str().to_owned(),
            connector: ask.connector.clone(),
            label: ask.label.clone(),
            verified_at: Some(now),
            last_seen_at: None,
            created_at: now,
        }
    }
}

/// A new id, greater than the last one: of two links of an account, others take the one with the greater id for the
/// newer. The clock may have been set back, or another process's may be ahead.
fn id_after(last: Option<WalletId>) -> WalletId {
    let id = WalletId::new();
    let Some(last) = last.filter(|last| *last >= id) else { return id };
    let Some((secs, nanos)) = last.0.get_timestamp().map(|at| at.to_unix()) else { return id };
    let (secs, nanos) = match nanos + 1_000_000 {
        nanos @ 1_000_000_000.. => (secs + 1, nanos - 1_000_000_000),
        nanos => (secs, nanos),
    };
    WalletId(Uuid::new_v7(Timestamp::from_unix(NoContext, secs, nanos)))
}

/// The name that somebody gives to a wallet; empty is none.
pub(crate) fn label(text: String) -> Result<Option<String>, &'static str> {
    match () {
        () if text.chars().count() > LABEL_MAX_CHARS => Err("must be at most 100 characters"),
        () if !text.chars().all(is_plain) => Err("must have no invisible characters"),
        () => Ok((!text.trim().is_empty()).then(|| text.trim().to_owned())),
    }
}

/// The software that connected a wallet; empty is unknown.
pub(crate) fn connector(text: String) -> Result<Option<String>, &'static str> {
    match () {
        () if text.chars().count() > CONNECTOR_MAX_CHARS => Err("must be at most 50 characters"),
        () if !text.chars().all(is_plain) => Err("must have no invisible characters"),
        () => Ok((!text.is_empty()).then_some(text)),
    }
}

/// Not a control character, nor one that turns the reading direction or hides: with those a name shows as another's.
/// The joiners stay, since scripts and emoji are written with them.
fn is_plain(c: char) -> bool {
    let deceives = matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !deceives
}

/// Something that happened to a wallet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    pub(crate) id: Uuid,
    pub(crate) wallet_id: WalletId,
    pub(crate) action: String,
    pub(crate) account_id: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_the_same_person_on_every_chain_and_a_contract_is_not() {
        let (one, other) = (
            account("eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
            account("eip155:137:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        );
        assert_eq!(Kind::Eoa.identity(&one), Kind::Eoa.identity(&other));
        assert_ne!(Kind::Contract.identity(&one), Kind::Contract.identity(&other));
        assert_ne!(Kind::Contract.identity(&one), Kind::Eoa.identity(&one));
    }

    #[test]
    fn only_the_first_link_is_primary() {
        let account = account("eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        let ask = LinkAsk::of_login(UserId::new(), account, Kind::Eoa, None);
        let link = |ask: &LinkAsk, owned| Wallet::link(ask, owned, None, Utc::now()).is_primary;
        assert!(link(&ask, 0) && !link(&ask, 1));
    }

    #[test]
    fn an_id_comes_after_the_last_one_even_from_the_future() {
        for last in [
            "018f0000-0000-7000-8000-000000000000",
            "0fffffff-ffff-7fff-bfff-ffffffffffff",
            "0fffffff-fe5f-7fff-bfff-ffffffffffff",
        ] {
            let last = WalletId(last.parse().unwrap());
            assert!(id_after(Some(last)) > last, "{last}");
        }
    }

    #[test]
    fn a_label_shows_as_it_is_written() {
        for (text, expected) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            (" Ledger, cold ", Ok(Some("Ledger, cold".to_owned()))),
            ("\u{1f469}\u{200d}\u{1f680}", Ok(Some("\u{1f469}\u{200d}\u{1f680}".to_owned()))),
            ("a\u{202e}b", Err("must have no invisible characters")),
            ("a\u{0}b", Err("must have no invisible characters")),
            ("a\nb", Err("must have no invisible characters")),
            ("a\u{200b}b", Err("must have no invisible characters")),
        ] {
            assert_eq!(label(text.to_owned()), expected, "{text:?}");
        }
        assert!(label("é".repeat(100)).is_ok());
        assert!(label("é".repeat(101)).is_err());
        assert!(connector("x".repeat(51)).is_err());
    }
}
