//! `crossdock::queue::WorkQueue`: what is received is acknowledged at once.

use crossdock::queue::{TryRecvError, TrySendError, WorkOptions, WorkQueue};

use super::{in_segment, waiting};
use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

/// A queue whose waiting operations sleep at once, or spin before.
pub(super) struct Work<const ADAPTIVE: bool>;

/// The bytes of a cell's words, and of a line that a cell may end in.
const BESIDE: usize = 16 + 64;

impl<const ADAPTIVE: bool> Contestant for Work<ADAPTIVE> {
    type Handle<const W: usize> = WorkQueue<Item<W>>;
    type Sender<const W: usize> = WorkQueue<Item<W>>;
    type Receiver<const W: usize> = WorkQueue<Item<W>>;
    const NAME: &'static str = if ADAPTIVE { "work-adaptive" } else { "work" };
    const CAN: Can = if ADAPTIVE {
        Can::MANY_TO_MANY.parking()
    } else {
        Can::MANY_TO_MANY
    };

    fn create<const W: usize>(shape: Shape) -> Result<WorkQueue<Item<W>>, Failure> {
        let options = WorkOptions::new(shape.capacity.into());
        in_segment(shape, size_of::<Item<W>>() + BESIDE, options)
    }
    fn sender<const W: usize>(
        queue: &WorkQueue<Item<W>>,
        _idle: Idle,
    ) -> Result<WorkQueue<Item<W>>, Failure> {
        Ok(queue.clone().with_wait(waiting(ADAPTIVE)))
    }
    fn receiver<const W: usize>(
        queue: &WorkQueue<Item<W>>,
        idle: Idle,
    ) -> Result<WorkQueue<Item<W>>, Failure> {
        Self::sender(queue, idle)
    }
}

impl<const W: usize> Sender<W> for WorkQueue<Item<W>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        match Self::try_send(self, *item) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        Self::send(self, *item).map_err(Failure::worker)
    }
}

impl<const W: usize> Receiver<W> for WorkQueue<Item<W>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        match Self::try_recv(self) {
            Ok(delivery) => {
                let item = *delivery;
                delivery.ack().map_err(Failure::worker)?;
                Ok(Some(item))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        let delivery = Self::recv(self).map_err(Failure::worker)?;
        let item = *delivery;
        delivery.ack().map_err(Failure::worker)?;
        Ok(item)
    }
}
