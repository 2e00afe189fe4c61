//! The door in for facts: every `subs.*` queue.
//!
//! A message is appended before the orchestrator is asked: what people see live does not wait for a third service,
//! and a retry appends nothing.

use bus::{Bus, Failure, Handled};
use events::{Envelope, topology};
use rpc::Code;
use tonic::Status;

use crate::{append::append, peers::Peers, resolve_intent, store::Log};

pub(crate) fn start(bus: &Bus, log: &Log, peers: &Peers, process: &mut launch::Process) {
    for &queue in topology::QUEUES.iter().filter(|queue| queue.consumer == "subs-worker") {
        let (log, peers) = (log.clone(), peers.clone());
        // Each of these queues collects from one exchange; its name is the topic that gateways know.
        let topic = queue.bindings[0].exchange;
        let handler = move |envelope: Envelope| {
            let (log, peers) = (log.clone(), peers.clone());
            async move { deliver(&log, &peers, topic, envelope).await }
        };
        process.task(queue.name, bus::consume(bus.clone(), queue, handler, process.stopping()));
    }
}

async fn deliver(
    log: &Log,
    peers: &Peers,
    topic: &'static str,
    envelope: Envelope,
) -> Result<Handled, Failure> {
    let asked = resolve_intent::question(&envelope)
        .map_err(|err| Failure::Never { reason: "malformed", error: err.into() })?;
    // Redis refuses nothing of ours for its content: a failure is its being away.
    append(log, topic, &envelope).await.map_err(Failure::Away)?;
    if let Some(asked) = asked {
        resolve_intent::resolve_intent(peers, asked).await.map_err(failure)?;
    }
    Ok(Handled::all())
}

fn failure(status: Status) -> Failure {
    match rpc::Problem::from(&status).code {
        Code::Unavailable | Code::DeadlineExceeded => Failure::Away(status.into()),
        _ => Failure::Retry(status.into()),
    }
}
