//! Notifying and waiting in a segment whose name is gone, whose creator was killed, whose entries
//! were being made when their creator was killed, which this process has left against its will, or
//! whose file was cut off.

use std::time::Duration;

use crossdock::queue::wait_any_timeout;
use crossdock::segment::{EntryError, OpenError};
use crossdock::sync::{Condvar, Event};
use crossdock::{AtomicArray, Counter, Mutex, Segment, SegmentOptions};

use crate::support::careless::lose_membership;
use crate::support::names::Unique;
use crate::support::process::{Child, Line, asleep, child, in_child};
use crate::support::{PATIENCE, watch};

/// What can be notified.
struct Notified {
    mutex: Mutex<u64>,
    condvar: Condvar,
    event: Event,
    counter: Counter,
    array: AtomicArray<u32>,
}

impl Notified {
    fn create(segment: &Segment) -> Self {
        Self {
            mutex: segment.create("mutex", 0).unwrap(),
            condvar: segment.create("condvar", ()).unwrap(),
            event: segment.create("event", false).unwrap(),
            counter: segment.create("counter", 0).unwrap(),
            array: segment.create("array", [0]).unwrap(),
        }
    }

    fn open(segment: &Segment) -> Self {
        Self {
            mutex: segment.open("mutex").unwrap(),
            condvar: segment.open("condvar").unwrap(),
            event: segment.open("event").unwrap(),
            counter: segment.open("counter").unwrap(),
            array: segment.open("array").unwrap(),
        }
    }

    /// Notifies all waiters of each, which find that what they wait for is there.
    fn notify(&self) {
        *self.mutex.lock_or_repair(|_| ()).unwrap() = 1;
        self.condvar.notify_one();
        self.condvar.notify_all();
        self.event.set();
        self.counter.add_and_notify(1);
        self.array[0].store(1);
        self.array.notify(0);
    }

    /// Processes that wait for each, and sleep.
    fn waiters(&self) -> [Child; 5] {
        [
            asleep(|| {
                let guard = self.mutex.lock_or_repair(|_| ()).unwrap();
                let waited = self
                    .condvar
                    .wait_while_or_repair(guard, |n| *n == 0, |_| ());
                drop(waited.unwrap());
            }),
            asleep(|| self.event.wait().unwrap()),
            asleep(|| assert!(self.counter.wait_until(|n| n > 0).is_ok())),
            asleep(|| assert!(self.array.wait_while_eq(0, 0).is_ok())),
            asleep(|| assert_eq!(wait_any_timeout(&[&self.event], PATIENCE), Ok(0))),
        ]
    }
}

#[test]
fn waiters_are_notified_where_the_name_of_the_segment_is_gone() {
    let _watch = watch();
    for removes in [
        |name: &Unique, segment: &Segment| {
            segment.unlink().unwrap();
            assert!(!name.is_taken());
        },
        |name: &Unique, _: &Segment| std::fs::remove_file(name.path()).unwrap(),
        // Another segment has the name.
        |name: &Unique, _: &Segment| {
            std::fs::remove_file(name.path()).unwrap();
            drop(SegmentOptions::new().create_new(name).unwrap());
        },
    ] {
        let name = Unique::new();
        let segment = SegmentOptions::new().create_new(&name).unwrap();
        let notified = Notified::create(&segment);
        let waiters = notified.waiters();
        removes(&name, &segment);
        assert!(!segment.is_linked());
        in_child(|| notified.notify());
        waiters.into_iter().for_each(|waiter| waiter.join());
        // No process waits any more.
        notified.notify();
    }
}

#[test]
fn waiters_are_notified_where_the_creator_of_the_segment_was_killed() {
    let _watch = watch();
    let name = Unique::new();
    let line = Line::new();
    let creator = child(|| {
        let segment = SegmentOptions::new().create_new(&name).unwrap();
        let _notified = Notified::create(&segment);
        line.say(1);
        Line::new().sleep_until_killed();
    });
    line.hear();
    let segment = SegmentOptions::new().open(&name).unwrap();
    let notified = Notified::open(&segment);
    let waiters = notified.waiters();
    creator.kill();
    in_child(|| notified.notify());
    waiters.into_iter().for_each(|waiter| waiter.join());
    // The waiters are dead as well.
    notified.event.clear();
    asleep(|| notified.event.wait().unwrap()).kill();
    notified.notify();
}

#[test]
fn an_entry_whose_creator_was_killed_is_complete_or_is_not_there() {
    let _watch = watch();
    const ENTRIES: u32 = 200;
    let events = |number: u32| format!("event {number}");
    let mut unfinished = 0;
    for round in 0..20_u32 {
        let options = SegmentOptions::new().size(1 << 18).entries(2 * ENTRIES + 1);
        let segment = options.anonymous().unwrap();
        let creator = child(|| {
            for number in 0..ENTRIES {
                segment.create::<Event>(&events(number), false).unwrap();
                let condvar = format!("condvar {number}");
                segment.create::<Condvar>(&condvar, ()).unwrap();
            }
        });
        while segment.entries().unwrap().len() < round as usize * 4 {
            std::thread::yield_now();
        }
        creator.kill();
        let (mut there, mut number) = (0, 0);
        let missing = loop {
            match segment.open::<Event>(&events(number)) {
                Ok(event) => {
                    there += 1;
                    assert!(event.set() && event.wait().is_ok());
                }
                Err(missing) => break missing,
            }
            number += 1;
            if number == ENTRIES {
                break EntryError::NotFound {
                    name: events(number),
                };
            }
        };
        // What was being made is no entry, of which there could be a handle.
        assert!(matches!(missing, EntryError::NotFound { .. }), "{missing}");
        let all = segment.entries().unwrap();
        let is_event = |entry: &&crossdock::segment::EntryInfo| entry.name.starts_with("event");
        assert_eq!(all.iter().filter(is_event).count(), there);
        for entry in all.iter().filter(|entry| !is_event(entry)) {
            segment.open::<Condvar>(&entry.name).unwrap().notify_all();
        }
        unfinished += u32::from(there < ENTRIES as usize);
        // Its place is another one's.
        let next = segment.open_or_create::<Event>("next", false).unwrap();
        assert!(next.set());
    }
    assert!(unfinished > 0, "no creator was killed in time");
}

#[test]
fn a_segment_whose_creator_was_killed_too_early_cannot_be_opened() {
    let _watch = watch();
    for _ in 0..20 {
        let name = Unique::new();
        let creator = child(|| {
            let segment = SegmentOptions::new().create_new(&name).unwrap();
            let notified = Notified::create(&segment);
            notified.notify();
            Line::new().sleep_until_killed();
        });
        for _ in 0..20 {
            std::thread::yield_now();
        }
        creator.kill();
        match SegmentOptions::new().open(&name) {
            // Some of the entries may be there: each is complete.
            Ok(segment) => {
                if let Ok(event) = segment.open::<Event>("event") {
                    event.set();
                    event.wait().unwrap();
                }
                if let Ok(condvar) = segment.open::<Condvar>("condvar") {
                    condvar.notify_all();
                }
                if let Ok(counter) = segment.open::<Counter>("counter") {
                    counter.add_and_notify(1);
                }
            }
            Err(error) => assert!(matches!(error, OpenError::NotFound { .. }), "{error}"),
        }
    }
}

#[test]
fn a_process_whose_membership_is_lost_notifies_all_the_same() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let notified = Notified::create(&segment);
    let waiters = notified.waiters();
    in_child(|| {
        notified.event.wait_timeout(Duration::ZERO).unwrap_err();
        drop(notified.mutex.lock().unwrap());
        lose_membership(&segment);
        segment.reap();
        // The data of a condition variable's mutex are out of reach: waiters find that they are not
        // ready, and go on waiting.
        notified.condvar.notify_one();
        notified.condvar.notify_all();
        notified.event.set();
        notified.counter.add_and_notify(1);
        notified.array[0].store(1);
        notified.array.notify(0);
    });
    let [of_condvar, others @ ..] = waiters;
    others.into_iter().for_each(|waiter| waiter.join());
    notified.notify();
    of_condvar.join();
}

#[test]
fn notifying_where_the_file_was_cut_off_ends_the_process_and_never_hangs() {
    let _watch = watch();
    let notifies: [fn(&Notified); 4] = [
        |it| it.condvar.notify_all(),
        |it| assert!(it.event.set()),
        |it| assert_eq!(it.counter.add_and_notify(1), 1),
        |it| it.array.notify(0),
    ];
    for notify in notifies {
        let name = Unique::new();
        let (ready, go) = (Line::new(), Line::new());
        let notifier = child(|| {
            let segment = SegmentOptions::new().create_new(&name).unwrap();
            let notified = Notified::create(&segment);
            ready.say(1);
            go.hear();
            notify(&notified);
        });
        ready.hear();
        let file = std::fs::File::options().write(true).open(name.path());
        file.unwrap().set_len(0).unwrap();
        go.say(1);
        let status = notifier.status();
        assert!(libc::WIFSIGNALED(status), "{status:#x}");
        assert_eq!(libc::WTERMSIG(status), libc::SIGBUS);
    }
}
