//! The chain that a story is about: what accounts do to contracts, decided by the seed and by what stands on the chain.

use std::sync::Arc;

use abi::{
    launchpad::{
        self, CreateParams, PlainERC721, Stage, VitrineCollection, VitrineERC721, VitrineERC1155,
        VitrineFactory,
    },
    seaport::{self, ConsiderationItem, OfferItem, Order, OrderComponents, OrderParameters, Seaport},
    standards::{Erc173, Erc721, Erc1155},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U96},
    sol_types::{SolCall, SolValue},
};
use serde_json::{Value, json};
use testkit::eventually;

use super::{
    rng::Rng,
    truth::{self, Followed, State},
};
use crate::rig::{Rig, SOON, Stores};

const ACTORS: usize = 5;
/// Above every base fee of a young chain, so that a transaction can be put into any block.
const GAS_PRICE: &str = "0x77359400";

/// A transaction that somebody may send.
pub(crate) struct Tx {
    from: Address,
    to: Address,
    data: Vec<u8>,
    value: u64,
}

pub(crate) struct World {
    pub(crate) rig: Arc<Rig>,
    pub(crate) followed: Followed,
    /// What a registry can say, in the order in which it may learn of it.
    pub(crate) contracts: Vec<(&'static str, Address, u64)>,
    /// Nothing at or below is ever taken back.
    pub(crate) base: u64,
    actors: Vec<Address>,
    exchange: Address,
    orders: Vec<OrderParameters>,
    salts: u64,
}

impl World {
    pub(crate) async fn new() -> World {
        let rig = Rig::new().await;
        let chain = &rig.chain;
        let code = |name: &str| abi::artifact(name).unwrap().to_vec();
        let first = rig.deployed;
        let implementations = (first.erc721, first.erc1155).abi_encode_params();
        let (second, second_at) =
            chain.deploy([code("VitrineFactory"), implementations].concat().into()).await;
        let names = ("Plain".to_owned(), "PLN".to_owned()).abi_encode_params();
        let (plain, plain_at) = chain.deploy([code("PlainERC721"), names].concat().into()).await;
        let (conduits, _) = chain.deploy(code("LocalConduitController").into()).await;
        let (exchange, exchange_at) =
            chain.deploy([code("Seaport"), conduits.abi_encode()].concat().into()).await;
        chain.rpc("evm_setAutomine", json!([false])).await;
        chain.mine(2).await;
        let accounts = chain.rpc("eth_accounts", json!([])).await;
        let actors = accounts.as_array().unwrap().iter().map(|a| a.as_str().unwrap().parse().unwrap());
        let contracts = vec![
            ("factory", first.factory, first.block),
            ("exchange", exchange, exchange_at),
            ("factory", second, second_at),
            ("ERC721", plain, plain_at),
        ];
        let followed =
            Followed { factories: vec![first.factory, second], plain: vec![plain], exchange: Some(exchange) };
        let (actors, base) = (actors.take(ACTORS).collect(), chain.head().await);
        World { rig: Arc::new(rig), followed, contracts, base, actors, exchange, orders: vec![], salts: 0 }
    }

    /// The registry knows the first so many contracts from now on.
    pub(crate) fn register(&self, count: usize) {
        self.rig.register(&self.contracts[..count.min(self.contracts.len())], 64);
    }

    /// What is not yet as it will be: work over old blocks, contracts that are not taken up, documents.
    pub(crate) async fn left_to_do(&self, stores: &Stores) -> Option<String> {
        let (jobs, followed, behind): (i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from jobs where state in ('QUEUED', 'RUNNING', 'FAILED')),
                 (select count(*) from followed_contracts where source = 'registry'),
                 (select count(*) from blocks where raw_canonical <> is_canonical or raw_generation <> generation)",
        )
        .fetch_one(&stores.db.pool)
        .await
        .unwrap();
        let missing = self.contracts.len() as i64 - followed;
        (jobs + missing + behind != 0)
            .then(|| format!("{jobs} jobs, {missing} contracts, {behind} blocks with old documents"))
    }

    /// Waits until there is nothing of the kind.
    pub(crate) async fn backfilled(&self, stores: &Stores) {
        eventually(SOON, "nothing is left to do", async || {
            self.left_to_do(stores).await.is_none().then_some(())
        })
        .await;
    }

    pub(crate) async fn state(&self) -> State {
        truth::read(&truth::logs(&self.rig.chain).await, &self.followed).state
    }

    /// A block with some transactions. What a transaction wants may be gone: then it fails, which is no event.
    pub(crate) async fn block(&mut self, rng: &mut Rng, transactions: u64) {
        let state = self.state().await;
        for _ in 0..transactions {
            for tx in self.act(rng, &state) {
                self.submit(&tx).await;
            }
        }
        self.rig.chain.rpc("evm_mine", json!([])).await;
    }

    async fn submit(&self, tx: &Tx) {
        let (data, value) = (Bytes::from(tx.data.clone()), format!("{:#x}", tx.value));
        let transaction = json!({
            "from": tx.from, "to": tx.to, "data": data, "value": value, "gas": "0x300000", "gasPrice": GAS_PRICE,
        });
        self.rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    }

    fn actor(&self, rng: &mut Rng) -> Address {
        *rng.pick(&self.actors).unwrap()
    }

    fn fresh(&mut self) -> u64 {
        self.salts += 1;
        self.salts
    }

    fn act(&mut self, rng: &mut Rng, state: &State) -> Vec<Tx> {
        let collections: Vec<(Address, bool)> =
            state.collections.iter().map(|(of, is_multi)| (*of, *is_multi)).collect();
        let Some((of, is_multi)) = rng.pick(&collections).copied().filter(|_| !rng.chance(8)) else {
            return vec![self.create(rng)];
        };
        let boss = state.holders.get(&of).copied().unwrap_or(self.actors[0]);
        if self.followed.plain.contains(&of) && rng.chance(50) {
            let to = self.actor(rng);
            return vec![call(to, of, PlainERC721::mintCall { to })];
        }
        match rng.below(100) {
            0..28 => vec![self.mint(rng, of, is_multi, boss)],
            28..58 => self.hand_over(rng, state, of, is_multi),
            58..70 => self.approve(rng, state, of, is_multi),
            70..84 => self.govern(rng, state, of, boss),
            _ => self.trade(rng, state),
        }
    }

    fn create(&mut self, rng: &mut Rng) -> Tx {
        let (from, number) = (self.actor(rng), self.fresh());
        let public = Stage { kind: launchpad::STAGE_PUBLIC, ..stage() };
        let p = CreateParams {
            name: format!("Collection {number}"),
            symbol: format!("C{number}"),
            baseURI: "ipfs://base/".into(),
            contractURI: if rng.chance(50) { "ipfs://contract".into() } else { String::new() },
            maxSupply: U256::from(rng.below(2) * 10_000),
            royaltyRecipient: from,
            royaltyBps: U96::from(rng.below(1000)),
            stages: vec![public],
        };
        let intent = B256::from(U256::from(number));
        let factory = *rng.pick(&self.followed.factories).unwrap();
        match rng.chance(40) {
            true => call(from, factory, VitrineFactory::createERC1155CollectionCall { p, intentId: intent }),
            false => call(from, factory, VitrineFactory::createERC721CollectionCall { p, intentId: intent }),
        }
    }

    fn mint(&mut self, rng: &mut Rng, of: Address, is_multi: bool, boss: Address) -> Tx {
        let (from, to) = (self.actor(rng), self.actor(rng));
        let number = |n: u64| U256::from(n);
        let (count, proof, stage) = (rng.between(1, 4), vec![], U256::ZERO);
        match (is_multi, rng.below(3)) {
            (false, 0) => {
                let uris = (0..count).map(|n| format!("ipfs://own/{n}")).collect();
                call(boss, of, VitrineERC721::mintWithURIsCall { to, uris })
            }
            (false, _) => {
                call(from, of, VitrineERC721::mintCall { to, quantity: number(count), stageId: stage, proof })
            }
            (true, 0) => {
                let (id, amount) = (number(rng.below(4)), number(count));
                call(from, of, VitrineERC1155::mintCall { to, id, amount, stageId: stage, proof })
            }
            (true, _) => {
                let ids = (0..count).map(|_| number(rng.below(5))).collect();
                let amounts = (0..count).map(|_| number(rng.between(1, 9))).collect();
                call(from, of, VitrineERC1155::mintBatchCall { to, ids, amounts, stageId: stage, proof })
            }
        }
    }

    /// A transfer or a burn.
    fn hand_over(&mut self, rng: &mut Rng, state: &State, of: Address, is_multi: bool) -> Vec<Tx> {
        let (to, is_burn) = (self.actor(rng), rng.chance(20));
        if !is_multi {
            let owned: Vec<(U256, Address)> = state
                .owners
                .range((of, U256::ZERO)..=(of, U256::MAX))
                .map(|((_, id), owner)| (*id, *owner))
                .collect();
            let Some((id, owner)) = rng.pick(&owned).copied() else { return vec![] };
            return vec![match is_burn {
                true => call(owner, of, VitrineERC721::burnCall { tokenId: id }),
                false => call(owner, of, Erc721::transferFromCall { from: owner, to, tokenId: id }),
            }];
        }
        let held: Vec<(U256, Address, U256)> = state
            .balances
            .iter()
            .filter(|((contract, ..), amount)| *contract == of && **amount > U256::ZERO)
            .map(|((_, id, holder), amount)| (*id, *holder, *amount))
            .collect();
        let Some((id, from, amount)) = rng.pick(&held).copied() else { return vec![] };
        let some = U256::from(rng.between(0, amount.to::<u64>()));
        let data = Bytes::new();
        vec![match (rng.below(2), is_burn) {
            (0, true) => call(from, of, VitrineERC1155::burnCall { from, id, amount: some }),
            (_, true) => {
                let (ids, amounts) = (vec![id, id], vec![U256::ZERO, some]);
                call(from, of, VitrineERC1155::burnBatchCall { from, ids, amounts })
            }
            (0, false) => call(from, of, Erc1155::safeTransferFromCall { from, to, id, value: some, data }),
            (_, false) => {
                let (ids, values) = (vec![id, id, id], vec![some, U256::ZERO, amount - some]);
                call(from, of, Erc1155::safeBatchTransferFromCall { from, to, ids, values, data })
            }
        }]
    }

    fn approve(&mut self, rng: &mut Rng, state: &State, of: Address, is_multi: bool) -> Vec<Tx> {
        let (from, operator) = (self.actor(rng), self.actor(rng));
        if is_multi || rng.chance(40) {
            return vec![call(
                from,
                of,
                Erc721::setApprovalForAllCall { operator, approved: rng.chance(70) },
            )];
        }
        let owned: Vec<(U256, Address)> = state
            .owners
            .range((of, U256::ZERO)..=(of, U256::MAX))
            .map(|((_, id), owner)| (*id, *owner))
            .collect();
        let Some((id, owner)) = rng.pick(&owned).copied() else { return vec![] };
        let to = if rng.chance(30) { Address::ZERO } else { operator };
        vec![call(owner, of, Erc721::approveCall { to, tokenId: id })]
    }

    fn govern(&mut self, rng: &mut Rng, state: &State, of: Address, boss: Address) -> Vec<Tx> {
        let number = self.fresh();
        let is_paused = state.paused.get(&of).copied().unwrap_or(false);
        vec![match rng.below(if is_paused { 2 } else { 7 }) {
            0 | 1 if is_paused => call(boss, of, VitrineCollection::unpauseCall {}),
            0 => call(boss, of, VitrineCollection::pauseCall {}),
            1 => call(boss, of, Erc173::transferOwnershipCall { newOwner: self.actor(rng) }),
            2 => {
                call(boss, of, VitrineCollection::setBaseURICall { newURI: format!("ipfs://base/{number}/") })
            }
            3 => {
                call(boss, of, VitrineCollection::setContractURICall { newURI: format!("ipfs://c/{number}") })
            }
            4 => {
                let price = U256::from(rng.below(2));
                let stages = vec![Stage { kind: launchpad::STAGE_PUBLIC, price, ..stage() }];
                call(boss, of, VitrineCollection::setStagesCall { newStages: stages })
            }
            _ => {
                let (id, uri) = (U256::from(rng.between(1, 3)), format!("ipfs://token/{number}"));
                call(boss, of, VitrineCollection::setTokenURICall { tokenId: id, newURI: uri })
            }
        }]
    }

    /// Orders that their makers validate on the chain need no signature.
    fn trade(&mut self, rng: &mut Rng, state: &State) -> Vec<Tx> {
        let exchange = self.exchange;
        let known = rng.pick(&self.orders).cloned();
        match (rng.below(10), known) {
            (0..4, Some(parameters)) => {
                let order = Order { parameters, signature: Bytes::new() };
                let fulfil = Seaport::fulfillOrderCall { order, fulfillerConduitKey: B256::ZERO };
                vec![Tx { value: 1000, ..call(self.actor(rng), exchange, fulfil) }]
            }
            (4, Some(parameters)) => {
                let counter = state.counters.get(&parameters.offerer).copied().unwrap_or_default();
                let from = parameters.offerer;
                vec![call(
                    from,
                    exchange,
                    Seaport::cancelCall { orders: vec![components(parameters, counter)] },
                )]
            }
            (5, _) => vec![call(self.actor(rng), exchange, Seaport::incrementCounterCall {})],
            _ => {
                let owned: Vec<_> = state.owners.iter().map(|((of, id), owner)| (*of, *id, *owner)).collect();
                let Some((of, id, owner)) = rng.pick(&owned).copied() else { return vec![] };
                let parameters = self.order(of, id, owner);
                self.orders.push(parameters.clone());
                let orders = vec![Order { parameters, signature: Bytes::new() }];
                let allow = Erc721::setApprovalForAllCall { operator: exchange, approved: true };
                vec![call(owner, of, allow), call(owner, exchange, Seaport::validateCall { orders })]
            }
        }
    }

    fn order(&mut self, token: Address, id: U256, offerer: Address) -> OrderParameters {
        let (one, price) = (U256::ONE, U256::from(1000));
        OrderParameters {
            offerer,
            zone: Address::ZERO,
            offer: vec![OfferItem {
                itemType: seaport::item::ERC721,
                token,
                identifierOrCriteria: id,
                startAmount: one,
                endAmount: one,
            }],
            consideration: vec![ConsiderationItem {
                itemType: seaport::item::NATIVE,
                token: Address::ZERO,
                identifierOrCriteria: U256::ZERO,
                startAmount: price,
                endAmount: price,
                recipient: offerer,
            }],
            orderType: seaport::FULL_OPEN,
            startTime: U256::ZERO,
            endTime: U256::from(u64::MAX),
            zoneHash: B256::ZERO,
            salt: U256::from(self.fresh()),
            conduitKey: B256::ZERO,
            totalOriginalConsiderationItems: one,
        }
    }

    /// A view of a contract, as the words of its answer; none where it refuses.
    pub(crate) async fn view(&self, to: Address, call: impl SolCall) -> Option<Vec<U256>> {
        let question = json!([{ "to": to, "data": Bytes::from(call.abi_encode()) }, "latest"]);
        let answer: Value = self.rig.chain.try_rpc("eth_call", question).await.ok()?;
        let bytes: Bytes = answer.as_str()?.parse().ok()?;
        Some(bytes.chunks(32).map(U256::from_be_slice).collect())
    }
}

fn call(from: Address, to: Address, call: impl SolCall) -> Tx {
    Tx { from, to, data: call.abi_encode(), value: 0 }
}

fn stage() -> Stage {
    Stage {
        kind: 0,
        price: U256::ZERO,
        startsAt: 0,
        endsAt: 0,
        maxPerWallet: U256::ZERO,
        merkleRoot: B256::ZERO,
        maxSupply: U256::ZERO,
    }
}

fn components(of: OrderParameters, counter: U256) -> OrderComponents {
    OrderComponents {
        offerer: of.offerer,
        zone: of.zone,
        offer: of.offer,
        consideration: of.consideration,
        orderType: of.orderType,
        startTime: of.startTime,
        endTime: of.endTime,
        zoneHash: of.zoneHash,
        salt: of.salt,
        conduitKey: of.conduitKey,
        counter,
    }
}
