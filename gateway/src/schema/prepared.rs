//! What every preparation answers: an intent with its steps, or why there is nothing to sign.

use async_graphql::{Result, SimpleObject, Union};
use proto::orchestrator::v1 as pb;
use tonic::{Response, Status};

use super::{
    intent::TxIntent,
    mint_eligibility::MintEligibility,
    problem::{
        self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, TxWillFailProblem,
        ValidationProblem,
    },
    scalar::{Address, BigInt},
    step::{self, TxStep},
};
use crate::error::failed;

/// An intent and the steps that carry it out, in order.
#[derive(SimpleObject)]
pub(crate) struct PreparedTransaction {
    intent: TxIntent,
    /// Sign them in this order; tell the hash of each transaction by `trackTx`, and the signature of an order by
    /// `submitListing` or `submitOffer`.
    steps: Vec<TxStep>,
    /// What the wallet may mint, for a mint from a stage.
    eligibility: Option<MintEligibility>,
}

/// What to sign, or why there is nothing to sign.
#[derive(Union)]
pub(crate) enum PrepareResult {
    Prepared(Box<PreparedTransaction>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
    TxWillFail(TxWillFailProblem),
}

impl PrepareResult {
    /// For an id that cannot name an order.
    pub(crate) fn no_order() -> PrepareResult {
        PrepareResult::NotFound(NotFoundProblem::of("order"))
    }
}

/// What the orchestrator answers to a preparation.
pub(crate) struct Parts {
    intent: Option<pb::Intent>,
    steps: Vec<pb::Step>,
    eligibility: Option<pb::MintEligibility>,
}

macro_rules! parts {
    ($($response:ident $(with $eligibility:ident)?),+ $(,)?) => {$(
        impl From<pb::$response> for Parts {
            fn from(answer: pb::$response) -> Parts {
                let eligibility = parts!(@ answer $($eligibility)?);
                Parts { intent: answer.intent, steps: answer.steps, eligibility }
            }
        }
    )+};
    (@ $answer:ident) => { None };
    (@ $answer:ident $eligibility:ident) => { $answer.$eligibility };
}

parts!(
    PrepareCreateCollectionResponse,
    PrepareMint721Response with eligibility,
    PrepareMint1155Response with eligibility,
    PrepareApproveResponse,
    PrepareRevokeApprovalResponse,
    PrepareListingResponse,
    PrepareOfferResponse,
    PrepareBuyResponse,
    PrepareAcceptOfferResponse,
    PrepareCancelOrderResponse,
);

/// The answer to a preparation.
pub(crate) fn prepared(answer: Result<Response<impl Into<Parts>>, Status>) -> Result<PrepareResult> {
    match answer {
        Ok(answer) => {
            let Parts { intent, steps, eligibility } = answer.into_inner().into();
            Ok(PrepareResult::Prepared(Box::new(PreparedTransaction {
                intent: TxIntent::whole(intent.unwrap_or_default(), steps.clone()),
                steps: step::steps(steps)?,
                eligibility: eligibility.map(MintEligibility),
            })))
        }
        Err(status) => Ok(match problem::expected(&status)? {
            Problem::Validation(problem) => PrepareResult::Validation(problem),
            Problem::NotFound(problem) => PrepareResult::NotFound(problem),
            Problem::Forbidden(problem) => PrepareResult::Forbidden(problem),
            Problem::Conflict(problem) => PrepareResult::Conflict(problem),
            Problem::TxWillFail(problem) => PrepareResult::TxWillFail(problem),
            Problem::Siwe(_) => return Err(failed(&status)),
        }),
    }
}

/// An address that may be absent, for the wire.
pub(crate) fn optional(address: Option<Address>) -> String {
    address.map(|address| address.0.to_lower()).unwrap_or_default()
}

/// An amount that may be absent, for the wire.
pub(crate) fn optional_amount(amount: Option<BigInt>) -> String {
    amount.map(|amount| amount.0.to_string()).unwrap_or_default()
}
