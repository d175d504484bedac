//! Starting workers, waiting for them with a watchdog, and holding them back.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossdock::process::{self, Builder, JoinError, JoinTimeoutError, Process};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What hangs is ended by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

pub(crate) fn start<A, R>(function: fn(A) -> R, args: A) -> Process<R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    spawn_with(&Builder::new(), function, args)
}

pub(crate) fn spawn_with<A, R>(builder: &Builder, function: fn(A) -> R, args: A) -> Process<R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    process::init_test("crossdock_worker");
    builder.spawn(function, args).expect("spawned")
}

pub(crate) fn outcome<R: DeserializeOwned>(worker: &mut Process<R>) -> Result<R, JoinError> {
    match worker.join_timeout(WATCHDOG) {
        Ok(value) => Ok(value),
        Err(JoinTimeoutError::Join(error)) => Err(error),
        Err(other) => {
            worker.kill().expect("killed");
            panic!("the watchdog ended a worker: {other}");
        }
    }
}

pub(crate) fn call<A, R>(function: fn(A) -> R, args: A) -> Result<R, JoinError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    outcome(&mut start(function, args))
}

/// Where workers wait until the test lets them go.
pub(crate) struct Gate {
    listener: UnixListener,
    path: PathBuf,
}

impl Gate {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crossdock-gate-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).expect("a socket");
        Self { listener, path }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Waits until a worker has arrived; it goes on when the stream is dropped.
    pub(crate) fn arrival(&self) -> UnixStream {
        self.listener.accept().expect("a worker").0
    }

    /// The descriptor that is readable while a worker waits to be let in.
    pub(crate) fn number(&self) -> i32 {
        self.listener.as_raw_fd()
    }

    /// Whether a worker has arrived that was not let in.
    pub(crate) fn has_arrival(&self) -> bool {
        self.listener.set_nonblocking(true).expect("set");
        let arrived = self.listener.accept().is_ok();
        self.listener.set_nonblocking(false).expect("set");
        arrived
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Waits at the gate, in the worker.
pub(crate) fn wait_at(gate: &Path) {
    let mut stream = UnixStream::connect(gate).expect("the gate");
    let _ = stream.read(&mut [0]);
}

/// Whether this process has children, ended or not.
pub(crate) fn has_children() -> bool {
    // SAFETY: a null status pointer asks for none; the rest are integers.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), PEEK) };
    result == 0
}

const PEEK: libc::c_int = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
