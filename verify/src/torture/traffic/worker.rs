//! A worker at lines: it stays at one for a while, then at another, until it is told to leave or
//! killed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossdock::segment::Monitor;

use super::ledger::Ledger;
use super::notes::WorkerNotes;
use crate::process::Rig;
use crate::random::Random;
use crate::torture::worker::{Ended, Orders};

/// How long a worker stays at one line.
const STAY: Duration = Duration::from_millis(100);

/// A worker, with what it must remember.
pub(crate) struct Worker<'a, N> {
    pub(crate) slot: usize,
    pub(crate) random: Random,
    pub(crate) ledger: &'a Ledger<N>,
    pub(crate) notes: &'a N,
    /// By lane: the last number that came in its order, where that is looked at.
    pub(crate) seen: Vec<u32>,
    deadline: Instant,
}

pub(crate) fn work<N: WorkerNotes + 'static>(orders: Orders) -> Rig<ExitCode> {
    // To the end of the process: items note at it that they are read.
    let ledger: &'static Ledger<N> = Box::leak(Box::new(Ledger::open(orders.ledger.as_deref())?));
    ledger.notes(orders.slot).begin();
    let mut worker = Worker::new(ledger, orders.slot, orders.random);
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let segment = orders.way.open()?;
        let yard = N::open(&segment)?;
        // Now and then a thread of this process reaps those that die meanwhile.
        let monitor = match worker.random.below(4) {
            0 => Some(Monitor::start()?),
            _ => None,
        };
        if let Some(monitor) = &monitor {
            monitor.watch(&segment)?;
        }
        for _ in 0..worker.random.below(40) {
            worker.deadline = Instant::now() + STAY;
            let stayed = if worker.random.below(16) == 0 && segment.reap().stuck > 0 {
                Err(Ended::Wrong("places are stuck".into()))
            } else {
                worker.notes.advance();
                N::stay(&mut worker, &yard)
            };
            if let Err(ended) = stayed {
                if matches!(ended, Ended::Wrong(_)) {
                    // The others would find the same.
                    ledger.dismiss();
                }
                return ended.of_worker(orders.slot);
            }
        }
    }
}

impl<'a, N: WorkerNotes> Worker<'a, N> {
    pub(crate) fn new(ledger: &'a Ledger<N>, slot: usize, random: Random) -> Self {
        Self {
            slot,
            random,
            ledger,
            notes: ledger.notes(slot),
            seen: vec![0; ledger.numbering().lanes()],
            deadline: Instant::now(),
        }
    }

    /// Repeats an operation until it says that there is nothing more to do, or it is time to go.
    pub(crate) fn repeat(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Result<bool, Ended>,
    ) -> Result<(), Ended> {
        for _ in 0..self.random.below(N::OPERATIONS) {
            let goes_on = operation(self)?;
            self.notes.advance();
            if self.ledger.is_over() {
                return Err(Ended::Left);
            }
            if !goes_on || Instant::now() > self.deadline {
                break;
            }
        }
        Ok(())
    }

    /// How long to wait: mostly not long.
    pub(crate) fn time(&mut self) -> Duration {
        let most = match self.random.below(20) {
            0 => Duration::from_millis(200),
            _ => Duration::from_millis(4),
        };
        self.random.time_below(most)
    }
}
