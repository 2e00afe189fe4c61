//! Tells whether a wallet may mint now, in which stage and at what price. It changes nothing, and anybody may ask.

use amounts::U256;
use ids::{Address, ChainId, Hash32, TokenId};

use crate::{
    ask::Standard,
    eligibility::{Eligibility, judge},
    error::Error,
    prepare::Tools,
    read_collection::{read_collection, standard_of},
};

/// Who wants to know what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EligibilityAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) collection: Address,
    pub(crate) wallet: Address,
    /// For ERC-1155.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) quantity: U256,
    pub(crate) proof: Vec<Hash32>,
}

pub(crate) async fn get_mint_eligibility(tools: &Tools, ask: &EligibilityAsk) -> Result<Eligibility, Error> {
    if ask.quantity.is_zero() {
        return Err(Error::field("quantity", "must be at least 1"));
    }
    let chain = tools.chains.get_enabled(ask.chain_id).await?;
    let standard = match standard_of(tools, &chain, ask.collection).await {
        // A collection that is not there yet is an answer here, not a failure.
        Err(Error::WillFail(problem, _)) => return Ok(Eligibility::impossible(problem)),
        standard => standard?,
    };
    match (standard, ask.token_id) {
        (Standard::Erc721, Some(_)) => return Err(Error::field("token_id", "belongs to ERC-1155 only")),
        (Standard::Erc1155, None) => return Err(Error::field("token_id", "must be given for an ERC-1155")),
        _ => {}
    }
    let (wallet, token_id) = (ask.wallet, ask.token_id);
    let reading = read_collection(tools, &chain, ask.collection, wallet, token_id, &ask.proof).await?;
    Ok(judge(&reading, ask.quantity, None))
}
