//! A worker that the kernel kills for want of memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use crossdock::process::{JoinError, Pool, TaskError};

use super::{die, square};
use crate::support::call;

/// A cgroup with a limit of memory, below that of this process.
struct Limited(PathBuf);

impl Limited {
    /// Makes one, if this process may.
    fn make() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/thread-self/cgroup")?;
        let v1 = text.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            (controllers == "memory").then(|| format!("/sys/fs/cgroup/memory{group}"))
        });
        let v2 = text.lines().find_map(|line| line.strip_prefix("0::"));
        let (parent, file) = match (v1, v2) {
            (Some(v1), _) => (v1, "memory.limit_in_bytes"),
            (None, Some(v2)) => (format!("/sys/fs/cgroup{v2}"), "memory.max"),
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        let name = format!("crossdock-test-{}", std::process::id());
        let limited = Self(Path::new(&parent).join(name));
        fs::create_dir(&limited.0)?;
        fs::write(limited.0.join(file), (192 << 20).to_string())?;
        // Swapped out, it would not be killed; the file is not everywhere.
        let _ = fs::write(limited.0.join("memory.swap.max"), "0");
        let _ = fs::write(limited.0.join("memory.swappiness"), "0");
        Ok(limited)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // The worker of a parent that was killed takes a moment to follow it.
        let end = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.0).is_err() && self.0.exists() && Instant::now() < end {
            std::thread::yield_now();
        }
    }
}

/// How willingly the kernel kills a process for want of memory.
const SCORE: &str = "/proc/self/oom_score_adj";

/// Takes all memory that there is.
fn devour((): ()) -> usize {
    fs::write(SCORE, "1000").expect("a process may offer itself");
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 16 << 20]);
        if taken.len() > 64 {
            return taken.len();
        }
    }
}

#[test]
fn a_worker_killed_for_want_of_memory_is_known_as_such() {
    /// Returns what is known of a worker that took all memory, and of one that was just killed.
    fn parent(group: PathBuf) -> [Option<bool>; 2] {
        let id = std::process::id().to_string();
        fs::write(group.join("cgroup.procs"), id).expect("moved");
        // While the worker's memory is being given back, the kernel may look for a second process. That
        // takes privileges, as a cgroup does.
        let _ = fs::write(SCORE, "-1000");
        let pool = Pool::builder().workers(1).build().expect("built");
        let devoured = pool.call(devour, ());
        assert_eq!(pool.call(square, 3), Ok(9));
        let killed = pool.call(die, libc::SIGKILL);
        [devoured.map(|_| ()), killed].map(|result| match result {
            Err(TaskError::WorkerDied { oom, .. }) => oom,
            other => panic!("{other:?}"),
        })
    }
    let limited = match Limited::make() {
        Ok(limited) => limited,
        Err(error) => return println!("no cgroup can be made here: {error}"),
    };
    // Where this process may not spare the parent, the kernel may kill that, too, while the memory of
    // the worker is not back yet and its successor wants some.
    let killed = Err(JoinError::Killed { signal: 9 });
    let mut runs = (0..5).map(|_| call(parent, limited.0.clone()));
    let known = runs.find(|known| *known != killed).unwrap_or(killed);
    assert_eq!(known, Ok([Some(true), Some(false)]));
}
