//! Why a node gave no answer.

use std::time::Duration;

use alloy::primitives::Bytes;
use ids::ChainId;

/// What the last endpoint that was tried said, or that none said anything in time.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NodeError {
    /// Not reachable, or what came back was no JSON-RPC answer.
    #[error("the node could not be asked: {0}")]
    Transport(String),
    /// The node's own error object.
    #[error("the node answered with error {code}: {message}")]
    Rpc {
        /// JSON-RPC's code.
        code: i64,
        /// In the node's words.
        message: String,
        /// What a reverted call returned, where the node tells.
        revert_data: Option<Bytes>,
    },
    /// The endpoint belongs to another chain.
    #[error("the endpoint serves chain {found}, not {expected}")]
    WrongChain {
        /// What was configured.
        expected: ChainId,
        /// What `eth_chainId` says.
        found: u64,
    },
    /// No answer within the deadline.
    #[error("the node did not answer within {0:?}")]
    Timeout(Duration),
    /// The answer is longer than is read.
    #[error("the node's answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
}

impl NodeError {
    /// Whether the call itself was executed and reverted: asking another node would change nothing.
    pub fn is_revert(&self) -> bool {
        match self {
            NodeError::Rpc { code: 3, .. } | NodeError::Rpc { revert_data: Some(_), .. } => true,
            NodeError::Rpc { message, .. } => message.contains("revert"),
            _ => false,
        }
    }

    /// What the reverted call returned.
    pub fn revert_data(&self) -> Option<&Bytes> {
        match self {
            NodeError::Rpc { revert_data, .. } => revert_data.as_ref(),
            _ => None,
        }
    }

    /// Whether the node had no time for the question: asked again later, it may well answer.
    pub fn is_limit(&self) -> bool {
        matches!(self, NodeError::Rpc { code: 429 | -32005, .. })
    }

    /// Whether another endpoint may do better. What the request itself caused comes back to the caller.
    pub(crate) fn is_the_endpoints_own(&self) -> bool {
        match self {
            NodeError::Transport(_) | NodeError::WrongChain { .. } | NodeError::Timeout(_) => true,
            NodeError::TooLarge { .. } => false,
            _ if self.is_revert() => false,
            // Limits, an internal error, a method that this endpoint does not offer.
            NodeError::Rpc { code, message, .. } => {
                matches!(code, 429 | -32005 | -32603 | -32601 | -32004)
                    && !message.to_ascii_lowercase().contains("range")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i64, message: &str) -> NodeError {
        NodeError::Rpc { code, message: message.to_owned(), revert_data: None }
    }

    #[test]
    fn a_limit_is_the_endpoints_own_and_a_revert_is_not() {
        assert!(rpc(-32005, "daily request count exceeded").is_the_endpoints_own());
        assert!(rpc(429, "slow down").is_the_endpoints_own());
        assert!(!rpc(3, "execution reverted").is_the_endpoints_own());
        assert!(!rpc(-32603, "VM Exception: reverted with custom error").is_the_endpoints_own());
        assert!(!rpc(-32602, "invalid params").is_the_endpoints_own());
    }

    #[test]
    fn a_range_that_is_too_large_comes_back_to_the_caller_who_can_split_it() {
        assert!(
            !rpc(-32005, "query returned more than 10000 results, try a smaller range")
                .is_the_endpoints_own()
        );
    }
}
