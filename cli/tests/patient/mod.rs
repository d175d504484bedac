//! Segments of tests, and processes that hold what is in them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossdock::process::{Builder, Process};
use crossdock::sync::Event;
use crossdock::{Mutex, Segment, SegmentOptions};

/// What hangs is found by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A name that no other test has, which is gone when the test is.
pub(crate) struct Name(pub(crate) String);

impl Name {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("cli-{}-{number}", std::process::id()))
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/dev/shm/crossdock.{}", self.0).into()
    }

    pub(crate) fn exists(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _may_be_gone = fs::remove_file(self.path());
    }
}

pub(crate) fn options() -> SegmentOptions {
    SegmentOptions::new().size(1 << 16).participants(8)
}

/// A segment with a lock, which no process has open.
pub(crate) fn unused() -> Name {
    let name = Name::new();
    let segment = options().create_new(&name.0).expect("a segment");
    segment.create::<Mutex<u64>>("stock", 1).expect("a mutex");
    segment.create::<Mutex<u64>>("oven", 1).expect("a mutex");
    segment.create::<Event>("ready", false).expect("an event");
    drop(segment);
    // A process that another test starts has all descriptors of this one for a moment.
    let watchdog = Instant::now() + WATCHDOG;
    while options().is_in_use(&name.0).expect("there") {
        assert!(Instant::now() < watchdog);
        std::thread::yield_now();
    }
    name
}

fn hold(segment: Segment) {
    let stock = segment.open::<Mutex<u64>>("stock").expect("there");
    let ready = segment.open::<Event>("ready").expect("there");
    let oven = segment.open::<Mutex<u64>>("oven").expect("there");
    let stock = stock.try_lock();
    // If the first lock is another process's, the other one.
    let _oven = stock.is_err().then(|| oven.lock().expect("free"));
    ready.set();
    loop {
        std::thread::park();
    }
}

/// A segment, and a process that holds the lock in it until it is killed. It ends with this one.
pub(crate) fn held() -> (Name, Process<()>) {
    let name = unused();
    let holder = holder(&name, "holder");
    (name, holder)
}

/// Starts a process of that name, which joins the segment and has its lock if it is free.
pub(crate) fn holder(name: &Name, process: &str) -> Process<()> {
    crossdock::process::init_test("crossdock_worker");
    let segment = options().open(&name.0).expect("there");
    let ready = segment.open::<Event>("ready").expect("there");
    ready.clear();
    let holder = Builder::new().name(process).daemon(true);
    let holder = holder.spawn(hold, segment).expect("spawned");
    ready.wait_timeout(WATCHDOG).expect("it is there");
    holder
}

/// Waits until the process is in one of these states, as /proc calls them.
pub(crate) fn comes_to(pid: u32, states: &[&str]) {
    let watchdog = Instant::now() + WATCHDOG;
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
        let (_, after) = stat.rsplit_once(") ").expect("a state");
        if states.iter().any(|state| after.starts_with(state)) {
            return;
        }
        assert!(Instant::now() < watchdog, "{stat}");
        std::thread::yield_now();
    }
}
