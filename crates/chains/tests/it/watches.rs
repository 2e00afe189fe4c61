//! What a process knows of the chains, whatever happens to the registry.

use std::{net::TcpListener, sync::Arc, time::Duration};

use alloy::primitives::Bloom;
use chains::{Chains, Lookup};
use ids::ChainId;
use proto::chainregistry::v1::{self as pb, chain_registry_service_client::ChainRegistryServiceClient};
use testkit::{Certs, Registry, RegistryDoor};
use tokio_util::sync::{CancellationToken, DropGuard};

const LOCAL: &str = "eip155:31337";
const OTHER: &str = "eip155:7";
const WITHIN: Duration = Duration::from_secs(20);

fn id(text: &str) -> ChainId {
    text.parse().unwrap()
}

fn watch(door: &RegistryDoor, certs: &Certs) -> (Chains, DropGuard) {
    watch_at(door.url.as_ref(), certs)
}

fn watch_at(url: &str, certs: &Certs) -> (Chains, DropGuard) {
    let identity = rpc::Identity::load(&certs.settings_for("orchestrator")).unwrap();
    let channel = rpc::channel("chain-registry", &url.parse().unwrap(), &identity).unwrap();
    let stop = CancellationToken::new();
    let (chains, watching) = Chains::watch(ChainRegistryServiceClient::new(channel), stop.clone());
    tokio::spawn(watching);
    (chains, stop.drop_guard())
}

async fn reaches(chains: &Chains, version: u64) {
    let mut changed = chains.changed();
    let there = changed.wait_for(|known| known.as_ref().is_some_and(|known| known.version >= version));
    tokio::time::timeout(WITHIN, there).await.expect("the version is told").unwrap();
}

#[tokio::test]
async fn a_chain_is_known_with_all_that_is_needed_to_talk_to_it() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    let mut dialled = Registry::chain(LOCAL, "https://rpc.example/#x-api-key=s3cret");
    dialled.endpoints[0].auth_type = "header".into();
    dialled.endpoints[0].rate_limit = 25;
    dialled.endpoints.push(pb::Endpoint { active: false, ..Registry::endpoint("http://127.0.0.1:1") });
    dialled.endpoints.push(Registry::endpoint("ws://127.0.0.1:2"));
    let contract = |name: &str, standard: &str, digit: &str| pb::Contract {
        name: name.into(),
        address: format!("0x{}", digit.repeat(40)),
        standard: standard.into(),
        start_block: 5,
        ..pb::Contract::default()
    };
    dialled.chain.as_mut().unwrap().contracts = vec![
        contract("a", "factory", "1"),
        contract("wrapped_native", "ERC20", "2"),
        contract("b", "factory", "3"),
    ];
    registry.put(dialled);
    let (chains, _stop) = watch(&door, &certs);
    let chain = chains.get(id(LOCAL)).await.unwrap();
    assert!(chain.is_enabled && chain.node.chain_id() == id(LOCAL));
    assert_eq!((chain.confirmations, chain.reorg_depth, chain.finality_blocks), (1, 64, 64));
    assert_eq!((chain.name.as_str(), chain.block_time), ("Anvil", Duration::from_secs(1)));
    let [endpoint] = chain.endpoints.as_slice() else { panic!("{:?}", chain.endpoints) };
    let sockets: Vec<bool> = chain.node.health().iter().map(|health| health.is_socket).collect();
    assert_eq!(sockets, [false, true], "the node has the socket, and nobody is handed it to ask");
    assert_eq!((endpoint.rate_limit, endpoint.header.is_some()), (25, true));
    assert!(!format!("{chain:?}").contains("s3cret"));
    let factories: Vec<&str> = chain.contracts_of("factory").map(|factory| factory.name.as_str()).collect();
    assert_eq!(factories, ["a", "b"]);
    assert_eq!(chain.contract_named("wrapped_native").unwrap().start_block, 5);
    assert_eq!(chains.get(id(OTHER)).await.unwrap_err(), Lookup::Unknown);
}

#[tokio::test]
async fn a_change_is_seen_and_the_node_is_kept_over_it() {
    let (certs, chain) = (testkit::certs(), testkit::chain().await);
    let (registry, door) = testkit::registry(&certs);
    registry.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    let (chains, _stop) = watch(&door, &certs);
    let node = chains.get(id(LOCAL)).await.unwrap().node.clone();
    assert!(node.block_number().await.is_err());
    for _ in 0..20 {
        let version = registry.put(Registry::chain(OTHER, "http://127.0.0.1:1"));
        reaches(&chains, version).await;
    }
    // Whoever took the node earlier asks the new endpoint too.
    let version = registry.set_endpoints(LOCAL, vec![Registry::endpoint(&chain.url)]);
    reaches(&chains, version).await;
    assert_eq!(node.block_number().await, Ok(0));
    let version = registry.update(OTHER, |other| other.enabled = false);
    reaches(&chains, version).await;
    let enabled: Vec<ChainId> = chains.enabled().await.unwrap().iter().map(|chain| chain.chain_id).collect();
    assert_eq!(enabled, [id(LOCAL)]);
    assert!(!chains.get(id(OTHER)).await.unwrap().is_enabled, "what is on its way there is followed on");
    reaches(&chains, registry.remove(OTHER)).await;
    assert_eq!(chains.get(id(OTHER)).await.unwrap_err(), Lookup::Unknown);
}

#[tokio::test]
async fn a_socket_that_the_registry_comes_to_know_wakes_and_a_feature_that_it_names_holds() {
    let (certs, chain) = (testkit::certs(), testkit::chain().await);
    let (registry, door) = testkit::registry(&certs);
    registry.put(Registry::chain(LOCAL, &chain.url));
    let (chains, _stop) = watch(&door, &certs);
    let node = chains.get(id(LOCAL)).await.unwrap().node.clone();
    let mut wakes = node.head_wakes();
    assert!(!wakes.is_alive());
    let all = vec![Registry::endpoint(&chain.url), Registry::endpoint(&chain.ws_url)];
    reaches(&chains, registry.set_endpoints(LOCAL, all)).await;
    let lives = async {
        while !wakes.is_alive() {
            wakes.changed().await;
        }
    };
    tokio::time::timeout(WITHIN, lives).await.expect("the socket is listened to");
    assert_eq!(node.block_number().await, Ok(0));

    let (few, more) = (Bloom::with_last_byte(1), Bloom::with_last_byte(3));
    assert!(!node.is_bloom_of(&few, &more));
    for (features, holds) in
        [(r#"{"logsOutsideBloom":true,"other":[7]}"#, true), ("[]", false), ("", false), ("{}", false)]
    {
        let version = registry.update(LOCAL, |chain| chain.features_json = features.into());
        reaches(&chains, version).await;
        assert_eq!(node.is_bloom_of(&few, &more), holds, "{features}");
        assert!(!node.is_bloom_of(&more, &few), "{features}");
    }
}

#[tokio::test]
async fn every_reader_sees_one_version_of_all_chains() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    let write = |number: u32| {
        registry.change(|chains| {
            *chains = [LOCAL, OTHER].map(|chain_id| Registry::chain(chain_id, "http://127.0.0.1:1")).into();
            for chain in chains {
                chain.chain.as_mut().unwrap().confirmations = number;
                chain.endpoints[0].weight = i32::try_from(number).unwrap();
            }
        })
    };
    write(1);
    let (chains, _stop) = watch(&door, &certs);
    chains.snapshot().await.unwrap();
    let reading = tokio::spawn({
        let mut changed = chains.changed();
        async move {
            let mut seen = 0;
            loop {
                let known = Arc::clone(changed.borrow_and_update().as_ref().unwrap());
                let numbers: Vec<u32> = known
                    .chains
                    .values()
                    .flat_map(|chain| [chain.confirmations, chain.endpoints[0].weight.try_into().unwrap()])
                    .collect();
                assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
                seen += 1;
                if numbers[0] == 300 {
                    return seen;
                }
                changed.changed().await.unwrap();
            }
        }
    });
    for number in 2..=300 {
        write(number);
        tokio::task::yield_now().await;
    }
    let seen = tokio::time::timeout(WITHIN, reading).await.expect("the last version is seen").unwrap();
    assert!(seen > 1);
}

#[tokio::test]
async fn while_the_registry_is_away_what_it_said_last_holds_and_its_return_is_noticed() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    registry.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    let (chains, _stop) = watch(&door, &certs);
    chains.get(id(LOCAL)).await.unwrap();
    // A stream that ends in the middle is taken up again.
    registry.cut();
    let version = registry.put(Registry::chain(OTHER, "http://127.0.0.1:1"));
    reaches(&chains, version).await;
    registry.set_down(true);
    let version = registry.remove(OTHER);
    testkit::eventually(WITHIN, "nobody watches", async || (registry.watchers() == 0).then_some(())).await;
    assert!(chains.get(id(OTHER)).await.is_ok(), "what was said last holds");
    registry.set_down(false);
    reaches(&chains, version).await;
    assert_eq!(chains.get(id(OTHER)).await.unwrap_err(), Lookup::Unknown);
}

#[tokio::test]
async fn a_registry_that_was_restored_from_a_backup_is_believed_when_it_is_back() {
    let certs = testkit::certs();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = testkit::Proxy::to(&listener.local_addr().unwrap().to_string()).await;
    let first = Registry::default();
    for _ in 0..10 {
        first.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    }
    let door = testkit::registry_at(&first, listener.try_clone().unwrap(), &certs);
    let (chains, _stop) = watch_at(&format!("https://{}", proxy.addr), &certs);
    assert_eq!(chains.snapshot().await.unwrap().version, 11);
    proxy.set(testkit::Fault::Down);
    drop(door);
    let restored = Registry::default();
    restored.put(Registry::chain(OTHER, "http://127.0.0.1:1"));
    let _door = testkit::registry_at(&restored, listener, &certs);
    proxy.set(testkit::Fault::Pass);
    let mut changed = chains.changed();
    let there = changed.wait_for(|known| known.as_ref().is_some_and(|known| known.version == 2));
    tokio::time::timeout(WITHIN, there).await.expect("the restored registry is heard").unwrap();
    assert_eq!(chains.get(id(LOCAL)).await.unwrap_err(), Lookup::Unknown);
}

#[tokio::test]
async fn a_process_that_begins_while_the_registry_is_away_says_so_in_time_and_learns_later() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    registry.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    registry.set_down(true);
    let (chains, _stop) = watch(&door, &certs);
    assert_eq!(chains.get(id(LOCAL)).await.unwrap_err(), Lookup::Unavailable);
    assert!(chains.now().is_none());
    registry.set_down(false);
    reaches(&chains, 2).await;
    assert!(chains.get(id(LOCAL)).await.is_ok());
}

#[tokio::test]
async fn a_chain_that_cannot_be_read_hides_no_other() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    registry.put(Registry::chain("solana:1", "http://127.0.0.1:1"));
    registry.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    let (chains, _stop) = watch(&door, &certs);
    assert!(chains.get(id(LOCAL)).await.is_ok());
    assert_eq!(chains.snapshot().await.unwrap().chains.len(), 1);
}

#[tokio::test]
async fn a_registry_that_goes_back_in_the_middle_of_a_stream_is_believed() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    for _ in 0..5 {
        registry.put(Registry::chain(LOCAL, "http://127.0.0.1:1"));
    }
    let (chains, _stop) = watch(&door, &certs);
    assert_eq!(chains.snapshot().await.unwrap().version, 6);
    let has = |chain_id: &'static str, version: u64| {
        let mut changed = chains.changed();
        async move {
            let there = changed.wait_for(|known| {
                known
                    .as_ref()
                    .is_some_and(|known| known.version == version && known.chains.keys().eq([&id(chain_id)]))
            });
            tokio::time::timeout(WITHIN, there).await.expect("the restored state is told").unwrap();
        }
    };
    registry.restore(3, vec![Registry::chain(OTHER, "http://127.0.0.1:1")]);
    has(OTHER, 3).await;
    // Restored once more, to the same number with other contents.
    registry.restore(3, vec![Registry::chain(LOCAL, "http://127.0.0.1:1")]);
    has(LOCAL, 3).await;
}

#[tokio::test]
async fn a_registry_of_many_contracts_is_heard() {
    let certs = testkit::certs();
    let (registry, door) = testkit::registry(&certs);
    let mut dialled = Registry::chain(LOCAL, "http://127.0.0.1:1");
    let contract = |number: u32| pb::Contract {
        name: format!("{number:064}"),
        address: format!("0x{number:040x}"),
        abi_sha256: "0".repeat(64),
        standard: "ERC721".into(),
        ..pb::Contract::default()
    };
    dialled.chain.as_mut().unwrap().contracts = (0..40_000).map(contract).collect();
    registry.put(dialled);
    let (chains, _stop) = watch(&door, &certs);
    reaches(&chains, 2).await;
    assert_eq!(chains.get(id(LOCAL)).await.unwrap().contracts.len(), 40_000);
}
