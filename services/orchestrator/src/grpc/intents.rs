//! Intents after their preparation: parse, call, reply.

use proto::orchestrator::v1::{self as pb, intent_service_server::IntentService};
use tonic::{Request, Response, Status};

use super::{Door, parse, reply, user_id};
use crate::{
    cancel_intent::cancel_intent, error::Error, page::Position, resolve_intent::resolve_intent, store,
    track_tx::track_tx,
};

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
        let steps = store::list_steps(&self.tools.db, intent_id).await.map_err(Error::from)?;
        let steps = steps.into_iter().map(reply::step).collect();
        Ok(Response::new(pb::GetIntentResponse { intent: Some(reply::intent(&intent)), steps }))
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
