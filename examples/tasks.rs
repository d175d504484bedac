//! Three workers take tasks and log what they did, until nobody is left to give them any.

use std::error::Error;

use crossdock::queue::{Channel, RecvError};
use crossdock::{Segment, process};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Task {
    Primes { below: u64 },
    Sum(Vec<u64>),
}

fn perform(task: &Task) -> String {
    match task {
        Task::Primes { below } => {
            let is_prime = |n: &u64| (2..*n).all(|m| !n.is_multiple_of(m));
            let primes = (2..*below).filter(is_prime).count();
            format!("{primes} primes below {below}")
        }
        Task::Sum(numbers) => format!("the sum of {numbers:?} is {}", numbers.iter().sum::<u64>()),
    }
}

fn work((worker, tasks, log): (u32, Channel<Task>, Channel<String>)) {
    let log = log.sender().expect("a place in the segment");
    loop {
        let task = match tasks.recv() {
            Ok(task) => task,
            // No task is left, nobody has one in hand, and nobody gives any.
            Err(RecvError::Disconnected) => return,
            Err(error) => panic!("{error}"),
        };
        let line = format!("worker {worker}: {}", perform(&task));
        log.send(&line).expect("somebody reads the log");
        task.ack().expect("it is this worker's"); // killed before, it leaves the task to another
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the workers begin, and end, here
    let segment = Segment::anonymous()?;
    let tasks = segment.create::<Channel<Task>>("tasks", 16)?;
    let log = segment.create::<Channel<String>>("log", 16)?;

    let (giver, open) = (tasks.sender()?, log.sender()?);
    let workers = (1..=3)
        .map(|worker| process::spawn(work, (worker, tasks.clone(), log.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for number in 1..=5 {
        let below = number * 1_000;
        giver.send(&Task::Primes { below })?;
        giver.send(&Task::Sum((1..=number).collect()))?;
    }
    giver.wait_idle()?; // every task is done
    drop((giver, open)); // nobody gives tasks any more: the workers end, and with them the log
    for line in log.iter() {
        println!("{}", line?.into_inner()?);
    }
    for worker in workers {
        worker.join()?;
    }
    Ok(())
}
