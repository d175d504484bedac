//! Three workers take tasks and log what they did, until no sender of tasks is left.

use crossdock::process;
use crossdock::queue::{Receiver, Sender, channel};
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

fn work(
    (worker, tasks, log): (u32, Receiver<Task>, Sender<String>),
) -> Result<(), crossdock::Error> {
    // Ends when no task is left, no other worker has one, and no sender of tasks is left.
    for task in &tasks {
        let task = task?;
        log.send(&format!("worker {worker}: {}", perform(&task)))?;
        task.ack()?; // killed before, it leaves the task to another
    }
    Ok(())
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    let (giver, tasks) = channel::<Task>(16)?;
    let (logger, log) = channel::<String>(16)?;
    let workers = (1..=3)
        .map(|worker| process::spawn(work, (worker, tasks.clone(), logger.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for number in 1..=5 {
        let below = number * 1_000;
        giver.send(&Task::Primes { below })?;
        giver.send(&Task::Sum((1..=number).collect()))?;
    }
    giver.wait_idle()?; // every task is done
    drop((giver, logger)); // the workers are told that no task will come; the log ends with them
    for line in log.iter() {
        println!("{}", line?.into_inner()?);
    }
    for worker in workers {
        worker.join()??;
    }
    Ok(())
}
