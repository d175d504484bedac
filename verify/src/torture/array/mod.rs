//! `torture array`: chunks that are leased, filled and finished round after round, beside readers and
//! writers.

mod shared;
mod worker;

use std::process::Command;
use std::time::Duration;

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Job, Plan, Tally, drive};
use crate::torture::way::Way;
use crate::torture::{Report, TortureArgs, abandoned, take_away};
use shared::{CHUNKS, Shared, is_whole};
pub(crate) use worker::work;

const PROCESSES: u16 = 6;

/// The work at one segment.
struct Field {
    way: Way,
    shared: Shared,
    /// For each chunk, how often somebody died who may have finished it.
    doubts: Vec<u64>,
}

impl Job for Field {
    const NAME: &'static str = "array";

    fn equip(&self, command: &mut Command) -> Result<(), Broken> {
        self.way.show(&self.shared.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.shared.progress[slot].load()
    }

    fn ended(&mut self, slot: usize) {
        // Which chunk it was about to finish, counted from 1.
        let intent = self.shared.intents[slot].swap(0);
        if let Some(chunk) = intent.checked_sub(1)
            && let Some(doubts) = self
                .doubts
                .get_mut(usize::try_from(chunk).unwrap_or(CHUNKS))
        {
            *doubts += 1;
        }
    }

    fn dismiss(&self) {
        self.shared.stop.store(1);
    }
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Result<Report, Broken> {
    let plan = Plan::of(args, PROCESSES);
    let way = Way::any(&mut random);
    let mut field = Field {
        shared: Shared::create(&way, plan)?,
        way,
        doubts: vec![0; CHUNKS],
    };
    let mut tally = Tally::default();
    let time = Duration::from_secs(args.secs);
    let driven = drive(plan, &mut field, &mut random, &mut tally, time);
    let mut done = String::new();
    if driven.is_ok() {
        done = judge(&field, &mut tally);
    }
    take_away(&field.shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Field::NAME,
        done,
        tally,
    })
}

/// What must hold when everybody has left or is dead; what was done.
fn judge(field: &Field, tally: &mut Tally) -> String {
    let shared = &field.shared;
    let faults = &mut tally.faults;
    faults.extend(abandoned(&shared.segment));
    // What nobody knows whether it was made counts for both.
    let rounds = match shared.rounds.lock_or_repair(|rounds| rounds[1] += 1) {
        Ok(rounds) => *rounds,
        Err(error) => {
            faults.push(format!("the rounds cannot be locked: {error}"));
            [0, 0]
        }
    };
    let [made, in_doubt] = rounds;
    let values = match shared.array.read_or_repair(shared::repair) {
        Ok(values) => values.to_vec(),
        Err(error) => {
            faults.push(format!("the array cannot be read: {error}"));
            return String::new();
        }
    };
    let (mut finished, mut told) = (0, 0);
    for (chunk, words) in values.chunks(shared::WORDS).enumerate() {
        let (done, doubts) = (shared.finished[chunk].load(), field.doubts[chunk]);
        let dead = shared.told[chunk].load();
        (finished, told) = (finished + done, told + dead);
        if done + doubts < made {
            faults.push(format!(
                "chunk {chunk} was finished {done} times in {made} rounds"
            ));
        }
        if done > made + in_doubt + 1 {
            faults.push(format!(
                "chunk {chunk} was finished {done} times in {made} rounds and {in_doubt} in doubt"
            ));
        }
        if words[0] < done || words[0] > done + doubts + dead + 1 {
            faults.push(format!(
                "chunk {chunk} was filled {} times, finished {done} times, with {doubts} in doubt, and {dead} \
                 died over it",
                words[0]
            ));
        }
    }
    // Whoever died last at a chunk has told nobody yet.
    while let Ok(Some(mut chunk)) = shared.array.try_lease_chunk() {
        if !is_whole(&chunk) && !chunk.holder_died() {
            faults.push(format!(
                "chunk {} is torn, and nobody died over it",
                chunk.index()
            ));
        }
        shared::fill(&mut chunk, 0, 0, || ());
        let _ = chunk.finish();
    }
    if shared.array.chunks_left() != 0 {
        faults.push(format!(
            "{} chunks are somebody's",
            shared.array.chunks_left()
        ));
    }
    if finished == 0 {
        faults.push("nobody has done anything".into());
    }
    format!(
        "{finished} chunks in {made} rounds, {told} deaths at a chunk told, {} reads, {} writes",
        shared.reads.load(),
        shared.writes.load()
    )
}
