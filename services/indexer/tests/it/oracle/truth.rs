//! What a chain's logs say, read without the indexer: words cut out of bytes, and topics hashed from signatures.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256, keccak256};
use serde_json::{Value, json};
use testkit::Chain;

/// A log as the node gives it.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Vec<u8>,
    pub(crate) block: B256,
    pub(crate) tx: B256,
    pub(crate) index: u64,
}

/// Every log of the canonical chain, oldest first.
pub(crate) async fn logs(chain: &Chain) -> Vec<Log> {
    let all = chain.rpc("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }])).await;
    all.as_array().unwrap().iter().map(log).collect()
}

fn log(log: &Value) -> Log {
    let word = |name: &str| log[name].as_str().unwrap().parse::<B256>().unwrap();
    let index = log["logIndex"].as_str().unwrap().strip_prefix("0x").unwrap();
    Log {
        address: log["address"].as_str().unwrap().parse().unwrap(),
        topics: log["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap().parse().unwrap())
            .collect(),
        data: log["data"].as_str().unwrap().parse::<alloy::primitives::Bytes>().unwrap().to_vec(),
        block: word("blockHash"),
        tx: word("transactionHash"),
        index: u64::from_str_radix(index, 16).unwrap(),
    }
}

/// What there is to know of a chain after its last log.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    /// Whether a collection counts amounts.
    pub(crate) collections: BTreeMap<Address, bool>,
    pub(crate) owners: BTreeMap<(Address, U256), Address>,
    pub(crate) burned: BTreeSet<(Address, U256)>,
    pub(crate) approved: BTreeMap<(Address, U256), Address>,
    pub(crate) balances: BTreeMap<(Address, U256, Address), U256>,
    pub(crate) operators: BTreeMap<(Address, Address, Address), bool>,
    pub(crate) holders: BTreeMap<Address, Address>,
    pub(crate) paused: BTreeMap<Address, bool>,
    pub(crate) counters: BTreeMap<Address, U256>,
    /// By hash: validated, cancelled, filled.
    pub(crate) orders: BTreeMap<B256, [bool; 3]>,
}

/// A line for each event, by the event's id, and the state that they add up to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Truth {
    pub(crate) lines: BTreeMap<String, String>,
    /// The documents that there must be.
    pub(crate) documents: BTreeSet<String>,
    pub(crate) state: State,
}

/// Whose logs count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed {
    pub(crate) factories: Vec<Address>,
    pub(crate) plain: Vec<Address>,
    pub(crate) exchange: Option<Address>,
}

impl Log {
    fn word(&self, index: usize) -> U256 {
        U256::from_be_slice(&self.data[index * 32..index * 32 + 32])
    }

    fn at(&self, index: usize) -> usize {
        self.word(index).to::<usize>() / 32
    }

    fn account(&self, index: usize) -> Address {
        Address::from_word(self.word(index).into())
    }

    fn text(&self, index: usize) -> String {
        let at = self.word(index).to::<usize>();
        let length = U256::from_be_slice(&self.data[at..at + 32]).to::<usize>();
        String::from_utf8(self.data[at + 32..at + 32 + length].to_vec()).unwrap()
    }

    fn list(&self, index: usize) -> Vec<U256> {
        let at = self.at(index);
        (0..self.word(at).to::<usize>()).map(|n| self.word(at + 1 + n)).collect()
    }

    fn who(&self, topic: usize) -> Address {
        Address::from_word(self.topics[topic])
    }

    fn id(&self, place: usize) -> String {
        format!("{}/{}/{}/{}/{place}", crate::rig::CHAIN, self.block, self.tx, self.index)
    }

    /// Seaport's items, of four words, or five with who gets them.
    fn items(&self, index: usize, words: usize) -> String {
        let at = self.at(index);
        let items = (0..self.word(at).to::<usize>()).map(|n| {
            let first = at + 1 + n * words;
            let to = if words == 5 { format!(">{}", self.account(first + 4)) } else { String::new() };
            format!(
                "{}:{}:{}:{}{to}",
                self.word(first),
                self.account(first + 1),
                self.word(first + 2),
                self.word(first + 3)
            )
        });
        items.collect::<Vec<_>>().join(",")
    }
}

/// Reads logs from the beginning of the chain.
pub(crate) fn read(logs: &[Log], followed: &Followed) -> Truth {
    let names = names();
    let mut truth = Truth::default();
    truth.state.collections.extend(followed.plain.iter().map(|plain| (*plain, false)));
    for log in logs {
        let name = log.topics.first().and_then(|topic| names.get(topic)).copied().unwrap_or_default();
        let lines = if followed.factories.contains(&log.address) {
            created(log, name, &mut truth.state)
        } else if followed.exchange == Some(log.address) {
            ordered(log, name, &mut truth.state)
        } else if let Some(is_multi) = truth.state.collections.get(&log.address) {
            happened(log, name, *is_multi, &mut truth.state)
        } else {
            continue;
        };
        truth.documents.insert(format!("{}/{}/{}", crate::rig::CHAIN, log.block, log.index));
        for (place, line) in lines {
            truth.lines.insert(log.id(place), line.to_lowercase());
        }
    }
    truth
}

type Lines = Vec<(usize, String)>;

fn created(log: &Log, name: &str, state: &mut State) -> Lines {
    assert_eq!(name, "CollectionCreated");
    let (collection, is_multi) = (log.who(1), log.word(0) == U256::ONE);
    state.collections.insert(collection, is_multi);
    let standard = if is_multi { "ERC1155" } else { "ERC721" };
    let (creator, salt) = (log.who(2), log.topics[3]);
    let (name, symbol, uri, supply) = (log.text(1), log.text(2), log.text(3), log.word(4));
    vec![(0, format!("created {collection} {standard} {creator} {salt} {name} {symbol} {uri} {supply}"))]
}

fn happened(log: &Log, name: &str, is_multi: bool, state: &mut State) -> Lines {
    let of = log.address;
    let token = |topic: usize| U256::from_be_bytes(log.topics[topic].0);
    let line = match name {
        "Transfer" => {
            return vec![(0, moved(state, log, (log.who(1), log.who(2)), token(3), U256::ONE, is_multi))];
        }
        "TransferSingle" => {
            let way = (log.who(2), log.who(3));
            return match log.word(1) {
                U256::ZERO => vec![],
                amount => vec![(0, moved(state, log, way, log.word(0), amount, is_multi))],
            };
        }
        "TransferBatch" => {
            let items = log.list(0).into_iter().zip(log.list(1)).enumerate();
            let items = items.filter(|(_, (_, amount))| *amount != U256::ZERO);
            let way = (log.who(2), log.who(3));
            return items
                .map(|(n, (id, amount))| (n, moved(state, log, way, id, amount, is_multi)))
                .collect();
        }
        "Approval" => {
            state.approved.insert((of, token(3)), log.who(2));
            format!("approval {of} {} {} {} {}", log.who(1), log.who(2), token(3), !log.who(2).is_zero())
        }
        "ApprovalForAll" => {
            let is_approved = log.word(0) == U256::ONE;
            state.operators.insert((of, log.who(1), log.who(2)), is_approved);
            format!("approval {of} {} {} * {is_approved}", log.who(1), log.who(2))
        }
        "MetadataUpdate" => format!("metadata {of} {} {}", log.word(0), log.word(0)),
        "BatchMetadataUpdate" => format!("metadata {of} {} {}", log.word(0), log.word(1)),
        "URI" => format!("metadata {of} {} {}", token(1), log.text(0)),
        "OwnershipTransferred" => {
            state.holders.insert(of, log.who(2));
            format!("updated {of} ownershipTransferred {} {}", log.who(1), log.who(2))
        }
        "RoleGranted" => format!("updated {of} roleGranted {} {}", log.topics[1], log.who(2)),
        "RoleRevoked" => format!("updated {of} roleRevoked {} {}", log.topics[1], log.who(2)),
        "ContractURIUpdated" => format!("updated {of} contractUriUpdated"),
        "Paused" | "Unpaused" => {
            state.paused.insert(of, name == "Paused");
            format!("updated {of} {name}")
        }
        "StageUpdated" => format!("updated {of} stageUpdated {} {}", log.word(0), log.word(1)),
        "Initialized" => return vec![],
        _ => panic!("{log:?} is of no event that the oracle knows"),
    };
    vec![(0, line)]
}

fn moved(
    state: &mut State,
    log: &Log,
    (from, to): (Address, Address),
    id: U256,
    n: U256,
    is_multi: bool,
) -> String {
    let of = log.address;
    if is_multi {
        if !from.is_zero() {
            *state.balances.entry((of, id, from)).or_default() -= n;
        }
        if !to.is_zero() {
            *state.balances.entry((of, id, to)).or_default() += n;
        }
    } else {
        state.approved.remove(&(of, id));
        match to.is_zero() {
            true => drop((state.owners.remove(&(of, id)), state.burned.insert((of, id)))),
            false => drop(state.owners.insert((of, id), to)),
        }
    }
    let verb = match (from.is_zero(), to.is_zero()) {
        (true, _) => "minted",
        (_, true) => "burned",
        _ => "transferred",
    };
    format!("{verb} {of} {id} {from} {to} {n}")
}

fn ordered(log: &Log, name: &str, state: &mut State) -> Lines {
    let hash = B256::from(log.word(0));
    let mut mark = |place: usize| state.orders.entry(hash).or_default()[place] = true;
    let line = match name {
        "OrderValidated" => {
            mark(0);
            let base = log.at(1);
            let number = |index: usize| log.word(base + index);
            format!("validated {hash} {} {} {} {}", log.account(base), number(5), number(6), number(8))
        }
        "OrderFulfilled" => {
            mark(2);
            let (offer, wanted) = (log.items(2, 4), log.items(3, 5));
            format!("fulfilled {hash} {} {} [{offer}] [{wanted}]", log.who(1), log.account(1))
        }
        "OrderCancelled" => {
            mark(1);
            format!("cancelled {hash} {}", log.who(1))
        }
        "CounterIncremented" => {
            state.counters.insert(log.who(1), log.word(0));
            format!("counter {} {}", log.who(1), log.word(0))
        }
        _ => panic!("{log:?} is of no event that the oracle knows"),
    };
    vec![(0, line)]
}

fn names() -> BTreeMap<B256, &'static str> {
    const PARAMETERS: &str = "(address,address,(uint8,address,uint256,uint256,uint256)[],\
        (uint8,address,uint256,uint256,uint256,address)[],uint8,uint256,uint256,bytes32,uint256,bytes32,uint256)";
    let validated = format!("OrderValidated(bytes32,{PARAMETERS})");
    [
        "CollectionCreated(address,address,bytes32,uint8,string,string,string,uint256,address,uint96)",
        "Transfer(address,address,uint256)",
        "TransferSingle(address,address,address,uint256,uint256)",
        "TransferBatch(address,address,address,uint256[],uint256[])",
        "Approval(address,address,uint256)",
        "ApprovalForAll(address,address,bool)",
        "MetadataUpdate(uint256)",
        "BatchMetadataUpdate(uint256,uint256)",
        "URI(string,uint256)",
        "OwnershipTransferred(address,address)",
        "RoleGranted(bytes32,address,address)",
        "RoleRevoked(bytes32,address,address)",
        "ContractURIUpdated()",
        "Paused(address)",
        "Unpaused(address)",
        "StageUpdated(uint8,uint256)",
        "Initialized(uint64)",
        "OrderFulfilled(bytes32,address,address,address,(uint8,address,uint256,uint256)[],\
         (uint8,address,uint256,uint256,address)[])",
        "OrderCancelled(bytes32,address,address)",
        "CounterIncremented(uint256,address)",
    ]
    .into_iter()
    .map(|signature| (keccak256(signature), signature.split_once('(').unwrap().0))
    .chain([(keccak256(&validated), "OrderValidated")])
    .collect()
}
