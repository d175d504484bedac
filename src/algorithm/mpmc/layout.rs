//! The words of a ring, the arithmetic of positions, and the offsets of its parts in an entry.

use crate::format::PADDING;
use crate::participant::Tag;

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Writing,
    Ready,
    Reading,
    Orphan,
}

/// The bytes of a ring without its cells and slots.
pub(crate) const SLOTS_STATE: usize = 3 * PADDING;
const TAG_BITS: u32 = Tag::MASK.count_ones();
const STATES: [State; 5] = [
    State::Free,
    State::Writing,
    State::Ready,
    State::Reading,
    State::Orphan,
];

/// The word of a slot: lap, state, and the owner's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    #[inline(always)]
    pub(crate) fn new(lap: u32, state: State) -> Self {
        Self((lap as u64) << 32 | (state as u64) << TAG_BITS)
    }

    #[inline(always)]
    pub(crate) fn owned(lap: u32, state: State, tag: Tag) -> Self {
        Self(Self::new(lap, state).0 | u64::from(tag.bits()))
    }

    #[inline(always)]
    pub(crate) fn lap(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Returns the number of laps by which the word is ahead of `lap`; negative if it is behind.
    #[inline(always)]
    pub(crate) fn laps_after(self, lap: u32) -> i32 {
        self.lap().wrapping_sub(lap).cast_signed()
    }

    /// The half with state and tag.
    #[expect(clippy::cast_possible_truncation, reason = "the lap is above")]
    fn half(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn state(self) -> Option<State> {
        STATES.get((self.half() >> TAG_BITS) as usize).copied()
    }

    /// Returns the owner's tag, or `None` if the word holds no participant's.
    pub(crate) fn tag(self, participants: u32) -> Option<Tag> {
        Tag::in_word(self.half(), participants)
    }

    pub(crate) fn is_of(self, tag: Tag) -> bool {
        self.half() & Tag::MASK == tag.bits()
    }
}

/// The position of an item in the order of all: the lap, and below it the index of the slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) u64);

/// The capacity of a ring, and the values that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    capacity: u64,
    /// The mask and the number of the bits of a position that are the index.
    mask: u64,
    bits: u32,
    /// The hint is set at every index that has none of these bits.
    marks: u64,
}

/// The maximum distance between two positions that set the hint.
const STRIDE: u64 = 64;
/// The maximum number of owners that have died, or are stopped, between a claim and the hint that
/// they owe.
const MAX_LATE_OWNERS: u64 = Tag::MAX_PARTICIPANTS as u64 + 2;

impl Geometry {
    /// The largest position; no ring lives long enough to exceed it.
    const LAST: u64 = u64::MAX >> 1;

    /// `capacity` is 2 to 2^32.
    pub(crate) const fn new(capacity: u64) -> Self {
        let bits = (capacity - 1).ilog2() + 1;
        let stride = if capacity < STRIDE {
            1 << capacity.ilog2()
        } else {
            STRIDE
        };
        Self {
            capacity,
            mask: (1 << bits) - 1,
            bits,
            marks: stride - 1,
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    #[inline(always)]
    pub(crate) fn index(&self, at: Position) -> u64 {
        at.0 & self.mask
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "laps wrap in the words")]
    pub(crate) fn lap(&self, at: Position) -> u32 {
        (at.0 >> self.bits) as u32
    }

    /// Returns the lap in full, as a position has it.
    #[inline(always)]
    pub(crate) fn whole_lap(&self, at: Position) -> u64 {
        at.0 >> self.bits
    }

    /// Returns the number of positions before it; `u64::MAX` if there are more.
    #[cfg(all(feature = "inspect", not(loom)))]
    pub(crate) fn before(&self, at: Position) -> u64 {
        let laps = self.whole_lap(at).saturating_mul(self.capacity);
        laps.saturating_add(self.index(at).min(self.capacity))
    }

    #[inline(always)]
    pub(crate) fn next(&self, at: Position) -> Position {
        let next = at.0.wrapping_add(1);
        if next & self.mask == self.capacity {
            return Position((next | self.mask).wrapping_add(1));
        }
        Position(next)
    }

    /// Returns the position before; `None` for the first position, and for a position that no ring
    /// reaches.
    pub(crate) fn previous(&self, at: Position) -> Option<Position> {
        let index = self.index(at);
        if index >= self.capacity || at.0 > Self::LAST {
            return None;
        }
        let before = at.0.checked_sub(1)?;
        Some(Position(if index == 0 {
            before - (self.mask + 1 - self.capacity)
        } else {
            before
        }))
    }

    /// Returns the position of the same slot in the lap before, which exists.
    pub(crate) fn lap_before(&self, at: Position) -> Position {
        Position(at.0.wrapping_sub(self.mask + 1))
    }

    #[inline(always)]
    pub(crate) fn is_marked(&self, at: Position) -> bool {
        at.0 & self.marks == 0
    }

    /// Returns the number of positions from `from` to `to`, within one lap.
    pub(crate) fn distance(&self, from: Position, to: Position) -> u64 {
        let laps = (to.0 >> self.bits).saturating_sub(from.0 >> self.bits);
        let end = laps.saturating_mul(self.capacity) + self.index(to);
        end.saturating_sub(self.index(from)).min(self.capacity)
    }

    /// Returns the maximum number of laps by which the words can be ahead of a handle at the hint.
    pub(crate) fn max_laps_behind(&self) -> i32 {
        let laps = (self.marks + 1) * MAX_LATE_OWNERS / self.capacity + 2;
        i32::try_from(laps).unwrap_or(i32::MAX)
    }
}

/// The offsets of a ring's parts, in bytes from the start of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotsLayout {
    pub(crate) cells: u64,
    pub(crate) slots: u64,
    /// The distance from one slot to the next.
    pub(crate) stride: u64,
    pub(crate) geometry: Geometry,
}

impl SlotsLayout {
    /// The minimum and the maximum capacity.
    pub(crate) const CAPACITIES: (u64, u64) = (2, 1 << 32);

    /// Returns the layout, or `None` if there is no such ring.
    pub(crate) fn new(capacity: u64, size: u64, align: u64, participants: u32) -> Option<Self> {
        let (least, most) = Self::CAPACITIES;
        if !(least..=most).contains(&capacity) || !align.is_power_of_two() {
            return None;
        }
        let word = size_of::<u64>() as u64;
        let align = align.max(word);
        let item = word.checked_next_multiple_of(align)?;
        let stride = item.checked_add(size)?.checked_next_multiple_of(align)?;
        let cells = SLOTS_STATE as u64;
        let slots = cells + u64::from(participants) * word;
        let layout = Self {
            cells,
            slots: slots.next_multiple_of(PADDING as u64),
            stride,
            geometry: Geometry::new(capacity),
        };
        capacity
            .checked_mul(stride)?
            .checked_add(layout.slots)
            .map(|_| layout)
    }

    /// Returns the bytes of all slots.
    pub(crate) fn slots_len(&self) -> u64 {
        self.geometry.capacity * self.stride
    }

    /// Returns the bytes of the whole entry.
    pub(crate) fn len(&self) -> u64 {
        self.slots + self.slots_len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_advance_and_go_back(capacity in 2_u64..5_000, steps in 1_usize..200) {
            let geometry = Geometry::new(capacity);
            let mut at = Position::default();
            for step in 0..steps as u64 {
                prop_assert_eq!(geometry.index(at), step % capacity);
                #[cfg(feature = "inspect")]
                prop_assert_eq!(geometry.before(at), step);
                let next = geometry.next(at);
                prop_assert!(next > at);
                prop_assert_eq!(geometry.previous(next), Some(at));
                prop_assert_eq!(geometry.distance(at, next), 1);
                at = next;
            }
        }

        #[test]
        fn any_hint_is_in_the_ring_or_refused(capacity in 2_u64..5_000, hint: u64) {
            let geometry = Geometry::new(capacity);
            match geometry.previous(Position(hint)) {
                Some(before) => prop_assert!(geometry.index(before) < capacity),
                None => prop_assert!(hint == 0 || hint >> 63 != 0 || geometry.index(Position(hint)) >= capacity),
            }
        }

        #[test]
        fn layout_fits_all_parts_or_is_none(capacity: u64, size in 1_u64..1 << 32, align in 0_u32..8, participants in 1_u32..1024) {
            let _ = align;
            if let Some(layout) = SlotsLayout::new(capacity, size, 1 << align, participants) {
                prop_assert!((2..=1 << 32).contains(&capacity));
                prop_assert!(layout.len() >= capacity * (size + 8));
                prop_assert!(layout.slots >= layout.cells + 8 * u64::from(participants));
            }
        }
    }

    #[test]
    fn first_position_has_no_previous() {
        assert_eq!(Geometry::new(4).previous(Position(0)), None);
    }
}
