//! The door for calls: parse, call, reply.

mod parse;
mod reply;

use std::sync::Arc;

use ids::UserId;
use proto::orchestrator::v1::{
    self as pb,
    collection_orchestrator_service_server::{
        CollectionOrchestratorService, CollectionOrchestratorServiceServer,
    },
    intent_service_server::{IntentService, IntentServiceServer},
    mint_orchestrator_service_server::{MintOrchestratorService, MintOrchestratorServiceServer},
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    cancel_intent::cancel_intent,
    error::Error,
    page::Position,
    prepare::{Asker, Tools},
    prepare_create_collection::prepare_create_collection,
    prepare_mint::prepare_mint,
    resolve_intent::resolve_intent,
    store,
    track_tx::track_tx,
};

/// The services as tonic wants them.
pub(crate) fn routes(tools: Tools, woken: Arc<Notify>) -> Routes {
    let door = Door { tools, woken };
    Routes::new(CollectionOrchestratorServiceServer::new(door.clone()))
        .add_service(MintOrchestratorServiceServer::new(door.clone()))
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
        let prepared = prepare_mint(&self.tools, &asker, &parse::mint721(request)?).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareMint721Response { intent: Some(intent), steps }))
    }

    async fn prepare_mint1155(
        &self,
        request: Request<pb::PrepareMint1155Request>,
    ) -> Result<Response<pb::PrepareMint1155Response>, Status> {
        let (caller, request) = (rpc::caller::of(&request)?, request.into_inner());
        let asker = asker(&caller, &request.request_id)?;
        let prepared = prepare_mint(&self.tools, &asker, &parse::mint1155(request)?).await?;
        let (intent, steps) = reply::prepared(prepared);
        launch::failpoint("orch.response_unsent");
        Ok(Response::new(pb::PrepareMint1155Response { intent: Some(intent), steps }))
    }
}

#[tonic::async_trait]
impl IntentService for Door {
    async fn track_tx(
        &self,
        request: Request<pb::TrackTxRequest>,
    ) -> Result<Response<pb::TrackTxResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let intent =
            track_tx(&self.tools, &self.woken, &parse::track(user_id, request.into_inner())?).await?;
        Ok(Response::new(pb::TrackTxResponse { intent: Some(reply::intent(&intent)) }))
    }

    async fn get_intent(
        &self,
        request: Request<pb::GetIntentRequest>,
    ) -> Result<Response<pb::GetIntentResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let intent_id = parse::intent_id(&request.into_inner().intent_id)?;
        let found = store::find_of_user(&self.tools.db, user_id, intent_id).await.map_err(Error::from)?;
        let intent = found.ok_or(Error::NotFound("intent"))?;
        Ok(Response::new(pb::GetIntentResponse { intent: Some(reply::intent(&intent)) }))
    }

    async fn list_intents(
        &self,
        request: Request<pb::ListIntentsRequest>,
    ) -> Result<Response<pb::ListIntentsResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let (statuses, size, after) = parse::list(&request.into_inner())?;
        // One more than asked tells whether there is another page.
        let asked = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
        let listed = store::list_page(&self.tools.db, user_id, &statuses, after, asked).await;
        let mut intents = listed.map_err(Error::from)?;
        let has_next = intents.len() > size;
        intents.truncate(size);
        let cursors = intents.iter().map(|intent| Position::after(intent).to_string()).collect();
        let intents = intents.iter().map(reply::intent).collect();
        Ok(Response::new(pb::ListIntentsResponse { intents, cursors, has_next }))
    }

    async fn cancel_intent(
        &self,
        request: Request<pb::CancelIntentRequest>,
    ) -> Result<Response<pb::CancelIntentResponse>, Status> {
        let user_id = user_id(&rpc::caller::of(&request)?)?;
        let intent_id = parse::intent_id(&request.into_inner().intent_id)?;
        let intent = cancel_intent(&self.tools, user_id, intent_id).await?;
        Ok(Response::new(pb::CancelIntentResponse { intent: Some(reply::intent(&intent)) }))
    }

    async fn resolve_intent(
        &self,
        request: Request<pb::ResolveIntentRequest>,
    ) -> Result<Response<pb::ResolveIntentResponse>, Status> {
        let told = parse::told(request.into_inner())?;
        let found = resolve_intent(&self.tools.db, &self.tools.statuses, &self.woken, &told).await?;
        let intent_ids = found.iter().map(ToString::to_string).collect();
        Ok(Response::new(pb::ResolveIntentResponse { intent_ids }))
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
