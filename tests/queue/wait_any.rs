//! Waiting for several queues at once, by processes that are killed, stopped and woken for others.

use std::time::{Duration, Instant};

use crossdock::queue::spsc::{Consumer, Spsc};
use crossdock::queue::{
    Queue, RecvError, TryRecvError, WaitAnyError, Waitable, wait_any, wait_any_timeout,
};
use crossdock::{Counter, Segment};

use crate::support::process::{Child, Line, child, holder, in_child};
use crate::support::watch;

const SOON: Duration = Duration::from_millis(20);

fn queues<const N: usize>(capacity: u64) -> (Segment, [Queue<u64>; N]) {
    let segment = Segment::anonymous().unwrap();
    let queues = std::array::from_fn(|number| {
        let name = format!("queue {number}");
        segment.create(&name, capacity).unwrap()
    });
    (segment, queues)
}

fn list<T: Waitable>(sources: &[T]) -> Vec<&dyn Waitable> {
    sources
        .iter()
        .map(|source| source as &dyn Waitable)
        .collect()
}

#[test]
fn the_lowest_that_is_ready_is_told() {
    let (_segment, queues) = queues::<3>(4);
    queues[2].send(1).unwrap();
    assert_eq!(wait_any(&list(&queues)).unwrap(), 2);
    queues[1].send(1).unwrap();
    assert_eq!(wait_any(&list(&queues)).unwrap(), 1);
    assert_eq!(queues[1].try_recv().unwrap(), 1);
    assert_eq!(wait_any(&list(&queues)).unwrap(), 2);
}

#[test]
fn nothing_to_wait_for_is_an_error() {
    assert!(matches!(wait_any(&[]), Err(WaitAnyError::NoSources)));
}

#[test]
fn none_that_is_ready_is_told_at_the_deadline() {
    let _watch = watch();
    let (_segment, queues) = queues::<2>(4);
    let _sender = queues[0].sender().unwrap();
    let begin = Instant::now();
    let waited = wait_any_timeout(&list(&queues), SOON);
    assert!(matches!(waited, Err(WaitAnyError::Timeout)));
    assert!(begin.elapsed() >= SOON);
    let waited = wait_any_timeout(&list(&queues), begin);
    assert!(matches!(waited, Err(WaitAnyError::Timeout)));
}

#[test]
fn a_closed_queue_is_ready() {
    let (_segment, queues) = queues::<2>(4);
    queues[1].close();
    assert_eq!(wait_any(&list(&queues)).unwrap(), 1);
    assert!(matches!(
        queues[1].try_recv(),
        Err(TryRecvError::Disconnected)
    ));
}

/// A child that waits for all of them, and takes what comes until they are closed.
fn taker(queues: &[Queue<u64>], taken: &Counter) -> Child {
    child(|| {
        let mut open: Vec<&Queue<u64>> = queues.iter().collect();
        while !open.is_empty() {
            let sources: Vec<&dyn Waitable> = open.iter().map(|queue| *queue as _).collect();
            let ready = wait_any(&sources).unwrap();
            match open[ready].try_recv() {
                Ok(_) => {
                    taken.add(1);
                }
                // Another was faster.
                Err(TryRecvError::Empty | TryRecvError::Busy) => {}
                Err(TryRecvError::Disconnected) => drop(open.remove(ready)),
                Err(error) => panic!("{error}"),
            }
        }
    })
}

#[test]
fn items_of_any_of_them_arrive_also_one_at_a_time() {
    let _watch = watch();
    let (segment, queues) = queues::<3>(4);
    let taken = segment.create::<Counter>("taken", 0).unwrap();
    let waiter = taker(&queues, &taken);
    for item in 0..600 {
        // The last is taken before the next is sent, so that each has to wake the waiter.
        queues[usize::try_from(item % 3).unwrap()]
            .send(item)
            .unwrap();
        while taken.load() <= item {
            std::thread::yield_now();
        }
    }
    queues.iter().for_each(Queue::close);
    waiter.join();
}

#[test]
fn several_that_wait_for_all_and_for_one_share_what_comes() {
    let _watch = watch();
    let (segment, queues) = queues::<2>(8);
    let taken = segment.create::<Counter>("taken", 0).unwrap();
    let both = [taker(&queues, &taken), taker(&queues, &taken)];
    let one = child(|| {
        while queues[1].recv().is_ok() {
            taken.add(1);
        }
    });
    for item in 0..10_000 {
        queues[usize::from(item % 5 < 3)].send(item).unwrap();
    }
    queues.iter().for_each(Queue::close);
    for waiter in both {
        waiter.join();
    }
    one.join();
    assert_eq!(taken.load(), 10_000);
}

#[test]
fn one_that_only_looks_does_not_keep_an_item_from_another() {
    let _watch = watch();
    let (segment, queues) = queues::<2>(4);
    let taken = segment.create::<Counter>("taken", 0).unwrap();
    let looker = child(|| {
        loop {
            // Woken for an item that it leaves to the other.
            wait_any(&list(&queues)).unwrap();
        }
    });
    let other = child(|| {
        for _ in 0..300 {
            queues[1].recv().unwrap();
            taken.add(1);
        }
    });
    for item in 0..300 {
        queues[1].send(item).unwrap();
        while taken.load() <= item {
            std::thread::yield_now();
        }
    }
    other.join();
    looker.kill();
}

#[test]
fn a_killed_sender_makes_its_queue_ready_and_a_stopped_one_does_not() {
    let _watch = watch();
    let (_segment, queues) = queues::<2>(4);
    let _sender = queues[0].sender().unwrap();
    let sender = holder(|| queues[1].sender().unwrap());
    sender.child.stop();
    let waited = wait_any_timeout(&list(&queues), SOON);
    assert!(matches!(waited, Err(WaitAnyError::Timeout)));
    let line = Line::new();
    let waiter = child(|| {
        line.say(1);
        assert_eq!(wait_any(&list(&queues)).unwrap(), 1);
        assert!(matches!(
            queues[1].try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
    line.hear();
    sender.kill();
    waiter.join();
}

#[test]
fn a_receiver_and_consumers_of_several_segments_are_waited_for_together() {
    let _watch = watch();
    let (_segment, queues) = queues::<1>(4);
    let receiver = queues[0].receiver().unwrap();
    let segment = Segment::anonymous().unwrap();
    let rings = ["a", "b"].map(|name| segment.create::<Spsc<u64>>(name, 4).unwrap());
    let producer = holder(|| {
        let mut push = rings[1].producer().unwrap();
        push.push(7).unwrap();
        push
    });
    let mut pops = rings.each_ref().map(|ring| ring.consumer().unwrap());
    let wait = |pops: &[Consumer<u64>; 2]| {
        let [first, second] = pops;
        let sources: [&dyn Waitable; 3] = [&receiver, first, second];
        wait_any(&sources).unwrap()
    };
    assert_eq!(wait(&pops), 2);
    assert_eq!(pops[1].pop(), Ok(7));
    producer.kill();
    assert_eq!(wait(&pops), 2);
    assert_eq!(pops[1].pop(), Err(RecvError::Disconnected));
    queues[0].send(1).unwrap();
    assert_eq!(wait(&pops), 0);
}

#[test]
fn a_consumer_that_sleeps_for_two_rings_is_woken_by_each() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let rings = ["a", "b"].map(|name| segment.create::<Spsc<u64>>(name, 1).unwrap());
    let taken = segment.create::<Counter>("taken", 0).unwrap();
    let mut pushes = rings.each_ref().map(|ring| ring.producer().unwrap());
    let waiter = child(|| {
        let mut pops = rings.each_ref().map(|ring| ring.consumer().unwrap());
        for _ in 0..400 {
            let ready = wait_any(&list(&pops)).unwrap();
            pops[ready].pop().unwrap();
            taken.add(1);
        }
    });
    for item in 0..400 {
        pushes[usize::try_from(item % 2).unwrap()]
            .push(item)
            .unwrap();
        while taken.load() <= item {
            std::thread::yield_now();
        }
    }
    waiter.join();
}

#[test]
fn killing_those_who_wait_at_random_moments_hides_no_item() {
    let _watch = watch();
    let (segment, queues) = queues::<2>(8);
    let taken = segment.create::<Counter>("taken", 0).unwrap();
    let rest = child(|| {
        while queues[1].recv().is_ok() {
            taken.add(1);
        }
    });
    let mut sent = 0;
    for _ in 0..40 {
        let looker = child(|| {
            loop {
                wait_any(&list(&queues)).unwrap();
            }
        });
        for _ in 0..20 {
            queues[1].send(sent).unwrap();
            sent += 1;
        }
        looker.kill();
        while taken.load() < sent {
            std::thread::yield_now();
        }
    }
    queues[1].close();
    rest.join();
}

#[test]
fn among_more_than_one_system_call_waits_for_each_is_found() {
    let _watch = watch();
    let options = crossdock::SegmentOptions::default().entries(320);
    let segment = options.anonymous().unwrap();
    let queues: Vec<Queue<u64>> = (0..300)
        .map(|number| segment.create(&format!("queue {number}"), 2).unwrap())
        .collect();
    let line = Line::new();
    let waiter = child(|| {
        for expected in [299, 0, 128, 127] {
            line.say(1);
            let ready = wait_any(&list(&queues)).unwrap();
            assert_eq!(ready, expected);
            queues[ready].try_recv().unwrap();
        }
    });
    for number in [299, 0, 128, 127] {
        line.hear();
        queues[number].send(1).unwrap();
    }
    waiter.join();
}

#[test]
fn in_a_forked_child_an_inherited_consumer_is_ready_to_say_that_it_is_lost() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let ring = segment.create::<Spsc<u64>>("ring", 1).unwrap();
    let pop = ring.consumer().unwrap();
    in_child(|| {
        assert_eq!(wait_any(&[&pop]).unwrap(), 0);
    });
    let waited = wait_any_timeout(&[&pop], Duration::ZERO);
    assert!(matches!(waited, Err(WaitAnyError::Timeout)));
}
