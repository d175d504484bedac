//! Tasks that return errors, and panics that end their worker.

use std::error::Error;
use std::fmt;

use crossdock::process::{PortableError, RemoteError, TaskError};
use crossdock::{Counter, Segment};
use serde::{Deserialize, Serialize};

use super::{builder, pool, square};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Burnt {
    minutes: u32,
}

impl fmt::Display for Burnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "burnt after {} minutes", self.minutes)
    }
}

impl Error for Burnt {}
impl PortableError for Burnt {}

fn parse(text: String) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn bake(minutes: u32) -> Result<u32, RemoteError> {
    if minutes > 40 {
        Err(Burnt { minutes })?;
    }
    Ok(minutes)
}

#[test]
fn the_error_of_a_task_is_its_own_and_the_others_go_on() {
    let pool = pool(2);
    assert_eq!(pool.fallible().call(parse, "12".to_owned()), Ok(12));
    let error = pool.fallible().call(parse, "x".to_owned());
    let Err(TaskError::Failed(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), "invalid digit found in string");

    let results: Vec<_> = pool
        .options()
        .chunk_size(4)
        .fallible()
        .imap(bake, (0..8).map(|dozen| dozen * 10))
        .collect();
    for (result, minutes) in results.into_iter().zip((0..8).map(|dozen| dozen * 10)) {
        match result {
            Ok(found) => assert_eq!(found, minutes),
            Err(TaskError::Failed(error)) => {
                assert!(minutes > 40);
                assert_eq!(error.downcast(), Some(Burnt { minutes }));
            }
            Err(other) => panic!("{other}"),
        }
    }
    let error = pool.fallible().map(bake, [10, 50, 60]).expect_err("burnt");
    assert_eq!(error.index, 1);
    let task = pool.fallible().submit(bake, 70).expect("submitted");
    assert!(matches!(task.wait(), Err(TaskError::Failed(_))));
    assert_eq!(pool.progress().restarts, 0);
}

#[test]
fn the_causes_of_an_error_arrive_with_it() {
    fn read((): ()) -> Result<(), Box<dyn Error + Send + Sync>> {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no recipe")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        std::fs::read("/nowhere").map_err(Outer)?;
        Ok(())
    }
    let pool = builder(1).initializer(|(): ()| (), ()).build();
    let pool = pool.expect("built");
    let error = pool.fallible().call(|_, (): ()| read(()), ());
    let error = error.expect_err("no file");
    assert_eq!(error.to_string(), "the task failed: no recipe");
    let cause = error.source().expect("a cause").to_string();
    assert!(cause.contains("No such file"), "{cause}");
}

#[test]
fn a_result_that_is_no_error_of_a_plain_task_is_its_value() {
    let portable = |text: String| parse(text).map_err(|error| error.to_string());
    let error = Err("invalid digit found in string".to_owned());
    assert_eq!(pool(1).call(portable, "x".to_owned()), Ok(error));
}

#[test]
fn an_error_is_tried_again_as_often_as_is_said_if_its_cause_is_one_of_those() {
    let segment = Segment::anonymous().expect("a segment");
    let runs: Counter = segment.create("runs", 0).expect("created");
    let pool = builder(1)
        .initializer(|runs: Counter| runs, runs.clone())
        .build()
        .expect("built");
    let fails = |runs: &mut Counter, (until, text): (u64, String)| match runs.add(1) {
        run if run < until => Err(text),
        run => Ok(run),
    };
    let careful = pool.fallible().retries(3);
    let careful = careful.retry_if(|error| error.to_string().contains("busy"));
    assert_eq!(careful.call(fails, (4, "busy".to_owned())), Ok(4));
    runs.add(0u64.wrapping_sub(4));
    // One try and three more.
    let error = careful.call(fails, (9, "busy".to_owned()));
    assert!(matches!(error, Err(TaskError::Failed(_))), "{error:?}");
    assert_eq!(runs.load(), 4);
    let error = careful.call(fails, (99, "gone".to_owned()));
    assert!(matches!(error, Err(TaskError::Failed(_))), "{error:?}");
    assert_eq!(runs.load(), 5, "once");
    let plain = pool.fallible().retries(3);
    let error = plain.call(fails, (99, "busy".to_owned()));
    assert!(matches!(error, Err(TaskError::Failed(_))), "{error:?}");
    assert_eq!(runs.load(), 6, "once");
}

/// Panics where nothing can unwind, which ends the process as a panic that aborts does.
fn abort_with(text: String) -> u64 {
    #[expect(improper_ctypes_definitions, reason = "only Rust calls it")]
    extern "C" fn no_way_out(text: &str) {
        assert!(text.is_empty(), "{text}");
    }
    no_way_out(&text);
    text.len() as u64
}

#[test]
fn a_panic_that_ends_the_worker_is_a_panic_of_its_task_with_its_message() {
    let pool = pool(1);
    let error = pool.call(abort_with, "out of flour".to_owned());
    let Err(TaskError::Panicked(panic)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(panic.message(), "out of flour");
    let location = panic.location().expect("a place").to_string();
    assert!(location.contains("fallible.rs:"), "{location}");
    assert_eq!(pool.call(square, 3), Ok(9));
    // Longer than the room for it.
    let error = pool.call(abort_with, "x".repeat(5_000));
    let Err(TaskError::Panicked(panic)) = error else {
        panic!("{error:?}");
    };
    assert!(panic.message().starts_with("xxx"), "{panic}");
    // A panic that was caught, or that an item before died of, is none of a later abort.
    let caught_then_abort = |abort: bool| {
        if abort {
            std::process::abort();
        }
        std::panic::catch_unwind(|| panic!("caught")).is_err()
    };
    assert_eq!(pool.call(caught_then_abort, false), Ok(true));
    let error = pool.call(caught_then_abort, true);
    assert!(
        matches!(error, Err(TaskError::WorkerDied { .. })),
        "{error:?}"
    );
    // In the middle of a chunk.
    let texts = ["", "", "no oven", ""].map(str::to_owned);
    let results: Vec<_> = pool
        .options()
        .chunk_size(4)
        .imap(abort_with, texts)
        .collect();
    let ok: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, true, false, true]);
    assert!(matches!(&results[2], Err(TaskError::Panicked(panic)) if panic.message() == "no oven"));
}
