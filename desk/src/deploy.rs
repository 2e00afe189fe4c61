//! The local chain's contracts: deployed once, registered once.

use abi::launchpad::VitrineFactory;
use alloy::{
    primitives::{Address, Bytes},
    providers::Provider,
    sol_types::SolConstructor,
};
use anyhow::Context;
use proto::chainregistry::v1::{Chain, Contract};

use crate::{
    Fleet,
    registry::Registry,
    wallet::{LOCAL_CHAIN, Wallet},
};

const FACTORY: &str = "factory";
/// The last of the funded keys, so that the demo users' nonces begin at zero.
const DEPLOYER: u32 = 9;

pub(crate) async fn deploy(fleet: &Fleet) -> anyhow::Result<()> {
    let wallet = Wallet::demo(DEPLOYER, &fleet.node).await?;
    let registry = Registry::connect(fleet)?;
    let chain_id = format!("eip155:{LOCAL_CHAIN}");

    let known = registry.find(&chain_id).await?;
    let registered =
        known.iter().flat_map(|chain| &chain.contracts).find(|contract| contract.name == FACTORY);
    if let Some(contract) = registered {
        let address: Address = contract.address.parse()?;
        if !wallet.provider().get_code_at(address).await?.is_empty() {
            println!("contracts: factory {address} stands");
            return Ok(());
        }
    }
    if known.is_none() {
        registry.put_chain(local_chain(&chain_id), &fleet.node).await?;
    }
    let (erc721, start_block) = wallet.deploy(code("VitrineERC721")?).await?;
    let (erc1155, _) = wallet.deploy(code("VitrineERC1155")?).await?;
    let mut factory = code("VitrineFactory")?.to_vec();
    factory.extend(VitrineFactory::constructorCall { erc721, erc1155 }.abi_encode());
    let (factory, _) = wallet.deploy(factory.into()).await?;

    let contract = |name: &str, address: Address, standard: &str| Contract {
        name: name.to_owned(),
        address: alloy::hex::encode_prefixed(address),
        start_block,
        standard: standard.to_owned(),
        impl_address: String::new(),
    };
    let factory_abi = abi_json(abi::FACTORY)?;
    registry.put_contract(&chain_id, contract(FACTORY, factory, "factory"), factory_abi).await?;
    println!("contracts: factory {factory} deployed and registered");
    Ok(())
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
