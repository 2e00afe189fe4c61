//! The next pair of tokens for a refresh token, which comes in the request or in a cookie.

use proto::auth::v1::RefreshSessionRequest;
use rpc::{Code, Problem, Refusal};
use tonic::Status;

use super::{Asker, Opened, Told, forgotten};

/// Ours have 43 characters.
const LONGEST: usize = 512;

/// A token that is given goes before the cookie; the tokens come back the way the old one came.
pub(crate) async fn refresh(
    asker: &Asker<'_>,
    given: Option<String>,
    device_id: Option<String>,
) -> Told<Opened> {
    let is_in_cookies = given.is_none();
    let token = given.or_else(|| asker.visitor.refresh_cookie().map(|token| token.expose().to_owned()));
    let Some(refresh_token) = token.filter(|token| is_possible(token)) else {
        return Told::refused(Refusal::new(Code::Unauthenticated, "REFRESH_EXPIRED", "sign in again"));
    };
    let asked = RefreshSessionRequest { refresh_token, client: Some(asker.visitor.to_wire(device_id)) };
    match asker.peers.auth.clone().refresh_session(asked).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            let opened = Opened::new(answer.session, answer.tokens, is_in_cookies);
            let cookies = opened.cookies();
            Told { result: Ok(opened), cookies }
        }
        // A cookie that is dead is dropped; one that auth could not look at just now is kept for the next try.
        Err(status) if is_in_cookies && is_dead(&status) => {
            Told { result: Err(status), cookies: forgotten(asker.visitor) }
        }
        Err(status) => Told { result: Err(status), cookies: Vec::new() },
    }
}

/// Whether it is worth a question at all.
pub(super) fn is_possible(token: &str) -> bool {
    (1..=LONGEST).contains(&token.len())
}

/// Whether this token will never be good again.
pub(super) fn is_dead(status: &Status) -> bool {
    matches!(Problem::from(status).code, Code::Unauthenticated | Code::Forbidden)
}
