//! The keys of the local chain: public knowledge, worth nothing anywhere else.

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::{
        SignerSync,
        local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
    },
};
use anyhow::{Context, bail};
use serde_json::Value;
use url::Url;

const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The chain that these keys are for; on any other they are refused.
pub(crate) const LOCAL_CHAIN: u64 = 31_337;

/// A key of the local chain with a way to send.
pub(crate) struct Wallet {
    signer: PrivateKeySigner,
    provider: DynProvider,
}

impl Wallet {
    /// The `index`th of the ten that the local chain funds.
    pub(crate) async fn demo(index: u32, node: &Url) -> anyhow::Result<Wallet> {
        let signer = MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(index)?.build()?;
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(signer.clone()))
            .connect_http(node.clone())
            .erased();
        let chain = provider.get_chain_id().await.with_context(|| format!("no node answers at {node}"))?;
        if chain != LOCAL_CHAIN {
            bail!("{node} is chain {chain}: the demo keys are for the local chain {LOCAL_CHAIN} only");
        }
        Ok(Wallet { signer, provider })
    }

    pub(crate) fn address(&self) -> Address {
        self.signer.address()
    }

    pub(crate) fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// EIP-191, as wallets sign text.
    pub(crate) fn sign(&self, message: &str) -> anyhow::Result<String> {
        let signature = self.signer.sign_message_sync(message.as_bytes())?;
        Ok(alloy::hex::encode_prefixed(signature.as_bytes()))
    }

    /// Sends a transaction as the API prepared it, and answers its hash without waiting for a block.
    pub(crate) async fn send_prepared(&self, transaction: &Value) -> anyhow::Result<B256> {
        let field =
            |name: &str| transaction[name].as_str().with_context(|| format!("the transaction lacks {name}"));
        let number = |name: &str| -> anyhow::Result<U256> { Ok(field(name)?.parse()?) };
        let mut request = TransactionRequest::default()
            .with_to(field("to")?.parse()?)
            .with_input(field("data")?.parse::<Bytes>()?)
            .with_value(number("value")?);
        if let Ok(gas) = number("gas") {
            request = request.with_gas_limit(gas.to());
        }
        Ok(*self.provider.send_transaction(request).await?.tx_hash())
    }

    /// Deploys and waits for the receipt.
    pub(crate) async fn deploy(&self, code: Bytes) -> anyhow::Result<(Address, u64)> {
        let request = TransactionRequest::default().with_deploy_code(code);
        let receipt = self.provider.send_transaction(request).await?.get_receipt().await?;
        let address = receipt.contract_address.context("the node tells no contract address")?;
        if !receipt.status() {
            bail!("deployment of {address} was reverted");
        }
        Ok((address, receipt.block_number.unwrap_or_default()))
    }
}
