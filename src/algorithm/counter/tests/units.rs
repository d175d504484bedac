//! One process and counters.

use proptest::prelude::*;

use super::super::CounterState;
use crate::algorithm::counter::sharded::Sharded;

proptest! {
    #[test]
    fn a_counter_is_a_wrapping_number(start: u64, steps: Vec<u64>) {
        let counter = CounterState::new(start);
        let mut expected = start;
        for step in steps {
            prop_assert_eq!(counter.add(step), expected);
            expected = expected.wrapping_add(step);
            prop_assert_eq!(counter.get(), expected);
        }
    }

    #[test]
    fn a_sharded_counter_is_the_sum_of_its_cells(steps in prop::collection::vec((0u32..6, any::<u64>()), 0..20)) {
        let cells = [0; 4].map(CounterState::new);
        let mut expected = 0u64;
        for (index, step) in steps {
            Sharded::new(&cells).add(index, step);
            // There is no cell 4 and 5: nothing to add to, and nothing to break.
            expected = expected.wrapping_add(if index < 4 { step } else { 0 });
        }
        prop_assert_eq!(Sharded::new(&cells).sum(), expected);
    }
}
