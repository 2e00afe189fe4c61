//! Allowlists: who may mint in a stage, with the Merkle root that the contract knows and the proofs that wallets show.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Union};
use proto::orchestrator::v1::{
    self as pb, GetAllowlistRequest, GetProofRequest, ListAllowlistMembersRequest, ListAllowlistsRequest,
    PutAllowlistRequest, SnapshotAllowlistRequest,
};
use tonic::Status;
use uuid::Uuid;

use super::{
    collection::{self, Collection, ContractRef},
    connection::{Page, connection},
    guard::{self, Requires, auth},
    node,
    prepared::optional_amount,
    problem::{
        self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, TxWillFailProblem,
        ValidationProblem,
    },
    scalar::{Address, BigInt, ChainId, DateTime, Hex, moment_of, ours, text},
    user::{Role, acting},
};
use crate::{cursor::Seal, error::failed, peers::Peers, viewer::Viewer};

/// A list of addresses of yours.
#[derive(Clone)]
pub(crate) struct Allowlist(pub(crate) pb::Allowlist);

#[Object]
impl Allowlist {
    pub(crate) async fn id(&self) -> ID {
        node::id("Allowlist", &self.0.allowlist_id)
    }

    async fn name(&self) -> Option<String> {
        text(&self.0.name)
    }

    /// The Merkle root: pass it as a mint stage's `allowlistRoot`.
    async fn root(&self) -> Hex {
        Hex(self.0.root.clone())
    }

    /// How many addresses there are.
    async fn count(&self) -> u32 {
        self.0.count
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }

    /// The chain of the collection whose holders it was made of; null for a list that was given.
    async fn chain_id(&self) -> Result<Option<ChainId>> {
        self.0.collection.as_ref().map(|contract| ours(&contract.chain_id)).transpose()
    }

    /// The collection whose holders it was made of; null for a list that was given, and with an error while collections cannot
    /// be read.
    #[graphql(complexity = "10 + child_complexity")]
    async fn collection(&self, context: &Context<'_>) -> Option<Result<Collection>> {
        collection::load_at(context, self.0.collection.as_ref()?).await
    }

    /// The block that they were its holders at; null for a list that was given.
    async fn block_number(&self) -> Option<BigInt> {
        self.0.block.as_ref().map(|block| BigInt(amounts::U256::from(block.number)))
    }

    /// The addresses, in order; null with an error while they cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize / 4")]
    async fn members(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<AllowlistMemberConnection>> {
        Some(members(context, &self.0.allowlist_id, first, after).await)
    }
}

connection!(AllowlistConnection, AllowlistEdge, Allowlist, "allowlists");
connection!(AllowlistMemberConnection, AllowlistMemberEdge, Address);

/// What an address shows to the contract to mint in a stage with an allowlist.
#[derive(SimpleObject)]
pub(crate) struct AllowlistProof {
    /// Whether the address is on the list.
    listed: bool,
    /// From the leaf to the root; empty where it is not, and for a list of one.
    proof: Vec<Hex>,
}

/// A new list of addresses.
#[derive(InputObject)]
pub(crate) struct CreateAllowlistInput {
    /// What you call it, at most 100 characters.
    name: Option<String>,
    /// In any order; an address twice is on it once. The same addresses are the same list. How many there may be is bounded by
    /// what a request holds, about 1,400; a larger list can be made of a collection's holders.
    addresses: Vec<Address>,
}

/// A new list of everybody who held tokens of a collection at a block.
#[derive(InputObject)]
pub(crate) struct CreateAllowlistFromHoldersInput {
    /// What you call it, at most 100 characters.
    name: Option<String>,
    collection: ContractRef,
    /// The newest that is settled where absent.
    block_number: Option<BigInt>,
    /// How many tokens a holder has at least, over all of the collection; 1 where absent.
    min_quantity: Option<BigInt>,
}

/// The list, or why there is none.
#[derive(Union)]
pub(crate) enum AllowlistResult {
    Allowlist(Box<Allowlist>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
    TxWillFail(TxWillFailProblem),
}

#[derive(Default)]
pub(crate) struct AllowlistQuery;

#[Object]
impl AllowlistQuery {
    /// A list of yours; null where there is none or it is not yours.
    #[graphql(directive = auth::apply(Role::User))]
    async fn allowlist(&self, context: &Context<'_>, id: ID) -> Option<Result<Allowlist>> {
        if let Some(err) = guard::refused(context, Role::User) {
            return Some(Err(err));
        }
        let viewer = match acting(context) {
            Ok(viewer) => viewer,
            Err(err) => return Some(Err(err)),
        };
        load(context, viewer, node::key("Allowlist", &id)?).await.transpose()
    }

    /// The proof of one address under a root that a stored list has. The contract asks everybody for it, so everybody may ask.
    /// Null where no stored list has the root, and with an error while lists cannot be read.
    async fn allowlist_proof(
        &self,
        context: &Context<'_>,
        root: Hex,
        address: Address,
    ) -> Option<Result<AllowlistProof>> {
        let asked = GetProofRequest { root: root.0, address: address.0.to_lower() };
        match context.data_unchecked::<Peers>().allowlists.clone().get_proof(asked).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let proof = answer.proof.into_iter().map(Hex).collect();
                answer.known.then_some(Ok(AllowlistProof { listed: answer.listed, proof }))
            }
            Err(status) => Some(Err(failed(&status))),
        }
    }
}

#[derive(Default)]
pub(crate) struct AllowlistMutation;

#[Object]
impl AllowlistMutation {
    /// Stores a list of addresses, so that its root and its proofs can be had.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn create_allowlist(
        &self,
        context: &Context<'_>,
        input: CreateAllowlistInput,
    ) -> Result<AllowlistResult> {
        let asked = PutAllowlistRequest {
            name: input.name.unwrap_or_default(),
            addresses: input.addresses.iter().map(|address| address.0.to_lower()).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().allowlists.clone().put_allowlist(asked).await;
        created(answer.map(|answer| answer.into_inner().allowlist))
    }

    /// Stores a list of everybody who held tokens of a collection at a block.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn create_allowlist_from_holders(
        &self,
        context: &Context<'_>,
        input: CreateAllowlistFromHoldersInput,
    ) -> Result<AllowlistResult> {
        let block_number = match input.block_number.map(|number| u64::try_from(number.0)) {
            None => 0,
            Some(Ok(number @ 1..)) => number,
            Some(_) => {
                let problem = ValidationProblem::field("blockNumber", "must be a block of the chain");
                return Ok(AllowlistResult::Validation(problem));
            }
        };
        let asked = SnapshotAllowlistRequest {
            name: input.name.unwrap_or_default(),
            collection: Some(input.collection.to_wire()),
            block_number,
            min_quantity: optional_amount(input.min_quantity),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().allowlists.clone().snapshot_allowlist(asked).await;
        created(answer.map(|answer| answer.into_inner().allowlist))
    }
}

fn created(answer: Result<Option<pb::Allowlist>, Status>) -> Result<AllowlistResult> {
    match answer {
        Ok(list) => Ok(AllowlistResult::Allowlist(Box::new(Allowlist(list.unwrap_or_default())))),
        Err(status) => Ok(match problem::expected(&status)? {
            Problem::Validation(problem) => AllowlistResult::Validation(problem),
            Problem::NotFound(problem) => AllowlistResult::NotFound(problem),
            Problem::Forbidden(problem) => AllowlistResult::Forbidden(problem),
            Problem::Conflict(problem) => AllowlistResult::Conflict(problem),
            Problem::TxWillFail(problem) => AllowlistResult::TxWillFail(problem),
            Problem::Siwe(_) => return Err(failed(&status)),
        }),
    }
}

/// A list of the viewer's; nothing where it is not theirs.
pub(crate) async fn load(context: &Context<'_>, viewer: &Viewer, id: Uuid) -> Result<Option<Allowlist>> {
    let asked = rpc::caller::acting(GetAllowlistRequest { allowlist_id: id.to_string() }, &viewer.caller());
    match context.data_unchecked::<Peers>().allowlists.clone().get_allowlist(asked).await {
        Ok(answer) => Ok(answer.into_inner().allowlist.map(Allowlist)),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

/// The viewer's lists, newest first.
pub(crate) async fn lists(
    context: &Context<'_>,
    viewer: &Viewer,
    first: Option<i32>,
    after: Option<String>,
) -> Result<AllowlistConnection> {
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, AllowlistConnection::KIND, first, after.as_deref())?;
    let asked = ListAllowlistsRequest { page_size: page.size, page_token: page.token.clone() };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let answer = context.data_unchecked::<Peers>().allowlists.clone().list_allowlists(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.allowlists.into_iter().map(Allowlist).collect();
    Ok(AllowlistConnection::new(seal, &page, nodes, &answer.cursors, answer.has_next))
}

/// The addresses of a list of the viewer's, in order: each is its own position.
async fn members(
    context: &Context<'_>,
    allowlist_id: &str,
    first: Option<i32>,
    after: Option<String>,
) -> Result<AllowlistMemberConnection> {
    let seal = context.data_unchecked::<Seal>();
    let kind = format!("allowlist members:{allowlist_id}");
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked = ListAllowlistMembersRequest {
        allowlist_id: allowlist_id.to_owned(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let asked = rpc::caller::acting(asked, &acting(context)?.caller());
    let answer = context.data_unchecked::<Peers>().allowlists.clone().list_allowlist_members(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.addresses.iter().map(|address| ours(address)).collect::<Result<Vec<_>>>()?;
    let has_next = !answer.next_page_token.is_empty();
    Ok(AllowlistMemberConnection::within(seal, &kind, &page, nodes, &answer.addresses, has_next))
}
