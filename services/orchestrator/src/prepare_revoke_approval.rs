//! Prepares the taking back of an approval. The contract may be anybody's.

use amounts::U256;
use ids::{Address, ChainId, TokenId};
use serde::{Deserialize, Serialize};

use crate::{
    ask::request_hash,
    encode,
    error::Error,
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    prepare_approve::{parties, require_owner, titled},
    read_token::{TokenKind, allowance_of, approved_for, is_approved_for_all, kind_of},
    simulate::{Call, Planned, plan},
};

/// An approval that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevokeAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    pub(crate) owner: Address,
    pub(crate) operator: Address,
    /// Of one token of an ERC-721; of all where None.
    pub(crate) token_id: Option<TokenId>,
}

pub(crate) async fn prepare_revoke_approval(
    tools: &Tools,
    asker: &Asker,
    ask: &RevokeAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(parties(ask.contract, ask.owner, Some(ask.operator)))?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.owner, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    let operator = ask.operator;
    let (data, what, is_gone) = match (kind_of(&chain, ask.contract).await?, ask.token_id) {
        (TokenKind::Erc721, Some(id)) => {
            require_owner(&chain, ask.contract, ask.owner, id).await?;
            let approved = approved_for(&chain, ask.contract, id).await?;
            // A token has one approval; what takes it back cannot tell whose it is.
            if let Some(other) = approved.filter(|approved| *approved != operator) {
                return Err(Error::Conflict(format!(
                    "token {id} is approved for {other}, not for {operator}"
                )));
            }
            (encode::approve_token(None, id), format!("token {id}"), approved.is_none())
        }
        (TokenKind::Erc721 | TokenKind::Erc1155, None) => {
            let is_given = is_approved_for_all(&chain, ask.contract, (ask.owner, operator)).await?;
            (encode::approve_all(operator, false), "all tokens".to_owned(), !is_given)
        }
        (TokenKind::Erc20, None) => {
            let allowance = allowance_of(&chain, ask.contract, (ask.owner, operator)).await?;
            let data = encode::approve_amount(operator, U256::ZERO);
            (data, "the allowance".to_owned(), allowance.is_zero())
        }
        (TokenKind::Erc1155 | TokenKind::Erc20, Some(_)) => {
            return Err(Error::field("token_id", "belongs to ERC-721 only"));
        }
    };
    let call = Call {
        title: titled(format!("Revoke the approval of {what}"), is_gone),
        description: format!("Takes {what} of {} on {} back from {operator}.", ask.contract, chain.name),
        from: ask.owner,
        to: ask.contract,
        data,
        value: U256::ZERO,
    };
    let steps = plan(tools, &chain, vec![Planned::Call(call)]).await?;
    let subject = Subject {
        contract: Some(ask.contract),
        token_ids: ask.token_id.into_iter().collect(),
        ..Subject::of(Kind::RevokeApproval, ask.owner)
    };
    store_prepared(tools, asker, (ask, &chain), subject, steps).await
}
