//! A nonce for a message to sign, tied to the browser that asked.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use proto::auth::v1::{IssueNonceRequest, IssueNonceResponse, NoncePurpose};
use rpc::{Code, Refusal};
use sha2::{Digest, Sha256};

use super::{Asker, Told};
use crate::{cookies, viewer::Refused};

/// Nonces that one browser can have at once.
const KEPT: usize = 8;

/// `account_id` is CAIP-10, or empty.
pub(crate) async fn ask_nonce(
    asker: &Asker<'_>,
    purpose: NoncePurpose,
    account_id: String,
) -> Told<IssueNonceResponse> {
    let mut asked = IssueNonceRequest {
        client: Some(asker.visitor.to_wire(None)),
        purpose: purpose.into(),
        account_id,
        pre_session: Vec::new(),
    };
    let mut auth = asker.peers.auth.clone();
    if purpose == NoncePurpose::Link {
        // Such a nonce is tied to the user who asks, which no cookie could do better.
        let Some(viewer) = asker.viewer else {
            let message = Refused::Absent.message();
            return Told::refused(Refusal::new(Code::Unauthenticated, "UNAUTHENTICATED", message));
        };
        let result = auth.issue_nonce(rpc::caller::acting(asked, &viewer.caller())).await;
        return Told { result: result.map(tonic::Response::into_inner), cookies: Vec::new() };
    }
    let mut pre_session = None;
    if asker.visitor.takes_cookies() {
        // Each nonce has one of its own: several pages of one browser may be signing in at once.
        let value = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        asked.pre_session = digest(&value);
        pre_session = Some(value);
    }
    let result = auth.issue_nonce(asked).await.map(tonic::Response::into_inner);
    let cookies = match (&result, &pre_session) {
        (Ok(nonce), Some(value)) => tied(asker, nonce, value),
        _ => Vec::new(),
    };
    Told { result, cookies }
}

/// The nonce's cookie, and the oldest ones dropped: whoever asks again and again would else fill the browser's jar.
fn tied(asker: &Asker<'_>, nonce: &IssueNonceResponse, value: &str) -> Vec<HeaderValue> {
    let Some(name) = cookies::pre_session(&nonce.nonce) else { return Vec::new() };
    let kept = cookies::keep(&name, value, nonce.expire_time.as_ref());
    let others = asker.visitor.pre_session_names().filter(|other| *other != name);
    let dropped = others.rev().skip(KEPT - 1).map(cookies::forget);
    kept.into_iter().chain(dropped).collect()
}

/// What services know the cookie by.
pub(super) fn digest(pre_session: &str) -> Vec<u8> {
    Sha256::digest(pre_session.as_bytes()).to_vec()
}
