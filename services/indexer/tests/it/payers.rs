//! The money of makers of offers.

use abi::{
    seaport::{ConsiderationItem, OfferItem, Order, OrderParameters, Seaport, WrappedNative},
    standards::Erc20,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use proto::indexer::v1::FollowPayerRequest;
use serde_json::{Value, json};
use testkit::eventually;
use tonic::{Code, Status};

use crate::rig::{self, CHAIN, HOLDER, Rig, Running, SOON, Stores};

/// A chain with a wrapped currency that the registry knows.
struct Money {
    rig: Rig,
    weth: Address,
    block: u64,
    accounts: Vec<Address>,
}

impl Money {
    async fn new() -> Money {
        let rig = Rig::new().await;
        let (weth, block) = rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
        let accounts = rig.chain.rpc("eth_accounts", json!([])).await;
        let accounts =
            accounts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap());
        let money = Money { accounts: accounts.collect(), rig, weth, block };
        money.rig.register(&money.contracts(), 64);
        money
    }

    fn contracts(&self) -> Vec<(&'static str, Address, u64)> {
        let deployed = self.rig.deployed;
        vec![("factory", deployed.factory, deployed.block), ("ERC20", self.weth, self.block)]
    }

    /// A call of somebody, which must succeed; its receipt.
    async fn call(&self, from: Address, to: Address, call: impl SolCall, value: u64) -> Value {
        let data = Bytes::from(call.abi_encode());
        let transaction = json!({
            "from": from, "to": to, "data": data, "value": format!("{value:#x}"), "gas": "0x300000"
        });
        let hash = self.rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
        let receipt = eventually(SOON, "the call is mined", async || {
            let receipt = self.rig.chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        assert_eq!(receipt["status"], "0x1");
        receipt
    }

    /// An exchange that the registry names from now on, with currencies beside the first one.
    async fn exchange(&self, currencies: &[(Address, u64)]) -> Address {
        let code = |name: &str| abi::artifact(name).unwrap();
        let (conduits, _) = self.rig.chain.deploy(code("LocalConduitController")).await;
        let seaport = [code("Seaport").to_vec(), conduits.abi_encode()].concat();
        let (exchange, block) = self.rig.chain.deploy(seaport.into()).await;
        let mut contracts = self.contracts();
        contracts.push(("exchange", exchange, block));
        contracts.extend(currencies.iter().map(|(token, block)| ("ERC20", *token, *block)));
        self.rig.register(&contracts, 64);
        exchange
    }

    async fn deposit(&self, from: Address, value: u64) {
        self.call(from, self.weth, WrappedNative::depositCall {}, value).await;
    }

    async fn pay(&self, from: Address, to: Address, value: u64) {
        self.call(from, self.weth, Erc20::transferCall { to, amount: U256::from(value) }, 0).await;
    }

    async fn approve(&self, from: Address, spender: Address, value: u64) {
        self.call(from, self.weth, Erc20::approveCall { spender, amount: U256::from(value) }, 0).await;
    }

    async fn follow(&self, running: &Running, token: Address, account: Address) -> Result<(), Status> {
        let request = FollowPayerRequest {
            chain_id: CHAIN.into(),
            token: format!("{token:#x}"),
            account: format!("{account:#x}"),
        };
        running.client(&self.rig, "orchestrator").follow_payer(request).await.map(drop)
    }

    /// What was told of money and stands, in the order of the chain: change, whose, and how much.
    async fn told(&self, stores: &Stores) -> Vec<(String, String, String)> {
        let net = rig::net(&stores.told().await);
        let mut payments: Vec<Value> = net
            .into_values()
            .filter(|(kind, _)| kind == "vitrine.orders.payment.v1")
            .map(|(_, fact)| fact)
            .collect();
        assert!(payments.iter().all(|fact| fact["contract"] == format!("{:#x}", self.weth)));
        let mut blocks = Vec::new();
        for payment in &payments {
            let receipt = self.rig.chain.rpc("eth_getTransactionReceipt", json!([payment["txHash"]])).await;
            blocks.push(receipt["blockNumber"].as_str().map(|hex| (hex.len(), hex.to_owned())));
        }
        let mut order: Vec<usize> = (0..payments.len()).collect();
        order.sort_by_key(|at| (blocks[*at].clone(), payments[*at]["logIndex"].as_u64()));
        let text = |fact: &Value, names: [&str; 3]| {
            names.iter().find_map(|name| fact[*name].as_str()).unwrap_or_default().to_owned()
        };
        order
            .into_iter()
            .map(|at| {
                let fact = payments[at].take();
                let whose = text(&fact, ["account", "owner", "from"]);
                (text(&fact, ["change", "", ""]), whose, text(&fact, ["amount", "", ""]))
            })
            .collect()
    }
}

fn payment(change: &str, whose: Address, amount: u64) -> (String, String, String) {
    (change.to_owned(), format!("{whose:#x}"), amount.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_money_of_makers_of_offers_is_told_and_taken_back_with_its_block() {
    let money = Money::new().await;
    let (payer, other) = (money.accounts[1], money.accounts[2]);
    let stores = money.rig.stores().await;
    let running = money.rig.start(&stores);
    stores.caught_up(&money.rig).await;
    // Before anybody counts.
    money.deposit(payer, 5).await;
    money.deposit(other, 5).await;
    stores.caught_up(&money.rig).await;
    money.follow(&running, money.weth, payer).await.unwrap();

    money.deposit(payer, 100).await;
    money.deposit(other, 100).await;
    money.approve(payer, HOLDER, 70).await;
    money.approve(other, payer, 60).await;
    money.pay(payer, HOLDER, 10).await;
    money.pay(other, HOLDER, 20).await;
    let standing = money.rig.chain.head().await;
    money.pay(other, payer, 30).await;
    stores.caught_up(&money.rig).await;
    let before = vec![
        payment("transferred", Address::ZERO, 100),
        payment("deposited", payer, 100),
        payment("approved", payer, 70),
        payment("transferred", payer, 10),
    ];
    let all = [before.clone(), vec![payment("transferred", other, 30)]].concat();
    assert_eq!(money.told(&stores).await, all);

    // The last block is taken back, and with it what it said of the money.
    let depth = money.rig.chain.head().await - standing;
    money.rig.chain.rpc("anvil_reorg", json!([depth, []])).await;
    money.rig.chain.mine(1).await;
    stores.caught_up(&money.rig).await;
    assert_eq!(money.told(&stores).await, before);
    let withdrawn = WrappedNative::withdrawCall { wad: U256::from(15) };
    money.call(payer, money.weth, withdrawn, 0).await;
    stores.caught_up(&money.rig).await;
    running.stop().await;
    let burnt = [payment("transferred", payer, 15), payment("withdrawn", payer, 15)];
    assert_eq!(money.told(&stores).await, [before, burnt.to_vec()].concat());
    rig::assert_told_once(&stores.told().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_is_followed_once_and_only_in_a_currency_of_the_chain() {
    let money = Money::new().await;
    let (payer, stores) = (money.accounts[1], money.rig.stores().await);
    let running = money.rig.start(&stores);
    stores.caught_up(&money.rig).await;
    let version = async || stores.count("select followed_version from indexer_checkpoints").await;
    let began = version().await;
    for _ in 0..3 {
        money.follow(&running, money.weth, payer).await.unwrap();
    }
    assert_eq!(version().await, began + 1, "who is known changes nothing");
    let eight = (0..8).map(|_| money.follow(&running, money.weth, HOLDER));
    assert!(futures::future::join_all(eight).await.iter().all(Result::is_ok));
    assert_eq!(version().await, began + 2);
    assert_eq!(stores.count("select count(*) from followed_payers").await, 2);

    for token in [HOLDER, money.rig.deployed.factory] {
        let refused = money.follow(&running, token, payer).await.unwrap_err();
        assert_eq!(
            (refused.code(), rpc::Problem::from(&refused).reason.as_str()),
            (Code::NotFound, "NOT_FOUND")
        );
    }
    let nobody = money.follow(&running, money.weth, Address::ZERO).await.unwrap_err();
    assert_eq!(nobody.code(), Code::InvalidArgument);
    assert_eq!(version().await, began + 2);
    let elsewhere = FollowPayerRequest {
        chain_id: "eip155:1".into(),
        token: format!("{:#x}", money.weth),
        account: format!("{payer:#x}"),
    };
    let refused = running.client(&money.rig, "orchestrator").follow_payer(elsewhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    // What is followed is followed by the next process as well.
    running.stop().await;
    let running = money.rig.start(&stores);
    money.deposit(payer, 7).await;
    stores.caught_up(&money.rig).await;
    running.stop().await;
    assert_eq!(money.told(&stores).await.len(), 2);
}

/// An offer of 40 of each of some currencies for a token, as the exchange is shown it.
fn offer(maker: Address, currencies: &[Address]) -> Order {
    let offered = currencies.iter().map(|token| OfferItem {
        itemType: 1,
        token: *token,
        identifierOrCriteria: U256::ZERO,
        startAmount: U256::from(40),
        endAmount: U256::from(40),
    });
    let wanted = ConsiderationItem {
        itemType: 2,
        token: HOLDER,
        identifierOrCriteria: U256::from(1),
        startAmount: U256::ONE,
        endAmount: U256::ONE,
        recipient: maker,
    };
    let parameters = OrderParameters {
        offerer: maker,
        zone: Address::ZERO,
        offer: offered.collect(),
        consideration: vec![wanted],
        orderType: 0,
        startTime: U256::ZERO,
        endTime: U256::from(u64::MAX),
        zoneHash: B256::ZERO,
        salt: U256::from(7),
        conduitKey: B256::ZERO,
        totalOriginalConsiderationItems: U256::ONE,
    };
    Order { parameters, signature: Bytes::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_an_offer_to_the_exchange_is_followed_from_that_block_on() {
    let money = Money::new().await;
    let exchange = money.exchange(&[]).await;
    let (maker, other) = (money.accounts[1], money.accounts[2]);
    let stores = money.rig.stores().await;
    let running = money.rig.start(&stores);
    stores.caught_up(&money.rig).await;
    money.deposit(maker, 50).await;

    let orders = vec![offer(maker, &[money.weth])];
    money.call(maker, exchange, Seaport::validateCall { orders }, 0).await;
    money.deposit(other, 50).await;
    money.pay(maker, other, 20).await;
    let shown = money.rig.chain.head().await - 2;
    stores.caught_up(&money.rig).await;
    running.stop().await;
    assert_eq!(money.told(&stores).await, [payment("transferred", maker, 20)], "block {shown}");
    let told = rig::net(&stores.told().await);
    let mut orders = told.into_values().filter(|(kind, _)| kind == "vitrine.orders.validated.v1");
    let (_, order) = orders.next().unwrap();
    assert_eq!((&order["offerer"], &order["contract"]), (&json!(maker), &json!(exchange)));
    assert_eq!((&order["offer"][0]["amount"], &order["offer"][0]["itemType"]), (&json!("40"), &json!(1)));
    assert_eq!(order["consideration"][0]["recipient"], json!(maker));
    assert!(orders.next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_payers_are_followed_than_may_be_though_one_commit_brings_several() {
    let money = Money::new().await;
    let second = money.rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
    let exchange = money.exchange(&[second]).await;
    let maker = money.accounts[1];
    let stores = money.rig.stores().await;
    let running = money.rig.start(&stores);
    stores.caught_up(&money.rig).await;
    sqlx::query(
        "insert into followed_payers (chain_id, token, account)
         select 31337, $1, decode(lpad(to_hex(n), 40, '0'), 'hex') from generate_series(1, 99999) as n",
    )
    .bind(money.weth.as_slice())
    .execute(&stores.db.pool)
    .await
    .unwrap();
    let orders = vec![offer(maker, &[money.weth, second.0])];
    money.call(maker, exchange, Seaport::validateCall { orders }, 0).await;
    stores.caught_up(&money.rig).await;
    running.stop().await;
    assert_eq!(stores.count("select count(*) from followed_payers").await, 100_000);
    let others = sqlx::query_scalar::<_, i64>("select count(*) from followed_payers where token <> $1")
        .bind(money.weth.as_slice());
    assert_eq!(others.fetch_one(&stores.db.pool).await.unwrap(), 0, "the first one of the order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_read_on_however_fast_payers_join() {
    let money = Money::new().await;
    let collection = money.rig.create(false, "Crowded").await;
    money.rig.chain.mine(2000).await;
    let stores = money.rig.stores().await;
    let running = money.rig.start(&stores);
    eventually(SOON, "the chain is begun", async || {
        (stores.count("select count(*) from indexer_checkpoints").await == 1).then_some(())
    })
    .await;
    let crowd = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
        for number in 1_u64.. {
            pace.tick().await;
            let account = Address::left_padding_from(&number.to_be_bytes());
            money.follow(&running, money.weth, account).await.unwrap();
        }
    };
    let read = async {
        stores.caught_up(&money.rig).await;
        while stores.count("select count(*) from followed_payers").await < 20 {
            money.rig.mint(collection, 1).await;
            stores.caught_up(&money.rig).await;
        }
    };
    tokio::select! {
        () = crowd => {}
        () = read => {}
    }
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
}
