//! Objects that grow, and processes that are killed and stopped in the middle of it.

use crossdock::object::{ObjectError, ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Manager, Namespace, Set, Shared, manager};

use crate::manager as manager_of;
use crate::support::process::{Line, asleep, child, holder};
use crate::support::watch;

#[test]
fn a_dict_grows_and_every_handle_follows() {
    let manager = manager_of(1 << 20);
    let all = manager.room().unwrap();
    let dict = manager.dict::<u64, u64>("d", 10).unwrap();
    let (clone, other) = (dict.clone(), manager.open::<Dict<u64, u64>>("d").unwrap());
    for key in 0..1_000 {
        assert!(dict.insert(&key, &(key * 2)).unwrap());
        assert_eq!(other.get(&key), Ok(Some(key * 2)));
    }
    assert_eq!((clone.len(), other.len()), (1_000, 1_000));
    assert_eq!(clone.iter().count(), 1_000);
    assert!((0..1_000).all(|key| clone.get(&key) == Ok(Some(key * 2))));
    assert_eq!(manager.objects().unwrap().len(), 1);
    let same = manager.open::<Dict<u64, u64>>("d").unwrap();
    assert_eq!(same.get(&999), Ok(Some(1_998)));
    // It is what it was created as, whatever it has grown to.
    let created = manager.open_or_create::<Dict<u64, u64>>("d", ObjectOptions::new(10));
    assert_eq!(created.unwrap().len(), 1_000);
    assert!(
        manager
            .open_or_create::<Dict<u64, u64>>("d", ObjectOptions::new(20))
            .is_err()
    );
    assert!(manager.remove("d").unwrap());
    assert_eq!(dict.get(&1), Err(ObjectError::Removed));
    assert_eq!(clone.insert(&1, &1), Err(ObjectError::Removed));
    assert_eq!(other.remove(&1), Err(ObjectError::Removed));
    assert!(manager::is_removed(&dict) && manager::is_removed(&other));
    drop((dict, clone, other, same));
    assert_eq!(manager.room().unwrap().objects, all.objects);
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn the_room_of_what_an_object_was_is_free_when_its_handles_have_followed() {
    let manager = manager_of(1 << 20);
    let all = manager.room().unwrap();
    let list = manager.list::<u64>("l", 10).unwrap();
    let idle = manager.open::<List<u64>>("l").unwrap();
    let small = all.free - manager.room().unwrap().free;
    list.extend(0..100).unwrap();
    let both = all.free - manager.room().unwrap().free;
    assert_eq!(manager.room().unwrap().objects, all.objects - 2);
    assert_eq!(idle.get(99), Ok(Some(99)));
    let one = all.free - manager.room().unwrap().free;
    assert_eq!(one + small, both);
    assert_eq!(manager.room().unwrap().objects, all.objects - 1);
    manager.remove("l").unwrap();
    assert!(manager::is_removed(&idle));
    drop((list, idle));
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn every_object_grows_as_far_as_there_is_room() {
    let manager = manager_of(1 << 16);
    let list = manager.list::<String>("l", 2).unwrap();
    let mut count = 0;
    let full = loop {
        match list.push(&format!("number {count}")) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(full, ObjectError::Full { asked: 96, free: 0 }),
        "{full}"
    );
    assert!(count > 180, "{count} values in 64 KiB");
    assert_eq!(list.snapshot().unwrap().len(), count);
    list.insert(0, &"first".into()).unwrap_err();
    list.clear().unwrap();
    list.push(&"again".into()).unwrap();
    manager.remove("l").unwrap();
    drop(list);

    let value = SharedOptions::new(&vec![0_u8; 10]).capacity(16);
    let value = manager.create::<Shared<Vec<u8>>>("v", value).unwrap();
    for len in [10, 100, 1_000, 5_000] {
        value.store(&vec![7; len]).unwrap();
        assert_eq!(value.load().unwrap(), vec![7; len]);
        assert!(value.capacity() >= len as u64);
    }
    assert_eq!(value.version(), Ok(4));
    let (asked, free) = (60_003, value.capacity());
    assert_eq!(
        value.store(&vec![0; 60_000]),
        Err(ObjectError::Full { asked, free })
    );
    assert_eq!(value.update(|bytes| bytes.len()), Ok(5_000));
    manager.remove("v").unwrap();
    drop(value);

    let set = manager.set::<u32>("s", 1).unwrap();
    let state = manager.namespace("n", 1).unwrap();
    for number in 0..40 {
        assert!(set.insert(&number).unwrap());
        state.set(&format!("a{number}"), &number).unwrap();
    }
    assert_eq!(manager.open::<Set<u32>>("s").unwrap().len(), 40);
    let state = manager.open::<Namespace>("n").unwrap();
    assert_eq!(state.get::<u32>("a39"), Ok(Some(39)));
}

#[test]
fn an_object_of_a_segment_has_the_room_that_it_was_created_with() {
    let segment = crossdock::Segment::anonymous().unwrap();
    let list = segment.create::<List<u64>>("l", 10).unwrap();
    let full = (0..100).find_map(|number| list.push(&number).err());
    assert!(matches!(full, Some(ObjectError::Full { .. })));
    assert!(list.len() < 20);
}

#[test]
fn a_key_that_is_there_all_the_while_comes_once_though_the_dict_grows() {
    let manager = manager_of(32 << 20);
    for step in [1, 7, 50, 400] {
        let dict = manager.dict::<u64, u64>("d", 30).unwrap();
        for key in 0..30 {
            dict.insert(&key, &key).unwrap();
        }
        let (mut found, mut more) = (Vec::new(), 1_000);
        for entry in dict.iter() {
            found.push(entry.unwrap().0);
            // It grows meanwhile, again and again.
            for _ in 0..step.min(30_000 - more) {
                dict.insert(&more, &more).unwrap();
                more += 1;
            }
        }
        found.sort_unstable();
        let there: Vec<_> = found.iter().copied().filter(|key| *key < 30).collect();
        assert_eq!(there, (0..30).collect::<Vec<_>>(), "step {step}");
        assert!(
            found.windows(2).all(|two| two[0] != two[1]),
            "step {step}: twice"
        );
        manager.remove("d").unwrap();
    }
}

#[test]
fn a_change_whose_object_grows_meanwhile_is_made_once() {
    let manager = manager_of(1 << 20);
    let dict = manager.dict::<u32, u64>("d", 4).unwrap();
    dict.insert(&0, &0).unwrap();
    let list = manager.list::<u64>("l", 4).unwrap();
    list.push(&0).unwrap();
    let value = manager.value("v", (0_u64, String::new())).unwrap();
    for round in 0..60_u32 {
        let mut calls = 0;
        dict.update(&0, |count| {
            calls += 1;
            if calls == 1 {
                for key in 0..4 {
                    dict.insert(&(1 + 4 * round + key), &1).unwrap();
                }
            }
            *count += 1;
        })
        .unwrap();
        let mut calls = 0;
        list.update(0, |count| {
            calls += 1;
            if calls == 1 {
                list.extend([1; 4]).unwrap();
            }
            *count += 1;
        })
        .unwrap();
        let mut is_first = true;
        value
            .update(|(count, text)| {
                if std::mem::take(&mut is_first) {
                    value.update(|(_, text)| *text += &"x".repeat(200)).unwrap();
                }
                *count += 1;
                text.len()
            })
            .unwrap();
    }
    assert_eq!(dict.get(&0), Ok(Some(60)));
    assert_eq!(list.get(0), Ok(Some(60)));
    assert_eq!(
        value.load().map(|(count, text)| (count, text.len())),
        Ok((60, 12_000))
    );
}

#[test]
fn a_waiter_is_told_of_a_change_after_the_object_has_grown() {
    let _watch = watch();
    let manager = manager_of(1 << 18);
    let first = SharedOptions::new(&String::new()).capacity(8);
    let value = manager.create::<Shared<String>>("v", first).unwrap();
    let waiter = asleep(|| {
        let value = manager.open::<Shared<String>>("v").unwrap();
        let (found, version) = value.wait_newer(0).unwrap();
        assert_eq!((found.len(), version), (1_000, 1));
    });
    value.store(&"x".repeat(1_000)).unwrap();
    waiter.join();
    let list = manager.list::<u64>("l", 8).unwrap();
    let waiter = asleep(|| {
        let list = manager.open::<List<u64>>("l").unwrap();
        while list.len() < 500 {
            let changes = list.changes();
            if list.len() < 500 {
                let minute = std::time::Duration::from_mins(1);
                list.wait_changed_since(changes, minute).unwrap();
            }
        }
    });
    (0..500).for_each(|number| list.push(&number).unwrap());
    waiter.join();
}

#[test]
fn a_forked_child_follows_what_its_parent_had() {
    let _watch = watch();
    let manager = manager_of(1 << 18);
    let list = manager.list::<u64>("l", 4).unwrap();
    let (go, done) = (Line::new(), Line::new());
    let follower = child(|| {
        go.hear();
        // What its parent had opened is not there any more.
        assert_eq!(list.get(99), Ok(Some(99)));
        list.push(&100).unwrap();
        done.say(1);
    });
    list.extend(0..100).unwrap();
    let other = manager.list::<u64>("other", 4).unwrap();
    other.push(&7).unwrap();
    go.say(1);
    done.hear();
    follower.join();
    assert_eq!(list.get(100), Ok(Some(100)));
    assert_eq!(other.snapshot(), Ok(vec![7]));
}

#[test]
fn an_object_that_was_removed_and_made_again_is_not_followed() {
    let _watch = watch();
    let manager = manager_of(1 << 18);
    let list = manager.list::<u64>("l", 4).unwrap();
    let go = Line::new();
    let follower = child(|| {
        go.hear();
        assert_eq!(list.get(0), Err(ObjectError::Removed));
        assert_eq!(list.push(&1), Err(ObjectError::Removed));
    });
    list.extend(0..100).unwrap();
    manager.remove("l").unwrap();
    let again = manager.list::<u64>("l", 4).unwrap();
    again.extend(0..100).unwrap();
    assert_eq!(list.push(&1), Err(ObjectError::Removed));
    go.say(1);
    follower.join();
    assert_eq!(again.len(), 100);
}

#[test]
fn writers_that_are_killed_while_it_grows_lose_nothing() {
    let _watch = watch();
    let manager = manager_of(1 << 17);
    let all = manager.room().unwrap();
    for round in 0..150_u64 {
        let dict = manager.dict::<u64, [u64; 4]>("d", 2).unwrap();
        let (line, end) = (Line::new(), Line::new());
        let writer = child(|| {
            let dict = manager.open::<Dict<u64, [u64; 4]>>("d").unwrap();
            line.say(0);
            for key in 0..200 {
                dict.insert(&key, &[key; 4]).unwrap();
            }
            end.sleep_until_killed();
        });
        line.hear();
        let until = round % 40;
        while dict.get(&until).unwrap().is_none() {}
        writer.kill();
        let len = dict.len();
        let mut found: Vec<_> = dict.iter().collect::<Result<_, _>>().unwrap();
        found.sort_unstable();
        // All that was committed, whole, and at most one that is not counted.
        assert!(
            found.len() as u64 >= len && found.len() as u64 > until,
            "round {round}"
        );
        assert!(
            (0..)
                .zip(&found)
                .all(|(at, (key, value))| at == *key && *value == [at; 4])
        );
        dict.insert(&10_000, &[1; 4]).unwrap();
        assert_eq!(dict.get(&10_000), Ok(Some([1; 4])));
        manager.remove("d").unwrap();
        drop(dict);
        assert_eq!(manager.room().unwrap(), all, "round {round}");
    }
}

#[test]
fn a_stopped_reader_keeps_one_generation_and_hinders_no_growth() {
    let _watch = watch();
    let manager = manager_of(1 << 18);
    let all = manager.room().unwrap();
    let list = manager.list::<u64>("l", 4).unwrap();
    let reader = holder(|| {
        let list = manager.open::<List<u64>>("l").unwrap();
        assert!(list.is_empty());
        list
    });
    reader.child.stop();
    let kept = all.free - manager.room().unwrap().free;
    list.extend(0..500).unwrap();
    let now = all.free - manager.room().unwrap().free;
    manager.remove("l").unwrap();
    drop(list);
    assert_eq!(all.free - manager.room().unwrap().free, kept);
    assert!(now > kept);
    reader.child.cont();
    reader.release();
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn threads_of_one_handle_grow_it_together() {
    let _watch = watch();
    let manager = Manager::new(1 << 20).unwrap();
    let all = manager.room().unwrap();
    let dict = manager.dict::<u64, u64>("d", 2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let dict = &dict;
            scope.spawn(move || {
                for number in 0..400 {
                    let key = number * 4 + thread;
                    dict.insert(&key, &key).unwrap();
                    assert_eq!(dict.get(&key), Ok(Some(key)));
                    dict.update_or(&u64::MAX, || 0, |count| *count += 1)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(dict.get(&u64::MAX), Ok(Some(1_600)));
    assert_eq!(dict.snapshot().unwrap().len(), 1_601);
    assert_eq!(manager.room().unwrap().objects, all.objects - 1);
    manager.remove("d").unwrap();
    drop(dict);
    assert_eq!(manager.room().unwrap(), all);
}
