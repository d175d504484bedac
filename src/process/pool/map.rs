//! Iterators over the results of many items.

use std::collections::BTreeMap;
use std::iter::Fuse;
use std::marker::PhantomData;
use std::sync::Arc;

use super::function::WorkerState;
use super::options::{Options, Target};
use super::sink::{Completed, Sink};
use super::table::NewTask;
use super::task::Outcomes;
use super::{SubmitError, TaskError};
use crate::codec::Output;
use crate::facade::Deadline;
use crate::process::Portable;

/// A chunk has no more bytes than this, unless one item has.
const CHUNK_BYTES: usize = 64 << 10;

/// The results of the items of an iterator. Made by [`Pool::imap`](super::Pool::imap) and
/// [`Pool::imap_unordered`](super::Pool::imap_unordered).
///
/// An item is a result, or the error of its own task; the iterator goes on behind an error. The
/// items are taken, and sent, while results are taken. Dropping it cancels what has not begun.
#[must_use = "an iterator does nothing until it is asked for its items"]
pub struct Imap<'p, W: WorkerState, A, R, I: Iterator<Item = A>> {
    options: Options<'p, W>,
    target: Result<Target, SubmitError>,
    items: Fuse<I>,
    sink: Arc<Sink>,
    ordered: bool,
    /// The number of the next chunk, and of the next one whose results are due.
    next: u64,
    due: u64,
    /// Chunks that ended before those that are due.
    early: BTreeMap<u64, Completed>,
    current: Option<Outcomes>,
    /// The items that were sent, and whose results were not taken.
    ahead: u64,
    /// Of a message that does not fit into a cell, to be used again.
    memory: Vec<u8>,
    returns: PhantomData<fn(A) -> R>,
}

impl<'p, W, A, R, I> Imap<'p, W, A, R, I>
where
    W: WorkerState,
    A: Portable,
    R: Portable,
    I: Iterator<Item = A>,
{
    pub(super) fn new(
        options: Options<'p, W>,
        function: W::Function<A, R>,
        items: I,
        ordered: bool,
    ) -> Self {
        Self {
            target: options.target(function),
            options,
            items: items.fuse(),
            sink: Sink::new(),
            ordered,
            next: 0,
            due: 0,
            early: BTreeMap::new(),
            current: None,
            ahead: 0,
            memory: Vec::new(),
            returns: PhantomData,
        }
    }

    fn chunk(&self) -> u32 {
        self.options.chunk.unwrap_or(1)
    }

    fn window(&self) -> u64 {
        let chunk = u64::from(self.chunk());
        self.options.window.map_or_else(
            || {
                let workers = u64::from(self.options.core().workers);
                (chunk * workers * 4).max(chunk)
            },
            |window| window.max(chunk),
        )
    }

    /// Sends chunks until as many items are ahead as may be, or the pool has no room.
    fn fill(&mut self) {
        let window = self.window();
        while self.ahead + u64::from(self.chunk()) <= window {
            // Without a chunk of its own on the way it waits for room.
            if self.next > self.due && !self.options.core().has_room() {
                return;
            }
            if !self.send_chunk() {
                return;
            }
        }
    }

    /// Sends one chunk. Returns whether there may be more to send.
    #[inline(never)]
    fn send_chunk(&mut self) -> bool {
        let target = match &self.target {
            Ok(target) => *target,
            Err(error) => {
                let error = error.clone();
                return self.items.next().is_some() && self.fail(1, error);
            }
        };
        let mut header = target.header();
        let mut message = self.options.message(std::mem::take(&mut self.memory));
        let (mut items, mut refused, mut segments) = (0, None, Vec::new());
        while items < self.chunk() && (items == 0 || message.len() < CHUNK_BYTES) {
            let Some(item) = self.items.next() else {
                break;
            };
            match self.options.push(&mut message, &item, &mut segments) {
                Ok(()) => items += 1,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let is_last = items < self.chunk() && refused.is_none() && message.len() < CHUNK_BYTES;
        if items > 0 {
            if let Err(error) = self.options.pass(&mut message, &mut header, &segments) {
                self.memory = message.into_memory();
                return self.fail(items, error);
            }
            let new = NewTask {
                items,
                rules: self.options.rules,
                policy: self.options.core().policy(&self.options.rules),
                segments: &segments,
                sink: &self.sink,
                seq: self.next,
            };
            let deadline = Deadline::never();
            let core = self.options.core();
            let sent = core.submit(&new, &mut header, &mut message, Some(&deadline), false);
            match sent {
                Ok(_) => {
                    self.next += 1;
                    self.ahead += u64::from(items);
                }
                Err(error) => {
                    self.fail(items, error);
                }
            }
        }
        self.memory = message.into_memory();
        match refused {
            Some(error) => self.fail(1, error),
            None => !is_last,
        }
    }

    /// Notes the error of items that were not sent. Returns true: there may be more.
    fn fail(&mut self, items: u32, error: SubmitError) -> bool {
        self.sink
            .push(Completed::failed(self.next, items, error.into()));
        self.next += 1;
        self.ahead += u64::from(items);
        true
    }

    /// Takes the outcomes of the next chunk that has any.
    fn take_chunk(&mut self) -> bool {
        while let Some(completed) = self.sink.pop() {
            if !self.ordered || completed.seq == self.due {
                self.current = Some(Outcomes::new(completed));
                self.due += 1;
                return true;
            }
            self.early.insert(completed.seq, completed);
        }
        match self.early.remove(&self.due) {
            Some(completed) => {
                self.current = Some(Outcomes::new(completed));
                self.due += 1;
                true
            }
            None => false,
        }
    }
}

impl<W, A, R, I> Iterator for Imap<'_, W, A, R, I>
where
    W: WorkerState,
    A: Portable,
    R: Portable,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(outcomes) = &mut self.current
            && let Some(outcome) = outcomes.next(self.options.core())
        {
            self.ahead -= 1;
            return Some(outcome);
        }
        self.next_of_another_chunk()
    }
}

impl<W, A, R, I> Imap<'_, W, A, R, I>
where
    W: WorkerState,
    A: Portable,
    R: Portable,
    I: Iterator<Item = A>,
{
    #[inline(never)]
    fn next_of_another_chunk(&mut self) -> Option<Result<R, TaskError>> {
        loop {
            if let Some(outcomes) = &mut self.current {
                if let Some(outcome) = outcomes.next(self.options.core()) {
                    self.ahead -= 1;
                    return Some(outcome);
                }
                self.ahead -= u64::from(outcomes.left());
                self.current = None;
            }
            if !self.options.core().is_here() {
                // What is ahead is the parent's, and what is not goes nowhere.
                match self.ahead.checked_sub(1) {
                    Some(left) => self.ahead = left,
                    None => drop(self.items.next()?),
                }
                return Some(Err(TaskError::Closed));
            }
            self.fill();
            if self.take_chunk() {
                continue;
            }
            if self.next == self.due {
                return None;
            }
            self.options.core().wait_for(&self.sink, &Deadline::never());
        }
    }
}

impl<W: WorkerState, A, R, I: Iterator<Item = A>> Drop for Imap<'_, W, A, R, I> {
    fn drop(&mut self) {
        let core = self.options.core();
        if self.next > self.due && core.is_here() {
            core.table().cancel_all(&core.shared, Some(&self.sink));
            // What runs on is answered while no thread waits.
            core.watch();
        }
    }
}

debug!([W: WorkerState, A, R, I: Iterator<Item = A>] Imap<'_, W, A, R, I>, |this| {
    ahead: this.ahead,
    ..
});
