//! How this program becomes a worker.

use std::sync::{Mutex, PoisonError};

use super::worker;
use crate::sys;

/// How a child of this process reaches [`init`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Restart {
    /// Its main calls it.
    Main,
    /// The libtest harness runs this one test, which calls it.
    Test(String),
}

impl Restart {
    /// The command line of the child.
    pub(super) fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Main => Vec::new(),
            Self::Test(worker) => {
                vec![
                    worker,
                    "--exact",
                    "--include-ignored",
                    "--nocapture",
                    "--test-threads=1",
                ]
            }
        }
    }

    /// The restart of this process's children; `None` if it is not initialised.
    pub(super) fn current() -> Option<Self> {
        RESTART
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// INVARIANT: a test harness never goes back to `Main`, where a child would run all tests.
    pub(super) fn set(self) {
        let mut current = RESTART.lock().unwrap_or_else(PoisonError::into_inner);
        if self != Self::Main || current.is_none() {
            *current = Some(self);
        }
    }
}

static RESTART: Mutex<Option<Restart>> = Mutex::new(None);

/// Runs the job of a spawned worker and ends the process; in any other process allows [`spawn`].
///
/// Call it first in `main`, while there is one thread. In a process that [`spawn`] started it
/// decodes the arguments, calls the function on this thread, hands the result over and never
/// returns: the process exits, with code 0, or with 101 after a panic, or with 1 if something else
/// went wrong (then with a line on standard error if nobody can be told otherwise). Handlers of
/// atexit(3) run. Before the function begins, the environment variable that told the process of its
/// job is removed and every inherited descriptor is close-on-exec, so nothing that the function
/// starts sees either.
///
/// In any other process it returns at once, having made [`spawn`] possible. It does so only on the
/// process's main thread: on another one, such as that of a test, it changes nothing
/// (use [`init_test`]). More calls do no harm.
///
/// [`spawn`]: super::spawn()
///
/// # Examples
/// ```
/// use crossdock::process;
///
/// fn main() {
///     process::init();
///     // what the program does
/// }
/// ```
pub fn init() {
    worker::run_pending();
    if sys::process::on_main_thread() {
        Restart::Main.set();
    }
}

/// Makes [`spawn`](super::spawn()) possible in a test under libtest, be it run by `cargo test` or
/// by cargo-nextest.
///
/// There `main` is the harness's. So a child runs the harness again, told to run one test, and that
/// test calls [`init`]. `worker` is its full path, as `cargo test -- --list` prints it:
/// `"crossdock_worker"`, or `"tests::crossdock_worker"` in a module. It may be `#[ignore]`d, and in
/// an ordinary run it does nothing. A path that names no test makes each join
/// [`JoinError::NotStarted`](super::JoinError::NotStarted).
///
/// Call it first in each test that spawns. When calls name different workers, the latest wins; a
/// worker that spawns in turn has the name from its parent. In a spawned worker it does as [`init`]
/// does, so a test may also name itself, and no mistake in the name makes a chain of processes.
///
/// What the harness of the child prints is not seen; what the function prints is, uncaptured.
///
/// # Examples
/// ```
/// use crossdock::process;
///
/// #[test]
/// fn crossdock_worker() {
///     process::init();
/// }
///
/// #[test]
/// fn a_worker_counts() -> Result<(), Box<dyn std::error::Error>> {
///     process::init_test("crossdock_worker");
///     let worker = process::spawn(|text: String| text.len(), "four".to_string())?;
///     assert_eq!(worker.join()?, 4);
///     Ok(())
/// }
/// ```
#[expect(
    clippy::test_attr_in_doctest,
    reason = "it shows where the calls belong"
)]
pub fn init_test(worker: &str) {
    worker::run_pending();
    Restart::Test(worker.to_owned()).set();
}
