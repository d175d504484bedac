//! The task log: workers take tasks, and write the results into a log.

use std::fmt;

use crossdock::process;
use crossdock::queue::{Channel, ReceiverOf, SenderOf};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::driver::{self, Labels, Plan};
use super::ledger::Outcome;
use super::place::{self, Ended, Place};
use super::report::Report;

const LABELS: Labels = Labels {
    demo: "tasks",
    sender: "dispatcher",
    worker: "worker",
    message: "task",
    done: "done",
};

#[derive(Serialize, Deserialize)]
struct Task {
    number: u32,
    what: What,
}

#[derive(Serialize, Deserialize)]
enum What {
    Primes { below: u32 },
    Sum(Vec<u32>),
    Reverse(String),
}

impl Task {
    fn new(number: u32) -> Self {
        let what = match number % 3 {
            1 => What::Primes {
                below: 1_000 + number,
            },
            2 => What::Sum((1..=number % 100).collect()),
            _ => What::Reverse(format!("parcel {number}")),
        };
        Self { number, what }
    }

    fn perform(&self) -> String {
        match &self.what {
            What::Primes { below } => {
                let is_prime = |n: &u32| {
                    (2..)
                        .take_while(|m| m * m <= *n)
                        .all(|m| !n.is_multiple_of(m))
                };
                let primes = (2..*below).filter(is_prime).count();
                format!("{primes} primes are below {below}")
            }
            What::Sum(numbers) => format!(
                "the sum up to {} is {}",
                numbers.len(),
                numbers.iter().sum::<u32>()
            ),
            What::Reverse(text) => {
                let reversed: String = text.chars().rev().collect();
                format!("{text:?} is {reversed:?} from behind")
            }
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.number)
    }
}

#[derive(Serialize, Deserialize)]
struct Desk {
    tasks: u32,
    sender: SenderOf<Channel<Task>>,
    place: Place<Task>,
}

#[derive(Serialize, Deserialize)]
struct Bench {
    id: u32,
    /// The task that this worker holds when it is killed.
    fatal: Vec<String>,
    receiver: ReceiverOf<Channel<Task>>,
    place: Place<Task>,
}

fn give(desk: Desk) -> Ended {
    for number in 1..=desk.tasks {
        desk.place.send(&desk.sender, &Task::new(number))?;
    }
    desk.place.wait_until_done()
    // The only sender leaves: the workers exit.
}

fn work(bench: Bench) -> Ended {
    let Bench {
        id,
        fatal,
        receiver,
        place,
    } = bench;
    while let Some(task) = place::next(&receiver)? {
        let name = task.to_string();
        let attempt = task.attempt();
        if attempt == 1 && fatal.contains(&name) {
            place.wait_to_be_killed(id, &name)?;
        }
        let did = format!("{name}: {}", task.perform());
        place.done(task, name, driver::line(LABELS.worker, id, &did, attempt))?;
    }
    Ok(())
}

pub(super) fn run(
    tasks: u32,
    workers: u32,
    kills: u32,
    report: &Report,
) -> Result<Outcome, Failure> {
    let names = (1..=tasks).map(|number| Task::new(number).to_string());
    let plan = Plan::new(LABELS, names.collect(), workers, kills);
    let place = Place::new()?;
    let (sender, receiver) = place.ends()?;
    let sender = || {
        let desk = Desk {
            tasks,
            sender,
            place: place.clone(),
        };
        Ok(process::Builder::new().daemon(true).spawn(give, desk)?)
    };
    let worker = |id| {
        let bench = Bench {
            id,
            fatal: plan.fatal.clone(),
            receiver: receiver.clone(),
            place: place.clone(),
        };
        Ok(process::Builder::new().daemon(true).spawn(work, bench)?)
    };
    let outcome = driver::run(&plan, &place, report, sender, worker)?;
    report.finish(&LABELS, &outcome);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_results() {
        let results = [1, 2, 3].map(|number| Task::new(number).perform());
        assert_eq!(
            results,
            [
                "168 primes are below 1001",
                "the sum up to 2 is 3",
                "\"parcel 3\" is \"3 lecrap\" from behind"
            ]
        );
    }
}
