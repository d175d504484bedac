//! What the tests with real processes share: children, names, signals, and raw bytes.

pub(crate) mod careless;
pub(crate) mod garbage;
pub(crate) mod image;
pub(crate) mod names;
pub(crate) mod process;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long anything may take before it counts as hanging: far beyond what a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the whole test program if a test hangs; children die with it.
pub(crate) struct Watch {
    _alive: Sender<()>,
}

/// Begins to watch the calling test, until the result is dropped.
pub(crate) fn watch() -> Watch {
    let (alive, ended) = channel::<()>();
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE * 2) == Err(RecvTimeoutError::Timeout) {
            process::write_error(&format!("watchdog: {test} hangs\n"));
            std::process::abort();
        }
    });
    Watch { _alive: alive }
}
