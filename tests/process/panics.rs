//! Panics of functions: what is printed, and what the parent is told.

use std::io::Read;

use crossdock::process::{Builder, JoinError, Panic, Process, Stdio};

use crate::support::{call, outcome, spawn_with};

fn panic_of<R: std::fmt::Debug>(outcome: Result<R, JoinError>) -> Panic {
    match outcome {
        Err(JoinError::Panicked(panic)) => panic,
        other => panic!("{other:?}"),
    }
}

/// The outcome of a process that prints into a pipe, and what it printed.
fn printed(builder: Builder, function: fn(u32) -> u32) -> (Process<u32>, Panic, String) {
    let mut worker = spawn_with(&builder.stderr(Stdio::Piped), function, 4);
    let mut text = String::new();
    let mut stderr = worker.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut text).expect("read");
    let panic = panic_of(outcome(&mut worker));
    (worker, panic, text)
}

fn quiet() -> Builder {
    Builder::new().env_remove("RUST_BACKTRACE")
}

fn no_today(number: u32) -> u32 {
    panic!("no {number} today")
}

#[test]
fn the_message_of_a_panic_arrives() {
    let panic = panic_of(call(no_today, 4));
    assert_eq!(panic.message(), "no 4 today");
    let panic = panic_of(call(|()| -> u8 { panic!("plain") }, ()));
    assert_eq!(panic.message(), "plain");
    let panic = panic_of(call(|()| -> u8 { std::panic::panic_any(5_u8) }, ()));
    assert_eq!(panic.message(), "Box<dyn Any>");
    assert!(panic.location().is_some());
}

#[test]
fn a_panic_says_where_and_in_which_process() {
    let (worker, panic, text) = printed(quiet().name("baker"), no_today);
    let location = panic.location().expect("a place");
    assert_eq!(location.file(), file!());
    assert_eq!((location.line(), location.column()), (31, 5));
    let at = format!("{}:31:5", file!());
    assert_eq!(location.to_string(), at);
    let id = worker.id();
    let expected = format!("process 'baker' ({id}) panicked at {at}:\nno 4 today\n");
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("note: run with `RUST_BACKTRACE=1`"), "{text}");
    assert_eq!(panic.backtrace(), None);
    let error = JoinError::Panicked(panic);
    let expected = format!("the process panicked at {at}: no 4 today");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_backtrace_arrives_if_it_is_asked_for() {
    for (asked, is_whole) in [("1", false), ("full", true)] {
        let (_, panic, text) = printed(Builder::new().env("RUST_BACKTRACE", asked), no_today);
        let backtrace = panic.backtrace().expect("a backtrace");
        assert!(backtrace.contains("panics::no_today"), "{backtrace}");
        let has_worker = backtrace.contains("run_pending");
        assert_eq!(has_worker, is_whole, "{backtrace}");
        assert!(text.contains("stack backtrace:"), "{text}");
        assert!(!text.contains("note: run with"), "{text}");
    }
    let (_, panic, _) = printed(Builder::new().env("RUST_BACKTRACE", "0"), no_today);
    assert_eq!(panic.backtrace(), None);
}

#[test]
fn a_deep_backtrace_is_cut() {
    #[inline(never)]
    fn deep(levels: u32) -> u32 {
        assert_ne!(levels, 0, "deep enough");
        std::hint::black_box(deep(std::hint::black_box(levels - 1))) + 1
    }
    let builder = Builder::new().env("RUST_BACKTRACE", "1");
    let (_, panic, _) = printed(builder, |_| deep(2_000));
    let backtrace = panic.backtrace().expect("a backtrace");
    assert!(backtrace.len() <= 66 << 10, "{}", backtrace.len());
    assert!(backtrace.ends_with("(deeper frames are left out)\n"));
}

#[test]
fn a_panic_that_was_caught_is_not_taken_for_the_one_that_was_not() {
    let (_, panic, text) = printed(quiet(), |_| {
        let caught = std::panic::catch_unwind(|| panic!("first"));
        caught.expect_err("panicked");
        let thread = std::thread::Builder::new().name("oven".to_owned());
        let thread = thread.spawn(|| -> u32 { panic!("hot") }).expect("a thread");
        let payload = thread.join().expect_err("panicked");
        std::panic::resume_unwind(payload)
    });
    assert_eq!((panic.message(), panic.location()), ("hot", None));
    assert!(
        text.contains("thread 'oven' of process 'Process-"),
        "{text}"
    );
}

#[test]
fn a_hook_that_the_function_sets_is_the_one_that_runs() {
    let (_, panic, text) = printed(quiet(), |number| {
        std::panic::set_hook(Box::new(|_| eprint!("mine")));
        no_today(number)
    });
    assert_eq!((panic.message(), panic.location()), ("no 4 today", None));
    assert!(
        text.contains("mine") && !text.contains("panicked"),
        "{text}"
    );
}

#[test]
fn a_panic_crosses_on_as_it_was() {
    let inner = |()| panic_of(call(no_today, 5));
    let panic = call(inner, ()).expect("joined");
    assert_eq!(panic.message(), "no 5 today");
    assert_eq!(panic.location().map(|place| place.line()), Some(31));
}
