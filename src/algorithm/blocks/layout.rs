//! Where the words of an object are in its entry.

use super::write::SPARE;
use super::{BlocksState, HEADER, Shape};
use crate::algorithm::region::WORD;
use crate::format::PADDING;

/// The places of an object's words, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlocksLayout {
    pub(crate) slots: u64,
    pub(crate) blocks: u64,
    /// The number of words of content in a block.
    pub(crate) payload: u64,
    /// Offsets into the entry.
    pub(crate) tables: u64,
    pub(crate) ring: u64,
    pub(crate) cells: u64,
    len: u64,
}

/// The blocks of a single value: the current one, the next one, and others that keep readers of
/// values before the current one from having to read again.
const OF_A_SINGLE: u64 = 4;

/// An object grows by this part of itself at least.
const LEAST_GROWTH: u64 = 4;

impl BlocksLayout {
    /// The least and the most values of a dictionary and of a list.
    pub(crate) const VALUES: (u64, u64) = (1, 1 << 28);
    /// The least and the most bytes of content in a block.
    pub(crate) const BYTES: (u64, u64) = (WORD, 1 << 31);

    /// The layout of an entry with these numbers: of an index and of a list the values and the
    /// bytes of content in a block; of a single value its most bytes.
    pub(crate) fn of(shape: Shape, config: [u64; 4]) -> Option<Self> {
        let (slots, blocks, bytes) = match (shape, config) {
            (Shape::Single, [bytes, _, 0, 0]) => (1, OF_A_SINGLE, bytes),
            (Shape::Index | Shape::List, [values, bytes, _, 0]) => {
                let (least, most) = Self::VALUES;
                if !(least..=most).contains(&values) {
                    return None;
                }
                let blocks = values + u64::from(SPARE);
                let slots = match shape {
                    Shape::Index => (2 * blocks).next_power_of_two(),
                    Shape::List | Shape::Single => blocks,
                };
                (slots, blocks, bytes)
            }
            _ => return None,
        };
        let (least, most) = Self::BYTES;
        if !(least..=most).contains(&bytes) {
            return None;
        }
        Self::with(slots, blocks, bytes.div_ceil(WORD))
    }

    /// What an object was created with that has grown to these numbers.
    pub(crate) fn first(shape: Shape, config: [u64; 4]) -> [u64; 4] {
        match (shape, config) {
            (Shape::Single, [_, first, 0, 0]) if first > 0 => [first, 0, 0, 0],
            (Shape::Index | Shape::List, [_, bytes, first, 0]) if first > 0 => [first, bytes, 0, 0],
            _ => config,
        }
    }

    /// The numbers of an object that has grown from these: twice as many values or bytes, and
    /// `asked` more at least, or as many as take no more than `longest` bytes in all; `None` if
    /// there is no such object that is a quarter larger.
    pub(crate) fn larger(
        shape: Shape,
        config: [u64; 4],
        asked: u64,
        longest: u64,
    ) -> Option<[u64; 4]> {
        let [now, ..] = config;
        let [first, ..] = Self::first(shape, config);
        let (_, most) = match shape {
            Shape::Single => Self::BYTES,
            Shape::Index | Shape::List => Self::VALUES,
        };
        let with = |number| match shape {
            Shape::Single => [number, first, 0, 0],
            Shape::Index | Shape::List => [number, config[1], first, 0],
        };
        let fits = |number| Self::of(shape, with(number)).is_some_and(|this| this.len <= longest);
        let asked = now.checked_add(asked)?;
        let least = asked.max(now.saturating_add(now.div_ceil(LEAST_GROWTH)));
        let best = asked.max(now.saturating_mul(2)).min(most);
        if least > most || !fits(least) {
            return None;
        }
        // The most that fit.
        let (mut fit, mut over) = (least, best + 1);
        if fits(best) {
            return Some(with(best));
        }
        while fit + 1 < over {
            let middle = fit + (over - fit) / 2;
            match fits(middle) {
                true => fit = middle,
                false => over = middle,
            }
        }
        Some(with(fit))
    }

    fn with(slots: u64, blocks: u64, payload: u64) -> Option<Self> {
        let padding = PADDING as u64;
        let tables = (size_of::<BlocksState>() as u64).next_multiple_of(padding);
        let ring = tables.checked_add((slots + 1).checked_mul(2 * WORD)?)?;
        let ring = ring.checked_next_multiple_of(padding)?;
        let cells = ring.checked_add(blocks.checked_mul(WORD)?)?;
        let cells = cells.checked_next_multiple_of(padding)?;
        let cell = (HEADER as u64 + payload).checked_mul(WORD)?;
        let len = cells.checked_add(blocks.checked_mul(cell)?)?;
        Some(Self {
            slots,
            blocks,
            payload,
            tables,
            ring,
            cells,
            len,
        })
    }

    /// The bytes of the entry.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The number of words of both tables.
    pub(crate) fn table_words(&self) -> u64 {
        (self.slots + 1) * 2
    }

    /// The number of words of all blocks.
    pub(crate) fn cell_words(&self) -> u64 {
        self.blocks * (HEADER as u64 + self.payload)
    }
}
