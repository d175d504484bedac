//! The message of a task while it is written.

use super::message::TaskHeader;
use crate::codec::{Output, OutputFull};
use crate::facade::Deadline;
use crate::queue::{ByteQueue, CellWriter, SendTimeoutError, TrySendError};

/// A message that is written where it will be read: into a cell of the queue. If it is longer than
/// a cell, or there is none, it is written to memory of this process, and copied when it is sent.
pub(super) struct TaskMessage<'q> {
    queue: &'q ByteQueue,
    /// All that was written, if it fits; then `long` is empty.
    cell: Option<CellWriter<'q>>,
    long: Vec<u8>,
}

impl<'q> TaskMessage<'q> {
    /// A message with room for its header. `long` is memory that may be used again.
    #[inline]
    pub(super) fn new(queue: &'q ByteQueue, mut long: Vec<u8>) -> Self {
        long.clear();
        let mut message = Self {
            queue,
            cell: queue.try_write().ok(),
            long,
        };
        // Memory of this process always has room.
        let _ = message.append(&[0; TaskHeader::LEN]);
        message
    }

    /// Gives the cell back: this thread is going to wait for something else.
    #[cold]
    pub(super) fn leave_cell(&mut self) {
        if let Some(mut cell) = self.cell.take() {
            self.long.extend_from_slice(cell.as_mut_slice());
        }
    }

    pub(super) fn set_header(&mut self, header: &TaskHeader) {
        header.write(match &mut self.cell {
            Some(cell) => cell.as_mut_slice(),
            None => &mut self.long,
        });
    }

    /// Sends the message, without blocking.
    #[inline]
    pub(super) fn try_send(&mut self) -> Result<(), TrySendError<()>> {
        match self.cell.take() {
            Some(cell) => cell.send().map_err(TrySendError::from),
            None => self.queue.try_send(&self.long),
        }
    }

    /// Sends a message that [`try_send`](Self::try_send) had no room for.
    pub(super) fn send(&self, deadline: Deadline) -> Result<(), SendTimeoutError<()>> {
        self.queue.send_timeout(&self.long, deadline)
    }

    /// Returns the memory, to be used again.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.long
    }
}

impl Output for TaskMessage<'_> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        if let Some(cell) = &mut self.cell {
            if cell.append(bytes).is_ok() {
                return Ok(());
            }
            self.leave_cell();
        }
        self.long.extend_from_slice(bytes);
        Ok(())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match &self.cell {
            Some(cell) => cell.len(),
            None => self.long.len(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match &mut self.cell {
            Some(cell) => cell.truncate(len),
            None => self.long.truncate(len),
        }
    }

    #[inline(always)]
    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        match &mut self.cell {
            Some(cell) => cell.put_at(at, bytes),
            None => self.long.put_at(at, bytes),
        }
    }
}
