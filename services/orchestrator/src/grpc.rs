//! The door for calls: parse, call, reply.

mod allowlists;
mod intents;
mod market;
mod parse;
mod parse_market;
mod reply;

use std::sync::Arc;

use ids::UserId;
use proto::orchestrator::v1::{
    self as pb,
    allowlist_service_server::AllowlistServiceServer,
    collection_orchestrator_service_server::{
        CollectionOrchestratorService, CollectionOrchestratorServiceServer,
    },
    intent_service_server::IntentServiceServer,
    market_orchestrator_service_server::MarketOrchestratorServiceServer,
    mint_orchestrator_service_server::{MintOrchestratorService, MintOrchestratorServiceServer},
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    allowlist::MOST_BYTES,
    error::Error,
    get_mint_eligibility::get_mint_eligibility,
    prepare::{Asker, Tools},
    prepare_create_collection::prepare_create_collection,
    prepare_mint::prepare_mint,
};

/// The services as tonic wants them.
pub(crate) fn routes(tools: Tools, woken: Arc<Notify>) -> Routes {
    let door = Door { tools, woken };
    Routes::new(CollectionOrchestratorServiceServer::new(door.clone()))
        .add_service(MintOrchestratorServiceServer::new(door.clone()))
        .add_service(MarketOrchestratorServiceServer::new(door.clone()))
        .add_service(AllowlistServiceServer::new(door.clone()).max_decoding_message_size(MOST_BYTES))
        .add_service(IntentServiceServer::new(door))
}

#[derive(Clone)]
struct Door {
    tools: Tools,
    woken: Arc<Notify>,
}

#[tonic::async_trait]
impl CollectionOrchestratorService for Door {
    async fn prepare_create_collection(
        &self,
        request: Request<pb::PrepareCreateCollectionRequest>,
    ) -> Result<Response<pb::PrepareCreateCollectionResponse>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = prepare_create_collection(&self.tools, &asker, &parse::create(request)?).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareCreateCollectionResponse { intent: Some(intent), steps }))
    }
}

#[tonic::async_trait]
impl MintOrchestratorService for Door {
    async fn prepare_mint721(
        &self,
        request: Request<pb::PrepareMint721Request>,
    ) -> Result<Response<pb::PrepareMint721Response>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let ask = parse::mint721(request)?;
        let (prepared, eligibility) = Box::pin(prepare_mint(&self.tools, &asker, &ask)).await?;
        let (intent, steps) = reply::prepared(prepared);
        let eligibility = eligibility.map(reply::eligibility);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareMint721Response { intent: Some(intent), steps, eligibility }))
    }

    async fn prepare_mint1155(
        &self,
        request: Request<pb::PrepareMint1155Request>,
    ) -> Result<Response<pb::PrepareMint1155Response>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let ask = parse::mint1155(request)?;
        let (prepared, eligibility) = Box::pin(prepare_mint(&self.tools, &asker, &ask)).await?;
        let (intent, steps) = reply::prepared(prepared);
        let eligibility = eligibility.map(reply::eligibility);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareMint1155Response { intent: Some(intent), steps, eligibility }))
    }

    async fn get_mint_eligibility(
        &self,
        request: Request<pb::GetMintEligibilityRequest>,
    ) -> Result<Response<pb::GetMintEligibilityResponse>, Status> {
        let ask = parse::eligibility(request.into_inner())?;
        let found = get_mint_eligibility(&self.tools, &ask).await?;
        let eligibility = Some(reply::eligibility(found));
        Ok(Response::new(pb::GetMintEligibilityResponse { eligibility }))
    }
}

fn asker(caller: &proto::common::v1::Caller, request_id: &str) -> Result<Asker, Error> {
    let is_key = (1..=128).contains(&request_id.chars().count()) && !request_id.chars().any(char::is_control);
    if !is_key {
        return Err(Error::field("request_id", "must be 1 to 128 printable characters"));
    }
    let session_id = (!caller.session_id.is_empty()).then(|| caller.session_id.clone());
    Ok(Asker { user_id: user_id(caller)?, session_id, request_id: request_id.to_owned() })
}

fn user_id(caller: &proto::common::v1::Caller) -> Result<UserId, Error> {
    caller.user_id.parse().map_err(|err| Error::field("x-caller-bin.user_id", err))
}
