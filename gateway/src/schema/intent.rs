//! Intents: what a user is about to sign, followed to its end.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription, Union};
use events::intents::IntentUpserted;
use futures::Stream;
use ids::IntentId;
use proto::{
    common::v1 as common,
    orchestrator::v1::{
        self as pb, CancelIntentRequest, GetIntentRequest, IntentStatus as Status, ListIntentsRequest,
        TrackTxRequest,
    },
};

use super::{
    chain::{self, Chain},
    collection::{self, Collection},
    connection::{Page, connection},
    guard::{self, Requires, auth},
    live::{Say, async_stream},
    node,
    problem::{self, ConflictProblem, NotFoundProblem, Problem, ProblemCode, ValidationProblem},
    scalar::{Address, ChainId, DateTime, Hex, moment_of, ours, ours_or_none, text},
    token::{self, Token},
    user::{Role, acting},
};
use crate::{
    cursor::Seal,
    error::{coded, failed},
    live::{Fact, Live, Lost, lost},
    peers::Peers,
    viewer::Viewer,
};

/// What a user is about to sign, followed from PREPARED to its end.
#[derive(Clone)]
pub(crate) struct TxIntent(pub(crate) pb::Intent);

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

/// Why an intent failed.
#[derive(SimpleObject)]
pub(crate) struct IntentProblem {
    code: ProblemCode,
    message: String,
    /// What the contract said, where it said something.
    revert_reason: Option<String>,
}

#[Object]
impl TxIntent {
    pub(crate) async fn id(&self) -> ID {
        node::id("TxIntent", &self.0.intent_id)
    }

    async fn kind(&self) -> IntentKind {
        match self.0.kind() {
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
        match self.0.status() {
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
        ours(&self.0.chain_id)
    }

    /// Null with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match ours(&self.0.chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// Where a new collection will be.
    async fn preview_address(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.preview_address)
    }

    /// The transaction that is followed now.
    async fn tx_hash(&self) -> Result<Option<Hex>> {
        ours_or_none(&self.0.tx_hash)
    }

    /// Blocks on top of it, its own included.
    async fn confirmations(&self) -> Option<u32> {
        (self.0.confirmations > 0).then_some(self.0.confirmations)
    }

    async fn required_confirmations(&self) -> u32 {
        self.0.required_confirmations
    }

    /// Why it failed.
    async fn problem(&self) -> Option<IntentProblem> {
        let message = text(&self.0.error_message).or_else(|| text(&self.0.error_code))?;
        let code = ProblemCode::from_reason(&self.0.error_code).unwrap_or(ProblemCode::TxWillFail);
        Some(IntentProblem { code, revert_reason: text(&self.0.error_message), message })
    }

    /// The collection that it made or minted from, once it is catalogued.
    async fn collection(&self, context: &Context<'_>) -> Option<Result<Collection>> {
        use proto::catalog::v1::get_collection_request::By;
        let contract = self.0.contract.clone()?;
        collection::find(context, By::Contract(contract)).await.transpose()
    }

    /// The tokens that it minted, from MINED on as they are catalogued.
    #[graphql(complexity = "100 + child_complexity")]
    async fn tokens(&self, context: &Context<'_>) -> Option<Result<Vec<Token>>> {
        let mut tokens = Vec::new();
        for place in self.0.tokens.iter().take(100).cloned() {
            match token::find(context, place).await {
                Ok(found) => tokens.extend(found),
                Err(err) => return Some(Err(err)),
            }
        }
        Some(Ok(tokens))
    }

    /// When it expires unsigned.
    async fn deadline_at(&self) -> DateTime {
        moment_of(self.0.deadline.as_ref())
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }

    async fn updated_at(&self) -> DateTime {
        moment_of(self.0.update_time.as_ref())
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
        let nodes = answer.intents.into_iter().map(TxIntent).collect();
        Ok(IntentConnection::new(seal, &page, nodes, &answer.cursors, answer.has_next))
    }
}

#[derive(Default)]
pub(crate) struct IntentMutation;

#[Object]
impl IntentMutation {
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
        Ok(intent) => Ok(TrackTxResult::Intent(Box::new(TxIntent(intent.unwrap_or_default())))),
        Err(status) => match problem::expected(&status)? {
            Problem::Validation(problem) => Ok(TrackTxResult::Validation(problem)),
            Problem::NotFound(problem) => Ok(TrackTxResult::NotFound(problem)),
            Problem::Conflict(problem) => Ok(TrackTxResult::Conflict(problem)),
            _ => Err(failed(&status)),
        },
    }
}

#[derive(Default)]
pub(crate) struct IntentSubscription;

#[Subscription]
impl IntentSubscription {
    /// The intent as it is now, then after every change; ends when the intent has.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn intent_status(
        &self,
        context: &Context<'_>,
        intent_id: ID,
    ) -> Result<impl Stream<Item = Result<TxIntent>> + use<>> {
        let viewer = acting(context)?.clone();
        let not_found = || coded(rpc::Code::NotFound.as_str(), "there is no such intent");
        let id: IntentId = node::key("TxIntent", &intent_id).ok_or_else(not_found)?;
        // Watched before it is read: a change in between is seen by the one or by the other.
        let mut events = context.data_unchecked::<Live>().subscribe();
        let now = load(context, &viewer, id).await?.ok_or_else(not_found)?;
        Ok(async_stream(async move |mut say: Say<TxIntent>| {
            let mut revision = now.0.revision;
            let mut is_over = is_terminal(now.0.status());
            say.send(Ok(now)).await;
            while !is_over {
                match events.next().await {
                    Err(Lost) => return say.send(Err(lost())).await,
                    Ok(event) => {
                        if let Fact::Intent(fact) = &event.fact {
                            let is_news = fact.intent_id == id
                                && fact.created_by == viewer.user_id
                                && fact.revision as u64 > revision;
                            if is_news {
                                let intent = of_fact(fact);
                                revision = intent.revision;
                                is_over = is_terminal(intent.status());
                                say.send(Ok(TxIntent(intent))).await;
                            }
                        }
                    }
                }
            }
        }))
    }
}

/// An intent of the viewer's; nothing where it is not theirs.
pub(crate) async fn load(context: &Context<'_>, viewer: &Viewer, id: IntentId) -> Result<Option<TxIntent>> {
    let asked = rpc::caller::acting(GetIntentRequest { intent_id: id.to_string() }, &viewer.caller());
    match context.data_unchecked::<Peers>().intents.clone().get_intent(asked).await {
        Ok(answer) => Ok(answer.into_inner().intent.map(TxIntent)),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

fn is_terminal(status: Status) -> bool {
    matches!(status, Status::Ready | Status::Failed | Status::Replaced | Status::Cancelled | Status::Expired)
}

/// The intent as its event shows it.
fn of_fact(fact: &IntentUpserted) -> pb::Intent {
    let at = |at: chrono::DateTime<chrono::Utc>| Some(super::scalar::to_timestamp(DateTime(at)));
    let chain_id = fact.chain_id.to_string();
    let contract = fact
        .contract
        .map(|contract| common::ContractRef { chain_id: chain_id.clone(), address: contract.to_lower() });
    let tokens = fact.contract.iter().flat_map(|contract| {
        fact.token_ids.iter().map(|token_id| common::TokenRef {
            chain_id: chain_id.clone(),
            address: contract.to_lower(),
            token_id: token_id.to_string(),
        })
    });
    pb::Intent {
        intent_id: fact.intent_id.to_string(),
        kind: pb::IntentKind::from_str_name(&format!("INTENT_KIND_{}", fact.kind)).unwrap_or_default().into(),
        status: Status::from_str_name(&format!("INTENT_STATUS_{}", fact.status)).unwrap_or_default().into(),
        preview_address: String::new(),
        tx_hash: fact.tx_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        created_by: fact.created_by.to_string(),
        error_code: fact.error_code.clone().unwrap_or_default(),
        error_message: fact.error_message.clone().unwrap_or_default(),
        deadline: at(fact.deadline_at),
        create_time: at(fact.created_at),
        update_time: at(fact.updated_at),
        tokens: tokens.collect(),
        contract,
        revision: fact.revision as u64,
        confirmations: fact.confirmations.unwrap_or_default(),
        required_confirmations: fact.required_confirmations,
        chain_id,
    }
}
