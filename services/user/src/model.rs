//! Users and their accounts, and the rules that need no database.

mod position;
mod preferences;
mod profile;
mod reserved;
mod standing;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ids::{AccountId, UserId, WalletId};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

pub(crate) use position::Position;
pub(crate) use preferences::{Preferences, PreferencesChange};
pub(crate) use profile::{PROFILE_FIELDS, ProfileChange};
pub(crate) use standing::{Actor, AuditRow, Role, Standing, Status};

/// Where else somebody is: `x`, `website`, .. and an address.
pub(crate) type Socials = Json<BTreeMap<String, String>>;

/// A person, with what is shown of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) user_id: UserId,
    pub(crate) status: String,
    pub(crate) roles: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) bio: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) banner_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) socials: Socials,
    /// Of the profile.
    pub(crate) version: i64,
    /// Of status and roles.
    pub(crate) revision: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl User {
    /// Grows with every change of what is shown: of two pictures of a user, the newer one has the greater stamp.
    pub(crate) fn stamp(&self) -> i64 {
        self.version + self.revision
    }
}

/// The figures of a user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stats {
    pub(crate) user_id: UserId,
    pub(crate) collections_count: i32,
    pub(crate) items_count: i32,
    pub(crate) listings_count: i32,
    pub(crate) sales_count: i32,
    pub(crate) purchases_count: i32,
    pub(crate) volume_sold: String,
    pub(crate) volume_purchased: String,
    pub(crate) followers_count: i32,
    pub(crate) following_count: i32,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What the head of a list of follows needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) privacy_level: String,
    pub(crate) followers_count: i32,
    pub(crate) following_count: i32,
}

impl Followed {
    /// A private user's lists are seen by that user only; others show theirs to nobody but their followers.
    pub(crate) fn is_seen_by(&self, viewer: Option<UserId>, owner: UserId, is_follower: bool) -> bool {
        match self.privacy_level.as_str() {
            _ if viewer == Some(owner) => true,
            "public" => true,
            "followers" => is_follower,
            _ => false,
        }
    }
}

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The field, as the request names it.
    pub(crate) path: String,
    /// A word for programs.
    pub(crate) code: &'static str,
    /// In words, for people.
    pub(crate) message: String,
}

impl Wrong {
    /// What is wrong in the usual way.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Wrong {
        Wrong { path: path.into(), code: "INVALID", message: message.into() }
    }
}

/// An account by what makes it one person's: the address of an externally owned account, the CAIP-10 of a contract's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) identity: String,
    pub(crate) account_id: String,
    pub(crate) address: String,
    pub(crate) kind: &'static str,
}

impl Account {
    /// An account with a key: the same person on every chain.
    pub(crate) fn eoa(account: &AccountId) -> Account {
        Account {
            identity: account.address.to_lower(),
            account_id: account.to_lower(),
            address: account.address.to_lower(),
            kind: "eoa",
        }
    }

    /// An account that is code: somebody else's on another chain.
    pub(crate) fn contract(account: &AccountId) -> Account {
        Account { identity: account.to_lower(), kind: "contract", ..Account::eoa(account) }
    }

    /// By the word that facts carry.
    pub(crate) fn of(kind: &str, account: &AccountId) -> Account {
        if kind == "contract" { Account::contract(account) } else { Account::eoa(account) }
    }
}

/// What is known about an account's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub(crate) user_id: Option<UserId>,
    pub(crate) wallet_id: Option<WalletId>,
    pub(crate) is_linked: bool,
}

/// What wallet said of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The account belongs to the user.
    Linked,
    /// The link is gone.
    Unlinked,
}

impl Ownership {
    /// Whether this word is newer than what is known. Ids of links grow with time and a link begins before it ends, so
    /// the facts may come in any order.
    pub(crate) fn yields_to(&self, word: Word, wallet_id: WalletId, user_id: UserId) -> bool {
        match (self.wallet_id, word) {
            (Some(known), _) if known != wallet_id => wallet_id > known,
            (Some(_), Word::Linked) => false,
            (Some(_), Word::Unlinked) => self.is_linked,
            (None, Word::Linked) => true,
            // The link's beginning was not heard yet; an account of somebody else is not this link's to end.
            (None, Word::Unlinked) => self.user_id == Some(user_id),
        }
    }

    /// Whether the account is by a sign-in somebody else's than the link's whose end this is, and the end is news: it takes
    /// nothing from the owner, and its beginning, which is late, must not either.
    pub(crate) fn outlives(&self, word: Word, wallet_id: WalletId, user_id: UserId) -> bool {
        word == Word::Unlinked
            && !self.is_linked
            && self.user_id.is_some_and(|owner| owner != user_id)
            && self.wallet_id.is_none_or(|known| wallet_id > known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_link_has_the_last_word_and_its_end_comes_after_its_beginning() {
        let user = UserId::new();
        let (old, new) = (WalletId("00000000-0000-7000-8000-000000000001".parse().unwrap()), WalletId::new());
        let ensured = Ownership { user_id: Some(user), wallet_id: None, is_linked: false };
        assert!(ensured.yields_to(Word::Linked, old, UserId::new()));
        assert!(ensured.yields_to(Word::Unlinked, old, user));
        assert!(!ensured.yields_to(Word::Unlinked, old, UserId::new()));

        assert!(ensured.outlives(Word::Unlinked, old, UserId::new()));
        assert!(
            !ensured.outlives(Word::Unlinked, old, user)
                && !ensured.outlives(Word::Linked, old, UserId::new())
        );
        let anew = Ownership { wallet_id: Some(old), ..ensured };
        assert!(anew.outlives(Word::Unlinked, new, UserId::new()), "a later link of the former owner");

        let linked = Ownership { user_id: Some(user), wallet_id: Some(new), is_linked: true };
        assert!(!linked.outlives(Word::Unlinked, WalletId::new(), UserId::new()));
        assert!(!linked.yields_to(Word::Linked, new, user), "a repetition");
        assert!(linked.yields_to(Word::Unlinked, new, user));
        assert!(!linked.yields_to(Word::Unlinked, old, user), "the end of an older link");

        let unlinked = Ownership { user_id: None, wallet_id: Some(new), is_linked: false };
        assert!(!unlinked.yields_to(Word::Linked, new, user), "a link does not begin after its end");
        assert!(!unlinked.yields_to(Word::Linked, old, user));
        assert!(!unlinked.yields_to(Word::Unlinked, new, user), "a repetition");
    }

    #[test]
    fn a_key_is_the_same_person_on_every_chain_and_a_contract_is_not() {
        let one: AccountId = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let other: AccountId = "eip155:137:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        assert_eq!(Account::eoa(&one).identity, Account::eoa(&other).identity);
        assert_ne!(Account::contract(&one).identity, Account::contract(&other).identity);
    }
}
