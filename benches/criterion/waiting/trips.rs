//! What a round trip of 8 bytes costs, one blocking call after the other: by a pipe, and by two
//! queues whose handles park, adapt and spin; both processes on one core, and each on a core of its
//! own.
//!
//! The ways are taken in turn, so that a machine that is slower for a moment is so for all of them.
//! Printed are the medians of the runs, and the median of each run's ratio to the pipe in the same
//! turn.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::time::Instant;

use crossdock::Segment;
use crossdock::queue::{Queue, Wait};

use crate::Failed;

const RUNS: usize = 7;
/// Round trips before those that count.
const WARM_UP: usize = 200;

/// How the two processes of a round trip wait.
const WAYS: [(&str, Option<Wait>); 4] = [
    ("pipe", None),
    ("park", Some(Wait::Park)),
    ("adaptive", Some(Wait::Adaptive)),
    ("spin", Some(Wait::Spin)),
];

/// One end of a connection: what it receives by, and what it sends by.
enum End {
    Pipe(PipeReader, PipeWriter),
    Queues(Box<[Queue<u64>; 2]>),
}

impl End {
    fn receive(&mut self) -> Result<u64, Failed> {
        Ok(match self {
            Self::Pipe(from, _) => {
                let mut bytes = [0; 8];
                from.read_exact(&mut bytes)?;
                u64::from_ne_bytes(bytes)
            }
            Self::Queues(queues) => queues[0].recv()?,
        })
    }

    fn send(&mut self, item: u64) -> Result<(), Failed> {
        match self {
            Self::Pipe(_, to) => to.write_all(&item.to_ne_bytes())?,
            Self::Queues(queues) => queues[1].send(item)?,
        }
        Ok(())
    }
}

/// The two ends of a new connection.
fn connection(wait: Option<Wait>) -> Result<[End; 2], Failed> {
    let Some(wait) = wait else {
        let ((here, to_here), (there, to_there)) = (pipe()?, pipe()?);
        return Ok([End::Pipe(here, to_there), End::Pipe(there, to_here)]);
    };
    let segment = Segment::anonymous()?;
    let queue = |name| segment.create::<Queue<u64>>(name, 4);
    let (there, back) = (queue("there")?, queue("back")?);
    let end = |from: &Queue<u64>, to: &Queue<u64>| {
        End::Queues(Box::new(
            [from, to].map(|queue| queue.clone().with_wait(wait)),
        ))
    };
    Ok([end(&back, &there), end(&there, &back)])
}

/// sched_setaffinity(2) of this thread.
pub(crate) fn pin(core: usize) -> Result<(), Failed> {
    // SAFETY: a set of bits, of which all zeros is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call; a core that it has no bit for is left out.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set outlives the call, which only reads it.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Microseconds of a round trip between a process on the first core and one on the second.
fn trips(wait: Option<Wait>, cores: [usize; 2], count: usize) -> Result<f64, Failed> {
    let [mut here, mut there] = connection(wait)?;
    // SAFETY: this program has one thread, so the child may do what this process may.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if child == 0 {
        let echoed = pin(cores[1]).and_then(|()| {
            (0..WARM_UP + count).try_for_each(|_| {
                let item = there.receive()?;
                there.send(item)
            })
        });
        // SAFETY: ends the process; nothing runs after it.
        unsafe { libc::_exit(echoed.is_err().into()) };
    }
    drop(there);
    pin(cores[0])?;
    let mut begun = Instant::now();
    for trip in 0..WARM_UP + count {
        if trip == WARM_UP {
            begun = Instant::now();
        }
        let item = trip as u64;
        here.send(item)?;
        assert_eq!(here.receive()?, item);
    }
    let took = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    Ok(took)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Takes and prints runs of `count` round trips.
pub(crate) fn measure(count: usize) -> Result<(), Failed> {
    println!("round trips of 8 bytes, medians of {RUNS} runs of {count}");
    for (placed, cores) in [("one core", [0, 0]), ("two cores", [0, 1])] {
        let mut took = WAYS.map(|_| Vec::new());
        let mut ratios = WAYS.map(|_| Vec::new());
        for _ in 0..RUNS {
            let mut of_pipe = 1.0;
            for (way, (_, wait)) in WAYS.into_iter().enumerate() {
                let micros = trips(wait, cores, count)?;
                if wait.is_none() {
                    of_pipe = micros;
                }
                took[way].push(micros);
                ratios[way].push(micros / of_pipe);
            }
        }
        for ((name, _), (took, ratios)) in WAYS.into_iter().zip(took.into_iter().zip(ratios)) {
            let (took, ratio) = (median(took), median(ratios));
            println!("{placed:>10}  {name:>8}  {took:>8.2} us  {ratio:>6.2} x pipe");
        }
    }
    Ok(())
}
