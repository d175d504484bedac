//! The schedule of kills: at which product each worker is killed, by progress, never by time.

use serde::{Deserialize, Serialize};

/// The state of a worker at its kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Moment {
    /// It holds a product and the lock, and waits to be killed.
    Midway,
    /// At any point after it has requested to be killed.
    Anywhere,
}

/// One kill of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kill {
    /// The number of packed products at which the kill is due.
    pub(crate) after: u64,
    pub(crate) moment: Moment,
}

/// The kills of each worker, in their order: `kills` in all, dealt out in turn, spread evenly over
/// the `products` of each.
pub(crate) fn kills(workers: u32, products: u64, kills: u32) -> Vec<Vec<Kill>> {
    (0..workers)
        .map(|worker| {
            let own = kills / workers + u32::from(worker < kills % workers);
            (0..own)
                .map(|nth| Kill {
                    after: (u64::from(nth) + 1).saturating_mul(products) / (u64::from(own) + 1),
                    moment: match (worker + nth) % 2 {
                        0 => Moment::Midway,
                        _ => Moment::Anywhere,
                    },
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kill_is_dealt_out_before_its_worker_is_done() {
        for (workers, products, count) in [(5, 10, 3), (1, 1, 1), (3, 2, 6), (8, 200_000, 20)] {
            let kills = kills(workers, products, count);
            assert_eq!(kills.iter().flatten().count(), count as usize);
            assert!(kills.iter().flatten().all(|kill| kill.after < products));
            assert!(
                kills
                    .iter()
                    .all(|own| own.is_sorted_by_key(|kill| kill.after))
            );
        }
    }

    #[test]
    fn one_kill_at_least_is_midway() {
        for count in 1..20 {
            let kills = kills(5, 1000, count);
            assert!(
                kills
                    .iter()
                    .flatten()
                    .any(|kill| kill.moment == Moment::Midway)
            );
        }
    }
}
