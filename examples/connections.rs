//! A limit of connections: a process is killed while it holds one, and its place returns.

use std::error::Error;

use crossdock::sync::{Permit, Semaphore, TryAcquireError};
use crossdock::{Counter, Segment, process};

const CONNECTIONS: u32 = 3;

/// Opens a connection, if the limit allows it, and uses it as often as asked.
fn fetch((limit, pages, count): (Semaphore, Counter, u64)) {
    let _connection: Permit<'_> = limit.acquire().expect("the limit is open");
    for _ in 0..count {
        pages.add(1);
        std::thread::yield_now();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let limit = segment.create::<Semaphore>("connections", u64::from(CONNECTIONS))?;
    let pages = segment.create::<Counter>("pages", 0)?;

    // As many as the limit allows, and none of them ends by itself.
    let unlucky = (0..CONNECTIONS)
        .map(|_| process::spawn(fetch, (limit.clone(), pages.clone(), u64::MAX)))
        .collect::<Result<Vec<_>, _>>()?;
    while limit.available() > 0 {
        std::thread::yield_now();
    }
    let refused = limit.try_acquire().unwrap_err();
    assert_eq!(refused, TryAcquireError::WouldBlock);
    println!("{refused}");

    let patient = process::spawn(fetch, (limit.clone(), pages.clone(), 10))?;
    for process in unlucky {
        process.kill()?;
        println!("a holder: {}", process.join().unwrap_err());
    }
    patient.join()?;
    let all = limit.acquire_many(CONNECTIONS)?;
    println!("{} of {CONNECTIONS} connections are free again", all.len());
    Ok(())
}
