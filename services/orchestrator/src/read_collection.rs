//! What a collection of ours says to a wallet that wants to mint: its standard, its stages, what is left, and whether
//! the wallet is on the lists.

use abi::{
    launchpad::{
        MAX_STAGES, MintInfo, STAGE_ALLOWLIST,
        VitrineCollection::{mintInfoAtCall, mintInfoCall, stagesCall},
        VitrineERC1155::totalMintedCall,
        VitrineFactory::{erc721ImplementationCall, erc1155ImplementationCall},
    },
    standards::AccessControl::hasRoleCall,
};
use alloy::{
    eips::BlockId,
    primitives::{B256, U256, keccak256},
    sol_types::SolCall,
};
use futures::future::try_join_all;
use ids::{Address, Hash32, TokenId};

use crate::{
    allowlist::find_proof,
    ask::Standard,
    chains::Chain,
    eligibility::{Access, Offer, Reading, implementation_of, is_listed, is_open},
    error::Error,
    model::now,
    prepare::{Tools, unreachable_node},
    read_token::ask,
    store,
};

/// Sixteen stages take far less to tell of.
const VIEW_GAS: u64 = 5_000_000;

/// The standard of a collection, once it is sure that it is a clone which a registered factory's implementation stands
/// behind: a wallet is never led to sign a payment to a contract that merely answers like ours.
pub(crate) async fn standard_of(
    tools: &Tools,
    chain: &Chain,
    collection: Address,
) -> Result<Standard, Error> {
    let code = chain.node.code(collection.into(), BlockId::latest()).await;
    let code = code.map_err(|err| unreachable_node(&err))?;
    if code.is_empty() && store::is_being_made(&tools.db, chain.chain_id, collection).await? {
        return Err(Error::refused("MINT_NOT_OPEN", "the collection is still being made"));
    }
    let unknown = || Error::ContractUnknown(format!("{collection} is not a collection of this launchpad"));
    let found = implementation_of(&code).ok_or_else(unknown)?;
    for factory in chain.factories.iter().rev() {
        // One that does not answer as a factory does stands in nobody's way.
        let (erc721, erc1155) = tokio::try_join!(
            ask(chain, *factory, erc721ImplementationCall {}, VIEW_GAS),
            ask(chain, *factory, erc1155ImplementationCall {}, VIEW_GAS),
        )?;
        if erc721 == Some(found) {
            return Ok(Standard::Erc721);
        }
        if erc1155 == Some(found) {
            return Ok(Standard::Erc1155);
        }
    }
    Err(unknown())
}

/// Everything that decides whether the wallet may mint, of a collection whose standard is known. The lists that are stored here are searched for each stage
/// that no given proof opens.
pub(crate) async fn read_collection(
    tools: &Tools,
    chain: &Chain,
    collection: Address,
    wallet: Address,
    token_id: Option<TokenId>,
    given: &[Hash32],
) -> Result<Reading, Error> {
    let (stages, whole, of_id, balance, head) = tokio::join!(
        view(chain, collection, stagesCall {}),
        view(chain, collection, mintInfoCall { wallet: wallet.into() }),
        count_minted(chain, collection, token_id),
        chain.node.balance(wallet.into(), BlockId::latest()),
        chain.node.latest_header(),
    );
    let (stages, whole) = (stages?, whole?);
    if stages.len() > MAX_STAGES {
        let found = stages.len();
        let message =
            format!("{collection} tells of {found} stages: no collection of this launchpad has so many");
        return Err(Error::ContractUnknown(message));
    }
    let head = head.map_err(|err| unreachable_node(&err))?.timestamp;
    // An idle chain's newest block is old; the mint will be in one that comes, which is never older than this.
    let at = head.max(now().timestamp().unsigned_abs());
    let ids = (0_u64..).zip(&stages).map(|(at, _)| U256::from(at));
    let asked = ids.map(|id| view(chain, collection, mintInfoAtCall { wallet: wallet.into(), stageId: id }));
    let mut offers = Vec::with_capacity(stages.len());
    for info in try_join_all(asked).await? {
        let access = find_access(tools, &info, at, wallet, given).await?;
        offers.push(Offer { info, access });
    }
    Ok(Reading {
        wallet: wallet.into(),
        at,
        offers,
        is_paused: whole.paused,
        max_supply: whole.maxSupply,
        minted: of_id?.unwrap_or(whole.totalMinted),
        balance: balance.map_err(|err| unreachable_node(&err))?,
    })
}

async fn find_access(
    tools: &Tools,
    info: &MintInfo,
    at: u64,
    wallet: Address,
    given: &[Hash32],
) -> Result<Access, Error> {
    if info.kind != STAGE_ALLOWLIST {
        return Ok(Access::Open);
    }
    let is_proof = |proof: &[B256]| is_listed(wallet.into(), proof, info.merkleRoot);
    let given: Vec<B256> = given.iter().copied().map(B256::from).collect();
    if is_proof(&given) {
        return Ok(Access::Listed(given));
    }
    // A stage that is not open is not used; its list need not be searched.
    if !is_open(info, at) {
        return Ok(Access::ListUnknown);
    }
    let found = find_proof(&tools.db, info.merkleRoot.into(), wallet).await?;
    Ok(match found {
        None => Access::ListUnknown,
        Some(None) => Access::NotListed,
        Some(Some(proof)) => {
            let proof: Vec<B256> = proof.into_iter().map(B256::from).collect();
            if is_proof(&proof) { Access::Listed(proof) } else { Access::NotListed }
        }
    })
}

/// The units of an ERC-1155's one id that were ever minted; None for ERC-721, whose count is the collection's.
async fn count_minted(
    chain: &Chain,
    collection: Address,
    token_id: Option<TokenId>,
) -> Result<Option<U256>, Error> {
    let Some(token_id) = token_id else { return Ok(None) };
    Ok(Some(view(chain, collection, totalMintedCall { id: token_id.number() }).await?))
}

/// Whether the wallet may mint free tokens outside the stages.
pub(crate) async fn is_minter(chain: &Chain, collection: Address, wallet: Address) -> Result<bool, Error> {
    let role = keccak256("MINTER_ROLE");
    view(chain, collection, hasRoleCall { role, account: wallet.into() }).await
}

/// Asks a collection that a registered factory stands behind. One that does not answer as today's do is an older one.
async fn view<C: SolCall>(chain: &Chain, collection: Address, call: C) -> Result<C::Return, Error> {
    let earlier = || {
        let message = format!(
            "{collection} is of an earlier version of this launchpad, and cannot be minted from here"
        );
        Error::ContractUnknown(message)
    };
    ask(chain, collection, call, VIEW_GAS).await?.ok_or_else(earlier)
}
