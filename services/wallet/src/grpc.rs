//! The door for calls: parse, call, reply.

use chrono::{DateTime, Utc};
use ids::{AccountId, Address, ChainId, UserId};
use prost_types::Timestamp;
use proto::{
    common::v1::{BlockRef, ContractRef},
    wallet::v1::{
        self as pb,
        wallet_service_server::{WalletService, WalletServiceServer},
    },
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    error::Error,
    model::{Approval, Kind, Wallet},
    page::Position,
    store,
    upsert_link::{LinkAsk, upsert_link},
};

/// How many ids one call may name.
const BATCH_MAX: usize = 100;
const PAGE_MAX: i32 = 100;
const CONNECTOR_MAX_CHARS: usize = 50;

/// The service as tonic wants it.
pub(crate) fn routes(db: PgPool) -> Routes {
    Routes::new(WalletServiceServer::new(Door { db }))
}

struct Door {
    db: PgPool,
}

#[tonic::async_trait]
impl WalletService for Door {
    async fn upsert_link(
        &self,
        request: Request<pb::UpsertLinkRequest>,
    ) -> Result<Response<pb::UpsertLinkResponse>, Status> {
        let ask = link_ask(request.into_inner())?;
        let (wallet, created) = upsert_link(&self.db, &ask).await?;
        Ok(Response::new(pb::UpsertLinkResponse { wallet: Some(wallet.into()), created }))
    }

    async fn batch_list_wallets(
        &self,
        request: Request<pb::BatchListWalletsRequest>,
    ) -> Result<Response<pb::BatchListWalletsResponse>, Status> {
        let user_ids = bounded("user_ids", request.into_inner().user_ids)?;
        let user_ids = user_ids
            .iter()
            .map(|id| id.parse::<UserId>().map(|id| id.0))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| Error::field("user_ids", err))?;
        let wallets = store::list_by_users(&self.db, &user_ids).await.map_err(Error::from)?;
        Ok(Response::new(pb::BatchListWalletsResponse {
            wallets: wallets.into_iter().map(Into::into).collect(),
        }))
    }

    async fn resolve_accounts(
        &self,
        request: Request<pb::ResolveAccountsRequest>,
    ) -> Result<Response<pb::ResolveAccountsResponse>, Status> {
        let asked = bounded("account_ids", request.into_inner().account_ids)?;
        let accounts = asked
            .iter()
            .map(|text| text.parse::<AccountId>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| Error::field("account_ids", err))?;
        let both = |account: &AccountId| [Kind::Eoa.identity(account), Kind::Contract.identity(account)];
        let identities: Vec<String> = accounts.iter().flat_map(both).collect();
        let owners = store::list_owners(&self.db, &identities).await.map_err(Error::from)?;
        let owner = |identity: &String| owners.iter().find(|(known, _)| known == identity);
        let user_id_by_account = asked
            .into_iter()
            .zip(&accounts)
            // Who holds the key of an address is never a contract at it, so the key's owner is asked first.
            .filter_map(|(text, account)| Some((text, both(account).iter().find_map(owner)?.1.to_string())))
            .collect();
        Ok(Response::new(pb::ResolveAccountsResponse { user_id_by_account }))
    }

    async fn list_approvals(
        &self,
        request: Request<pb::ListApprovalsRequest>,
    ) -> Result<Response<pb::ListApprovalsResponse>, Status> {
        let request = request.into_inner();
        let owner: Address = request.owner.parse().map_err(|err| Error::field("owner", err))?;
        let chain_id: ChainId = request.chain_id.parse().map_err(|err| Error::field("chain_id", err))?;
        let after: Position = request.page_token.parse()?;
        if !(1..=PAGE_MAX).contains(&request.page_size) {
            return Err(Error::field("page_size", "must be 1 to 100").into());
        }
        // One more than asked tells whether there is another page.
        let limit = i64::from(request.page_size) + 1;
        let mut rows =
            store::list_approvals(&self.db, owner, chain_id, after, limit).await.map_err(Error::from)?;
        let size = usize::try_from(request.page_size).unwrap_or_default();
        let has_more = rows.len() > size;
        rows.truncate(size);
        let next_page_token = match rows.last() {
            Some(last) if has_more => Position::after(last).to_string(),
            _ => String::new(),
        };
        let approvals = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListApprovalsResponse { approvals, next_page_token, ..Default::default() }))
    }

    async fn link_wallet(
        &self,
        _: Request<pb::LinkWalletRequest>,
    ) -> Result<Response<pb::LinkWalletResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn unlink(
        &self,
        _: Request<pb::UnlinkRequest>,
    ) -> Result<Response<pb::UnlinkResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_label(
        &self,
        _: Request<pb::SetLabelRequest>,
    ) -> Result<Response<pb::SetLabelResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_primary(
        &self,
        _: Request<pb::SetPrimaryRequest>,
    ) -> Result<Response<pb::SetPrimaryResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_activity(
        &self,
        _: Request<pb::ListActivityRequest>,
    ) -> Result<Response<pb::ListActivityResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_approval_history(
        &self,
        _: Request<pb::ListApprovalHistoryRequest>,
    ) -> Result<Response<pb::ListApprovalHistoryResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_grantors(
        &self,
        _: Request<pb::ListGrantorsRequest>,
    ) -> Result<Response<pb::ListGrantorsResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }
}

fn link_ask(request: pb::UpsertLinkRequest) -> Result<LinkAsk, Error> {
    if request.connector.chars().count() > CONNECTOR_MAX_CHARS {
        return Err(Error::field("connector", "must be at most 50 characters"));
    }
    Ok(LinkAsk {
        user_id: request.user_id.parse().map_err(|err| Error::field("user_id", err))?,
        account: request.account_id.parse().map_err(|err| Error::field("account_id", err))?,
        kind: request.r#type.parse().map_err(|err| Error::field("type", err))?,
        connector: (!request.connector.is_empty()).then_some(request.connector),
    })
}

fn bounded(path: &'static str, values: Vec<String>) -> Result<Vec<String>, Error> {
    if values.len() > BATCH_MAX {
        return Err(Error::field(path, "must be at most 100"));
    }
    Ok(values)
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<Wallet> for pb::Wallet {
    fn from(wallet: Wallet) -> pb::Wallet {
        pb::Wallet {
            wallet_id: wallet.wallet_id.to_string(),
            user_id: wallet.user_id.to_string(),
            account_id: wallet.account_id,
            address: wallet.address,
            chain_id: wallet.chain_id,
            is_primary: wallet.is_primary,
            r#type: wallet.kind,
            connector: wallet.connector.unwrap_or_default(),
            label: wallet.label.unwrap_or_default(),
            verify_time: wallet.verified_at.map(timestamp),
            create_time: Some(timestamp(wallet.created_at)),
            last_seen_time: None,
        }
    }
}

impl From<Approval> for pb::Approval {
    fn from(approval: Approval) -> pb::Approval {
        pb::Approval {
            owner: approval.owner,
            operator: approval.operator,
            contract: Some(ContractRef { chain_id: approval.chain_id, address: approval.contract }),
            token_id: approval
                .token_id
                .map(|number| number.with_scale(0).to_plain_string())
                .unwrap_or_default(),
            approved: true,
            block: Some(BlockRef {
                number: approval.block_number.unsigned_abs(),
                hash: approval.block_hash,
                time: Some(timestamp(approval.block_time)),
            }),
            tx_hash: approval.tx_hash,
            cause: "approval".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
