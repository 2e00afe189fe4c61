//! Named places where a test makes the process die, to see what the next start finds.

/// Dies here when `VITRINE_FAILPOINT=name:n` asks for it, at the n-th pass. Without `debug_assertions` it is nothing.
#[inline]
pub fn failpoint(name: &str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    static ARMED: LazyLock<Option<(String, u64)>> =
        LazyLock::new(|| parse(&std::env::var("VITRINE_FAILPOINT").ok()?));
    static PASSES: AtomicU64 = AtomicU64::new(0);

    pub(super) fn parse(text: &str) -> Option<(String, u64)> {
        let (name, n) = text.rsplit_once(':').unwrap_or((text, "1"));
        Some((name.to_owned(), n.parse().ok().filter(|n| *n > 0)?))
    }

    pub(super) fn pass(name: &str) {
        let Some((wanted, n)) = &*ARMED else { return };
        if wanted == name && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *n {
            eprintln!(
                "{{\"level\":\"ERROR\",\"target\":\"launch\",\"message\":\"failpoint reached\",\"name\":{name:?}}}"
            );
            // Like kill -9: no destructor runs, nothing is flushed.
            std::process::abort();
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::parse;

    #[test]
    fn a_failpoint_names_a_place_and_a_pass() {
        assert_eq!(parse("relay.confirmed_unmarked:3"), Some(("relay.confirmed_unmarked".into(), 3)));
        assert_eq!(parse("a.b"), Some(("a.b".into(), 1)));
        assert_eq!(parse("a.b:0"), None);
        assert_eq!(parse("a.b:x"), None);
    }
}
