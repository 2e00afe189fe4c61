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
    let pre_session = asker.visitor.pre_session();
    let asked = VerifySiweRequest {
        message,
        signature,
        client: Some(asker.visitor.to_wire(device_id)),
        pre_session: pre_session.map(|value| digest(value.expose())).unwrap_or_default(),
        as_cookies,
    };
    match asker.peers.auth.clone().verify_siwe(asked).await {
        Err(status) => Told { result: Err(status), cookies: Vec::new() },
        Ok(answer) => {
            let answer = answer.into_inner();
            let opened = Opened::new(answer.session, answer.tokens, as_cookies);
            let mut set = opened.cookies();
            // What tied the nonce to this browser has done its work: nothing of before the session lives on in it.
            set.extend(pre_session.map(|_| cookies::forget(cookies::PRE_SESSION)));
            Told { result: Ok(opened), cookies: set }
        }
    }
}
