//! Whether a contract account accepts a signature: its chain is asked, as of one block, by a validator of our own that no
//! chain has to have deployed (`contracts/src/SignatureValidator.sol`). Only yes and no come out of it, whatever the
//! account does.

mod nodes;
mod probe;
mod question;

use std::{sync::LazyLock, time::Duration};

use alloy::eips::BlockId;
use evm::{Node, NodeError};
use ids::{AccountId, ChainId};
use prometheus::{IntCounterVec, register_int_counter_vec};

use self::{
    nodes::{HEADER_LIMITS, Nodes},
    question::Question,
};
use crate::{error::Error, limit::Limits, model::Method, store::Proof};

/// A verdict comes in this time or not at all.
const DECIDES_WITHIN: Duration = Duration::from_millis(3500);
/// Of several endpoints one may not have heard of the block yet that another one named.
const ASKED_AT_MOST: u32 = 3;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(150);

static CHECKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "auth_contract_checks_total",
        "Signatures of contract accounts that a chain was asked about.",
        &["chain", "result"]
    )
    .expect("each metric is registered once")
});

/// What a contract account said of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the account's, as of the block in the proof.
    Accepted(Method, Proof),
    /// It is not, or it cannot be known to be; as of which block, where a chain was asked.
    Refused { as_of: Option<i64> },
}

impl Verdict {
    /// The block that was asked about, if a chain was asked.
    pub(crate) fn as_of(&self) -> Option<i64> {
        match self {
            Verdict::Accepted(_, proof) => Some(proof.block_number),
            Verdict::Refused { as_of } => *as_of,
        }
    }
}

/// What came back from a chain.
enum Answer {
    Yes {
        block_hash: String,
        block_number: i64,
    },
    No {
        block_number: i64,
    },
    /// The endpoint could not run the question.
    None,
}

/// The contract accounts of all chains. Clones share what is known of the chains' nodes.
#[derive(Clone)]
pub(crate) struct Contracts {
    nodes: Nodes,
    limits: Limits,
}

impl Contracts {
    pub(crate) fn new(chains: ::chains::Chains, limits: Limits) -> Contracts {
        Contracts { nodes: Nodes::new(chains), limits }
    }

    /// Asks the account whether it signed the message. Fails only where its chain could not be asked.
    pub(crate) async fn check(
        &self,
        account: &AccountId,
        message: &str,
        signature: &[u8],
    ) -> Result<Verdict, Error> {
        let Some(question) = Question::of(account.address, message, signature) else {
            return Ok(Verdict::Refused { as_of: None });
        };
        let asked = tokio::time::timeout(DECIDES_WITHIN, self.ask(account.chain_id, &question)).await;
        let answer = asked.unwrap_or_else(|_| {
            tracing::warn!(chain.id = %account.chain_id, "a chain gave no verdict on a signature in time");
            Err(Error::Unavailable("chain"))
        });
        let result = match &answer {
            Ok(Answer::Yes { .. }) => "accepted",
            Ok(Answer::No { .. }) => "refused",
            Ok(Answer::None) | Err(_) => "unavailable",
        };
        CHECKS.with_label_values(&[account.chain_id.to_string().as_str(), result]).inc();
        match answer? {
            Answer::Yes { block_hash, block_number } => {
                let (message, signature) = (message.to_owned(), signature.to_vec());
                Ok(Verdict::Accepted(question.method, Proof { message, signature, block_hash, block_number }))
            }
            Answer::No { block_number } => Ok(Verdict::Refused { as_of: Some(block_number) }),
            Answer::None => Err(Error::Unavailable("chain")),
        }
    }

    /// Finds out whether the validator works on these chains, before somebody waits for it.
    pub(crate) async fn try_out(&self, chains: &[ChainId]) {
        let tried = chains.iter().map(|chain_id| async move {
            if self.nodes.probed(*chain_id).await.is_err() {
                tracing::warn!(chain.id = %chain_id, "contract accounts of a chain cannot sign in yet");
            }
        });
        futures::future::join_all(tried).await;
    }

    async fn ask(&self, chain_id: ChainId, question: &Question) -> Result<Answer, Error> {
        let _turn = self.limits.turn(chain_id).await?;
        let node = self.nodes.probed(chain_id).await?;
        // What an endpoint once proved is not enough to let somebody in.
        node.prove_chain_anew();
        for _ in 1..ASKED_AT_MOST {
            match answer(&node, question).await? {
                Answer::None => tokio::time::sleep(ASK_AGAIN_AFTER).await,
                verdict => return Ok(verdict),
            }
        }
        answer(&node, question).await
    }
}

async fn answer(node: &Node, question: &Question) -> Result<Answer, Error> {
    let head = node.with_limits(HEADER_LIMITS).latest_header().await.map_err(|err| away(node, &err))?;
    let block_number = i64::try_from(head.number).map_err(|_| Error::Unavailable("chain"))?;
    match node.call(&question.request(), BlockId::hash(head.hash), None).await {
        Ok(verdict) if verdict.as_ref() == [1] => {
            Ok(Answer::Yes { block_hash: format!("{:#x}", head.hash), block_number })
        }
        Ok(verdict) if verdict.as_ref() == [0] => Ok(Answer::No { block_number }),
        // The validator itself does not revert; where a node says so all the same, nobody said yes.
        Err(err) if err.is_revert() => Ok(Answer::No { block_number }),
        Err(NodeError::Rpc { code, message, .. }) => {
            tracing::warn!(chain.id = %node.chain_id(), rpc.code = code, error = message, "a node cannot run a question about a signature");
            Ok(Answer::None)
        }
        Ok(_) => {
            tracing::warn!(chain.id = %node.chain_id(), "a verdict on a signature cannot be read");
            Ok(Answer::None)
        }
        Err(err) => Err(away(node, &err)),
    }
}

fn away(node: &Node, err: &NodeError) -> Error {
    tracing::warn!(chain.id = %node.chain_id(), error = %err, "a chain cannot be asked about a signature");
    Error::Unavailable("chain")
}
