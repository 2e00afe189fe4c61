//! Marks whose figures may have changed, and gives the role of creator to whose collection is live. The figures
//! themselves are the catalog's and are asked for later.

use events::{
    Envelope, Fact, NotThisFact,
    collections::CollectionUpserted,
    mints::{TokenUpserted, TokensUpserted},
};
use ids::{AccountId, Address, UserId};
use sqlx::PgConnection;

use crate::{change_roles::grant_creator, error::Error, store};

/// Whom a domain message concerns.
#[derive(Debug, PartialEq)]
pub(crate) enum Concerns {
    /// The owners of these addresses; and who is a creator now, if somebody is.
    Addresses(Vec<Address>, Option<AccountId>),
    /// Whoever has tokens of a collection: the message names nobody.
    Collection(TokensUpserted),
}

/// Reads a message of `collections.domain`, `mints.domain` or `orders.domain`.
pub(crate) fn concerns(envelope: &Envelope) -> Result<Concerns, NotThisFact> {
    let mut creator = None;
    let mut addresses: Vec<Address> = match envelope.kind.as_str() {
        CollectionUpserted::TYPE => {
            let fact: CollectionUpserted = envelope.open()?;
            let collection = fact.collection;
            if collection.status == "LIVE" && !fact.removed {
                creator = Some(AccountId::new(collection.chain_id, collection.creator));
            }
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
    Ok(Concerns::Addresses(addresses, creator))
}

/// Marks them, and says who became a creator.
pub(crate) async fn mark_stats(tx: &mut PgConnection, concerns: &Concerns) -> Result<Vec<UserId>, Error> {
    let mut granted = Vec::new();
    match concerns {
        Concerns::Addresses(addresses, creator) => {
            if let Some(creator) = creator {
                let owners = store::list_creator_owners(&mut *tx, creator).await?;
                granted = grant_creator(tx, &owners).await?;
            }
            let addresses: Vec<String> = addresses.iter().map(Address::to_lower).collect();
            let users = store::list_owners(&mut *tx, &addresses).await?;
            store::mark_dirty(tx, &users).await?;
        }
        Concerns::Collection(fact) => {
            store::upsert_dirty_collection(tx, fact.collection_id, fact.chain_id, fact.contract).await?;
        }
    }
    Ok(granted)
}
