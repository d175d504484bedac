//! Words, positions and layouts, whatever the numbers are.

use proptest::prelude::*;

use super::super::word::{Geometry, Position, SlotsLayout};

proptest! {
    #[test]
    fn positions_go_round_and_back(capacity in 2_u64..5_000, steps in 1_usize..200) {
        let geometry = Geometry::new(capacity);
        let mut at = Position::default();
        for step in 0..steps as u64 {
            prop_assert_eq!(geometry.index(at), step % capacity);
            let next = geometry.next(at);
            prop_assert!(next > at);
            prop_assert_eq!(geometry.previous(next), Some(at));
            prop_assert_eq!(geometry.distance(at, next), 1);
            at = next;
        }
    }

    #[test]
    fn any_hint_has_an_index_in_the_ring_or_is_refused(capacity in 2_u64..5_000, hint: u64) {
        let geometry = Geometry::new(capacity);
        match geometry.previous(Position(hint)) {
            Some(before) => prop_assert!(geometry.index(before) < capacity),
            None => prop_assert!(hint == 0 || geometry.index(Position(hint)) >= capacity),
        }
    }

    #[test]
    fn a_layout_has_room_for_all_or_there_is_none(capacity: u64, size in 1_u64..1 << 32, align in 0_u32..8, participants in 1_u32..1024) {
        let _ = align;
        if let Some(layout) = SlotsLayout::new(capacity, size, 1 << align, participants) {
            prop_assert!((2..=1 << 32).contains(&capacity));
            prop_assert!(layout.len() >= capacity * (size + 8));
            prop_assert!(layout.slots >= layout.cells + 8 * u64::from(participants));
        }
    }
}

#[test]
fn the_first_position_has_none_before_it() {
    assert_eq!(Geometry::new(4).previous(Position(0)), None);
}
