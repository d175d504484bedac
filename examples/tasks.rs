//! Three processes take tasks from a queue until it is empty, and note what they have done in a
//! second queue.

use crossdock::process;
use crossdock::queue::{Receiver, Sender, TryRecvError, channel};

fn perform(
    (tasks, done): (Receiver<String>, Sender<String>),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let name = process::current().name();
    loop {
        let task = match tasks.try_recv() {
            Ok(task) => task,
            Err(TryRecvError::Busy) => continue, // another process takes one at this moment
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        done.send(&format!("{} is done by {name}", *task))?;
        task.ack()?; // killed before, the process leaves the task to another
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the processes begin, and end, here
    let (sender, tasks) = channel::<String>(8)?;
    let (notes, done) = channel::<String>(8)?;
    for number in 0..8 {
        sender.send(&format!("Task no {number}"))?;
    }

    let workers = (0..3).map(|_| process::try_spawn(perform, (tasks.clone(), notes.clone())));
    let workers = workers.collect::<Result<Vec<_>, _>>()?;
    for worker in workers {
        worker.join()?;
    }
    while !done.is_empty() {
        println!("{}", done.recv()?.into_inner()?);
    }
    Ok(())
}
