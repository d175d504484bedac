//! `torture array`: chunks that are leased, filled and finished round after round, beside readers
//! and writers.

use crossdock::array::{ArrayOptions, Init, Lease, LeaseError, LeaseTimeoutError, TryLeaseError};
use crossdock::{Array, AtomicArray, Counter, Mutex, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::{Job, SHORT, dawdle, tried, waited};
use crate::torture::worker::Ended;

const CHUNKS: usize = 24;
/// The words of a chunk: how often it was filled, with what, and a checksum.
const WORDS: usize = 8;

pub(crate) struct Field {
    array: Array<u64>,
    /// For each chunk, how often it was finished, and how often its holder was said to have died.
    finished: AtomicArray<u64>,
    told: AtomicArray<u64>,
    /// For each worker, the chunk that it is about to finish, counted from 1.
    intents: AtomicArray<u64>,
    /// How many rounds were begun, and how many may have been besides.
    rounds: Mutex<[u64; 2]>,
    reads: Counter,
    writes: Counter,
    /// For each chunk, how often a worker died that may have finished it.
    doubts: Vec<u64>,
}

/// What came of asking for a chunk.
enum Leased<'a> {
    Chunk(Lease<'a, u64>),
    /// All are done.
    Nothing,
    Later,
}

impl Job for Field {
    const NAME: &'static str = "array";

    fn open(segment: &Segment, slots: usize) -> Rig<Self> {
        let array = ArrayOptions::new(Init::zeroed(CHUNKS * WORDS)).chunk(WORDS);
        Ok(Self {
            array: segment.open_or_create("array", array)?,
            finished: segment.open_or_create("finished", Init::zeroed(CHUNKS))?,
            told: segment.open_or_create("told", Init::zeroed(CHUNKS))?,
            intents: segment.open_or_create("intents", Init::zeroed(slots))?,
            rounds: segment.open_or_create("rounds", [0, 0])?,
            reads: segment.open_or_create("reads", 0)?,
            writes: segment.open_or_create("writes", 0)?,
            doubts: vec![0; CHUNKS],
        })
    }

    fn operate(&self, slot: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..885 => match self.lease(random)? {
                Leased::Chunk(chunk) => self.finish(slot, chunk, random)?,
                Leased::Nothing => self.begin_a_round()?,
                Leased::Later => {}
            },
            885..968 => self.read(random)?,
            _ => self.write(random)?,
        }
        Ok(())
    }

    fn ended(&mut self, slot: usize) {
        let chunk = self.intents[slot].swap(0).checked_sub(1);
        let chunk = chunk.and_then(|chunk| usize::try_from(chunk).ok());
        if let Some(doubts) = chunk.and_then(|chunk| self.doubts.get_mut(chunk)) {
            *doubts += 1;
        }
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let faults = &mut tally.faults;
        // A round that may have been begun counts for both.
        let [made, in_doubt] = match self.rounds.lock_or_repair(|rounds| rounds[1] += 1) {
            Ok(rounds) => *rounds,
            Err(error) => {
                faults.push(format!("the rounds cannot be locked: {error}"));
                [0, 0]
            }
        };
        let values = match self.array.read_or_repair(repair) {
            Ok(values) => values.to_vec(),
            Err(error) => {
                faults.push(format!("the array cannot be read: {error}"));
                return Ok(String::new());
            }
        };
        let (mut finished, mut told) = (0, 0);
        for (chunk, words) in values.chunks(WORDS).enumerate() {
            let (done, doubts) = (self.finished[chunk].load(), self.doubts[chunk]);
            let dead = self.told[chunk].load();
            (finished, told) = (finished + done, told + dead);
            if done + doubts < made || done > made + in_doubt + 1 {
                faults.push(format!(
                    "chunk {chunk} was finished {done} times in {made} rounds and {in_doubt} in doubt, \
                     and perhaps {doubts} times more"
                ));
            }
            if words[0] < done || words[0] > done + doubts + dead + 1 {
                faults.push(format!(
                    "chunk {chunk} was filled {} times, finished {done} times, with {doubts} in doubt, \
                     and {dead} died over it",
                    words[0]
                ));
            }
        }
        // The last holder that died has been reported to no process yet.
        while let Ok(Some(mut chunk)) = self.array.try_lease_chunk() {
            if !is_whole(&chunk) && !chunk.holder_died() {
                let index = chunk.index();
                faults.push(format!("chunk {index} is torn, and no holder died over it"));
            }
            fill(&mut chunk, 0, 0, || ());
            let _ = chunk.finish();
        }
        if self.array.chunks_left() != 0 {
            faults.push(format!("{} chunks are held", self.array.chunks_left()));
        }
        if finished == 0 {
            faults.push("too little was done".into());
        }
        Ok(format!(
            "{finished} chunks in {made} rounds, {told} deaths at a chunk told, {} reads, {} writes",
            self.reads.load(),
            self.writes.load()
        ))
    }
}

impl Field {
    /// Leases a chunk in one of the ways there are.
    fn lease(&self, random: &mut Random) -> Result<Leased<'_>, Ended> {
        let leased = match random.below(4) {
            0 => match self.array.try_lease_chunk() {
                Err(TryLeaseError::WouldBlock) => return Ok(Leased::Later),
                Err(TryLeaseError::Lease(error)) => Err(error),
                other => Ok(other?),
            },
            1 => match self.array.lease_chunk_timeout(SHORT) {
                Err(LeaseTimeoutError::Timeout) => return Ok(Leased::Later),
                Err(LeaseTimeoutError::Lease(error)) => Err(error),
                other => Ok(other?),
            },
            _ => self.array.lease_chunk(),
        };
        match leased {
            Ok(chunk) => Ok(chunk.map_or(Leased::Nothing, Leased::Chunk)),
            Err(LeaseError::OwnerDied) => {
                drop(self.array.write_or_repair(repair)?);
                Ok(Leased::Later)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fills a chunk, alone, and finishes it; or gives it back, as it was or filled.
    fn finish(
        &self,
        slot: usize,
        mut chunk: Lease<'_, u64>,
        random: &mut Random,
    ) -> Result<(), Ended> {
        let index = chunk.index();
        if chunk.holder_died() {
            self.told[index].fetch_add(1);
            // The number is one word, and so the old one or the new one.
        } else if !is_whole(&chunk) {
            return Err(Ended::Wrong(format!("torn chunk {index}: {:?}", &*chunk)));
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
        self.intents[slot].store(index as u64 + 1);
        chunk.finish()?;
        // The seeded bug: a chunk that is finished twice.
        self.finished[index].fetch_add(1 + u64::from(has_bug()));
        self.intents[slot].store(0);
        Ok(())
    }

    /// Makes all chunks to do again, if they are done still. One at a time, so that a round is not
    /// begun twice.
    fn begin_a_round(&self) -> Result<(), Ended> {
        // One that died here may have begun a round.
        let mut rounds = self.rounds.lock_or_repair(|rounds| rounds[1] += 1)?;
        if self.array.chunks_left() == 0 {
            self.array.restart()?;
            rounds[0] += 1;
        }
        Ok(())
    }

    /// Reads in one of the ways there are: nothing changes meanwhile.
    fn read(&self, random: &mut Random) -> Result<(), Ended> {
        let outcome = match random.below(3) {
            0 => tried(self.array.try_read())?,
            1 => waited(self.array.read_timeout(SHORT))?,
            _ => Some((self.array.read_or_repair(repair)?, false)),
        };
        let Some((values, false)) = outcome else {
            return Ok(());
        };
        let all_done = self.array.chunks_left() == 0;
        let before = values.to_vec();
        if all_done && !before.chunks(WORDS).all(is_whole) {
            return Err(Ended::Wrong(format!(
                "all are done, and some torn: {before:?}"
            )));
        }
        dawdle(random);
        if *values != *before {
            return Err(Ended::Wrong("a write beside a reader".into()));
        }
        self.reads.add(1);
        Ok(())
    }

    /// Writes: stamps anew what is whole, a chunk after the other.
    fn write(&self, random: &mut Random) -> Result<(), Ended> {
        let mut values = self.array.write_or_repair(repair)?;
        let stamp = random.next();
        for chunk in values.chunks_mut(WORDS).filter(|chunk| is_whole(chunk)) {
            // Not filled by a holder: not counted.
            fill(chunk, stamp, 0, || dawdle(random));
        }
        self.writes.add(1);
        Ok(())
    }
}

/// What the last word of a chunk is, if the others are these.
fn checksum(words: &[u64]) -> u64 {
    let mix = |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    words[..WORDS - 1].iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Whether no holder was cut off while filling it.
fn is_whole(chunk: &[u64]) -> bool {
    chunk.iter().all(|word| *word == 0) || chunk[WORDS - 1] == checksum(chunk)
}

/// Fills a chunk, a word after the other, for the `more`-th time more; calls `pause` in the middle.
fn fill(chunk: &mut [u64], stamp: u64, more: u64, pause: impl FnOnce()) {
    chunk[WORDS - 1] = 0;
    std::hint::black_box(&mut *chunk);
    chunk[1..4].fill(stamp);
    std::hint::black_box(&mut *chunk);
    pause();
    chunk[4..WORDS - 1].fill(stamp);
    std::hint::black_box(&mut *chunk);
    // One word, so it is the old number or the new one.
    chunk[0] += more;
    chunk[WORDS - 1] = checksum(chunk);
}

/// Makes whole what a dead writer, or a dead holder, left; the numbers are one word each.
fn repair(values: &mut [u64]) {
    for chunk in values.chunks_mut(WORDS) {
        if !is_whole(chunk) {
            chunk[WORDS - 1] = checksum(chunk);
        }
    }
}
