//! What a contract says that it is: ERC-165 and its views, within limits, since it may be hostile.

use abi::standards::{
    ERC165_ID, ERC721_ID, ERC1155_ID, ERC2981_ID, EXTENSION_IDS, Erc165, Erc173, Erc721, Erc1155,
    NO_INTERFACE_ID,
};
use alloy::{
    eips::BlockId,
    primitives::{Bytes, FixedBytes, U256},
    sol_types::SolCall,
};
use events::Standard;
use evm::{Node, NodeError};
use futures::{StreamExt, TryStreamExt, stream};
use ids::Address;

use crate::{
    decode,
    read_contract::{LIMITS, MOST_GAS, text, view},
};

/// What ERC-165 lets a contract use for its answer, and what the call itself costs before the contract has any of it.
const INTERFACE_GAS: u64 = 30_000 + 21_000 + 1_440;
/// Interfaces asked about at once.
const AT_ONCE: usize = 4;
/// A function that nobody has: who answers it answers everything.
const NO_FUNCTION: [u8; 4] = [0x9f, 0x1b, 0x6e, 0x0d];
/// Somebody, where a view wants an account.
const SOMEBODY: alloy::primitives::Address = alloy::primitives::Address::repeat_byte(0x11);

/// What was found out about a contract, as of the newest block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) has_code: bool,
    /// None where it is neither or says that it is both.
    pub(crate) standard: Option<Standard>,
    /// Those that it claims, of those that we know; none where it does not speak ERC-165.
    pub(crate) interfaces: Vec<FixedBytes<4>>,
    pub(crate) name: String,
    pub(crate) symbol: String,
    pub(crate) owner: Option<Address>,
}

/// Asks a contract what it is. An error is the node's: whatever the contract does is an answer.
pub(crate) async fn probe(node: &Node, contract: Address) -> Result<Probed, NodeError> {
    let node = node.with_limits(LIMITS);
    let has_code = match node.code(contract.into(), BlockId::latest()).await {
        Ok(code) => !code.is_empty(),
        Err(NodeError::TooLarge { .. }) => true,
        Err(err) => return Err(err),
    };
    if !has_code {
        return Ok(Probed::default());
    }
    let asked = Asked { node: &node, contract };
    let interfaces = asked.interfaces().await?;
    let standard = match &interfaces {
        Some(claimed) => match (claimed.contains(&ERC721_ID), claimed.contains(&ERC1155_ID)) {
            (true, false) => Some(Standard::Erc721),
            (false, true) => Some(Standard::Erc1155),
            _ => None,
        },
        None => asked.guess().await?,
    };
    let (name, symbol, owner) = tokio::try_join!(
        asked.view(Erc721::nameCall {}),
        asked.view(Erc721::symbolCall {}),
        asked.view(Erc173::ownerCall {}),
    )?;
    let words =
        |answer: Option<Bytes>| answer.and_then(|bytes| text(&bytes).map(decode::name)).unwrap_or_default();
    let owner = owner.and_then(|answer| Erc173::ownerCall::abi_decode_returns_validate(&answer).ok());
    Ok(Probed {
        has_code,
        standard,
        interfaces: interfaces.unwrap_or_default(),
        name: words(name),
        symbol: words(symbol),
        owner: owner.filter(|owner| !owner.is_zero()).map(Address::from),
    })
}

struct Asked<'a> {
    node: &'a Node,
    contract: Address,
}

impl Asked<'_> {
    /// The interfaces that it claims; None where its word is worth nothing, since it has none or says yes to everything.
    async fn interfaces(&self) -> Result<Option<Vec<FixedBytes<4>>>, NodeError> {
        let (speaks, lies) = tokio::try_join!(self.claims(ERC165_ID), self.claims(NO_INTERFACE_ID))?;
        if !speaks || lies {
            return Ok(None);
        }
        let known = [ERC165_ID, ERC721_ID, ERC1155_ID, ERC2981_ID].into_iter().chain(EXTENSION_IDS);
        let claimed: Vec<Option<FixedBytes<4>>> = stream::iter(known)
            .map(async |id| Ok::<_, NodeError>(self.claims(id).await?.then_some(id)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Some(claimed.into_iter().flatten().collect()))
    }

    async fn claims(&self, id: FixedBytes<4>) -> Result<bool, NodeError> {
        let call = Erc165::supportsInterfaceCall { interfaceId: id }.abi_encode();
        let answer = view(self.node, self.contract, BlockId::latest(), call, INTERFACE_GAS).await?;
        Ok(answer.is_some_and(|answer| is_true(&answer)))
    }

    /// By its views, where it does not speak ERC-165.
    async fn guess(&self) -> Result<Option<Standard>, NodeError> {
        let approved = Erc721::isApprovedForAllCall { owner: SOMEBODY, operator: SOMEBODY };
        let (approved, of_single, of_multi, of_nothing) = tokio::try_join!(
            self.view(approved),
            self.view(Erc721::balanceOfCall { owner: SOMEBODY }),
            self.view(Erc1155::balanceOfCall { account: SOMEBODY, id: U256::ONE }),
            view(self.node, self.contract, BlockId::latest(), NO_FUNCTION.to_vec(), MOST_GAS),
        )?;
        let is_word = |answer: &Option<Bytes>| answer.as_ref().is_some_and(|bytes| bytes.len() >= 32);
        let is_flag = approved.is_some_and(|answer| is_true(&answer) || is_false(&answer));
        if is_word(&of_nothing) || !is_flag {
            return Ok(None);
        }
        Ok(match (is_word(&of_single), is_word(&of_multi)) {
            (_, true) => Some(Standard::Erc1155),
            (true, false) => Some(Standard::Erc721),
            (false, false) => None,
        })
    }

    async fn view(&self, call: impl SolCall) -> Result<Option<Bytes>, NodeError> {
        view(self.node, self.contract, BlockId::latest(), call.abi_encode(), MOST_GAS).await
    }
}

/// The first word decides; who says more has said it all the same.
fn is_true(answer: &[u8]) -> bool {
    answer.first_chunk::<32>().is_some_and(|word| word[31] == 1 && word[..31].iter().all(|byte| *byte == 0))
}

fn is_false(answer: &[u8]) -> bool {
    answer.first_chunk::<32>().is_some_and(|word| word.iter().all(|byte| *byte == 0))
}
