//! Locks of threads, which no other process can use: for scale.

use std::sync::PoisonError;

use crossdock_cli::contention::ThreadContestant;
use crossdock_cli::work::Work;

#[derive(Default)]
pub(crate) struct Std(std::sync::Mutex<u64>);

impl ThreadContestant for Std {
    const NAME: &'static str = "std";

    #[inline]
    fn add(&self, inside: Work) {
        let mut number = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        inside.run();
    }

    fn total(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct ParkingLot(parking_lot::Mutex<u64>);

impl ThreadContestant for ParkingLot {
    const NAME: &'static str = "parking_lot";

    #[inline]
    fn add(&self, inside: Work) {
        let mut number = self.0.lock();
        *number += 1;
        inside.run();
    }

    fn total(&self) -> u64 {
        *self.0.lock()
    }
}
