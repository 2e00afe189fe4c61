//! The time that is left for the work at hand. A call that comes in brings it, every call that goes out on its behalf
//! carries what remains, so that nobody works on an answer that nobody waits for.
use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

pub(crate) const TIMEOUT: &str = "grpc-timeout";
pub(crate) const REQUEST_ID: &str = "x-request-id";

tokio::task_local! {
    static BUDGET: Budget;
}

#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) deadline: Instant,
    pub(crate) request_id: Arc<str>,
}

impl Budget {
    pub(crate) fn current() -> Option<Self> {
        BUDGET.try_with(Clone::clone).ok()
    }

    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        BUDGET.scope(self, work).await
    }
}

/// What remains for the current call; `None` outside of any. A spawned task is outside: pass [`within`] along.
pub fn remaining() -> Option<Duration> {
    Some(Budget::current()?.deadline.saturating_duration_since(Instant::now()))
}

/// The id under which the current request is known in every log of the fleet.
pub fn request_id() -> Option<String> {
    Some(Budget::current()?.request_id.to_string())
}

/// Gives `work` a budget: where requests enter the fleet, and around work that is done in a task of its own.
/// The budget bounds the calls that `work` makes; it does not end `work` itself.
pub async fn within<F: Future>(time: Duration, request_id: Option<&str>, work: F) -> F::Output {
    let known = request_id.map(Arc::from).or_else(|| Budget::current().map(|b| b.request_id));
    let deadline = Instant::now() + time;
    Budget { deadline, request_id: known.unwrap_or_else(new_request_id) }.scope(work).await
}

pub(crate) fn new_request_id() -> Arc<str> {
    format!("{:032x}", rand::random::<u128>()).into()
}

/// The header's value; `None` when it is absent or not a timeout.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // At most 8 digits by the protocol, so that nothing below overflows.
    let n: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(n * 3600)),
        "M" => Some(Duration::from_secs(n * 60)),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

/// In milliseconds, rounded down: the callee gives up no later than the caller.
pub(crate) fn write(headers: &mut HeaderMap, time: Duration) {
    let millis = time.as_millis().min(99_999_999);
    if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
        headers.insert(TIMEOUT, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};

    use super::{TIMEOUT, read, write};

    fn parsed(text: &'static str) -> Option<Duration> {
        read(&HeaderMap::from_iter([(TIMEOUT.parse().expect("a header"), HeaderValue::from_static(text))]))
    }

    #[test]
    fn every_unit_of_the_protocol_is_understood() {
        assert_eq!(parsed("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parsed("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parsed("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parsed("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parsed("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parsed("99999999n"), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn nonsense_is_no_timeout() {
        for text in ["", "S", "1", "-1S", "123456789S", "1x", "1.5S"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut headers = HeaderMap::new();
        write(&mut headers, Duration::from_micros(1500));
        assert_eq!(read(&headers), Some(Duration::from_millis(1)));
    }
}
