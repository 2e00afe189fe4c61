//! The market: parse, call, reply.

use proto::orchestrator::v1::{self as pb, market_orchestrator_service_server::MarketOrchestratorService};
use tonic::{Request, Response, Status};

use super::{Door, asker, parse, parse_market, reply, user_id};
use crate::{
    market::{
        prepare_accept_offer, prepare_buy, prepare_cancel_order, prepare_listing, prepare_offer, submit_order,
    },
    prepare_approve::prepare_approve,
    prepare_revoke_approval::prepare_revoke_approval,
};

#[tonic::async_trait]
impl MarketOrchestratorService for Door {
    async fn prepare_approve(
        &self,
        request: Request<pb::PrepareApproveRequest>,
    ) -> Result<Response<pb::PrepareApproveResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = prepare_approve(&self.tools, &asker, &parse::approve(request)?).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareApproveResponse { intent: Some(intent), steps }))
    }

    async fn prepare_revoke_approval(
        &self,
        request: Request<pb::PrepareRevokeApprovalRequest>,
    ) -> Result<Response<pb::PrepareRevokeApprovalResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = prepare_revoke_approval(&self.tools, &asker, &parse::revoke(request)?).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareRevokeApprovalResponse { intent: Some(intent), steps }))
    }

    async fn prepare_listing(
        &self,
        request: Request<pb::PrepareListingRequest>,
    ) -> Result<Response<pb::PrepareListingResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared =
            Box::pin(prepare_listing(&self.tools, &asker, &parse_market::listing(request)?)).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareListingResponse { intent: Some(intent), steps }))
    }

    async fn prepare_offer(
        &self,
        request: Request<pb::PrepareOfferRequest>,
    ) -> Result<Response<pb::PrepareOfferResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = Box::pin(prepare_offer(&self.tools, &asker, &parse_market::offer(request)?)).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareOfferResponse { intent: Some(intent), steps }))
    }

    async fn submit_order(
        &self,
        request: Request<pb::SubmitOrderRequest>,
    ) -> Result<Response<pb::SubmitOrderResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let ask = parse_market::submit(user_id, request.into_inner())?;
        let submitted = submit_order(&self.tools, &self.woken, &ask).await?;
        let (intent, steps) = reply::prepared(submitted);
        Ok(Response::new(pb::SubmitOrderResponse { intent: Some(intent), steps }))
    }

    async fn prepare_buy(
        &self,
        request: Request<pb::PrepareBuyRequest>,
    ) -> Result<Response<pb::PrepareBuyResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = Box::pin(prepare_buy(&self.tools, &asker, &parse_market::buy(&request)?)).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareBuyResponse { intent: Some(intent), steps }))
    }

    async fn prepare_accept_offer(
        &self,
        request: Request<pb::PrepareAcceptOfferRequest>,
    ) -> Result<Response<pb::PrepareAcceptOfferResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared =
            Box::pin(prepare_accept_offer(&self.tools, &asker, &parse_market::accept(&request)?)).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareAcceptOfferResponse { intent: Some(intent), steps }))
    }

    async fn prepare_cancel_order(
        &self,
        request: Request<pb::PrepareCancelOrderRequest>,
    ) -> Result<Response<pb::PrepareCancelOrderResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared =
            Box::pin(prepare_cancel_order(&self.tools, &asker, &parse_market::cancel(&request)?)).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareCancelOrderResponse { intent: Some(intent), steps }))
    }
}
