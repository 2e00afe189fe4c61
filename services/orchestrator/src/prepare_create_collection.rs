//! Prepares the call of the factory that makes a collection at an address that is known beforehand.

use abi::launchpad::VitrineFactory::predictCollectionCall;
use amounts::U256;
use ids::{Address, IntentId};

use crate::{
    ask::{CreateAsk, Standard, request_hash},
    chains::Chain,
    encode,
    error::Error,
    model::{Kind, now},
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    read_token,
    simulate::{Call, Planned, plan},
};

pub(crate) async fn prepare_create_collection(
    tools: &Tools,
    asker: &Asker,
    ask: &CreateAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations(now().timestamp().unsigned_abs()))?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.creator, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    let no_factory = || Error::ContractUnknown("the chain has no factory".to_owned());
    let factory = *chain.factories.last().ok_or_else(no_factory)?;

    let intent_id = IntentId::new();
    let standard = match ask.standard {
        Standard::Erc721 => "ERC-721",
        Standard::Erc1155 => "ERC-1155",
    };
    let call = Call {
        title: format!("Create {}", ask.name),
        description: format!("Creates the {standard} collection {} on {}.", ask.name, chain.name),
        from: ask.creator,
        to: factory,
        data: encode::create(ask, intent_id),
        value: U256::ZERO,
    };
    let (preview, steps) = tokio::join!(
        predict(&chain, factory, ask, intent_id),
        plan(tools, &chain, vec![Planned::Call(call)]),
    );
    let subject = Subject {
        intent_id,
        preview_address: Some(preview?),
        salt: Some(encode::salt_of(ask.creator, intent_id)),
        awaits_catalog: true,
        ..Subject::of(Kind::CreateCollection, ask.creator)
    };
    store_prepared(tools, asker, (ask, &chain), subject, steps?).await
}

/// Where the clone will be: the factory computes it from its implementation and the salt.
async fn predict(
    chain: &Chain,
    factory: Address,
    ask: &CreateAsk,
    intent_id: IntentId,
) -> Result<Address, Error> {
    let call = predictCollectionCall {
        creator: ask.creator.into(),
        intentId: encode::intent_word(intent_id),
        erc1155: ask.standard == Standard::Erc1155,
    };
    let strange = || Error::ContractUnknown("the registered factory does not speak its interface".to_owned());
    let predicted = read_token::ask(chain, factory, call, read_token::ANSWER_GAS).await?;
    Ok(predicted.ok_or_else(strange)?.into())
}
