//! Links and approvals, and the rules that need no database.

use chrono::{DateTime, SubsecRound, Utc};
use ids::{AccountId, Address, TokenId, UserId, WalletId};

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
    pub(crate) created_at: DateTime<Utc>,
}

impl Wallet {
    /// A new link; the first of a user is the primary one.
    pub(crate) fn link(
        user_id: UserId,
        account: &AccountId,
        kind: Kind,
        connector: Option<String>,
        owned: i64,
        now: DateTime<Utc>,
    ) -> Wallet {
        // As the column keeps it: the first answer and the later ones are the same.
        let now = now.trunc_subsecs(6);
        Wallet {
            wallet_id: WalletId::new(),
            user_id,
            account_id: account.to_lower(),
            identity: kind.identity(account),
            address: account.address.to_lower(),
            chain_id: account.chain_id.to_string(),
            is_primary: owned == 0,
            kind: kind.as_str().to_owned(),
            connector,
            label: None,
            verified_at: Some(now),
            created_at: now,
        }
    }
}

/// What an approval decides. A token has one approved operator at a time, so that a new one ends the old one's right;
/// approvals of all tokens stand beside each other, one an operator.
pub(crate) fn slot(owner: Address, operator: Address, token_id: Option<TokenId>) -> String {
    match token_id {
        Some(token_id) => format!("token/{token_id}"),
        None => format!("all/{}/{}", owner.to_lower(), operator.to_lower()),
    }
}

/// Whether somebody may move something after this event: the zero address as operator clears a token's approval.
pub(crate) fn is_in_force(is_approved: bool, operator: Address) -> bool {
    is_approved && !operator.is_zero()
}

/// An approval as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Approval {
    pub(crate) id: uuid::Uuid,
    pub(crate) chain_id: String,
    pub(crate) contract: String,
    pub(crate) owner: String,
    pub(crate) operator: String,
    pub(crate) token_id: Option<sqlx::types::BigDecimal>,
    pub(crate) block_number: i64,
    pub(crate) block_hash: String,
    pub(crate) block_time: DateTime<Utc>,
    pub(crate) tx_hash: String,
    pub(crate) log_index: i32,
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
        let link =
            |owned| Wallet::link(UserId::new(), &account, Kind::Eoa, None, owned, Utc::now()).is_primary;
        assert!(link(0));
        assert!(!link(1));
    }

    #[test]
    fn a_token_has_one_slot_whoever_is_approved() {
        let (a, b) = (Address::new([1; 20]), Address::new([2; 20]));
        let token = Some("7".parse().unwrap());
        assert_eq!(slot(a, b, token), slot(a, a, token));
        assert_ne!(slot(a, b, None), slot(a, a, None));
        assert_ne!(slot(a, b, None), slot(b, b, None));
        assert!(!is_in_force(true, Address::ZERO) && !is_in_force(false, a) && is_in_force(true, a));
    }
}
