//! The local chain's contracts: each deployed once, registered once. A fleet that has some of them gets the others.

use abi::launchpad::VitrineFactory::{self, erc721ImplementationCall, erc1155ImplementationCall};
use alloy::{
    network::TransactionBuilder,
    primitives::{Address, Bytes},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolConstructor, SolValue},
};
use anyhow::Context;
use proto::chainregistry::v1::{Chain, Contract};

use crate::{
    Fleet,
    registry::Registry,
    wallet::{LOCAL_CHAIN, Wallet},
};

const FACTORY: &str = "factory";
const EXCHANGE: &str = "seaport";
const WRAPPED_NATIVE: &str = "wrapped_native";
/// The last of the funded keys, so that the demo users' nonces begin at zero.
const DEPLOYER: u32 = 9;

pub(crate) async fn deploy(fleet: &Fleet) -> anyhow::Result<()> {
    let wallet = Wallet::demo(DEPLOYER, &fleet.node).await?;
    let registry = Registry::connect(fleet)?;
    let chain_id = format!("eip155:{LOCAL_CHAIN}");

    let known = registry.find(&chain_id).await?;
    if known.is_none() {
        registry.put_chain(local_chain(&chain_id), &fleet.node).await?;
    }
    let registered = known.map(|chain| chain.contracts).unwrap_or_default();
    for (name, standard) in [(FACTORY, "factory"), (EXCHANGE, "exchange"), (WRAPPED_NATIVE, "ERC20")] {
        if let Some(address) = find_standing(&wallet, &registered, name).await? {
            if name != FACTORY || is_todays_factory(&wallet, address).await? {
                println!("contracts: {name} {address} stands");
                continue;
            }
            // Its collections stay known by it; new ones are made by the one that is registered last.
            println!("contracts: {name} {address} is of another version, and a new one is deployed");
        }
        let (address, start_block, abi) = match name {
            FACTORY => deploy_factory(&wallet).await?,
            EXCHANGE => deploy_exchange(&wallet).await?,
            _ => deploy_wrapped_native(&wallet).await?,
        };
        let contract = Contract {
            name: name.to_owned(),
            address: alloy::hex::encode_prefixed(address),
            start_block,
            standard: standard.to_owned(),
            ..Default::default()
        };
        registry.put_contract(&chain_id, contract, abi_json(abi)?).await?;
        println!("contracts: {name} {address} deployed and registered");
    }
    Ok(())
}

/// Where a contract is registered, if there is code: a chain that began anew has none of what the registry knows. Of
/// several of one name the last one counts.
async fn find_standing(
    wallet: &Wallet,
    registered: &[Contract],
    name: &str,
) -> anyhow::Result<Option<Address>> {
    let Some(contract) = registered.iter().rev().find(|contract| contract.name == name) else {
        return Ok(None);
    };
    let address: Address = contract.address.parse()?;
    let code = wallet.provider().get_code_at(address).await?;
    Ok((!code.is_empty()).then_some(address))
}

/// Whether a factory, and what its collections point to, are what would be deployed today.
async fn is_todays_factory(wallet: &Wallet, factory: Address) -> anyhow::Result<bool> {
    let Some(erc721) = ask(wallet, factory, erc721ImplementationCall {}).await? else { return Ok(false) };
    let Some(erc1155) = ask(wallet, factory, erc1155ImplementationCall {}).await? else { return Ok(false) };
    let mut made = code("VitrineFactory")?.to_vec();
    made.extend(VitrineFactory::constructorCall { erc721, erc1155 }.abi_encode());
    Ok(is_made_by(wallet, erc721, code("VitrineERC721")?).await?
        && is_made_by(wallet, erc1155, code("VitrineERC1155")?).await?
        && is_made_by(wallet, factory, made.into()).await?)
}

/// Whether a contract has the code that this deployment leaves. A deployment that is only tried answers it, with its
/// immutables in their places.
async fn is_made_by(wallet: &Wallet, contract: Address, deployment: Bytes) -> anyhow::Result<bool> {
    let standing = wallet.provider().get_code_at(contract).await?;
    let request = TransactionRequest::default().with_from(wallet.address()).with_deploy_code(deployment);
    Ok(wallet.provider().call(request).await? == standing)
}

/// None where the contract does not answer as a factory does.
async fn ask<C: SolCall>(wallet: &Wallet, factory: Address, call: C) -> anyhow::Result<Option<C::Return>> {
    let request = TransactionRequest::default().with_to(factory).with_input(call.abi_encode());
    match wallet.provider().call(request).await {
        Ok(answer) => Ok(C::abi_decode_returns(&answer).ok()),
        Err(err) if err.is_error_resp() => Ok(None),
        Err(err) => Err(err.into()),
    }
}

async fn deploy_factory(wallet: &Wallet) -> anyhow::Result<(Address, u64, &'static str)> {
    // Collections may be older than the factory's own block, never older than what they point to.
    let (erc721, start_block) = wallet.deploy(code("VitrineERC721")?).await?;
    let (erc1155, _) = wallet.deploy(code("VitrineERC1155")?).await?;
    let mut factory = code("VitrineFactory")?.to_vec();
    factory.extend(VitrineFactory::constructorCall { erc721, erc1155 }.abi_encode());
    let (factory, _) = wallet.deploy(factory.into()).await?;
    Ok((factory, start_block, abi::FACTORY))
}

async fn deploy_exchange(wallet: &Wallet) -> anyhow::Result<(Address, u64, &'static str)> {
    let (conduits, _) = wallet.deploy(code("LocalConduitController")?).await?;
    let mut exchange = code("Seaport")?.to_vec();
    exchange.extend(conduits.abi_encode());
    let (exchange, start_block) = wallet.deploy(exchange.into()).await?;
    Ok((exchange, start_block, abi::SEAPORT))
}

async fn deploy_wrapped_native(wallet: &Wallet) -> anyhow::Result<(Address, u64, &'static str)> {
    let (wrapped, start_block) = wallet.deploy(code("WrappedEther")?).await?;
    Ok((wrapped, start_block, abi::WRAPPED_ETHER))
}

fn local_chain(chain_id: &str) -> Chain {
    Chain {
        chain_id: chain_id.to_owned(),
        chain_numeric: LOCAL_CHAIN,
        name: "Local".to_owned(),
        native_symbol: "ETH".to_owned(),
        decimals: 18,
        enabled: true,
        confirmations: 1,
        reorg_depth: 64,
        ..Default::default()
    }
}

fn code(name: &str) -> anyhow::Result<Bytes> {
    abi::artifact(name).with_context(|| format!("contracts/out has no {name}"))
}

fn abi_json(artifact: &str) -> anyhow::Result<String> {
    let artifact: serde_json::Value = serde_json::from_str(artifact)?;
    Ok(artifact["abi"].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_factory_of_another_version_is_told_from_todays() {
        let chain = testkit::chain().await;
        let wallet = Wallet::demo(DEPLOYER, &chain.url.parse().unwrap()).await.unwrap();
        let (factory, _, _) = deploy_factory(&wallet).await.unwrap();
        assert!(is_todays_factory(&wallet, factory).await.unwrap());

        // The factory is the same, and what its collections point to is not.
        let erc721 = ask(&wallet, factory, erc721ImplementationCall {}).await.unwrap().unwrap();
        let put = async |at: Address, code: Bytes| {
            chain.rpc("anvil_setCode", serde_json::json!([at, code])).await;
        };
        let code = wallet.provider().get_code_at(erc721).await.unwrap();
        put(erc721, Bytes::from_static(&[0xfe])).await;
        assert!(!is_todays_factory(&wallet, factory).await.unwrap());
        put(erc721, code).await;
        assert!(is_todays_factory(&wallet, factory).await.unwrap());

        // One that says something else, and one that says nothing.
        let other = [wallet.provider().get_code_at(factory).await.unwrap().to_vec(), vec![0]].concat();
        put(factory, other.into()).await;
        assert!(!is_todays_factory(&wallet, factory).await.unwrap());
        put(factory, Bytes::from_static(&[0xfe])).await;
        assert!(!is_todays_factory(&wallet, factory).await.unwrap());
    }
}
