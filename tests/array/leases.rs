//! Chunks that are leased by processes that are killed, stopped and forked.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crossdock::array::{
    ArrayOptions, Init, LeaseError, LeaseTimeoutError, RestartError, TryLeaseError,
};
use crossdock::segment::MembershipError;
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{Array, Fault, Segment};

use crate::support::careless::{Reaped, lose_membership};
use crate::support::process::{Line, asleep, child, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

/// An array of zeros, in so many chunks of four.
pub(crate) fn sample(chunks: usize) -> (Segment, Array<u64>) {
    let segment = Segment::anonymous().unwrap();
    let options = ArrayOptions::new(Init::zeroed(4 * chunks)).chunk(4);
    let array = segment.create("array", options).unwrap();
    (segment, array)
}

/// Does what is to do: every value becomes its index and one. How many chunks were a dead one's.
fn fill(array: &Array<u64>) -> usize {
    let mut told = 0;
    while let Some(mut chunk) = array.lease_chunk().unwrap() {
        told += usize::from(chunk.holder_died());
        let first = chunk.range().start as u64;
        for (number, value) in (first + 1..).zip(chunk.iter_mut()) {
            *value = number;
        }
        chunk.finish().unwrap();
    }
    told
}

fn is_filled(values: &[u64]) -> bool {
    values
        .iter()
        .zip(1..)
        .all(|(value, number)| *value == number)
}

#[test]
fn many_processes_fill_an_array_and_every_chunk_is_done_once() {
    let _watch = watch();
    let (segment, array) = sample(100);
    let done = segment
        .create::<crossdock::AtomicArray<u32>>("done", Init::zeroed(100))
        .unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            child(|| {
                while let Some(mut chunk) = array.lease_chunk().unwrap() {
                    done[chunk.index()].fetch_add(1);
                    chunk.iter_mut().for_each(|value| *value += 7);
                    chunk.finish().unwrap();
                }
                assert_eq!(array.chunks_left(), 0);
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join());
    assert_eq!(done.to_vec(), [1; 100]);
    assert_eq!(*array.read().unwrap(), [7; 400]);
}

#[test]
fn the_chunk_of_a_killed_process_is_done_again_and_that_is_told() {
    let _watch = watch();
    let (_segment, array) = sample(10);
    let (ready, told) = (Line::new(), Line::new());
    let victim = child(|| {
        let mut chunk = array.lease(6).unwrap();
        chunk[..2].fill(99);
        ready.say(1);
        Line::new().sleep_until_killed();
    });
    ready.hear();
    let workers: Vec<_> = (0..3)
        .map(|_| child(|| told.say(fill(&array) as u64)))
        .collect();
    // Nine chunks are done, and those who wait for the tenth wait for one that lives.
    while array.chunks_left() > 1 {
        std::thread::yield_now();
    }
    victim.kill();
    let times: u64 = workers.iter().map(|_| told.hear()).sum();
    workers.into_iter().for_each(|worker| worker.join());
    assert_eq!(times, 1, "told once");
    assert!(is_filled(&array.read().unwrap()));
    assert!(!array.lease(6).unwrap().holder_died(), "finished since");
}

#[test]
fn a_chunk_is_taken_from_a_dead_one_by_whoever_asks_for_it() {
    let _watch = watch();
    let (_segment, array) = sample(2);
    let dead = holder(|| array.lease(1).unwrap());
    assert!(matches!(array.lease(1), Err(LeaseError::Leased { pid }) if pid == dead.child.pid()));
    dead.kill();
    let chunk = array.try_lease(1).unwrap();
    assert!(chunk.holder_died());
    drop(chunk);
    let again = array.lease(1).unwrap();
    assert!(again.holder_died(), "nobody has finished it");
    again.finish().unwrap();
    assert_eq!(array.chunks_left(), 1);
}

#[test]
fn the_chunks_of_a_killed_process_are_nobodys_after_reaping() {
    let _watch = watch();
    let (segment, array) = sample(3);
    holder(|| [0, 2].map(|chunk| array.lease(chunk).unwrap())).kill();
    assert_eq!(segment.reap().freed, 1);
    let told: Vec<bool> = (0..3)
        .map(|chunk| array.try_lease(chunk).unwrap().holder_died())
        .collect();
    assert_eq!(told, [true, false, true]);
}

#[test]
fn a_reader_waits_for_those_who_have_chunks() {
    let _watch = watch();
    let (_segment, array) = sample(3);
    let mut first = array.lease(0).unwrap();
    let other = holder(|| array.lease(2).unwrap());
    assert!(matches!(
        array.try_read(),
        Err(TryLockError::WouldBlock { .. })
    ));
    assert!(matches!(
        array.try_write(),
        Err(TryLockError::WouldBlock { .. })
    ));
    let timed = array.read_timeout(SHORT);
    assert!(matches!(timed, Err(LockTimeoutError::Timeout { .. })));
    let readers = [(); 2].map(|()| asleep(|| assert_eq!(array.read().unwrap()[0], 5)));
    assert!(
        matches!(array.try_lease(1), Err(TryLeaseError::WouldBlock)),
        "no new ones"
    );
    first[0] = 5;
    first.finish().unwrap();
    other.release();
    readers.into_iter().for_each(|reader| reader.join());
    assert_eq!(array.chunks_left(), 2);
}

#[test]
fn a_writer_waits_for_those_who_have_chunks_and_leases_go_on_after_it() {
    let _watch = watch();
    let (_segment, array) = sample(3);
    let chunk = array.lease(0).unwrap();
    let writer = asleep(|| array.write().unwrap().fill(3));
    chunk.finish().unwrap();
    let next = array.lease(1).unwrap();
    writer.join();
    drop(next);
    assert_eq!(array.read().unwrap()[11], 3);
}

#[test]
fn a_reader_that_is_killed_while_it_waits_keeps_no_chunk_closed() {
    let _watch = watch();
    let (_segment, array) = sample(3);
    let chunk = array.lease(0).unwrap();
    let reader = asleep(|| drop(array.read()));
    reader.kill();
    assert!(array.lease(1).is_ok());
    chunk.finish().unwrap();
    assert_eq!(fill(&array), 0);
    assert!(is_filled(
        &array.read().unwrap()[4..]
            .iter()
            .map(|value| value - 4)
            .collect::<Vec<_>>()
    ));
}

#[test]
fn leases_wait_for_readers_and_writers() {
    let _watch = watch();
    let (_segment, array) = sample(2);
    let readers = [(); 2].map(|()| holder(|| array.read().unwrap()));
    assert!(matches!(array.try_lease(0), Err(TryLeaseError::WouldBlock)));
    assert!(matches!(
        array.try_lease_chunk(),
        Err(TryLeaseError::WouldBlock)
    ));
    assert!(matches!(
        array.lease_timeout(0, SHORT),
        Err(LeaseTimeoutError::Timeout)
    ));
    let deadline = Instant::now() + SHORT;
    assert!(matches!(
        array.lease_chunk_timeout(deadline),
        Err(LeaseTimeoutError::Timeout)
    ));
    assert!(Instant::now() >= deadline);
    let waiters = [0, 1].map(|chunk| asleep(|| array.lease(chunk).unwrap().finish().unwrap()));
    readers.into_iter().for_each(|reader| reader.release());
    waiters.into_iter().for_each(|waiter| waiter.join());
    assert_eq!(array.chunks_left(), 0);
    let writer = holder(|| array.write().unwrap());
    assert!(
        matches!(array.lease_chunk_timeout(SHORT), Ok(None)),
        "all are done"
    );
    assert!(matches!(array.try_lease(0), Err(TryLeaseError::WouldBlock)));
    writer.release();
    assert!(array.try_lease(0).is_ok());
}

#[test]
fn one_that_wants_any_chunk_waits_for_the_last_ones_and_no_longer() {
    let _watch = watch();
    let (_segment, array) = sample(2);
    let first = array.lease(0).unwrap();
    let second = array.lease(1).unwrap();
    assert!(matches!(
        array.try_lease_chunk(),
        Err(TryLeaseError::WouldBlock)
    ));
    assert!(matches!(
        array.lease_chunk_timeout(SHORT),
        Err(LeaseTimeoutError::Timeout)
    ));
    let waiters = [(); 2].map(|()| {
        asleep(|| {
            while let Some(chunk) = array.lease_chunk().unwrap() {
                chunk.finish().unwrap();
            }
        })
    });
    first.finish().unwrap();
    drop(second);
    waiters.into_iter().for_each(|waiter| waiter.join());
    assert_eq!(array.chunks_left(), 0);
}

#[test]
fn a_stopped_holder_keeps_its_chunk() {
    let _watch = watch();
    let (segment, array) = sample(2);
    let other = holder(|| array.lease(0).unwrap());
    other.child.stop();
    assert!(matches!(array.lease(0), Err(LeaseError::Leased { .. })));
    assert!(matches!(
        array.read_timeout(SHORT),
        Err(LockTimeoutError::Timeout { .. })
    ));
    assert_eq!(segment.reap().freed, 0);
    array.lease_chunk().unwrap().unwrap().finish().unwrap();
    assert!(matches!(
        array.lease_chunk_timeout(SHORT),
        Err(LeaseTimeoutError::Timeout)
    ));
    other.child.cont();
    other.release();
    assert!(!array.lease(0).unwrap().holder_died());
}

#[test]
fn what_a_dead_writer_left_is_not_leased_before_it_was_repaired() {
    let _watch = watch();
    let (_segment, array) = sample(2);
    holder(|| {
        let mut values = array.write().unwrap();
        values[0] = 9;
        values
    })
    .kill();
    assert!(matches!(array.lease(0), Err(LeaseError::OwnerDied)));
    assert!(matches!(array.lease_chunk(), Err(LeaseError::OwnerDied)));
    let tried = array.try_lease_chunk();
    assert!(matches!(
        tried,
        Err(TryLeaseError::Lease(LeaseError::OwnerDied))
    ));
    assert!(matches!(array.read(), Err(LockError::OwnerDied(values)) if values[0] == 9));
    array.restart().unwrap();
    drop(array.write_or_repair(|values| values.fill(0)).unwrap());
    assert_eq!(fill(&array), 0);
}

#[test]
fn what_a_thread_panicked_over_is_not_leased_before_that_was_cleared() {
    let (_segment, array) = sample(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _values = array.write();
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(matches!(array.lease_chunk(), Err(LeaseError::Poisoned)));
    array.clear_poison();
    assert_eq!(fill(&array), 0);
}

#[test]
fn a_panic_gives_a_chunk_back_and_poisons_nothing() {
    let (_segment, array) = sample(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut chunk = array.lease(0).unwrap();
        chunk[0] = 1;
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(!array.is_poisoned());
    let again = array.lease(0).unwrap();
    assert_eq!((again[0], again.holder_died()), (1, false));
}

#[test]
fn a_chunk_that_is_done_is_to_do_once_it_is_leased_again() {
    let (_segment, array) = sample(2);
    fill(&array);
    assert!(array.lease_chunk().unwrap().is_none());
    let chunk = array.lease(1).unwrap();
    assert_eq!(array.chunks_left(), 1);
    drop(chunk);
    assert_eq!(array.lease_chunk().unwrap().unwrap().index(), 1);
}

#[test]
fn a_restart_makes_all_chunks_to_do_or_is_refused() {
    let _watch = watch();
    let (_segment, array) = sample(3);
    fill(&array);
    array.restart().unwrap();
    assert_eq!(array.chunks_left(), 3);
    fill(&array);
    let reader = holder(|| array.read().unwrap());
    array.restart().unwrap();
    reader.release();
    assert_eq!(array.chunks_left(), 3);
    array.lease_chunk().unwrap().unwrap().finish().unwrap();
    let other = holder(|| array.lease_chunk().unwrap().unwrap());
    let refused = array.restart().unwrap_err();
    assert!(matches!(refused, RestartError::Leased { pid } if pid == other.child.pid()));
    assert_eq!(array.chunks_left(), 2, "nothing is changed");
    other.kill();
    array.restart().unwrap();
    assert_eq!(array.chunks_left(), 3);
    assert_eq!(fill(&array), 1);
}

#[test]
fn a_lease_can_be_finished_by_another_thread() {
    let (_segment, array) = sample(2);
    let chunk = array.lease(0).unwrap();
    std::thread::scope(|scope| {
        let _ = scope.spawn(move || chunk.finish().unwrap());
    });
    assert_eq!(array.chunks_left(), 1);
}

#[test]
fn in_a_forked_child_an_inherited_lease_is_nobodys() {
    let _watch = watch();
    let (_segment, array) = sample(2);
    let mut leases = Some([0, 1].map(|chunk| array.lease(chunk).unwrap()));
    let pid = std::process::id();
    in_child(|| {
        let [first, second] = leases.take().unwrap();
        assert_eq!(first.finish(), Err(Fault::NotOwner));
        drop(second);
        let refused = array.lease(0).err();
        assert!(matches!(refused, Some(LeaseError::Leased { pid: holder }) if holder == pid));
    });
    assert_eq!(array.chunks_left(), 2);
    for lease in leases.into_iter().flatten() {
        lease.finish().unwrap();
    }
    assert_eq!(array.chunks_left(), 0);
}

#[test]
fn who_was_taken_for_dead_has_lost_its_chunks() {
    let _watch = watch();
    let (segment, array) = sample(2);
    let (line, end) = (Line::new(), Line::new());
    let careless = child(|| {
        let [first, second] = [0, 1].map(|chunk| array.lease(chunk).unwrap());
        lose_membership(&segment);
        line.say(1);
        end.hear();
        assert_eq!(first.finish(), Err(Fault::NotOwner));
        drop(second);
        line.say(2);
        end.hear();
    });
    line.hear();
    let chunk = array.lease(0).unwrap();
    assert!(chunk.holder_died());
    assert_eq!(segment.reap().freed, 1);
    let other = array.lease(1).unwrap();
    end.say(1);
    assert_eq!(line.hear(), 2);
    chunk.finish().unwrap();
    other.finish().unwrap();
    end.say(2);
    careless.join();
}

#[test]
fn who_was_reaped_and_does_not_know_it_gets_no_chunk() {
    let _watch = watch();
    let (segment, array) = sample(2);
    let lost = Reaped::after(
        &segment,
        || drop(array.lease(0).unwrap()),
        |()| {
            assert!(matches!(
                array.lease_chunk(),
                Err(LeaseError::Fault(Fault::NotMember(MembershipError::Lost)))
            ));
        },
    );
    lost.goes_on();
    for _ in 0..2 {
        let chunk = array.lease_chunk().unwrap().unwrap();
        assert!(!chunk.holder_died(), "it never had it");
        chunk.finish().unwrap();
    }
    lost.ends();
}
