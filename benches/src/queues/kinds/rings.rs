//! The yardsticks that are rings in shared memory. They only try.

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape, cannot_wait};
use crate::yardstick::{LamportConsumer, LamportProducer, LamportRing, VyukovEnd, VyukovRing};
use crossdock_cli::Failure;

/// [`LamportRing`].
pub(super) struct Lamport;

impl Contestant for Lamport {
    type Handle<const W: usize> = LamportRing<W>;
    type Sender<const W: usize> = LamportProducer<W>;
    type Receiver<const W: usize> = LamportConsumer<W>;
    const NAME: &'static str = "lamport";
    const CAN: Can = Can::ONE_TO_ONE.spinning();

    fn create<const W: usize>(shape: Shape) -> Result<LamportRing<W>, Failure> {
        LamportRing::new(shape.capacity)
    }
    fn sender<const W: usize>(
        ring: &LamportRing<W>,
        _idle: Idle,
    ) -> Result<LamportProducer<W>, Failure> {
        // SAFETY: one worker sends, as `CAN` says, and it opens one end.
        Ok(unsafe { ring.producer() })
    }
    fn receiver<const W: usize>(
        ring: &LamportRing<W>,
        _idle: Idle,
    ) -> Result<LamportConsumer<W>, Failure> {
        // SAFETY: one worker receives, as `CAN` says, and it opens one end.
        Ok(unsafe { ring.consumer() })
    }
}

impl<const W: usize> Sender<W> for LamportProducer<W> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        Ok(self.push(item))
    }
    fn send(&mut self, _item: &Item<W>) -> Result<(), Failure> {
        cannot_wait(Lamport::NAME)
    }
}

impl<const W: usize> Receiver<W> for LamportConsumer<W> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        Ok(self.pop())
    }
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        cannot_wait(Lamport::NAME)
    }
}

/// [`VyukovRing`].
pub(super) struct Vyukov;

impl Contestant for Vyukov {
    type Handle<const W: usize> = VyukovRing<W>;
    type Sender<const W: usize> = VyukovEnd<W>;
    type Receiver<const W: usize> = VyukovEnd<W>;
    const NAME: &'static str = "vyukov";
    const CAN: Can = Can::MANY_TO_MANY.spinning();

    fn create<const W: usize>(shape: Shape) -> Result<VyukovRing<W>, Failure> {
        VyukovRing::new(shape.capacity)
    }
    fn sender<const W: usize>(ring: &VyukovRing<W>, _idle: Idle) -> Result<VyukovEnd<W>, Failure> {
        Ok(ring.open())
    }
    fn receiver<const W: usize>(
        ring: &VyukovRing<W>,
        _idle: Idle,
    ) -> Result<VyukovEnd<W>, Failure> {
        Ok(ring.open())
    }
}

impl<const W: usize> Sender<W> for VyukovEnd<W> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        Ok(self.push(item))
    }
    fn send(&mut self, _item: &Item<W>) -> Result<(), Failure> {
        cannot_wait(Vyukov::NAME)
    }
}

impl<const W: usize> Receiver<W> for VyukovEnd<W> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        Ok(self.pop())
    }
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        cannot_wait(Vyukov::NAME)
    }
}
