//! Handles of objects of a manager as arguments of processes.

use crossdock::process::JoinError;
use crossdock::{Counter, Dict, List, Manager};

use crate::support::call;

fn len(list: List<u64>) -> usize {
    list.len()
}

fn load(counter: Counter) -> u64 {
    counter.load()
}

fn last(args: (List<u64>, Dict<String, u64>)) -> Option<u64> {
    let (list, dict) = args;
    dict.insert(&"seen".to_owned(), &1).expect("it grows");
    list.push(&7).expect("it grows");
    list.get(list.len() - 2).expect("it is there")
}

#[test]
fn a_handle_of_a_removed_object_is_refused_where_it_arrives() {
    let manager = Manager::new(1 << 16).expect("a manager");
    let list = manager.list::<u64>("l", 4).expect("a list");
    let counter = manager.create::<Counter>("c", 5).expect("a number");
    for name in ["l", "c"] {
        assert!(manager.remove(name).expect("it is there"));
    }
    // Others of the same names, and in the same records later, are not what was sent.
    let again = manager.list::<u64>("l", 4).expect("a list");
    let refused = |joined: Result<u64, JoinError>| match joined {
        Err(JoinError::Arguments(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for text in [
        refused(call(len, list).map(|len| len as u64)),
        refused(call(load, counter)),
    ] {
        assert!(text.contains("of a manager"), "{text}");
    }
    assert_eq!(call(len, again).expect("joined"), 0);
}

#[test]
fn a_handle_of_an_object_that_has_grown_is_of_what_it_is_now() {
    let manager = Manager::new(1 << 18).expect("a manager");
    let list = manager.list::<u64>("l", 2).expect("a list");
    let dict = manager.dict::<String, u64>("d", 2).expect("a dict");
    let old = manager.open::<List<u64>>("l").expect("it is there");
    list.extend(0..1_000).expect("it grows");
    for key in 0..100 {
        dict.insert(&format!("key {key}"), &key).expect("it grows");
    }
    assert_eq!(call(last, (old, dict.clone())).expect("joined"), Some(999));
    assert_eq!(list.get(1_000).expect("it is there"), Some(7));
    assert_eq!(dict.get("seen").expect("it is there"), Some(1));
}
