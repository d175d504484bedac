//! `crossdock::queue::ByteQueue`: an item is a slice, read where it is and acknowledged at once.

use crossdock::bytemuck::{bytes_of, pod_read_unaligned};
use crossdock::queue::{ByteOptions, ByteQueue, Delivery, TryRecvError, TrySendError};

use super::{in_segment, waiting};
use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

/// A queue whose waiting operations sleep at once, or spin before.
pub(super) struct OfBytes<const ADAPTIVE: bool>;

/// The bytes of a cell's words, and of a line that a cell may end in.
const BESIDE: usize = 32 + 64;

impl<const ADAPTIVE: bool> Contestant for OfBytes<ADAPTIVE> {
    type Handle<const W: usize> = ByteQueue;
    type Sender<const W: usize> = ByteQueue;
    type Receiver<const W: usize> = ByteQueue;
    const NAME: &'static str = if ADAPTIVE { "bytes-adaptive" } else { "bytes" };
    const CAN: Can = if ADAPTIVE {
        Can::MANY_TO_MANY.parking()
    } else {
        Can::MANY_TO_MANY
    };

    /// An item fits into one cell.
    fn create<const W: usize>(shape: Shape) -> Result<ByteQueue, Failure> {
        let size = size_of::<Item<W>>();
        let options = ByteOptions::new(shape.capacity.into()).cell_size(size as u64);
        in_segment(shape, size + BESIDE, options)
    }
    fn sender<const W: usize>(queue: &ByteQueue, _idle: Idle) -> Result<ByteQueue, Failure> {
        Ok(queue.clone().with_wait(waiting(ADAPTIVE)))
    }
    fn receiver<const W: usize>(queue: &ByteQueue, idle: Idle) -> Result<ByteQueue, Failure> {
        Self::sender::<W>(queue, idle)
    }
}

impl<const W: usize> Sender<W> for ByteQueue {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        match Self::try_send(self, bytes_of(item)) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(())) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        Self::send(self, bytes_of(item)).map_err(Failure::worker)
    }
}

/// The item that was delivered, which is done then.
#[inline(always)]
fn done<const W: usize>(delivery: Delivery<'_, [u8]>) -> Result<Item<W>, Failure> {
    let item = match delivery.as_slice() {
        Some(bytes) if bytes.len() == size_of::<Item<W>>() => pod_read_unaligned(bytes),
        _ => return Err(wrong_length(delivery.len())),
    };
    delivery.ack().map_err(Failure::worker)?;
    Ok(item)
}

#[cold]
fn wrong_length(found: usize) -> Failure {
    Failure::Worker(format!(
        "an item of {found} bytes came, which no process sent"
    ))
}

impl<const W: usize> Receiver<W> for ByteQueue {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        match Self::try_recv(self) {
            Ok(delivery) => done(delivery).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        done(Self::recv(self).map_err(Failure::worker)?)
    }
}
