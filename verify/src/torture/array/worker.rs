//! A worker: chunks, reads and writes at random, until it is told to leave or killed.

use std::process::ExitCode;
use std::time::Duration;

use crossdock::array::{Lease, LeaseError, LeaseTimeoutError, TryLeaseError};
use crossdock::sync::{LockError, LockTimeoutError, TryLockError};

use super::shared::{Shared, WORDS, fill, is_whole, repair};
use crate::process::Broken;
use crate::random::Random;
use crate::torture::worker::{Ended, Orders};

const SHORT: Duration = Duration::from_millis(2);

pub(crate) fn work(mut orders: Orders) -> Result<ExitCode, Broken> {
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let shared = Shared::open(&orders.way)?;
        for _ in 0..orders.random.below(20_000) {
            if let Err(ended) = operate(&shared, orders.slot, &mut orders.random) {
                return ended.of_worker(orders.slot);
            }
            shared.progress[orders.slot].fetch_add(1);
        }
    }
}

/// One operation.
fn operate(shared: &Shared, slot: usize, random: &mut Random) -> Result<(), Ended> {
    match random.below(1000) {
        0..850 => match lease(shared, random)? {
            Leased::Chunk(chunk) => finish(shared, slot, chunk, random)?,
            Leased::Nothing => begin_a_round(shared)?,
            Leased::Later => {}
        },
        850..930 => read(shared, random)?,
        930..960 => write(shared, random)?,
        960..970 => {
            let reaping = shared.segment.reap();
            if reaping.stuck > 0 {
                return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
            }
        }
        970 if random.below(50) == 0 => return Err(Ended::Replaced),
        _ if shared.stop.load() != 0 => return Err(Ended::Left),
        _ => {}
    }
    Ok(())
}

/// What came of wanting a chunk.
enum Leased<'a> {
    Chunk(Lease<'a, u64>),
    /// All are done.
    Nothing,
    Later,
}

/// Leases a chunk in one of the ways there are.
fn lease<'a>(shared: &'a Shared, random: &mut Random) -> Result<Leased<'a>, Ended> {
    let had = match random.below(4) {
        0 => match shared.array.try_lease_chunk() {
            Err(TryLeaseError::WouldBlock) => return Ok(Leased::Later),
            Err(TryLeaseError::Lease(LeaseError::OwnerDied)) => return repaired(shared),
            other => other?,
        },
        1 => match shared.array.lease_chunk_timeout(SHORT) {
            Err(LeaseTimeoutError::Timeout) => return Ok(Leased::Later),
            Err(LeaseTimeoutError::Lease(LeaseError::OwnerDied)) => return repaired(shared),
            other => other?,
        },
        _ => match shared.array.lease_chunk() {
            Err(LeaseError::OwnerDied) => return repaired(shared),
            other => other?,
        },
    };
    Ok(had.map_or(Leased::Nothing, Leased::Chunk))
}

fn repaired(shared: &Shared) -> Result<Leased<'_>, Ended> {
    drop(shared.array.write_or_repair(repair)?);
    Ok(Leased::Later)
}

/// Fills a chunk, alone, and finishes it; or gives it back, as it was or filled.
fn finish(
    shared: &Shared,
    slot: usize,
    mut chunk: Lease<'_, u64>,
    random: &mut Random,
) -> Result<(), Ended> {
    let index = chunk.index();
    if chunk.holder_died() {
        shared.told[index].fetch_add(1);
        // The number is one word, and so the old one or the new one.
    } else if !is_whole(&chunk) {
        return Err(Ended::Wrong(format!(
            "chunk {index} is torn: {:?}",
            &*chunk
        )));
    }
    if random.below(20) == 0 {
        return Ok(());
    }
    let stamp = random.next();
    fill(&mut chunk, stamp, 1, || dawdle(random));
    if !is_whole(&chunk) || chunk[1..WORDS - 1].iter().any(|word| *word != stamp) {
        return Err(Ended::Wrong(format!(
            "another is at chunk {index}: {:?}",
            &*chunk
        )));
    }
    shared.intents[slot].store(index as u64 + 1);
    chunk.finish()?;
    shared.finished[index].fetch_add(1);
    shared.intents[slot].store(0);
    Ok(())
}

/// Makes all chunks to do again, if they are done still. One at a time, so that a round is not begun twice.
fn begin_a_round(shared: &Shared) -> Result<(), Ended> {
    // One that died here may have begun a round.
    let mut rounds = shared.rounds.lock_or_repair(|rounds| rounds[1] += 1)?;
    if shared.array.chunks_left() == 0 {
        shared.array.restart()?;
        rounds[0] += 1;
    }
    Ok(())
}

/// Reads in one of the ways there are: nothing changes meanwhile.
fn read(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    let values = match random.below(3) {
        0 => match shared.array.try_read() {
            Err(TryLockError::WouldBlock { .. } | TryLockError::Lock(LockError::OwnerDied(_))) => {
                return Ok(());
            }
            Ok(values) => values,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        1 => match shared.array.read_timeout(SHORT) {
            Err(
                LockTimeoutError::Timeout { .. } | LockTimeoutError::Lock(LockError::OwnerDied(_)),
            ) => return Ok(()),
            Ok(values) => values,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        _ => shared.array.read_or_repair(repair)?,
    };
    let all_done = shared.array.chunks_left() == 0;
    let before = values.to_vec();
    if all_done && !before.chunks(WORDS).all(is_whole) {
        return Err(Ended::Wrong(format!(
            "all are done, and some torn: {before:?}"
        )));
    }
    dawdle(random);
    if *values != *before {
        return Err(Ended::Wrong("somebody writes beside a reader".into()));
    }
    shared.reads.add(1);
    Ok(())
}

/// Writes: stamps anew what is whole, a chunk after the other.
fn write(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    let mut values = shared.array.write_or_repair(repair)?;
    let stamp = random.next();
    for chunk in values.chunks_mut(WORDS).filter(|chunk| is_whole(chunk)) {
        // Not filled by a holder: not counted.
        fill(chunk, stamp, 0, || dawdle(random));
    }
    shared.writes.add(1);
    Ok(())
}

/// Now and then gives the processor away, so that kills and stops find something in hand.
fn dawdle(random: &mut Random) {
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
}
