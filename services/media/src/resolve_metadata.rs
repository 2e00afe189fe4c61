//! Reads where a contract says its metadata is, fetches it, and brings it into one form. That something of others does
//! not work is an answer, not a failure of the call.

use std::sync::LazyLock;

use abi::standards::{Erc721, Erc1155, Erc7572};
use alloy::{
    primitives::Bytes,
    sol_types::{self, SolCall},
};
use bson::DateTime;
use ids::{AccountId, TokenId};
use prometheus::{IntCounterVec, register_int_counter_vec};

use crate::{
    chains::{Chains, Silence},
    content_id::ContentHash,
    error::Error,
    fetch::{Fetcher, Unfetched},
    model::{Document, Sighting},
    normalise::{Metadata, normalise},
    store::Store,
};

/// A URI that is kept or shown; a document inside a longer one is kept as the document.
const URI_MAX: usize = 8 * 1024;

static RESOLVED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "media_resolves_total",
        "Metadata that was resolved, by the result.",
        &["result"]
    )
    .expect("the name is registered once")
});

/// Whose metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Subject {
    Erc721(TokenId),
    Erc1155(TokenId),
    Contract,
}

impl Subject {
    pub(crate) fn parse(token_id: &str, standard: &str) -> Result<Subject, Error> {
        if token_id.is_empty() {
            return Ok(Subject::Contract);
        }
        let token_id: TokenId = token_id
            .parse()
            .map_err(|err: ids::Invalid| Error::field("token_id", "INVALID", err.to_string()))?;
        match standard {
            "ERC721" => Ok(Subject::Erc721(token_id)),
            "ERC1155" => Ok(Subject::Erc1155(token_id)),
            _ => Err(Error::field("standard", "INVALID", "must be ERC721 or ERC1155")),
        }
    }

    fn question(self) -> Vec<u8> {
        match self {
            Subject::Erc721(token_id) => Erc721::tokenURICall { tokenId: token_id.number() }.abi_encode(),
            Subject::Erc1155(token_id) => Erc1155::uriCall { id: token_id.number() }.abi_encode(),
            Subject::Contract => Erc7572::contractURICall {}.abi_encode(),
        }
    }

    fn read(self, answer: &Bytes) -> sol_types::Result<String> {
        match self {
            Subject::Erc721(_) => Erc721::tokenURICall::abi_decode_returns(answer),
            Subject::Erc1155(_) => Erc1155::uriCall::abi_decode_returns(answer),
            Subject::Contract => Erc7572::contractURICall::abi_decode_returns(answer),
        }
    }

    /// What ERC-1155 puts for `{id}`: 64 lower-case digits.
    fn number(self) -> Option<String> {
        match self {
            Subject::Erc1155(token_id) => Some(format!("{:064x}", token_id.number())),
            Subject::Erc721(_) | Subject::Contract => None,
        }
    }

    fn token_id(self) -> String {
        match self {
            Subject::Erc721(token_id) | Subject::Erc1155(token_id) => token_id.to_string(),
            Subject::Contract => String::new(),
        }
    }
}

/// What was found: the URI as far as it was told, and metadata or the reason why there is none.
pub(crate) struct Resolved {
    pub(crate) uri: String,
    pub(crate) outcome: Result<Metadata, &'static str>,
}

pub(crate) async fn resolve_metadata(
    chains: &Chains,
    fetcher: &Fetcher,
    store: &Store,
    contract: AccountId,
    subject: Subject,
) -> Result<Resolved, Error> {
    let uri = match ask_contract(chains, contract, subject).await {
        Ok(uri) => uri,
        Err(code) => return Ok(failed(String::new(), code)),
    };
    let number = subject.number();
    let address = number.as_ref().map_or_else(|| uri.clone(), |number| uri.replace("{id}", number));
    let short_uri = beginning(&uri);
    let text = match fetcher.fetch(&address).await {
        Ok(text) => text,
        Err(unfetched) => {
            tracing::debug!(contract = %contract, error = %unfetched, "metadata not fetched");
            return Ok(failed(short_uri, unfetched.code()));
        }
    };
    let (Ok(original), Some(metadata)) = (str::from_utf8(&text), normalise(&text, number.as_deref())) else {
        return Ok(failed(short_uri, Unfetched::NotJson.code()));
    };
    remember(store, contract, subject, &short_uri, original).await?;
    RESOLVED.with_label_values(&["READY"]).inc();
    Ok(Resolved { uri: short_uri, outcome: Ok(metadata) })
}

fn failed(uri: String, code: &'static str) -> Resolved {
    RESOLVED.with_label_values(&[code]).inc();
    Resolved { uri, outcome: Err(code) }
}

async fn ask_contract(
    chains: &Chains,
    contract: AccountId,
    subject: Subject,
) -> Result<String, &'static str> {
    let answer = chains.view(contract, subject.question()).await.map_err(|silence| match silence {
        Silence::Node(err) if err.is_revert() => "REVERTED",
        Silence::Node(evm::NodeError::TooLarge { .. }) => "TOO_LARGE",
        silence => {
            tracing::warn!(contract = %contract, error = %silence, "a contract could not be asked");
            "UNREACHABLE"
        }
    })?;
    // No contract, or one that answers everything with something else.
    let uri = subject.read(&answer).map_err(|_| "NO_URI")?;
    let uri = uri.trim();
    if uri.is_empty() { Err("NO_URI") } else { Ok(uri.to_owned()) }
}

/// Which document the subject had, and the document itself, once for each content.
async fn remember(
    store: &Store,
    contract: AccountId,
    subject: Subject,
    uri: &str,
    original: &str,
) -> Result<(), Error> {
    let sha256 = ContentHash::of(original.as_bytes());
    let (account_id, token_id, now) = (contract.to_lower(), subject.token_id(), DateTime::now());
    let document = Document {
        sha256,
        cid: sha256.cid().to_string(),
        original: original.to_owned(),
        is_own: false,
        pins: Vec::new(),
        created_at: now,
    };
    store.put_document(&document).await?;
    let name = if token_id.is_empty() { "contract" } else { &token_id };
    let sighting = Sighting {
        id: format!("{account_id}/{name}/{sha256}"),
        account_id,
        token_id: token_id.clone(),
        sha256,
        uri: uri.to_owned(),
        first_seen_at: now,
    };
    store.put_sighting(&sighting).await?;
    Ok(())
}

/// Without NUL, which databases do not take.
fn beginning(uri: &str) -> String {
    let clean = uri.replace('\0', "");
    let end = clean.floor_char_boundary(URI_MAX);
    clean[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_token_of_a_known_standard_or_the_contract() {
        assert!(matches!(Subject::parse("", ""), Ok(Subject::Contract)));
        assert!(matches!(Subject::parse("7", "ERC721"), Ok(Subject::Erc721(_))));
        for (token_id, standard) in [("7", "ERC20"), ("7", ""), ("-7", "ERC721"), ("0x7", "ERC1155")] {
            assert!(Subject::parse(token_id, standard).is_err(), "{token_id} {standard}");
        }
    }

    #[test]
    fn an_erc_1155_id_is_64_lower_case_digits() {
        let number = Subject::parse("314592", "ERC1155").ok().and_then(Subject::number);
        assert_eq!(
            number.as_deref(),
            Some("000000000000000000000000000000000000000000000000000000000004cce0")
        );
        assert_eq!(Subject::parse("1", "ERC721").ok().and_then(Subject::number), None);
    }

    #[test]
    fn the_kept_beginning_of_a_uri_is_text_without_nul() {
        assert_eq!(beginning("ipfs://a\0b"), "ipfs://ab");
        assert_eq!(beginning(&"ü".repeat(URI_MAX)).len(), URI_MAX);
    }
}
