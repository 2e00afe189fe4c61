//! The figures of a user.

use async_graphql::{Object, Result};
use proto::user::v1 as pb;

use super::{
    money::Money,
    scalar::{DateTime, moment},
};

/// What a user has made, owns and has traded. The figures follow what happens within a minute or so.
pub(crate) struct UserStats(pub(crate) pb::Stats);

#[Object]
impl UserStats {
    /// Collections that were made by accounts of the user.
    async fn collections_count(&self) -> i32 {
        self.0.collections_count
    }

    /// Tokens that the user owns.
    async fn items_count(&self) -> i32 {
        self.0.items_count
    }

    /// Tokens that the user offers now.
    async fn listings_count(&self) -> i32 {
        self.0.listings_count
    }

    async fn sales_count(&self) -> i32 {
        self.0.sales_count
    }

    async fn purchases_count(&self) -> i32 {
        self.0.purchases_count
    }

    /// What the sales brought, where they were paid in the native currency.
    async fn volume_sold(&self) -> Result<Money> {
        Money::of_wei(&self.0.volume_sold)
    }

    /// What the purchases cost, where they were paid in the native currency.
    async fn volume_purchased(&self) -> Result<Money> {
        Money::of_wei(&self.0.volume_purchased)
    }

    async fn followers_count(&self) -> i32 {
        self.0.followers_count
    }

    async fn following_count(&self) -> i32 {
        self.0.following_count
    }

    /// When the figures were last asked for.
    async fn updated_at(&self) -> Option<DateTime> {
        moment(self.0.update_time.as_ref())
    }
}
