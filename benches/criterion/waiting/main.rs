//! What it costs to wait: a round trip of two processes, a meeting of two, and waiters for which
//! nothing happens.
//!
//! ```text
//! cargo bench -p benches --bench waiting
//! cargo bench -p benches --bench waiting -- 5000       # round trips a run; 2000 by default
//! cargo bench -p benches --bench waiting -- idle       # 800 idle waiters
//! cargo bench -p benches --bench waiting -- idle 100
//! cargo bench -p benches --bench waiting -- meet # condition variable and barrier, and pthread's
//! cargo bench -p benches --bench waiting -- kills # one of three that meet is killed cargo bench
//! -p benches --bench waiting -- turns # a reader among writers that make no pause
//! ```

mod idle;
mod meeting;
mod trips;
mod turns;

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
        Some(what) if what == "meet" => {
            let count = arguments.next().map(|text| text.parse()).transpose()?;
            meeting::measure(count.unwrap_or(2000))
        }
        Some(what) if what == "kills" => {
            let kills = arguments.next().map(|text| text.parse()).transpose()?;
            meeting::kill(kills.unwrap_or(40))
        }
        Some(what) if what == "turns" => turns::measure(),
        Some(count) => trips::measure(count.parse()?),
        None => trips::measure(2000),
    }
}
