//! Whose logs are kept.

use std::collections::{HashMap, HashSet};

use ids::Address;

use crate::{
    decode,
    model::{Contract, Log, Role},
    store::payer::MOST_PAYERS,
};

/// The contracts that are followed, and whose money in their currencies counts, as of a version of both, and with what
/// the blocks say that were read since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed {
    /// By address.
    pub(crate) contracts: HashMap<Address, Contract>,
    /// Makers of offers, by currency.
    pub(crate) payers: HashMap<Address, HashSet<Address>>,
    /// How many they are together.
    pub(crate) known: i64,
    /// `indexer_checkpoints.followed_version` as it was read: a commit under another one is refused.
    pub(crate) version: i64,
}

impl Followed {
    pub(crate) fn new(
        contracts: HashMap<Address, Contract>,
        payers: HashMap<Address, HashSet<Address>>,
        version: i64,
    ) -> Followed {
        let known = payers.values().map(|accounts| accounts.len() as i64).sum();
        Followed { contracts, payers, known, version }
    }

    /// Whether a log of a currency is about somebody whose money counts in it.
    pub(crate) fn concerns(&self, log: &Log) -> bool {
        self.payers.get(&log.address).is_some_and(|payers| decode::concerns(log, payers))
    }

    /// Somebody made an offer in a currency. Where that is none of the chain's, or as many are followed as may be, nobody
    /// is added, here as in the table.
    pub(crate) fn follow_payer(&mut self, token: Address, account: Address) {
        let is_currency = self.contracts.get(&token).is_some_and(|contract| contract.role == Role::Currency);
        if is_currency && self.known < MOST_PAYERS {
            let is_new = self.payers.entry(token).or_default().insert(account);
            self.known += i64::from(is_new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Address = Address::new([1; 20]);

    fn account(number: i64) -> Address {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Address::new(bytes)
    }

    fn payers_of(followed: &Followed) -> Vec<(Address, usize)> {
        followed.payers.iter().map(|(token, accounts)| (*token, accounts.len())).collect()
    }

    #[test]
    fn only_offers_in_a_currency_of_the_chain_make_a_payer() {
        let contract = |role| Contract { address: TOKEN, role, from_block: 0, created_in: None };
        let mut followed = Followed::new([(TOKEN, contract(Role::Currency))].into(), HashMap::new(), 0);
        followed.follow_payer(TOKEN, account(1));
        followed.follow_payer(TOKEN, account(1));
        followed.follow_payer(account(9), account(1));
        assert_eq!((payers_of(&followed), followed.known), (vec![(TOKEN, 1)], 1));
        let mut other = Followed::new([(TOKEN, contract(Role::Factory))].into(), HashMap::new(), 0);
        other.follow_payer(TOKEN, account(1));
        assert!(payers_of(&other).is_empty());
    }

    #[test]
    fn no_more_payers_are_remembered_than_may_be() {
        let contract = Contract { address: TOKEN, role: Role::Currency, from_block: 0, created_in: None };
        let payers = HashMap::from([(TOKEN, (1..MOST_PAYERS).map(account).collect())]);
        let mut followed = Followed::new([(TOKEN, contract)].into(), payers, 0);
        for number in 0..10 {
            followed.follow_payer(TOKEN, account(MOST_PAYERS + number));
        }
        assert_eq!(payers_of(&followed), [(TOKEN, MOST_PAYERS as usize)]);
    }
}
