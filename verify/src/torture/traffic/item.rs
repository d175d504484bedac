//! What is sent: items that say whose they are, and that leave a trace when they are read.

use std::cell::Cell;
use std::fmt;

use crossdock::Payload;
use crossdock::bytemuck::{CheckedBitPattern, NoUninit};

use crate::torture::queues::ItemNotes;

/// Which item it is: the `number`th of its lane in a round.
///
/// ```text
///  63    56 55       44 43            16 15     0
/// |  round |   lane    |     number     |  check |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) round: u8,
    pub(crate) lane: u16,
    pub(crate) number: u32,
}

pub(crate) const MOST_LANES: usize = 1 << 12;
pub(crate) const MOST_NUMBERS: u32 = 1 << 28;

/// An id that no item has, for places of items to come.
pub(crate) const NOTHING: Id = Id {
    round: 0,
    lane: 0,
    number: 0,
};

impl Id {
    fn check(bits: u64) -> u64 {
        (bits >> 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
    }

    pub(crate) fn word(self) -> u64 {
        let bits =
            u64::from(self.round) << 56 | u64::from(self.lane) << 44 | u64::from(self.number) << 16;
        bits | Self::check(bits)
    }

    /// `None` for a word that no item has.
    pub(crate) fn of(word: u64) -> Option<Self> {
        let [.., high, round] = word.to_le_bytes();
        let lane = u16::from(high) << 4 | u16::try_from(word >> 44 & 0xf).ok()?;
        let number = u32::try_from(word >> 16 & u64::from(MOST_NUMBERS - 1)).ok()?;
        let id = Self {
            round,
            lane,
            number,
        };
        (id.word() == word).then_some(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} of lane {}", self.number, self.lane)
    }
}

/// An item of some size.
pub(crate) trait Item: Payload + NoUninit + CheckedBitPattern {
    fn of(id: Id) -> Self;

    /// `None` if it is not as it was made.
    fn id(&self) -> Option<Id>;

    /// What it consists of, for people.
    fn show(&self) -> String;
}

/// Eight bytes.
#[derive(Clone, Copy, Debug, NoUninit)]
#[repr(transparent)]
pub(crate) struct Small(u64);
crossdock::payload!(Small, "crossdock-verify.small/1");

/// A cache line, of which each word follows from the first.
#[derive(Clone, Copy, Debug, NoUninit)]
#[repr(transparent)]
pub(crate) struct Large([u64; 8]);
crossdock::payload!(Large, "crossdock-verify.large/1");

thread_local! {
    /// The notes of this thread, once it works.
    static NOTES: Cell<Option<&'static ItemNotes>> = const { Cell::new(None) };
}

/// From now on each item that this thread reads is noted.
pub(crate) fn note_at(notes: &'static ItemNotes) {
    NOTES.set(Some(notes));
}

fn note(word: u64) {
    if let Some(notes) = NOTES.get() {
        // Now and then gives the processor away, so that kills and stops find an item half
        // received. Killed here, the item is not in doubt: its receipt is not committed.
        if notes.count_read() % 64 == 0 {
            std::thread::yield_now();
        }
        notes.touch(word);
    }
}

// SAFETY: any bits are a `Small`. The check is made of a copy of the item before the receipt is
// committed, so it is where an item that dies with its receiver can be noted.
unsafe impl CheckedBitPattern for Small {
    type Bits = u64;

    fn is_valid_bit_pattern(bits: &u64) -> bool {
        note(*bits);
        true
    }
}

// SAFETY: as for `Small`.
unsafe impl CheckedBitPattern for Large {
    type Bits = [u64; 8];

    fn is_valid_bit_pattern(bits: &[u64; 8]) -> bool {
        note(bits[0]);
        true
    }
}

impl Item for Small {
    fn of(id: Id) -> Self {
        Self(id.word())
    }

    fn id(&self) -> Option<Id> {
        Id::of(self.0)
    }

    fn show(&self) -> String {
        format!("{:#x}", self.0)
    }
}

impl Item for Large {
    fn of(id: Id) -> Self {
        let mut word = id.word();
        Self([(); 8].map(|()| {
            let this = word;
            word = word.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23);
            this
        }))
    }

    fn id(&self) -> Option<Id> {
        let id = Id::of(self.0[0])?;
        (Self::of(id).0 == self.0).then_some(id)
    }

    fn show(&self) -> String {
        format!("{:#x?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [Id; 3] = [
        Id {
            round: 0,
            lane: 0,
            number: 1,
        },
        Id {
            round: 255,
            lane: 0xfff,
            number: MOST_NUMBERS - 1,
        },
        Id {
            round: 7,
            lane: 0x12f,
            number: 0x0abc_def0,
        },
    ];

    #[test]
    fn an_item_says_which_it_is() {
        for id in IDS {
            assert_eq!(Small::of(id).id(), Some(id));
            assert_eq!(Large::of(id).id(), Some(id));
        }
    }

    #[test]
    fn a_torn_item_is_told_apart() {
        let (one, other) = (Large::of(IDS[1]), Large::of(IDS[2]));
        for at in 1..8 {
            let mut torn = one;
            torn.0[at..].copy_from_slice(&other.0[at..]);
            assert_eq!(torn.id(), None, "torn at {at}");
        }
        assert_eq!(Small(IDS[2].word() ^ 1 << 50).id(), None);
    }
}
