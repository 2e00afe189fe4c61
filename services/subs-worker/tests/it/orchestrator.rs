//! The orchestrator's side of the one call that subs-worker makes: it notes what it is told.

use std::sync::{Arc, Mutex};

use proto::orchestrator::v1::{
    CancelIntentRequest, CancelIntentResponse, GetIntentRequest, GetIntentResponse, ListIntentsRequest,
    ListIntentsResponse, ResolveIntentRequest, ResolveIntentResponse, TrackTxRequest, TrackTxResponse,
    intent_service_server::{IntentService, IntentServiceServer},
};
use tonic::{Request, Response, Status, service::Routes};

/// What was told, and whether the next calls are refused.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) resolved: Arc<Mutex<Vec<ResolveIntentRequest>>>,
    pub(crate) refusals_left: Arc<Mutex<u32>>,
}

impl Told {
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(IntentServiceServer::new(self.clone()))
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.resolved.lock().unwrap().iter().map(|asked| asked.event_id.clone()).collect()
    }
}

#[tonic::async_trait]
impl IntentService for Told {
    async fn resolve_intent(
        &self,
        request: Request<ResolveIntentRequest>,
    ) -> Result<Response<ResolveIntentResponse>, Status> {
        let mut left = self.refusals_left.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return Err(Status::unavailable("not now"));
        }
        self.resolved.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ResolveIntentResponse::default()))
    }

    async fn track_tx(&self, _: Request<TrackTxRequest>) -> Result<Response<TrackTxResponse>, Status> {
        Err(Status::unimplemented("subs-worker never tracks"))
    }

    async fn get_intent(&self, _: Request<GetIntentRequest>) -> Result<Response<GetIntentResponse>, Status> {
        Err(Status::unimplemented("subs-worker never reads intents"))
    }

    async fn list_intents(
        &self,
        _: Request<ListIntentsRequest>,
    ) -> Result<Response<ListIntentsResponse>, Status> {
        Err(Status::unimplemented("subs-worker never reads intents"))
    }

    async fn cancel_intent(
        &self,
        _: Request<CancelIntentRequest>,
    ) -> Result<Response<CancelIntentResponse>, Status> {
        Err(Status::unimplemented("subs-worker never cancels"))
    }
}
