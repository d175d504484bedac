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
    fn the_best_is_what_the_caller_says(start: i64, values: Vec<i64>) {
        let counter = CounterState::new(start.cast_unsigned());
        for value in &values {
            let larger = |new: u64, now: u64| new.cast_signed() > now.cast_signed();
            counter.fetch_best(value.cast_unsigned(), larger);
        }
        let largest = values.into_iter().fold(start, i64::max);
        prop_assert_eq!(counter.get().cast_signed(), largest);
    }

    #[test]
    fn bits_and_exchanges_return_what_was_there(start: u64, mask: u64, new: u64) {
        let counter = CounterState::new(start);
        prop_assert_eq!(counter.fetch_and(mask), start);
        prop_assert_eq!(counter.fetch_or(new), start & mask);
        let now = (start & mask) | new;
        prop_assert_eq!(counter.compare_exchange(!now, new), Err(now));
        prop_assert_eq!(counter.compare_exchange(now, new), Ok(now));
        prop_assert_eq!(counter.swap(mask), new);
        counter.set(start);
        prop_assert_eq!(counter.get(), start);
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
