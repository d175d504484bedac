//! Two processes print their number.

use crossdock::process;

fn work(number: u32) {
    println!("Worker {number} is running.");
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    let workers = (1..=2).map(|number| process::spawn(work, number));
    for worker in workers.collect::<Result<Vec<_>, _>>()? {
        worker.join()?;
    }
    println!("All processes have finished.");
    Ok(())
}
