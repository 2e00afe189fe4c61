//! Allowlists: parse, call, reply.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ids::{Address, Hash32, RowId, UserId};
use prost_types::Timestamp;
use proto::{
    common::v1::{BlockRef, ContractRef},
    orchestrator::v1::{self as pb, allowlist_service_server::AllowlistService},
};
use tonic::{Request, Response, Status};

use super::{Door, user_id};
use crate::{
    allowlist::{
        Allowlist, MOST_ADDRESSES, NewList, SnapshotAsk, find_proof, put_allowlist, snapshot_allowlist,
    },
    ask::Violation,
    error::Error,
    page::Position,
    store::allowlists,
};

const NAME_MAX: usize = 100;
const PAGE_MAX: i32 = 100;
const MEMBERS_MAX: i32 = 1000;
/// Of a hundred thousand wrong addresses nobody reads more, and a status has no room for them.
const COMPLAINTS_MAX: usize = 10;

#[tonic::async_trait]
impl AllowlistService for Door {
    async fn put_allowlist(
        &self,
        request: Request<pb::PutAllowlistRequest>,
    ) -> Result<Response<pb::PutAllowlistResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let stored = put_allowlist(&self.tools.db, new_list(user_id, request.into_inner())?).await?;
        Ok(Response::new(pb::PutAllowlistResponse { allowlist: Some(allowlist(&stored)) }))
    }

    async fn snapshot_allowlist(
        &self,
        request: Request<pb::SnapshotAllowlistRequest>,
    ) -> Result<Response<pb::SnapshotAllowlistResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let stored = snapshot_allowlist(&self.tools, snapshot(user_id, request.into_inner())?).await?;
        Ok(Response::new(pb::SnapshotAllowlistResponse { allowlist: Some(allowlist(&stored)) }))
    }

    async fn get_allowlist(
        &self,
        request: Request<pb::GetAllowlistRequest>,
    ) -> Result<Response<pb::GetAllowlistResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let id = allowlist_id(&request.into_inner().allowlist_id)?;
        let found = allowlists::find_list(&self.tools.db, user_id, id).await.map_err(Error::from)?;
        let found = found.ok_or(Error::NotFound("allowlist"))?;
        Ok(Response::new(pb::GetAllowlistResponse { allowlist: Some(allowlist(&found)) }))
    }

    async fn list_allowlists(
        &self,
        request: Request<pb::ListAllowlistsRequest>,
    ) -> Result<Response<pb::ListAllowlistsResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let request = request.into_inner();
        let size = page_size(request.page_size, PAGE_MAX)?;
        let after: Position = request.page_token.parse()?;
        let listed = allowlists::list_lists(&self.tools.db, user_id, after, more(size)).await;
        let mut lists = listed.map_err(Error::from)?;
        let has_next = lists.len() > size;
        lists.truncate(size);
        let cursor = |list: &Allowlist| Position { created_at: list.created_at, id: list.allowlist_id.0 };
        Ok(Response::new(pb::ListAllowlistsResponse {
            cursors: lists.iter().map(|list| cursor(list).to_string()).collect(),
            allowlists: lists.iter().map(allowlist).collect(),
            has_next,
        }))
    }

    async fn list_allowlist_members(
        &self,
        request: Request<pb::ListAllowlistMembersRequest>,
    ) -> Result<Response<pb::ListAllowlistMembersResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let request = request.into_inner();
        let id = allowlist_id(&request.allowlist_id)?;
        let size = page_size(request.page_size, MEMBERS_MAX)?;
        let after = match request.page_token.as_str() {
            "" => String::new(),
            text => text.parse::<Address>().map_err(|_| Error::BadCursor)?.to_lower(),
        };
        let db = &self.tools.db;
        let listed = allowlists::list_members(db, user_id, id, &after, more(size)).await;
        let mut addresses = listed.map_err(Error::from)?;
        if addresses.is_empty() {
            // The end of a list of the caller, or a list of somebody else.
            let found = allowlists::find_list(db, user_id, id).await.map_err(Error::from)?;
            found.ok_or(Error::NotFound("allowlist"))?;
        }
        let has_next = addresses.len() > size;
        addresses.truncate(size);
        let next_page_token = addresses.last().filter(|_| has_next).cloned().unwrap_or_default();
        Ok(Response::new(pb::ListAllowlistMembersResponse { addresses, next_page_token }))
    }

    async fn get_proof(
        &self,
        request: Request<pb::GetProofRequest>,
    ) -> Result<Response<pb::GetProofResponse>, Status> {
        let request = request.into_inner();
        let root = Hash32::from_slice(&request.root).map_err(|err| Error::field("root", err))?;
        let wallet: Address = request.address.parse().map_err(|err| Error::field("address", err))?;
        let found = find_proof(&self.tools.db, root, wallet).await?;
        let known = found.is_some();
        let proof = found.flatten();
        Ok(Response::new(pb::GetProofResponse {
            known,
            listed: proof.is_some(),
            proof: proof.unwrap_or_default().iter().map(|node| node.as_slice().to_vec()).collect(),
        }))
    }
}

fn new_list(user_id: UserId, request: pb::PutAllowlistRequest) -> Result<NewList, Error> {
    let name = name(request.name)?;
    if !(1..=MOST_ADDRESSES).contains(&request.addresses.len()) {
        return Err(Error::field("addresses", format!("must be 1 to {MOST_ADDRESSES}")));
    }
    let (mut addresses, mut violations) = (BTreeSet::new(), Vec::new());
    for (at, text) in request.addresses.iter().enumerate() {
        let parsed = text.parse::<Address>().map_err(|err| err.to_string());
        let parsed = parsed.and_then(|address| {
            if address.is_zero() {
                Err("is the zero address, which nobody has".to_owned())
            } else {
                Ok(address)
            }
        });
        match parsed {
            Ok(address) => {
                addresses.insert(address);
            }
            Err(message) => violations.push(Violation { path: format!("addresses[{at}]"), message }),
        }
        if violations.len() == COMPLAINTS_MAX {
            break;
        }
    }
    if violations.is_empty() {
        Ok(NewList { user_id, name, addresses, snapshot: None })
    } else {
        Err(Error::Invalid(violations))
    }
}

fn snapshot(user_id: UserId, request: pb::SnapshotAllowlistRequest) -> Result<SnapshotAsk, Error> {
    let collection = request.collection.unwrap_or_default();
    let min_quantity = match request.min_quantity.as_str() {
        "" => amounts::U256::ONE,
        text => amounts::parse(text).map_err(|err| Error::field("min_quantity", err))?,
    };
    if min_quantity.is_zero() {
        return Err(Error::field("min_quantity", "must be at least 1"));
    }
    Ok(SnapshotAsk {
        user_id,
        name: name(request.name)?,
        chain_id: collection.chain_id.parse().map_err(|err| Error::field("collection.chain_id", err))?,
        contract: collection.address.parse().map_err(|err| Error::field("collection.address", err))?,
        block_number: Some(request.block_number).filter(|number| *number > 0),
        min_quantity,
    })
}

fn name(text: String) -> Result<String, Error> {
    let text = text.trim();
    if text.chars().count() > NAME_MAX || text.chars().any(char::is_control) {
        return Err(Error::field("name", "must be one line of at most 100 characters"));
    }
    Ok(text.to_owned())
}

fn allowlist_id(text: &str) -> Result<RowId, Error> {
    text.parse().map_err(|_| Error::field("allowlist_id", "must be a UUID"))
}

fn page_size(asked: i32, most: i32) -> Result<usize, Error> {
    let size = Some(asked).filter(|size| (1..=most).contains(size));
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| Error::field("page_size", format!("must be 1 to {most}")))
}

/// One more row than the page says whether there is another page.
fn more(size: usize) -> i64 {
    i64::try_from(size + 1).unwrap_or(i64::MAX)
}

fn allowlist(of: &Allowlist) -> pb::Allowlist {
    let snapshot = of.snapshot.as_ref();
    pb::Allowlist {
        allowlist_id: of.allowlist_id.to_string(),
        name: of.name.clone(),
        root: of.root.as_slice().to_vec(),
        count: of.count,
        create_time: Some(timestamp(of.created_at)),
        collection: snapshot
            .map(|of| ContractRef { chain_id: of.chain_id.to_string(), address: of.contract.to_lower() }),
        block: snapshot.map(|of| BlockRef {
            number: of.block_number,
            hash: of.block_hash.to_string(),
            time: Some(timestamp(of.block_time)),
        }),
    }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}
