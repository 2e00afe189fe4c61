//! Chains, contracts and gas policies, and what makes each of them right.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a chain's switches may take.
const FEATURES_MAX_BYTES: usize = 16 * 1024;
const FEATURES_DEEPEST: usize = 8;

/// One complaint about one field, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A complaint.
pub(crate) fn violation(path: impl Into<String>, why: impl ToString) -> Violation {
    Violation { path: path.into(), message: why.to_string() }
}

/// Which state of the registry. A database that was restored from a backup comes to the same version a second time, and
/// then it is another state: when it was written tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) version: i64,
    /// Microseconds since 1970.
    pub(crate) written_at: i64,
}

/// A chain with all that may be told of it to anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) chain_id: ChainId,
    pub(crate) name: String,
    pub(crate) native_symbol: String,
    pub(crate) decimals: i32,
    pub(crate) explorer_url: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) confirmations: i32,
    pub(crate) reorg_depth: i32,
    pub(crate) block_time_millis: i32,
    pub(crate) finality_blocks: i32,
    pub(crate) features: Map<String, Value>,
    pub(crate) contracts: Vec<Contract>,
    pub(crate) gas_policy: Option<GasPolicy>,
}

/// A contract that the fleet deals with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) start_block: i64,
    pub(crate) standard: String,
    pub(crate) impl_address: Option<Address>,
    pub(crate) abi_sha256: Option<String>,
    pub(crate) first_seen_at: DateTime<Utc>,
}

/// What gas may cost on a chain. Decimal numbers in gwei, as text, so that none is rounded. What was observed is no part
/// of it: that changes with each block, and this with a version of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GasPolicy {
    pub(crate) max_fee_gwei: Option<String>,
    pub(crate) priority_fee_gwei: Option<String>,
    pub(crate) multiplier: String,
    pub(crate) updated_at: DateTime<Utc>,
}

impl GasPolicy {
    /// What holds for a chain that nobody has said anything about.
    pub(crate) fn usual() -> GasPolicy {
        GasPolicy {
            max_fee_gwei: None,
            priority_fee_gwei: None,
            multiplier: "2".to_owned(),
            updated_at: Utc::now(),
        }
    }

    /// Whether both say the same, whenever they were written.
    pub(crate) fn says_the_same(&self, other: &GasPolicy) -> bool {
        GasPolicy { updated_at: other.updated_at, ..self.clone() } == *other
    }

    /// What is wrong with it, under the name that the request has for it.
    pub(crate) fn violations(&self, of: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut need = |holds: bool, path: &str, why: &str| {
            if !holds {
                found.push(violation(format!("{of}.{path}"), why));
            }
        };
        let is_fee = |fee: &Option<String>| fee.as_deref().is_none_or(is_decimal);
        let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        need(is_fee(&self.max_fee_gwei), "max_fee_gwei", DECIMAL);
        let max = self.max_fee_gwei.as_deref();
        need(max.is_none_or(|max| !is_zero(max)), "max_fee_gwei", "must be above zero");
        need(is_fee(&self.priority_fee_gwei), "priority_fee_gwei", DECIMAL);
        let is_factor = self.multiplier.parse::<f64>().is_ok_and(|factor| (1.0..=100.0).contains(&factor));
        let is_multiplier = is_decimal(&self.multiplier) && is_factor;
        need(is_multiplier, "multiplier", "must be a decimal number from 1 to 100");
        found
    }
}

impl Chain {
    /// How long a block usually takes.
    pub(crate) fn block_time(&self) -> Duration {
        Duration::from_millis(u64::from(self.block_time_millis.unsigned_abs()))
    }

    /// What is wrong with it; empty where nothing is.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut need = |holds: bool, path: &str, why: &str| {
            if !holds {
                found.push(violation(format!("chain.{path}"), why));
            }
        };
        need(is_line(&self.name, 1, 64), "name", "must be 1 to 64 printable characters");
        need(is_line(&self.native_symbol, 1, 16), "native_symbol", "must be 1 to 16 printable characters");
        need((0..=36).contains(&self.decimals), "decimals", "must be 0 to 36");
        need((1..=100_000).contains(&self.confirmations), "confirmations", "must be 1 to 100000");
        need((1..=100_000).contains(&self.reorg_depth), "reorg_depth", "must be 1 to 100000");
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        let explorer = self.explorer_url.as_deref();
        need(
            explorer.is_none_or(|url| is_line(url, 8, 256) && is_web(url)),
            "explorer_url",
            "must be an http(s) URL",
        );
        need((1..=3_600_000).contains(&self.block_time_millis), "block_time_millis", "must be 1 to 3600000");
        need((1..=100_000).contains(&self.finality_blocks), "finality_blocks", "must be 1 to 100000");
        let features = Value::Object(self.features.clone());
        need(
            features.to_string().len() <= FEATURES_MAX_BYTES && is_plain(&features, FEATURES_DEEPEST),
            "features_json",
            "must be at most 16 KiB and 8 levels, without NUL characters",
        );
        if let Some(policy) = &self.gas_policy {
            found.extend(policy.violations("chain.gas_policy"));
        }
        found
    }
}

const DECIMAL: &str = "must be a decimal number, at most 18 digits on each side of the point";

impl Contract {
    /// What is wrong with it.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if !is_line(&self.name, 1, 64) {
            found.push(violation("contract.name", "must be 1 to 64 printable characters"));
        }
        const STANDARDS: [&str; 6] = ["factory", "ERC20", "ERC721", "ERC1155", "exchange", "operator"];
        if !STANDARDS.contains(&self.standard.as_str()) {
            found.push(violation("contract.standard", format!("must be one of {}", STANDARDS.join(", "))));
        }
        if self.address.is_zero() {
            found.push(violation("contract.address", "must not be the zero address"));
        }
        found
    }
}

/// Whether a JSON value fits into `jsonb` and is no deeper than so many levels.
pub(crate) fn is_plain(value: &Value, levels: usize) -> bool {
    let is_text = |text: &str| !text.contains('\0');
    match value {
        Value::String(text) => is_text(text),
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_plain(item, levels - 1)),
        Value::Object(fields) => {
            levels > 0 && fields.iter().all(|(key, item)| is_text(key) && is_plain(item, levels - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

pub(crate) fn is_line(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction]
        .iter()
        .all(|part| (1..=18).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        Chain {
            chain_id: ChainId::new(31337).unwrap(),
            name: "Anvil".into(),
            native_symbol: "ETH".into(),
            decimals: 18,
            explorer_url: None,
            enabled: true,
            confirmations: 1,
            reorg_depth: 64,
            block_time_millis: 2000,
            finality_blocks: 64,
            features: Map::new(),
            contracts: vec![],
            gas_policy: Some(GasPolicy {
                max_fee_gwei: Some("300.5".into()),
                priority_fee_gwei: Some("0".into()),
                multiplier: "2".into(),
                updated_at: DateTime::UNIX_EPOCH,
            }),
        }
    }

    fn paths(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn each_wrong_field_of_a_chain_is_named() {
        assert_eq!(paths(chain().violations()), Vec::<String>::new());
        let mut wrong = chain();
        wrong.name.clear();
        wrong.confirmations = 0;
        wrong.explorer_url = Some("javascript:alert(1)".into());
        wrong.finality_blocks = 0;
        wrong.features.insert("name".into(), Value::String("\0".into()));
        let policy = wrong.gas_policy.as_mut().unwrap();
        (policy.max_fee_gwei, policy.multiplier) = (Some("1e3".into()), "0.5".into());
        let expected = [
            "chain.name",
            "chain.confirmations",
            "chain.explorer_url",
            "chain.finality_blocks",
            "chain.features_json",
            "chain.gas_policy.max_fee_gwei",
            "chain.gas_policy.multiplier",
        ];
        assert_eq!(paths(wrong.violations()), expected);
    }
}
