//! Row ids: one type a table, so that no two can be mixed up.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Address, ChainId, Invalid, OrderHash};

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id that sorts by the time it was made.
            #[expect(clippy::new_without_default, reason = "a default value that differs each time would surprise")]
            pub fn new() -> $name {
                $name(Uuid::now_v7())
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<$name, Invalid> {
                Uuid::try_parse(text).map($name).map_err(|_| Invalid::new(stringify!($name), "must be a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        crate::as_string!($name);
    )+};
}

row_id! {
    /// A person, whatever wallets they use.
    UserId,
    /// One sign-in on one device, until it ends.
    SessionId,
    /// A browser or an app, as it names itself.
    DeviceId,
    /// One attempt to sign in.
    LoginEventId,
    /// A link of an account to a user.
    WalletId,
    /// What a user is about to sign, followed to its end.
    IntentId,
    /// One transaction or signature of an intent.
    StepId,
    /// A collection's row.
    CollectionId,
    /// A token's row (its number inside the contract is a [`crate::TokenId`]).
    TokenRowId,
    /// An order's row.
    OrderId,
    /// An activity's row.
    ActivityId,
    /// A media asset.
    AssetId,
    /// A row that no other service names.
    RowId,
}

/// The namespace under which rows derived from the chain get their ids.
const NAMESPACE: Uuid = Uuid::from_bytes(*b"vitrine/chainrow");

/// The id of a row that is derived from the chain: the same natural key gives the same id in any rebuild.
pub fn derived_uuid(kind: &str, natural_key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}/{natural_key}").as_bytes())
}

/// The id of an order's row: the same in every rebuild.
pub fn order_row(chain_id: ChainId, exchange: Address, order_hash: OrderHash) -> Uuid {
    derived_uuid("order", &format!("{chain_id}/{}/{order_hash}", exchange.to_lower()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_depends_on_kind_and_key_only() {
        assert_eq!(derived_uuid("collection", "eip155:1/0xab"), derived_uuid("collection", "eip155:1/0xab"));
        assert_ne!(derived_uuid("collection", "eip155:1/0xab"), derived_uuid("token", "eip155:1/0xab"));
    }

    #[test]
    fn an_orders_id_is_that_of_its_chain_exchange_and_hash() {
        let (chain, exchange, hash) =
            (ChainId::new(1).unwrap(), Address::new([1; 20]), OrderHash::new([2; 32]));
        assert_eq!(order_row(chain, exchange, hash), order_row(chain, exchange, hash));
        assert_ne!(order_row(chain, exchange, hash), order_row(ChainId::new(2).unwrap(), exchange, hash));
        assert_ne!(order_row(chain, exchange, hash), order_row(chain, Address::new([3; 20]), hash));
    }

    #[test]
    fn a_new_id_sorts_after_an_older_one() {
        let (first, second) = (UserId::new(), UserId::new());
        assert!(first <= second);
    }
}
