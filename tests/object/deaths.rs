//! Objects whose readers and writers are killed and stopped.

use crossdock::array::Init;
use crossdock::object::{ObjectError, ObjectOptions, SharedOptions};
use crossdock::{AtomicArray, Dict, List, SegmentOptions, Shared};

use crate::support::careless::Reaped;
use crate::support::process::{Line, asleep, child, in_child};
use crate::support::watch;
use crate::{dict, segment};

const ROUNDS: u64 = 150;

/// How far the writer that is killed gets: further each round, so that the kills come anywhere.
fn kill_after(round: u64) -> u64 {
    round % 7
}

/// A value that shows if it is torn.
fn whole(number: u64) -> Vec<u64> {
    vec![number; 1 + (number % 40) as usize]
}

#[test]
fn a_killed_writer_leaves_the_value_before_or_after_and_all_room() {
    let _watch = watch();
    let segment = segment();
    let options = ObjectOptions::new(12).bytes_each(96);
    let dict = segment.create::<Dict<u64, Vec<u64>>>("d", options).unwrap();
    // What each key is known to have reached.
    let noted = segment
        .create::<AtomicArray<u64>>("n", Init::zeroed(2))
        .unwrap();
    for round in 0..ROUNDS {
        let from = noted[0].load();
        let writer = child(|| {
            for number in from.. {
                for (key, noted) in (0..).zip(noted.iter()) {
                    dict.insert(&key, &whole(number)).unwrap();
                    noted.fetch_max(number);
                }
                dict.insert(&2, &whole(number)).unwrap();
                dict.remove(&2).unwrap();
            }
        });
        while noted[1].load() < from + kill_after(round) {
            for (key, noted) in (0..).zip(noted.iter()) {
                let least = noted.load();
                let found = dict.get(&key).unwrap();
                let number = found.as_ref().map_or(0, |value| value[0]);
                assert!(number >= least, "round {round}: {number} after {least}");
                assert!(found.is_none_or(|value| value == whole(number)), "torn");
            }
            std::hint::spin_loop();
        }
        writer.kill();
        for (key, noted) in (0..).zip(noted.iter()) {
            let least = noted.load();
            let found = dict
                .update_or(&key, || whole(least), |value| value.clone())
                .unwrap();
            assert!(
                (least..=least + 1).contains(&found[0]),
                "{found:?} after {least}"
            );
            assert_eq!(found, whole(found[0]), "torn");
        }
    }
    dict.clear().unwrap();
    let filled = (0..)
        .take_while(|key| dict.insert(key, &vec![]).is_ok())
        .count();
    let fresh = segment
        .create::<Dict<u64, Vec<u64>>>("fresh", options)
        .unwrap();
    let all = (0..)
        .take_while(|key| fresh.insert(key, &vec![]).is_ok())
        .count();
    assert_eq!(filled, all, "blocks were lost");
}

#[test]
fn a_list_whose_writers_are_killed_has_what_was_pushed() {
    let _watch = watch();
    let segment = segment();
    let options = ObjectOptions::new(300).bytes_each(32);
    let list = segment.create::<List<u64>>("l", options).unwrap();
    let noted = segment
        .create::<AtomicArray<u64>>("n", Init::zeroed(1))
        .unwrap();
    for round in 0..ROUNDS {
        let from = noted[0].load();
        let writer = child(|| {
            for number in from.. {
                list.push(&number).unwrap();
                noted[0].store(number + 1);
                while list.len() > 100 {
                    list.remove(0).unwrap();
                    list.sort().unwrap();
                }
            }
        });
        while noted[0].load() < from + kill_after(round) {
            std::hint::spin_loop();
        }
        writer.kill();
        let (least, values) = (noted[0].load(), list.snapshot().unwrap());
        if let Some(last) = values.last() {
            assert!(
                (least..=least + 1).contains(&(last + 1)),
                "{last} after {least}"
            );
            // It was pushed, and not noted.
            noted[0].store(last + 1);
        }
        let follows = |pair: &[u64]| pair[0] + 1 == pair[1];
        assert!(values.windows(2).all(follows), "round {round}: {values:?}");
        assert!(values.len() <= 200 && list.slice(..).unwrap() == values);
    }
    list.clear().unwrap();
    list.extend(0..300).unwrap();
}

#[test]
fn a_stopped_process_in_a_closure_hinders_no_other() {
    let _watch = watch();
    let (_segment, dict) = dict(10);
    dict.insert(&"a".into(), &vec![1]).unwrap();
    let (inside, go) = (Line::new(), Line::new());
    let updater = child(|| {
        let mut calls = 0;
        dict.update("a", |value| {
            calls += 1;
            if calls == 1 {
                inside.say(1);
                go.hear();
            }
            value.push(9);
        })
        .unwrap();
        assert_eq!(calls, 2, "the value was changed meanwhile");
    });
    inside.hear();
    updater.stop();
    dict.update("a", |value| value.push(2)).unwrap();
    assert_eq!(dict.get("a"), Ok(Some(vec![1, 2])));
    updater.cont();
    go.say(1);
    updater.join();
    assert_eq!(dict.get("a"), Ok(Some(vec![1, 2, 9])));
}

/// The bytes of a value that takes long to write.
const LARGE: usize = 1 << 19;

#[test]
fn a_writer_stopped_in_a_change_holds_up_writers_and_no_reader() {
    let _watch = watch();
    let segment = SegmentOptions::new().size(4 << 20).anonymous().unwrap();
    let options = SharedOptions::new(&String::new()).capacity(LARGE as u64 + 8);
    let shared = segment.create::<Shared<String>>("s", options).unwrap();
    let texts = ["a", "b"].map(|text| text.repeat(LARGE));
    let is_whole = |text: &String| text.is_empty() || texts.contains(text);
    shared.store(&texts[0]).unwrap();
    let line = Line::new();
    let mut blocked = 0;
    for _ in 0..200 {
        let writer = child(|| {
            line.say(1);
            for text in texts.iter().cycle() {
                shared.store(text).unwrap();
            }
        });
        line.hear();
        writer.stop();
        let before = shared.load_versioned().unwrap();
        assert!(is_whole(&before.0), "torn");
        let other = asleep(|| assert!(shared.store(&String::new()).is_ok()));
        let now = shared.load_versioned().unwrap();
        assert!(is_whole(&now.0), "torn");
        // The other one has stored, or it waits for the stopped one, and reads go on.
        if now.1 == before.1 {
            blocked += 1;
        }
        writer.cont();
        other.join();
        writer.kill();
        assert!(is_whole(&shared.load().unwrap()), "torn");
        if blocked == 3 {
            return;
        }
    }
    panic!("no writer was stopped in a change");
}

#[test]
fn five_processes_that_wait_get_the_new_configuration() {
    let _watch = watch();
    let segment = segment();
    let config = segment
        .create::<Shared<Vec<String>>>("c", vec!["a".to_owned()])
        .unwrap();
    let waiters = [(); 5]
        .map(|()| asleep(|| assert_eq!(config.wait_newer(0), Ok((vec!["b".to_owned()], 1)))));
    in_child(|| assert_eq!(config.store(&vec!["b".to_owned()]), Ok(1)));
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn counts_of_many_processes_are_all_made() {
    let _watch = watch();
    let (_segment, dict) = dict(10);
    let counters = [(); 3].map(|()| {
        child(|| {
            for number in 0..300 {
                let key = if number % 3 == 0 { "a" } else { "b" };
                dict.update_or(key, || vec![0], |value| value[0] += 1)
                    .unwrap();
            }
        })
    });
    counters.into_iter().for_each(|counter| counter.join());
    assert_eq!(dict.get("a"), Ok(Some(vec![300])));
    assert_eq!(dict.get("b"), Ok(Some(vec![600])));
}

#[test]
fn keys_that_stay_are_found_once_while_others_come_and_go() {
    let _watch = watch();
    let (_segment, dict) = dict(60);
    for key in 0..20 {
        dict.insert(&format!("stays {key}"), &vec![key]).unwrap();
    }
    let writer = child(|| {
        for number in 0_u64.. {
            let key = (number % 30).to_string();
            dict.insert(&key, &whole(number % 10)).unwrap();
            dict.remove(&key).unwrap();
        }
    });
    let changes = dict.changes();
    let mut rounds = 0;
    while rounds < 200 || dict.changes() < changes + 2_000 {
        let keys: Vec<String> = dict.keys().collect::<Result<_, _>>().unwrap();
        let mut stays: Vec<_> = keys.iter().filter(|key| key.starts_with("stays")).collect();
        stays.sort();
        stays.dedup();
        let all = keys.iter().filter(|key| key.starts_with("stays")).count();
        assert_eq!((stays.len(), all), (20, 20), "round {rounds}: {keys:?}");
        rounds += 1;
    }
    writer.kill();
}

#[test]
fn a_process_that_was_reaped_changes_what_it_can_say_it_changed() {
    let _watch = watch();
    let (segment, dict) = dict(10);
    let reaped = Reaped::after(
        &segment,
        || dict.insert(&"a".into(), &vec![1]).unwrap(),
        |_| {
            let lost = dict.insert(&"a".into(), &vec![2]);
            assert!(matches!(lost, Err(ObjectError::Fault(_))), "{lost:?}");
            assert_eq!(dict.get("a"), Ok(Some(vec![1])));
            assert_eq!(dict.insert(&"a".into(), &vec![3]), Ok(false), "joined anew");
        },
    );
    reaped.goes_on();
    reaped.ends();
    assert_eq!(dict.get("a"), Ok(Some(vec![3])));
}
