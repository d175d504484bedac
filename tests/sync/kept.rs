//! A membership stays while its byte is locked, whatever another thread of the process was told
//! before it.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossdock::queue::{WaitAnyError, wait_any_timeout};
use crossdock::segment::MembershipError;
use crossdock::sync::{Event, LockError};
use crossdock::{Fault, Mutex, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, child};
use crate::support::watch;

const ROUNDS: u32 = 150;
const LONGEST: Duration = Duration::from_secs(10);

const JOIN: u64 = 1;
const LEAVE: u64 = 2;
const TRY: u64 = 3;
const END: u64 = 4;
const FULL: MembershipError = MembershipError::RegistryFull { participants: 1 };

/// One index, so that the process whose membership is forgotten leaves it to the other.
#[test]
fn a_wait_that_could_not_join_leaves_the_membership_of_another_thread() {
    let _watch = watch();
    let name = Unique::new();
    let options = SegmentOptions::new().participants(1);
    let segment = options.create_new(&name).unwrap();
    segment.create::<Mutex<u64>>("mutex", 0).unwrap();
    segment.create::<Event>("event", false).unwrap();
    drop(segment);
    let (tell, told) = (Line::new(), Line::new());
    let other = child(|| takes_turns(&name, &tell, &told));
    let process = child(|| {
        let until = Instant::now() + LONGEST;
        for _ in 0..ROUNDS {
            tell.say(JOIN);
            assert_eq!(told.hear(), 1, "the other process is the participant");
            locks_beside_a_wait(&name, &tell, &told);
            if Instant::now() > until {
                break;
            }
        }
        tell.say(END);
    });
    process.join();
    other.join();
}

/// The other process: the participant, or none, as it is told. Answers whether it is.
fn takes_turns(name: &str, told: &Line, answer: &Line) {
    let mut segment = None;
    let join = || {
        let segment = SegmentOptions::new().open(name).unwrap();
        let mutex = segment.open::<Mutex<u64>>("mutex").unwrap();
        match mutex.lock_or_repair(|_| {}) {
            Ok(guard) => drop(guard),
            Err(LockError::Fault(Fault::NotMember(FULL))) => return None,
            Err(error) => panic!("{error}"),
        }
        Some(segment)
    };
    loop {
        match told.hear() {
            JOIN | TRY => {
                segment = join();
                answer.say(u64::from(segment.is_some()));
            }
            LEAVE => drop(segment.take()),
            _ => return,
        }
    }
}

/// One thread waits for several sources, without being able to join, while another joins.
fn locks_beside_a_wait(name: &str, tell: &Line, told: &Line) {
    let segment = SegmentOptions::new().open(name).unwrap();
    let mutex = segment.open::<Mutex<u64>>("mutex").unwrap();
    let event = segment.open::<Event>("event").unwrap();
    let locked = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !locked.load(Relaxed) {
                match wait_any_timeout(&[&event], Duration::ZERO) {
                    Err(WaitAnyError::Timeout) => {}
                    Err(WaitAnyError::Fault { fault, .. }) => {
                        assert_eq!(fault, Fault::NotMember(FULL));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        tell.say(LEAVE);
        let guard = loop {
            match mutex.lock_or_repair(|_| {}) {
                Ok(guard) => break guard,
                Err(LockError::Fault(Fault::NotMember(FULL))) => {}
                Err(error) => panic!("{error}"),
            }
        };
        tell.say(TRY);
        let joined = told.hear();
        locked.store(true, Relaxed);
        assert_eq!(joined, 0, "the other process had the lock meanwhile");
        drop(guard);
    });
}
