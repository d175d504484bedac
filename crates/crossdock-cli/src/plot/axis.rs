//! Where values lie on the axes, and which of them are named there.

/// A value with its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// The axis of process counts: each doubling is as wide as the last.
pub(super) struct Across {
    /// In order, each once.
    counts: Vec<u32>,
    left: f64,
    right: f64,
}

/// How far two named counts stay apart.
const APART: f64 = 26.0;

impl Across {
    pub(super) fn new(counts: impl Iterator<Item = u32>, left: f64, right: f64) -> Self {
        let mut counts: Vec<u32> = counts.collect();
        counts.sort_unstable();
        counts.dedup();
        Self {
            counts,
            left,
            right,
        }
    }

    /// Where a count lies, also one that was not measured.
    pub(super) fn at(&self, count: u32) -> f64 {
        let (Some(first), Some(last)) = (self.counts.first(), self.counts.last()) else {
            return self.right;
        };
        let [first, last, count] = [*first, *last, count].map(|count| f64::from(count).ln());
        if last > first {
            self.left + (self.right - self.left) * (count - first) / (last - first)
        } else {
            // One count alone: where the labels are.
            self.right + (count - first) * (self.right - self.left)
        }
    }

    /// The measured counts, but for those that have no room.
    pub(super) fn ticks(&self) -> Vec<u32> {
        let mut named: Vec<u32> = Vec::new();
        for count in self.counts.iter().rev() {
            let free = |next: &u32| self.at(*next) - self.at(*count) >= APART;
            if named.last().is_none_or(free) {
                named.push(*count);
            }
        }
        named.reverse();
        named
    }
}

/// The axis of throughput: logarithmic where values are far apart, from 0 otherwise.
pub(super) struct Up {
    least: f64,
    most: f64,
    logarithmic: bool,
    ticks: Vec<Tick>,
    top: f64,
    bottom: f64,
}

/// From here on the greatest value is that many times the least, and a scale from 0 hides the least.
const FAR_APART: f64 = 8.0;

impl Up {
    /// For values from the first to the second of all `ranges`, which are positive.
    pub(super) fn new(ranges: impl Iterator<Item = (f64, f64)>, top: f64, bottom: f64) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for (low, high) in ranges {
            (least, most) = (least.min(low), most.max(high));
        }
        if most <= 0.0 {
            (least, most) = (1.0, 1.0);
        }
        let logarithmic = most / least >= FAR_APART;
        let steps = steps();
        let ticks = if logarithmic {
            let below = steps.iter().rposition(|step| step.value <= least * 0.97);
            let above = steps.iter().position(|step| step.value >= most * 1.03);
            let (below, above) = (below.unwrap_or(0), above.unwrap_or(steps.len() - 1));
            steps[below..=above].to_vec()
        } else {
            // Between four and ten steps.
            let step = steps.iter().find(|step| step.value * 8.0 >= most);
            let step = step.map_or(most, |step| step.value);
            let count = (1..=10_u32).find(|count| f64::from(*count) * step >= most * 1.03);
            let digits = digits(step);
            (0..=count.unwrap_or(10))
                .map(|count| f64::from(count) * step)
                .map(|value| Tick {
                    value,
                    label: format!("{value:.digits$}"),
                })
                .collect()
        };
        let ends = (ticks.first(), ticks.last());
        let (first, last) = (ends.0.map(|tick| tick.value), ends.1.map(|tick| tick.value));
        Self {
            least: first.unwrap_or(0.0),
            most: last.unwrap_or(most),
            logarithmic,
            ticks: if logarithmic { few(ticks) } else { ticks },
            top,
            bottom,
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        self.bottom - share * (self.bottom - self.top)
    }

    pub(super) fn ticks(&self) -> &[Tick] {
        &self.ticks
    }
}

/// 1, 2 and 5 of each power of ten.
fn steps() -> Vec<Tick> {
    let powers = -9_i32..=12;
    powers
        .flat_map(|power| {
            let digits = if power < 0 {
                power.unsigned_abs() as usize
            } else {
                0
            };
            [1.0, 2.0, 5.0].map(|first| {
                let value = first * 10_f64.powi(power);
                Tick {
                    value,
                    label: format!("{value:.digits$}"),
                }
            })
        })
        .collect()
}

/// How many digits behind the point a multiple of this step has.
fn digits(step: f64) -> usize {
    let enough = |digits: &usize| step * 10_f64.powi(i32::try_from(*digits).unwrap_or(0)) >= 0.999;
    (0..12).find(enough).unwrap_or(12)
}

/// Powers of ten alone, where there are too many ticks.
fn few(ticks: Vec<Tick>) -> Vec<Tick> {
    if ticks.len() <= 12 {
        return ticks;
    }
    let power = |tick: &Tick| tick.label.trim_matches(['0', '.']) == "1";
    ticks.into_iter().filter(power).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(up: &Up) -> Vec<&str> {
        up.ticks().iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn values_far_apart_get_a_logarithmic_scale() {
        let up = Up::new([(0.04, 0.05), (1.5, 1.8)].into_iter(), 0.0, 100.0);
        assert!(up.is_logarithmic());
        assert_eq!(names(&up), ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]);
        assert!((up.at(0.02) - 100.0).abs() < 1e-9);
        assert!((up.at(2.0) - 0.0).abs() < 1e-9);
        assert!((up.at(0.2) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn values_close_together_get_a_scale_from_zero() {
        let up = Up::new([(30.0, 41.0), (20.0, 25.0)].into_iter(), 0.0, 100.0);
        assert!(!up.is_logarithmic());
        assert_eq!(names(&up), ["0", "10", "20", "30", "40", "50"]);
        assert!((up.at(25.0) - 50.0).abs() < 1e-9);
        let small = Up::new([(0.1, 0.11)].into_iter(), 0.0, 100.0);
        assert_eq!(names(&small)[..3], ["0.00", "0.02", "0.04"]);
    }

    #[test]
    fn many_powers_of_ten_are_named_alone() {
        let up = Up::new([(0.011, 900_000.0)].into_iter(), 0.0, 100.0);
        assert_eq!(names(&up)[..4], ["0.01", "0.1", "1", "10"]);
        assert_eq!(names(&up).len(), 9);
    }

    #[test]
    fn every_value_lies_between_top_and_bottom() {
        for (least, most) in [(1.0, 1.0), (1.0, 7.9), (1.0, 8.0), (0.2, 0.5), (3e-7, 5e5)] {
            let up = Up::new([(least, most)].into_iter(), 10.0, 90.0);
            for value in [least, most] {
                assert!((10.0..=90.0).contains(&up.at(value)), "{least}..{most}");
            }
            assert!(
                up.ticks().len() >= 2 && up.ticks().len() <= 16,
                "{least}..{most}"
            );
        }
        assert!(Up::new([].into_iter(), 0.0, 1.0).at(1.0).is_finite());
    }

    #[test]
    fn each_doubling_is_as_wide_as_the_last() {
        let across = Across::new([8, 1, 2, 8].into_iter(), 0.0, 300.0);
        let places = [1, 2, 4, 8].map(|count| across.at(count).round());
        assert_eq!(places, [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(across.ticks(), [1, 2, 8]);
    }

    #[test]
    fn counts_without_room_go_unnamed_and_the_greatest_is_named() {
        let across = Across::new(1..=64, 0.0, 300.0);
        let named = across.ticks();
        assert_eq!((named[0], named[named.len() - 1]), (1, 64));
        assert!(named.len() < 12, "{named:?}");
    }

    #[test]
    fn one_count_alone_lies_beside_the_labels() {
        let across = Across::new([4].into_iter(), 0.0, 300.0);
        assert_eq!(across.at(4), 300.0);
        assert!(across.at(2) < 300.0 && across.at(16) > 300.0);
        assert!(Across::new([].into_iter(), 0.0, 1.0).at(3).is_finite());
    }
}
