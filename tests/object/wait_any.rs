//! Changes of objects beside queues and processes.

use std::time::Duration;

use crossdock::object::ObjectOptions;
use crossdock::queue::{Queue, WaitAnyError, Waitable, wait_any, wait_any_timeout};
use crossdock::{Dict, List, Namespace, Set, Shared};

use crate::segment;
use crate::support::process::{asleep, child, in_child};
use crate::support::{PATIENCE, watch};

#[test]
fn a_change_of_each_object_by_another_process_is_heard_of() {
    let _watch = watch();
    let segment = segment();
    let dict = segment.create::<Dict<u32, u32>>("d", 10).unwrap();
    let list = segment.create::<List<u32>>("l", 10).unwrap();
    let set = segment.create::<Set<u32>>("s", 10).unwrap();
    let namespace = segment.create::<Namespace>("n", 10).unwrap();
    let shared = segment
        .create::<Shared<String>>("v", "a".to_owned())
        .unwrap();
    let queue = segment.create::<Queue<u32>>("q", 4).unwrap();
    let changes: [Box<dyn Fn()>; 6] = [
        Box::new(|| assert_eq!(dict.insert(&1, &1), Ok(true))),
        Box::new(|| list.push(&1).unwrap()),
        Box::new(|| assert_eq!(set.insert(&1), Ok(true))),
        Box::new(|| namespace.set("a", &1).unwrap()),
        Box::new(|| assert_eq!(shared.store(&"b".to_owned()), Ok(1))),
        Box::new(|| queue.send(1).unwrap()),
    ];
    for (at, change) in changes.iter().enumerate() {
        let untils = [
            dict.until_changed(dict.changes()),
            list.until_changed(list.changes()),
            set.until_changed(set.changes()),
            namespace.until_changed(namespace.changes()),
            shared.until_newer(shared.version().unwrap()),
        ];
        let mut sources: Vec<&dyn Waitable> = untils.iter().map(|until| until as _).collect();
        sources.push(&queue);
        let none = wait_any_timeout(&sources, Duration::from_millis(5));
        assert_eq!(none, Err(WaitAnyError::Timeout), "{at}");
        let waiter = asleep(|| assert_eq!(wait_any_timeout(&sources, PATIENCE), Ok(at)));
        in_child(change);
        waiter.join();
        assert_eq!(wait_any(&sources), Ok(at), "it stays ready");
    }
}

#[test]
fn a_waiter_for_several_hears_of_what_a_killed_writer_changed() {
    let _watch = watch();
    let segment = segment();
    let options = ObjectOptions::new(10);
    let (one, other) = (
        segment.create::<List<u64>>("one", options).unwrap(),
        segment.create::<List<u64>>("other", options).unwrap(),
    );
    for _ in 0..20 {
        let changes = [one.changes(), other.changes()];
        let writer = child(|| {
            loop {
                other.push(&1).unwrap();
                other.pop().unwrap();
            }
        });
        let untils = [
            one.until_changed(changes[0]),
            other.until_changed(changes[1]),
        ];
        let sources = [&untils[0] as &dyn Waitable, &untils[1]];
        assert_eq!(wait_any_timeout(&sources, PATIENCE), Ok(1));
        writer.kill();
        // Whatever the dead one left, a later change is heard of.
        let later = other.until_changed(other.changes());
        other.push(&2).unwrap();
        assert_eq!(wait_any_timeout(&[&untils[0], &later], PATIENCE), Ok(1));
        other.clear().unwrap();
    }
}
