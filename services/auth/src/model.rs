//! Who knocks, sessions and how long things last.

use std::net::IpAddr;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ids::{AccountId, DeviceId, IntentId, SessionId, UserId};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// How long a nonce waits for its signature.
pub(crate) const NONCE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// How long an access token is good.
pub(crate) const ACCESS_LIFE: TimeDelta = TimeDelta::minutes(15);
/// How long a session lives without being refreshed.
pub(crate) const REFRESH_IDLE: TimeDelta = TimeDelta::days(30);
/// How long a session lives at most.
pub(crate) const SESSION_LIFE: TimeDelta = TimeDelta::days(90);
/// How far the clocks of those who check tokens may be off.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// What holds the account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key pair: the same person on every chain.
    Eoa,
    /// Code: somebody else's on another chain.
    Contract,
}

impl Kind {
    /// The word of columns and wires.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Eoa => "eoa",
            Kind::Contract => "contract",
        }
    }

    /// By the word that facts carry.
    pub(crate) fn of(word: &str) -> Kind {
        if word == "contract" { Kind::Contract } else { Kind::Eoa }
    }

    /// Who the account is: what one user at most can own.
    pub(crate) fn identity(self, account: &AccountId) -> String {
        match self {
            Kind::Eoa => account.address.to_lower(),
            Kind::Contract => account.to_lower(),
        }
    }
}

/// What a signature around a nonce is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To sign in; from the browser that has this pre-session, if it was a browser that asked.
    SignIn { pre_session: Option<[u8; 32]> },
    /// To prove a further account of this user.
    Link { user_id: UserId },
}

/// How a signature was found to be the account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Its key was recovered.
    Eoa,
    /// The account, a contract, said so.
    Eip1271,
    /// The same, after it was made or prepared within the question.
    Erc6492,
}

impl Method {
    /// The word of columns and wires.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Method::Eoa => "eoa",
            Method::Eip1271 => "eip1271",
            Method::Erc6492 => "erc6492",
        }
    }

    /// What kind of account can be proved so.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Method::Eoa => Kind::Eoa,
            Method::Eip1271 | Method::Erc6492 => Kind::Contract,
        }
    }
}

/// Who knocks, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) device_id: Option<DeviceId>,
}

impl Client {
    /// The device and its user agent in one word. Both can be forged: it tells a retry from a thief who did not bother,
    /// and opens nothing.
    pub(crate) fn fingerprint(&self) -> String {
        let device = self.device_id.map(|id| id.to_string()).unwrap_or_default();
        let user_agent = self.user_agent.as_deref().unwrap_or_default();
        hex::encode(Sha256::digest(format!("{device}\n{user_agent}")))
    }
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) account_id: String,
    pub(crate) account_type: String,
    /// The chain that the signed message named.
    pub(crate) chain_id: String,
    pub(crate) device_id: Option<DeviceId>,
    /// Of the device as it was at the sign-in; see [`Client::fingerprint`].
    pub(crate) fingerprint: Option<String>,
    /// Address and user agent of the last use.
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) access_expires_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    /// What the session is preparing, if anything.
    pub(crate) intent_context: Option<IntentContext>,
}

/// What a session is preparing, as `sessions.collection_intent_context` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntentContext {
    pub(crate) chain_id: String,
    pub(crate) kind: String,
    /// The newest first.
    pub(crate) intent_ids: Vec<IntentId>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now.
    pub(crate) fn open(
        user_id: UserId,
        account: &AccountId,
        kind: Kind,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Session {
        // As the columns keep it: the first answer and the later ones are the same.
        let now = now.trunc_subsecs(6);
        Session {
            session_id: SessionId::new(),
            user_id,
            account_id: account.to_lower(),
            account_type: kind.as_str().to_owned(),
            chain_id: account.chain_id.to_string(),
            device_id: client.device_id,
            fingerprint: Some(client.fingerprint()),
            ip_address: client.ip.map(|ip| ip.to_string()),
            user_agent: client.user_agent.clone(),
            created_at: now,
            expires_at: now + REFRESH_IDLE,
            access_expires_at: now + ACCESS_LIFE,
            last_used_at: now,
            revoked_at: None,
            intent_context: None,
        }
    }

    /// Whether it lets somebody in.
    pub(crate) fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// What user says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) roles: Vec<String>,
}

impl Standing {
    /// Whether the user may have sessions.
    pub(crate) fn is_active(&self) -> bool {
        self.status == "active"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_alive_until_it_expires_or_is_revoked() {
        let now = Utc::now();
        let account = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let mut session = Session::open(UserId::new(), &account, Kind::Eoa, &Client::default(), now);
        assert!(session.is_alive(now));
        assert!(!session.is_alive(now + REFRESH_IDLE));
        session.revoked_at = Some(now);
        assert!(!session.is_alive(now));
    }
}
