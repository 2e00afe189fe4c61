//! Calls about contracts and about whose money counts.

use std::{sync::Arc, time::Duration};

use chains::{Chain, Lookup};
use ids::{Address, ChainId};
use proto::indexer::v1 as pb;
use rpc::{Code, Refusal};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::{Door, parse};
use crate::{
    error::Error,
    probe::{Probed, probe},
    store::payer::{self, Followed},
};

/// A contract is asked about twenty things; a hostile one is no reason to wait longer.
const PROBED_WITHIN: Duration = Duration::from_secs(12);

pub(super) async fn probe_contract(
    door: &Door,
    request: Request<pb::ProbeContractRequest>,
) -> Result<Response<pb::ProbeContractResponse>, Status> {
    let asked = request.into_inner();
    let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
    let address: Address = parse("address", &asked.address)?;
    let chain = chain(door, chain_id).await?;
    let probed = match timeout(PROBED_WITHIN, probe(&chain.node, address)).await {
        Ok(Ok(probed)) => probed,
        Ok(Err(err)) => {
            tracing::warn!(chain.id = %chain_id, contract = %address, error = %err, "a contract cannot be asked what it is");
            return Err(unavailable("the chain's nodes do not answer"));
        }
        Err(_) => return Err(unavailable("the chain's nodes do not answer in time")),
    };
    Ok(Response::new(probed.into()))
}

pub(super) async fn follow_payer(
    door: &Door,
    request: Request<pb::FollowPayerRequest>,
) -> Result<Response<pb::FollowPayerResponse>, Status> {
    let asked = request.into_inner();
    let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
    let token: Address = parse("token", &asked.token)?;
    let account: Address = parse("account", &asked.account)?;
    if account.is_zero() {
        return Err(Error::field("account", "INVALID", "account: must not be the zero address").into());
    }
    match payer::follow_payer(&door.stores.db, chain_id, token, account).await? {
        Followed::Already => {}
        Followed::Now => {
            tracing::info!(chain.id = %chain_id, token = %token, account = %account, "follows the money of a maker of offers");
        }
        Followed::NoCurrency => {
            let message = format!("{token} is no currency that is followed on {chain_id}");
            return Err(Refusal::new(Code::NotFound, "NOT_FOUND", message).into());
        }
        Followed::Full => {
            tracing::error!(chain.id = %chain_id, most = payer::MOST_PAYERS, "no more makers of offers can be followed");
            let message = format!("as many makers of offers are followed on {chain_id} as can be");
            return Err(Refusal::new(Code::RateLimited, "RATE_LIMITED", message).into());
        }
    }
    Ok(Response::new(pb::FollowPayerResponse {}))
}

async fn chain(door: &Door, chain_id: ChainId) -> Result<Arc<Chain>, Status> {
    door.chains.get(chain_id).await.map_err(|err| match err {
        Lookup::Unknown => Refusal::new(Code::NotFound, "NOT_FOUND", err.to_string()).into(),
        Lookup::Unavailable => unavailable(&err.to_string()),
    })
}

fn unavailable(message: &str) -> Status {
    Refusal::new(Code::Unavailable, "UNAVAILABLE", message).retry_after(Duration::from_secs(1)).into()
}

impl From<Probed> for pb::ProbeContractResponse {
    fn from(probed: Probed) -> pb::ProbeContractResponse {
        pb::ProbeContractResponse {
            standard: probed.standard.map(|standard| standard.as_str().to_owned()).unwrap_or_default(),
            interfaces: probed.interfaces.iter().map(|id| format!("{id:#x}")).collect(),
            name: probed.name,
            symbol: probed.symbol,
            owner: probed.owner.map(|owner| owner.to_lower()).unwrap_or_default(),
            has_code: probed.has_code,
        }
    }
}
