//! What a pool costs that has nothing to do: its start, and its wake-ups.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossdock::process::{Pool, StartMethod};

use crate::{Failed, median, work};

pub(crate) const STARTING: &str = "starting a pool of four";
pub(crate) const IDLE: &str = "an idle pool of two";

/// Measures `build`, which returns when all workers are ready.
pub(crate) fn starting(runs: usize) -> Result<(), Failed> {
    let runs = runs * 5;
    println!("{STARTING}: medians of {runs} runs");
    let methods = [
        ("spawn", StartMethod::Spawn),
        ("fork server", StartMethod::ForkServer),
    ];
    let mut took = [const { Vec::new() }; 2];
    for run in 0..=runs {
        for ((_, method), took) in methods.iter().zip(&mut took) {
            let begun = Instant::now();
            let pool = Pool::builder().workers(4).start(*method).build()?;
            let millis = begun.elapsed().as_secs_f64() * 1e3;
            drop(pool);
            // The first one starts the fork server.
            if run > 0 {
                took.push(millis);
            }
        }
    }
    for ((name, _), took) in methods.iter().zip(took) {
        println!("  {name:<22} {:>10.3} ms", median(took));
    }
    Ok(())
}

/// Counts the context switches of all threads of the parent and of its workers.
pub(crate) fn idle() -> Result<(), Failed> {
    const TIME: Duration = Duration::from_secs(5);
    let pool = Pool::builder().workers(2).build()?;
    pool.map(work, 0..100)?;
    let mut processes = pool.worker_ids();
    processes.push(std::process::id());
    pause(Duration::from_secs(1));
    let before = processes.iter().map(|id| switches(*id));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    pause(TIME);
    println!("{IDLE}: wake-ups in {} s, of all threads", TIME.as_secs());
    for (at, (process, before)) in processes.iter().zip(before).enumerate() {
        let name = if at + 1 == processes.len() {
            "parent"
        } else {
            "worker"
        };
        println!("  {name:<22} {:>10}", switches(*process)? - before);
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is what is measured: nothing happens meanwhile"
)]
fn pause(time: Duration) {
    sleep(time);
}

fn switches(process: u32) -> Result<u64, Failed> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.unwrap_or("0").trim().parse::<u64>()?;
    }
    Ok(sum)
}
