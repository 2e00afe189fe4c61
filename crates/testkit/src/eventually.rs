//! Waits for a condition, never for a time.

use std::time::Duration;

use tokio::time::Instant;

const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics with `what` when there is none within the time.
pub async fn eventually<T>(within: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match tokio::time::timeout_at(deadline, ask()).await {
            Ok(Some(answer)) => return answer,
            Ok(None) if Instant::now() < deadline => tokio::time::sleep(ASK_EVERY).await,
            _ => panic!("not within {within:?}: {what}"),
        }
    }
}
