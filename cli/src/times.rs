//! How long something took, many times over.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Times in nanoseconds, up to a minute, of which three digits are kept.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// Takes one in. One that is too long counts as a minute.
    #[inline]
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// Takes all of another's in.
    pub fn add(&mut self, other: &Self) {
        for (nanos, count) in other.counts() {
            self.0.saturating_record_n(nanos, count);
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nanoseconds that the share `quantile` of all did not exceed; `None` of nothing.
    pub fn at(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_quantile(quantile))
    }

    fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        let recorded = self.0.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value()))
    }
}

/// None yet.
impl Default for Times {
    fn default() -> Self {
        let bounds = Histogram::new_with_max(60_000_000_000, 3);
        Self(bounds.expect("three digits of a minute in nanoseconds can be kept"))
    }
}

/// As pairs of nanoseconds and how often.
impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts: Vec<(u64, u64)> = self.counts().collect();
        counts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut times = Self::default();
        for (nanos, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            times.0.saturating_record_n(nanos, count);
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_added_and_the_longest_are_not_left_out() {
        let mut some = Times::default();
        assert_eq!(some.at(0.5), None);
        some.record(Duration::from_nanos(100));
        let mut more = Times::default();
        more.record(Duration::from_secs(1_000_000));
        some.add(&more);
        assert_eq!((some.len(), some.at(0.5)), (2, Some(100)));
        assert!(some.at(1.0) >= Some(59_000_000_000));
    }
}
