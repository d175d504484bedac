//! The words of a barrier, and their offsets in an entry.

use crate::format::PADDING;
use crate::participant::Tag;

/// The offset of the seats in the entry, in bytes.
pub(crate) const SEATS: u64 = PADDING as u64;
/// The least and the greatest number of parties.
pub(crate) const MOST: (u64, u64) = (1, 65_535);

/// Returns the bytes of an entry for so many parties, of which a dead one `shrinks` the barrier (1)
/// or breaks it (0); `None` if there is none.
pub(crate) fn entry_len(parties: u64, shrinks: u64) -> Option<u64> {
    let (least, greatest) = MOST;
    let fits = (least..=greatest).contains(&parties) && shrinks <= 1;
    fits.then(|| SEATS + parties * size_of::<u64>() as u64)
}

/// The word that decides: a generation, and whether it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase(pub(crate) u64);

impl Phase {
    const BROKEN: u64 = 1;
    /// The first generation is 1: zeroed seats are of another one.
    pub(crate) const FIRST: Self = Self(2);

    pub(crate) fn generation(self) -> u64 {
        self.0 >> 1
    }

    pub(crate) fn is_broken(self) -> bool {
        self.0 & Self::BROKEN != 0
    }

    pub(crate) fn broken(self) -> Self {
        Self(self.0 | Self::BROKEN)
    }

    /// The next generation, not broken.
    pub(crate) fn next(self) -> Self {
        Self((self.0 | Self::BROKEN).wrapping_add(1))
    }
}

const REGISTERED: u64 = 1 << 29;
const STATE: u32 = 30;
const GENERATION: u32 = 32;
const LOW_HALF: u64 = u32::MAX as u64;

/// What a seat's holder has done in the seat's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeatState {
    /// It has not arrived, or has left.
    Left = 0,
    /// It has arrived, and has not left.
    Arrived = 1,
    /// It had arrived, and was cut off by a reset. It has not left.
    Broken = 2,
    /// With a holder: it had arrived, was released, and has not left. Without one: the seat was
    /// taken out.
    Gone = 3,
}

/// The word of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(pub(crate) u64);

impl Seat {
    pub(crate) fn state(self) -> SeatState {
        match self.0 >> STATE & 3 {
            0 => SeatState::Left,
            1 => SeatState::Arrived,
            2 => SeatState::Broken,
            _ => SeatState::Gone,
        }
    }

    pub(crate) fn is_registered(self) -> bool {
        self.0 & REGISTERED != 0
    }

    /// The bits of the holder's tag; 0 if it has none.
    pub(crate) fn holder(self) -> u32 {
        let [first, second, third, fourth, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([first, second, third, fourth]) & Tag::MASK
    }

    pub(crate) fn is_taken_out(self) -> bool {
        self.holder() == 0 && self.state() == SeatState::Gone
    }

    /// Whether any process may take it.
    pub(crate) fn is_free(self) -> bool {
        self.0 & LOW_HALF == 0
    }

    /// Whether it is of this generation, of which a seat has the low half.
    pub(crate) fn is_of(self, generation: u64) -> bool {
        self.0 >> GENERATION == generation & LOW_HALF
    }

    /// Whether it is of the generation before this one.
    pub(crate) fn is_before(self, generation: u64) -> bool {
        self.is_of(generation.wrapping_sub(1))
    }

    /// The same with another state.
    pub(crate) fn with(self, state: SeatState) -> Self {
        Self(self.0 & !(3 << STATE) | (state as u64) << STATE)
    }

    /// The same in another generation.
    pub(crate) fn in_generation(self, generation: u64) -> Self {
        Self(self.0 & LOW_HALF | generation << GENERATION)
    }

    /// The same with `me` as its holder.
    pub(crate) fn held_by(self, me: Tag) -> Self {
        Self(self.0 & !u64::from(Tag::MASK) | u64::from(me.bits()))
    }

    /// The same as the seat of a party.
    pub(crate) fn registered(self) -> Self {
        Self(self.0 | REGISTERED)
    }

    /// The same when its holder has left: a party keeps it.
    pub(crate) fn left(self) -> Self {
        if self.is_registered() {
            self.with(SeatState::Left)
        } else {
            self.freed()
        }
    }

    /// The same without a holder.
    pub(crate) fn freed(self) -> Self {
        Self(self.0 >> GENERATION << GENERATION)
    }

    /// Whether no barrier has such a seat.
    pub(crate) fn is_corrupt(self, participants: u32) -> bool {
        let held =
            self.is_registered() || matches!(self.state(), SeatState::Arrived | SeatState::Broken);
        match self.holder() {
            0 => held,
            bits => Tag::in_word(bits, participants).is_none(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_seat_is_what_it_was_made_of(index in 0_u32..1_023, tag in 1_u32..1 << 19, generation: u64, registered: bool) {
            use SeatState::{Arrived, Broken, Gone, Left};
            let tag = Tag::new(index, tag).unwrap();
            for state in [Left, Arrived, Broken, Gone] {
                let seat = Seat(0).held_by(tag).with(state).in_generation(generation);
                let seat = if registered { seat.registered() } else { seat };
                prop_assert_eq!((seat.state(), seat.holder()), (state, tag.bits()));
                prop_assert!(seat.is_of(generation) && !seat.is_of(generation.wrapping_add(1)));
                prop_assert!(seat.is_before(generation.wrapping_add(1)) && !seat.is_before(generation));
                prop_assert_eq!(seat.is_registered(), registered);
                prop_assert!(!seat.is_free() && !seat.is_taken_out() && !seat.is_corrupt(1_023));
                prop_assert!(seat.is_corrupt(index) && seat.is_of(generation));
                prop_assert_eq!(seat.left().is_free(), !registered);
                prop_assert!(seat.freed().is_free() && seat.freed().is_of(generation));
                prop_assert!(seat.freed().with(Gone).is_taken_out());
            }
        }

        #[test]
        fn a_phase_is_broken_or_moves_on(word: u64) {
            let phase = Phase(word);
            prop_assert!(phase.broken().is_broken());
            prop_assert_eq!(phase.broken().generation(), phase.generation());
            prop_assert!(!phase.next().is_broken());
            let next = phase.generation().wrapping_add(1) & (u64::MAX >> 1);
            prop_assert_eq!(phase.next().generation(), next);
            prop_assert_eq!(phase.broken().next(), phase.next());
        }

        #[test]
        fn an_entry_has_a_seat_for_each_party_or_there_is_none(parties in prop_oneof![0_u64..70_000, any::<u64>()], shrinks in 0_u64..3) {
            match entry_len(parties, shrinks) {
                Some(len) => prop_assert_eq!(len, 128 + 8 * parties),
                None => prop_assert!(parties == 0 || parties > 65_535 || shrinks > 1),
            }
        }
    }
}
