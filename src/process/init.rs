//! Initialisation: how this program becomes a worker.

use super::worker;
use crate::sys;
use crate::sys::fork::{Guarded, exclusive};

/// How a child of this process reaches [`init`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Restart {
    /// The child's `main` calls it.
    Main,
    /// The libtest harness runs this one test, which calls it.
    Test(String),
}

impl Restart {
    /// Returns the command line of the child.
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

    /// Returns the restart of this process's children, or `None` if it is not initialised.
    pub(super) fn current() -> Option<&'static Self> {
        *RESTART.get(&mut exclusive())
    }

    /// INVARIANT: a test harness never goes back to `Main`, where a child would run all tests.
    pub(super) fn set(self) {
        let keeps = |now: Option<&Self>| now.is_some_and(|now| self == Self::Main || self == *now);
        if keeps(Self::current()) {
            return;
        }
        // Stays in memory: a process has one, or a few in tests.
        let fresh: &Self = Box::leak(Box::new(self.clone()));
        let mut exclusive = exclusive();
        let current = RESTART.get(&mut exclusive);
        if !keeps(*current) {
            *current = Some(fresh);
        }
    }
}

/// Under the exclusion, so that a child that is forked by another thread meanwhile can start
/// processes.
static RESTART: Guarded<Option<&'static Restart>> = Guarded::new(None);

/// Runs the job of a spawned worker and ends the process. In any other process it enables
/// [`spawn`].
///
/// Call it first in `main`, while there is one thread. In a process that [`spawn`] started it
/// decodes the arguments, calls the function on this thread, sends the result and never returns.
/// The process exits with code 0, with 101 after a panic, or with 1 if something else failed (then
/// with a line on standard error if the parent cannot be told). Handlers of atexit(3) run. Before
/// the function begins, the environment variable that names the job is removed and every inherited
/// descriptor is close-on-exec, so processes that the function starts see neither.
///
/// In a process that is started to be a fork server
/// ([`StartMethod::ForkServer`](super::StartMethod::ForkServer)) it serves until the process that
/// started it has ended, and in the processes that it forks it runs their function as above.
///
/// In any other process it enables [`spawn`] and returns at once. It does so only on the process's
/// main thread: on another thread, such as that of a test, it has no effect (use [`init_test`]).
/// Further calls do no harm.
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

/// Enables [`spawn`](super::spawn()) in a test under libtest, run by `cargo test` or by
/// cargo-nextest.
///
/// There `main` belongs to the harness. A child therefore runs the harness with one test, which
/// calls [`init`]. `worker` is the full path of that test, as `cargo test -- --list` prints it:
/// `"crossdock_worker"`, or `"tests::crossdock_worker"` in a module. The test may be `#[ignore]`d,
/// and in an ordinary run it does nothing. If the path names no test, each join fails with
/// [`JoinError::NotStarted`](super::JoinError::NotStarted).
///
/// Call it first in each test that spawns. If calls name different workers, the latest wins; a
/// worker that spawns in turn has the name from its parent. In a spawned worker it behaves as
/// [`init`], so a test may also name itself, and no mistake in the name makes a chain of processes.
///
/// The output of the child's harness is discarded; that of the function is printed, uncaptured.
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
