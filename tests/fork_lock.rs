//! Nothing is allocated or freed while the library holds the lock that a fork waits for.
//!
//! An allocator with fork handlers of its own, registered at its first use and so after the
//! library's, has its lock taken first by a fork: a thread that allocated under the library's lock
//! would wait for the forking thread, which waits for that lock. This binary's allocator forks in
//! every call. So an allocation under the lock never returns, whatever the other threads do. With the
//! feature `tracing`, nor does a subscriber that is told of something under the lock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

#[cfg(feature = "process")]
use crossdock::process::{Conn, Listener};
use crossdock::segment::Monitor;
use crossdock::{Counter, Mutex, Segment, SegmentOptions, ShardedCounter};

/// Forks before it allocates and before it frees, while it is asked to.
struct Forking;

static ASKED: AtomicBool = AtomicBool::new(false);
static FORKS: AtomicU32 = AtomicU32::new(0);

#[global_allocator]
static ALLOCATOR: Forking = Forking;

fn fork_if_asked() {
    if !ASKED.load(Relaxed) {
        return;
    }
    FORKS.fetch_add(1, Relaxed);
    // SAFETY: the child ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as said.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: a null pointer asks for no status.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
}

// SAFETY: the system's allocator, after a fork that changes nothing here.
unsafe impl GlobalAlloc for Forking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        fork_if_asked();
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        fork_if_asked();
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(place, layout) }
    }
}

/// What the watchdog says, which ends the test if it hangs.
extern "C" fn hangs(_: libc::c_int) {
    let text = "an allocation, or something freed, under the lock that a fork waits for\n";
    // SAFETY: the text outlives the call.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(101) }
}

/// A participant that is killed.
fn dead(segment: &Segment) {
    // SAFETY: the child uses the segment, and is killed.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let lock = segment.open::<Mutex<()>>("held").unwrap();
        std::mem::forget(lock.lock());
        // SAFETY: ends the process as a kill does.
        unsafe { libc::raise(libc::SIGKILL) };
    }
    // SAFETY: a null pointer asks for no status.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
}

fn asked<R>(body: impl FnOnce() -> R) -> R {
    ASKED.store(true, Relaxed);
    let result = body();
    ASKED.store(false, Relaxed);
    result
}

/// Makes, joins, leaves and finds segments, in all ways.
fn segments(name: &str) {
    let options = SegmentOptions::new().size(1 << 16).participants(2);
    let named = options.create_new(name).unwrap();
    let again = options.open(name).unwrap();
    let mutex = named.create::<Mutex<u64>>("m", 1).unwrap();
    *mutex.lock().unwrap() += 1;
    drop((again, mutex));
    named.unlink().unwrap();
    drop(named);
    let segment = options.anonymous().unwrap();
    let copy = Segment::try_from(segment.as_fd().try_clone_to_owned().unwrap()).unwrap();
    let counter = segment.create::<ShardedCounter>("s", ()).unwrap();
    counter.add(1);
    drop((segment, copy, counter));
}

/// Joins a segment that is full of dead participants, which are reaped.
fn reaps(segment: &Segment) {
    assert_eq!(segment.participants().len(), 2);
    let lock = segment.open::<Mutex<()>>("held").unwrap();
    drop(lock.lock_or_repair(|_| ()).unwrap());
    segment.reap();
}

/// A subscriber of `tracing` that uses segments, as one does that writes to a shared ring.
#[cfg(feature = "tracing")]
mod told {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use crossdock::{Counter, Segment};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, subscriber};

    static EVENTS: AtomicU32 = AtomicU32::new(0);

    struct Counting;

    impl Subscriber for Counting {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "crossdock"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            let segment = Segment::anonymous().unwrap();
            segment.create::<Counter>("events", 0).unwrap().add(1);
            EVENTS.fetch_add(1, Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    pub(super) fn subscribe() {
        subscriber::set_global_default(Counting).unwrap();
    }

    /// How many events there were.
    pub(super) fn events() -> u32 {
        EVENTS.load(Relaxed)
    }
}

/// A process that is no participant joins where the last index is that of a dead one.
fn joins_in_place_of_the_dead(segment: &Segment) {
    assert_eq!(segment.participants().len(), 2);
    // SAFETY: the child uses the segment, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: takes an integer.
        unsafe { libc::alarm(60) };
        asked(|| {
            let lock = segment.open::<Mutex<()>>("held").unwrap();
            drop(lock.lock_or_repair(|_| ()).unwrap());
        });
        #[cfg(feature = "tracing")]
        assert!(told::events() > 0);
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(0) }
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0, "the process that joins");
}

/// Monitors come and go, in such numbers that their descriptors need more room.
fn monitors(segment: &Segment) {
    let many: Vec<Monitor> = (0..20).map(|_| Monitor::start().unwrap()).collect();
    for monitor in &many {
        monitor.watch(segment).unwrap();
    }
    drop(many);
}

/// A client connects to a listener, whose sockets no forked child has.
#[cfg(feature = "process")]
fn connections(name: &str) {
    let listener = Listener::<u8, u8>::bind(name).unwrap();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| Conn::<u8, u8>::connect(name).map(drop).unwrap());
        drop(listener.accept().unwrap());
        client.join().unwrap();
    });
}

#[test]
fn nothing_is_allocated_or_freed_under_the_lock_that_a_fork_waits_for() {
    let handler: extern "C" fn(libc::c_int) = hangs;
    // SAFETY: the handler makes two system calls.
    unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    // SAFETY: takes an integer.
    unsafe { libc::alarm(120) };
    let name = format!("test-fork-lock-{}", std::process::id());
    asked(|| segments(&name));
    #[cfg(feature = "process")]
    asked(|| connections(&name));
    // The child joins, not this process.
    let full = SegmentOptions::new().participants(2).anonymous().unwrap();
    let held = full.create::<Mutex<()>>("held", ()).unwrap();
    drop(held);
    // A process that was taken for one that left: joins anew as soon as it needs to.
    dead(&full);
    asked(|| reaps(&full));
    #[cfg(feature = "tracing")]
    told::subscribe();
    dead(&full);
    joins_in_place_of_the_dead(&full);
    full.reap();
    dead(&full);
    let counter = full.create::<Counter>("c", 0).unwrap();
    counter.add(1);
    asked(|| monitors(&full));
    asked(|| drop((counter, full)));
    assert!(FORKS.load(Relaxed) > 100, "{FORKS:?}");
    // SAFETY: takes an integer.
    unsafe { libc::alarm(0) };
}
