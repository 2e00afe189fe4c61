//! The exchange of a chain: what the registry names, once it has shown that it is what orders are signed for.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use abi::seaport::{DOMAIN_VERSION, Seaport::informationCall};
use ids::{Address, ChainId};

use super::order::domain;
use crate::{
    chains::Chain,
    error::Error,
    prepare::Tools,
    read_token::{ANSWER_GAS, ask},
};

/// The exchanges that were asked and gave the right answer. Clones share what is known.
#[derive(Clone, Default)]
pub(crate) struct Exchanges(Arc<Mutex<HashSet<(ChainId, Address)>>>);

/// The exchange of the chain; each is asked once what it is.
pub(crate) async fn require_exchange(tools: &Tools, chain: &Chain) -> Result<Address, Error> {
    let none = || Error::ContractUnknown(format!("no exchange is registered for {}", chain.name));
    let exchange = chain.exchange.ok_or_else(none)?;
    let key = (chain.chain_id, exchange);
    if tools.exchanges.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
        return Ok(exchange);
    }
    let told = ask(chain, exchange, informationCall {}, ANSWER_GAS).await?;
    let separator = domain(chain.chain_id, exchange).separator();
    let is_known =
        told.is_some_and(|told| told.version == DOMAIN_VERSION && told.domainSeparator == separator);
    if !is_known {
        tracing::error!(
            chain.id = %chain.chain_id, contract = %exchange.to_lower(),
            "what is registered as the exchange is another contract"
        );
        let message =
            format!("{exchange}, the exchange that is registered for {}, is not Seaport 1.6", chain.name);
        return Err(Error::ContractUnknown(message));
    }
    tools.exchanges.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    Ok(exchange)
}

/// Fails for what is no currency of the chain: its own, and the ERC-20s that the registry knows. Others may keep a part of
/// what is moved, or have no worth at all.
pub(crate) fn require_currency(chain: &Chain, currency: Option<Address>) -> Result<(), Error> {
    match currency {
        Some(currency) if !chain.currencies.contains(&currency) => {
            Err(Error::field("currency", "is not a currency of this chain"))
        }
        _ => Ok(()),
    }
}
