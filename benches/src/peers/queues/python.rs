//! Python's `multiprocessing.Queue`: a script that the interpreter runs. It always waits.

use std::time::Duration;

use crate::queues::{Can, Kind, Sample, Setting, Trips};
use crossdock_cli::times::Times;
use crossdock_cli::{Failure, pin};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::entrants::{COSTLY_RUNS, PYTHON};
use crate::peers::locks::{Script, failed};

/// For starting the interpreter and its processes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// The entrant. It takes part where others try, too.
pub(super) const KIND: Kind = Kind {
    name: PYTHON,
    about: "Python",
    can: Can::MANY_TO_MANY,
    batched: false,
    most_runs: COSTLY_RUNS,
    throughput,
    round_trip,
};

#[derive(Deserialize)]
struct Found {
    items: Vec<u64>,
    elapsed_ns: u64,
    sent: u64,
    received: u64,
    wrong: u64,
}

#[derive(Deserialize)]
struct Took {
    times: Vec<u64>,
}

fn throughput(setting: &Setting) -> Result<Sample, Failure> {
    let workers = (setting.shape.producers, setting.shape.consumers);
    let found: Found = run(setting, workers)?;
    Ok(Sample {
        items: found.items,
        elapsed: Duration::from_nanos(found.elapsed_ns),
        sent: found.sent,
        received: found.received,
        wrong: found.wrong,
    })
}

fn round_trip(setting: &Setting) -> Result<Trips, Failure> {
    let took: Took = run(setting, (0, 0))?;
    let mut times = Times::default();
    for nanos in took.times {
        times.record(Duration::from_nanos(nanos));
    }
    Ok(Trips { times })
}

fn run<T: DeserializeOwned>(
    setting: &Setting,
    (producers, consumers): (u32, u32),
) -> Result<T, Failure> {
    let nanos = u64::try_from(setting.time.as_nanos()).unwrap_or(u64::MAX);
    let capacity = setting.shape.capacity.into();
    let mut arguments = vec![nanos, setting.size.into(), capacity, producers.into()];
    arguments.push(consumers.into());
    let cores = pin::cores()?;
    let core = |worker| setting.pin.core(worker, &cores);
    let workers = (producers + consumers).max(2);
    arguments.extend((0..workers).filter_map(core).map(|core| core as u64));
    let mut found = None;
    Script::Queues.run(&arguments, setting.time + PATIENCE, |said| {
        found = Some(said);
    })?;
    found.ok_or_else(|| failed("python3", "no result"))
}
