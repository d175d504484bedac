//! Spans and events of processes.

use crossdock::process::{self, Builder};

use crate::support::{lines, record};

#[test]
fn start_function_and_exit_are_told() {
    record();
    process::init_test("crossdock_worker");
    let cook = Builder::new().name("traced cook");
    // What the child's subscriber was told when the function runs is the result.
    let process = cook
        .spawn(|()| (std::process::id(), lines()), ())
        .expect("spawned");
    let id = process.id();
    let (pid, told) = process.join().expect("joined");
    assert_eq!(pid, id);

    let span = format!(" process name=\"traced cook\" pid={id}");
    let new = told
        .iter()
        .find(|line| line.ends_with(&span))
        .expect("the span of the function");
    let number = new.split(' ').nth(1).expect("its number");
    assert!(told.contains(&format!("enter {number}")), "{told:#?}");
    assert!(!told.contains(&format!("exit {number}")), "{told:#?}");

    let here = lines();
    let fields = format!("name=\"traced cook\" pid={id}");
    let told = |what: &str| {
        here.iter()
            .any(|line| line.contains(what) && line.contains(&fields))
    };
    assert!(told("process started"), "{here:#?}");
    assert!(told("process exited"), "{here:#?}");
}
