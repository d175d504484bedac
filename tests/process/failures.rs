//! Functions that return errors.

use std::error::Error;
use std::fmt;

use crossdock::process::{
    Builder, JoinError, PortableError, Process, RemoteError, init_test, scope, try_spawn,
};
use crossdock::{Counter, Segment};
use serde::{Deserialize, Serialize};

use crate::support::{call, has_children, outcome};

/// An error with a cause that serde does not know.
#[derive(Debug)]
struct Layered {
    depth: u32,
    cause: Option<Box<Layered>>,
}

impl Layered {
    fn new(depth: u32) -> Self {
        let cause = depth.checked_sub(1).map(|depth| Box::new(Self::new(depth)));
        Self { depth, cause }
    }
}

impl fmt::Display for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}", self.depth)
    }
}

impl Error for Layered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// The error of a process of which `join` told that its function failed.
fn failure<R: fmt::Debug>(joined: Result<R, JoinError>) -> RemoteError {
    match joined {
        Err(JoinError::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn attempt<R, E>(function: fn(u32) -> Result<R, E>, number: u32) -> Result<R, JoinError>
where
    R: Serialize + for<'de> Deserialize<'de>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    init_test("crossdock_worker");
    outcome(&mut try_spawn(function, number).expect("spawned"))
}

fn layered(depth: u32) -> Result<u32, Layered> {
    match depth {
        7 => Ok(49),
        _ => Err(Layered::new(depth)),
    }
}

/// The texts of an error and of its causes.
fn texts(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts
}

#[test]
fn a_value_is_the_result() {
    assert_eq!(attempt(layered, 7), Ok(49));
}

#[test]
fn an_error_arrives_as_its_text_and_its_causes() {
    let error = failure(attempt(layered, 2));
    assert_eq!(texts(&error), ["layer 2", "layer 1", "layer 0"]);
    assert_eq!(format!("{error:?}"), "layer 2: layer 1: layer 0");
    let joined = JoinError::Failed(error);
    let expected = ["the function failed: layer 2", "layer 1", "layer 0"];
    assert_eq!(texts(&joined), expected);
    let whole = crossdock::Error::from(joined);
    assert_eq!(format!("{whole:?}"), expected.join(": "));
}

#[test]
fn a_chain_of_causes_has_an_end() {
    let error = failure(attempt(layered, 1_000));
    assert_eq!(texts(&error).len(), 33);

    #[derive(Debug)]
    struct Loops;
    impl fmt::Display for Loops {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("round")
        }
    }
    impl Error for Loops {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Loops)
        }
    }
    let error = failure(attempt(|_| Err::<(), _>(Loops), 0));
    assert_eq!(texts(&error).len(), 33);
}

#[test]
fn texts_and_boxes_are_errors_too() {
    let error = failure(attempt(|_| Err::<(), _>("no bread"), 0));
    assert_eq!(texts(&error), ["no bread"]);
    let error = failure(attempt(|_| Err::<(), _>("no salt".to_owned()), 0));
    assert_eq!(texts(&error), ["no salt"]);
    let boxed = |number: u32| -> Result<u32, Box<dyn Error + Send + Sync>> {
        Ok(layered(number)? + "x".parse::<u32>()?)
    };
    assert_eq!(texts(&failure(attempt(boxed, 1))), ["layer 1", "layer 0"]);
    let error = failure(attempt(boxed, 7));
    assert_eq!(texts(&error), ["invalid digit found in string"]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Burnt(u32);

impl fmt::Display for Burnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "burnt after {} minutes", self.0)
    }
}

impl Error for Burnt {}
impl PortableError for Burnt {}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Raw(u32);

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raw")
    }
}

impl Error for Raw {}
impl PortableError for Raw {}

fn bake(minutes: u32) -> Result<u32, RemoteError> {
    match minutes {
        0..10 => Err(Raw(minutes).into()),
        10..40 => Ok(minutes),
        _ => Err(Burnt(minutes))?,
    }
}

#[test]
fn a_portable_error_arrives_as_itself() {
    assert_eq!(attempt(bake, 20), Ok(20));
    let error = failure(attempt(bake, 60));
    assert_eq!(texts(&error), ["burnt after 60 minutes"]);
    assert_eq!(error.downcast(), Some(Burnt(60)));
    assert_eq!(error.downcast::<Raw>(), None);
    assert_eq!(failure(attempt(bake, 3)).downcast(), Some(Raw(3)));
    // What is not sent as itself has no other form than text.
    let as_text = failure(attempt(|minutes| Err::<(), _>(Burnt(minutes)), 60));
    assert_eq!(as_text.downcast::<Burnt>(), None);
}

#[test]
fn an_error_crosses_on_through_further_processes() {
    let outer = |minutes: u32| -> Result<u32, RemoteError> {
        match attempt(bake, minutes) {
            Err(JoinError::Failed(error)) => Err(error),
            other => Ok(other.expect("joined")),
        }
    };
    assert_eq!(failure(attempt(outer, 60)).downcast(), Some(Burnt(60)));
    // As a value of a result, too.
    let value = call(|minutes: u32| failure(attempt(bake, minutes)), 60);
    assert_eq!(value.expect("joined").downcast(), Some(Burnt(60)));
}

/// An error with a handle, which belongs to one process.
#[derive(Debug, Serialize, Deserialize)]
struct Holds(Counter);

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it holds a counter")
    }
}

impl Error for Holds {}
impl PortableError for Holds {}

#[test]
fn an_error_that_does_not_encode_arrives_as_text() {
    let holds = |_: u32| -> Result<(), RemoteError> {
        let segment = Segment::anonymous().expect("a segment");
        Err(Holds(segment.create::<Counter>("c", 0).expect("made")))?
    };
    let error = failure(attempt(holds, 0));
    assert_eq!(texts(&error), ["it holds a counter"]);
    assert!(error.downcast::<Holds>().is_none());
}

#[test]
fn a_failure_exits_with_1_and_handles_come_back_with_values() {
    init_test("crossdock_worker");
    let mut worker: Process<u32> = Builder::new().try_spawn(bake, 60).expect("spawned");
    worker.wait().expect("waited");
    assert_eq!(worker.exit_code(), Ok(Some(1)));
    worker.join().expect_err("failed");
    let count = |number: u32| -> Result<Counter, String> {
        let segment = Segment::anonymous().map_err(|error| error.to_string())?;
        let counter = segment.create::<Counter>("c", u64::from(number));
        counter.map_err(|error| error.to_string())
    };
    let counter = attempt(count, 5).expect("joined");
    assert_eq!(counter.load(), 5);
}

#[test]
fn a_panic_is_a_panic() {
    let panics = |_: u32| -> Result<(), String> { panic!("burnt") };
    assert!(matches!(attempt(panics, 0), Err(JoinError::Panicked(_))));
}

#[test]
fn a_failure_ends_its_scope() {
    let told = call(
        |()| {
            init_test("crossdock_worker");
            let failed = scope(|scope| {
                fn parks((): ()) {
                    loop {
                        std::thread::park();
                    }
                }
                scope.spawn(parks, ())?;
                scope.try_spawn(bake, 60)?;
                Ok::<(), crossdock::Error>(())
            });
            let error = failed.expect_err("burnt");
            (error.to_string(), has_children())
        },
        (),
    );
    let text = "the function failed: burnt after 60 minutes".to_owned();
    assert_eq!(told, Ok((text, false)));
}
