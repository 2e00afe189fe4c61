//! Sign-in with a signed message.

use proto::auth::v1::VerifySiweRequest;
use rpc::Refusal;

use super::{Asker, Opened, Told, ask_nonce::digest};
use crate::cookies;

/// What is shown, and how the tokens shall come back.
pub(crate) struct Proof {
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) as_cookies: bool,
    pub(crate) device_id: Option<String>,
}

pub(crate) async fn begin(asker: &Asker<'_>, proof: Proof) -> Told<Opened> {
    let Proof { message, signature, as_cookies, device_id } = proof;
    if as_cookies && !asker.visitor.takes_cookies() {
        let why = match asker.visitor.is_socket() {
            true => "a WebSocket cannot set cookies: ask for BEARER, or sign in by HTTP",
            false => "a request with an Authorization header gets no cookies: ask for BEARER",
        };
        return Told::refused(Refusal::field("delivery", "COOKIES_IMPOSSIBLE", why));
    }
    let pre_session = nonce(&message).and_then(|nonce| asker.visitor.pre_session(nonce));
    let asked = VerifySiweRequest {
        message,
        signature,
        client: Some(asker.visitor.to_wire(device_id)),
        pre_session: pre_session.map(|(_, value)| digest(value.expose())).unwrap_or_default(),
        as_cookies,
    };
    match asker.peers.auth.clone().verify_siwe(asked).await {
        Err(status) => Told { result: Err(status), cookies: Vec::new() },
        Ok(answer) => {
            let answer = answer.into_inner();
            let opened = Opened::new(answer.session, answer.tokens, as_cookies);
            let mut set = opened.cookies();
            // What tied the nonce to this browser has done its work. Another page's nonce stays what it is, and a client
            // that keeps tokens leaves the browser's jar alone.
            set.extend(pre_session.filter(|_| as_cookies).map(|(name, _)| cookies::forget(name)));
            Told { result: Ok(opened), cookies: set }
        }
    }
}

/// The nonce that an EIP-4361 message names. The last such line: before it comes a statement in anybody's words, after it
/// nothing that could begin so.
fn nonce(message: &str) -> Option<&str> {
    message.lines().rev().find_map(|line| line.strip_prefix("Nonce: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_is_the_fields_and_not_the_statements() {
        let message = "x wants you to sign in:\n\nNonce: fake\n\nURI: y\nNonce: real\nIssued At: z";
        assert_eq!(nonce(message), Some("real"));
        assert_eq!(nonce("no nonce at all"), None);
    }
}
