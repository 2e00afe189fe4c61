//! An account on a chain, as CAIP-10 names it.

use std::{fmt, str::FromStr};

use crate::{Address, ChainId, Invalid};

/// `eip155:1:0xAb…`: the checksummed form out, any right form in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId {
    /// Where the account lives.
    pub chain_id: ChainId,
    /// Which account it is.
    pub address: Address,
}

impl AccountId {
    /// Both parts, already parsed.
    pub const fn new(chain_id: ChainId, address: Address) -> AccountId {
        AccountId { chain_id, address }
    }

    /// The form for text columns and keys: the address in lower case.
    pub fn to_lower(&self) -> String {
        format!("{}:{}", self.chain_id, self.address.to_lower())
    }
}

impl FromStr for AccountId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<AccountId, Invalid> {
        let (chain, address) = text
            .rsplit_once(':')
            .ok_or(Invalid::new("account id", "must be a chain id, a colon and an address"))?;
        Ok(AccountId { chain_id: chain.parse()?, address: address.parse()? })
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chain_id, self.address)
    }
}

crate::as_string!(AccountId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_and_written_back() {
        let text = "eip155:31337:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        let account: AccountId = text.parse().unwrap();
        assert_eq!(account.to_string(), text);
        assert_eq!(account.to_lower(), text.to_lowercase());
        assert!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse::<AccountId>().is_err());
    }
}
