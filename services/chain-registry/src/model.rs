//! Chains, contracts and gas policies, and what makes each of them right.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use serde::{Deserialize, Serialize};

/// A larger interface belongs into the object store.
pub(crate) const ABI_MAX_BYTES: usize = 256 * 1024;

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
}

/// What gas may cost on a chain. Decimal numbers in gwei, as text, so that none is rounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GasPolicy {
    pub(crate) max_fee_gwei: Option<String>,
    pub(crate) priority_fee_gwei: Option<String>,
    pub(crate) multiplier: String,
    pub(crate) last_observed_base_fee_gwei: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Chain {
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
        if let Some(policy) = &self.gas_policy {
            let is_fee = |fee: &Option<String>| fee.as_deref().is_none_or(is_decimal);
            let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            need(is_fee(&policy.max_fee_gwei), "gas_policy.max_fee_gwei", DECIMAL);
            let max = policy.max_fee_gwei.as_deref();
            need(max.is_none_or(|max| !is_zero(max)), "gas_policy.max_fee_gwei", "must be above zero");
            need(is_fee(&policy.priority_fee_gwei), "gas_policy.priority_fee_gwei", DECIMAL);
            need(
                is_fee(&policy.last_observed_base_fee_gwei),
                "gas_policy.last_observed_base_fee_gwei",
                DECIMAL,
            );
            let is_factor =
                policy.multiplier.parse::<f64>().is_ok_and(|factor| (1.0..=100.0).contains(&factor));
            let is_multiplier = is_decimal(&policy.multiplier) && is_factor;
            need(is_multiplier, "gas_policy.multiplier", "must be a decimal number from 1 to 100");
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
        if !matches!(self.standard.as_str(), "factory" | "ERC721" | "ERC1155" | "exchange" | "operator") {
            found.push(violation(
                "contract.standard",
                "must be factory, ERC721, ERC1155, exchange or operator",
            ));
        }
        if self.address.is_zero() {
            found.push(violation("contract.address", "must not be the zero address"));
        }
        found
    }
}

fn is_line(text: &str, least: usize, most: usize) -> bool {
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
            contracts: vec![],
            gas_policy: Some(GasPolicy {
                max_fee_gwei: Some("300.5".into()),
                priority_fee_gwei: Some("0".into()),
                multiplier: "2".into(),
                last_observed_base_fee_gwei: None,
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
        let policy = wrong.gas_policy.as_mut().unwrap();
        (policy.max_fee_gwei, policy.multiplier) = (Some("1e3".into()), "0.5".into());
        let expected = [
            "chain.name",
            "chain.confirmations",
            "chain.explorer_url",
            "chain.gas_policy.max_fee_gwei",
            "chain.gas_policy.multiplier",
        ];
        assert_eq!(paths(wrong.violations()), expected);
    }
}
