//! Prepares an approval: one token or all tokens of a collection, or an amount of an ERC-20, for the exchange or for
//! somebody else. The contract may be anybody's. Listings that an approval of the exchange would bring back to life are
//! called off before it.

use amounts::U256;
use ids::{Address, ChainId, TokenId};
use serde::{Deserialize, Serialize};

use crate::{
    ask::{Violation, request_hash},
    chains::Chain,
    encode,
    error::Error,
    market::{cancel_listings, find_revived_listings, replaced_text},
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    read_token::{TokenKind, allowance_of, approved_for, is_approved_for_all, kind_of, owner_of},
    simulate::{Call, Planned, plan},
};

/// An approval that is to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApproveAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    pub(crate) owner: Address,
    /// The chain's exchange where None.
    pub(crate) operator: Option<Address>,
    /// One token of an ERC-721; all where None.
    pub(crate) token_id: Option<TokenId>,
    /// For ERC-20.
    pub(crate) amount: Option<U256>,
}

/// What an approval is about, once the contract's standard is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Token(TokenId),
    All,
    Amount(U256),
}

pub(crate) async fn prepare_approve(
    tools: &Tools,
    asker: &Asker,
    ask: &ApproveAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations())?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.owner, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    let no_exchange = || Error::ContractUnknown("the chain has no exchange".to_owned());
    let operator = ask.operator.or(chain.exchange).ok_or_else(no_exchange)?;
    let scope = ask.scope(kind_of(&chain, ask.contract).await?)?;
    let mut other = None;
    let is_given = match scope {
        Scope::Token(id) => {
            require_owner(&chain, ask.contract, ask.owner, id).await?;
            let approved = approved_for(&chain, ask.contract, id).await?;
            other = approved.filter(|approved| *approved != operator);
            approved == Some(operator)
        }
        Scope::All => is_approved_for_all(&chain, ask.contract, (ask.owner, operator)).await?,
        Scope::Amount(amount) => allowance_of(&chain, ask.contract, (ask.owner, operator)).await? == amount,
    };
    let is_exchange = Some(operator) == chain.exchange;
    let older = match scope {
        Scope::Token(_) | Scope::All if is_exchange && !is_given => {
            let scope = (ask.contract, ask.token_id);
            find_revived_listings(tools, &chain, scope, (ask.owner, operator)).await?
        }
        _ => Vec::new(),
    };
    let (data, what) = match scope {
        Scope::Token(id) => (encode::approve_token(Some(operator), id), format!("token {id}")),
        Scope::All => (encode::approve_all(operator, true), "all tokens".to_owned()),
        Scope::Amount(amount) => (encode::approve_amount(operator, amount), format!("up to {amount} units")),
    };
    let who = match is_exchange {
        true => format!("the exchange {operator}"),
        false => format!("{operator}, which is not the exchange of this launchpad,"),
    };
    let call = Call {
        title: titled(format!("Approve {what}"), is_given),
        description: format!(
            "Lets {who} move {what} of {} on {}.{}",
            ask.contract,
            chain.name,
            replaced_text(other)
        ),
        from: ask.owner,
        to: ask.contract,
        data,
        value: U256::ZERO,
    };
    let calls = cancel_listings(&chain, ask.owner, ask.token_id, &older).into_iter().chain([call]);
    let steps = plan(tools, &chain, calls.map(Planned::Call).collect()).await?;
    let subject = Subject {
        contract: Some(ask.contract),
        token_ids: ask.token_id.into_iter().collect(),
        ..Subject::of(Kind::Approve, ask.owner)
    };
    store_prepared(tools, asker, (ask, &chain), subject, steps).await
}

impl ApproveAsk {
    fn violations(&self) -> Vec<Violation> {
        parties(self.contract, self.owner, self.operator)
    }

    fn scope(&self, kind: TokenKind) -> Result<Scope, Error> {
        match (kind, self.token_id, self.amount) {
            (TokenKind::Erc721, Some(id), None) => Ok(Scope::Token(id)),
            (TokenKind::Erc721 | TokenKind::Erc1155, None, None) => Ok(Scope::All),
            (TokenKind::Erc20, None, Some(amount)) => Ok(Scope::Amount(amount)),
            (TokenKind::Erc20, None, None) => Err(Error::field("amount", "must be given for an ERC-20")),
            (TokenKind::Erc1155 | TokenKind::Erc20, Some(_), _) => {
                Err(Error::field("token_id", "belongs to ERC-721 only"))
            }
            (TokenKind::Erc721 | TokenKind::Erc1155, _, Some(_)) => {
                Err(Error::field("amount", "belongs to ERC-20 only"))
            }
        }
    }
}

/// What every approval needs, given or taken back.
pub(crate) fn parties(contract: Address, owner: Address, operator: Option<Address>) -> Vec<Violation> {
    let checks = [
        (!contract.is_zero(), "contract.address", "must not be the zero address"),
        (!owner.is_zero(), "owner", "must not be the zero address"),
        (operator.is_none_or(|operator| !operator.is_zero()), "operator", "must not be the zero address"),
        (operator != Some(owner), "operator", "must not be the owner, who needs no approval"),
    ];
    let failed = checks.into_iter().filter(|(holds, ..)| !holds);
    failed
        .map(|(_, path, message)| Violation { path: path.to_owned(), message: message.to_owned() })
        .collect()
}

/// Fails unless the token is the wallet's.
pub(crate) async fn require_owner(
    chain: &Chain,
    contract: Address,
    wallet: Address,
    id: TokenId,
) -> Result<(), Error> {
    let message = match owner_of(chain, contract, id).await? {
        Some(owner) if owner == wallet => return Ok(()),
        Some(owner) => format!("token {id} belongs to {owner}"),
        None => format!("there is no token {id}"),
    };
    Err(Error::refused("NOT_OWNER", message))
}

/// A title that says so when the call would change nothing.
pub(crate) fn titled(title: String, changes_nothing: bool) -> String {
    if changes_nothing { format!("{title} (changes nothing: it is so already)") } else { title }
}
