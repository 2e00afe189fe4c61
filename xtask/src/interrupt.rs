//! Ctrl-C as a flag: a command that started servers has to stop them before it ends.

use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    CAME.store(true, Ordering::SeqCst);
}

/// From here on SIGINT and SIGTERM do not end us; children get the usual behaviour back when they start.
pub fn catch() {
    let handler: extern "C" fn(libc::c_int) = note;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        #[expect(unsafe_code, reason = "the standard library has no way to catch a signal")]
        // SAFETY: the handler only stores to an atomic, which is allowed at any point of any thread.
        unsafe {
            libc::signal(signal, handler as libc::sighandler_t)
        };
    }
}

pub fn came() -> bool {
    CAME.load(Ordering::SeqCst)
}
