//! Prepares a mint at a collection of ours: the best stage for the wallet, its price, its proof; or a creator's own
//! mint, free and outside the stages.

use amounts::U256;

use crate::{
    ask::{MintAsk, Standard, request_hash},
    chains::Chain,
    eligibility::{Access, Eligibility, Reading, judge, judge_own},
    encode,
    error::Error,
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    read_collection::{is_minter, read_collection, standard_of},
    simulate::{Call, Planned, plan},
};

/// The prepared mint, and how the wallet stands to the collection now: None where a repeated request could not look.
pub(crate) async fn prepare_mint(
    tools: &Tools,
    asker: &Asker,
    ask: &MintAsk,
) -> Result<(Prepared, Option<Eligibility>), Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        let eligibility = async {
            let chain = tools.chains.get_enabled(ask.chain_id).await?;
            look(tools, &chain, ask).await
        };
        return Ok((prepared, eligibility.await.ok()));
    }
    require_valid(ask.violations())?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.minter, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    // Nothing more is asked of a contract that is none of ours.
    require_standard(tools, &chain, ask).await?;
    let eligibility = look(tools, &chain, ask).await?;
    if let Some(problem) = eligibility.problem.clone() {
        return Err(Error::problem(problem));
    }
    let data = match &eligibility.offer {
        Some(offer) => {
            let proof = match &offer.access {
                Access::Listed(proof) => proof.clone(),
                _ => Vec::new(),
            };
            encode::mint(ask, offer.info.stageId, proof)
        }
        None => encode::mint_with_uris(ask),
    };
    let call = Call {
        title: format!("Mint {}", ask.quantity),
        description: format!(
            "Mints {} from {} to {} on {}.",
            ask.quantity, ask.collection, ask.recipient, chain.name
        ),
        from: ask.minter,
        to: ask.collection,
        data,
        value: eligibility.value,
    };
    let steps = plan(tools, &chain, vec![Planned::Call(call)]).await?;
    let kind = match ask.standard {
        Standard::Erc721 => Kind::Mint721,
        Standard::Erc1155 => Kind::Mint1155,
    };
    let subject =
        Subject { contract: Some(ask.collection), awaits_catalog: true, ..Subject::of(kind, ask.minter) };
    let prepared = store_prepared(tools, asker, (ask, &chain), subject, steps).await?;
    Ok((prepared, Some(eligibility)))
}

async fn require_standard(tools: &Tools, chain: &Chain, ask: &MintAsk) -> Result<(), Error> {
    match standard_of(tools, chain, ask.collection).await? {
        standard if standard == ask.standard => Ok(()),
        _ => Err(Error::field("collection", "is a collection of the other standard")),
    }
}

async fn look(tools: &Tools, chain: &Chain, ask: &MintAsk) -> Result<Eligibility, Error> {
    let reading = read_collection(tools, chain, ask.collection, ask.minter, ask.token_id, &ask.proof);
    if ask.metadata_uris.is_empty() {
        return Ok(judge(&reading.await?, ask.quantity, ask.expected_price));
    }
    let (reading, is_minter) = tokio::join!(reading, is_minter(chain, ask.collection, ask.minter));
    let reading: Reading = reading?;
    Ok(judge_own(&reading, U256::from(ask.metadata_uris.len()), is_minter?))
}
