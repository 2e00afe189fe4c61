//! Marks whose figures may have changed. The figures themselves are the catalog's and are asked for later.

use events::{
    Envelope, Fact, NotThisFact,
    collections::CollectionUpserted,
    mints::{TokenUpserted, TokensUpserted},
};
use ids::Address;
use sqlx::PgConnection;

use crate::{error::Error, store};

/// Whom a domain message concerns.
#[derive(Debug, PartialEq)]
pub(crate) enum Concerns {
    /// The owners of these addresses.
    Addresses(Vec<Address>),
    /// Whoever has tokens of a collection: the message names nobody.
    Collection(TokensUpserted),
}

/// Reads a message of `collections.domain`, `mints.domain` or `orders.domain`.
pub(crate) fn concerns(envelope: &Envelope) -> Result<Concerns, NotThisFact> {
    let mut addresses = match envelope.kind.as_str() {
        CollectionUpserted::TYPE => {
            let collection = envelope.open::<CollectionUpserted>()?.collection;
            [Some(collection.creator), collection.owner].into_iter().flatten().collect()
        }
        TokensUpserted::TYPE => return Ok(Concerns::Collection(envelope.open()?)),
        _ => {
            let fact: TokenUpserted = envelope.open()?;
            let mut addresses: Vec<Address> =
                [fact.token.owner, fact.owner_before].into_iter().flatten().collect();
            addresses.extend(fact.activities.iter().flat_map(|activity| [activity.from, activity.to]));
            addresses
        }
    };
    addresses.retain(|address| !address.is_zero());
    addresses.sort();
    addresses.dedup();
    Ok(Concerns::Addresses(addresses))
}

/// Marks them.
pub(crate) async fn mark_stats(tx: &mut PgConnection, concerns: &Concerns) -> Result<(), Error> {
    match concerns {
        Concerns::Addresses(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(Address::to_lower).collect();
            let users = store::list_owners(&mut *tx, &addresses).await?;
            store::mark_dirty(tx, &users).await?;
        }
        Concerns::Collection(fact) => {
            store::upsert_dirty_collection(tx, fact.collection_id, fact.chain_id, fact.contract).await?;
        }
    }
    Ok(())
}
