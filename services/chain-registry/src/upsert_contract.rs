//! Registers a contract of a chain, with its interface if that is given. What is there already makes no new version.

use ids::ChainId;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    abi_text::AbiText,
    blobs::Blobs,
    change::{Change, Note},
    error::Error,
    model::{Contract, is_line, violation},
    store::{self, AbiPlace},
};

/// Of a chain. Each process of the fleet holds them all, and is sent them all with each version.
const CONTRACTS_MOST: i64 = 1_000;

/// A contract as it should be. Its `abi_sha256` may name an interface that is known already; an implementation that is not
/// given stays, because the chain may have told of it.
pub(crate) struct ContractAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Contract,
    /// The interface as JSON; None to leave it as it is.
    pub(crate) abi_json: Option<String>,
    /// What compiled it.
    pub(crate) compiler: Option<String>,
    /// Where it comes from.
    pub(crate) source: Option<String>,
    /// The version that the caller has read; zero for "whatever it is".
    pub(crate) expected_version: u64,
}

pub(crate) async fn upsert_contract(
    db: &PgPool,
    blobs: &Blobs,
    actor: &str,
    ask: ContractAsk,
) -> Result<(Contract, i64), Error> {
    let ContractAsk { chain_id, mut contract, abi_json, compiler, source, expected_version } = ask;
    let mut violations = contract.violations();
    for (path, text) in [("abi_compiler", &compiler), ("abi_source", &source)] {
        if text.as_deref().is_some_and(|text| !is_line(text, 1, 256)) {
            violations.push(violation(path, "must be at most 256 printable characters"));
        }
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let abi = match abi_json {
        Some(text) => Some(tokio::task::spawn_blocking(|| AbiText::parse(text)).await??),
        None => None,
    };
    // The blob first: a row never points to nothing.
    let s3_key = match &abi {
        Some(abi) if abi.is_large() => Some(blobs.write(&abi.sha256, &abi.text).await?),
        _ => None,
    };

    let mut change = Change::begin(db, expected_version).await?;
    let before = store::find_contract(&mut *change.tx, chain_id, contract.address).await?;
    let was = before.as_ref().map(|(_, was)| was);
    if was.is_none() && store::count_contracts(&mut *change.tx, chain_id).await? >= CONTRACTS_MOST {
        return Err(Error::TooManyContracts(chain_id));
    }
    let given = std::mem::take(&mut contract.abi_sha256);
    contract.abi_sha256 = match (&abi, &given) {
        (Some(abi), Some(given)) if abi.sha256 != *given => {
            return Err(Error::field("contract.abi_sha256", "is not the hash of abi_json"));
        }
        (Some(abi), _) => Some(abi.sha256.clone()),
        (None, Some(_)) => given,
        (None, None) => was.and_then(|was| was.abi_sha256.clone()),
    };
    let stored = match &contract.abi_sha256 {
        Some(sha256) => store::find_abi(&mut *change.tx, sha256).await?,
        None => None,
    };
    if contract.abi_sha256.is_some() && abi.is_none() && stored.is_none() {
        return Err(Error::field("contract.abi_sha256", "no interface has this hash"));
    }
    if let Some(was) = was {
        contract.first_seen_at = was.first_seen_at;
        contract.impl_address = contract.impl_address.or(was.impl_address);
    }
    let says_more = |said: &Option<String>, known: Option<&Option<String>>| {
        abi.is_some() && said.is_some() && known != Some(said)
    };
    let is_same_abi = stored.is_some()
        && !says_more(&compiler, stored.as_ref().map(|abi| &abi.compiler))
        && !says_more(&source, stored.as_ref().map(|abi| &abi.source));
    if was == Some(&contract) && (abi.is_none() || is_same_abi) {
        return Ok((contract, change.version));
    }

    if let Some(abi) = &abi {
        let place = match &s3_key {
            Some(key) => AbiPlace::Blob(key),
            None => AbiPlace::Row(&abi.text, &abi.value),
        };
        let (sha256, size) = (&abi.sha256, abi.size_bytes());
        let (source, compiler) = (source.as_deref(), compiler.as_deref());
        let (name, standard) = (&contract.name, &contract.standard);
        store::upsert_abi(&mut change.tx, sha256, size, place, source, compiler, name, standard).await?;
    }
    let written = store::upsert_contract(&mut change.tx, chain_id, &contract).await?;
    let (id, first_seen_at) = written.ok_or(Error::ChainUnknown(chain_id))?;
    contract.first_seen_at = first_seen_at;
    let impl_before = was.and_then(|was| was.impl_address);
    if let Some(now) = contract.impl_address.filter(|now| impl_before != Some(*now)) {
        store::insert_implementation(&mut change.tx, id, now, impl_before, None).await?;
    }
    let subject = format!("{chain_id}/{}", contract.address.to_lower());
    let (before, after) = (was.map(|was| json!({ "contract": was })), json!({ "contract": contract }));
    let note = Note { actor, action: "contract.upserted", subject: &subject, before, after };
    let version = change.commit(note).await?;
    Ok((contract, version))
}
