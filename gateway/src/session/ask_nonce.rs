//! A nonce for a message to sign, tied to the browser that asked.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::auth::v1::{IssueNonceRequest, IssueNonceResponse, NoncePurpose};
use rpc::{Code, Refusal};
use sha2::{Digest, Sha256};

use super::{Asker, Told};
use crate::{cookies, viewer::Refused};

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
        // One that is there is used again: several pages of one browser may be signing in at once.
        let known = asker.visitor.pre_session().map(|known| known.expose().to_owned());
        let value = known.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        asked.pre_session = digest(&value);
        pre_session = Some(value);
    }
    let result = auth.issue_nonce(asked).await.map(tonic::Response::into_inner);
    let kept = match (&result, &pre_session) {
        (Ok(nonce), Some(value)) => cookies::keep(cookies::PRE_SESSION, value, nonce.expire_time.as_ref()),
        _ => None,
    };
    Told { result, cookies: kept.into_iter().collect() }
}

/// What services know the cookie by.
pub(super) fn digest(pre_session: &str) -> Vec<u8> {
    Sha256::digest(pre_session.as_bytes()).to_vec()
}
