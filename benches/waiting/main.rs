//! What it costs to wait: a round trip of two processes, and waiters for which nothing happens.
//!
//! ```text
//! cargo bench -p benches --bench waiting
//! cargo bench -p benches --bench waiting -- 5000       # round trips a run; 2000 by default
//! cargo bench -p benches --bench waiting -- idle       # 800 idle waiters
//! cargo bench -p benches --bench waiting -- idle 100
//! ```

mod idle;
mod trips;

use std::env;
use std::error::Error;

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    // Cargo adds one of its own.
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next() {
        Some(what) if what == "idle" => {
            let waiters = arguments.next().map(|text| text.parse()).transpose()?;
            idle::measure(waiters.unwrap_or(800))
        }
        Some(count) => trips::measure(count.parse()?),
        None => trips::measure(2000),
    }
}
