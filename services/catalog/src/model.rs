//! The nouns of the catalog and their pure rules.

mod collection;
mod difference;
mod entry;
mod order;
mod text;
mod token;

pub(crate) use collection::{Aspect, Birth, Collection, Pending, Picture, Told, slug};
pub use difference::Difference;
pub(crate) use entry::{Entry, Kind, Mark, Moved, Origin, deciding};
pub(crate) use order::{Order, Side, Signed, Standing, State, ToldOrder, marketplace_row};
pub(crate) use text::{clean, without_nul};
pub(crate) use token::{Activity, Held, Holding, Token};

use ids::{Address, ChainId, TokenId};
use uuid::Uuid;

/// The id of a collection's row: the same in every rebuild.
pub(crate) fn collection_row(chain_id: ChainId, contract: Address) -> Uuid {
    ids::derived_uuid("collection", &format!("{chain_id}/{}", contract.to_lower()))
}

/// The id of a token's row.
pub(crate) fn token_row(chain_id: ChainId, contract: Address, token_id: TokenId) -> Uuid {
    ids::derived_uuid("token", &format!("{chain_id}/{}/{token_id}", contract.to_lower()))
}
