//! Processes that are killed and stopped with objects, and while they create and remove them.

use crossdock::sync::Mutex;
use crossdock::{AtomicArray, Counter, List, Manager};

use crate::manager;
use crate::support::careless;
use crate::support::process::{Line, child, holder};
use crate::support::watch;

#[test]
fn a_killed_holder_holds_nothing() {
    let _watch = watch();
    let manager = manager(1 << 14);
    let all = manager.room().unwrap();
    for _ in 0..20 {
        drop(manager.create::<Counter>("c", 0).unwrap());
        let one = holder(|| manager.open::<Counter>("c").unwrap());
        let other = holder(|| [0; 3].map(|_| manager.open::<Counter>("c").unwrap()));
        manager.remove("c").unwrap();
        one.kill();
        assert!(manager.room().unwrap().free < all.free);
        other.kill();
        assert_eq!(manager.room().unwrap(), all);
    }
}

#[test]
fn a_stopped_holder_keeps_the_room() {
    let _watch = watch();
    let manager = manager(1 << 12);
    let all = manager.room().unwrap();
    drop(manager.array::<u64>("a", 300).unwrap());
    let line = Line::new();
    let adder = child(|| {
        let array = manager.open::<AtomicArray<u64>>("a").unwrap();
        line.say(1);
        loop {
            array[299].fetch_add(1);
        }
    });
    line.hear();
    adder.stop();
    manager.remove("a").unwrap();
    assert!(
        manager.array::<u64>("b", 300).is_err(),
        "its room was given away"
    );
    adder.cont();
    assert!(
        manager.array::<u64>("b", 300).is_err(),
        "its room was given away"
    );
    adder.kill();
    assert_eq!(manager.room().unwrap(), all);
    let array = manager.array::<u64>("b", 300).unwrap();
    assert!(array.iter().all(|one| one.load() == 0));
}

#[test]
fn the_owner_of_a_lock_in_a_manager_is_reported_dead() {
    let _watch = watch();
    let manager = manager(1 << 14);
    let lock = manager.create::<Mutex<u64>>("m", 0).unwrap();
    let owner = holder(|| {
        let lock = Box::leak(Box::new(manager.open::<Mutex<u64>>("m").unwrap()));
        lock.lock().unwrap()
    });
    owner.kill();
    assert_eq!(manager.segment().reap().stuck, 0);
    assert!(lock.lock().is_err(), "no owner was reported dead");
}

#[test]
fn creators_that_are_killed_anywhere_leave_all_room() {
    let _watch = watch();
    let manager = manager(1 << 15);
    let all = manager.room().unwrap();
    for round in 0..200_u64 {
        let line = Line::new();
        let creator = child(|| {
            line.say(0);
            for number in 0.. {
                let name = format!("l{}", number % 3);
                let Ok(list) = manager.list::<u64>(&name, 20) else {
                    continue;
                };
                list.push(&number).unwrap();
                assert_eq!(list.get(0), Ok(Some(number)));
                assert!(manager.remove(&name).unwrap());
                assert_eq!(list.push(&1), Err(crossdock::object::ObjectError::Removed));
            }
        });
        line.hear();
        // However far it gets in so many operations of this process.
        for _ in 0..round % 11 {
            for info in manager.objects().unwrap() {
                if let Ok(list) = manager.open::<List<u64>>(&info.name) {
                    let _ = list.len();
                }
            }
        }
        creator.kill();
        for name in ["l0", "l1", "l2"] {
            if let Ok(list) = manager.open::<List<u64>>(name) {
                assert!(list.len() <= 1);
                manager.remove(name).unwrap();
            }
        }
        assert_eq!(manager.room().unwrap(), all, "round {round}");
    }
}

#[test]
fn a_forked_child_holds_what_it_uses() {
    let _watch = watch();
    let manager = manager(1 << 14);
    let list = manager.list::<u64>("l", 20).unwrap();
    let all = manager.room().unwrap();
    let (used, go) = (Line::new(), Line::new());
    let user = child(|| {
        // The handle is its parent's until here.
        list.push(&1).unwrap();
        used.say(1);
        go.hear();
        assert_eq!(list.push(&2), Err(crossdock::object::ObjectError::Removed));
    });
    used.hear();
    manager.remove("l").unwrap();
    drop(list);
    assert_eq!(manager.room().unwrap(), all, "the child's hold is gone");
    go.say(1);
    user.join();
    assert!(manager.room().unwrap().free > all.free);
}

#[test]
fn a_process_that_was_taken_for_dead_opens_anew() {
    let _watch = watch();
    let manager = manager(1 << 14);
    let all = manager.room().unwrap();
    let reaped = careless::Reaped::after(
        &manager.segment(),
        || manager.list::<u64>("l", 20).unwrap(),
        |list| {
            assert!(list.push(&1).is_err() || list.push(&2).is_ok());
        },
    );
    reaped.goes_on();
    reaped.ends();
    manager.remove("l").unwrap();
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn two_managers_of_a_segment_keep_apart() {
    let segment = crossdock::SegmentOptions::new().size(1 << 20);
    let segment = segment.anonymous().unwrap();
    let [one, two] = ["one", "two"].map(|name| segment.create::<Manager>(name, 1 << 14).unwrap());
    one.create::<Counter>("c", 1).unwrap();
    assert!(two.open::<Counter>("c").is_err());
    two.create::<Counter>("c", 2).unwrap();
    assert_eq!(one.open::<Counter>("c").unwrap().load(), 1);
    let again = segment.open::<Manager>("two").unwrap();
    assert_eq!(again.open::<Counter>("c").unwrap().load(), 2);
}
