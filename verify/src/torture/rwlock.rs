//! `torture rwlock`: a book that many read and one writes; each edition is written once, and no
//! reader sees half of one.

use crossdock::sync::{RwLockReadGuard, RwLockWriteGuard};
use crossdock::{Counter, RwLock, Segment};

use crate::process::Rig;
use crate::random::Random;
use crate::torture::book::Book;
use crate::torture::driver::Tally;
use crate::torture::has_bug;
use crate::torture::job::{Job, SHORT, acquired, dawdle, tried, waited};
use crate::torture::worker::Ended;

pub(crate) struct Library {
    book: RwLock<Book>,
    reads: Counter,
    /// Editions that were told to have been written.
    writes: Counter,
    repairs: Counter,
}

type Reads<'a> = RwLockReadGuard<'a, Book>;
type Writes<'a> = RwLockWriteGuard<'a, Book>;

impl Job for Library {
    const NAME: &'static str = "rwlock";
    const MONITORED: bool = true;

    fn open(segment: &Segment, _: usize) -> Rig<Self> {
        Ok(Self {
            book: segment.open_or_create("book", Book::first())?,
            reads: segment.open_or_create("reads", 0)?,
            writes: segment.open_or_create("writes", 0)?,
            repairs: segment.open_or_create("repairs", 0)?,
        })
    }

    fn operate(&self, _: usize, random: &mut Random) -> Result<(), Ended> {
        match random.below(1000) {
            0..680 => {
                if let Some(book) = self.read(random)? {
                    look(&book, random)?;
                    drop(book);
                    self.reads.add(1);
                }
            }
            680..910 => {
                if let Some(mut book) = self.write(random)? {
                    check(&book)?;
                    book.reprint(|| dawdle(random));
                    drop(book);
                    // The seeded bug: a write that is not told.
                    self.writes.add(u64::from(!has_bug()));
                }
            }
            _ => {
                if let Some(mut book) = self.write(random)? {
                    check(&book)?;
                    book.reprint(|| dawdle(random));
                    let written = book.edition();
                    let book = book.downgrade();
                    // Counted while it can still be read: no process may have written since.
                    self.writes.add(1);
                    if look(&book, random)? != written {
                        return Err(Ended::Wrong("a write beside a reader".into()));
                    }
                }
            }
        }
        Ok(())
    }

    fn judge(&self, tally: &mut Tally) -> Rig<String> {
        let kills = tally.cut_off;
        let faults = &mut tally.faults;
        let (reads, writes) = (self.reads.load(), self.writes.load());
        // The tag of a dead writer is found by the next process that locks.
        match self.book.read_or_repair(Book::repair) {
            Ok(book) => {
                if !book.is_whole() {
                    faults.push(format!("the book is torn: {:?}", *book));
                }
                let made = book.edition();
                // Each thread that is killed can be cut off between writing and counting.
                if made < writes || made - writes > kills {
                    faults.push(format!(
                        "edition {made} after {writes} writes and {kills} threads killed"
                    ));
                }
            }
            Err(error) => faults.push(format!("the book cannot be read: {error}")),
        }
        if self.book.is_locked() || self.book.is_poisoned() {
            faults.push(format!("the lock is left as {:?}", self.book));
        }
        if reads == 0 || writes == 0 {
            faults.push("too little was done: nothing was read, or nothing written".into());
        }
        let repairs = self.repairs.load();
        Ok(format!("{reads} reads, {writes} writes, {repairs} repairs"))
    }
}

impl Library {
    /// Acquires the book to read, in one of the ways there are; `None` if a writer has it, or has
    /// left it torn, which is said.
    fn read(&self, random: &mut Random) -> Result<Option<Reads<'_>>, Ended> {
        let outcome = match random.below(4) {
            0 => acquired(self.book.read()),
            1 => tried(self.book.try_read()),
            2 => waited(self.book.read_timeout(SHORT)),
            _ => return Ok(Some(self.book.read_or_repair(|book| self.repair(book))?)),
        };
        Ok(outcome?.and_then(|(guard, owner_died)| (!owner_died).then_some(guard)))
    }

    /// The same to write.
    fn write(&self, random: &mut Random) -> Result<Option<Writes<'_>>, Ended> {
        let outcome = match random.below(4) {
            0 => acquired(self.book.write()),
            1 => tried(self.book.try_write()),
            2 => waited(self.book.write_timeout(SHORT)),
            _ => return Ok(Some(self.book.write_or_repair(|book| self.repair(book))?)),
        };
        Ok(outcome?.map(|(mut guard, owner_died)| {
            if owner_died {
                self.repair(&mut guard);
                guard.mark_consistent();
            }
            guard
        }))
    }

    fn repair(&self, book: &mut Book) {
        book.repair();
        self.repairs.add(1);
    }
}

fn check(book: &Book) -> Result<(), Ended> {
    if book.is_whole() {
        return Ok(());
    }
    Err(Ended::Wrong(format!("the book is torn: {book:?}")))
}

/// Reads the book twice, which must say the same; the edition.
fn look(book: &Book, random: &mut Random) -> Result<u64, Ended> {
    check(book)?;
    let edition = book.edition();
    dawdle(random);
    check(std::hint::black_box(book))?;
    if book.edition() != edition {
        return Err(Ended::Wrong("a write beside a reader".into()));
    }
    Ok(edition)
}
