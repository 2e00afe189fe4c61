//! Prepares a mint at a collection of ours: the stage that is open for the wallet, its price, what is left.

use abi::launchpad::{
    MintInfo, STAGE_ALLOWLIST,
    VitrineCollection::{mintInfoAtCall, mintInfoCall, stagesCall},
    VitrineERC1155::totalMintedCall,
    VitrineFactory::{erc721ImplementationCall, erc1155ImplementationCall},
};
use alloy::{eips::BlockId, primitives, sol_types::SolCall};
use amounts::U256;
use ids::{Address, IntentId};

use crate::{
    ask::{MintAsk, Standard, request_hash},
    chains::Chain,
    eligibility::{implementation_of, is_listed, price, proof},
    encode,
    error::Error,
    model::Kind,
    prepare::{
        Asker, Prepared, Subject, Tools, draft, find_prepared, require_valid, simulate, step, store_prepared,
        unreachable_node,
    },
};

pub(crate) async fn prepare_mint(tools: &Tools, asker: &Asker, ask: &MintAsk) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations())?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.minter, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    let (known, info, minted) =
        tokio::join!(require_ours(&chain, ask), find_stage(&chain, ask), count_minted(&chain, ask));
    known?;
    let info = info?;
    let minted = minted?.unwrap_or(info.totalMinted);
    let value = price(ask, &info, minted).map_err(Error::problem)?;

    let data = encode::mint(ask, info.stageId);
    let parties = (ask.minter, ask.collection);
    let transaction = simulate(&chain, parties, data, value, tools.gas_margin_percent).await?;
    let subject = Subject {
        intent_id: IntentId::new(),
        kind: match ask.standard {
            Standard::Erc721 => Kind::Mint721,
            Standard::Erc1155 => Kind::Mint1155,
        },
        from: ask.minter,
        preview_address: None,
        salt: None,
        contract: Some(ask.collection),
    };
    let intent = draft(asker, ask, &chain, subject, tools.intent_ttl);
    let title = format!("Mint {}", ask.quantity);
    let description =
        format!("Mints {} from {} to {} on {}.", ask.quantity, ask.collection, ask.recipient, chain.name);
    let steps = vec![step(title, description, transaction)];
    store_prepared(tools, asker, Prepared { intent, steps }).await
}

/// Fails unless the collection is a clone that a registered factory's implementation stands behind, of the standard
/// that was asked for: a wallet is never led to sign a payment to a contract that merely answers like ours.
async fn require_ours(chain: &Chain, ask: &MintAsk) -> Result<(), Error> {
    let code = chain
        .node
        .code(ask.collection.into(), BlockId::latest())
        .await
        .map_err(|err| unreachable_node(&err))?;
    let found = implementation_of(&code);
    let unknown =
        || Error::ContractUnknown(format!("{} is not a collection of this launchpad", ask.collection));
    let found = found.ok_or_else(unknown)?;
    for factory in chain.factories.iter().rev() {
        let (erc721, erc1155) = tokio::join!(
            view(chain, *factory, erc721ImplementationCall {}),
            view(chain, *factory, erc1155ImplementationCall {}),
        );
        let (is_721, is_1155) = (erc721? == found, erc1155? == found);
        match ask.standard {
            Standard::Erc721 if is_721 => return Ok(()),
            Standard::Erc1155 if is_1155 => return Ok(()),
            _ if is_721 || is_1155 => {
                return Err(Error::field("collection", "is a collection of the other standard"));
            }
            _ => {}
        }
    }
    Err(unknown())
}

/// The stage that the mint will use: with a proof, the open list that it belongs to; else what the collection offers.
async fn find_stage(chain: &Chain, ask: &MintAsk) -> Result<MintInfo, Error> {
    let wallet = ask.minter.into();
    if !ask.proof.is_empty() {
        let stages = view(chain, ask.collection, stagesCall {}).await?;
        let proof = proof(ask);
        let lists = (0_u64..).zip(&stages).filter(|(_, stage)| stage.kind == STAGE_ALLOWLIST);
        for (at, _) in lists.filter(|(_, stage)| is_listed(wallet, &proof, stage.merkleRoot)) {
            let call = mintInfoAtCall { wallet, stageId: U256::from(at) };
            let info = view(chain, ask.collection, call).await?;
            if info.open {
                return Ok(info);
            }
        }
    }
    view(chain, ask.collection, mintInfoCall { wallet }).await
}

/// The units of an ERC-1155's one id that were ever minted; None for ERC-721, whose count is in the stage's answer.
async fn count_minted(chain: &Chain, ask: &MintAsk) -> Result<Option<U256>, Error> {
    let Some(token_id) = ask.token_id.filter(|_| ask.standard == Standard::Erc1155) else { return Ok(None) };
    Ok(Some(view(chain, ask.collection, totalMintedCall { id: token_id.number() }).await?))
}

async fn view<C: SolCall>(chain: &Chain, to: Address, call: C) -> Result<C::Return, Error> {
    let unknown =
        || Error::ContractUnknown(format!("{to} does not answer as a contract of this launchpad does"));
    let answer = chain.node.view(primitives::Address::from(to), call.abi_encode().into()).await;
    let answer = answer.map_err(|err| if err.is_revert() { unknown() } else { unreachable_node(&err) })?;
    C::abi_decode_returns(&answer).map_err(|_| unknown())
}
