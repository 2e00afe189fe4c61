//! Why a node gave no answer.

use std::time::Duration;

use alloy::primitives::Bytes;
use ids::ChainId;

use crate::live::Reason;

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
    /// An answer that does not fit the question.
    #[error("the node answered what cannot be: {0}")]
    Lie(&'static str),
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

/// "Method not found": whatever an endpoint says to a batch that it does not take.
const BATCH_REFUSED: i64 = -32601;

impl NodeError {
    /// Whether the call itself was executed and reverted: asking another node would change nothing.
    pub fn is_revert(&self) -> bool {
        match self {
            NodeError::Rpc { code: 3, .. } | NodeError::Rpc { revert_data: Some(_), .. } => true,
            NodeError::Rpc { message, .. } => message.contains("revert"),
            _ => false,
        }
    }

    /// Whether the call was executed and the machine itself ended it: out of gas, a wrong opcode or jump, the stack. Like a
    /// revert it is the call's own doing, and the next endpoint would say the same.
    pub fn is_halt(&self) -> bool {
        match self {
            NodeError::Rpc { message, .. } if !self.is_limit() => names_halt(message),
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
        match self {
            NodeError::Rpc { code: 429 | -32005, .. } => true,
            NodeError::Rpc { code: -32099..=-32000, message, .. } => {
                !self.is_revert() && names_limit(message)
            }
            _ => false,
        }
    }

    /// Whether the node does not know the method, or not in this form.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, NodeError::Rpc { code: -32601 | -32602 | -32004, .. }) && !self.is_revert()
    }

    /// Whether the node does not have the block that was asked about, or not its state (any more). Asked of every
    /// endpoint already: an archive among them would have it.
    pub fn is_state_missing(&self) -> bool {
        matches!(self, NodeError::Rpc { message, .. } if is_missing(message)) && !self.is_revert()
    }

    /// Whether an endpoint takes no batch of questions, or none of that size.
    pub(crate) fn is_refused_batch(&self) -> bool {
        matches!(self, NodeError::Rpc { code: BATCH_REFUSED, .. })
    }

    pub(crate) fn refused_batch(why: &str) -> NodeError {
        NodeError::Rpc { code: BATCH_REFUSED, message: why.to_owned(), revert_data: None }
    }

    /// Whether there were too many logs in what was asked about.
    pub(crate) fn is_too_wide(&self) -> bool {
        matches!(self, NodeError::Rpc { message, .. } if is_too_wide(message)) && !self.is_revert()
    }

    /// Whether the same question about fewer blocks may well have an answer.
    pub fn wants_less(&self) -> bool {
        matches!(self, NodeError::TooLarge { .. }) || self.is_too_wide()
    }

    /// Whose fault it is that this question got this error, and with that what comes next.
    pub(crate) fn blame(&self, method: &str) -> Blame {
        let is_logs = method == "eth_getLogs";
        match self {
            NodeError::Transport(_) | NodeError::Timeout(_) => Blame::Endpoint(Reason::Failing),
            NodeError::WrongChain { .. } => Blame::Endpoint(Reason::OtherChain),
            NodeError::Lie(_) => Blame::Endpoint(Reason::Lying),
            NodeError::TooLarge { .. } if may_be_large(method) => Blame::Question,
            NodeError::TooLarge { .. } => Blame::Endpoint(Reason::Failing),
            _ if self.is_revert() || self.is_halt() => Blame::Question,
            NodeError::Rpc { message, .. } if is_logs && is_too_wide(message) => Blame::Question,
            _ if self.is_limit() => Blame::Endpoint(Reason::Limited),
            // What one endpoint does not offer or does not have (yet, or any more), another one may.
            NodeError::Rpc { code: -32601 | -32004, .. } => Blame::Nobody,
            _ if self.is_state_missing() => Blame::Nobody,
            // Of a call it says little: some nodes have no other code for what the call itself caused.
            NodeError::Rpc { code: -32603, .. } if is_execution(method) => Blame::Nobody,
            NodeError::Rpc { code: -32603, .. } => Blame::Endpoint(Reason::Failing),
            // What a call caused comes back; so does a question that is malformed. Of any other one nobody can say whether
            // it is the endpoint's own (a key that expired, a plan that does not have the method).
            NodeError::Rpc { code, .. } if is_execution(method) || matches!(code, -32600 | -32602) => {
                Blame::Question
            }
            NodeError::Rpc { .. } => Blame::Nobody,
        }
    }
}

/// Whether a question makes the node execute something: how long that takes is the question's doing too.
pub(crate) fn is_execution(method: &str) -> bool {
    matches!(method, "eth_call" | "eth_estimateGas" | "eth_simulateV1")
}

/// Whether the chain may have more to say to a question than is read. Of anything else it is the endpoint that talks.
fn may_be_large(method: &str) -> bool {
    is_execution(method)
        || matches!(
            method,
            "eth_getLogs"
                | "eth_getTransactionReceipt"
                | "eth_getBlockReceipts"
                | "eth_getTransactionByHash"
                | "eth_getBlockByNumber"
                | "eth_getBlockByHash"
                | "eth_getCode"
        )
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It is left, and the next one is asked.
    Endpoint(Reason),
    /// The next one is asked.
    Nobody,
    /// Every endpoint would say so: it comes back to the caller.
    Question,
}

/// Whether a node's words name a way in which the machine ends a call. Each client has words of its own, and the same ones
/// with and without spaces.
fn names_halt(message: &str) -> bool {
    const HALTS: [&str; 28] = [
        "outofgas",
        "gasrequiredexceeds",
        "gasuint64overflow",
        "memoryoog",
        "memorylimitoog",
        "precompileoog",
        "invalidoperandoog",
        "reentrancysentryoog",
        "invalidopcode",
        "invalidfeopcode",
        "opcodenotfound",
        "badinstruction",
        "evmerrornotactivated",
        "invalidjump",
        "badjump",
        "stackunderflow",
        "stackoverflow",
        "stacklimitreached",
        "writeprotection",
        "callnotallowedinsidestatic",
        "statechangeduringstaticcall",
        "returndataoutofbounds",
        "outofoffset",
        "maxcalldepthexceeded",
        "vmexecutionerror",
        "executionhalted",
        "precompileerror",
        "createcollision",
    ];
    let words: String =
        message.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    HALTS.iter().any(|halt| words.contains(halt))
}

/// Questions for logs are refused with many words when there are too many of them.
fn is_too_wide(message: &str) -> bool {
    let is_limit = names_limit(message);
    let message = message.to_ascii_lowercase();
    let is_of_logs = ["block range", "response size", "results"].iter().any(|words| message.contains(words));
    is_of_logs || (!is_limit && ["range", "more than"].iter().any(|words| message.contains(words)))
}

/// Whether a node's words are about how often it is asked.
fn names_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let mut words = message.split(|c: char| !c.is_ascii_alphanumeric());
    message.contains("per second")
        || message.contains("request limit")
        || words.any(|word| matches!(word, "rate" | "ratelimit" | "requests"))
}

fn is_missing(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "header not found",
        "header for hash not found",
        "not currently canonical",
        "unknown block",
        "block not found",
        "missing trie node",
        "historical state",
        "state is not available",
        "state not available",
        "state unavailable",
        "no state available",
        "pruned",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i64, message: &str) -> NodeError {
        NodeError::Rpc { code, message: message.to_owned(), revert_data: None }
    }

    #[test]
    fn a_limit_is_the_endpoints_own_and_a_revert_is_not() {
        let limited = Blame::Endpoint(Reason::Limited);
        for (code, message) in [
            (-32005, "daily request count exceeded"),
            (429, "slow down"),
            (-32007, "50/second request limit reached"),
            (-32000, "Your app has exceeded its compute units per second capacity"),
            (-32005, "more than 20 requests per second, the allowed range is 1 to 20"),
            (-32016, "over rate limit"),
        ] {
            let error = rpc(code, message);
            assert!(error.is_limit(), "{message}");
            assert_eq!(
                (error.blame("eth_getLogs"), error.blame("eth_call")),
                (limited, limited),
                "{message}"
            );
        }
        let (asked, wide) = ("eth_getBalance", rpc(-32005, "more than 10 are out of range"));
        assert_eq!((wide.blame(asked), wide.blame("eth_getLogs")), (limited, Blame::Question));
        assert_eq!(rpc(-32603, "internal error").blame(asked), Blame::Endpoint(Reason::Failing));
        assert_eq!(rpc(-32603, "internal error").blame("eth_call"), Blame::Nobody);
        assert_eq!(rpc(3, "execution reverted").blame(asked), Blame::Question);
        assert_eq!(rpc(-32603, "VM Exception: reverted with custom error").blame(asked), Blame::Question);
        assert_eq!(rpc(-32000, "execution reverted: rate limit").blame("eth_call"), Blame::Question);
        assert_eq!(rpc(-32602, "invalid params").blame(asked), Blame::Question);
    }

    #[test]
    fn an_answer_that_is_too_large_is_the_questions_where_the_chain_may_have_so_much_to_say() {
        let large = NodeError::TooLarge { limit: 1 };
        for method in ["eth_getLogs", "eth_getBlockReceipts", "eth_getBlockByHash", "eth_call", "eth_getCode"]
        {
            assert_eq!(large.blame(method), Blame::Question, "{method}");
        }
        for method in ["eth_blockNumber", "eth_chainId", "eth_getBalance", "eth_feeHistory"] {
            assert_eq!(large.blame(method), Blame::Endpoint(Reason::Failing), "{method}");
        }
    }

    #[test]
    fn the_machine_ends_a_call_in_the_words_of_many_clients_and_no_endpoint_is_blamed_for_it() {
        let halts = [
            (-32000, "out of gas"),
            (-32000, "gas required exceeds allowance (30000000)"),
            (-32000, "invalid opcode: opcode 0xfe not defined"),
            (-32000, "invalid jump destination"),
            (-32000, "stack underflow (0 <=> 1)"),
            (-32000, "stack limit reached 1024 (1023)"),
            (-32015, "VM execution error."),
            (-32603, "EVM error OutOfGas"),
            (-32603, "EVM error MemoryOOG"),
            (-32603, "EVM error InvalidFEOpcode"),
            (-32603, "EVM error OpcodeNotFound"),
            (-32603, "EVM error InvalidJump"),
            (-32603, "EVM error StackUnderflow"),
            (-32003, "Out of gas: gas required exceeds allowance: 30000000"),
        ];
        for (code, message) in halts {
            let found = rpc(code, message);
            assert!(found.is_halt() && !found.is_revert(), "{message}");
            assert_eq!(found.blame("eth_call"), Blame::Question, "{message}");
        }
        for (code, message) in [
            (-32603, "internal error"),
            (-32000, "missing trie node 0xabc (path )"),
            (-32000, "execution aborted (timeout = 5s)"),
            (-32602, "invalid params"),
            (-32601, "the method does not exist"),
            (-32005, "out of gas credits"),
            (429, "stack overflow"),
        ] {
            assert!(!rpc(code, message).is_halt(), "{message}");
        }
        assert!(!NodeError::Transport("out of gas".to_owned()).is_halt());
    }

    #[test]
    fn what_one_endpoint_does_not_have_is_asked_of_another_and_blames_nobody() {
        let unknown = rpc(-32601, "the method eth_simulateV1 does not exist");
        assert_eq!(unknown.blame("eth_simulateV1"), Blame::Nobody);
        for (code, message) in [
            (-32000, "header not found"),
            (-32000, "header for hash not found"),
            (-32000, "hash 0xabc is not currently canonical"),
            (-32000, "missing trie node 0xabc (path )"),
            (-32603, "historical state 0xabc is not available"),
            (-32002, "state is not available"),
        ] {
            let missing = rpc(code, message);
            assert!(missing.is_state_missing(), "{message}");
            assert_eq!(missing.blame("eth_getBalance"), Blame::Nobody, "{message}");
        }
        let poor = rpc(-32000, "insufficient funds for gas * price + value");
        assert!(!poor.is_state_missing() && poor.blame("eth_estimateGas") == Blame::Question);
        assert!(!rpc(3, "execution reverted: state is not available").is_state_missing());
    }

    #[test]
    fn a_range_that_is_too_large_comes_back_to_the_caller_who_can_split_it() {
        for message in [
            "query returned more than 10000 results, try a smaller range",
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
            "too many results",
        ] {
            assert_eq!(rpc(-32005, message).blame("eth_getLogs"), Blame::Question, "{message}");
        }
    }
}
