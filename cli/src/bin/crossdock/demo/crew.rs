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
pub(crate) struct Trade {
    pub(crate) demo: &'static str,
    /// The label of the sender.
    pub(crate) giver: &'static str,
    pub(crate) worker: &'static str,
    pub(crate) message: &'static str,
    /// The label of a completed message.
    pub(crate) done: &'static str,
}

/// The plan of a demo.
pub(crate) struct Plan {
    pub(crate) trade: Trade,
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
struct Crew(Vec<Member>);

impl Plan {
    /// Spreads the kills evenly over the messages; at most one for each message.
    pub(crate) fn new(trade: Trade, messages: Vec<String>, workers: u32, kills: u32) -> Self {
        let (count, kills) = (messages.len(), kills as usize);
        let fatal = (0..kills).map(|nth| messages[(2 * nth + 1) * count / (2 * kills)].clone());
        Self {
            trade,
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
    giver: impl FnOnce() -> Result<Process<Ended>, Failure>,
    worker: impl Fn(u32) -> Result<Process<Ended>, Failure>,
) -> Result<Outcome, Failure> {
    let Trade {
        demo, worker: name, ..
    } = plan.trade;
    // The other processes exit if this one dies: they wait for this lock, or write to this
    // receiver.
    let alive = place.driver.lock_or_repair(|_| ())?;
    let log = place.log.receiver()?;

    let mut ledger = Ledger::new(&plan.messages);
    let mut crew = Crew(Vec::new());
    let mut hired = 0;
    let mut hire = |crew: &mut Crew| -> Result<u32, Failure> {
        hired += 1;
        crew.0.push(Member {
            name: format!("{name} {hired}"),
            worker: Some(hired),
            process: worker(hired)?,
        });
        Ok(hired)
    };
    for _ in 0..plan.workers {
        hire(&mut crew)?;
    }
    crew.0.push(Member {
        name: plan.trade.giver.to_owned(),
        worker: None,
        process: giver()?,
    });

    let mut killed = 0;
    loop {
        let event = match log.recv_timeout(LOOK) {
            Ok(event) => event.into_inner(),
            // A process reports before it exits: once all have exited and the log is empty, no
            // report follows.
            Err(RecvTimeoutError::Timeout) if crew.0.is_empty() => break,
            Err(RecvTimeoutError::Timeout) => {
                crew.look()?;
                continue;
            }
            Err(error) => return Err(Failure::broken("the log", &error)),
        };
        match event.map_err(|error| Failure::broken("the log", &error))? {
            Event::Said(line) => report.line(&line),
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
                crew.kill(worker)?;
                killed += 1;
                report.line(&format!("{name} {worker}: killed"));
                let next = hire(&mut crew)?;
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

impl Crew {
    /// Kills a worker, which waits to be killed.
    fn kill(&mut self, worker: u32) -> Result<(), Failure> {
        let found = self.0.iter().position(|who| who.worker == Some(worker));
        let Some(at) = found else {
            return Err(Failure::Broken {
                who: format!("worker {worker}"),
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
            who: name.to_owned(),
            message,
        }),
        Err(error) => Err(Failure::broken(name, &error)),
    }
}

impl Drop for Crew {
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

    const TRADE: Trade = Trade {
        demo: "",
        giver: "",
        worker: "",
        message: "",
        done: "",
    };

    #[test]
    fn each_kill_has_a_message_of_its_own() {
        for (messages, kills) in [(1, 0), (1, 1), (6, 1), (6, 6), (7, 3), (10_000, 100)] {
            let names = (0..messages).map(|number: u32| number.to_string());
            let mut fatal = Plan::new(TRADE, names.collect(), 1, kills).fatal;
            fatal.sort();
            fatal.dedup();
            assert_eq!(fatal.len(), kills as usize, "{messages} {kills}");
        }
    }

    #[test]
    fn one_kill_is_in_the_middle() {
        let names = (1..=6).map(|number: u32| number.to_string());
        assert_eq!(Plan::new(TRADE, names.collect(), 1, 1).fatal, ["4"]);
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
