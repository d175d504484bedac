//! `crossdock::queue::Queue`: one by one, and several at once.

use crossdock::queue::{Queue, TryRecvError, TrySendError};

use super::{in_segment, waiting};
use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

/// A queue whose waiting operations sleep at once, or spin before.
pub(super) struct Many<const ADAPTIVE: bool>;

impl<const ADAPTIVE: bool> Contestant for Many<ADAPTIVE> {
    type Handle<const W: usize> = Queue<Item<W>>;
    type Sender<const W: usize> = Queue<Item<W>>;
    type Receiver<const W: usize> = Queue<Item<W>>;
    const NAME: &'static str = if ADAPTIVE { "queue-adaptive" } else { "queue" };
    const CAN: Can = if ADAPTIVE {
        Can::MANY_TO_MANY.parking()
    } else {
        Can::MANY_TO_MANY
    };

    fn create<const W: usize>(shape: Shape) -> Result<Queue<Item<W>>, Failure> {
        in_segment(shape, size_of::<Item<W>>(), shape.capacity.into())
    }
    fn sender<const W: usize>(
        queue: &Queue<Item<W>>,
        _idle: Idle,
    ) -> Result<Queue<Item<W>>, Failure> {
        Ok(queue.clone().with_wait(waiting(ADAPTIVE)))
    }
    fn receiver<const W: usize>(
        queue: &Queue<Item<W>>,
        idle: Idle,
    ) -> Result<Queue<Item<W>>, Failure> {
        Self::sender(queue, idle)
    }
}

impl<const W: usize> Sender<W> for Queue<Item<W>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        match Self::try_send(self, *item) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_) | TrySendError::Busy(_)) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn try_send_some(&mut self, items: &[Item<W>]) -> Result<usize, Failure> {
        match self.send_slice(items) {
            Ok(count) => Ok(count),
            Err(TrySendError::Full(()) | TrySendError::Busy(())) => Ok(0),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        Self::send(self, *item).map_err(Failure::worker)
    }
}

impl<const W: usize> Receiver<W> for Queue<Item<W>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        match Self::try_recv(self) {
            Ok(item) => Ok(Some(item)),
            Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn try_recv_some(&mut self, items: &mut [Item<W>]) -> Result<usize, Failure> {
        match self.recv_slice(items) {
            Ok(count) => Ok(count),
            Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(0),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        Self::recv(self).map_err(Failure::worker)
    }
}
