//! Whether the validator works on a chain: before its verdicts count there, it has to say yes where yes is right and no
//! where no is. A node that cannot run it at all would answer with something, too.

use std::{sync::LazyLock, time::Duration};

use alloy::{
    eips::BlockId,
    primitives::{Bytes, U256},
    sol_types::SolValue,
};
use evm::{Node, NodeError};
use prometheus::{IntCounterVec, register_int_counter_vec};
use tokio::{sync::Mutex, time::Instant};

use super::question::{VALIDATOR, creation};
use crate::error::Error;

/// Six accounts are asked, three of which are made before.
const GAS: u64 = 10_000_000;
/// A chain that failed may be on another machine by then.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(60);

static PROBES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "auth_contract_probes_total",
        "Trials of the signature validator on a chain; where one failed, contract accounts of the chain cannot sign in.",
        &["chain", "result"]
    )
    .expect("each metric is registered once")
});

/// How the last trial on a node ended.
#[derive(Default)]
pub(super) struct Probe {
    outcome: Mutex<Outcome>,
}

#[derive(Default, Clone, Copy)]
enum Outcome {
    #[default]
    Unknown,
    Passed,
    Failed {
        again_at: Instant,
    },
}

impl Probe {
    /// Lets whoever asks go on where the validator works, trying it if that is not known.
    pub(super) async fn pass(&self, node: &Node) -> Result<(), Error> {
        let mut outcome = self.outcome.lock().await;
        match *outcome {
            Outcome::Passed => return Ok(()),
            Outcome::Failed { again_at } if Instant::now() < again_at => {
                return Err(Error::Unavailable("chain"));
            }
            Outcome::Failed { .. } | Outcome::Unknown => {}
        }
        let chain_id = node.chain_id();
        // Another one each time: what a node answers to everything is no pass.
        let number = U256::from(rand::random::<u64>());
        let answer = node.call(&creation(code(number), GAS), BlockId::latest(), None).await;
        let expected = (number + U256::ONE).to_be_bytes::<32>();
        let result = match &answer {
            Ok(verdict) if verdict.as_ref() == expected => "passed",
            // It ran, and came to something else.
            Ok(_) | Err(NodeError::TooLarge { .. }) => "failed",
            Err(err) if err.is_revert() => "failed",
            // A node that is asked too often, or has no state of the newest block yet, has not failed.
            Err(_) => "unavailable",
        };
        PROBES.with_label_values(&[chain_id.to_string().as_str(), result]).inc();
        match result {
            "passed" => {
                *outcome = Outcome::Passed;
                tracing::info!(chain.id = %chain_id, "the signature validator works on a chain");
                Ok(())
            }
            "failed" => {
                *outcome = Outcome::Failed { again_at: Instant::now() + PROBE_AGAIN_AFTER };
                let error = answer.err().map(|err| err.to_string());
                tracing::error!(chain.id = %chain_id, error, "the signature validator does not work on a chain");
                Err(Error::Unavailable("chain"))
            }
            _ => Err(Error::Unavailable("chain")),
        }
    }
}

/// The probe's creation code with the validator's and a number as its arguments.
fn code(number: U256) -> Bytes {
    let probe = abi::artifact("SignatureValidatorProbe").expect("the probe is compiled in");
    let validator: &Bytes = &VALIDATOR;
    [probe.as_ref(), &(validator.clone(), number).abi_encode_params()].concat().into()
}
