//! What the market asks of contracts that may be anybody's. What they may use up to answer is bounded, and an answer that
//! is none is told apart from a chain that gives no answer: see `read_token.rs`.

use abi::{
    seaport::Seaport::getCounterCall,
    standards::{ERC2981_ID, Erc20, Erc1155, Erc2981::royaltyInfoCall},
};
use alloy::eips::BlockId;
use amounts::U256;
use ids::{Address, TokenId};

use super::{describe::share, order::Royalty};
use crate::{
    ask::Standard,
    chains::Chain,
    error::Error,
    model::now,
    prepare::unreachable_node,
    read_token::{
        ANSWER_GAS, TokenKind, approved_for, ask, ask_at, is_approved_for_all, kind_of, owner_of, supports,
    },
};

/// The time that the chain's next block cannot be before, and the clock's: an idle chain's newest block is old.
pub(crate) struct Times {
    pub(crate) head: u64,
    pub(crate) clock: u64,
}

impl Times {
    /// The later of the two, which the next block's time is not before.
    pub(crate) fn latest(&self) -> u64 {
        self.head.max(self.clock)
    }
}

pub(crate) async fn read_times(chain: &Chain) -> Result<Times, Error> {
    let head = chain.node.latest_header().await.map_err(|err| unreachable_node(&err))?.timestamp;
    Ok(Times { head, clock: now().timestamp().unsigned_abs() })
}

/// The standard of a token's contract.
pub(crate) async fn read_standard(chain: &Chain, contract: Address) -> Result<Standard, Error> {
    match kind_of(chain, contract).await? {
        TokenKind::Erc721 => Ok(Standard::Erc721),
        TokenKind::Erc1155 => Ok(Standard::Erc1155),
        TokenKind::Erc20 => {
            Err(Error::ContractUnknown(format!("{contract} is no ERC-721 or ERC-1155 contract")))
        }
    }
}

/// How many of a token somebody has.
pub(crate) async fn read_holding(
    chain: &Chain,
    standard: Standard,
    (contract, token_id): (Address, TokenId),
    holder: Address,
) -> Result<U256, Error> {
    match standard {
        Standard::Erc721 => Ok(U256::from(owner_of(chain, contract, token_id).await? == Some(holder))),
        Standard::Erc1155 => {
            let call = Erc1155::balanceOfCall { account: holder.into(), id: token_id.number() };
            Ok(ask(chain, contract, call, ANSWER_GAS).await?.unwrap_or_default())
        }
    }
}

/// Who may move somebody's token.
pub(crate) struct Approval {
    pub(crate) is_given: bool,
    /// Whom the token alone is approved for, where that is not the operator: another approval of it replaces this one.
    pub(crate) other: Option<Address>,
}

/// Whether an operator may move somebody's token, and who else may.
pub(crate) async fn read_approval(
    chain: &Chain,
    standard: Standard,
    (contract, token_id): (Address, TokenId),
    (holder, operator): (Address, Address),
) -> Result<Approval, Error> {
    let all = is_approved_for_all(chain, contract, (holder, operator));
    if standard == Standard::Erc1155 {
        return Ok(Approval { is_given: all.await?, other: None });
    }
    let (all, one) = tokio::try_join!(all, approved_for(chain, contract, token_id))?;
    Ok(Approval { is_given: all || one == Some(operator), other: one.filter(|one| *one != operator) })
}

/// Whether an operator may move somebody's token.
pub(crate) async fn is_approved(
    chain: &Chain,
    standard: Standard,
    token: (Address, TokenId),
    who: (Address, Address),
) -> Result<bool, Error> {
    Ok(read_approval(chain, standard, token, who).await?.is_given)
}

/// What of a currency somebody has, and what the exchange may take of it.
pub(crate) struct Purse {
    pub(crate) balance: U256,
    pub(crate) allowance: U256,
}

/// None where the contract is no ERC-20.
pub(crate) async fn read_purse(
    chain: &Chain,
    currency: Address,
    (holder, spender): (Address, Address),
) -> Result<Option<Purse>, Error> {
    let allowance = Erc20::allowanceCall { owner: holder.into(), spender: spender.into() };
    let (balance, allowance) = tokio::try_join!(
        ask(chain, currency, Erc20::balanceOfCall { owner: holder.into() }, ANSWER_GAS),
        ask(chain, currency, allowance, ANSWER_GAS),
    )?;
    Ok(balance.zip(allowance).map(|(balance, allowance)| Purse { balance, allowance }))
}

/// The counter that a maker's orders are signed with; it grows when the maker calls all of them off.
pub(crate) async fn read_counter(chain: &Chain, exchange: Address, maker: Address) -> Result<U256, Error> {
    read_counter_at(chain, exchange, maker, BlockId::latest()).await
}

/// What it was at a block.
pub(crate) async fn read_counter_at(
    chain: &Chain,
    exchange: Address,
    maker: Address,
    block: BlockId,
) -> Result<U256, Error> {
    let call = getCounterCall { offerer: maker.into() };
    let counter = ask_at(chain, exchange, call, (ANSWER_GAS, block)).await?;
    counter.ok_or_else(|| Error::ContractUnknown(format!("{exchange} does not answer as an exchange does")))
}

/// What a collection says of its royalty.
pub(crate) struct Told {
    pub(crate) royalty: Option<Royalty>,
    /// It claims to have royalties, and says none when it is asked.
    pub(crate) is_mute: bool,
}

/// What the creator gets when so many tokens are sold for `price` by `seller`; ERC-2981 tells it for one of them. A share
/// above `max_bps` is refused: whoever wrote the contract would have the price.
pub(crate) async fn read_royalty(
    chain: &Chain,
    (contract, token_id): (Address, TokenId),
    (price, quantity): (U256, U256),
    (seller, max_bps): (Option<Address>, u16),
) -> Result<Told, Error> {
    let for_one = price.checked_div(quantity).unwrap_or_default();
    let call = royaltyInfoCall { tokenId: token_id.number(), salePrice: for_one };
    let (is_claimed, told) =
        tokio::try_join!(supports(chain, contract, ERC2981_ID), ask(chain, contract, call, ANSWER_GAS))?;
    let Some(told) = told.filter(|_| is_claimed) else {
        return Ok(Told { royalty: None, is_mute: is_claimed });
    };
    let receiver = Address::from(told.receiver);
    if receiver.is_zero() || told.amount.is_zero() || Some(receiver) == seller {
        return Ok(Told { royalty: None, is_mute: false });
    }
    // A collection may round up.
    let most = for_one.saturating_mul(U256::from(max_bps)).div_ceil(U256::from(10_000));
    if told.amount > most {
        let asked = share(told.amount, for_one);
        let allowed = share(U256::from(max_bps), U256::from(10_000));
        let message = format!(
            "the collection asks for {asked} of the price for {receiver}; at most {allowed} are paid here"
        );
        return Err(Error::refused("ORDER_INVALID", message));
    }
    let royalty = Royalty { receiver, amount: told.amount.saturating_mul(quantity) };
    Ok(Told { royalty: Some(royalty), is_mute: false })
}
