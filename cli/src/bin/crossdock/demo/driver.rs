//! The driver: starts the processes, kills the workers that wait for it while holding a
//! message, replaces them, and records the results.

use std::time::Duration;

use crossdock::process::{JoinError, JoinTimeoutError, Process};
use crossdock::queue::RecvTimeoutError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use super::ledger::{Ledger, Outcome};
use super::place::{Ended, Event, Place};
use super::report::Report;

/// The time without a report after which the driver checks the processes.
const LOOK: Duration = Duration::from_millis(2);

/// The labels of a demo.
#[derive(Clone, Copy)]
pub(crate) struct Labels {
    pub(crate) demo: &'static str,
    /// The label of the sender.
    pub(crate) sender: &'static str,
    pub(crate) worker: &'static str,
    pub(crate) message: &'static str,
    /// The label of a completed message.
    pub(crate) done: &'static str,
}

/// The plan of a demo.
pub(crate) struct Plan {
    pub(crate) labels: Labels,
    /// The names of all messages, each once.
    pub(crate) messages: Vec<String>,
    pub(crate) workers: u32,
    /// The messages whose first receivers are killed while they hold them.
    pub(crate) fatal: Vec<String>,
}

/// A process as the driver sees it.
struct Member {
    /// The name.
    name: String,
    /// The number of a worker.
    worker: Option<u32>,
    process: Process<Ended>,
}

/// The running processes. If an error drops them early, they are terminated.
struct Processes(Vec<Member>);

impl Plan {
    /// Spreads the kills evenly over the messages; at most one for each message.
    pub(crate) fn new(labels: Labels, messages: Vec<String>, workers: u32, kills: u32) -> Self {
        let (count, kills) = (messages.len(), kills as usize);
        let fatal = (0..kills).map(|nth| messages[(2 * nth + 1) * count / (2 * kills)].clone());
        Self {
            labels,
            fatal: fatal.collect(),
            messages,
            workers,
        }
    }
}

/// Returns the line of a worker's action, with the attempt unless it is the first.
pub(crate) fn line(worker: &str, id: u32, did: &str, attempt: u8) -> String {
    match attempt {
        1 => format!("{worker} {id}: {did}"),
        again => format!("{worker} {id}: {did}, attempt {again}"),
    }
}

/// Runs a plan to its end.
pub(crate) fn run<M: Serialize + DeserializeOwned + 'static>(
    plan: &Plan,
    place: &Place<M>,
    report: &Report,
    sender: impl FnOnce() -> Result<Process<Ended>, Failure>,
    worker: impl Fn(u32) -> Result<Process<Ended>, Failure>,
) -> Result<Outcome, Failure> {
    let Labels {
        demo, worker: name, ..
    } = plan.labels;
    // The other processes exit if this one dies: they wait for this lock, or write to this
    // receiver.
    let alive = place.driver.lock_or_repair(|_| ())?;
    let log = place.log.receiver()?;

    let mut ledger = Ledger::new(&plan.messages);
    let mut processes = Processes(Vec::new());
    let mut started = 0;
    let mut start = |processes: &mut Processes| -> Result<u32, Failure> {
        started += 1;
        processes.0.push(Member {
            name: format!("{name} {started}"),
            worker: Some(started),
            process: worker(started)?,
        });
        Ok(started)
    };
    for _ in 0..plan.workers {
        start(&mut processes)?;
    }
    processes.0.push(Member {
        name: plan.labels.sender.to_owned(),
        worker: None,
        process: sender()?,
    });

    let mut killed = 0;
    loop {
        let event = match log.recv_timeout(LOOK) {
            Ok(event) => event.into_inner(),
            // A process reports before it exits: once all have exited and the log is empty, no
            // report follows.
            Err(RecvTimeoutError::Timeout) if processes.0.is_empty() => break,
            Err(RecvTimeoutError::Timeout) => {
                processes.look()?;
                continue;
            }
            Err(error) => return Err(Failure::broken("the log", &error)),
        };
        match event.map_err(|error| Failure::broken("the log", &error))? {
            Event::Line(line) => report.line(&line),
            Event::Done {
                message,
                attempt,
                line,
            } => {
                ledger.note(&message, attempt);
                report.line(&line);
            }
            Event::InHand { worker, message } => {
                report.line(&format!("{name} {worker}: holds {message}"));
                processes.kill(worker)?;
                killed += 1;
                report.line(&format!("{name} {worker}: killed"));
                let next = start(&mut processes)?;
                report.line(&format!("{name} {next}: replaces it"));
            }
        }
    }
    drop(alive);
    Ok(Outcome {
        demo,
        acknowledged: place.acknowledged.load(),
        dead_letters: place.messages.dead_letters().len(),
        killed,
        idle: place.messages.is_idle(),
        ..ledger.outcome()
    })
}

impl Processes {
    /// Kills a worker, which waits to be killed.
    fn kill(&mut self, worker: u32) -> Result<(), Failure> {
        let found = self
            .0
            .iter()
            .position(|member| member.worker == Some(worker));
        let Some(at) = found else {
            return Err(Failure::Broken {
                process: format!("worker {worker}"),
                message: "asked to be killed, and had ended".to_owned(),
            });
        };
        let Member { name, process, .. } = self.0.swap_remove(at);
        // The outcome reports a failure.
        let _ = process.kill();
        match process.join() {
            Err(JoinError::Killed { .. }) => Ok(()),
            outcome => ended(&name, outcome),
        }
    }

    /// Forgets the processes that have exited as expected.
    fn look(&mut self) -> Result<(), Failure> {
        let mut at = 0;
        while let Some(Member { name, process, .. }) = self.0.get_mut(at) {
            let outcome = match process.join_timeout(Duration::ZERO) {
                Ok(outcome) => Ok(outcome),
                Err(JoinTimeoutError::Join(error)) => Err(error),
                Err(_) => {
                    at += 1;
                    continue;
                }
            };
            ended(name, outcome)?;
            self.0.swap_remove(at);
        }
        Ok(())
    }
}

/// Checks that a process exited as expected.
fn ended(name: &str, outcome: Result<Ended, JoinError>) -> Result<(), Failure> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(message)) => Err(Failure::Broken {
            process: name.to_owned(),
            message,
        }),
        Err(error) => Err(Failure::broken(name, &error)),
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for member in self.0.drain(..) {
            // It has exited.
            let _ = member.process.kill();
            let _ = member.process.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Labels = Labels {
        demo: "",
        sender: "",
        worker: "",
        message: "",
        done: "",
    };

    #[test]
    fn each_kill_has_a_message_of_its_own() {
        for (messages, kills) in [(1, 0), (1, 1), (6, 1), (6, 6), (7, 3), (10_000, 100)] {
            let names = (0..messages).map(|number: u32| number.to_string());
            let mut fatal = Plan::new(LABELS, names.collect(), 1, kills).fatal;
            fatal.sort();
            fatal.dedup();
            assert_eq!(fatal.len(), kills as usize, "{messages} {kills}");
        }
    }

    #[test]
    fn one_kill_is_in_the_middle() {
        let names = (1..=6).map(|number: u32| number.to_string());
        assert_eq!(Plan::new(LABELS, names.collect(), 1, 1).fatal, ["4"]);
    }

    #[test]
    fn an_attempt_that_is_not_the_first_is_said() {
        assert_eq!(line("baker", 1, "baked it", 1), "baker 1: baked it");
        assert_eq!(
            line("baker", 2, "baked it", 2),
            "baker 2: baked it, attempt 2"
        );
    }
}
