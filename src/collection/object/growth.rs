//! Objects of a manager that grow: how a handle follows, and how a writer lets them grow.
//!
//! The algorithm is [`growth`](crate::algorithm::manager::growth). A handle begins with the object
//! as it was opened; when that has moved, the handle opens what it is now, and all clones of the
//! handle use that from then on. What a process knows of former generations stays in its memory as
//! long as the handle, some hundred bytes each: a generation is a quarter larger at least than the
//! one before. Their room does not: it is not the handle's any more when the last operation in it
//! has ended.

use std::ptr;

use super::ObjectError;
use super::store::Store;
use super::words::ObjectWords;
use crate::Deadline;
use crate::algorithm::blocks::entry::view;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::write::{WriteError, Writer};
use crate::algorithm::blocks::{Blocks, Corrupt};
use crate::algorithm::manager::growth::read_newest;
use crate::facade::AtomicPtr;
use crate::facade::Ordering::{AcqRel, Acquire};
use crate::participant::{Liveness, Tag};
use crate::segment::{Entry, Hold, NotGrown, SegmentLiveness};

/// What an object has grown to since its handle was opened, which all clones of the handle share.
///
/// Invariant 1: each generation is a box's, and stays as long as this.
#[derive(Default)]
pub(super) struct Generations {
    newest: AtomicPtr<Generation>,
}

struct Generation {
    words: ObjectWords,
    /// From 1 on.
    number: u32,
    before: *mut Generation,
}

// SAFETY: generations are shared, and freed by the last handle only.
unsafe impl Send for Generations {}
// SAFETY: as above.
unsafe impl Sync for Generations {}

impl Generations {
    /// The newest generation, of which `first` is the first one, and its number.
    #[inline(always)]
    pub(super) fn newest<'a>(&'a self, first: &'a ObjectWords) -> (&'a ObjectWords, u32) {
        // ORDERING: Acquire; what `add` has published.
        let newest = self.newest.load(Acquire);
        // SAFETY: Invariant 1.
        match unsafe { newest.as_ref() } {
            None => (first, 0),
            Some(newest) => (&newest.words, newest.number),
        }
    }

    /// Makes `words` the newest generation, behind the one of that number; returns false if another
    /// thread was faster.
    fn add(&self, behind: u32, words: ObjectWords) -> bool {
        // ORDERING: Acquire; as in `newest`.
        let before = self.newest.load(Acquire);
        // SAFETY: Invariant 1.
        let number = unsafe { before.as_ref() }.map_or(0, |newest| newest.number);
        if number != behind {
            return false;
        }
        let new = Box::into_raw(Box::new(Generation {
            words,
            number: number.saturating_add(1),
            before,
        }));
        // ORDERING: Release; publishes the generation.
        let added = self.newest.compare_exchange(before, new, AcqRel, Acquire);
        if added.is_err() {
            // SAFETY: it was boxed above, and no other thread has it.
            drop(unsafe { Box::from_raw(new) });
        }
        added.is_ok()
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        let mut next = *self.newest.get_mut();
        while !ptr::eq(next, ptr::null()) {
            // SAFETY: Invariant 1, and no handle is left.
            let generation = unsafe { Box::from_raw(next) };
            next = generation.before;
        }
    }
}

impl Store {
    /// Reads an object of a manager.
    #[inline(never)]
    pub(super) fn read_managed<R>(
        &self,
        generations: &Generations,
        mut read: impl FnMut(Blocks<'_>, u32) -> R,
    ) -> Result<R, ObjectError> {
        read_newest(
            || generations.newest(self.first()),
            |(words, number)| {
                let hold = words.hold().filter(|hold| hold.ensure().is_ok())?;
                hold.read(|| read(words.blocks(), number))
            },
            |(words, number)| match words.hold() {
                Some(hold) => self.follow(generations, hold, number),
                None => Ok(()),
            },
        )
    }

    /// Opens what an object is now that may have moved. An error if it was removed.
    #[cold]
    fn follow(
        &self,
        generations: &Generations,
        hold: &Hold,
        number: u32,
    ) -> Result<(), ObjectError> {
        if hold.is_live() {
            return Ok(hold.ensure()?);
        }
        self.add(generations, hold, number, hold.follow()?)
    }

    /// Uses from now on what the object has grown to.
    fn add(
        &self,
        generations: &Generations,
        hold: &Hold,
        number: u32,
        entry: Entry,
    ) -> Result<(), ObjectError> {
        let words = ObjectWords::attach(entry, self.first().shape);
        let words = words.ok_or_else(|| self.corrupt(Corrupt { word: 0 }))?;
        if generations.add(number, words) {
            hold.move_on();
        }
        Ok(())
    }

    /// Changes an object of a manager, which grows if it has no room. If `seen` is given, returns
    /// `None` if the object has grown since.
    pub(super) fn write_managed<R>(
        &self,
        me: Tag,
        others: &SegmentLiveness<'_>,
        seen: Option<u32>,
        change: &mut impl FnMut(Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<Result<Option<R>, WriteError>, ObjectError> {
        let mut reaped = false;
        loop {
            self.ensure_live()?;
            let (words, number) = self.newest();
            if seen.is_some_and(|seen| seen != number) {
                return Ok(Ok(None));
            }
            let (Some(hold), Some(generations)) = (words.hold(), self.generations()) else {
                return Ok(Ok(None));
            };
            let Some(_used) = hold.enter() else { continue };
            // By now the tag may be another one's.
            if hold.ensure().is_err() {
                continue;
            }
            let mut grown = None;
            let written = words
                .blocks()
                .write(me, others, &Deadline::never(), |writer| {
                    if writer.is_successor() && !hold.renew() || !hold.is_live() {
                        return Err(WriteError::Moved);
                    }
                    match change(writer) {
                        Err(WriteError::Full { asked, free }) => {
                            grown = grow(words, hold, me, others, writer, (asked, reaped))?;
                            match grown {
                                Some(_) => Err(WriteError::Moved),
                                None => Err(WriteError::Full { asked, free }),
                            }
                        }
                        changed => changed,
                    }
                });
            if let Some(entry) = grown {
                hold.wake_waiters();
                self.add(generations, hold, number, entry)?;
            }
            match written {
                Err(WriteError::Moved) => {}
                // A dead participant may hold what was removed. Not under the mutex: a subscriber
                // of `tracing` is told, and may use this object.
                Err(WriteError::Full { .. }) if !reaped => {
                    reaped = true;
                    others.reap(true);
                }
                written => return Ok(written.map(Some)),
            }
        }
    }
}

/// Lets an object grow by `asked` more blocks, or bytes, at least; `None` if there is no room, or
/// not for twice as many and the dead were not `reaped`.
#[cold]
fn grow(
    words: &ObjectWords,
    hold: &Hold,
    me: Tag,
    others: &SegmentLiveness<'_>,
    writer: Writer<'_>,
    (asked, reaped): (u64, bool),
) -> Result<Option<Entry>, WriteError> {
    let mut longest = u64::MAX;
    let config = words.state.entry().record.config;
    loop {
        let larger = BlocksLayout::larger(words.shape, config, asked, longest);
        let layout = larger.and_then(|larger| BlocksLayout::of(words.shape, larger));
        let Some((larger, layout)) = larger.zip(layout) else {
            return Ok(None);
        };
        let mut failed = None;
        let is_writer = || writer.is_still_owner();
        let grown = hold.grow((larger, layout.len()), me, others, is_writer, |bytes| {
            let Some(larger) = view(bytes, &layout, words.shape) else {
                return false;
            };
            let copied = writer.copy_to(larger, &mut Vec::<u64>::new());
            failed = copied.err();
            failed.is_none()
        });
        match grown {
            Ok(entry) => return Ok(Some(entry)),
            Err(NotGrown::Full { .. }) if !reaped => return Ok(None),
            Err(NotGrown::Full { longest: now }) => {
                if now >= longest {
                    return Ok(None);
                }
                longest = now;
            }
            Err(NotGrown::Removed) => return Err(WriteError::Moved),
            Err(NotGrown::Uncopied) => {
                return Err(failed.unwrap_or(WriteError::Corrupt(Corrupt { word: 0 })));
            }
            Err(NotGrown::MembershipLost) => return Err(WriteError::MembershipLost),
            Err(NotGrown::Corrupt) => return Err(WriteError::Corrupt(Corrupt { word: 0 })),
        }
    }
}
