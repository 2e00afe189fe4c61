//! The catalog as one would write it for a chain that never changes its mind: a walk over the canonical blocks. And the
//! same picture as the tables give it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use events::{Standard, collections::CollectionUpdated, mints::TokenMoved};
use ids::{Address, ChainId};
use sqlx::{PgPool, Row};

use super::fake::{Event, FakeBlock, What};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenState {
    pub(crate) standard: String,
    pub(crate) owner: Option<Address>,
    pub(crate) supply: i128,
    pub(crate) burned: bool,
    pub(crate) minted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CollectionState {
    pub(crate) name: String,
    pub(crate) owner: Option<Address>,
    pub(crate) uri: Option<String>,
    pub(crate) is_paused: bool,
    pub(crate) supply: i128,
    pub(crate) items: i64,
    pub(crate) owners: i64,
    pub(crate) roles: BTreeSet<(String, Address)>,
    pub(crate) stages: BTreeMap<i64, i128>,
}

/// All that the catalog says about one chain.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct World {
    pub(crate) tokens: BTreeMap<(Address, u64), TokenState>,
    pub(crate) balances: BTreeMap<(Address, u64, Address), i128>,
    pub(crate) collections: BTreeMap<Address, CollectionState>,
}

/// Walks over the canonical chain.
pub(crate) fn walk(blocks: &[FakeBlock]) -> World {
    let mut world = World::default();
    for block in blocks {
        for event in &block.events {
            world.happen(event, block.time);
        }
    }
    world.balances.retain(|_, quantity| *quantity != 0);
    count(&mut world);
    world
}

impl World {
    /// One event, after all that came before it; the counts are left to the end.
    pub(crate) fn happen(&mut self, event: &Event, time: DateTime<Utc>) {
        match &event.what {
            What::Created(fact) => {
                let state = CollectionState {
                    name: fact.name.clone(),
                    owner: Some(fact.owner),
                    uri: fact.contract_uri.clone(),
                    ..CollectionState::default()
                };
                self.collections.insert(event.contract, state);
            }
            What::Updated(change) => {
                if let Some(state) = self.collections.get_mut(&event.contract) {
                    change_collection(state, change);
                }
            }
            What::Moved(moved) => {
                let first = moved.token_id.number().to::<u64>();
                let last = moved.last_token_id.map_or(first, |last| last.number().to::<u64>());
                for number in first..=last {
                    self.move_token(event, moved, number, time);
                }
            }
            What::Metadata(_) => {}
        }
    }

    fn move_token(&mut self, event: &Event, moved: &TokenMoved, number: u64, time: DateTime<Utc>) {
        let quantity = i128::from(moved.quantity.to::<u64>());
        let token = self.tokens.entry((event.contract, number)).or_insert(TokenState {
            standard: event.standard.as_str().to_owned(),
            owner: None,
            supply: 0,
            burned: false,
            minted_at: None,
        });
        if moved.from.is_zero() {
            token.minted_at.get_or_insert(time);
            token.supply += quantity;
        }
        if moved.to.is_zero() {
            token.supply -= quantity;
        }
        token.burned = token.supply == 0;
        if event.standard == Standard::Erc721 {
            token.owner = Some(moved.to).filter(|to| !to.is_zero());
            return;
        }
        for (who, gain) in [(moved.from, -quantity), (moved.to, quantity)] {
            if !who.is_zero() {
                *self.balances.entry((event.contract, number, who)).or_default() += gain;
            }
        }
    }
}

fn change_collection(state: &mut CollectionState, change: &CollectionUpdated) {
    match change {
        CollectionUpdated::OwnershipTransferred { to, .. } => state.owner = Some(*to),
        CollectionUpdated::RoleGranted { role, account } => {
            state.roles.insert((role.to_string(), *account));
        }
        CollectionUpdated::RoleRevoked { role, account } => {
            state.roles.remove(&(role.to_string(), *account));
        }
        CollectionUpdated::ContractUriUpdated { uri: Some(uri) } => state.uri = Some(uri.clone()),
        CollectionUpdated::Paused => state.is_paused = true,
        CollectionUpdated::Unpaused => state.is_paused = false,
        CollectionUpdated::StageUpdated { stage, price } => {
            state.stages.insert((*stage).into(), price.to::<u64>().into());
        }
        _ => {}
    }
}

fn count(world: &mut World) {
    let mut owners: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for ((contract, _), token) in &world.tokens {
        owners.entry(*contract).or_default().extend(token.owner);
        let Some(state) = world.collections.get_mut(contract) else { continue };
        state.supply += token.supply;
        state.items += i64::from(!token.burned);
    }
    for (contract, _, owner) in world.balances.keys() {
        owners.entry(*contract).or_default().insert(*owner);
    }
    for (contract, owners) in owners {
        if let Some(state) = world.collections.get_mut(&contract) {
            state.owners = owners.len() as i64;
        }
    }
}

/// What the tables say.
pub(crate) async fn read(db: &PgPool, chain_id: ChainId) -> World {
    let mut world = World::default();
    let rows = sqlx::query(
        "select contract_address, token_number::text, token_standard, owner_address, supply::text, burned, minted_at
         from tokens where chain_id = $1 and not is_removed",
    )
    .bind(chain_id.as_i64())
    .fetch_all(db)
    .await
    .unwrap();
    for row in rows {
        let state = TokenState {
            standard: row.get(2),
            owner: row.get(3),
            supply: row.get::<String, _>(4).parse().unwrap(),
            burned: row.get(5),
            minted_at: row.get(6),
        };
        world.tokens.insert((row.get(0), row.get::<String, _>(1).parse().unwrap()), state);
    }
    let rows = sqlx::query(
        "select contract, token_id::text, owner, quantity::text from token_balances
         where chain_id = $1 and quantity <> 0",
    )
    .bind(chain_id.as_i64())
    .fetch_all(db)
    .await
    .unwrap();
    for row in rows {
        let key = (row.get(0), row.get::<String, _>(1).parse().unwrap(), row.get(2));
        world.balances.insert(key, row.get::<String, _>(3).parse().unwrap());
    }
    let rows = sqlx::query(
        "select c.contract_address, c.name, c.owner, c.metadata_url, c.is_paused, c.total_supply::text,
             coalesce(s.items_count, 0), coalesce(s.owners_count, 0), c.id
         from collections c left join collection_stats s on s.collection_id = c.id
         where c.chain_id = $1 and c.status = 'LIVE'",
    )
    .bind(chain_id.as_i64())
    .fetch_all(db)
    .await
    .unwrap();
    for row in rows {
        let id: uuid::Uuid = row.get(8);
        let roles =
            sqlx::query("select role, account from collection_roles where collection_id = $1").bind(id);
        let stages =
            sqlx::query("select stage, price::text from collection_mint_config where collection_id = $1")
                .bind(id);
        let state = CollectionState {
            name: row.get(1),
            owner: row.get(2),
            uri: row.get(3),
            is_paused: row.get(4),
            supply: row.get::<String, _>(5).parse().unwrap(),
            items: row.get(6),
            owners: row.get(7),
            roles: roles
                .fetch_all(db)
                .await
                .unwrap()
                .iter()
                .map(|r| (r.get::<ids::Hash32, _>(0).to_string(), r.get(1)))
                .collect(),
            stages: stages
                .fetch_all(db)
                .await
                .unwrap()
                .iter()
                .map(|r| (r.get(0), r.get::<String, _>(1).parse().unwrap()))
                .collect(),
        };
        world.collections.insert(row.get(0), state);
    }
    world
}
