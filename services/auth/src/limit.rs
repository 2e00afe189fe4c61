//! How much one address or account may ask for. Redis keeps the buckets that all auth processes share; each process
//! keeps its own beside them, which hold while Redis is away, and after it lost everything.
//!
//! A key is never what the asker chose: the IP address is the gateway's word, and an account's bucket is taken from only
//! after its signature was found good.

mod local;
mod turns;

use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ids::ChainId;
use prometheus::{IntCounter, IntCounterVec, register_int_counter, register_int_counter_vec};
use tokio::time::Instant;

use crate::{config, error::Error, store::Buckets};
use local::Local;
use turns::{Turn, Turns};

/// A Redis that did not answer is not asked again for so long: nobody else waits for it.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("auth_limited_total", "Attempts that a limit refused.", &["limit"])
        .expect("each metric is registered once")
});
static WITHOUT_REDIS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "auth_limits_without_redis_total",
        "Attempts that a process judged by its own buckets because Redis did not answer."
    )
    .expect("each metric is registered once")
});

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// A nonce; by IP.
    Nonce,
    /// A look at a signed message; by IP.
    SignIn,
    /// An exchange of a refresh token; by IP.
    Refresh,
    /// A session; by account, after the signature.
    Session,
    /// A question to a chain about a contract's signature; by IP.
    ContractCheck,
}

impl Take {
    const fn as_str(self) -> &'static str {
        match self {
            Take::Nonce => "nonce",
            Take::SignIn => "sign_in",
            Take::Refresh => "refresh",
            Take::Session => "session",
            Take::ContractCheck => "contract_check",
        }
    }
}

/// The limits of this process.
#[derive(Clone)]
pub(crate) struct Limits {
    settings: config::Limits,
    shared: Buckets,
    local: Arc<Mutex<Local>>,
    /// Since when this process counts its time, and, in milliseconds of it, when Redis may be asked again.
    began: Instant,
    ask_at: Arc<AtomicU64>,
    turns: Turns,
}

impl Limits {
    pub(crate) fn open(settings: config::Limits, redis_url: &launch::Secret) -> anyhow::Result<Limits> {
        let at_once = usize::try_from(settings.contract_checks_at_once.get())?;
        Ok(Limits {
            settings,
            shared: Buckets::open(redis_url)?,
            local: Arc::default(),
            began: Instant::now(),
            ask_at: Arc::default(),
            turns: Turns::new(at_once),
        })
    }

    /// Takes one for somebody who is known by the address alone. Those of whom no address is known share one bucket.
    pub(crate) async fn take_for(&self, what: Take, ip: Option<IpAddr>) -> Result<(), Error> {
        self.take(what, &ip.map_or_else(|| "unknown".to_owned(), ip_key)).await
    }

    /// Takes one for this key, which must not be the asker's own choice.
    pub(crate) async fn take(&self, what: Take, key: &str) -> Result<(), Error> {
        let key = format!("{}:{key}", what.as_str());
        let per_minute = self.per_minute(what);
        let Err(retry_after) = self.decide(&key, per_minute).await else { return Ok(()) };
        REFUSED.with_label_values(&[what.as_str()]).inc();
        let is_first = self.with_local(|local, now| local.is_first_refusal(&key, now));
        Err(Error::RateLimited { retry_after, is_first })
    }

    /// A turn to ask a chain about a signature; given back when dropped.
    pub(crate) async fn turn(&self, chain_id: ChainId) -> Result<Turn, Error> {
        self.turns.take(chain_id).await.ok_or(Error::Busy)
    }

    async fn decide(&self, key: &str, per_minute: u32) -> Result<(), Duration> {
        // What this process alone has granted is enough to say no: a flood does not reach Redis, and a Redis that lost
        // everything does not begin anew.
        self.with_local(|local, now| local.take_whole(key, per_minute, now))?;
        match self.ask(key, per_minute).await {
            Some(Duration::ZERO) => {
                self.with_local(|local, now| local.note_half(key, per_minute, now));
                Ok(())
            }
            Some(wait) => {
                self.with_local(|local, _| local.give_back(key, per_minute));
                Err(wait)
            }
            None => {
                WITHOUT_REDIS.inc();
                self.with_local(|local, now| local.take_half(key, per_minute, now))
            }
        }
    }

    async fn ask(&self, key: &str, per_minute: u32) -> Option<Duration> {
        if self.passed() < self.ask_at.load(Ordering::Relaxed) {
            return None;
        }
        let answer = self.shared.take(key, per_minute).await;
        if answer.is_none() {
            let pause = u64::try_from(ASK_AGAIN_AFTER.as_millis()).unwrap_or(u64::MAX);
            self.ask_at.store(self.passed() + pause, Ordering::Relaxed);
            tracing::warn!("redis does not answer, limits are held by this process alone");
        }
        answer
    }

    fn passed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn with_local<T>(&self, work: impl FnOnce(&mut Local, Instant) -> T) -> T {
        // Whoever panicked in here left numbers behind, which are as good as any.
        let mut local = self.local.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        work(&mut local, Instant::now())
    }

    fn per_minute(&self, what: Take) -> u32 {
        let settings = &self.settings;
        match what {
            Take::Nonce => settings.nonces_per_minute,
            Take::SignIn => settings.sign_ins_per_minute,
            Take::Refresh => settings.refreshes_per_minute,
            Take::Session => settings.sessions_per_minute,
            Take::ContractCheck => settings.contract_checks_per_minute,
        }
        .get()
    }
}

/// An IPv4 address is somebody's; of an IPv6 one the network is, in which everybody picks addresses at will. An IPv4
/// address in the coat of an IPv6 one is what is under the coat.
fn ip_key(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_ipv4_address_is_itself() {
        let key = |ip: &str| ip_key(ip.parse().unwrap());
        assert_eq!(key("203.0.113.7"), "203.0.113.7");
        assert_eq!(key("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2:ffff::1"), key("2001:db8:1:2::"));
        assert_ne!(key("2001:db8:1:3::"), key("2001:db8:1:2::"));
    }
}
