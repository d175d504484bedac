//! A ring for one producer and one consumer as everyone writes it: Lamport's, with positions on
//! lines of their own and each side's copy of the other's.

use std::ptr::NonNull;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Release};

use serde::{Deserialize, Serialize};

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;

/// Where the positions and the items are, in bytes.
const HEAD: usize = 0;
const TAIL: usize = 128;
const ITEMS: usize = 256;

/// A ring of items of `8 * W` bytes. It knows no owners: an end that dies leaves the other one
/// waiting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LamportRing<const W: usize> {
    memory: Memory,
    capacity: usize,
}

impl<const W: usize> LamportRing<W> {
    /// An empty ring in memory of its own.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    ///
    /// # Panics
    ///
    /// If `capacity` is no power of two.
    pub fn new(capacity: u32) -> Result<Self, Failure> {
        assert!(capacity.is_power_of_two(), "a capacity of {capacity}");
        let capacity = capacity as usize;
        // Positions of 0 are those of an empty ring.
        let memory = Memory::new(ITEMS + capacity * size_of::<[u64; W]>())?;
        Ok(Self { memory, capacity })
    }

    /// The producer's end.
    ///
    /// # Safety
    ///
    /// No other handle, in any process, has or had one of this ring.
    pub unsafe fn producer(&self) -> LamportProducer<W> {
        LamportProducer(Side::new(self, TAIL, HEAD))
    }

    /// The consumer's end.
    ///
    /// # Safety
    ///
    /// As [`producer`](Self::producer).
    pub unsafe fn consumer(&self) -> LamportConsumer<W> {
        LamportConsumer(Side::new(self, HEAD, TAIL))
    }
}

/// The end that pushes.
#[derive(Debug)]
pub struct LamportProducer<const W: usize>(Side<W>);

/// The end that pops.
#[derive(Debug)]
pub struct LamportConsumer<const W: usize>(Side<W>);

/// What an end has: its own position, and the other's as it was seen last.
#[derive(Debug)]
struct Side<const W: usize> {
    published: NonNull<AtomicUsize>,
    other: NonNull<AtomicUsize>,
    items: NonNull<[u64; W]>,
    capacity: usize,
    at: usize,
    seen: usize,
    _memory: Memory,
}

impl<const W: usize> Side<W> {
    fn new(ring: &LamportRing<W>, own: usize, other: usize) -> Self {
        Self {
            published: ring.memory.at(own),
            other: ring.memory.at(other),
            items: ring.memory.at(ITEMS),
            capacity: ring.capacity,
            at: 0,
            seen: 0,
            _memory: ring.memory.clone(),
        }
    }

    #[inline(always)]
    fn look(&mut self) {
        // SAFETY: mapped as long as `self`, one atomic word, for which any bytes are valid.
        self.seen = unsafe { self.other.as_ref() }.load(Acquire);
    }

    /// The place of the item at the own position.
    #[inline(always)]
    fn place(&self) -> NonNull<[u64; W]> {
        // SAFETY: so many items are mapped there, and the mask keeps the index below.
        unsafe { self.items.add(self.at & (self.capacity - 1)) }
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.at = self.at.wrapping_add(1);
        // SAFETY: as in `look`.
        unsafe { self.published.as_ref() }.store(self.at, Release);
    }
}

impl<const W: usize> LamportProducer<W> {
    /// Pushes an item; whether there was room.
    #[inline]
    pub fn push(&mut self, item: &[u64; W]) -> bool {
        let side = &mut self.0;
        if side.at.wrapping_sub(side.seen) == side.capacity {
            side.look();
            if side.at.wrapping_sub(side.seen) == side.capacity {
                return false;
            }
        }
        // SAFETY: mapped and aligned; the consumer has gone past it, and there is one producer.
        unsafe { side.place().write(*item) };
        side.advance();
        true
    }
}

impl<const W: usize> LamportConsumer<W> {
    /// Pops an item, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<[u64; W]> {
        let side = &mut self.0;
        if side.at == side.seen {
            side.look();
            if side.at == side.seen {
                return None;
            }
        }
        // SAFETY: mapped and aligned; the producer has gone past it, and there is one consumer.
        let item = unsafe { side.place().read() };
        side.advance();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_and_no_more_than_there_is_room_for() {
        let ring = LamportRing::<8>::new(4).unwrap();
        // SAFETY: the only one.
        let mut producer = unsafe { ring.producer() };
        // SAFETY: as above.
        let mut consumer = unsafe { ring.consumer() };
        for round in 0..10 {
            let items = [0, 1, 2, 3].map(|item| [round * 4 + item; 8]);
            assert!(items.iter().all(|item| producer.push(item)));
            assert!(!producer.push(&[99; 8]));
            assert_eq!(items.map(|_| consumer.pop().unwrap()), items);
            assert_eq!(consumer.pop(), None);
        }
    }
}
