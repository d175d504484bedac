//! A monitor: it reaps the peers that were waited for when they die, and nobody else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossdock::segment::{Monitor, MonitorError};
use crossdock::sync::{LockError, LockTimeoutError};
use crossdock::{Mutex, Segment, SegmentOptions};

use crate::support::image::{PARTICIPANT_LEN, REGISTRY, Window};
use crate::support::names::Unique;
use crate::support::process::{Holder, Line, child, holder, in_child, leaves_nothing, sleeper};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

const PID: usize = 4;
const NAMESPACE: usize = 16;

/// Waits for the lock in vain, long enough to ask whether its owner lives.
fn wait_in_vain(mutex: &Mutex<u64>) {
    let timed_out = mutex.lock_timeout(Duration::from_millis(20));
    assert!(matches!(timed_out, Err(LockTimeoutError::Timeout { .. })));
}

/// Returns when the registry has no dead in it any more; the test's watchdog ends it else.
fn wait_until_reaped(segment: &Segment) {
    while segment.participants().iter().any(|peer| !peer.alive) || segment.participants().len() > 1
    {
        std::thread::yield_now();
    }
}

fn has_dead(segment: &Segment) -> bool {
    segment.participants().iter().any(|peer| !peer.alive)
}

/// Where the registry's entry of a holder is.
fn entry_of(segment: &Segment, holder: &Holder) -> usize {
    let participants = segment.participants();
    let is_holder = |peer: &&crossdock::segment::ParticipantInfo| peer.pid == holder.child.pid();
    let found = participants.iter().find(is_holder).unwrap();
    REGISTRY + found.index as usize * PARTICIPANT_LEN
}

/// A monitored segment, and a child that holds its mutex.
fn monitored() -> (Segment, Mutex<u64>, Monitor, Holder) {
    let (segment, mutex) = sample();
    let monitor = Monitor::start().unwrap();
    monitor.watch(&segment).unwrap();
    let holder = holder(|| mutex.lock().unwrap());
    (segment, mutex, monitor, holder)
}

#[test]
fn who_was_waited_for_and_dies_is_reaped_at_once() {
    let _watch = watch();
    let (segment, mutex, _monitor, holder) = monitored();
    wait_in_vain(&mutex);
    holder.kill();
    // Nobody waits any more, and nobody calls for a reaping.
    wait_until_reaped(&segment);
    assert!(!mutex.is_locked());
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn a_waiter_gets_the_lock_of_a_killed_owner() {
    let _watch = watch();
    for way in WAYS.into_iter().filter(|way| *way != crate::Way::Try) {
        let (_segment, mutex, _monitor, holder) = monitored();
        wait_in_vain(&mutex);
        let waiter = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| matches!(lock(&mutex, way), Came::OwnerDied(_)));
            holder.kill();
            waiter.join().unwrap()
        });
        assert!(waiter, "{way:?}");
    }
}

#[test]
fn all_locks_of_a_dead_peer_are_given_back() {
    let _watch = watch();
    let (segment, mutex, _monitor, holder) = monitored();
    wait_in_vain(&mutex);
    holder.kill();
    wait_until_reaped(&segment);
    let other = segment.create::<Mutex<u64>>("other", 0).unwrap();
    let both = crate::support::process::holder(|| (mutex.lock(), other.lock().unwrap()));
    wait_in_vain(&other);
    both.kill();
    wait_until_reaped(&segment);
    assert!(!mutex.is_locked() && !other.is_locked());
}

#[test]
fn a_stopped_owner_is_not_dead() {
    let _watch = watch();
    let (segment, mutex, _monitor, holder) = monitored();
    wait_in_vain(&mutex);
    holder.child.stop();
    wait_in_vain(&mutex);
    assert_eq!(segment.participants().len(), 2);
    holder.child.cont();
    holder.release();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn the_death_of_a_process_that_has_a_participants_number_is_nobodys() {
    let _watch = watch();
    let (segment, mutex, _monitor, holder) = monitored();
    // As if the number had been given to another process in the meantime.
    let bystander = sleeper();
    let entry = entry_of(&segment, &holder);
    let window = Window::of(&segment);
    let number = window.word(entry + PID);
    number.store(bystander.pid(), Ordering::Relaxed);
    wait_in_vain(&mutex);
    bystander.kill();
    wait_in_vain(&mutex);
    assert_eq!(segment.participants().len(), 2);
    assert!(!has_dead(&segment));
    holder.release();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn a_peer_whose_number_means_nothing_here_is_waited_for_in_slices() {
    let _watch = watch();
    for (field, value) in [(NAMESPACE, 1), (NAMESPACE, 0)] {
        let (segment, mutex, _monitor, holder) = monitored();
        let entry = entry_of(&segment, &holder);
        let window = Window::of(&segment);
        window.long(entry + field).store(value, Ordering::Relaxed);
        wait_in_vain(&mutex);
        holder.kill();
        assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
        assert!(has_dead(&segment), "the waiter takes its lock and no more");
    }
}

#[test]
fn a_segment_that_is_not_watched_is_left_alone() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let monitor = Monitor::start().unwrap();
    let (watched, other) = sample();
    monitor.watch(&watched).unwrap();
    let both = holder(|| (mutex.lock().unwrap(), other.lock().unwrap()));
    wait_in_vain(&mutex);
    wait_in_vain(&other);
    both.kill();
    wait_until_reaped(&watched);
    assert!(has_dead(&segment));
}

#[test]
fn a_dropped_monitor_watches_no_more() {
    let _watch = watch();
    let (segment, mutex, monitor, holder) = monitored();
    wait_in_vain(&mutex);
    drop(monitor);
    wait_in_vain(&mutex);
    holder.kill();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    assert!(has_dead(&segment));
}

#[test]
fn the_later_of_two_monitors_watches() {
    let _watch = watch();
    let (segment, mutex, first, holder) = monitored();
    let second = Monitor::start().unwrap();
    second.watch(&segment).unwrap();
    drop(first);
    wait_in_vain(&mutex);
    holder.kill();
    wait_until_reaped(&segment);
    drop(second);
}

#[test]
fn a_forked_child_has_no_monitor_until_it_starts_its_own() {
    let _watch = watch();
    let (segment, mutex, monitor, owner) = monitored();
    wait_in_vain(&mutex);
    let (ready, end) = (Line::new(), Line::new());
    let forked = child(|| {
        assert!(matches!(
            monitor.watch(&segment),
            Err(MonitorError::Inherited)
        ));
        wait_in_vain(&mutex);
        let own = Monitor::start().unwrap();
        own.watch(&segment).unwrap();
        drop(monitor);
        wait_in_vain(&mutex);
        ready.say(1);
        end.hear();
        // This process and its parent: the owner is reaped.
        while segment.participants().len() > 2 {
            std::thread::yield_now();
        }
    });
    ready.hear();
    // The parent's was moved into the child's closure only in the child.
    owner.kill();
    end.say(1);
    forked.join();
}

#[test]
fn it_leaves_no_descriptor_behind() {
    let _watch = watch();
    leaves_nothing(|| {
        let (segment, mutex, monitor, holder) = monitored();
        wait_in_vain(&mutex);
        holder.kill();
        wait_until_reaped(&segment);
        drop((segment, mutex, monitor));
    });
}

#[test]
fn a_segment_may_be_closed_while_it_is_watched() {
    let _watch = watch();
    in_child(|| {
        let monitor = Monitor::start().unwrap();
        for _ in 0..20 {
            let (segment, mutex) = sample();
            monitor.watch(&segment).unwrap();
            let holder = holder(|| mutex.lock().unwrap());
            wait_in_vain(&mutex);
            drop((segment, mutex));
            holder.kill();
        }
        let (segment, mutex) = sample();
        monitor.watch(&segment).unwrap();
        let holder = holder(|| mutex.lock().unwrap());
        wait_in_vain(&mutex);
        holder.kill();
        wait_until_reaped(&segment);
    });
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_peer_that_comes_again_and_again_costs_one_descriptor() {
    let _watch = watch();
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    in_child(|| {
        let segment = SegmentOptions::new().open(&name).unwrap();
        let monitor = Monitor::start().unwrap();
        monitor.watch(&segment).unwrap();
        let mine = segment.open::<Mutex<u64>>("m").unwrap();
        let (come, ready, leave, gone) = (Line::new(), Line::new(), Line::new(), Line::new());
        let _peer = child(|| {
            loop {
                come.hear();
                let segment = SegmentOptions::new().open(&name).unwrap();
                let mutex = segment.open::<Mutex<u64>>("m").unwrap();
                let guard = mutex.lock().unwrap();
                ready.say(1);
                leave.hear();
                drop(guard);
                drop((mutex, segment));
                gone.say(1);
            }
        });
        let before = descriptors();
        for _ in 0..20 {
            come.say(1);
            ready.hear();
            wait_in_vain(&mine);
            leave.say(1);
            gone.hear();
        }
        assert!(
            descriptors() <= before + 2,
            "{} more",
            descriptors() - before
        );
    });
    drop(mutex);
}

#[test]
fn watching_again_costs_nothing() {
    let _watch = watch();
    in_child(|| {
        let (segment, mutex, monitor, holder) = monitored();
        wait_in_vain(&mutex);
        let before = descriptors();
        for _ in 0..20 {
            monitor.watch(&segment).unwrap();
            wait_in_vain(&mutex);
        }
        assert!(descriptors() <= before + 1);
        holder.kill();
        wait_until_reaped(&segment);
    });
}

#[test]
fn a_monitor_whose_descriptors_were_closed_ends_and_touches_no_others() {
    let _watch = watch();
    in_child(|| {
        let (segment, mutex) = sample();
        let monitor = Monitor::start().unwrap();
        monitor.watch(&segment).unwrap();
        drop((segment, mutex));
        // SAFETY: closes what other code thinks is nobody's, as a daemonizing library does.
        unsafe { libc::close_range(3, u32::MAX, 0) };
        // What gets the numbers now.
        let files: Vec<_> = (0..16).map(|_| tempfile()).collect();
        let other = Segment::anonymous().unwrap();
        while monitor.watch(&other).is_ok() {
            std::thread::yield_now();
        }
        assert!(matches!(monitor.watch(&other), Err(MonitorError::Ended)));
        drop(monitor);
        for file in files {
            assert_eq!(file.metadata().unwrap().len(), 0);
        }
    });
}

fn tempfile() -> std::fs::File {
    let options = libc::O_TMPFILE;
    let mut file = std::fs::File::options();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut file, options);
    file.read(true).write(true).open("/dev/shm").unwrap()
}

#[test]
fn a_child_forked_while_a_segment_begins_to_be_watched_can_watch_it() {
    let _watch = watch();
    for _ in 0..30 {
        let segment = SegmentOptions::new()
            .participants(1023)
            .size(1 << 20)
            .anonymous()
            .unwrap();
        let monitor = Monitor::start().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| monitor.watch(&segment).unwrap());
            in_child(|| {
                let own = Monitor::start().unwrap();
                own.watch(&segment).unwrap();
            });
        });
    }
}

#[test]
fn a_try_watches_nobody() {
    let _watch = watch();
    let (segment, mutex, _monitor, holder) = monitored();
    assert!(matches!(
        mutex.try_lock(),
        Err(crossdock::sync::TryLockError::WouldBlock { .. })
    ));
    holder.kill();
    let (other, waited, _other_monitor, sentinel) = monitored();
    wait_in_vain(&waited);
    sentinel.kill();
    wait_until_reaped(&other);
    assert!(has_dead(&segment));
}

#[test]
fn an_owner_in_another_pid_namespace_is_waited_for_in_slices() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let monitor = Monitor::start().unwrap();
    monitor.watch(&segment).unwrap();
    let (ready, kill, end) = (Line::new(), Line::new(), Line::new());
    let outside = child(|| {
        // SAFETY: of the processes, only children made from now on are in another namespace.
        let apart = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } == 0;
        if !apart {
            ready.say(0);
            return;
        }
        // SAFETY: the child locks, speaks and waits; it is killed here or with its parent.
        let owner = unsafe { libc::fork() };
        if owner == 0 {
            // SAFETY: asks for a signal at the parent's death; no memory is involved.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            std::mem::forget(mutex.lock());
            ready.say(1);
            end.sleep_until_killed();
        }
        kill.hear();
        // SAFETY: the child is not reaped, so the number is still its own.
        unsafe { libc::kill(owner, libc::SIGKILL) };
        let mut status = 0;
        // SAFETY: the child is ours and `status` outlives the call.
        unsafe { libc::waitpid(owner, &mut status, 0) };
        end.say(1);
    });
    if ready.hear() == 0 {
        eprintln!("no namespaces here: nothing was tried");
        outside.join();
        return;
    }
    let peers = segment.participants();
    let owner = peers.iter().find(|peer| !peer.is_self && peer.pid == 1);
    assert!(owner.is_some_and(|owner| owner.alive), "{peers:?}");
    wait_in_vain(&mutex);
    kill.say(1);
    end.hear();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    assert!(has_dead(&segment), "nobody was watched by number 1");
    outside.join();
}
