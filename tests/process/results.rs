//! Arguments go, results come.

use std::collections::BTreeMap;
use std::rc::Rc;

use crossdock::process::{JoinError, Process, SpawnError};
use serde::{Deserialize, Serialize};

use crate::support::{call, start};

fn square(number: u64) -> u64 {
    number * number
}

#[test]
fn the_result_comes_back() {
    assert_eq!(call(square, 12).expect("joined"), 144);
}

#[test]
fn join_consumes_and_returns() {
    assert_eq!(start(square, 5).join().expect("joined"), 25);
}

#[test]
fn many_run_at_once() {
    let workers: Vec<_> = (0..16).map(|number| start(square, number)).collect();
    let results: Vec<_> = workers
        .into_iter()
        .map(|w| w.join().expect("joined"))
        .collect();
    assert_eq!(
        results,
        (0..16).map(|number| number * number).collect::<Vec<_>>()
    );
}

/// Fails with every layer of errors in the child: a lock, a queue, a segment, the system.
fn failing(case: u8) -> Result<(), crossdock::Error> {
    let segment = crossdock::Segment::anonymous()?;
    match case {
        0 => {
            let queue = segment.create::<crossdock::queue::Queue<u64>>("q", 2)?;
            for item in 0..3 {
                queue.try_send(item)?;
            }
        }
        1 => drop(segment.open::<crossdock::Counter>("none")?),
        2 => {
            let total = segment.create::<crossdock::Mutex<u64>>("total", 0)?;
            let _held = total.lock()?;
            drop(total.try_lock()?);
        }
        _ => drop(crossdock::SegmentOptions::new().size(1 << 62).anonymous()?),
    }
    Ok(())
}

#[test]
fn an_error_of_the_crate_crosses_as_what_it_was() {
    use crossdock::Error;
    use crossdock::queue::TrySendError;
    use crossdock::segment::{CreateError, EntryError};
    use crossdock::sync::TryLockError;

    let told = |case| call(failing, case).expect("joined").expect_err("failed");
    assert_eq!(told(0), Error::TrySend(TrySendError::Full(())));
    let name = "none".to_owned();
    assert_eq!(told(1), Error::Entry(EntryError::NotFound { name }));
    let locked = told(2);
    assert!(
        matches!(locked, Error::TryLock(TryLockError::WouldBlock { .. })),
        "{locked}"
    );
    let large = told(3);
    assert!(
        matches!(large, Error::Create(CreateError::TooLarge { .. })),
        "{large}"
    );
}

#[test]
fn it_runs_in_a_process_of_its_own() {
    let worker = start(|()| std::process::id(), ());
    let id = worker.id();
    assert_eq!(worker.join().expect("joined"), id);
    assert_ne!(id, std::process::id());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    price: Option<f64>,
    tags: BTreeMap<String, Vec<u8>>,
}

#[test]
fn a_tuple_of_structs_and_strings_arrives() {
    let order = Order {
        item: "crate".to_owned(),
        price: Some(2.5),
        tags: BTreeMap::from([("size".to_owned(), vec![1, 2, 3])]),
    };
    let back = call(
        |(mut order, item, count): (Order, String, i8)| {
            order.item = format!("{count} {item} {}", order.item);
            order
        },
        (order.clone(), "wooden".to_owned(), -3),
    );
    assert_eq!(
        back.expect("joined"),
        Order {
            item: "-3 wooden crate".to_owned(),
            ..order
        }
    );
}

#[test]
fn a_mebibyte_goes_there_and_back() {
    let bytes: Vec<u8> = (0..1 << 20)
        .map(|index: u32| index.to_le_bytes()[1])
        .collect();
    let back = call(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        bytes.clone(),
    );
    assert!(back.expect("joined").into_iter().rev().eq(bytes));
}

#[test]
fn nothing_goes_there_and_back() {
    call(|()| (), ()).expect("joined");
}

#[test]
fn a_closure_that_captures_nothing_is_a_function() {
    assert_eq!(call(|(a, b): (u8, u8)| a + b, (1, 2)).expect("joined"), 3);
}

fn same_unsigned(number: u64) -> u64 {
    number
}

fn same_signed(number: i64) -> i64 {
    number
}

fn also_same_unsigned(number: u64) -> u64 {
    number
}

#[test]
fn functions_of_equal_code_run_with_their_own_types() {
    assert_eq!(call(same_unsigned, u64::MAX).expect("joined"), u64::MAX);
    assert_eq!(call(same_signed, -5).expect("joined"), -5);
    assert_eq!(call(also_same_unsigned, 7).expect("joined"), 7);
}

fn describe<T: std::fmt::Debug>(value: T) -> String {
    format!("{value:?}")
}

#[test]
fn a_generic_function_runs_as_instantiated() {
    assert_eq!(call(describe::<u8>, 7).expect("joined"), "7");
    assert_eq!(
        call(describe::<Option<bool>>, Some(true)).expect("joined"),
        "Some(true)"
    );
}

/// Serialises as two bytes, and wants a string.
#[derive(Debug)]
struct Crooked;

impl Serialize for Crooked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (255_u8, 255_u8).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Crooked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

/// Does not serialise.
#[derive(Debug, Deserialize)]
struct Mute;

impl Serialize for Mute {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("mute"))
    }
}

#[test]
fn arguments_that_do_not_decode_are_reported() {
    assert!(matches!(
        call(|_: Crooked| (), Crooked),
        Err(JoinError::Arguments(_))
    ));
}

#[test]
fn a_result_that_does_not_decode_is_reported() {
    assert!(matches!(call(|()| Crooked, ()), Err(JoinError::Decode(_))));
}

/// Serialises as two bytes, and wants one.
#[derive(Debug)]
struct Longer;

impl Serialize for Longer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (1_u8, 2_u8).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Longer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn bytes_behind_the_arguments_or_the_result_are_reported() {
    let arguments = call(|_: Longer| (), Longer).expect_err("a byte is left");
    assert!(matches!(arguments, JoinError::Arguments(_)), "{arguments}");
    assert!(
        arguments.to_string().contains("found 1 more"),
        "{arguments}"
    );
    let result = call(|()| Longer, ()).expect_err("a byte is left");
    let JoinError::Decode(result) = result else {
        panic!("{result}");
    };
    assert!(result.to_string().contains("found 1 more"), "{result}");
}

/// Serialises as the end of a chain of so many bytes, and wants a chain.
#[derive(Debug)]
struct Chain(usize);

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut links = serializer.serialize_tuple(self.0)?;
        (0..self.0).try_for_each(|_| links.serialize_element(&1_u8))?;
        links.end()
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = Option::<Box<Self>>::deserialize(deserializer)?;
        Ok(Self(inner.map_or(0, |inner| inner.0 + 1)))
    }
}

#[test]
fn arguments_and_results_that_nest_without_end_are_reported_and_overflow_no_stack() {
    let arguments = call(|_: Chain| (), Chain(1 << 20)).expect_err("too deep");
    assert!(matches!(arguments, JoinError::Arguments(_)), "{arguments}");
    assert!(arguments.to_string().contains("128 levels"), "{arguments}");
    let result = call(|()| Chain(1 << 20), ()).expect_err("too deep");
    let JoinError::Decode(result) = result else {
        panic!("{result}");
    };
    assert!(result.to_string().contains("128 levels"), "{result}");
}

#[test]
fn a_result_that_does_not_serialise_is_reported() {
    assert!(matches!(call(|()| Mute, ()), Err(JoinError::Encode(_))));
}

#[test]
fn arguments_that_do_not_serialise_start_nothing() {
    crossdock::process::init_test("crossdock_worker");
    let spawned = crossdock::process::spawn(|_: Mute| (), Mute);
    assert!(matches!(spawned, Err(SpawnError::Encode(_))));
}

#[test]
fn a_function_of_a_shared_library_is_refused() {
    crossdock::process::init_test("crossdock_worker");
    let foreign = libc::getpid as *const ();
    // SAFETY: the pointer is that of a function, and nothing calls it: `spawn` refuses it first.
    let foreign = unsafe { std::mem::transmute::<*const (), fn(u32) -> u32>(foreign) };
    let spawned = crossdock::process::spawn(foreign, 1);
    if cfg!(target_feature = "crt-static") {
        return; // There the C library is part of the program.
    }
    assert!(matches!(spawned, Err(SpawnError::NotInProgram)));
}

#[test]
fn a_worker_spawns_workers_that_spawn_workers() {
    fn tree(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let children = [(); 2].map(|()| crossdock::process::spawn(tree, depth - 1));
        children
            .into_iter()
            .map(|child| child.expect("spawned").join().expect("joined"))
            .sum()
    }
    assert_eq!(call(tree, 3).expect("joined"), 8);
}

#[test]
fn a_process_is_send_and_sync_whatever_it_returns() {
    fn check<T: Send + Sync>() {}
    check::<Process<Rc<u8>>>();
}

#[test]
fn threads_spawn_at_once() {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                scope.spawn(move || {
                    for number in 0..10 {
                        let number = thread * 100 + number;
                        assert_eq!(call(square, number).expect("joined"), number * number);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
    });
}
