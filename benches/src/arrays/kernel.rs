//! Work on leased chunks that is all computing, by one process and by two, each on a core of its
//! own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock::array::{ArrayOptions, Init};
use crossdock::queue::Queue;
use crossdock::{Array, Counter, SegmentOptions, process};
use crossdock_cli::pin::Pin;
use crossdock_cli::worker::{Workers, die_with, message};
use crossdock_cli::{Failure, pin};
use serde::{Deserialize, Serialize};

use crate::work::Way;

const CHUNKS: usize = 128;
/// The values of a chunk: 128 bytes.
const VALUES: usize = 16;
/// A process that does not end so long after the others is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// One process first.
pub(crate) const WAYS: &[Way] = &[
    Way {
        kind: "1",
        label: "1 process",
        once: |time| measured(time, 1),
    },
    Way {
        kind: "2",
        label: "2 processes",
        once: |time| measured(time, 2),
    },
];

/// What a worker is given.
#[derive(Clone, Serialize, Deserialize)]
struct Bench {
    array: Array<u64>,
    /// How many are there, and whether they may begin.
    ready: Counter,
    go: Counter,
    /// Says that all is done.
    done: Queue<u64>,
    /// How often each value is changed.
    steps: u64,
    core: Option<usize>,
    parent: u32,
}

/// Changes each value so many times, each time as the one before has it.
fn compute(values: &mut [u64], steps: u64) {
    for value in values {
        let mut x = *value | 1;
        for _ in 0..steps {
            x = black_box(x)
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
        }
        *value = x;
    }
}

fn work(bench: Bench) -> Result<u64, String> {
    die_with(bench.parent)?;
    if let Some(core) = bench.core {
        pin::pin(core).map_err(message)?;
    }
    bench.ready.add(1);
    while bench.go.load() == 0 {
        std::hint::spin_loop();
    }
    let mut chunks = 0;
    while let Some(mut chunk) = bench.array.lease_chunk().map_err(message)? {
        compute(&mut chunk, bench.steps);
        chunk.finish().map_err(message)?;
        chunks += 1;
    }
    bench.done.send(chunks).map_err(message)?;
    Ok(chunks)
}

/// How many steps take as long as the `time` of one process, in all values.
fn steps(time: Duration) -> u64 {
    const TRIAL: u64 = 20_000;
    let begun = Instant::now();
    compute(black_box(&mut [7; VALUES]), TRIAL);
    let one = begun.elapsed().as_nanos().max(1);
    let all = time.as_nanos() * u128::from(TRIAL) / CHUNKS as u128;
    u64::try_from(all / one)
        .unwrap_or(u64::MAX)
        .clamp(1, 1 << 40)
}

/// Nanoseconds for each chunk.
fn measured(time: Duration, processes: u32) -> Result<f64, Failure> {
    let segment = SegmentOptions::new().anonymous()?;
    let options = ArrayOptions::new(Init::filled(CHUNKS * VALUES, 7_u64)).chunk(VALUES);
    let array: Array<u64> = segment.create("array", options)?;
    let (ready, go) = (segment.create("ready", 0)?, segment.create("go", 0)?);
    let done: Queue<u64> = segment.create("done", 8)?;
    let steps = steps(time);
    let cores = pin::cores()?;
    let mut workers = Workers::new();
    for worker in 0..processes {
        let bench = Bench {
            array: array.clone(),
            ready: Counter::clone(&ready),
            go: Counter::clone(&go),
            done: done.clone(),
            steps,
            core: Pin::Cores.core(worker, &cores),
            parent: std::process::id(),
        };
        workers.add(process::spawn(work, bench)?);
    }
    workers.until(|| ready.load() == u64::from(processes))?;
    let begun = Instant::now();
    go.store(1);
    // The first to find nothing to do says so.
    done.recv_timeout(time * 16 + PATIENCE)
        .map_err(Failure::worker)?;
    let elapsed = begun.elapsed();
    let chunks: u64 = workers.join_within(PATIENCE)?.into_iter().sum();
    if chunks != CHUNKS as u64 {
        let what = format!("{chunks} chunks were done, and not {CHUNKS}");
        return Err(Failure::Worker(what));
    }
    Ok(elapsed.as_secs_f64() * 1e9 / CHUNKS as f64)
}
