//! A worker: reads and writes, until it is told to leave or killed.

use std::process::ExitCode;
use std::time::Duration;

use crossdock::Counter;
use crossdock::segment::Monitor;
use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};

use super::book::Book;
use super::shared::{Shared, progress_name};
use crate::process::Broken;
use crate::random::Random;
use crate::torture::worker::{Ended, Orders};

/// How long one that does not wait for ever waits.
const SHORT: Duration = Duration::from_millis(2);

pub(crate) fn work(mut orders: Orders) -> Result<ExitCode, Broken> {
    let random = &mut orders.random;
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let shared = Shared::open(&orders.way)?;
        let name = progress_name(orders.slot);
        let progress = shared.segment.open::<Counter>(&name)?;
        // Half of the time a thread of this process reaps those who die meanwhile.
        let monitor = match random.below(2) {
            0 => Some(Monitor::start()?),
            _ => None,
        };
        if let Some(monitor) = &monitor {
            monitor.watch(&shared.segment)?;
        }
        for _ in 0..random.below(20_000) {
            if let Err(ended) = operate(&shared, random) {
                return ended.of_worker(orders.slot);
            }
            progress.add(1);
        }
    }
}

/// One operation.
fn operate(shared: &Shared, random: &mut Random) -> Result<(), Ended> {
    match random.below(1000) {
        0..600 => {
            if let Some(book) = open(shared, random)? {
                read(&book, random)?;
                drop(book);
                shared.reads.add(1);
            }
        }
        600..800 => {
            if let Some(mut book) = take(shared, random)? {
                check(&book)?;
                book.reprint(|| dawdle(random));
                drop(book);
                shared.writes.add(1);
            }
        }
        800..880 => {
            if let Some(mut book) = take(shared, random)? {
                check(&book)?;
                book.reprint(|| dawdle(random));
                let written = book.edition();
                let book = book.downgrade();
                // Counted while it can still be read: nobody may have written since.
                shared.writes.add(1);
                if read(&book, random)? != written {
                    return Err(Ended::Wrong("somebody wrote beside a reader".into()));
                }
            }
        }
        880..915 => {
            let reaping = shared.segment.reap();
            if reaping.stuck > 0 {
                return Err(Ended::Wrong(format!("{} places are stuck", reaping.stuck)));
            }
        }
        915..920 if random.below(50) == 0 => return Err(Ended::Replaced),
        _ if shared.stop.load() != 0 => return Err(Ended::Left),
        _ => {}
    }
    Ok(())
}

/// Now and then gives the processor away, so that kills and stops find a lock held.
fn dawdle(random: &mut Random) {
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
}

fn check(book: &Book) -> Result<(), Ended> {
    if book.is_whole() {
        return Ok(());
    }
    Err(Ended::Wrong(format!("the book is torn: {book:?}")))
}

/// Reads the book twice, which must say the same; the edition.
fn read(book: &Book, random: &mut Random) -> Result<u64, Ended> {
    check(book)?;
    let edition = book.edition();
    dawdle(random);
    check(std::hint::black_box(book))?;
    if book.edition() != edition {
        return Err(Ended::Wrong("somebody wrote beside a reader".into()));
    }
    Ok(edition)
}

type Reads<'a> = RwLockReadGuard<'a, Book>;
type Writes<'a> = RwLockWriteGuard<'a, Book>;

/// Takes the book to read, in one of the ways there are; `None` if somebody else has it, or has left it
/// torn, which is said.
fn open<'a>(shared: &'a Shared, random: &mut Random) -> Result<Option<Reads<'a>>, Ended> {
    Ok(match random.below(4) {
        0 => match shared.book.read() {
            Ok(guard) => Some(guard),
            Err(LockError::OwnerDied(_)) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        1 => match shared.book.try_read() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Lock(LockError::OwnerDied(_)) | TryLockError::WouldBlock { .. }) => {
                None
            }
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        2 => match shared.book.read_timeout(SHORT) {
            Ok(guard) => Some(guard),
            Err(
                LockTimeoutError::Lock(LockError::OwnerDied(_)) | LockTimeoutError::Timeout { .. },
            ) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        _ => Some(shared.book.read_or_repair(|book| {
            book.repair();
            shared.repairs.add(1);
        })?),
    })
}

/// Takes the book to write, in one of the ways there are; `None` if somebody else has it.
fn take<'a>(shared: &'a Shared, random: &mut Random) -> Result<Option<Writes<'a>>, Ended> {
    let repaired = |mut guard: Writes<'a>| {
        guard.repair();
        guard.mark_consistent();
        shared.repairs.add(1);
        Some(guard)
    };
    Ok(match random.below(4) {
        0 => match shared.book.write() {
            Ok(guard) => Some(guard),
            Err(LockError::OwnerDied(guard)) => repaired(guard),
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        1 => match shared.book.try_write() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Lock(LockError::OwnerDied(guard))) => repaired(guard),
            Err(TryLockError::WouldBlock { .. }) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        2 => match shared.book.write_timeout(SHORT) {
            Ok(guard) => Some(guard),
            Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => repaired(guard),
            Err(LockTimeoutError::Timeout { .. }) => None,
            Err(other) => return Err(Ended::Wrong(other.to_string())),
        },
        _ => Some(shared.book.write_or_repair(|book| {
            book.repair();
            shared.repairs.add(1);
        })?),
    })
}
