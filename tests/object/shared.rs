//! What a single value does, in one process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossdock::object::{ObjectError, ObjectTimeoutError, SharedOptions};
use crossdock::segment::EntryError;
use crossdock::{Segment, Shared};
use serde::{Deserialize, Serialize};

use crate::segment;
use crate::support::{PATIENCE, watch};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Config {
    greeting: String,
    hosts: Vec<String>,
}

fn first() -> Config {
    let greeting = "hello".to_owned();
    let hosts = vec![];
    Config { greeting, hosts }
}

fn sample() -> (Segment, Shared<Config>) {
    let segment = segment();
    let shared = segment.create("c", first()).unwrap();
    (segment, shared)
}

#[test]
fn the_value_stored_last_is_loaded() {
    let (_segment, shared) = sample();
    assert_eq!(shared.load_versioned(), Ok((first(), 0)));
    let mut next = first();
    for version in 1..100 {
        next.hosts.push(format!("host {version}"));
        assert_eq!(shared.store(&next), Ok(version));
        assert_eq!(shared.load_versioned(), Ok((next.clone(), version)));
    }
    assert_eq!(shared.store_if(7, &first()), Ok(None));
    assert_eq!(shared.store_if(99, &first()), Ok(Some(100)));
    assert_eq!((shared.version(), shared.load()), (Ok(100), Ok(first())));
    let mut bytes = Vec::new();
    assert_eq!(shared.load_into(&mut bytes), Ok(100));
    assert_eq!(bytes, b"\x05hello\x00");
    assert_eq!(
        format!("{shared:?}"),
        r#"Shared(Config { greeting: "hello", hosts: [] })"#
    );
}

#[test]
fn a_value_that_is_too_long_changes_nothing() {
    let (_segment, shared) = sample();
    let mut long = first();
    long.greeting = "x".repeat(5_000);
    let free = shared.capacity();
    let full = ObjectError::Full { asked: 5_003, free };
    assert_eq!((shared.store(&long), free), (Err(full), 4_096));
    assert_eq!(shared.load(), Ok(first()));
    let refused = segment().create::<Shared<Config>>("c", long.clone());
    assert!(matches!(
        refused,
        Err(EntryError::Capacity {
            found: 4_096,
            least: 5_003,
            ..
        })
    ));
    let options = SharedOptions::new(&long).capacity(5_003);
    let large = segment().create::<Shared<Config>>("c", options).unwrap();
    assert_eq!(large.load(), Ok(long));
}

#[test]
fn an_update_that_panics_changes_nothing() {
    let (_segment, shared) = sample();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        shared.update(|config| {
            config.greeting.clear();
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(shared.load_versioned(), Ok((first(), 0)));
    let mut calls = 0;
    let updated = shared.update(|config| {
        calls += 1;
        if calls == 1 {
            shared
                .update(|config| config.hosts.push("inner".into()))
                .unwrap();
        }
        config.hosts.push("outer".into());
    });
    assert_eq!((updated, calls), (Ok(()), 2));
    assert_eq!(shared.load().unwrap().hosts, ["inner", "outer"]);
}

#[test]
fn a_waiter_returns_with_a_newer_value() {
    let _watch = watch();
    let (_segment, shared) = sample();
    let late = shared.wait_newer_timeout(0, Duration::from_millis(10));
    assert_eq!(late, Err(ObjectTimeoutError::Timeout));
    assert_eq!(
        shared.wait_newer(7),
        Ok((first(), 0)),
        "another one, at once"
    );
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| shared.wait_newer_timeout(0, PATIENCE));
        let mut next = first();
        next.greeting = "bye".into();
        shared.store(&next).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok((next, 1)));
    });
}
