//! `torture permits`: holders of permits that are killed; never are there more of them than
//! permits, and no signal is lost.

use std::time::Instant;

use crossdock::sync::{
    AcquireTimeoutError, AddPermitsError, MutexGuard, Semaphore, SemaphoreOptions, TryAcquireError,
};
use crossdock::{Counter, Mutex, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::{Tally, WINDOW};
use crate::torture::has_bug;
use crate::torture::job::{Job, SHORT, dawdle, tried};
use crate::torture::worker::Ended;

/// Fewer than workers, so that many wait.
const PERMITS: u32 = 4;
const SIGNALS: u64 = 64;

pub(crate) struct Sharing {
    permits: Semaphore,
    /// As many as permits: each holder of a permit finds one that is free.
    seats: Vec<Mutex<()>>,
    /// Permits that are added, and taken out.
    signals: Semaphore,
    added: Counter,
    consumed: Counter,
    held: Counter,
}

impl Job for Sharing {
    const NAME: &'static str = "permits";

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        let seat = |seat| segment.open_or_create(&format!("seat.{seat}"), ());
        let signals = SemaphoreOptions::new(0).most(SIGNALS);
        Ok(Self {
            permits: segment.open_or_create("permits", u64::from(PERMITS))?,
            seats: (0..PERMITS).map(seat).collect::<Result<_, _>>()?,
            signals: segment.open_or_create("signals", signals)?,
            added: segment.open_or_create("added", 0)?,
            consumed: segment.open_or_create("consumed", 0)?,
            held: segment.open_or_create("held", 0)?,
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..740 => self.hold(random)?,
            740..860 => match self.signals.add_permits(1) {
                Ok(()) => {
                    self.added.add(1);
                }
                Err(AddPermitsError::NoRoom { .. }) => {}
                Err(error) => return Err(error.into()),
            },
            _ => match self.signals.acquire_timeout(SHORT) {
                Ok(signal) => {
                    signal.forget();
                    // The seeded bug: half of the signals are consumed twice.
                    let twice = has_bug() && random.below(2) == 0;
                    self.consumed.add(1 + u64::from(twice));
                }
                Err(AcquireTimeoutError::Timeout) => {}
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let kills = tally.cut_off;
        let faults = &mut tally.faults;
        let free = self.permits.available();
        if free != PERMITS || !self.permits.holders().is_empty() {
            faults.push(format!("{free} of {PERMITS} permits are free"));
        }
        if !self.signals.holders().is_empty() {
            faults.push("a signal is still held".into());
        }
        // Each thread that is killed can be cut off between a signal and its count.
        let (added, consumed) = (self.added.load(), self.consumed.load());
        let left = u64::from(self.signals.available());
        if added.abs_diff(consumed + left) > kills {
            faults.push(format!(
                "{added} signals were added, {consumed} consumed, {left} are left, with {kills} threads killed"
            ));
        }
        let held = self.held.load();
        if held == 0 || consumed == 0 {
            faults.push("too little was done: no permit was held, or no signal consumed".into());
        }
        Ok(format!("{held} permits held, {consumed} signals consumed"))
    }
}

impl Sharing {
    /// Holds one permit or some, with a seat for each.
    fn hold(&self, random: &mut Random) -> Result<(), Ended> {
        let permits = match random.below(8) {
            0 => {
                let count = 1 + u32::try_from(random.below(PERMITS.into()))?;
                match self.permits.acquire_many_timeout(count, SHORT) {
                    Ok(permits) => permits.into_permits(),
                    Err(AcquireTimeoutError::Timeout) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            1 => match self.permits.try_acquire() {
                Ok(permit) => vec![permit],
                Err(TryAcquireError::WouldBlock) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
            _ => vec![self.permits.acquire()?],
        };
        let seats = permits.iter().map(|_| self.sit());
        let seats = seats.collect::<Result<Vec<_>, _>>()?;
        dawdle(random);
        self.held.add(permits.len() as u64);
        drop(seats);
        drop(permits);
        Ok(())
    }

    /// Takes one of the seats. Holders of permits have as many, so one is free, though not always
    /// the one that is looked at.
    fn sit(&self) -> Result<MutexGuard<'_, ()>, Ended> {
        let begun = Instant::now();
        loop {
            for seat in &self.seats {
                if let Some((mut guard, owner_died)) = tried(seat.try_lock())? {
                    if owner_died {
                        guard.mark_consistent();
                    }
                    return Ok(guard);
                }
            }
            if begun.elapsed() > WINDOW / 2 {
                return Err(Ended::Wrong("there are more holders than permits".into()));
            }
            std::thread::yield_now();
        }
    }
}
