//! What a message costs between two processes: round trips, and a stream of 64 bytes each.
//!
//! ```text
//! cargo bench -p benches --bench pipes
//! cargo bench -p benches --bench pipes -- 20000    # messages a run; 20000 by default
//! ```
//!
//! The subjects are taken in turn, so that a machine that is slower for a moment is so for all of
//! them. Printed are the medians of the runs, and the medians of each run's ratio to the first
//! subject in the same turn. Python's takes part where `python3` is.

mod others;
mod ours;

use std::env;
use std::error::Error;

use crossdock::process;

type Failed = Box<dyn Error>;

const RUNS: usize = 9;

/// Where the two processes run: on these cores, or wherever the kernel puts them.
type Cores = Option<[usize; 2]>;

/// A subject: its name, and nanoseconds for each of so many messages.
type Subject = (&'static str, fn(u32, Cores) -> Result<f64, Failed>);

const TRIPS: [Subject; 5] = [
    ("Queue<u64>", ours::queue_trips),
    ("Spsc<u64>", ours::ring_trips),
    ("duplex::<u64, u64>", ours::conn_trips),
    ("socketpair", others::socket_trips),
    ("Python's Pipe", others::python_trips),
];
const STREAMS: [Subject; 4] = [
    ("duplex, [u64; 8]", ours::conn_stream),
    ("duplex, bytes", ours::bytes_stream),
    ("socketpair", others::socket_stream),
    ("Python's Pipe", others::python_stream),
];

/// sched_setaffinity(2) of this thread.
fn pin(cores: Cores, side: usize) {
    let Some(cores) = cores else { return };
    // SAFETY: a set of bits, of which all zeros is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call; a core that it has no bit for is left out.
    unsafe { libc::CPU_SET(cores[side], &mut set) };
    // SAFETY: the set outlives the call, which only reads it.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0, "there is no core {}", cores[side]);
}

/// Lets this thread run on every core again.
fn unpin() {
    // SAFETY: a set of bits, of which all zeros is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in 0..64 {
        // SAFETY: the set outlives the call.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the set outlives the call, which only reads it.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0, "the affinity is not restored");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn measure(what: &str, subjects: &[Subject], count: u32) -> Result<(), Failed> {
    for (placed, cores) in [
        ("one core", Some([0, 0])),
        ("two cores", Some([0, 1])),
        ("not pinned", None),
    ] {
        println!("{what}, {placed}: medians of {RUNS} runs of {count}");
        let mut took = vec![Vec::new(); subjects.len()];
        let mut ratios = vec![Vec::new(); subjects.len()];
        for _ in 0..RUNS {
            let mut first = None;
            for (at, (_, run)) in subjects.iter().enumerate() {
                let nanos = run(count, cores)?;
                unpin();
                took[at].push(nanos);
                ratios[at].push(nanos / *first.get_or_insert(nanos));
            }
        }
        for ((name, _), (took, ratios)) in subjects.iter().zip(took.into_iter().zip(ratios)) {
            let (took, ratio) = (median(took), median(ratios));
            println!("  {name:<20} {took:>9.0} ns  {ratio:>7.2} x");
        }
    }
    Ok(())
}

fn main() -> Result<(), Failed> {
    process::init();
    // Cargo adds one of its own.
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let count = arguments.next().map(|text| text.parse()).transpose()?;
    let count = count.unwrap_or(20_000);
    measure("round trips of 8 bytes", &TRIPS, count)?;
    measure("a stream of 64 bytes each", &STREAMS, 10 * count)
}
