//! Results that come and go: each job has a list of its own in a manager. The room of a list is
//! used again when the last process that had it has gone, also one that was killed.

use std::thread;
use std::time::Duration;

use crossdock::{List, Manager, process};

/// Finds three results, and goes on looking for a fourth if it is job 2.
fn work((results, job): (List<u64>, u64)) {
    for number in 0..3 {
        results
            .push(&(10 * job + number))
            .expect("the list has room");
    }
    if job == 2 {
        loop {
            thread::park();
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the jobs begin, and end, here
    let manager = Manager::new(16 << 10)?;
    let before = manager.room()?;
    // Daemons: they end with this process, should it be killed.
    let daemon = process::Builder::new().daemon(true);
    for job in 1..=3 {
        let name = format!("results of job {job}");
        let results = manager.list::<u64>(&name, 50)?;
        let worker = daemon.spawn(work, (results.clone(), job))?;
        let mut changes = results.changes();
        while results.len() < 3 {
            results.wait_changed_since(changes, Duration::from_secs(30))?;
            changes = results.changes();
        }
        if job == 2 {
            worker.kill()?;
        }
        let ended = worker.join().is_ok();
        println!("job {job}: {results:?}, ended by itself: {ended}");
        manager.remove(&name)?;
        assert!(results.get(0).is_err(), "it was removed");
    }
    println!("all room is free: {}", manager.room()? == before);
    Ok(())
}
