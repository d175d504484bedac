//! Values of 8 MiB on threads of 2 MiB: created, sent, received and changed without their stack.
//!
//! Each runs in a process of its own, which a stack that overflows ends. Tests are not optimised: what
//! the optimiser happens to keep off the stack counts for nothing.

#[path = "support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::thread;

use crossdock::array::Init;
use crossdock::bytemuck::{zeroed_box, zeroed_vec};
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{Queue, TryRecvError, TrySendError, WorkQueue};
use crossdock::segment::EntryError;
use crossdock::{Array, Mutex, RwLock, Segment, SegmentOptions, Snapshot, SnapshotOptions};

use support::process::{Child, Line, child};
use support::watch;

const LEN: usize = 8 << 20;
type Large = [u8; LEN];

fn segment() -> Segment {
    let options = SegmentOptions::new().size(128 << 20).participants(4);
    options.anonymous().unwrap()
}

/// So many of a byte, on the heap.
fn large(byte: u8) -> Box<Large> {
    vec![byte; LEN].into_boxed_slice().try_into().unwrap()
}

fn in_a_process(body: impl FnOnce() + Send + 'static) -> Child {
    child(|| {
        let small = thread::Builder::new().stack_size(2 << 20);
        small.spawn(body).unwrap().join().unwrap();
    })
}

/// Runs `body` on a thread with 2 MiB of stack, in a process of its own.
#[track_caller]
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let _watch = watch();
    in_a_process(body).join();
}

#[track_caller]
fn is_all(value: &Large, byte: u8) {
    assert!(value.iter().all(|found| *found == byte));
}

#[test]
fn a_value_that_passes_through_the_stack_ends_the_process_which_the_other_tests_would_see() {
    let _watch = watch();
    let child = in_a_process(|| {
        segment()
            .create::<Mutex<Large>>("by value", *large(1))
            .unwrap();
    });
    assert!(libc::WIFSIGNALED(child.status()));
}

#[test]
fn a_mutex() {
    on_a_small_stack(|| {
        let segment = segment();
        let boxed = segment
            .create_boxed::<Mutex<Large>>("boxed", large(1))
            .unwrap();
        is_all(&boxed.lock().unwrap(), 1);
        boxed.lock_or_repair(|_| ()).unwrap().fill(2);
        is_all(&boxed.lock().unwrap(), 2);
        let again = segment
            .open_or_create_boxed::<Mutex<Large>>("boxed", large(3))
            .unwrap();
        is_all(&again.lock().unwrap(), 2);
        let with = segment
            .create_with::<Mutex<Large>>("with", |it| it[..LEN / 2].fill(4))
            .unwrap();
        assert_eq!(with.lock().unwrap()[LEN / 2 - 1..][..2], [4, 0]);
        let again = segment.open_or_create_with::<Mutex<Large>>("with", |_| unreachable!());
        assert_eq!(again.unwrap().lock().unwrap()[0], 4);
        let other = segment.open_or_create_with::<Mutex<Large>>("other", |it| it.fill(5));
        is_all(&other.unwrap().lock().unwrap(), 5);
    });
}

#[test]
fn an_rwlock() {
    on_a_small_stack(|| {
        let segment = segment();
        let boxed = segment
            .create_boxed::<RwLock<Large>>("boxed", large(1))
            .unwrap();
        is_all(&boxed.read().unwrap(), 1);
        boxed.write().unwrap().fill(2);
        is_all(&boxed.read_or_repair(|_| ()).unwrap(), 2);
        let with = segment
            .create_with::<RwLock<Large>>("with", |it| it.fill(3))
            .unwrap();
        is_all(&with.read().unwrap(), 3);
    });
}

#[test]
fn a_snapshot() {
    on_a_small_stack(|| {
        let segment = segment();
        let options = SnapshotOptions::new(large(1)).readers(2);
        let boxed = segment
            .create_boxed::<Snapshot<Large>>("boxed", options)
            .unwrap();
        assert_eq!(boxed.readers(), 2);
        let (mut writer, mut reader) = (boxed.writer().unwrap(), boxed.reader().unwrap());
        is_all(&reader.read().unwrap(), 1);
        writer.publish_with(|it| it.fill(2)).unwrap();
        is_all(&reader.read().unwrap(), 2);
        writer.update(|it| it[..LEN / 2].fill(3)).unwrap();
        assert_eq!(reader.wait_newer().unwrap()[LEN / 2 - 1..][..2], [3, 2]);
        let refused = segment
            .create_boxed::<Snapshot<Large>>("none", SnapshotOptions::new(large(1)).readers(0));
        assert!(matches!(refused, Err(EntryError::Readers { found: 0, .. })));
    });
    on_a_small_stack(|| {
        let segment = SegmentOptions::new().size(256 << 20).anonymous().unwrap();
        let with = segment
            .create_with::<Snapshot<Large>>("with", |it| it.fill(4))
            .unwrap();
        assert_eq!(with.readers(), 16);
        is_all(&with.reader().unwrap().read().unwrap(), 4);
    });
}

#[test]
fn a_queue() {
    on_a_small_stack(|| {
        let queue = segment().create::<Queue<Large>>("queue", 2).unwrap();
        queue.send_with(|it| it.fill(1)).unwrap();
        queue.try_send_with(|it| it.fill(2)).unwrap();
        let full = queue.try_send_with(|_| unreachable!());
        assert!(matches!(full, Err(TrySendError::Full(()))));
        is_all(&queue.recv_boxed().unwrap(), 1);
        assert_eq!(queue.send_slice(slice::from_ref(&*large(3))).unwrap(), 1);
        is_all(&queue.try_recv_boxed().unwrap(), 2);
        is_all(&queue.recv_boxed().unwrap(), 3);
        assert!(matches!(queue.try_recv_boxed(), Err(TryRecvError::Empty)));
    });
}

#[test]
fn a_work_queue() {
    on_a_small_stack(|| {
        let queue = segment().create::<WorkQueue<Large>>("work", 2).unwrap();
        let mut loan = queue.loan().unwrap();
        loan.fill(1);
        loan.send().unwrap();
        let delivery = queue.recv().unwrap();
        is_all(&delivery, 1);
        delivery.ack().unwrap();
    });
}

#[test]
fn a_ring() {
    on_a_small_stack(|| {
        let ring = segment().create::<Spsc<Large>>("ring", 2).unwrap();
        let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
        push.push_with(|it| it.fill(1)).unwrap();
        push.try_push_with(|it| it.fill(2)).unwrap();
        assert!(push.try_push_with(|_| unreachable!()).is_err());
        is_all(&pop.pop_boxed().unwrap(), 1);
        assert_eq!(push.push_slice(slice::from_ref(&*large(3))).unwrap(), 1);
        is_all(&pop.try_pop_boxed().unwrap(), 2);
        is_all(&pop.pop_boxed().unwrap(), 3);
        assert!(pop.try_pop_boxed().is_err());
    });
}

#[test]
fn an_array() {
    on_a_small_stack(|| {
        let segment = segment();
        let zeroed = segment
            .create::<Array<Large>>("zeroed", Init::zeroed(3))
            .unwrap();
        zeroed.write().unwrap()[1].fill(1);
        let mut chunk = zeroed.lease_chunk().unwrap().unwrap();
        let index = chunk.range().start;
        chunk[0].fill(2);
        chunk.finish().unwrap();
        is_all(&zeroed.read().unwrap()[index], 2);
        let mut values = zeroed_vec::<Large>(2);
        values[1].fill(3);
        let listed = segment.create::<Array<Large>>("listed", values).unwrap();
        is_all(&listed.read().unwrap()[1], 3);
        listed.copy_from(0, slice::from_ref(&*large(4))).unwrap();
        let mut copy = zeroed_box::<Large>();
        listed.copy_to(0, slice::from_mut(&mut *copy)).unwrap();
        is_all(&copy, 4);
    });
}

#[cfg(feature = "process")]
#[test]
fn a_value_in_a_channel_that_nests_as_deep_as_one_may() {
    use crossdock::queue::Channel;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    struct Node {
        name: String,
        numbers: [u64; 8],
        next: Option<Box<Node>>,
    }
    on_a_small_stack(|| {
        let channel = Segment::anonymous().unwrap();
        let channel = channel.create::<Channel<Node>>("nodes", 64).unwrap();
        let mut node = None;
        for level in 0..63 {
            let name = level.to_string();
            node = Some(Box::new(Node {
                name,
                numbers: [level; 8],
                next: node,
            }));
        }
        channel.send(&node.unwrap()).unwrap();
        assert_eq!(channel.recv().unwrap().name, "62");
    });
}

fn panics(body: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(body)).is_err());
}

#[test]
fn a_panic_while_an_item_is_written_gives_its_slot_back() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create::<Queue<u64>>("queue", 4).unwrap();
    for round in 0..5 {
        queue.send(round).unwrap();
        panics(|| queue.send_with(|_| panic!("as it writes")).unwrap());
        panics(|| queue.try_send_with(|_| panic!("as it writes")).unwrap());
        queue.send(round + 10).unwrap();
        assert_eq!(queue.recv().unwrap(), round);
        assert_eq!(*queue.recv_boxed().unwrap(), round + 10);
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    }
    let ring = segment.create::<Spsc<u64>>("ring", 1).unwrap();
    let (mut push, mut pop) = (ring.producer().unwrap(), ring.consumer().unwrap());
    panics(|| push.push_with(|_| panic!("as it writes")).unwrap());
    assert!(pop.is_empty());
    push.push_with(|it| *it = 7).unwrap();
    assert_eq!(*pop.pop_boxed().unwrap(), 7);
}

#[test]
fn a_sender_killed_while_it_writes_an_item_has_sent_nothing_and_stops_nobody() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create::<Queue<u64>>("queue", 4).unwrap();
    queue.send(1).unwrap();
    let line = Line::new();
    let victim = child(|| {
        queue
            .send_with(|it| {
                *it = 2;
                line.say(1);
                Line::new().sleep_until_killed();
            })
            .unwrap();
    });
    line.hear();
    victim.kill();
    queue.send(3).unwrap();
    assert_eq!((queue.recv().unwrap(), queue.recv().unwrap()), (1, 3));
    queue.send_with(|it| *it = 4).unwrap();
    assert_eq!(queue.recv().unwrap(), 4);
}

#[test]
fn a_first_value_is_made_before_others_wait_and_only_if_it_is_needed() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let number = segment.create_with::<Mutex<u64>>("number", |number| {
        // Another creator, and the same: both would wait for ever if this one kept them waiting.
        let elsewhere = segment.clone();
        let other = thread::spawn(move || elsewhere.create::<Mutex<u64>>("thread", 1).unwrap());
        *number = *other.join().unwrap().lock().unwrap();
        *number += *segment
            .create::<Mutex<u64>>("inner", 2)
            .unwrap()
            .lock()
            .unwrap();
    });
    assert_eq!(*number.unwrap().lock().unwrap(), 3);
    let exists = segment.create_with::<Mutex<u64>>("number", |_| unreachable!());
    assert!(matches!(exists, Err(EntryError::Exists { .. })));
    let no_room = segment.create_with::<Mutex<Large>>("large", |_| unreachable!());
    assert!(matches!(no_room, Err(EntryError::ArenaFull { .. })));
    panics(|| drop(segment.create_with::<RwLock<u64>>("panic", |_| panic!("as it is made"))));
    let made = segment
        .create_with::<RwLock<u64>>("panic", |it| *it = 5)
        .unwrap();
    assert_eq!(*made.read().unwrap(), 5);
}

#[test]
fn a_creator_killed_while_it_makes_the_first_value_leaves_no_entry() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let line = Line::new();
    let victim = child(|| {
        let made = segment.create_with::<Mutex<u64>>("number", |_| {
            line.say(1);
            Line::new().sleep_until_killed();
        });
        made.unwrap();
    });
    line.hear();
    victim.kill();
    let made = segment
        .create_boxed::<Mutex<u64>>("number", Box::new(6))
        .unwrap();
    assert_eq!(*made.lock().unwrap(), 6);
}
