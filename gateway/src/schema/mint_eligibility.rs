//! Whether a wallet may mint now, at which price, how many, and why not.

use async_graphql::{Context, Enum, Object, Result};
use proto::orchestrator::v1::{self as pb, GetMintEligibilityRequest};

use super::{
    collection::ContractRef,
    prepared::optional_amount,
    problem::ProblemCode,
    scalar::{Address, BigInt, DateTime, Hex, moment, ours_or_none, text},
};
use crate::{error::failed, peers::Peers};

/// Who may mint in a stage.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MintStageKind {
    Allowlist,
    Public,
}

/// A mint as a wallet may do it now.
pub(crate) struct MintEligibility(pub(crate) pb::MintEligibility);

#[Object]
impl MintEligibility {
    /// Whether the wallet may mint what was asked for.
    async fn eligible(&self) -> bool {
        self.0.eligible
    }

    /// Why not; null where it may.
    async fn reason_code(&self) -> Option<ProblemCode> {
        let code = text(&self.0.reason_code)?;
        Some(ProblemCode::from_reason(&code).unwrap_or(ProblemCode::TxWillFail))
    }

    /// Why not, in words.
    async fn reason(&self) -> Option<String> {
        text(&self.0.reason)
    }

    /// Which stage is open for the wallet, counted from 0; null where none is.
    async fn stage_index(&self) -> Option<u32> {
        self.stage().map(|_| self.0.stage_index)
    }

    /// Who may mint in that stage; null where none is open.
    async fn stage_kind(&self) -> Option<MintStageKind> {
        self.stage()
    }

    /// What one costs, in wei; null where no stage is open.
    async fn price_raw(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.price_raw)
    }

    /// When that stage opened; null where it was open from the first block on.
    async fn starts_at(&self) -> Option<DateTime> {
        moment(self.0.start_time.as_ref())
    }

    /// When that stage closes; null where it does not.
    async fn ends_at(&self) -> Option<DateTime> {
        moment(self.0.end_time.as_ref())
    }

    /// How many more this wallet may mint; null where nothing limits it.
    async fn wallet_left(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.wallet_left)
    }

    /// How many more there are for everybody; null where nothing limits it.
    async fn supply_left(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.supply_left)
    }

    /// Whether the wallet is on the stage's allowlist, as far as the list or a proof is known.
    async fn listed(&self) -> bool {
        self.0.listed
    }

    /// The proof to mint with, where the stage's allowlist is stored here.
    async fn proof(&self) -> Vec<Hex> {
        self.0.proof.iter().cloned().map(Hex).collect()
    }

    /// What the wallet has, in wei; null for a collection that is still being made.
    async fn balance_raw(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.balance_raw)
    }

    /// Whether nobody may mint just now.
    async fn paused(&self) -> bool {
        self.0.paused
    }

    /// When the next stage opens, where none is open.
    async fn next_stage_at(&self) -> Option<DateTime> {
        moment(self.0.next_stage_time.as_ref())
    }
}

impl MintEligibility {
    fn stage(&self) -> Option<MintStageKind> {
        match self.0.stage_kind.as_str() {
            "allowlist" => Some(MintStageKind::Allowlist),
            "public" => Some(MintStageKind::Public),
            _ => None,
        }
    }
}

#[derive(Default)]
pub(crate) struct MintEligibilityQuery;

#[Object]
impl MintEligibilityQuery {
    /// Whether a wallet may mint from a collection now. The chain shows it to everybody, so everybody may ask. Null where there
    /// is no such collection, and with an error while the chain cannot be read.
    #[graphql(complexity = "50 + child_complexity")]
    async fn mint_eligibility(
        &self,
        context: &Context<'_>,
        collection: ContractRef,
        wallet: Address,
        #[graphql(desc = "Which token, for ERC-1155.")] token_id: Option<BigInt>,
        #[graphql(desc = "How many; 1 where absent.")] quantity: Option<BigInt>,
        #[graphql(
            default,
            desc = "The allowlist's proof; where absent, that of an allowlist that is stored here is found."
        )]
        proof: Vec<Hex>,
    ) -> Option<Result<MintEligibility>> {
        let asked = GetMintEligibilityRequest {
            collection: Some(collection.to_wire()),
            wallet: wallet.0.to_lower(),
            token_id: optional_amount(token_id),
            quantity: optional_amount(quantity),
            proof: proof.into_iter().map(|node| node.0).collect(),
        };
        match context.data_unchecked::<Peers>().mints.clone().get_mint_eligibility(asked).await {
            Ok(answer) => answer.into_inner().eligibility.map(MintEligibility).map(Ok),
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => Some(Err(failed(&status))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use serde_json::json;

    use super::{
        super::played_tests::{CHAIN, CONTRACT, Fleet, UNKNOWN},
        *,
    };

    #[tokio::test]
    async fn what_was_not_read_is_null_and_not_nothing() {
        let query = format!(
            "{{ mintEligibility(collection: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\" }}, wallet: \"{UNKNOWN}\")
                {{ eligible reasonCode stageIndex stageKind priceRaw balanceRaw }} }}"
        );
        let told = pb::MintEligibility { reason_code: "MINT_NOT_OPEN".to_owned(), ..Default::default() };
        let answer = pb::GetMintEligibilityResponse { eligibility: Some(told.clone()) };
        let fleet = Fleet::start(BTreeMap::from([("GetMintEligibility", Ok(answer.encode_to_vec()))])).await;
        let mut expected = json!({
            "eligible": false, "reasonCode": "MINT_NOT_OPEN", "stageIndex": null, "stageKind": null,
            "priceRaw": null, "balanceRaw": null,
        });
        assert_eq!(fleet.data(&query, None).await["mintEligibility"], expected);

        // Nothing to pay and nothing to pay with are numbers.
        let told = pb::MintEligibility {
            stage_kind: "public".to_owned(),
            price_raw: "0".to_owned(),
            balance_raw: "0".to_owned(),
            ..told
        };
        let answer = pb::GetMintEligibilityResponse { eligibility: Some(told) };
        let fleet = Fleet::start(BTreeMap::from([("GetMintEligibility", Ok(answer.encode_to_vec()))])).await;
        for (field, value) in [
            ("stageIndex", json!(0)),
            ("stageKind", json!("PUBLIC")),
            ("priceRaw", json!("0")),
            ("balanceRaw", json!("0")),
        ] {
            expected[field] = value;
        }
        assert_eq!(fleet.data(&query, None).await["mintEligibility"], expected);
    }
}
