//! Queues of threads, which no other process can use: for scale.

use std::sync::{Arc, Mutex, PoisonError};

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape, cannot_wait};
use crossbeam_queue::ArrayQueue;
use crossdock_cli::Failure;

use super::End;
use crate::peers::locks::failed;

/// One producer and one consumer.
pub(crate) struct Rtrb;

/// The two ends, until each is taken.
type Ends<const W: usize> = (
    Option<rtrb::Producer<Item<W>>>,
    Option<rtrb::Consumer<Item<W>>>,
);

fn taken<T>(end: Option<T>) -> Result<End<T>, Failure> {
    end.map(End)
        .ok_or_else(|| failed("rtrb", "this end is taken"))
}

impl Contestant for Rtrb {
    type Handle<const W: usize> = Arc<Mutex<Ends<W>>>;
    type Sender<const W: usize> = End<rtrb::Producer<Item<W>>>;
    type Receiver<const W: usize> = End<rtrb::Consumer<Item<W>>>;

    const NAME: &'static str = "rtrb";
    const CAN: Can = Can::ONE_TO_ONE.spinning();

    fn create<const W: usize>(shape: Shape) -> Result<Self::Handle<W>, Failure> {
        let (producer, consumer) = rtrb::RingBuffer::new(shape.capacity as usize);
        Ok(Arc::new(Mutex::new((Some(producer), Some(consumer)))))
    }

    fn sender<const W: usize>(
        ends: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<Self::Sender<W>, Failure> {
        taken(ends.lock().unwrap_or_else(PoisonError::into_inner).0.take())
    }

    fn receiver<const W: usize>(
        ends: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<Self::Receiver<W>, Failure> {
        taken(ends.lock().unwrap_or_else(PoisonError::into_inner).1.take())
    }
}

impl<const W: usize> Sender<W> for End<rtrb::Producer<Item<W>>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        Ok(self.0.push(*item).is_ok())
    }

    fn send(&mut self, _item: &Item<W>) -> Result<(), Failure> {
        cannot_wait(Rtrb::NAME)
    }
}

impl<const W: usize> Receiver<W> for End<rtrb::Consumer<Item<W>>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        Ok(self.0.pop().ok())
    }

    fn recv(&mut self) -> Result<Item<W>, Failure> {
        cannot_wait(Rtrb::NAME)
    }
}

/// crossbeam's.
pub(crate) struct Crossbeam;

impl Contestant for Crossbeam {
    type Handle<const W: usize> = Arc<ArrayQueue<Item<W>>>;
    type Sender<const W: usize> = End<Self::Handle<W>>;
    type Receiver<const W: usize> = End<Self::Handle<W>>;

    const NAME: &'static str = "crossbeam";
    const CAN: Can = Can::MANY_TO_MANY.spinning();

    fn create<const W: usize>(shape: Shape) -> Result<Self::Handle<W>, Failure> {
        Ok(Arc::new(ArrayQueue::new(shape.capacity as usize)))
    }

    fn sender<const W: usize>(
        queue: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<End<Self::Handle<W>>, Failure> {
        Ok(End(Arc::clone(queue)))
    }

    fn receiver<const W: usize>(
        queue: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<End<Self::Handle<W>>, Failure> {
        Ok(End(Arc::clone(queue)))
    }
}

impl<const W: usize> Sender<W> for End<Arc<ArrayQueue<Item<W>>>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        Ok(self.0.push(*item).is_ok())
    }

    fn send(&mut self, _item: &Item<W>) -> Result<(), Failure> {
        cannot_wait(Crossbeam::NAME)
    }
}

impl<const W: usize> Receiver<W> for End<Arc<ArrayQueue<Item<W>>>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        Ok(self.0.pop())
    }

    fn recv(&mut self) -> Result<Item<W>, Failure> {
        cannot_wait(Crossbeam::NAME)
    }
}

/// kanal's bounded channel.
pub(crate) struct Kanal;

impl Contestant for Kanal {
    type Handle<const W: usize> = (kanal::Sender<Item<W>>, kanal::Receiver<Item<W>>);
    type Sender<const W: usize> = End<kanal::Sender<Item<W>>>;
    type Receiver<const W: usize> = End<kanal::Receiver<Item<W>>>;

    const NAME: &'static str = "kanal";
    const CAN: Can = Can::MANY_TO_MANY;

    fn create<const W: usize>(shape: Shape) -> Result<Self::Handle<W>, Failure> {
        Ok(kanal::bounded(shape.capacity as usize))
    }

    fn sender<const W: usize>(
        ends: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<Self::Sender<W>, Failure> {
        Ok(End(ends.0.clone()))
    }

    fn receiver<const W: usize>(
        ends: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<Self::Receiver<W>, Failure> {
        Ok(End(ends.1.clone()))
    }
}

fn closed(error: impl std::fmt::Display) -> Failure {
    failed("kanal", error)
}

impl<const W: usize> Sender<W> for End<kanal::Sender<Item<W>>> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        self.0.try_send(*item).map_err(closed)
    }

    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        self.0.send(*item).map_err(closed)
    }
}

impl<const W: usize> Receiver<W> for End<kanal::Receiver<Item<W>>> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        self.0.try_recv().map_err(closed)
    }

    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        self.0.recv().map_err(closed)
    }
}
