//! What is done with sessions, the same for both doors: GraphQL's resolvers and the plain HTTP twins only read what
//! was asked and write what came of it.

pub(crate) mod ask_nonce;
pub(crate) mod begin;
pub(crate) mod current;
pub(crate) mod end;
pub(crate) mod refresh;

use http::HeaderValue;
use proto::auth::v1::{Session, TokenPair};
use tonic::Status;

use crate::{
    cookies,
    peers::Peers,
    viewer::{Refused, Viewer, Viewers},
    visitor::Visitor,
};

/// Who asks, and by what means they can be helped.
pub(crate) struct Asker<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) viewers: &'a Viewers,
    pub(crate) visitor: &'a Visitor,
    pub(crate) viewer: Option<&'a Viewer>,
    /// Known by a token that has expired: good for ending the session only.
    pub(crate) departing: Option<&'a Viewer>,
    /// Why the token that was shown makes no viewer.
    pub(crate) refused: Option<Refused>,
}

/// What came of it, and what becomes of the browser's cookies: a refusal can drop some as well.
pub(crate) struct Told<T> {
    pub(crate) result: Result<T, Status>,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl<T> Told<T> {
    fn refused(refusal: rpc::Refusal) -> Told<T> {
        Told { result: Err(refusal.into()), cookies: Vec::new() }
    }
}

/// A session with fresh tokens.
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) tokens: TokenPair,
    /// Whether the tokens went into cookies; the refresh token is then shown nowhere else.
    pub(crate) is_in_cookies: bool,
}

impl Opened {
    fn new(session: Option<Session>, tokens: Option<TokenPair>, is_in_cookies: bool) -> Opened {
        Opened { session: session.unwrap_or_default(), tokens: tokens.unwrap_or_default(), is_in_cookies }
    }

    /// The refresh token, where it is the client's to keep.
    pub(crate) fn refresh_token(&self) -> Option<&str> {
        (!self.is_in_cookies).then_some(self.tokens.refresh_token.as_str())
    }

    fn cookies(&self) -> Vec<HeaderValue> {
        if !self.is_in_cookies {
            return Vec::new();
        }
        let TokenPair { access_token, access_expire_time, refresh_token, refresh_expire_time } = &self.tokens;
        let access = cookies::keep(cookies::SESSION, access_token, access_expire_time.as_ref());
        let refresh = cookies::keep(cookies::REFRESH, refresh_token, refresh_expire_time.as_ref());
        [access, refresh].into_iter().flatten().collect()
    }
}

/// Makes the browser forget its session.
pub(crate) fn forgotten(visitor: &Visitor) -> Vec<HeaderValue> {
    match visitor.takes_cookies() {
        true => vec![cookies::forget(cookies::SESSION), cookies::forget(cookies::REFRESH)],
        false => Vec::new(),
    }
}
