//! Messages of bytes: of one cell, or of several, one after the other.

use super::cell::{InFlight, OwnedMessage};
use crate::payload::{Cause, ValueError};

/// How long a message is. Its cells were followed to its end, or are a loan's.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub(super) cells: u32,
    /// In bytes.
    pub(super) len: usize,
}

/// The parts of a message in their order: where its bytes are.
pub(super) struct Parts<'a> {
    first: &'a OwnedMessage<'a>,
    cell: Option<u32>,
    left: usize,
}

impl Parts<'_> {
    /// The next part: the first of its bytes, and how many they are. All of them are in one cell of
    /// the message, which comes once.
    pub(super) fn step(&mut self) -> Option<(*mut u8, usize)> {
        let cell = self.cell.filter(|_| self.left > 0)?;
        let pool = self.first.pool();
        let len = self.left.min(pool.cell_size());
        self.left -= len;
        self.cell = if self.left > 0 {
            self.first.next_part(cell)
        } else {
            None
        };
        Some((pool.message(cell).as_ptr(), len))
    }
}

/// Writes a message to the cells that were taken for it.
#[inline(always)]
pub(super) fn write(cell: &OwnedMessage<'_>, message: &[u8]) {
    cell.set_len(message.len());
    let mut parts = parts(cell, message.len());
    let mut rest = message;
    while let Some((first, len)) = parts.step() {
        let (part, more) = rest.split_at(len);
        // SAFETY: mapped, and this process's alone; `message` is no part of a cell that is a loan.
        unsafe { first.copy_from_nonoverlapping(part.as_ptr(), len) };
        rest = more;
    }
}

#[inline(always)]
pub(super) fn parts<'a>(cell: &'a OwnedMessage<'a>, len: usize) -> Parts<'a> {
    Parts {
        first: cell,
        cell: Some(cell.index()),
        left: len,
    }
}

impl Span {
    /// A message that was received, and its span. If its cells are not as long as it says, it is
    /// freed.
    #[inline(always)]
    pub(super) fn of(cell: InFlight<'_>) -> Result<(InFlight<'_>, Self), ValueError> {
        let pool = cell.pool();
        let len = cell.message_len();
        let cells = u32::try_from(len.div_ceil(pool.cell_size()).max(1)).unwrap_or(u32::MAX);
        if cells == 1 || cells <= pool.layout().rules.cells && is_whole(&cell, len) {
            return Ok((cell, Self { cells, len }));
        }
        // More than there are, so that all that is there is looked for. If the message is not this
        // process's any more, another one finds out.
        let _ = cell.into_cell().free(u32::MAX);
        Err(Cause::Cells.into())
    }

    /// The parts of the message, where they are.
    pub(super) fn slices<'a>(&self, cell: &'a OwnedMessage<'a>) -> impl Iterator<Item = &'a [u8]> {
        let mut parts = parts(cell, self.len);
        std::iter::from_fn(move || {
            let (first, len) = parts.step()?;
            // SAFETY: mapped, and a message that was delivered is not written to while this process
            // has it.
            Some(unsafe { std::slice::from_raw_parts(first.cast_const(), len) })
        })
    }

    /// The message, if it is in one part.
    pub(super) fn as_slice<'a>(&self, cell: &'a OwnedMessage<'a>) -> Option<&'a [u8]> {
        if self.len == 0 {
            return Some(&[]);
        }
        (self.cells == 1)
            .then(|| self.slices(cell).next())
            .flatten()
    }

    pub(super) fn to_vec(self, cell: &OwnedMessage<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        self.slices(cell)
            .for_each(|part| bytes.extend_from_slice(part));
        bytes
    }
}

#[cold]
fn is_whole(cell: &OwnedMessage<'_>, len: usize) -> bool {
    let mut parts = parts(cell, len);
    while parts.step().is_some() {}
    parts.left == 0
}
