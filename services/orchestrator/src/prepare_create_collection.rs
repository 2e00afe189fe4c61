//! Prepares the call of the factory that makes a collection at an address that is known beforehand.

use abi::launchpad::VitrineFactory::predictCollectionCall;
use alloy::sol_types::SolCall;
use amounts::U256;
use ids::{Address, IntentId};

use crate::{
    ask::{CreateAsk, Standard, request_hash},
    chains::Chain,
    encode,
    error::Error,
    model::{Kind, now},
    prepare::{
        Asker, Prepared, Subject, Tools, draft, find_prepared, require_valid, simulate, step, store_prepared,
        unreachable_node,
    },
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
    let data = encode::create(ask, intent_id);
    let (preview, transaction) = tokio::join!(
        predict(&chain, factory, ask, intent_id),
        simulate(&chain, (ask.creator, factory), data, U256::ZERO, tools.gas_margin_percent),
    );
    let subject = Subject {
        intent_id,
        kind: Kind::CreateCollection,
        from: ask.creator,
        preview_address: Some(preview?),
        salt: Some(encode::salt_of(ask.creator, intent_id)),
        contract: None,
    };
    let intent = draft(asker, ask, &chain, subject, tools.intent_ttl);
    let standard = match ask.standard {
        Standard::Erc721 => "ERC-721",
        Standard::Erc1155 => "ERC-1155",
    };
    let title = format!("Create {}", ask.name);
    let description = format!("Creates the {standard} collection {} on {}.", ask.name, chain.name);
    let steps = vec![step(title, description, transaction?)];
    store_prepared(tools, asker, Prepared { intent, steps }).await
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
    let answer = chain.node.view(factory.into(), call.abi_encode().into()).await;
    let answer = answer.map_err(|err| if err.is_revert() { strange() } else { unreachable_node(&err) })?;
    Ok(predictCollectionCall::abi_decode_returns(&answer).map_err(|_| strange())?.into())
}
