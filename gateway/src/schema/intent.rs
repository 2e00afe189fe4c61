//! Intents: what a user is about to sign, followed to its end.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Union};
use events::intents::IntentUpserted;
use ids::IntentId;
use proto::orchestrator::v1::{
    self as pb, CancelIntentRequest, GetIntentRequest, IntentStatus as Status, ListIntentsRequest,
    TrackTxRequest,
};

use super::{
    chain::{self, Chain},
    collection::{self, Collection},
    connection::{Page, connection},
    guard::{self, Requires, auth},
    intent_status, node,
    order::{self, Order},
    problem::{self, ConflictProblem, NotFoundProblem, Problem, ProblemCode, ValidationProblem},
    scalar::{Address, ChainId, DateTime, Hex, moment_of, ours, ours_or_none, text},
    step::{self, TxStep},
    token::{self, Token},
    user::{Role, acting},
};
use crate::{
    cursor::Seal,
    error::{coded, failed},
    loaders::Loaders,
    peers::Peers,
    viewer::Viewer,
};

/// What a user is about to sign, followed from PREPARED to its end.
#[derive(Clone)]
pub(crate) struct TxIntent {
    row: pb::Intent,
    /// Nothing where they did not come with what told of the intent.
    steps: Option<Vec<pb::Step>>,
}

impl TxIntent {
    /// One that came with its steps.
    pub(crate) fn whole(row: pb::Intent, steps: Vec<pb::Step>) -> TxIntent {
        TxIntent { row, steps: Some(steps) }
    }

    fn row(row: pb::Intent) -> TxIntent {
        TxIntent { row, steps: None }
    }

    /// One as its event shows it.
    pub(crate) fn told(fact: &IntentUpserted) -> TxIntent {
        TxIntent::row(intent_status::of_fact(fact))
    }

    /// Its number of changes, and whether there will be none any more.
    pub(crate) fn progress(&self) -> (u64, bool) {
        (self.row.revision, is_terminal(self.row.status()))
    }

    /// Its steps, by the request's loader.
    async fn fetch_steps(&self, context: &Context<'_>) -> Result<Vec<pb::Step>> {
        let id: IntentId = ours(&self.row.intent_id)?;
        let loader = context.data_unchecked::<Loaders>().intents(acting(context)?);
        let found = loader.load_one(id).await.map_err(|status| failed(&status))?;
        let whole = found.ok_or_else(|| coded(rpc::Code::NotFound.as_str(), "there is no such intent"))?;
        Ok(whole.steps)
    }
}

/// What an intent is for.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntentKind {
    CreateCollection,
    #[graphql(name = "MINT_721")]
    Mint721,
    #[graphql(name = "MINT_1155")]
    Mint1155,
    Approve,
    List,
    Buy,
    CancelListing,
    Offer,
    AcceptOffer,
    RevokeApproval,
}

/// Where an intent is.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IntentStatus {
    /// Waiting for a signature.
    Prepared,
    /// Sent, not yet in a block.
    Submitted,
    /// In a block.
    Mined,
    /// Under enough blocks.
    Confirmed,
    /// Confirmed and catalogued: what it made can be shown.
    Ready,
    /// The chain refused it; the problem tells why.
    Failed,
    /// Another transaction used its nonce.
    Replaced,
    /// Withdrawn before anything was sent.
    Cancelled,
    /// The network forgot it; it may come back.
    Dropped,
    /// Nobody signed in time.
    Expired,
}

/// Why an intent or a step of it failed.
#[derive(SimpleObject)]
pub(crate) struct IntentProblem {
    code: ProblemCode,
    message: String,
    /// What the contract said, where it said something.
    revert_reason: Option<String>,
}

impl IntentProblem {
    /// Nothing where nothing went wrong.
    pub(crate) fn of_wire(code: &str, message: &str) -> Option<IntentProblem> {
        let told = text(message).or_else(|| text(code))?;
        let code = ProblemCode::from_reason(code).unwrap_or(ProblemCode::TxWillFail);
        Some(IntentProblem { code, revert_reason: text(message), message: told })
    }
}

#[Object]
impl TxIntent {
    pub(crate) async fn id(&self) -> ID {
        node::id("TxIntent", &self.row.intent_id)
    }

    async fn kind(&self) -> IntentKind {
        match self.row.kind() {
            pb::IntentKind::Mint721 => IntentKind::Mint721,
            pb::IntentKind::Mint1155 => IntentKind::Mint1155,
            pb::IntentKind::Approve => IntentKind::Approve,
            pb::IntentKind::List => IntentKind::List,
            pb::IntentKind::Buy => IntentKind::Buy,
            pb::IntentKind::CancelListing => IntentKind::CancelListing,
            pb::IntentKind::Offer => IntentKind::Offer,
            pb::IntentKind::AcceptOffer => IntentKind::AcceptOffer,
            pb::IntentKind::RevokeApproval => IntentKind::RevokeApproval,
            pb::IntentKind::CreateCollection | pb::IntentKind::Unspecified => IntentKind::CreateCollection,
        }
    }

    async fn status(&self) -> IntentStatus {
        match self.row.status() {
            Status::Prepared | Status::Unspecified => IntentStatus::Prepared,
            Status::Submitted => IntentStatus::Submitted,
            Status::Mined => IntentStatus::Mined,
            Status::Confirmed => IntentStatus::Confirmed,
            Status::Ready => IntentStatus::Ready,
            Status::Failed => IntentStatus::Failed,
            Status::Replaced => IntentStatus::Replaced,
            Status::Cancelled => IntentStatus::Cancelled,
            Status::Dropped => IntentStatus::Dropped,
            Status::Expired => IntentStatus::Expired,
        }
    }

    async fn chain_id(&self) -> Result<ChainId> {
        ours(&self.row.chain_id)
    }

    /// Null with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match ours(&self.row.chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// Where a new collection will be.
    async fn preview_address(&self) -> Result<Option<Address>> {
        ours_or_none(&self.row.preview_address)
    }

    /// The transaction that is followed now.
    async fn tx_hash(&self) -> Result<Option<Hex>> {
        ours_or_none(&self.row.tx_hash)
    }

    /// Blocks on top of it, its own included.
    async fn confirmations(&self) -> Option<u32> {
        (self.row.confirmations > 0).then_some(self.row.confirmations)
    }

    async fn required_confirmations(&self) -> u32 {
        self.row.required_confirmations
    }

    /// Why it failed.
    async fn problem(&self) -> Option<IntentProblem> {
        IntentProblem::of_wire(&self.row.error_code, &self.row.error_message)
    }

    /// What is signed, in order, and where each of it is; null with an error while it cannot be read.
    #[graphql(complexity = "10 + child_complexity")]
    async fn steps(&self, context: &Context<'_>) -> Option<Result<Vec<TxStep>>> {
        let steps = match &self.steps {
            Some(steps) => steps.clone(),
            None => match self.fetch_steps(context).await {
                Ok(steps) => steps,
                Err(err) => return Some(Err(err)),
            },
        };
        Some(step::steps(steps))
    }

    /// The order that it makes or is about, once it is stored; null with an error while orders cannot be read.
    #[graphql(complexity = "10 + child_complexity")]
    async fn order(&self, context: &Context<'_>) -> Option<Result<Order>> {
        match ours_or_none(&self.row.order_id).transpose()? {
            Ok(id) => order::load(context, id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// The collection that it made or minted from, once it is catalogued.
    async fn collection(&self, context: &Context<'_>) -> Option<Result<Collection>> {
        collection::load_at(context, self.row.contract.as_ref()?).await
    }

    /// The tokens that it minted, from MINED on as they are catalogued.
    #[graphql(complexity = "100 + child_complexity")]
    async fn tokens(&self, context: &Context<'_>) -> Option<Result<Vec<Token>>> {
        let found = self.row.tokens.iter().take(100).map(|place| token::load_at(context, place));
        Some(futures::future::join_all(found).await.into_iter().flatten().collect())
    }

    /// When it expires unsigned.
    async fn deadline_at(&self) -> DateTime {
        moment_of(self.row.deadline.as_ref())
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.row.create_time.as_ref())
    }

    async fn updated_at(&self) -> DateTime {
        moment_of(self.row.update_time.as_ref())
    }
}

connection!(IntentConnection, IntentEdge, TxIntent, "intents");

/// Which transaction carries a step.
#[derive(InputObject)]
pub(crate) struct TrackTxInput {
    intent_id: ID,
    /// The only transaction where absent.
    step_id: Option<ID>,
    tx_hash: Hex,
}

/// The intent that is followed now, or why it is not.
#[derive(Union)]
pub(crate) enum TrackTxResult {
    Intent(Box<TxIntent>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct IntentQuery;

#[Object]
impl IntentQuery {
    /// One of your intents; null where there is none or it is not yours.
    #[graphql(directive = auth::apply(Role::User))]
    async fn intent(&self, context: &Context<'_>, id: ID) -> Option<Result<TxIntent>> {
        if let Some(err) = guard::refused(context, Role::User) {
            return Some(Err(err));
        }
        let viewer = match acting(context) {
            Ok(viewer) => viewer,
            Err(err) => return Some(Err(err)),
        };
        load(context, viewer, node::key("TxIntent", &id)?).await.transpose()
    }

    /// Your intents, newest first.
    #[graphql(
        complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4",
        guard = "Requires(Role::User)",
        directive = auth::apply(Role::User)
    )]
    async fn intents(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<IntentConnection> {
        let viewer = acting(context)?;
        let seal = context.data_unchecked::<Seal>();
        let page = Page::read(seal, IntentConnection::KIND, first, after.as_deref())?;
        let asked =
            ListIntentsRequest { statuses: Vec::new(), page_size: page.size, page_token: page.token.clone() };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let peers = context.data_unchecked::<Peers>();
        let answer =
            peers.intents.clone().list_intents(asked).await.map_err(|status| failed(&status))?.into_inner();
        let nodes = answer.intents.into_iter().map(TxIntent::row).collect();
        Ok(IntentConnection::new(seal, &page, nodes, &answer.cursors, answer.has_next))
    }
}

#[derive(Default)]
pub(crate) struct IntentMutation;

#[Object]
impl IntentMutation {
    /// Tells which transaction carries a step: accepted before the transaction can be seen, and compared with what was prepared
    /// when it can.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn track_tx(&self, context: &Context<'_>, input: TrackTxInput) -> Result<TrackTxResult> {
        track(context, input).await
    }

    /// Tells which transaction creates the collection.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn track_collection_tx(&self, context: &Context<'_>, input: TrackTxInput) -> Result<TrackTxResult> {
        track(context, input).await
    }

    /// Tells which transaction mints.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn track_mint_tx(&self, context: &Context<'_>, input: TrackTxInput) -> Result<TrackTxResult> {
        track(context, input).await
    }

    /// Withdraws an intent that has no transaction yet.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn cancel_intent(&self, context: &Context<'_>, id: ID) -> Result<TrackTxResult> {
        let viewer = acting(context)?;
        let intent_id = node::key::<IntentId>("TxIntent", &id).map(|id| id.to_string()).unwrap_or_default();
        let asked = rpc::caller::acting(CancelIntentRequest { intent_id }, &viewer.caller());
        let peers = context.data_unchecked::<Peers>();
        tracked(peers.intents.clone().cancel_intent(asked).await.map(|answer| answer.into_inner().intent))
    }
}

async fn track(context: &Context<'_>, input: TrackTxInput) -> Result<TrackTxResult> {
    let viewer = acting(context)?;
    let intent_id =
        node::key::<IntentId>("TxIntent", &input.intent_id).map(|id| id.to_string()).unwrap_or_default();
    let step_id = input.step_id.map(|id| id.to_string()).unwrap_or_default();
    let tx_hash = format!("0x{}", hex::encode(input.tx_hash.0));
    let asked = TrackTxRequest { intent_id, step_id, tx_hash };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let peers = context.data_unchecked::<Peers>();
    tracked(peers.intents.clone().track_tx(asked).await.map(|answer| answer.into_inner().intent))
}

fn tracked(answer: Result<Option<pb::Intent>, tonic::Status>) -> Result<TrackTxResult> {
    match answer {
        Ok(intent) => Ok(TrackTxResult::Intent(Box::new(TxIntent::row(intent.unwrap_or_default())))),
        Err(status) => match problem::expected(&status)? {
            Problem::Validation(problem) => Ok(TrackTxResult::Validation(problem)),
            Problem::NotFound(problem) => Ok(TrackTxResult::NotFound(problem)),
            Problem::Conflict(problem) => Ok(TrackTxResult::Conflict(problem)),
            _ => Err(failed(&status)),
        },
    }
}

/// An intent of the viewer's; nothing where it is not theirs.
pub(crate) async fn load(context: &Context<'_>, viewer: &Viewer, id: IntentId) -> Result<Option<TxIntent>> {
    let asked = rpc::caller::acting(GetIntentRequest { intent_id: id.to_string() }, &viewer.caller());
    match context.data_unchecked::<Peers>().intents.clone().get_intent(asked).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            Ok(answer.intent.map(|row| TxIntent::whole(row, answer.steps)))
        }
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

fn is_terminal(status: Status) -> bool {
    matches!(status, Status::Ready | Status::Failed | Status::Replaced | Status::Cancelled | Status::Expired)
}
