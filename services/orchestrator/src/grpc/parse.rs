//! From the wire to what the verbs take; every field that does not parse is named.

use amounts::U256;
use ids::{Address, ChainId, Hash32, IntentId, TokenId, UserId};
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1 as pb,
};

use crate::{
    ask::{CreateAsk, MintAsk, PROOF_MAX, STAGES_MAX, StageAsk, StageKind, Standard, Violation},
    error::{COMPLAINTS_MAX, Error},
    get_mint_eligibility::EligibilityAsk,
    model::{Status, Told},
    page::Position,
    prepare_approve::ApproveAsk,
    prepare_revoke_approval::RevokeAsk,
    resolve_intent::entity_of,
    track_tx::TrackAsk,
};

const PAGE_MAX: i32 = 100;
const TOLD_MAX: usize = 10_000;

/// Gathers complaints, so that a client hears of many of them at once.
#[derive(Default)]
pub(super) struct Complaints(Vec<Violation>);

impl Complaints {
    /// The parsed value, or a complaint; the stand-in is never used, since complaints end the call.
    pub(super) fn take<T, E: ToString>(
        &mut self,
        path: impl Into<String>,
        parsed: Result<T, E>,
        stand_in: T,
    ) -> T {
        parsed.unwrap_or_else(|err| {
            if self.0.len() < COMPLAINTS_MAX {
                self.0.push(Violation { path: path.into(), message: err.to_string() });
            }
            stand_in
        })
    }

    pub(super) fn address(&mut self, path: &str, text: &str) -> Address {
        self.take(path, text.parse(), Address::ZERO)
    }

    pub(super) fn amount(&mut self, path: impl Into<String>, text: &str) -> U256 {
        self.take(path, amounts::parse(text), U256::ZERO)
    }

    pub(super) fn optional_amount(&mut self, path: impl Into<String>, text: &str) -> Option<U256> {
        if text.is_empty() { None } else { self.take(path, amounts::parse(text).map(Some), None) }
    }

    pub(super) fn optional_token_id(&mut self, path: &str, text: &str) -> Option<TokenId> {
        if text.is_empty() { None } else { self.take(path, text.parse().map(Some), None) }
    }

    pub(super) fn chain_id(&mut self, path: &str, text: &str) -> Option<ChainId> {
        self.take(path, text.parse().map(Some), None)
    }

    /// A list, or a complaint where it is too long: then nothing of it is read.
    fn at_most<'a, T>(&mut self, path: &str, list: &'a [T], most: usize, what: &str) -> &'a [T] {
        if list.len() <= most {
            return list;
        }
        self.take(path, Err(format!("must be at most {most} {what}")), ());
        &[]
    }

    fn proof(&mut self, proof: &[Vec<u8>]) -> Vec<Hash32> {
        let proof = self.at_most("proof", proof, PROOF_MAX, "hashes");
        self.words("proof", proof)
    }

    pub(super) fn words(&mut self, path: &str, words: &[impl AsRef<[u8]>]) -> Vec<Hash32> {
        let words = (0..).zip(words).map(|(at, word): (usize, _)| {
            self.take(format!("{path}[{at}]"), Hash32::from_slice(word.as_ref()), Hash32::new([0; 32]))
        });
        words.collect()
    }

    pub(super) fn none<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self.0)),
        }
    }
}

pub(super) fn create(request: pb::PrepareCreateCollectionRequest) -> Result<CreateAsk, Error> {
    let mut complaints = Complaints::default();
    let chain_id = complaints.chain_id("chain_id", &request.chain_id);
    let standard = match request.standard() {
        TokenStandard::Erc721 => Ok(Standard::Erc721),
        TokenStandard::Erc1155 => Ok(Standard::Erc1155),
        TokenStandard::Unspecified => Err("must be ERC721 or ERC1155"),
    };
    let standard = complaints.take("standard", standard, Standard::Erc721);
    let creator = complaints.address("creator", &request.creator);
    let royalty_recipient = match request.royalty_recipient.as_str() {
        "" => creator,
        text => complaints.address("royalty_recipient", text),
    };
    let max_supply = match request.max_supply.as_str() {
        "" => U256::ZERO,
        text => complaints.amount("max_supply", text),
    };
    let stages = complaints.at_most("stages", &request.stages, STAGES_MAX, "stages");
    let stages = (0..).zip(stages).map(|(at, wire)| stage(&mut complaints, at, wire)).collect();
    let ask = chain_id.map(|chain_id| CreateAsk {
        chain_id,
        standard,
        name: request.name,
        symbol: request.symbol,
        creator,
        metadata_uri: request.metadata_uri,
        base_uri: request.base_uri,
        royalty_bps: request.royalty_bps,
        royalty_recipient,
        max_supply,
        stages,
    });
    complaints.none(ask)
}

fn stage(complaints: &mut Complaints, at: usize, wire: &pb::MintStage) -> StageAsk {
    let path = |field: &str| format!("stages[{at}].{field}");
    let kind = match wire.kind.as_str() {
        "allowlist" => Ok(StageKind::Allowlist),
        "public" => Ok(StageKind::Public),
        _ => Err("must be allowlist or public"),
    };
    let seconds = |time: &prost_types::Timestamp| u64::try_from(time.seconds).map_err(|_| "is before 1970");
    StageAsk {
        kind: complaints.take(path("kind"), kind, StageKind::Public),
        price: complaints.amount(path("price_raw"), &wire.price_raw),
        starts_at: complaints.take(path("start_time"), wire.start_time.as_ref().map_or(Ok(0), seconds), 0),
        ends_at: complaints.take(path("end_time"), wire.end_time.as_ref().map(seconds).transpose(), None),
        max_per_wallet: match wire.max_per_wallet.as_str() {
            "" => U256::ZERO,
            text => complaints.amount(path("max_per_wallet"), text),
        },
        allowlist_root: match wire.allowlist_root.as_slice() {
            [] => None,
            root => complaints.take(path("allowlist_root"), Hash32::from_slice(root).map(Some), None),
        },
        max_supply: match wire.max_supply.as_str() {
            "" => U256::ZERO,
            text => complaints.amount(path("max_supply"), text),
        },
    }
}

pub(super) fn mint721(request: pb::PrepareMint721Request) -> Result<MintAsk, Error> {
    let mut complaints = Complaints::default();
    let quantity = U256::from(request.quantity);
    let expected_price = complaints.optional_amount("expected_price_raw", &request.expected_price_raw);
    let collection = request.collection.unwrap_or_default();
    let parties = (request.minter.as_str(), request.recipient.as_str());
    let ask = mint(&mut complaints, Standard::Erc721, &collection, parties, quantity, &request.proof);
    let most = abi::launchpad::MAX_URIS;
    let metadata_uris = complaints.at_most("metadata_uris", &request.metadata_uris, most, "URIs").to_vec();
    complaints.none(ask.map(|ask| MintAsk { expected_price, metadata_uris, ..ask }))
}

pub(super) fn mint1155(request: pb::PrepareMint1155Request) -> Result<MintAsk, Error> {
    let mut complaints = Complaints::default();
    let quantity = complaints.amount("quantity", &request.quantity);
    let expected_price = complaints.optional_amount("expected_price_raw", &request.expected_price_raw);
    let token_id: TokenId = complaints.take("token_id", request.token_id.parse(), TokenId::new(U256::ZERO));
    let collection = request.collection.unwrap_or_default();
    let parties = (request.minter.as_str(), request.recipient.as_str());
    let ask = mint(&mut complaints, Standard::Erc1155, &collection, parties, quantity, &request.proof);
    complaints.none(ask.map(|ask| MintAsk { token_id: Some(token_id), expected_price, ..ask }))
}

pub(super) fn eligibility(request: pb::GetMintEligibilityRequest) -> Result<EligibilityAsk, Error> {
    let mut complaints = Complaints::default();
    let collection = request.collection.unwrap_or_default();
    let chain_id = complaints.chain_id("collection.chain_id", &collection.chain_id);
    let collection = complaints.address("collection.address", &collection.address);
    let wallet = complaints.address("wallet", &request.wallet);
    let token_id = complaints.optional_token_id("token_id", &request.token_id);
    let quantity = complaints.optional_amount("quantity", &request.quantity).unwrap_or(U256::from(1));
    let proof = complaints.proof(&request.proof);
    complaints.none(chain_id.map(|chain_id| EligibilityAsk {
        chain_id,
        collection,
        wallet,
        token_id,
        quantity,
        proof,
    }))
}

pub(super) fn approve(request: pb::PrepareApproveRequest) -> Result<ApproveAsk, Error> {
    let mut complaints = Complaints::default();
    let contract = request.contract.unwrap_or_default();
    let chain_id = complaints.chain_id("contract.chain_id", &contract.chain_id);
    let contract = complaints.address("contract.address", &contract.address);
    let owner = complaints.address("owner", &request.owner);
    let operator = match request.operator.as_str() {
        "" => None,
        text => Some(complaints.address("operator", text)),
    };
    let token_id = complaints.optional_token_id("token_id", &request.token_id);
    let amount = complaints.optional_amount("amount", &request.amount);
    complaints.none(chain_id.map(|chain_id| ApproveAsk {
        chain_id,
        contract,
        owner,
        operator,
        token_id,
        amount,
    }))
}

pub(super) fn revoke(request: pb::PrepareRevokeApprovalRequest) -> Result<RevokeAsk, Error> {
    let mut complaints = Complaints::default();
    let contract = request.contract.unwrap_or_default();
    let chain_id = complaints.chain_id("contract.chain_id", &contract.chain_id);
    let contract = complaints.address("contract.address", &contract.address);
    let owner = complaints.address("owner", &request.owner);
    let operator = complaints.address("operator", &request.operator);
    let token_id = complaints.optional_token_id("token_id", &request.token_id);
    complaints.none(chain_id.map(|chain_id| RevokeAsk { chain_id, contract, owner, operator, token_id }))
}

fn mint(
    complaints: &mut Complaints,
    standard: Standard,
    collection: &ContractRef,
    (minter, recipient): (&str, &str),
    quantity: U256,
    proof: &[Vec<u8>],
) -> Option<MintAsk> {
    let chain_id = complaints.chain_id("collection.chain_id", &collection.chain_id);
    let collection = complaints.address("collection.address", &collection.address);
    let minter = complaints.address("minter", minter);
    let recipient = match recipient {
        "" => minter,
        text => complaints.address("recipient", text),
    };
    let proof = complaints.proof(proof);
    Some(MintAsk {
        standard,
        chain_id: chain_id?,
        collection,
        minter,
        recipient,
        token_id: None,
        quantity,
        proof,
        expected_price: None,
        metadata_uris: Vec::new(),
    })
}

pub(super) fn track(user_id: UserId, request: pb::TrackTxRequest) -> Result<TrackAsk, Error> {
    let mut complaints = Complaints::default();
    let intent_id = complaints.take("intent_id", request.intent_id.parse().map(Some), None);
    let step_id = match request.step_id.as_str() {
        "" => None,
        text => complaints.take("step_id", text.parse().map(Some), None),
    };
    let tx_hash = complaints.take("tx_hash", request.tx_hash.parse(), Hash32::new([0; 32]));
    complaints.none(intent_id.map(|intent_id| TrackAsk { user_id, intent_id, step_id, tx_hash }))
}

pub(super) fn intent_id(text: &str) -> Result<IntentId, Error> {
    text.parse().map_err(|err| Error::field("intent_id", err))
}

pub(super) fn list(request: &pb::ListIntentsRequest) -> Result<(Vec<Status>, usize, Position), Error> {
    let size = Some(request.page_size).filter(|size| (1..=PAGE_MAX).contains(size));
    let size = size.and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| Error::field("page_size", "must be 1 to 100"))?;
    let word = |status: pb::IntentStatus| {
        let name = status.as_str_name().trim_start_matches("INTENT_STATUS_");
        Status::from_word(name).ok_or_else(|| Error::field("statuses", "holds a status that there is not"))
    };
    let statuses: Result<Vec<Status>, Error> = request.statuses().map(word).collect();
    Ok((statuses?, size, request.page_token.parse()?))
}

pub(super) fn told(request: pb::ResolveIntentRequest) -> Result<Told, Error> {
    let mut complaints = Complaints::default();
    let longest = request.tx_hashes.len().max(request.token_ids.len()).max(request.salts.len());
    if longest > TOLD_MAX {
        return Err(Error::field("tx_hashes", "at most 10000 of a kind"));
    }
    let chain_id = complaints.chain_id("chain_id", &request.chain_id);
    let hash = Hash32::new([0; 32]);
    let mut hashes = |path: &str, texts: &[String]| -> Vec<Hash32> {
        texts.iter().map(|text| complaints.take(path, text.parse(), hash)).collect()
    };
    let tx_hashes = hashes("tx_hashes", &request.tx_hashes);
    let salts = hashes("salts", &request.salts);
    let nothing = TokenId::new(U256::ZERO);
    let ids = request.token_ids.iter().map(|text| complaints.take("token_ids", text.parse(), nothing));
    let token_ids = ids.collect();
    let contract = complaints.address("collection.address", &request.collection.unwrap_or_default().address);
    if request.event_id.is_empty() || request.event_id.len() > 512 {
        complaints.take("event_id", Err("must be 1 to 512 bytes"), ());
    }
    let (entity, revision) = entity_of(&request.event_id);
    let is_removed = request.removed;
    complaints.none(chain_id.map(|chain_id| Told {
        chain_id,
        tx_hashes,
        entity,
        revision,
        contract,
        token_ids,
        is_removed,
        salts,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths<T>(parsed: Result<T, Error>) -> Vec<String> {
        match parsed {
            Err(Error::Invalid(violations)) => violations.into_iter().map(|found| found.path).collect(),
            _ => panic!("it was not refused as invalid"),
        }
    }

    fn mint() -> pb::PrepareMint721Request {
        let address = format!("0x{:040x}", 7);
        pb::PrepareMint721Request {
            collection: Some(ContractRef { chain_id: "eip155:1".into(), address: address.clone() }),
            minter: address,
            quantity: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_one_complaint_and_nothing_of_it_is_read() {
        assert!(mint721(mint()).is_ok());
        assert_eq!(
            paths(mint721(pb::PrepareMint721Request { proof: vec![vec![]; 50_000], ..mint() })),
            ["proof"]
        );
        let metadata_uris = vec![String::new(); 50_000];
        let long = pb::PrepareMint721Request { metadata_uris, ..mint() };
        assert_eq!(paths(mint721(long)), ["metadata_uris"]);
        let long = pb::GetMintEligibilityRequest {
            collection: mint().collection,
            wallet: mint().minter,
            proof: vec![vec![]; 65],
            ..Default::default()
        };
        assert_eq!(paths(eligibility(long)), ["proof"]);
        let mut wanted = pb::PrepareCreateCollectionRequest {
            chain_id: "eip155:1".into(),
            standard: TokenStandard::Erc721.into(),
            creator: mint().minter,
            stages: vec![pb::MintStage::default(); 17],
            ..Default::default()
        };
        assert_eq!(paths(create(wanted.clone())), ["stages"]);
        // As many as there may be, each with two mistakes.
        wanted.stages.truncate(16);
        assert_eq!(paths(create(wanted)).len(), 10);
    }

    #[test]
    fn of_a_thousand_mistakes_ten_are_told() {
        let words = vec!["?".to_owned(); 1_000];
        let wrong = pb::ResolveIntentRequest { tx_hashes: words.clone(), salts: words, ..Default::default() };
        assert_eq!(paths(told(wrong)).len(), 10);
    }
}
