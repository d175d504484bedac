//! Five processes get ready, one of them is killed on the way, and the others begin together once
//! as many as needed are.

use std::error::Error;

use crossdock::{Counter, Segment, process};

const NEEDED: u64 = 5;

/// Says that it is ready, and begins when enough are.
fn work((id, ready, begun): (u64, Counter, Counter)) {
    if id == 0 {
        begun.wait_until(|n| n > NEEDED).expect("a participant"); // never: it is killed here
    }
    ready.add_and_notify(1);
    ready.wait_until(|n| n >= NEEDED).expect("a participant");
    begun.add_and_notify(1);
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let ready = segment.create::<Counter>("ready", 0)?;
    let begun = segment.create::<Counter>("begun", 0)?;
    let start = |id| process::spawn(work, (id, ready.clone(), begun.clone()));

    let unlucky = start(0)?;
    let others = (1..NEEDED).map(start).collect::<Result<Vec<_>, _>>()?;
    let so_far = ready.wait_until(|n| n == NEEDED - 1)?;
    println!("{so_far} of {NEEDED} are ready");
    unlucky.kill()?;
    println!("one: {}", unlucky.join().unwrap_err());

    let substitute = start(NEEDED)?;
    begun.wait_until(|n| n == NEEDED)?;
    println!("all {NEEDED} have begun");
    for process in others.into_iter().chain([substitute]) {
        process.join()?;
    }
    Ok(())
}
