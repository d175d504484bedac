//! A work log: four jobs, each of which waits for a time, in a pool of two workers. A second of the
//! log is a tenth of one here.

use std::thread;
use std::time::Duration;

use crossdock::process::{self, Pool};

fn log((name, seconds): (String, u32)) {
    println!("Process name is {name} waiting time is {seconds} seconds");
    thread::park_timeout(Duration::from_millis(100) * seconds);
    println!("Process {name} Executed.");
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    let work = [("V", 5), ("X", 2), ("Y", 1), ("Z", 3)];
    let work = work.map(|(name, seconds)| (name.to_owned(), seconds));
    let pool = Pool::builder().workers(2).build()?;
    pool.map(log, work)?;
    Ok(())
}
