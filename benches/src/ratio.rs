//! Figures of the same round, held against each other.
//!
//! A machine may be several times as fast in one minute as in the next: the two processors of a
//! virtual one share a cache, or they do not, as its host has it. The medians of two kinds may then
//! come from different minutes, and their ratio says more of the machine than of the kinds. Within
//! a round the runs of both are close in time. So each round has its own ratio, and the median of
//! those is the ratio of the two.

use serde::Serialize;

use crossdock_cli::stats::{median, range};

/// How many times another figure one is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median over the rounds; finite.
    pub ratio: f64,
    /// The least and the greatest of any round. Infinite, which is null in JSON, if the other
    /// figure was 0, or the one infinite.
    pub ratio_range: (f64, f64),
}

impl Ratio {
    /// The ratio of `one` to `other`, which are in the order of the same rounds: of the rounds that
    /// have both. `None` if there is none, or if the median is infinite.
    pub fn by_round(one: &[Option<f64>], other: &[Option<f64>]) -> Option<Self> {
        let both = one.iter().zip(other);
        let ratios = both.filter_map(|(one, other)| Some((*one)? / (*other)?));
        // Of two that came to nothing.
        let ratios: Vec<f64> = ratios.filter(|ratio| !ratio.is_nan()).collect();
        let ratio = Self {
            ratio_range: range(ratios.iter().copied())?,
            ratio: median(ratios),
        };
        ratio.ratio.is_finite().then_some(ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_cli::stats::median;

    fn figures(of: &[f64]) -> Vec<Option<f64>> {
        of.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_machine_that_is_slower_in_some_rounds_does_not_change_the_ratio() {
        // One takes twice as long as the other. The fourth round turns slow between the two.
        let slow = [1.0, 3.5, 1.0, 1.0, 3.5, 3.5, 1.0];
        let other: Vec<f64> = slow.map(|by| 10.0 * by).to_vec();
        let mut one: Vec<f64> = slow.map(|by| 20.0 * by).to_vec();
        one[3] *= 3.5;
        let of_medians = median(one.clone()) / median(other.clone());
        assert_eq!(of_medians, 7.0, "what this is for");
        let expected = Ratio {
            ratio: 2.0,
            ratio_range: (2.0, 7.0),
        };
        let ratio = Ratio::by_round(&figures(&one), &figures(&other));
        assert_eq!(ratio, Some(expected));
    }

    #[test]
    fn only_rounds_that_have_both_count() {
        let one = [Some(9.0), None, Some(8.0), Some(6.0)];
        let other = [None, Some(1.0), Some(4.0), Some(2.0)];
        let expected = Ratio {
            ratio: 2.5,
            ratio_range: (2.0, 3.0),
        };
        assert_eq!(Ratio::by_round(&one, &other), Some(expected));
        assert_eq!(Ratio::by_round(&one[..1], &other[..1]), None);
        assert_eq!(Ratio::by_round(&[], &[]), None);
    }

    #[test]
    fn a_round_in_which_nothing_passed_is_at_the_end_of_the_range() {
        let never = f64::INFINITY;
        let one = figures(&[2.0, never, 2.0, never]);
        let other = figures(&[1.0, 1.0, 1.0, never]);
        let expected = Ratio {
            ratio: 2.0,
            ratio_range: (2.0, never),
        };
        assert_eq!(Ratio::by_round(&one, &other), Some(expected));
        assert_eq!(Ratio::by_round(&one[1..2], &other[1..2]), None);
        assert_eq!(Ratio::by_round(&one[3..], &other[3..]), None);
    }
}
