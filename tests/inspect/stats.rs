//! The counters of slow paths, of a segment that counts.

use std::time::Duration;

use crossdock::queue::{Queue, WorkQueue};
use crossdock::segment::{CreateError, Inspection};
use crossdock::sync::LockError;
use crossdock::{Mutex, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, child};
use crate::support::watch;
use crate::views::number;

const NAMES: [&str; 6] = [
    "waits",
    "sleeps",
    "long waits",
    "locks taken over",
    "redeliveries",
    "participants reaped",
];

fn counts(inspection: &Inspection) -> [u64; 6] {
    let view = inspection.open_dyn("crossdock.stats").expect("it counts");
    assert_eq!(view.fields.len(), NAMES.len(), "{view:?}");
    NAMES.map(|name| number(&view, name))
}

#[test]
fn waits_take_overs_and_redeliveries_are_counted() {
    let _watch = watch();
    let name = Unique::new();
    let options = SegmentOptions::new().participants(8).stats(true);
    let segment = options.create_new(&name).expect("created");
    let inspection = Inspection::open(&name).expect("there");
    assert_eq!(counts(&inspection), [0; 6]);
    let queue = segment.create::<Queue<u64>>("queue", 4).expect("made");
    queue.send(1).expect("room");
    assert_eq!(queue.recv(), Ok(1));
    assert_eq!(counts(&inspection), [0; 6], "nothing has slept");
    let short = queue.recv_timeout(Duration::from_millis(20));
    assert!(short.is_err());
    let [waits, sleeps, long, rest @ ..] = counts(&inspection);
    assert_eq!((waits, long, rest), (1, 0, [0; 3]));
    assert!(sleeps >= 1);
    let long = queue.recv_timeout(Duration::from_millis(1_010));
    assert!(long.is_err());
    let [waits, more, long, ..] = counts(&inspection);
    assert_eq!((waits, long), (2, 1));
    assert!(more > sleeps);

    let work = segment.create::<WorkQueue<u64>>("work", 4).expect("made");
    work.send(1).expect("room");
    drop(work.recv().expect("a message"));
    work.recv().expect("the same").ack().expect("held");
    let lock = segment.create::<Mutex<u64>>("lock", 0).expect("made");
    let line = Line::new();
    let peer = child(|| {
        let _guard = lock.lock().expect("free");
        line.say(1);
        Line::new().sleep_until_killed();
    });
    line.hear();
    peer.kill();
    let taken = lock.lock();
    assert!(matches!(taken, Err(LockError::OwnerDied(_))), "{taken:?}");
    drop(taken);
    segment.reap();
    let [.., taken, redelivered, reaped] = counts(&inspection);
    assert_eq!((taken, redelivered, reaped), (1, 1, 1));
    // Another handle of another process counts in the same place.
    let opened = SegmentOptions::new().open(&name).expect("there");
    assert_eq!(opened.entries().expect("whole")[0].name, "crossdock.stats");
}

#[test]
fn a_segment_that_does_not_count_has_no_counters() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).expect("created");
    let queue = segment.create::<Queue<u64>>("queue", 4).expect("made");
    assert!(queue.recv_timeout(Duration::from_millis(5)).is_err());
    let inspection = Inspection::open(&name).expect("there");
    assert!(inspection.open_dyn("crossdock.stats").is_err());
    assert!(segment.participants().len() <= 1);
}

#[test]
fn counters_that_do_not_fit_are_refused_with_the_least_size() {
    let options = SegmentOptions::new().participants(1023).stats(true);
    let small = options.clone().size(1 << 16);
    let Err(CreateError::TooSmall { least, .. }) = small.anonymous() else {
        panic!("it fits");
    };
    let segment = options.size(least).anonymous().expect("it fits now");
    assert_eq!(segment.entries().expect("whole").len(), 1);
}
