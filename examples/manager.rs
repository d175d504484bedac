//! Results that come and go: each job has a list of its own in a manager, which grows. The room of
//! a list is used again when the last process that had it has gone, also one that was killed.

use std::thread;
use std::time::Duration;

use crossdock::{List, Manager, process};

/// Finds forty results, and goes on looking for another if it is job 2.
fn work((results, job): (List<u64>, u64)) {
    for number in 0..40 {
        results.push(&(100 * job + number)).expect("the list grows");
    }
    if job == 2 {
        loop {
            thread::park();
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the jobs begin, and end, here
    let manager = Manager::new(64 << 10)?;
    let before = manager.room()?;
    // Daemons: they end with this process, should it be killed.
    let daemon = process::Builder::new().daemon(true);
    for job in 1..=3 {
        let name = format!("results of job {job}");
        let results = manager.list::<u64>(&name, 1)?; // one at first
        let worker = daemon.spawn(work, (results.clone(), job))?;
        let mut changes = results.changes();
        while results.len() < 40 {
            results.wait_changed_since(changes, Duration::from_secs(30))?;
            changes = results.changes();
        }
        if job == 2 {
            worker.kill()?;
        }
        let ended = worker.join().is_ok();
        let (count, last) = (results.len(), results.get(39)?);
        println!("job {job}: {count} results, {last:?} is the last; ended by itself: {ended}");
        manager.remove(&name)?;
        assert!(results.get(0).is_err(), "it was removed");
    }
    println!("all room is free: {}", manager.room()? == before);
    Ok(())
}
