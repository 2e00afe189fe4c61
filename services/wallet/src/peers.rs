//! The service that wallet asks: auth, which alone issues nonces, burns them and checks signatures.

use std::time::Duration;

use ids::{AccountId, UserId};
use proto::auth::v1::{ClientInfo, VerifyOwnershipRequest, auth_service_client::AuthServiceClient};
use rpc::{Channel, Code, Problem};
use tonic::Status;

use crate::{
    config::PeerUrls,
    error::Error,
    model::{Client, Kind},
};

/// A contract's signature is checked on its chain, which takes auth a few seconds at most.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// The clients.
#[derive(Clone)]
pub(crate) struct Peers {
    auth: AuthServiceClient<Channel>,
}

/// What somebody signed to show that an account is theirs.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
}

/// An account that was proven.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    pub(crate) account: AccountId,
    pub(crate) kind: Kind,
    pub(crate) method: String,
}

impl Peers {
    pub(crate) fn of(urls: &PeerUrls, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        Ok(Peers { auth: AuthServiceClient::new(rpc::channel("auth", &urls.auth, identity)?) })
    }

    /// Which account the signature is of. The nonce must have been issued to this user for a link, and is burned.
    pub(crate) async fn verify_ownership(
        &self,
        user_id: UserId,
        signed: Signed,
        client: &Client,
    ) -> Result<Proven, Error> {
        let request = VerifyOwnershipRequest {
            message: signed.message,
            signature: signed.signature,
            user_id: user_id.to_string(),
            client: Some(ClientInfo {
                ip_address: client.ip_address.map(|ip| ip.to_string()).unwrap_or_default(),
                user_agent: client.user_agent.clone().unwrap_or_default(),
                device_id: String::new(),
            }),
        };
        let mut auth = self.auth.clone();
        let answer = match tokio::time::timeout(ANSWERS_WITHIN, auth.verify_ownership(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Err(passed_on(&status)),
            Err(_) => {
                tracing::warn!(peer = "auth", "a peer did not answer in time");
                return Err(Error::Unavailable("auth"));
            }
        };
        let proven = answer.account_id.parse().ok().zip(answer.account_type.parse().ok());
        let Some((account, kind)) = proven else {
            tracing::error!(peer = "auth", "a peer's answer cannot be read");
            return Err(Error::Unavailable("auth"));
        };
        Ok(Proven { account, kind, method: answer.method })
    }
}

/// What auth refuses, the caller hears in auth's words; what went wrong between the services is nobody's business.
fn passed_on(status: &Status) -> Error {
    match Problem::from(status).code {
        Code::BadInput | Code::Forbidden | Code::NotFound | Code::Conflict | Code::RateLimited => {
            let details = status.details().to_vec().into();
            Error::Refused(Box::new(Status::with_details(status.code(), status.message(), details)))
        }
        Code::Unauthenticated | Code::Unavailable | Code::DeadlineExceeded | Code::Internal => {
            tracing::warn!(peer = "auth", code = ?status.code(), error = status.message(), "a peer did not do what was asked");
            Error::Unavailable("auth")
        }
    }
}

#[cfg(test)]
mod tests {
    use rpc::Refusal;

    use super::*;

    #[test]
    fn a_refusal_keeps_its_reason_and_a_failure_does_not() {
        let heard = |refusal: Refusal| Problem::from(&Status::from(passed_on(&refusal.into())));
        let refused = heard(Refusal::new(Code::BadInput, "NONCE_USED", "the nonce was used already"));
        assert_eq!((refused.code, refused.reason.as_str()), (Code::BadInput, "NONCE_USED"));
        let limited = Refusal::new(Code::RateLimited, "RATE_LIMITED", "slowly");
        let limited = heard(limited.retry_after(Duration::from_secs(9)));
        assert_eq!(limited.retry_after, Some(Duration::from_secs(9)));
        for code in [Code::Internal, Code::DeadlineExceeded, Code::Unavailable, Code::Unauthenticated] {
            let failed = heard(Refusal::new(code, "SECRET", "the inside of auth"));
            assert_eq!((failed.code, failed.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
            assert!(!failed.message.contains("inside"));
        }
    }
}
