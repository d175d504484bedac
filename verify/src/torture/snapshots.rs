//! `torture snapshots`: writers and readers that are killed; whatever is read is whole, and never
//! older than what was there before.

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossdock::segment::ClaimError;
use crossdock::snapshot::{Reader, ReaderError, WaitNewerTimeoutError, Writer};
use crossdock::{Segment, Snapshot, SnapshotOptions};

use crate::process::{Broken, Rig};
use crate::random::Random;
use crate::torture::driver::{Plan, Tally, Workload, drive};
use crate::torture::sheet::Sheet;
use crate::torture::traffic::{add, leave};
use crate::torture::way::Way;
use crate::torture::worker::{Ended, Orders};
use crate::torture::{Report, TortureArgs, abandoned, has_bug, in_this_order, take_away};

const PROCESSES: u16 = 64;
/// How many readers the snapshots have; each comes with a small and with a large value.
const SEATS: [u64; 3] = [1, 3, 16];
const LINES: usize = 2 * SEATS.len();
/// How long a worker stays with one handle.
const STAY: Duration = Duration::from_millis(50);
/// How often it uses it at most.
const OPERATIONS: u64 = 400;
/// The most threads of all workers.
const SLOTS: usize = 4096;

type Small = [u64; 2];
type Large = [u64; 600];

/// What is known of a snapshot; the notes are no part of the segment.
#[repr(C, align(128))]
struct Line {
    /// The latest version that a writer is known to have published.
    published: AtomicU64,
    /// The latest that one may have.
    intended: AtomicU64,
}

/// What survives a worker in its slot.
#[repr(C, align(128))]
struct Desk {
    progress: AtomicU64,
    publishes: AtomicU64,
    reads: AtomicU64,
}

#[repr(C)]
struct Notes {
    /// The first word of a sheet: its length follows from it.
    size: AtomicU64,
    over: AtomicU64,
    lines: [Line; LINES],
    desks: [Desk; SLOTS],
}

fn count(word: &AtomicU64) {
    add(word, 1);
}

fn notes(sheet: &Sheet) -> &Notes {
    // SAFETY: all of it is atomics, and at the start of a mapping.
    unsafe { sheet.at(0) }
}

fn create_sheet() -> Rig<Sheet> {
    let sheet = Sheet::create(size_of::<Notes>())?;
    let size = size_of::<Notes>() as u64;
    notes(&sheet).size.store(size, Ordering::Relaxed);
    Ok(sheet)
}

fn open_sheet(path: &str) -> Rig<Sheet> {
    Sheet::open(path, |size| {
        if size == size_of::<Notes>() as u64 {
            Ok(size_of::<Notes>())
        } else {
            Err(Broken(format!("{path} has notes of {size} bytes")))
        }
    })
}

/// A process's handles.
struct Wall {
    segment: Segment,
    small: Vec<Snapshot<Small>>,
    large: Vec<Snapshot<Large>>,
}

fn name(line: usize) -> String {
    format!("line.{line}")
}

impl Wall {
    fn create(way: &Way, workers: usize) -> Rig<Self> {
        let participants = u32::try_from(workers)? + 8;
        let options = crossdock::SegmentOptions::new()
            .size(1 << 20)
            .participants(participants);
        let segment = way.create(&options)?;
        for (line, seats) in SEATS.into_iter().enumerate() {
            let small = SnapshotOptions::new(value::<2>(0)).readers(seats);
            segment.create::<Snapshot<Small>>(&name(line), small)?;
            let large = SnapshotOptions::new(value::<600>(0)).readers(seats);
            segment.create::<Snapshot<Large>>(&name(SEATS.len() + line), large)?;
        }
        Self::of(segment)
    }

    fn of(segment: Segment) -> Rig<Self> {
        let lines = 0..SEATS.len();
        let small = lines.clone().map(|line| segment.open(&name(line)));
        let large = lines.map(|line| segment.open(&name(SEATS.len() + line)));
        Ok(Self {
            small: small.collect::<Result<_, _>>()?,
            large: large.collect::<Result<_, _>>()?,
            segment,
        })
    }
}

/// The value of a version: each word is the version and the word's number, mixed.
fn value<const N: usize>(version: u64) -> [u64; N] {
    std::array::from_fn(|at| mixed(version, at as u64))
}

fn mixed(version: u64, at: u64) -> u64 {
    (version ^ at.rotate_left(48)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn is_whole<const N: usize>(found: &[u64; N], version: u64) -> bool {
    let words = found.iter().zip(0..);
    words
        .into_iter()
        .all(|(word, at)| *word == mixed(version, at))
}

/// A process at work.
struct Worker<'a> {
    random: Random,
    notes: &'a Notes,
    desk: &'a Desk,
    deadline: Instant,
}

fn wrong(line: usize, what: impl std::fmt::Display) -> Ended {
    Ended::Wrong(format!("line {line}: {what}"))
}

impl Worker<'_> {
    /// Some work at one of the lines.
    fn stay(&mut self, wall: &Wall) -> Result<(), Ended> {
        self.deadline = Instant::now() + STAY;
        count(&self.desk.progress);
        if self.random.below(32) == 0 && wall.segment.reap().stuck > 0 {
            return Err(Ended::Wrong("places are stuck".into()));
        }
        let at = self.random.index(SEATS.len());
        match self.random.below(2) {
            0 => self.use_line(at, &wall.small[at]),
            _ => self.use_line(SEATS.len() + at, &wall.large[at]),
        }
    }

    fn use_line<const N: usize>(
        &mut self,
        line: usize,
        snapshot: &Snapshot<[u64; N]>,
    ) -> Result<(), Ended> {
        // One in a few ends with what it has in its hands.
        let forgets = self.random.below(50) == 0;
        match self.random.below(8) {
            0..2 => match snapshot.writer() {
                Ok(mut writer) => {
                    self.repeat(|this| this.publish(line, &mut writer))?;
                    leave(writer, forgets)
                }
                Err(ClaimError::RoleTaken { .. }) => Ok(()),
                Err(error) => Err(wrong(line, error)),
            },
            2 => self.repeat(|this| this.load(line, snapshot)),
            _ => match snapshot.reader() {
                Ok(mut reader) => {
                    let mut last = 0;
                    self.repeat(|this| this.read(line, &mut reader, &mut last))?;
                    leave(reader, forgets)
                }
                Err(ReaderError::NoFreeSlot { .. }) => Ok(()),
                Err(error) => Err(wrong(line, error)),
            },
        }
    }

    fn repeat(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Result<bool, Ended>,
    ) -> Result<(), Ended> {
        for _ in 0..self.random.below(OPERATIONS) {
            let goes_on = operation(self)?;
            count(&self.desk.progress);
            if self.notes.over.load(Ordering::Relaxed) != 0 {
                return Err(Ended::Left);
            }
            if !goes_on || Instant::now() > self.deadline {
                break;
            }
        }
        Ok(())
    }

    fn publish<const N: usize>(
        &mut self,
        line: usize,
        writer: &mut Writer<[u64; N]>,
    ) -> Result<bool, Ended> {
        let (notes, before) = (&self.notes.lines[line], writer.version());
        let version = before + 1;
        if before < notes.published.load(Ordering::Relaxed) {
            return Err(wrong(
                line,
                format!("a writer begins with version {before}"),
            ));
        }
        notes.intended.store(version, Ordering::Release);
        in_this_order();
        let published = match self.random.below(3) {
            // The seeded bug: a value that is not the version's.
            0 => writer.publish(value(version + u64::from(has_bug()))),
            1 => writer.publish_with(|place| *place = value(version)),
            _ => {
                let mut whole = true;
                let updated = writer.update(|place| {
                    whole = is_whole(place, before);
                    *place = value(version);
                });
                if !whole {
                    return Err(wrong(
                        line,
                        format!("version {before} is torn for its writer"),
                    ));
                }
                updated
            }
        };
        in_this_order();
        match published {
            Ok(found) if found == version => {}
            other => {
                return Err(wrong(
                    line,
                    format!("publishing {version} came to {other:?}"),
                ));
            }
        }
        notes.published.store(version, Ordering::Release);
        count(&self.desk.publishes);
        Ok(true)
    }

    /// Judges what was read after version `least` was published.
    fn judge(&self, line: usize, least: u64, version: u64, whole: bool) -> Result<(), Ended> {
        let most = self.notes.lines[line].intended.load(Ordering::Acquire);
        if !whole {
            return Err(wrong(line, format!("version {version} is torn")));
        }
        if !(least..=most).contains(&version) {
            let what = format!("version {version} was read, of {least} to {most}");
            return Err(wrong(line, what));
        }
        count(&self.desk.reads);
        Ok(())
    }

    fn least(&self, line: usize) -> u64 {
        self.notes.lines[line].published.load(Ordering::Acquire)
    }

    fn load<const N: usize>(
        &mut self,
        line: usize,
        snapshot: &Snapshot<[u64; N]>,
    ) -> Result<bool, Ended> {
        let least = self.least(line);
        match snapshot.load() {
            // Word 0 says which version it is.
            Ok(found) => {
                let version = found[0].wrapping_mul(UNMIX);
                self.judge(line, least, version, is_whole(&found, version))?;
                Ok(true)
            }
            Err(ReaderError::NoFreeSlot { .. }) => Ok(false),
            Err(error) => Err(wrong(line, error)),
        }
    }

    fn read<const N: usize>(
        &mut self,
        line: usize,
        reader: &mut Reader<[u64; N]>,
        last: &mut u64,
    ) -> Result<bool, Ended> {
        let least = self.least(line).max(*last);
        let way = self.random.below(64);
        let lingers = self.random.below(16) == 0;
        let found = match way {
            0 => {
                let most = self.random.time_below(Duration::from_millis(4));
                reader.wait_newer_timeout(most)
            }
            _ => reader.read().map_err(WaitNewerTimeoutError::from),
        };
        let found = match found {
            Ok(found) => found,
            Err(WaitNewerTimeoutError::Timeout | WaitNewerTimeoutError::Disconnected) => {
                return Ok(true);
            }
            Err(error) => return Err(wrong(line, error)),
        };
        let version = found.version();
        let mut whole = is_whole(&found, version);
        if lingers {
            // Others publish meanwhile, and this may be killed with it.
            std::thread::yield_now();
            whole &= is_whole(&found, version);
        }
        if way == 0 && *last > 0 && version <= *last {
            return Err(wrong(
                line,
                format!("version {version} is not newer than {last}"),
            ));
        }
        *last = version;
        self.judge(line, least, version, whole)?;
        Ok(true)
    }
}

/// What undoes [`mixed`] in word 0: the inverse of its factor.
const UNMIX: u64 = inverse(0x9e37_79b9_7f4a_7c15);

/// By Newton's method; the factor is odd.
const fn inverse(factor: u64) -> u64 {
    let mut found = factor;
    let mut round = 0;
    while round < 6 {
        found = found.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(found)));
        round += 1;
    }
    found
}

/// One worker, from its start to its end.
pub(crate) fn work(orders: Orders) -> Rig<ExitCode> {
    let path = orders
        .ledger
        .ok_or_else(|| Broken("a worker was given no ledger".into()))?;
    let sheet = open_sheet(&path)?;
    let notes = notes(&sheet);
    let wall = Wall::of(orders.way.open()?)?;
    let mut worker = Worker {
        random: orders.random,
        notes,
        desk: &notes.desks[orders.slot % SLOTS],
        deadline: Instant::now(),
    };
    loop {
        if let Err(ended) = worker.stay(&wall) {
            return ended.of_worker(orders.slot);
        }
        if notes.over.load(Ordering::Relaxed) != 0 {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// The work at one segment, and what is known of it.
struct Gallery {
    way: Way,
    wall: Wall,
    sheet: Sheet,
}

impl Workload for Gallery {
    const NAME: &'static str = "snapshots";

    fn equip(&self, command: &mut Command) -> Rig {
        command.args(["--ledger", &self.sheet.fd().to_string()]);
        self.way.show(&self.wall.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        let desk = &notes(&self.sheet).desks[slot % SLOTS];
        desk.progress.load(Ordering::Relaxed)
    }

    fn dismiss(&self) {
        notes(&self.sheet).over.store(1, Ordering::Relaxed);
    }
}

impl Gallery {
    /// What must hold when all processes have left or are dead: the role and all seats can be had,
    /// and what was published last is there.
    fn close(&self) -> Vec<String> {
        let mut faults = abandoned(&self.wall.segment);
        let small = self.wall.small.iter().enumerate();
        faults.extend(small.filter_map(|(line, one)| self.close_line(line, one)));
        let large = self.wall.large.iter().zip(SEATS.len()..);
        faults.extend(large.filter_map(|(one, line)| self.close_line(line, one)));
        faults
    }

    fn close_line<const N: usize>(
        &self,
        line: usize,
        snapshot: &Snapshot<[u64; N]>,
    ) -> Option<String> {
        let known = &notes(&self.sheet).lines[line];
        let readers: Result<Vec<_>, _> =
            (0..snapshot.readers()).map(|_| snapshot.reader()).collect();
        let mut readers = match readers {
            Ok(readers) => readers,
            Err(error) => return Some(format!("line {line}: a seat is lost: {error}")),
        };
        let version = match snapshot.writer() {
            Ok(writer) => writer.version(),
            Err(error) => return Some(format!("line {line}: the role is lost: {error}")),
        };
        let [least, most] = [&known.published, &known.intended].map(|w| w.load(Ordering::Acquire));
        if version == 0 && least == 0 {
            return Some(format!("too little was done: line {line} has no version"));
        }
        if !(least..=most).contains(&version) {
            return Some(format!(
                "line {line}: version {version} is the last, of {least} to {most}"
            ));
        }
        let whole = readers.iter_mut().all(|reader| {
            let found = reader.read();
            found.is_ok_and(|found| found.version() == version && is_whole(&found, version))
        });
        (!whole).then(|| format!("line {line}: version {version} is not what is read in the end"))
    }

    fn sum(&self, word: impl Fn(&Desk) -> &AtomicU64) -> u64 {
        let desks = notes(&self.sheet).desks.iter();
        desks.map(|desk| word(desk).load(Ordering::Relaxed)).sum()
    }
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let plan = Plan::of(args, PROCESSES);
    let way = Way::any(&mut random);
    let mut gallery = Gallery {
        wall: Wall::create(&way, plan.processes)?,
        way,
        sheet: create_sheet()?,
    };
    let mut tally = Tally::default();
    let time = args.time();
    let ran = drive(plan, &mut gallery, &mut random, &mut tally, time);
    tally.faults.extend(gallery.close());
    take_away(&gallery.wall.segment, &mut tally.faults)?;
    ran?;
    let (publishes, reads) = (
        gallery.sum(|desk| &desk.publishes),
        gallery.sum(|desk| &desk.reads),
    );
    if reads == 0 {
        tally
            .faults
            .push("too little was done: no process has read anything".into());
    }
    Ok(Report {
        what: Gallery::NAME,
        done: format!("{publishes} values published, {reads} read"),
        tally,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_which_version_it_is_and_whether_it_is_whole() {
        for version in [0, 1, 77, u64::MAX >> 12] {
            let mut found = value::<600>(version);
            assert_eq!(found[0].wrapping_mul(UNMIX), version);
            assert!(is_whole(&found, version));
            assert!(!is_whole(&found, version + 1));
            found[599] = mixed(version + 1, 599);
            assert!(!is_whole(&found, version));
        }
    }
}
