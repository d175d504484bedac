//! What it costs to make a piece of shared memory, open it a second time, and let it go.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use crossdock::{Segment, SegmentOptions};
use crossdock_cli::Failure;
use serde::Serialize;
use shared_memory::ShmemConf;

use crate::peers::locks::failed;

/// The sizes that are made, in bytes.
const SIZES: [u64; 2] = [64 << 10, 1 << 20];
/// How often each is made before the next one's turn.
const BATCH: u32 = 50;
/// How many turns each has.
const ROUNDS: u32 = 15;

/// What was found for one way of making.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Made {
    pub(crate) what: &'static str,
    pub(crate) ours: bool,
    pub(crate) bytes: u64,
    /// Medians over the rounds of the mean within one, and the least and most of any round.
    pub(crate) ns: f64,
    pub(crate) ns_min: f64,
    pub(crate) ns_max: f64,
}

struct Way {
    what: &'static str,
    ours: bool,
    once: fn(u64, &str) -> Result<(), Failure>,
}

const WAYS: &[Way] = &[
    Way {
        what: "crossdock, named: create_new, open, drop, unlink",
        ours: true,
        once: named,
    },
    Way {
        what: "crossdock, anonymous: anonymous, open the descriptor, drop",
        ours: true,
        once: anonymous,
    },
    Way {
        what: "shared_memory: create, open, drop (which unlinks)",
        ours: false,
        once: shared_memory,
    },
];

/// Unlinks a named segment, whatever happened to it.
struct Unlinked(Segment);

impl Drop for Unlinked {
    fn drop(&mut self) {
        // No other process knows the name, so nothing can have been there before.
        let _ = self.0.unlink();
    }
}

fn named(bytes: u64, name: &str) -> Result<(), Failure> {
    let options = SegmentOptions::new().size(bytes);
    let segment = Unlinked(options.create_new(name)?);
    let second = SegmentOptions::new().open(name)?;
    drop(second);
    drop(segment);
    Ok(())
}

fn anonymous(bytes: u64, _name: &str) -> Result<(), Failure> {
    let segment = SegmentOptions::new().size(bytes).anonymous()?;
    let descriptor = segment.as_fd().try_clone_to_owned();
    let descriptor: OwnedFd = descriptor.map_err(Failure::io("dup"))?;
    let second = Segment::try_from(descriptor)?;
    drop(second);
    drop(segment);
    Ok(())
}

fn shared_memory(bytes: u64, name: &str) -> Result<(), Failure> {
    let said = |error: &dyn std::fmt::Display| failed("shared_memory", error);
    let bytes = usize::try_from(bytes).map_err(|error| said(&error))?;
    let made = ShmemConf::new().size(bytes).os_id(name).create();
    let made = made.map_err(|error| said(&error))?;
    let second = ShmemConf::new().os_id(name).open();
    drop(second.map_err(|error| said(&error))?);
    drop(made);
    Ok(())
}

/// Measures each way in turn, round by round.
pub(crate) fn run() -> Result<Vec<Made>, Failure> {
    rounds(ROUNDS, BATCH)
}

fn rounds(rounds: u32, batch: u32) -> Result<Vec<Made>, Failure> {
    let name = format!("compare-{}", std::process::id());
    let ways: Vec<(&Way, u64)> = SIZES
        .iter()
        .flat_map(|size| WAYS.iter().map(move |way| (way, *size)))
        .collect();
    let mut found = vec![Vec::new(); ways.len()];
    for round in 0..rounds as usize {
        for turn in 0..ways.len() {
            // Beginning at another one each time.
            let at = (turn + round) % ways.len();
            let (way, size) = ways[at];
            let begun = Instant::now();
            for _ in 0..batch {
                (way.once)(size, &name)?;
            }
            let nanos = begun.elapsed().as_secs_f64() * 1e9;
            found[at].push(nanos / f64::from(batch));
        }
    }
    let mades = ways.iter().zip(found).map(|((way, bytes), mut nanos)| {
        nanos.sort_by(f64::total_cmp);
        Made {
            what: way.what,
            ours: way.ours,
            bytes: *bytes,
            ns: nanos[nanos.len() / 2],
            ns_min: nanos[0],
            ns_max: nanos[nanos.len() - 1],
        }
    });
    Ok(mades.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_made_is_measured_and_nothing_stays() {
        let made = rounds(2, 3).expect("measured");
        assert_eq!(made.len(), SIZES.len() * WAYS.len());
        for made in made {
            assert!(made.ns > 0.0 && made.ns_min <= made.ns && made.ns <= made.ns_max);
        }
        let name = format!("compare-{}", std::process::id());
        for path in [
            format!("/dev/shm/{name}"),
            format!("/dev/shm/crossdock.{name}"),
        ] {
            assert!(!std::fs::exists(&path).expect("looked"), "{path} stays");
        }
    }
}
