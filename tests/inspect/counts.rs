//! What went through queues, as it is seen from outside.

use std::time::Duration;

use crossdock::queue::spsc::Spsc;
use crossdock::queue::{ByteQueue, Queue, WorkOptions, WorkQueue};
use crossdock::segment::Inspection;
use crossdock::{Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::child;
use crate::support::watch;
use crate::views::number;

/// The messages that were sent to an entry, and received.
fn passed(inspection: &Inspection, entry: &str) -> (u64, u64) {
    let view = inspection.open_dyn(entry).expect("a view");
    (number(&view, "sent"), number(&view, "received"))
}

fn segment(name: &Unique) -> (Segment, Inspection) {
    let options = SegmentOptions::new().size(1 << 20).participants(8);
    let segment = options.create_new(name).expect("created");
    let inspection = Inspection::open(name).expect("there");
    (segment, inspection)
}

#[test]
fn rings_and_queues_count_each_message_once() {
    let name = Unique::new();
    let (segment, inspection) = segment(&name);
    // As many as fit, and one lap and a piece of the next: capacities are no powers of two.
    for capacity in [2_u64, 3, 5, 64, 100] {
        let of = |kind: &str| format!("{kind} {capacity}");
        let ring = segment.create::<Spsc<u64>>(&of("ring"), capacity.next_power_of_two());
        let ring = ring.expect("made");
        let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
        let queue = segment.create::<Queue<u64>>(&of("queue"), capacity);
        let queue = queue.expect("made");
        let work = segment.create::<WorkQueue<u64>>(&of("work"), capacity);
        let work = work.expect("made");
        let mut sent = 0;
        for round in 0..700 {
            let filled = round % capacity + 1;
            for number in 0..filled {
                producer.push(number).unwrap();
                queue.send(number).unwrap();
                work.send(number).unwrap();
            }
            sent += filled;
            for kind in ["ring", "queue", "work"] {
                let seen = passed(&inspection, &of(kind));
                assert_eq!(seen, (sent, sent - filled), "{kind} of {capacity}");
            }
            for _ in 0..filled {
                consumer.pop().unwrap();
                queue.recv().unwrap();
                work.recv().unwrap().ack().unwrap();
            }
            for kind in ["ring", "queue", "work"] {
                let seen = passed(&inspection, &of(kind));
                assert_eq!(seen, (sent, sent), "{kind} of {capacity}");
            }
        }
    }
}

/// A message that is delivered again was sent and received once.
#[test]
fn redelivered_messages_count_once_whichever_process_sent_them() {
    let _watch = watch();
    let name = Unique::new();
    let (segment, inspection) = segment(&name);
    let options = WorkOptions::new(4).max_attempts(3);
    let work = segment.create::<WorkQueue<u64>>("work", options).unwrap();
    work.send(1).unwrap();
    for _ in 0..2 {
        work.recv().unwrap().nack(Duration::ZERO).unwrap();
    }
    assert_eq!(passed(&inspection, "work"), (1, 1));
    drop(work.recv().unwrap());
    assert_eq!(passed(&inspection, "work"), (1, 1));
    let queue = segment.create::<Queue<u64>>("queue", 4).unwrap();
    queue.send(1).unwrap();
    child(|| {
        assert_eq!(queue.recv(), Ok(1));
        queue.send(2).unwrap();
    })
    .join();
    assert_eq!(passed(&inspection, "queue"), (2, 1));
    let bytes = segment.create::<ByteQueue>("bytes", 8).unwrap();
    for _ in 0..50 {
        bytes.send(&[7; 300]).unwrap();
        bytes.recv().unwrap().ack().unwrap();
    }
    assert_eq!(passed(&inspection, "bytes"), (50, 50));
}
