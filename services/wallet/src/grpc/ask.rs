//! Requests, parsed: after this an account is an account.

use ids::{AccountId, Address, ChainId, UserId, WalletId};
use proto::wallet::v1 as pb;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    error::Error,
    link_wallet::ProvenAsk,
    list_approvals::PAGE_MAX,
    model::{self, Client, Kind, LinkAsk},
    page::Position,
    peers::Signed,
};

/// How many ids one call may name.
const BATCH_MAX: usize = 100;
const MESSAGE_MAX_BYTES: usize = 8 * 1024;
const SIGNATURE_MAX_BYTES: usize = 16 * 1024;
const USER_AGENT_MAX_CHARS: usize = 512;

/// The user on whose behalf the gateway calls.
pub(super) fn caller<T>(request: &Request<T>) -> Result<UserId, Status> {
    let caller = rpc::caller::of(request)?;
    Ok(caller.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?)
}

/// An id that nobody can have is one that the caller does not have.
pub(super) fn wallet_id(text: &str) -> Result<WalletId, Error> {
    text.parse().map_err(|err| Error::field("wallet_id", err))
}

/// What auth asks for at a sign-in.
pub(super) fn login_link(request: pb::UpsertLinkRequest) -> Result<LinkAsk, Error> {
    Ok(LinkAsk::of_login(
        request.user_id.parse().map_err(|err| Error::field("user_id", err))?,
        request.account_id.parse().map_err(|err| Error::field("account_id", err))?,
        request.r#type.parse().map_err(|err| Error::field("type", err))?,
        model::connector(request.connector).map_err(|why| Error::field("connector", why))?,
    ))
}

/// What a user asks for with a signature.
pub(super) fn proven(user_id: UserId, request: pb::LinkWalletRequest) -> Result<ProvenAsk, Error> {
    if request.message.is_empty() || request.message.len() > MESSAGE_MAX_BYTES {
        return Err(Error::field("message", "must be 1 to 8192 bytes"));
    }
    if request.signature.is_empty() || request.signature.len() > SIGNATURE_MAX_BYTES {
        return Err(Error::field("signature", "must be 1 to 16384 bytes"));
    }
    let ip_address = match request.ip_address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|err| Error::field("ip_address", err))?),
    };
    let user_agent: String =
        request.user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX_CHARS).collect();
    Ok(ProvenAsk {
        user_id,
        signed: Signed { message: request.message, signature: request.signature },
        label: model::label(request.label).map_err(|why| Error::field("label", why))?,
        connector: model::connector(request.connector).map_err(|why| Error::field("connector", why))?,
        make_primary: request.make_primary,
        client: Client { ip_address, user_agent: (!user_agent.is_empty()).then_some(user_agent) },
    })
}

/// Users whose wallets are wanted.
pub(super) fn user_ids(asked: &[String]) -> Result<Vec<Uuid>, Error> {
    bounded("user_ids", asked)?;
    let parsed = asked.iter().map(|id| id.parse::<UserId>().map(|id| id.0));
    parsed.collect::<Result<_, _>>().map_err(|err| Error::field("user_ids", err))
}

/// Each account as it was asked for, and the identities under which somebody may own it. Who holds the key of an
/// address is never a contract at it, so where both are wanted the key's comes first.
pub(super) fn identities(request: pb::ResolveAccountsRequest) -> Result<Vec<(String, Vec<String>)>, Error> {
    bounded("account_ids", &request.account_ids)?;
    let kinds = match request.account_type.as_str() {
        "" => vec![Kind::Eoa, Kind::Contract],
        text => vec![text.parse().map_err(|err| Error::field("account_type", err))?],
    };
    let parse = |text: String| {
        let account: AccountId = text.parse().map_err(|err| Error::field("account_ids", err))?;
        Ok((text, kinds.iter().map(|kind| kind.identity(&account)).collect()))
    };
    request.account_ids.into_iter().map(parse).collect()
}

/// A page of approvals that is wanted.
pub(super) struct ApprovalsAsk {
    pub(super) of: Address,
    pub(super) chain_id: ChainId,
    pub(super) after: Position,
    pub(super) size: usize,
}

pub(super) fn approvals(
    path: &'static str,
    of: &str,
    chain_id: &str,
    size: i32,
    token: &str,
) -> Result<ApprovalsAsk, Error> {
    Ok(ApprovalsAsk {
        of: of.parse().map_err(|err| Error::field(path, err))?,
        chain_id: chain_id.parse().map_err(|err| Error::field("chain_id", err))?,
        after: token.parse()?,
        size: page_size(size)?,
    })
}

pub(super) fn page_size(size: i32) -> Result<usize, Error> {
    let size = usize::try_from(size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    size.ok_or_else(|| Error::field("page_size", "must be 1 to 100"))
}

fn bounded(path: &'static str, values: &[String]) -> Result<(), Error> {
    if values.len() > BATCH_MAX { Err(Error::field(path, "must be at most 100")) } else { Ok(()) }
}
