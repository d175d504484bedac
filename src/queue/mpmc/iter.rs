//! A queue's items, one after the other.

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Queue;
use crate::payload::Payload;
use crate::queue::{RecvError, TryRecvError};

/// The items of a queue as they come; made by [`Queue::iter`].
///
/// Waits for each, and ends when the queue is disconnected. Any other error is the last thing that
/// it gives, but [`RecvError::Invalid`], after which it goes on.
#[derive(Debug)]
pub struct Iter<'a, T: Payload> {
    queue: Option<&'a Queue<T>>,
}

/// The items that are in a queue; made by [`Queue::try_iter`].
///
/// Does not wait: it ends when there is no item, and when the queue is disconnected. Where a live peer is at
/// work on the next item it gives [`TryRecvError::Busy`], and does not end: the next call looks again. Other
/// errors as for [`Iter`].
#[derive(Debug)]
pub struct TryIter<'a, T: Payload> {
    queue: Option<&'a Queue<T>>,
}

impl<'a, T: Payload> Iter<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Self { queue: Some(queue) }
    }
}

impl<'a, T: Payload> TryIter<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Self { queue: Some(queue) }
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Iterator for Iter<'_, T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.queue?.recv();
        match received {
            Ok(_) | Err(RecvError::Invalid) => Some(received),
            Err(RecvError::Disconnected) => {
                self.queue = None;
                None
            }
            Err(_) => {
                self.queue = None;
                Some(received)
            }
        }
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Iterator for TryIter<'_, T> {
    type Item = Result<T, TryRecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.queue?.try_recv();
        match received {
            Ok(_) | Err(TryRecvError::Invalid | TryRecvError::Busy) => Some(received),
            Err(TryRecvError::Disconnected | TryRecvError::Empty) => {
                self.queue = None;
                None
            }
            Err(_) => {
                self.queue = None;
                Some(received)
            }
        }
    }
}

impl<'a, T: Payload + NoUninit + CheckedBitPattern> IntoIterator for &'a Queue<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
