//! The door for calls: parse, call, reply.

mod answer;
mod ask;

use proto::wallet::v1::{
    self as pb,
    wallet_service_server::{WalletService, WalletServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    error::Error,
    label_wallet::label_wallet,
    link_wallet::link_wallet,
    list_approvals::Approvals,
    make_primary::make_primary,
    model,
    page::{Moment, Page, one_more},
    peers::Peers,
    store::{self, ApprovalsCache},
    unlink_wallet::unlink_wallet,
    upsert_link::upsert_link,
};

/// The door with what its calls need.
pub(crate) struct Door {
    db: PgPool,
    peers: Peers,
    approvals: Approvals,
}

impl Door {
    pub(crate) fn new(db: PgPool, peers: Peers, cache: ApprovalsCache) -> Door {
        Door { approvals: Approvals::of(db.clone(), cache), db, peers }
    }

    /// The service as tonic wants it.
    pub(crate) fn routes(self) -> Routes {
        Routes::new(WalletServiceServer::new(self))
    }
}

#[tonic::async_trait]
impl WalletService for Door {
    async fn upsert_link(
        &self,
        request: Request<pb::UpsertLinkRequest>,
    ) -> Result<Response<pb::UpsertLinkResponse>, Status> {
        let ask = ask::login_link(request.into_inner())?;
        let (wallet, created) = upsert_link(&self.db, &ask).await?;
        Ok(Response::new(pb::UpsertLinkResponse { wallet: Some(wallet.into()), created }))
    }

    async fn batch_list_wallets(
        &self,
        request: Request<pb::BatchListWalletsRequest>,
    ) -> Result<Response<pb::BatchListWalletsResponse>, Status> {
        let user_ids = ask::user_ids(&request.into_inner().user_ids)?;
        let wallets = store::list_by_users(&self.db, &user_ids).await.map_err(Error::from)?;
        Ok(Response::new(pb::BatchListWalletsResponse {
            wallets: wallets.into_iter().map(Into::into).collect(),
        }))
    }

    async fn resolve_accounts(
        &self,
        request: Request<pb::ResolveAccountsRequest>,
    ) -> Result<Response<pb::ResolveAccountsResponse>, Status> {
        let asked = ask::identities(request.into_inner())?;
        let identities: Vec<String> = asked.iter().flat_map(|(_, identities)| identities.clone()).collect();
        let owners = store::list_owners(&self.db, &identities).await.map_err(Error::from)?;
        let owner = |identity: &String| owners.iter().find(|(known, _)| known == identity);
        let user_id_by_account = asked
            .into_iter()
            .filter_map(|(text, identities)| Some((text, identities.iter().find_map(owner)?.1.to_string())))
            .collect();
        Ok(Response::new(pb::ResolveAccountsResponse { user_id_by_account }))
    }

    async fn link_wallet(
        &self,
        request: Request<pb::LinkWalletRequest>,
    ) -> Result<Response<pb::LinkWalletResponse>, Status> {
        let user_id = ask::caller(&request)?;
        let ask = ask::proven(user_id, request.into_inner())?;
        let (wallet, created) = link_wallet(&self.db, &self.peers, ask).await?;
        Ok(Response::new(pb::LinkWalletResponse { wallet: Some(wallet.into()), created }))
    }

    async fn unlink(
        &self,
        request: Request<pb::UnlinkRequest>,
    ) -> Result<Response<pb::UnlinkResponse>, Status> {
        let user_id = ask::caller(&request)?;
        let wallet_id = ask::wallet_id(&request.into_inner().wallet_id)?;
        unlink_wallet(&self.db, user_id, wallet_id).await?;
        Ok(Response::new(pb::UnlinkResponse {}))
    }

    async fn set_label(
        &self,
        request: Request<pb::SetLabelRequest>,
    ) -> Result<Response<pb::SetLabelResponse>, Status> {
        let user_id = ask::caller(&request)?;
        let request = request.into_inner();
        let label = model::label(request.label).map_err(|why| Error::field("label", why))?;
        let wallet_id = ask::wallet_id(&request.wallet_id)?;
        let wallet = label_wallet(&self.db, user_id, wallet_id, label).await?;
        Ok(Response::new(pb::SetLabelResponse { wallet: Some(wallet.into()) }))
    }

    async fn set_primary(
        &self,
        request: Request<pb::SetPrimaryRequest>,
    ) -> Result<Response<pb::SetPrimaryResponse>, Status> {
        let user_id = ask::caller(&request)?;
        let wallet_id = ask::wallet_id(&request.into_inner().wallet_id)?;
        let wallet = make_primary(&self.db, user_id, wallet_id).await?;
        Ok(Response::new(pb::SetPrimaryResponse { wallet: Some(wallet.into()) }))
    }

    async fn list_activity(
        &self,
        request: Request<pb::ListActivityRequest>,
    ) -> Result<Response<pb::ListActivityResponse>, Status> {
        let user_id = ask::caller(&request)?;
        let request = request.into_inner();
        let size = ask::page_size(request.page_size)?;
        let after: Moment = request.page_token.parse()?;
        let rows =
            store::list_activity(&self.db, user_id, after, one_more(size)).await.map_err(Error::from)?;
        Ok(Response::new(Page::cut(rows, size).into()))
    }

    async fn list_approvals(
        &self,
        request: Request<pb::ListApprovalsRequest>,
    ) -> Result<Response<pb::ListApprovalsResponse>, Status> {
        let pb::ListApprovalsRequest { owner, chain_id, page_size, page_token } = request.into_inner();
        let asked = ask::approvals("owner", &owner, &chain_id, page_size, &page_token)?;
        let page = self.approvals.list(asked.of, asked.chain_id, asked.after, asked.size).await?;
        Ok(Response::new(page.into()))
    }

    async fn list_approval_history(
        &self,
        request: Request<pb::ListApprovalHistoryRequest>,
    ) -> Result<Response<pb::ListApprovalHistoryResponse>, Status> {
        let pb::ListApprovalHistoryRequest { owner, chain_id, page_size, page_token } = request.into_inner();
        let asked = ask::approvals("owner", &owner, &chain_id, page_size, &page_token)?;
        let limit = one_more(asked.size);
        let rows = store::list_history(&self.db, asked.of, asked.chain_id, asked.after, limit).await;
        Ok(Response::new(Page::cut(rows.map_err(Error::from)?, asked.size).into()))
    }

    async fn list_grantors(
        &self,
        request: Request<pb::ListGrantorsRequest>,
    ) -> Result<Response<pb::ListGrantorsResponse>, Status> {
        let pb::ListGrantorsRequest { operator, chain_id, page_size, page_token } = request.into_inner();
        let asked = ask::approvals("operator", &operator, &chain_id, page_size, &page_token)?;
        let limit = one_more(asked.size);
        let rows = store::list_grantors(&self.db, asked.of, asked.chain_id, asked.after, limit).await;
        Ok(Response::new(Page::cut(rows.map_err(Error::from)?, asked.size).into()))
    }
}
