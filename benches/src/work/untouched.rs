//! A message that is neither written nor read: loan, send, receive, acknowledge, by one thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock::SegmentOptions;
use crossdock::queue::WorkQueue;
use crossdock_cli::{Failure, pin};

use super::Way;

/// How many messages the queue is made for.
const CAPACITY: u64 = 8;
/// How many are passed between two looks at the clock.
const STRIDE: u32 = 256;

/// Small ones first.
pub(super) const WAYS: &[Way] = &[
    Way {
        kind: "64 B",
        label: "64 bytes",
        once: passed::<64>,
    },
    Way {
        kind: "1 MiB",
        label: "1 MiB",
        once: passed::<{ 1 << 20 }>,
    },
];

/// Nanoseconds for each message of `N` bytes.
fn passed<const N: usize>(time: Duration) -> Result<f64, Failure> {
    // On a core, and a thread that is not needed for anything else.
    let thread = std::thread::spawn(move || {
        if let Some(core) = pin::cores()?.first() {
            pin::pin(*core)?;
        }
        pass::<N>(time)
    });
    let panicked = |_| Failure::Worker("a thread panicked".to_owned());
    thread.join().map_err(panicked)?
}

fn pass<const N: usize>(time: Duration) -> Result<f64, Failure> {
    let segment = SegmentOptions::new()
        .size((1 << 20) + CAPACITY * (N as u64 + 4096))
        .anonymous()?;
    let queue: WorkQueue<[u8; N]> = segment.create("queue", CAPACITY)?;
    let rounds = |count: u32| -> Result<(), Failure> {
        for _ in 0..count {
            let loan = queue.try_loan().map_err(Failure::worker)?;
            black_box(loan).send().map_err(Failure::worker)?;
            let delivery = queue.try_recv().map_err(Failure::worker)?;
            black_box(delivery).ack().map_err(Failure::worker)?;
        }
        Ok(())
    };
    rounds(STRIDE)?;
    let (begun, mut passed) = (Instant::now(), 0_u32);
    loop {
        rounds(STRIDE)?;
        passed += STRIDE;
        let elapsed = begun.elapsed();
        if elapsed >= time || passed > u32::MAX - STRIDE {
            return Ok(elapsed.as_secs_f64() * 1e9 / f64::from(passed));
        }
    }
}
