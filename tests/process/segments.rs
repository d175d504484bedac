//! Segments among arguments and results.

use crossdock::process::JoinError;
use crossdock::queue::{ByteOptions, Channel, Queue, RecvError, TryRecvError, WorkQueue};
use crossdock::{
    AtomicArray, Counter, FixedBytes, FixedStr, Mutex, RwLock, Segment, ShardedCounter, Snapshot,
};

use crate::support::{call, outcome, start};

fn total(segment: &Segment) -> Counter {
    segment.open("total").expect("opened")
}

#[test]
fn workers_count_in_the_segment_they_were_given() {
    let segment = Segment::anonymous().expect("made");
    let counter = segment.create::<Counter>("total", 0).expect("created");
    let workers: Vec<_> = (0..4)
        .map(|_| {
            start(
                |segment: Segment| {
                    for _ in 0..1000 {
                        total(&segment).add(1);
                    }
                },
                segment.clone(),
            )
        })
        .collect();
    for worker in workers {
        worker.join().expect("joined");
    }
    assert_eq!(counter.load(), 4000);
}

#[test]
fn a_segment_made_by_a_worker_outlives_it() {
    let segment = call(
        |first: u64| {
            let segment = Segment::anonymous().expect("made");
            segment.create::<Counter>("total", first).expect("created");
            segment
        },
        5,
    );
    let segment = segment.expect("joined");
    assert_eq!(total(&segment).add(1), 6);
}

#[test]
fn a_segment_does_not_travel_by_any_other_way() {
    let segment = Segment::anonymous().expect("made");
    let error = postcard::to_stdvec(&segment).expect_err("refused");
    assert_eq!(error, postcard::Error::SerdeSerCustom);
}

#[test]
fn text_of_bounded_length_is_an_argument_and_a_result() {
    let fruits: Vec<FixedStr<16>> = ["apple", "fig"]
        .map(|name| name.parse().expect("short"))
        .into();
    let bytes = FixedBytes::<4>::new(&[1, 2]).expect("two");
    let last =
        |(fruits, bytes): (Vec<FixedStr<16>>, FixedBytes<4>)| (fruits.iter().max().copied(), bytes);
    let (last, same) = call(last, (fruits.clone(), bytes)).expect("joined");
    assert_eq!((last, same), (fruits.last().copied(), bytes));
}

#[test]
fn handles_of_entries_travel_beside_plain_values() {
    let segment = Segment::anonymous().expect("made");
    let counter = segment.create::<Counter>("total", 0).expect("created");
    let signed = segment
        .create::<Counter<i64>>("signed", -1)
        .expect("created");
    let sharded = segment
        .create::<ShardedCounter>("sharded", ())
        .expect("created");
    let mutex = segment.create::<Mutex<u64>>("mutex", 1).expect("created");
    let other = Segment::anonymous().expect("made");
    let elsewhere = other.create::<Counter>("total", 100).expect("created");

    type Handles = (
        u64,
        Counter,
        Counter<i64>,
        ShardedCounter,
        Mutex<u64>,
        Counter,
    );
    let args: Handles = (
        7,
        counter.clone(),
        signed.clone(),
        sharded.clone(),
        mutex.clone(),
        elsewhere.clone(),
    );
    let back = call(
        |(number, counter, signed, sharded, mutex, elsewhere): Handles| {
            counter.add(number);
            signed.sub(1);
            sharded.add(2);
            *mutex.lock_or_repair(|_| ()).expect("locked") += number;
            elsewhere.add(1);
            elsewhere
        },
        args,
    );
    assert_eq!(back.expect("joined").load(), 101);
    assert_eq!((counter.load(), signed.load(), sharded.load()), (7, -2, 2));
    assert_eq!(*mutex.lock_or_repair(|_| ()).expect("locked"), 8);
}

#[test]
fn workers_read_and_write_by_the_lock_they_were_given() {
    let segment = Segment::anonymous().expect("made");
    let lock = segment
        .create::<RwLock<[u64; 2]>>("lock", [1, 1])
        .expect("created");
    let reading = lock.read_or_repair(|_| ()).expect("locked");
    let back = call(
        |lock: RwLock<[u64; 2]>| {
            let seen = *lock.read_or_repair(|_| ()).expect("locked");
            assert!(lock.try_write().is_err());
            (seen, lock)
        },
        lock.clone(),
    );
    let (seen, again) = back.expect("joined");
    assert_eq!(seen, *reading);
    drop(reading);
    let back = call(
        |lock: RwLock<[u64; 2]>| {
            let mut guard = lock.write_or_repair(|_| ()).expect("locked");
            *guard = [2, 2];
            *guard.downgrade()
        },
        again,
    );
    assert_eq!(back.expect("joined"), [2, 2]);
    assert_eq!(*lock.read_or_repair(|_| ()).expect("locked"), [2, 2]);
}

#[test]
fn workers_add_to_the_array_they_were_given() {
    let segment = Segment::anonymous().expect("made");
    let sums = segment
        .create::<AtomicArray<f64>>("sums", [0.5, 0.0])
        .expect("created");
    let back = call(
        |(sums, amount): (AtomicArray<f64>, f64)| {
            sums[1].fetch_add(amount);
            sums
        },
        (sums.clone(), 2.0),
    );
    back.expect("joined")[0].fetch_add(1.0);
    assert_eq!(sums.to_vec(), [1.5, 2.0]);
}

#[test]
fn channels_travel_whatever_their_values_are_called() {
    let segment = Segment::anonymous().expect("made");
    let options = ByteOptions::new(8);
    let plain: Channel<Vec<u16>> = segment.create("plain", options).expect("created");
    let named = segment
        .create("named", options.payload_name("texts/1"))
        .expect("created");
    type Channels = (Channel<Vec<u16>>, Channel<String>);
    let back = call(
        |(plain, named): Channels| {
            plain.send(&vec![1, 2]).expect("sent");
            named.send(&"two rolls".to_owned()).expect("sent");
            named
        },
        (plain.clone(), named),
    );
    let named = back.expect("joined");
    assert_eq!(*named.recv().expect("received"), "two rolls");
    assert_eq!(*plain.recv().expect("received"), [1, 2]);
}

#[test]
fn workers_take_a_sender_of_the_queue_they_were_given() {
    let segment = Segment::anonymous().expect("made");
    let queue = segment.create::<Queue<u64>>("queue", 4).expect("created");
    let stays = queue.sender().expect("counted");
    let mut workers: Vec<_> = (0..3)
        .map(|id| {
            start(
                |(queue, id): (Queue<u64>, u64)| {
                    let sender = queue.sender().expect("counted");
                    for item in 0..100 {
                        sender.send(id * 100 + item).expect("sent");
                    }
                    queue
                },
                (queue.clone(), id),
            )
        })
        .collect();
    let mut sums = [0; 3];
    for _ in 0..300 {
        let item = queue.recv().expect("received");
        sums[usize::try_from(item / 100).expect("small")] += item % 100;
    }
    assert_eq!(sums, [4950; 3]);
    for worker in &mut workers {
        let same = outcome(worker).expect("joined");
        assert_eq!(same.capacity(), 4);
    }
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    drop(stays);
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_worker_killed_with_a_message_of_the_queue_it_was_given_leaves_it_to_the_next() {
    let segment = Segment::anonymous().expect("made");
    let jobs = segment
        .create::<WorkQueue<u64>>("jobs", 4)
        .expect("created");
    jobs.send(7).expect("sent");
    let killed = call(
        |jobs: WorkQueue<u64>| {
            let job = jobs.recv().expect("received");
            assert_eq!((*job, job.attempt()), (7, 1));
            let me = std::process::id().cast_signed();
            // SAFETY: a signal to this very process.
            unsafe { libc::kill(me, libc::SIGKILL) };
        },
        jobs.clone(),
    );
    assert!(killed.is_err());
    let seen = call(
        |jobs: WorkQueue<u64>| {
            let job = jobs.recv().expect("received");
            let seen = (*job, job.attempt());
            job.ack().expect("acknowledged");
            seen
        },
        jobs.clone(),
    );
    assert_eq!(seen.expect("joined"), (7, 2));
    jobs.wait_idle().expect("idle");
}

#[test]
fn a_worker_killed_with_the_lock_leaves_it_to_its_parent() {
    let segment = Segment::anonymous().expect("made");
    let mutex = segment.create::<Mutex<u64>>("mutex", 1).expect("created");
    let joined = call(
        |mutex: Mutex<u64>| -> u8 {
            let _guard = mutex.lock_or_repair(|_| ()).expect("locked");
            std::process::abort()
        },
        mutex.clone(),
    );
    assert!(matches!(joined, Err(JoinError::Killed { .. })));
    let mut repaired = false;
    let guard = mutex.lock_or_repair(|_| repaired = true).expect("locked");
    drop(guard);
    assert!(repaired);
}

#[test]
fn a_copy_that_the_function_forks_does_not_change_its_result() {
    let counted = call(
        |()| {
            let make = |first: u64| {
                let segment = Segment::anonymous().expect("made");
                segment.create::<Counter>("total", first).expect("created")
            };
            let own = make(1);
            // SAFETY: this process has one thread but for the harness's, which waits.
            let copy = unsafe { libc::fork() };
            if copy == 0 {
                return make(222);
            }
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            unsafe { libc::waitpid(copy, &raw mut status, 0) };
            own
        },
        (),
    );
    assert_eq!(counted.expect("joined").load(), 1);
}

/// Starts a process of its own while it is encoded.
#[derive(serde::Deserialize)]
struct Spawning(Counter);

impl serde::Serialize for Spawning {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let squared = start(|n: u64| n * n, 3).join();
        assert_eq!(squared.expect("joined"), 9);
        serializer.serialize_newtype_struct("Spawning", &self.0)
    }
}

#[test]
fn a_spawn_in_the_middle_of_a_spawn_leaves_its_handles_alone() {
    let segment = Segment::anonymous().expect("made");
    let counter = segment.create::<Counter>("total", 0).expect("created");
    let before = counter.clone();
    let told = call(
        |(first, second): (Counter, Spawning)| first.add(1) + second.0.add(1),
        (before, Spawning(counter.clone())),
    );
    assert_eq!(told.expect("joined"), 3);
    assert_eq!(counter.load(), 2);
}

#[test]
fn a_descriptor_that_means_another_segment_by_now_is_not_handed_over() {
    use std::os::fd::{AsFd, AsRawFd};

    let refused = call(
        |()| {
            let own = Segment::anonymous().expect("made");
            let counter = own.create::<Counter>("total", 0).expect("created");
            let other = Segment::anonymous().expect("made");
            other.create::<Counter>("total", 222).expect("created");
            let number = own.as_fd().as_raw_fd();
            // SAFETY: what a careless library does to a number that is not its own.
            let result = unsafe { libc::dup2(other.as_fd().as_raw_fd(), number) };
            assert_eq!(result, number);
            let spawned = crossdock::process::spawn(|counter: Counter| counter.load(), counter);
            matches!(spawned, Err(crossdock::process::SpawnError::System(_)))
        },
        (),
    );
    assert!(refused.expect("joined"));
}

#[test]
fn a_snapshot_travels_and_its_new_writer_is_another_process() {
    let segment = Segment::anonymous().expect("made");
    let latest = segment
        .create::<Snapshot<[u64; 4]>>("latest", [1; 4])
        .expect("created");
    let mut reader = latest.reader().expect("a seat");
    let version = call(
        |latest: Snapshot<[u64; 4]>| {
            let mut writer = latest.writer().expect("nobody else");
            writer.update(|value| value[2] = 7).expect("published")
        },
        latest.clone(),
    );
    assert_eq!(version.expect("joined"), 1);
    assert_eq!(reader.load(), Ok([1, 1, 7, 1]));
    let again = call(|latest: Snapshot<[u64; 4]>| latest, latest).expect("joined");
    assert_eq!(again.load().expect("a seat"), [1, 1, 7, 1]);
}
