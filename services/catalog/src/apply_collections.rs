//! Applies creations and changes of collections: each part of the picture is what the last standing event about it says.

use std::collections::{BTreeMap, BTreeSet};

use ids::{Address, BlockHash, Hash32};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    error::Error,
    model::{Aspect, Entry, Kind, Picture, Told},
    record::{Flip, record},
    store::{self, collections, ledger, metadata},
    tell::{self, Cause},
};

pub(crate) async fn apply_collections(db: &PgPool, entries: &[Entry], cause: &Cause) -> Result<(), Error> {
    let mut tx = store::begin(db).await?;
    let recorded = record(&mut tx, entries).await?;
    if recorded.flips.is_empty() {
        tx.commit().await?;
        return Ok(());
    }
    let touched = touched(&recorded.flips);
    let aspects: BTreeSet<(Uuid, Aspect)> = touched
        .iter()
        .flat_map(|(id, part)| part.aspects.iter().chain(&Aspect::COMMON).map(|aspect| (*id, *aspect)))
        .collect();
    let aspects: Vec<(Uuid, Aspect)> = aspects.into_iter().collect();
    let mut told: BTreeMap<Uuid, Vec<Told>> = BTreeMap::new();
    for event in ledger::list_last_told(&mut tx, &aspects).await? {
        told.entry(event.collection_id).or_default().push(event);
    }
    let pictures: BTreeMap<Uuid, Picture> = touched
        .keys()
        .map(|id| (*id, told.get(id).map(|told| Picture::of(told)).unwrap_or_default()))
        .collect();

    let ids: Vec<Uuid> = touched.keys().copied().collect();
    let drawn: Vec<(Uuid, Address, &Picture)> =
        pictures.iter().map(|(id, picture)| (*id, touched[id].contract, picture)).collect();
    let born: Vec<_> = drawn
        .iter()
        .filter_map(|(id, at, p)| Some((*id, touched[id].chain_id, *at, p.birth.as_ref()?, p.implementation)))
        .collect();
    let blocks: Vec<(i64, BlockHash)> = touched.values().map(|part| part.block).collect();
    let (roles, stages) = parts(&aspects);
    collections::delete_parts(&mut tx, &ids, &roles, &stages).await?;
    collections::insert_bindings(&mut tx, &born).await?;
    collections::insert_parts(&mut tx, &drawn).await?;
    collections::update_pictures(&mut tx, &drawn, &blocks).await?;
    let refreshed: Vec<Uuid> =
        touched.iter().filter(|(_, part)| part.is_refreshed).map(|(id, _)| *id).collect();
    metadata::request_collections(&mut tx, &refreshed).await?;

    let messages = tell::collections(&mut tx, &recorded, &ids, cause).await?;
    bus::outbox::put_all(&mut tx, &messages).await?;
    tx.commit().await?;
    Ok(())
}

/// A collection that events are about.
struct Part {
    chain_id: i64,
    contract: Address,
    aspects: BTreeSet<Aspect>,
    block: (i64, BlockHash),
    is_refreshed: bool,
}

fn touched(flips: &[Flip]) -> BTreeMap<Uuid, Part> {
    let mut touched: BTreeMap<Uuid, Part> = BTreeMap::new();
    for Flip { entry, .. } in flips {
        let Some(id) = entry.collection_id else { continue };
        let block = (entry.block_number, entry.mark.block_hash);
        let part = touched.entry(id).or_insert_with(|| Part {
            chain_id: entry.mark.chain_id,
            contract: entry.contract,
            aspects: BTreeSet::new(),
            block,
            is_refreshed: false,
        });
        part.block = block;
        part.aspects.extend(entry.aspect);
        // A change without an aspect is a URI that the contract did not answer for.
        part.is_refreshed |= entry.kind == Kind::Created || matches!(entry.aspect, None | Some(Aspect::Uri));
    }
    touched
}

type Roles = Vec<(Uuid, Hash32, Address)>;

fn parts(aspects: &[(Uuid, Aspect)]) -> (Roles, Vec<(Uuid, i64)>) {
    let (mut roles, mut stages) = (Vec::new(), Vec::new());
    for (id, aspect) in aspects {
        match aspect {
            Aspect::Role(role, account) => roles.push((*id, *role, *account)),
            Aspect::Stage(stage) => stages.push((*id, i64::from(*stage))),
            _ => {}
        }
    }
    (roles, stages)
}
