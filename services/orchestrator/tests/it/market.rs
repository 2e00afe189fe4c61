//! A market to trade in: a real exchange and a wrapped currency on the rig's chain, and users who sign with their own
//! keys what they were given, by a reader of typed data that is none of ours.

use abi::{
    launchpad::{PlainERC721, VitrineERC721, VitrineERC1155},
    seaport::{OrderComponents, Seaport, WrappedNative::depositCall},
    standards::{Erc20, Erc721, Erc1155},
};
use alloy::{
    dyn_abi::TypedData,
    primitives::{Address, Bytes, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{SolCall, SolValue},
};
use prost_types::Timestamp;
use proto::{
    catalog::v1::{Order, OrderStatus},
    chainregistry::v1::Contract,
    common::v1::{ContractRef, TokenRef, TokenStandard},
    orchestrator::v1::{
        Intent, IntentStatus, PrepareAcceptOfferRequest, PrepareBuyRequest, PrepareCancelOrderRequest,
        PrepareListingRequest, PrepareOfferRequest, Step, SubmitOrderRequest, TrackTxRequest,
        market_orchestrator_service_client::MarketOrchestratorServiceClient,
    },
};
use rpc::{Channel, Problem};
use serde_json::{Value, json};
use tonic::Status;

use crate::rig::{CHAIN, Rig, User, WITHIN, address, wallet_form};

pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;

pub(crate) struct Market {
    pub(crate) rig: Rig,
    pub(crate) exchange: String,
    pub(crate) weth: String,
}

/// What a verb prepared.
pub(crate) type Prepared = (Intent, Vec<Step>);

impl Market {
    pub(crate) async fn start() -> Market {
        let chain = testkit::chain().await;
        let code = |name: &str| abi::artifact(name).unwrap();
        let (conduits, _) = chain.deploy(code("LocalConduitController")).await;
        let seaport = [code("Seaport").to_vec(), conduits.abi_encode()].concat();
        let (exchange, _) = chain.deploy(seaport.into()).await;
        let (weth, _) = chain.deploy(code("WrappedEther")).await;
        let contract = |name: &str, address: Address, standard: &str| Contract {
            name: name.into(),
            address: format!("{address:#x}"),
            standard: standard.into(),
            ..Contract::default()
        };
        let contracts =
            vec![contract("seaport", exchange, "exchange"), contract("wrapped_native", weth, "ERC20")];
        let rig = Rig::start_on(chain, 1, contracts, |_| {}).await;
        Market { rig, exchange: format!("{exchange:#x}"), weth: format!("{weth:#x}") }
    }

    fn client(&self) -> MarketOrchestratorServiceClient<Channel> {
        MarketOrchestratorServiceClient::new(self.rig.channel("gateway"))
    }

    /// A token of a contract that nobody of ours made.
    pub(crate) async fn foreign_token(&self, owner: &User) -> TokenRef {
        let arguments = ("Plain".to_owned(), "PLN".to_owned()).abi_encode_params();
        let code = [abi::artifact("PlainERC721").unwrap().to_vec(), arguments].concat();
        let (contract, _) = self.rig.chain.deploy(code.into()).await;
        let contract = format!("{contract:#x}");
        self.call(owner, &contract, PlainERC721::mintCall { to: address(&owner.address) }, 0).await;
        TokenRef { chain_id: CHAIN.into(), address: contract, token_id: "1".into() }
    }

    /// A token of a collection of ours, whose creator gets five per cent.
    pub(crate) async fn own_token(&self, creator: &User, owner: &User) -> TokenRef {
        let wanted = creator.wants_collection(&fresh("collection"), TokenStandard::Erc721);
        let contract = self.rig.collection(creator, wanted).await.address;
        let (to, quantity, stage) = (address(&owner.address), U256::from(1), U256::ZERO);
        let mint = VitrineERC721::mintCall { to, quantity, stageId: stage, proof: vec![] };
        let receipt = self.call(owner, &contract, mint, ETHER).await;
        let token_id: U256 = receipt["logs"][0]["topics"][3].as_str().unwrap().parse().unwrap();
        TokenRef { chain_id: CHAIN.into(), address: contract, token_id: token_id.to_string() }
    }

    /// So many of token 7 of a collection of ours, whose creator gets five per cent.
    pub(crate) async fn own_editions(&self, creator: &User, owner: &User, amount: u64) -> TokenRef {
        let wanted = creator.wants_collection(&fresh("collection"), TokenStandard::Erc1155);
        let contract = self.rig.collection(creator, wanted).await.address;
        let mint = VitrineERC1155::mintCall {
            to: address(&owner.address),
            id: U256::from(7),
            amount: U256::from(amount),
            stageId: U256::ZERO,
            proof: vec![],
        };
        self.call(owner, &contract, mint, amount * ETHER).await;
        TokenRef { chain_id: CHAIN.into(), address: contract, token_id: "7".into() }
    }

    /// Gives a wallet some of the wrapped currency.
    pub(crate) async fn wrap(&self, user: &User, amount: u64) {
        self.call(user, &self.weth, depositCall {}, amount).await;
    }

    /// A transaction of a wallet that nothing prepared.
    pub(crate) async fn call<C: SolCall>(&self, user: &User, to: &str, call: C, value: u64) -> Value {
        let data = Bytes::from(call.abi_encode());
        let value = format!("{value:#x}");
        let transaction =
            json!({ "from": user.address, "to": to, "data": data, "value": value, "gas": "0x100000" });
        let hash = self.rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
        let receipt = self.rig.receipt(hash.as_str().unwrap()).await;
        assert_eq!(receipt["status"], "0x1");
        receipt
    }

    pub(crate) async fn list(&self, user: &User, request: PrepareListingRequest) -> Result<Prepared, Status> {
        let answer = self.client().prepare_listing(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    pub(crate) async fn offer(&self, user: &User, request: PrepareOfferRequest) -> Result<Prepared, Status> {
        let answer = self.client().prepare_offer(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    pub(crate) async fn buy(&self, user: &User, request: PrepareBuyRequest) -> Result<Prepared, Status> {
        let answer = self.client().prepare_buy(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    pub(crate) async fn accept(
        &self,
        user: &User,
        request: PrepareAcceptOfferRequest,
    ) -> Result<Prepared, Status> {
        let answer = self.client().prepare_accept_offer(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    pub(crate) async fn cancel(
        &self,
        user: &User,
        request: PrepareCancelOrderRequest,
    ) -> Result<Prepared, Status> {
        let answer = self.client().prepare_cancel_order(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    pub(crate) async fn submit(
        &self,
        user: &User,
        intent: &Intent,
        signature: Vec<u8>,
    ) -> Result<Prepared, Status> {
        let request = SubmitOrderRequest { intent_id: intent.intent_id.clone(), signature };
        let answer = self.client().submit_order(user.says(request)).await?.into_inner();
        Ok((answer.intent.unwrap(), answer.steps))
    }

    /// Sends every transaction of the steps, as they were prepared; each must succeed.
    pub(crate) async fn send(&self, steps: &[Step]) -> String {
        let mut last = String::new();
        for step in steps.iter().filter(|step| step.transaction.is_some()) {
            last = self.rig.send(step).await;
            let receipt = self.rig.receipt(&last).await;
            assert_eq!(receipt["status"], "0x1", "{}: {}", step.title, wallet_form(step));
        }
        last
    }

    /// Sends the steps, reports the last one, and waits until the intent is done.
    pub(crate) async fn carry_out(&self, user: &User, (intent, steps): &Prepared) -> Intent {
        let tx_hash = self.send(steps).await;
        let (intent_id, step_id) = (intent.intent_id.clone(), steps.last().unwrap().step_id.clone());
        let request = user.says(TrackTxRequest { intent_id, step_id, tx_hash });
        self.rig.intents("gateway").track_tx(request).await.unwrap();
        self.rig.reaches(user, intent, IntentStatus::Ready).await
    }

    /// Sends the approval, signs the order and hands it in: the order as the catalog has it.
    pub(crate) async fn place(&self, user: &User, (intent, steps): Prepared) -> Order {
        self.send(&steps).await;
        let (intent, _) = self.submit(user, &intent, sign(&steps, user.n)).await.unwrap();
        assert_eq!(intent.status(), IntentStatus::Ready);
        self.order(&intent.order_id)
    }

    pub(crate) fn order(&self, order_id: &str) -> Order {
        self.rig.world.orders.lock().unwrap()[order_id].clone()
    }

    /// Waits until the catalog was told this of an order.
    pub(crate) async fn is_told(&self, order: &Order, status: OrderStatus, filled: &str) {
        testkit::eventually(WITHIN, "the catalog is told of the order", async || {
            let now = self.order(&order.id);
            (now.status() == status && now.quantity_filled == filled).then_some(())
        })
        .await;
    }

    pub(crate) async fn owner_of(&self, token: &TokenRef) -> String {
        let token_id = amounts::parse(&token.token_id).unwrap();
        let owner = self.rig.view(&token.address, Erc721::ownerOfCall { tokenId: token_id }).await;
        format!("{owner:#x}")
    }

    pub(crate) async fn editions_of(&self, token: &TokenRef, account: &str) -> u64 {
        let id = amounts::parse(&token.token_id).unwrap();
        let call = Erc1155::balanceOfCall { account: address(account), id };
        self.rig.view(&token.address, call).await.to()
    }

    pub(crate) async fn weth_of(&self, account: &str) -> U256 {
        self.rig.view(&self.weth, Erc20::balanceOfCall { owner: address(account) }).await
    }

    pub(crate) async fn ether_of(&self, account: &str) -> U256 {
        let balance = self.rig.chain.rpc("eth_getBalance", json!([account, "latest"])).await;
        balance.as_str().unwrap().parse().unwrap()
    }

    /// What the exchange itself calls the order.
    pub(crate) async fn hash_on_chain(&self, order: &Order) -> String {
        let order = components(order);
        self.rig.view(&self.exchange, Seaport::getOrderHashCall { order }).await.to_string()
    }
}

/// The components by way of the typed data's own JSON, read here once more.
pub(crate) fn components(order: &Order) -> OrderComponents {
    let message: Value = serde_json::from_str(&order.components_json).unwrap();
    let number = |value: &Value| amounts::parse(value.as_str().unwrap()).unwrap();
    let small = |value: &Value| number(value).to::<u8>();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    OrderComponents {
        offerer: address(&text(&message["offerer"])),
        zone: address(&text(&message["zone"])),
        offer: list(&message["offer"])
            .iter()
            .map(|item| abi::seaport::OfferItem {
                itemType: small(&item["itemType"]),
                token: address(&text(&item["token"])),
                identifierOrCriteria: number(&item["identifierOrCriteria"]),
                startAmount: number(&item["startAmount"]),
                endAmount: number(&item["endAmount"]),
            })
            .collect(),
        consideration: list(&message["consideration"])
            .iter()
            .map(|item| abi::seaport::ConsiderationItem {
                itemType: small(&item["itemType"]),
                token: address(&text(&item["token"])),
                identifierOrCriteria: number(&item["identifierOrCriteria"]),
                startAmount: number(&item["startAmount"]),
                endAmount: number(&item["endAmount"]),
                recipient: address(&text(&item["recipient"])),
            })
            .collect(),
        orderType: small(&message["orderType"]),
        startTime: number(&message["startTime"]),
        endTime: number(&message["endTime"]),
        zoneHash: text(&message["zoneHash"]).parse().unwrap(),
        salt: number(&message["salt"]),
        conduitKey: text(&message["conduitKey"]).parse().unwrap(),
        counter: number(&message["counter"]),
    }
}

/// What the key of anvil's account `n` makes of the last step.
pub(crate) fn sign(steps: &[Step], n: usize) -> Vec<u8> {
    let typed: TypedData = serde_json::from_str(&steps.last().unwrap().typed_data_json).unwrap();
    let signer: PrivateKeySigner = testkit::KEYS[n].parse().unwrap();
    signer.sign_hash_sync(&typed.eip712_signing_hash().unwrap()).unwrap().as_bytes().to_vec()
}

/// A key that nobody has used.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what} {}", ids::IntentId::new())
}

pub(crate) fn in_an_hour() -> Option<Timestamp> {
    Some(Timestamp { seconds: chrono::Utc::now().timestamp() + 3600, nanos: 0 })
}

pub(crate) fn listing(seller: &User, token: &TokenRef, price: u64) -> PrepareListingRequest {
    PrepareListingRequest {
        request_id: fresh("list"),
        token: Some(token.clone()),
        seller: seller.address.clone(),
        price_raw: price.to_string(),
        end_time: in_an_hour(),
        ..PrepareListingRequest::default()
    }
}

pub(crate) fn offer(buyer: &User, token: &TokenRef, price: u64) -> PrepareOfferRequest {
    PrepareOfferRequest {
        request_id: fresh("offer"),
        collection: Some(ContractRef { chain_id: CHAIN.into(), address: token.address.clone() }),
        token_id: token.token_id.clone(),
        buyer: buyer.address.clone(),
        price_raw: price.to_string(),
        end_time: in_an_hour(),
        ..PrepareOfferRequest::default()
    }
}

pub(crate) fn purchase(buyer: &User, order: &Order) -> PrepareBuyRequest {
    PrepareBuyRequest {
        request_id: fresh("buy"),
        order_id: order.id.clone(),
        buyer: buyer.address.clone(),
        ..PrepareBuyRequest::default()
    }
}

pub(crate) fn acceptance(seller: &User, order: &Order) -> PrepareAcceptOfferRequest {
    PrepareAcceptOfferRequest {
        request_id: fresh("accept"),
        order_id: order.id.clone(),
        seller: seller.address.clone(),
        ..PrepareAcceptOfferRequest::default()
    }
}

pub(crate) fn cancellation(maker: &User, order: &Order) -> PrepareCancelOrderRequest {
    PrepareCancelOrderRequest {
        request_id: fresh("cancel"),
        order_id: order.id.clone(),
        maker: maker.address.clone(),
    }
}

/// Why it was refused.
pub(crate) fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    Problem::from(&answer.unwrap_err()).reason
}
