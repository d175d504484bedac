//! A program that starts processes is killed: none of them stays.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What hangs is found by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What the command is killed in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So many milliseconds after its start: wherever it is by then.
    After(u64),
    /// As soon as so many processes of its are there.
    With(usize),
}

const MOMENTS: [Moment; 7] = [
    Moment::After(1),
    Moment::After(4),
    Moment::With(1),
    Moment::With(2),
    Moment::After(16),
    Moment::After(64),
    Moment::After(250),
];

/// Kills the command at each moment, and waits until no process has its standard output any more,
/// which all of them inherit.
#[track_caller]
pub(crate) fn leaves_no_process(program: &str, arguments: &[&str]) {
    for moment in MOMENTS {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().unwrap();
        let mut output = driver.stdout.take().unwrap();
        let (sender, ended) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut printed = Vec::new();
            let read = output.read_to_end(&mut printed);
            sender.send(()).unwrap();
            read.unwrap()
        });
        moment.comes(&mut driver);
        driver.kill().unwrap();
        driver.wait().unwrap();
        assert!(
            ended.recv_timeout(WATCHDOG).is_ok(),
            "{arguments:?}: killed at {moment:?}, and something has its output open still"
        );
        reader.join().unwrap();
    }
}

impl Moment {
    pub(crate) fn comes(self, driver: &mut Child) {
        match self {
            Self::After(milliseconds) => pass(Duration::from_millis(milliseconds)),
            Self::With(processes) => {
                // One that has ended by itself has no more of them.
                while children(driver.id()) < processes && driver.try_wait().unwrap().is_none() {
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// How many processes a process has started that have not been waited for.
fn children(process: u32) -> usize {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    listed.map_or(0, |list| list.split_whitespace().count())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is spread; nothing is waited for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}
