//! The services that auth asks: user, wallet, chain-registry, and through the last one the chains. Each question has a
//! deadline.

use std::time::Duration;

use ids::{AccountId, UserId, WalletId};
use proto::{
    user::v1::{EnsureUserRequest, user_service_client::UserServiceClient},
    wallet::v1::{ResolveAccountsRequest, UpsertLinkRequest, wallet_service_client::WalletServiceClient},
};
use rpc::{Channel, Code, Problem};
use sqlx::PgPool;
use tonic::Status;

use crate::{
    chains::Chains,
    config::PeerUrls,
    contract::Contracts,
    error::Error,
    limit::Limits,
    model::{Kind, Standing},
};

const ANSWERS_WITHIN: Duration = Duration::from_millis(1500);

/// The clients.
#[derive(Clone)]
pub(crate) struct Peers {
    user: UserServiceClient<Channel>,
    wallet: WalletServiceClient<Channel>,
    pub(crate) chains: Chains,
    pub(crate) contracts: Contracts,
}

/// A user as user told.
#[derive(Debug, Clone)]
pub(crate) struct Ensured {
    pub(crate) user_id: UserId,
    pub(crate) standing: Standing,
    pub(crate) is_new: bool,
}

impl Peers {
    /// `told` is what the registry tells of the chains; `db` keeps which are enabled.
    pub(crate) fn of(
        urls: &PeerUrls,
        identity: &rpc::Identity,
        limits: Limits,
        told: ::chains::Chains,
        db: PgPool,
    ) -> anyhow::Result<Peers> {
        Ok(Peers {
            user: UserServiceClient::new(rpc::channel("user", &urls.user, identity)?),
            wallet: WalletServiceClient::new(rpc::channel("wallet", &urls.wallet, identity)?),
            chains: Chains::new(told.clone(), db),
            contracts: Contracts::new(told, limits),
        })
    }

    /// Whose the account is, if somebody's: wallet is the authority.
    pub(crate) async fn owner(&self, account: &AccountId, kind: Kind) -> Result<Option<UserId>, Error> {
        let asked = account.to_lower();
        let request = ResolveAccountsRequest {
            account_ids: vec![asked.clone()],
            account_type: kind.as_str().to_owned(),
        };
        let mut wallet = self.wallet.clone();
        let answer = within("wallet", wallet.resolve_accounts(request)).await?;
        match answer.into_inner().user_id_by_account.get(&asked) {
            Some(user_id) => Ok(Some(user_id.parse().map_err(|_| strange("wallet"))?)),
            None => Ok(None),
        }
    }

    /// The user of an account that nobody has linked, made if need be.
    pub(crate) async fn ensure_user(&self, account: &AccountId, kind: Kind) -> Result<Ensured, Error> {
        let mut user = self.user.clone();
        let request =
            EnsureUserRequest { account_id: account.to_lower(), account_type: kind.as_str().to_owned() };
        let answer = within("user", user.ensure_user(request)).await?.into_inner();
        let user = answer.user.ok_or_else(|| strange("user"))?;
        let user_id = user.user_id.parse().map_err(|_| strange("user"))?;
        let standing = Standing { status: user.status, roles: user.roles };
        Ok(Ensured { user_id, standing, is_new: answer.created })
    }

    /// Links the account; the answer says whose it is, which may be somebody else. None where wallet is away.
    pub(crate) async fn link(
        &self,
        user_id: UserId,
        account: &AccountId,
        kind: Kind,
    ) -> Result<Option<(UserId, WalletId)>, Error> {
        let mut wallet = self.wallet.clone();
        let request = UpsertLinkRequest {
            user_id: user_id.to_string(),
            account_id: account.to_lower(),
            r#type: kind.as_str().to_owned(),
            connector: String::new(),
        };
        let answer = match asked("wallet", wallet.upsert_link(request)).await {
            Ok(answer) => answer.into_inner(),
            Err(Unanswered::Away) => return Ok(None),
            Err(Unanswered::Refused) => return Err(Error::Unavailable("wallet")),
        };
        let link = answer.wallet.ok_or_else(|| strange("wallet"))?;
        let parsed = link.user_id.parse().ok().zip(link.wallet_id.parse().ok());
        parsed.ok_or_else(|| strange("wallet")).map(Some)
    }
}

/// Why a peer did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// It did not answer; the same may work in a moment.
    Away,
    /// It answered something else.
    Refused,
}

async fn within<T>(peer: &'static str, call: impl Future<Output = Result<T, Status>>) -> Result<T, Error> {
    asked(peer, call).await.map_err(|_| Error::Unavailable(peer))
}

async fn asked<T>(
    peer: &'static str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Unanswered> {
    match tokio::time::timeout(ANSWERS_WITHIN, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => {
            tracing::warn!(peer, code = ?status.code(), error = status.message(), "a peer did not do what was asked");
            let is_away = matches!(Problem::from(&status).code, Code::Unavailable | Code::DeadlineExceeded);
            Err(if is_away { Unanswered::Away } else { Unanswered::Refused })
        }
        Err(_) => {
            tracing::warn!(peer, "a peer did not answer in time");
            Err(Unanswered::Away)
        }
    }
}

fn strange(peer: &'static str) -> Error {
    tracing::error!(peer, "a peer's answer cannot be read");
    Error::Unavailable(peer)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use rpc::Refusal;

    use super::*;

    #[tokio::test]
    async fn only_a_peer_that_is_away_counts_as_away() {
        for (code, expected) in [
            (Code::Unavailable, Unanswered::Away),
            (Code::DeadlineExceeded, Unanswered::Away),
            (Code::Conflict, Unanswered::Refused),
            (Code::Forbidden, Unanswered::Refused),
            (Code::Internal, Unanswered::Refused),
        ] {
            let status: Status = Refusal::new(code, "CONFLICT", "no").into();
            assert_eq!(asked("wallet", ready(Err::<(), _>(status))).await, Err(expected), "{code:?}");
        }
    }
}
