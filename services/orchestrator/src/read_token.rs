//! What a token's contract is and says, whoever wrote it. Nothing that it answers is believed beyond its form, and what
//! it may use up to answer is bounded.

use abi::standards::{
    ERC165_ID, ERC721_ID, ERC1155_ID,
    Erc20::{allowanceCall, decimalsCall},
    Erc165::supportsInterfaceCall,
    Erc721::{getApprovedCall, isApprovedForAllCall, ownerOfCall},
    NO_INTERFACE_ID,
};
use alloy::{
    eips::BlockId,
    primitives::{self, FixedBytes, U256},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use evm::{Node, NodeError};
use ids::{Address, TokenId};

use crate::{chains::Chain, error::Error, prepare::unreachable_node};

/// ERC-165 grants 30,000; a proxy and the call itself need some too.
const INTERFACE_GAS: u64 = 100_000;
/// For everything else that contracts are asked.
pub(crate) const ANSWER_GAS: u64 = 1_000_000;
/// How EIP-7702's delegations are told from contracts: an account with one still signs with its key.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// A standard for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Erc721,
    Erc1155,
    Erc20,
}

/// What a contract follows: ERC-165's word for the collections; ERC-20 has no word for itself, and is known by its
/// answers. An account without code, and a contract that is none of these, is unknown.
pub(crate) async fn kind_of(chain: &Chain, contract: Address) -> Result<TokenKind, Error> {
    let (is_165, lies, is_721, is_1155) = tokio::try_join!(
        supports(chain, contract, ERC165_ID),
        supports(chain, contract, NO_INTERFACE_ID),
        supports(chain, contract, ERC721_ID),
        supports(chain, contract, ERC1155_ID),
    )?;
    let unknown = || Error::ContractUnknown(format!("{contract} is no ERC-721, ERC-1155 or ERC-20 contract"));
    // What says yes to everything says nothing.
    if lies {
        return Err(unknown());
    }
    // One that claims both is neither: calls of the one would mean something else to the other.
    match (is_165, is_721, is_1155) {
        (true, true, false) => return Ok(TokenKind::Erc721),
        (true, false, true) => return Ok(TokenKind::Erc1155),
        (true, true, true) => return Err(unknown()),
        _ => {}
    }
    let itself = contract.into();
    let (decimals, allowance) = tokio::try_join!(
        ask(chain, contract, decimalsCall {}, ANSWER_GAS),
        ask(chain, contract, allowanceCall { owner: itself, spender: itself }, ANSWER_GAS),
    )?;
    match (decimals, allowance) {
        (Some(_), Some(_)) => Ok(TokenKind::Erc20),
        _ => Err(unknown()),
    }
}

/// Who owns a token of an ERC-721; None where there is no such token.
pub(crate) async fn owner_of(
    chain: &Chain,
    contract: Address,
    id: TokenId,
) -> Result<Option<Address>, Error> {
    let owner = ask(chain, contract, ownerOfCall { tokenId: id.number() }, ANSWER_GAS).await?;
    Ok(owner.map(Address::from).filter(|owner| !owner.is_zero()))
}

/// Who else may move one token of an ERC-721; None where nobody may.
pub(crate) async fn approved_for(
    chain: &Chain,
    contract: Address,
    id: TokenId,
) -> Result<Option<Address>, Error> {
    let approved = ask(chain, contract, getApprovedCall { tokenId: id.number() }, ANSWER_GAS).await?;
    Ok(approved.map(Address::from).filter(|approved| !approved.is_zero()))
}

/// Whether the operator may move all of the owner's tokens. One function for ERC-721 and ERC-1155.
pub(crate) async fn is_approved_for_all(
    chain: &Chain,
    contract: Address,
    (owner, operator): (Address, Address),
) -> Result<bool, Error> {
    let call = isApprovedForAllCall { owner: owner.into(), operator: operator.into() };
    Ok(ask(chain, contract, call, ANSWER_GAS).await?.unwrap_or(false))
}

/// How much of an ERC-20 the spender may move.
pub(crate) async fn allowance_of(
    chain: &Chain,
    contract: Address,
    (owner, spender): (Address, Address),
) -> Result<U256, Error> {
    let call = allowanceCall { owner: owner.into(), spender: spender.into() };
    Ok(ask(chain, contract, call, ANSWER_GAS).await?.unwrap_or_default())
}

/// Whether a contract claims an interface by ERC-165.
pub(crate) async fn supports(chain: &Chain, contract: Address, id: FixedBytes<4>) -> Result<bool, Error> {
    let answer = ask(chain, contract, supportsInterfaceCall { interfaceId: id }, INTERFACE_GAS).await?;
    Ok(answer.unwrap_or(false))
}

/// Whether there is a contract at an address, which signs with no key of its own.
pub(crate) async fn is_contract(node: &Node, account: primitives::Address) -> Result<bool, NodeError> {
    let code = node.code(account, BlockId::latest()).await?;
    Ok(!code.is_empty() && !code.starts_with(&DELEGATION))
}

/// The answer, or None where the contract has none: it reverts, uses too much, or says what the call cannot return.
pub(crate) async fn ask<C: SolCall>(
    chain: &Chain,
    contract: Address,
    call: C,
    gas: u64,
) -> Result<Option<C::Return>, Error> {
    ask_at(chain, contract, call, (gas, BlockId::latest())).await
}

/// The same at a block.
pub(crate) async fn ask_at<C: SolCall>(
    chain: &Chain,
    contract: Address,
    call: C,
    (gas, block): (u64, BlockId),
) -> Result<Option<C::Return>, Error> {
    let request =
        TransactionRequest::default().to(contract.into()).gas_limit(gas).input(call.abi_encode().into());
    match chain.node.call(&request, block, None).await {
        Ok(answer) => Ok(C::abi_decode_returns_validate(&answer).ok()),
        Err(err) if is_contracts_own(&err) => Ok(None),
        Err(err) => Err(unreachable_node(&err)),
    }
}

/// Whether it is the contract that has no answer, and not the node: a node that fails says nothing of the contract.
pub(crate) fn is_contracts_own(err: &NodeError) -> bool {
    // More than is read is no answer either: no call that is made here returns so much.
    matches!(err, NodeError::TooLarge { .. }) || err.is_revert() || err.is_halt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_fails_is_not_taken_for_a_contract_that_says_no() {
        let rpc = |code: i64, message: &str| NodeError::Rpc {
            code,
            message: message.to_owned(),
            revert_data: None,
        };
        for own in [
            rpc(3, "execution reverted"),
            rpc(-32000, "out of gas"),
            rpc(-32603, "EVM error InvalidFEOpcode"),
            NodeError::TooLarge { limit: 1 },
        ] {
            assert!(is_contracts_own(&own), "{own}");
        }
        for nodes in [
            rpc(-32603, "internal error"),
            rpc(-32000, "missing trie node 0xabc (path )"),
            rpc(-32601, "the method eth_call does not exist"),
            rpc(-32602, "invalid params"),
            rpc(-32005, "too many requests"),
            NodeError::Transport("reset".to_owned()),
        ] {
            assert!(!is_contracts_own(&nodes), "{nodes}");
        }
    }
}
