//! A ring for any number of producers and consumers: Vyukov's bounded MPMC queue (2010), as it is
//! copied everywhere. Each slot has a sequence number; a CAS on a shared position takes a slot.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use serde::{Deserialize, Serialize};

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;

/// Where the positions and the slots are, in bytes.
const HEAD: usize = 0;
const TAIL: usize = 128;
const SLOTS: usize = 256;

#[repr(C)]
struct Slot<const W: usize> {
    /// The position that may be pushed to it, or that plus 1 if there is an item.
    sequence: AtomicUsize,
    item: UnsafeCell<[u64; W]>,
}

/// A ring of items of `8 * W` bytes, not opened yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VyukovRing<const W: usize> {
    memory: Memory,
    capacity: usize,
}

impl<const W: usize> VyukovRing<W> {
    /// An empty ring in memory of its own.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    ///
    /// # Panics
    ///
    /// If `capacity` is no power of two, or 1.
    pub fn new(capacity: u32) -> Result<Self, Failure> {
        let fits = capacity.is_power_of_two() && capacity > 1;
        assert!(fits, "a capacity of {capacity}");
        let capacity = capacity as usize;
        let ring = Self {
            memory: Memory::new(SLOTS + capacity * size_of::<Slot<W>>())?,
            capacity,
        };
        let open = ring.open();
        for at in 0..capacity {
            open.slot(at).sequence.store(at, Relaxed);
        }
        Ok(ring)
    }

    /// An end of it, for both directions. Any number of processes may have one.
    pub fn open(&self) -> VyukovEnd<W> {
        VyukovEnd {
            head: self.memory.at(HEAD),
            tail: self.memory.at(TAIL),
            slots: self.memory.at(SLOTS),
            mask: self.capacity - 1,
            _memory: self.memory.clone(),
        }
    }
}

/// An end of a [`VyukovRing`]. A process that dies in the middle of a push or a pop leaves its slot
/// to no process, and the others wait at it forever.
#[derive(Debug)]
pub struct VyukovEnd<const W: usize> {
    head: NonNull<AtomicUsize>,
    tail: NonNull<AtomicUsize>,
    slots: NonNull<Slot<W>>,
    mask: usize,
    _memory: Memory,
}

impl<const W: usize> VyukovEnd<W> {
    #[inline(always)]
    fn slot(&self, position: usize) -> &Slot<W> {
        // SAFETY: so many slots are mapped there, and the mask keeps the index below.
        let slot = unsafe { self.slots.add(position & self.mask) };
        // SAFETY: mapped and aligned as long as `self`; what others write is in cells; any bytes
        // are a slot.
        unsafe { slot.as_ref() }
    }

    /// Pushes an item; whether there was room.
    #[inline]
    pub fn push(&self, item: &[u64; W]) -> bool {
        // SAFETY: mapped as long as `self`, one atomic word, for which any bytes are valid.
        let tail = unsafe { self.tail.as_ref() };
        let mut at = tail.load(Relaxed);
        loop {
            let slot = self.slot(at);
            let ahead = slot.sequence.load(Acquire).wrapping_sub(at).cast_signed();
            if ahead == 0 {
                match tail.compare_exchange_weak(at, at.wrapping_add(1), Relaxed, Relaxed) {
                    Ok(_) => {
                        // SAFETY: the position was taken, so its slot is no other owner's.
                        unsafe { slot.item.get().write(*item) };
                        slot.sequence.store(at.wrapping_add(1), Release);
                        return true;
                    }
                    Err(found) => at = found,
                }
            } else if ahead < 0 {
                return false;
            } else {
                at = tail.load(Relaxed);
            }
        }
    }

    /// Pops an item, if there is one.
    #[inline]
    pub fn pop(&self) -> Option<[u64; W]> {
        // SAFETY: mapped as long as `self`, one atomic word, for which any bytes are valid.
        let head = unsafe { self.head.as_ref() };
        let mut at = head.load(Relaxed);
        loop {
            let slot = self.slot(at);
            let next = at.wrapping_add(1);
            let ahead = slot.sequence.load(Acquire).wrapping_sub(next).cast_signed();
            if ahead == 0 {
                match head.compare_exchange_weak(at, next, Relaxed, Relaxed) {
                    Ok(_) => {
                        // SAFETY: the position was taken, so its slot is no other owner's.
                        let item = unsafe { slot.item.get().read() };
                        slot.sequence.store(next.wrapping_add(self.mask), Release);
                        return Some(item);
                    }
                    Err(found) => at = found,
                }
            } else if ahead < 0 {
                return None;
            } else {
                at = head.load(Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_and_no_more_than_there_is_room_for() {
        let ring = VyukovRing::<1>::new(2).unwrap();
        let (one, other) = (ring.open(), ring.open());
        for round in 0..10 {
            assert!(one.push(&[round]) && other.push(&[round + 100]));
            assert!(!one.push(&[99]));
            assert_eq!(
                [one.pop(), other.pop()],
                [Some([round]), Some([round + 100])]
            );
            assert_eq!(other.pop(), None);
        }
    }
}
