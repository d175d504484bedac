//! `crossdock::queue::spsc`: one by one, and in slices.

use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::queue::{TryRecvError, TrySendError};

use super::{in_segment, waiting};
use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

/// A ring whose waiting operations sleep at once, or spin before.
pub(super) struct Ring<const ADAPTIVE: bool>;

impl<const ADAPTIVE: bool> Contestant for Ring<ADAPTIVE> {
    type Handle<const W: usize> = Spsc<Item<W>>;
    type Sender<const W: usize> = Producer<Item<W>>;
    type Receiver<const W: usize> = Consumer<Item<W>>;
    const NAME: &'static str = if ADAPTIVE { "spsc-adaptive" } else { "spsc" };
    const CAN: Can = if ADAPTIVE {
        Can::ONE_TO_ONE.parking()
    } else {
        Can::ONE_TO_ONE
    };

    fn create<const W: usize>(shape: Shape) -> Result<Spsc<Item<W>>, Failure> {
        in_segment(shape, size_of::<Item<W>>(), shape.capacity.into())
    }
    fn sender<const W: usize>(
        ring: &Spsc<Item<W>>,
        _idle: Idle,
    ) -> Result<Producer<Item<W>>, Failure> {
        Ok(ring.producer()?.with_wait(waiting(ADAPTIVE)))
    }
    fn receiver<const W: usize>(
        ring: &Spsc<Item<W>>,
        _idle: Idle,
    ) -> Result<Consumer<Item<W>>, Failure> {
        Ok(ring.consumer()?.with_wait(waiting(ADAPTIVE)))
    }
}

impl<const W: usize> Sender<W> for Producer<Item<W>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        match self.try_push(*item) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn try_send_some(&mut self, items: &[Item<W>]) -> Result<usize, Failure> {
        self.push_slice(items).map_err(Failure::worker)
    }
    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        self.push(*item).map_err(Failure::worker)
    }
}

impl<const W: usize> Receiver<W> for Consumer<Item<W>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        match self.try_pop() {
            Ok(item) => Ok(Some(item)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn try_recv_some(&mut self, items: &mut [Item<W>]) -> Result<usize, Failure> {
        self.pop_slice(items).map_err(Failure::worker)
    }
    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        self.pop().map_err(Failure::worker)
    }
}
