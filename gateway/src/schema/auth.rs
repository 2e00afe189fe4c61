//! Sign-in with Ethereum, and the ends of sessions.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject, Union};
use http::header::SET_COOKIE;
use ids::SessionId;
use proto::auth::v1::{self as pb, RevokeSessionsRequest};
use rpc::Code;
use tonic::Status;

use super::{
    Visitor,
    guard::{Requires, auth},
    node,
    problem::{self, ForbiddenProblem, Problem, SiweProblem},
    scalar::{AccountId, ChainId, DateTime, Hex, Uri, moment_of, ours, text},
    session::{Session, shown},
    user::{self, Role, User, acting},
};
use crate::{
    error::{coded, failed},
    peers::Peers,
    seat::Seat,
    session::{
        self, Asker, Opened, Told, ask_nonce::ask_nonce, begin, begin::begin, end::end, refresh::refresh,
    },
    viewer::{Departing, Refused, Viewer, Viewers},
};

/// What a message to sign has to say.
#[derive(SimpleObject)]
pub(crate) struct SiweNonce {
    /// Good for one signature.
    nonce: String,
    /// Until when.
    expires_at: DateTime,
    /// The domain that the message must name.
    domain: String,
    /// The URI that the message must name.
    uri: Uri,
    /// The statement that the message should carry.
    statement: String,
    /// The chains that can be signed in on.
    chain_ids: Vec<ChainId>,
    /// The whole message, ready to be signed; null where no account was named.
    message: Option<String>,
}

/// What a nonce is for.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoncePurpose {
    /// A sign-in.
    SignIn,
    /// Proof of a further account of yours, for `linkWallet`.
    Link,
}

/// A session with fresh tokens.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct AuthSession {
    session: Session,
    #[graphql(skip)]
    user_id: String,
    /// For the `Authorization` header: `Bearer …`.
    access_token: String,
    access_token_expires_at: DateTime,
    /// Null where it was delivered as a cookie.
    refresh_token: Option<String>,
}

#[ComplexObject]
impl AuthSession {
    /// Who signed in; null with an error while users cannot be read, which takes nothing from the session.
    async fn user(&self, context: &Context<'_>) -> Option<Result<User>> {
        match ours(&self.user_id) {
            Ok(id) => user::load(context, id).await,
            Err(err) => Some(Err(err)),
        }
    }
}

/// How tokens reach the client.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenDelivery {
    /// As `HttpOnly` cookies, for pages.
    Cookie,
    /// In the answer, for everything else.
    Bearer,
}

#[derive(InputObject)]
pub(crate) struct VerifySiweInput {
    /// The EIP-4361 message, as it was signed.
    message: String,
    signature: Hex,
    #[graphql(default_with = "TokenDelivery::Cookie")]
    delivery: TokenDelivery,
    /// A UUID that the device keeps.
    device_id: Option<String>,
}

/// A session, or why there is none.
#[derive(Union)]
pub(crate) enum VerifySiweResult {
    Session(Box<AuthSession>),
    Siwe(SiweProblem),
    Forbidden(ForbiddenProblem),
}

/// A session with its next tokens, or why there are none.
#[derive(Union)]
pub(crate) enum RefreshSessionResult {
    Session(Box<AuthSession>),
    Siwe(SiweProblem),
}

#[derive(Default)]
pub(crate) struct AuthMutation;

#[Object]
impl AuthMutation {
    /// A nonce for a message to sign. Needs no account: popular clients ask before they know one. Where one is named,
    /// the answer holds the whole message.
    async fn issue_siwe_nonce(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "NoncePurpose::SignIn")] purpose: NoncePurpose,
        account: Option<AccountId>,
    ) -> Result<SiweNonce> {
        let purpose = match purpose {
            NoncePurpose::SignIn => pb::NoncePurpose::SignIn,
            NoncePurpose::Link => pb::NoncePurpose::Link,
        };
        let account = account.map(|account| account.0.to_lower()).unwrap_or_default();
        let nonce = told(context, ask_nonce(&asker(context), purpose, account).await);
        let nonce = nonce.map_err(|status| failed(&status))?;
        Ok(SiweNonce {
            expires_at: moment_of(nonce.expire_time.as_ref()),
            nonce: nonce.nonce,
            domain: nonce.domain,
            uri: Uri(nonce.uri),
            statement: nonce.statement,
            chain_ids: nonce.chain_ids.iter().map(|chain| ours(chain)).collect::<Result<_>>()?,
            message: text(&nonce.message),
        })
    }

    /// Signs in with a signed message.
    async fn verify_siwe(&self, context: &Context<'_>, input: VerifySiweInput) -> Result<VerifySiweResult> {
        let proof = begin::Proof {
            message: input.message,
            signature: input.signature.0,
            as_cookies: input.delivery == TokenDelivery::Cookie,
            device_id: input.device_id,
        };
        match told(context, begin(&asker(context), proof).await) {
            Ok(opened) => Ok(VerifySiweResult::Session(Box::new(opened_session(opened)?))),
            Err(status) => match problem::expected(&status)? {
                Problem::Forbidden(problem) => Ok(VerifySiweResult::Forbidden(problem)),
                // A field that is wrong says nothing about the message: the request is not what it should be.
                Problem::Validation(_) if !problem::is_of_siwe(&status) => Err(failed(&status)),
                _ => problem::siwe(&status).map(VerifySiweResult::Siwe),
            },
        }
    }

    /// The next tokens of a session, for its refresh token: the one that is given, else the one in the cookie. A token
    /// is good once; one that was used before ends the session.
    async fn refresh_session(
        &self,
        context: &Context<'_>,
        refresh_token: Option<String>,
        #[graphql(desc = "The UUID that the device keeps, as at sign-in.")] device_id: Option<String>,
    ) -> Result<RefreshSessionResult> {
        match told(context, refresh(&asker(context), refresh_token, device_id).await) {
            Ok(opened) => Ok(RefreshSessionResult::Session(Box::new(opened_session(opened)?))),
            Err(status) => problem::siwe(&status).map(RefreshSessionResult::Siwe),
        }
    }

    /// Ends the session, also where only its refresh token is left: the one that is given, else the one in the cookie.
    /// Fine when there is none; an `Authorization` header that proves nothing is an error.
    async fn sign_out(&self, context: &Context<'_>, refresh_token: Option<String>) -> Result<bool> {
        told(context, end(&asker(context), refresh_token).await).map_err(|status| failed(&status))?;
        Ok(true)
    }

    /// Ends all of your sessions, this one too; tells how many those were.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn sign_out_everywhere(&self, context: &Context<'_>) -> Result<i32> {
        let viewer = acting(context)?;
        let asked = RevokeSessionsRequest {
            all_but_given: true,
            reason: "signed_out".to_owned(),
            ..Default::default()
        };
        let revoked = revoke(context, viewer, asked).await?;
        context.data_unchecked::<Viewers>().ended(viewer.session_id);
        forget_cookies(context);
        Ok(revoked)
    }

    /// Ends one of your sessions; false where there is none of that id that is yours.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn revoke_session(&self, context: &Context<'_>, id: ID) -> Result<bool> {
        let viewer = acting(context)?;
        let Some(session_id) = node::key::<SessionId>("Session", &id) else { return Ok(false) };
        let asked = RevokeSessionsRequest {
            session_ids: vec![session_id.to_string()],
            reason: "revoked".to_owned(),
            ..Default::default()
        };
        let is_revoked = revoke(context, viewer, asked).await? > 0;
        if is_revoked {
            context.data_unchecked::<Viewers>().ended(session_id);
        }
        if is_revoked && session_id == viewer.session_id {
            forget_cookies(context);
        }
        Ok(is_revoked)
    }

    /// Ends all of your sessions but this one; tells how many those were.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn revoke_other_sessions(&self, context: &Context<'_>) -> Result<i32> {
        let viewer = acting(context)?;
        let asked = RevokeSessionsRequest {
            session_ids: vec![viewer.session_id.to_string()],
            all_but_given: true,
            reason: "revoked".to_owned(),
            ..Default::default()
        };
        revoke(context, viewer, asked).await
    }

    /// Lets this WebSocket live on with a newer access token of the same user: call it before the old one expires.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn renew_socket(&self, context: &Context<'_>, access_token: String) -> Result<bool> {
        let Some(seat) = context.data_opt::<Seat>() else {
            return Err(coded(Code::BadInput.as_str(), "renewSocket is for an open WebSocket"));
        };
        seat.renew(&access_token).await?;
        Ok(true)
    }
}

/// Who asks, in the words that both doors share.
fn asker<'a>(context: &'a Context<'_>) -> Asker<'a> {
    Asker {
        peers: context.data_unchecked::<Peers>(),
        viewers: context.data_unchecked::<Viewers>(),
        visitor: context.data_unchecked::<Visitor>(),
        viewer: context.data_opt::<Viewer>(),
        departing: context.data_opt::<Departing>().map(|departing| &departing.0),
        refused: context.data_opt::<Refused>().copied(),
    }
}

/// Hands the cookies on, whatever came of it.
fn told<T>(context: &Context<'_>, told: Told<T>) -> Result<T, Status> {
    for cookie in told.cookies {
        context.append_http_header(SET_COOKIE, cookie);
    }
    told.result
}

fn forget_cookies(context: &Context<'_>) {
    for cookie in session::forgotten(context.data_unchecked::<Visitor>()) {
        context.append_http_header(SET_COOKIE, cookie);
    }
}

async fn revoke(context: &Context<'_>, viewer: &Viewer, asked: RevokeSessionsRequest) -> Result<i32> {
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let answer = context.data_unchecked::<Peers>().auth.clone().revoke_sessions(asked).await;
    Ok(answer.map_err(|status| failed(&status))?.into_inner().revoked)
}

fn opened_session(opened: Opened) -> Result<AuthSession> {
    Ok(AuthSession {
        session: shown(&opened.session, None)?,
        access_token_expires_at: moment_of(opened.tokens.access_expire_time.as_ref()),
        refresh_token: opened.refresh_token().map(str::to_owned),
        access_token: opened.tokens.access_token,
        user_id: opened.session.user_id,
    })
}
