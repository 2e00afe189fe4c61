//! Interfaces by the hash of their bytes, in the row and in the object store.

use std::fmt::Write;

use proto::chainregistry::v1 as pb;
use rpc::{Code, Problem};
use sha2::{Digest, Sha256};

use crate::rig::{CHAIN, FACTORY, Rig, bucket, chain, contract, put_object};

/// An interface of so many functions, in 160 bytes each, with the spaces that somebody left in.
fn abi(functions: usize, name: &str) -> String {
    let mut text = "[ ".to_owned();
    for n in 0..functions {
        let comma = if n == 0 { "" } else { ",\n" };
        write!(
            text,
            r#"{comma}{{"type": "function", "name": "{name}{n}", "inputs": [{{"name":"to","type":"address"}}], "outputs": [], "stateMutability": "nonpayable"}}"#
        )
        .unwrap();
    }
    text + " ]"
}

fn put(abi_json: String) -> pb::UpsertContractRequest {
    pb::UpsertContractRequest {
        abi_json,
        abi_compiler: "solc 0.8.30".into(),
        abi_source: "a repository".into(),
        ..contract("")
    }
}

fn get(sha256: &str) -> pb::GetAbiRequest {
    pb::GetAbiRequest { sha256: sha256.into() }
}

#[tokio::test]
async fn a_small_interface_comes_back_byte_by_byte_with_all_that_is_known_of_it() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    let text = abi(3, "small");
    let sha256 = hex::encode(Sha256::digest(&text));
    let written = operator.upsert_contract(put(text.clone())).await.unwrap().into_inner();
    let stored = written.contract.unwrap();
    assert_eq!((stored.abi_sha256.as_str(), written.version), (sha256.as_str(), 2));
    let read = rig.client("operator").get_chain(pb::GetChainRequest { chain_id: CHAIN.into() }).await;
    let served = read.unwrap().into_inner().chain.unwrap().contracts.remove(0);
    assert_eq!(served, stored);
    assert!(served.first_seen_time.is_some());

    let abi = operator.get_abi(get(&sha256)).await.unwrap().into_inner();
    assert_eq!((&abi.abi_json, abi.size_bytes as usize), (&text, text.len()));
    assert_eq!((abi.compiler.as_str(), abi.source.as_str()), ("solc 0.8.30", "a repository"));
    assert_eq!((abi.contract_name.as_str(), abi.standard.as_str()), ("erc721_erc1155_factory", "factory"));
    assert!(abi.s3_key.is_empty() && abi.create_time.is_some());

    // Another contract may name it by its hash, and one that does not exist is refused.
    let named = |address: &str, abi_sha256: &str| {
        let mut request = put(String::new());
        let contract = request.contract.as_mut().unwrap();
        (contract.address, contract.abi_sha256) = (address.into(), abi_sha256.into());
        request
    };
    let other = "0x00000000000000000000000000000000000000bb";
    operator.upsert_contract(named(other, &sha256)).await.unwrap();
    assert_eq!(rig.count("select count(*) from chain_contracts where abi_sha256 is not null").await, 2);
    assert_eq!(rig.count("select count(*) from abi_blobs").await, 1);
    let status = operator.upsert_contract(named(FACTORY, &"0".repeat(64))).await.unwrap_err();
    assert_eq!(Problem::from(&status).violations[0].path, "contract.abi_sha256");
    assert_eq!(
        Problem::from(&operator.get_abi(get(&"0".repeat(64))).await.unwrap_err()).code,
        Code::NotFound
    );
    assert_eq!(Problem::from(&operator.get_abi(get("x")).await.unwrap_err()).code, Code::BadInput);
    rig.end().await;
}

#[tokio::test]
async fn a_large_interface_lies_in_the_object_store_and_is_checked_when_it_is_read() {
    bucket().await;
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    // Nobody else's blob: the tests share the bucket.
    let text = abi(4_000, &rig.db.url.rsplit('/').next().unwrap().replace('-', "_"));
    assert!(text.len() > 512 * 1024);
    let written = operator.upsert_contract(put(text.clone())).await.unwrap().into_inner();
    let sha256 = written.contract.unwrap().abi_sha256;
    let again = operator.upsert_contract(put(text.clone())).await.unwrap().into_inner();
    assert_eq!((written.version, again.version), (2, 2));
    let in_row = "select count(*) from abi_blobs where abi_json is not null or abi_text is not null";
    assert_eq!(rig.count(in_row).await, 0);
    let abi = operator.get_abi(get(&sha256)).await.unwrap().into_inner();
    assert!(abi.abi_json == text, "the bytes come back");
    assert_eq!(abi.s3_key, format!("abi/{sha256}.json"));

    // Bytes that are not those of the hash are never handed out.
    assert!(put_object(&abi.s3_key, "[]").await.is_success());
    let problem = Problem::from(&operator.get_abi(get(&sha256)).await.unwrap_err());
    assert_eq!(problem.code, Code::Unavailable);
    // Written again, they are right again.
    operator.upsert_contract(put(text.clone())).await.unwrap();
    assert!(operator.get_abi(get(&sha256)).await.unwrap().into_inner().abi_json == text);
    rig.end().await;
}

#[tokio::test]
async fn without_an_object_store_a_large_interface_is_refused_with_the_reason() {
    let rig = Rig::start().await;
    let bare = rig.beside(|config| config.s3.secret_key = "".into());
    let mut operator = bare.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    let problem = Problem::from(&operator.upsert_contract(put(abi(4_000, "f"))).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "abi_json");
    assert!(problem.violations[0].message.contains("object store"), "{problem:?}");
    operator.upsert_contract(put(abi(3, "f"))).await.unwrap();

    // One that is away is not one that is not there.
    let away = rig.beside(|config| config.s3.endpoint = "http://127.0.0.1:1".parse().unwrap());
    let mut operator = away.client("operator");
    let problem = Problem::from(&operator.upsert_contract(put(abi(4_000, "f"))).await.unwrap_err());
    assert_eq!(problem.code, Code::Unavailable);
    assert_eq!(rig.count("select version from registry_version").await, 2);
    bare.end().await;
    away.end().await;
    rig.end().await;
}

#[tokio::test]
async fn the_largest_interface_arrives_and_a_larger_one_is_refused() {
    bucket().await;
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    let padded = |bytes: usize| {
        let text = abi(3, "padded");
        let spaces = " ".repeat(bytes - text.len());
        text + &spaces
    };
    let written = operator.upsert_contract(put(padded(4 << 20))).await.unwrap().into_inner();
    let sha256 = written.contract.unwrap().abi_sha256;
    assert_eq!(operator.get_abi(get(&sha256)).await.unwrap().into_inner().abi_json.len(), 4 << 20);
    let problem = Problem::from(&operator.upsert_contract(put(padded((4 << 20) + 1))).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "abi_json");
    rig.end().await;
}
