//! The audit: every message that was sent is done, but for those that died with a process.

use std::collections::HashSet;

use super::notes::{TaskNotes, Undone};
use crate::torture::traffic::{Balance, Doubt, Ledger};

/// What the dead of a round have left in doubt: at most what each was at when it died.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    sends: HashSet<(usize, u32)>,
    ends: HashSet<(usize, u32)>,
    /// How many may have died with a delivery that they had not noted.
    receives: u64,
}

impl Doubts {
    /// What a worker has left that is gone for good.
    pub(crate) fn add(&mut self, undone: Undone) {
        self.sends.extend(undone.sends);
        let ends = undone.ends.map(|id| (usize::from(id.lane), id.number));
        self.ends.extend(ends);
        self.receives += u64::from(undone.receives);
    }
}

/// Balances a round that is over and drained, in which deliveries that were not noted were found.
pub(crate) fn audit(ledger: &Ledger<TaskNotes>, doubts: &Doubts, unnoted: u64) -> Balance {
    let missing = |lane| ledger.missing(lane);
    let mut balance = Balance::of(ledger, missing, |lane, missing, at| {
        let message = (lane, missing[at]);
        if doubts.sends.contains(&message) {
            Doubt::Unsent
        } else if doubts.ends.contains(&message) {
            Doubt::Untold
        } else {
            Doubt::Lost
        }
    });
    if unnoted > doubts.receives {
        balance.faults.push(format!(
            "{unnoted} deliveries were not noted, and {} died when they received",
            doubts.receives
        ));
    }
    balance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::traffic::item::Id;

    const LANE: usize = 2;

    fn id(number: u32) -> Id {
        Id {
            round: 0,
            lane: u16::try_from(LANE).expect("small"),
            number,
        }
    }

    /// A ledger in which 1 to 200 of one lane were sent, and all but those in `missing` are done.
    fn ledger(missing: &[u32]) -> Ledger<TaskNotes> {
        let ledger = Ledger::create(3).expect("a ledger");
        ledger.set_next(LANE, 201);
        for number in (1..=200).filter(|number| !missing.contains(number)) {
            assert_eq!(ledger.deliver(id(number), 1), Ok(0));
            ledger.end(id(number)).expect("it is done once");
        }
        ledger
    }

    #[test]
    fn a_ledger_without_losses_balances() {
        let expected = Balance {
            numbered: 200,
            done: 200,
            ..Balance::default()
        };
        assert_eq!(audit(&ledger(&[]), &Doubts::default(), 0), expected);
    }

    #[test]
    fn one_lost_message_is_found() {
        for number in [1, 63, 64, 200] {
            let balance = audit(&ledger(&[number]), &Doubts::default(), 0);
            assert_eq!(balance.faults.len(), 1, "{number}");
            assert!(balance.faults[0].contains(&format!("item {number} of")));
        }
    }

    #[test]
    fn what_the_dead_were_at_is_in_doubt_and_nothing_else() {
        let mut doubts = Doubts::default();
        doubts.add(Undone {
            sends: Some((LANE, 11)),
            receives: true,
            ends: Some(id(64)),
        });
        let balance = audit(&ledger(&[11, 12, 64]), &doubts, 1);
        assert_eq!((balance.unsent, balance.untold, balance.done), (1, 1, 197));
        assert_eq!(balance.faults.len(), 1);
        assert!(balance.faults[0].contains("item 12 of"));
    }

    #[test]
    fn a_delivery_to_nobody_is_found() {
        let balance = audit(&ledger(&[]), &Doubts::default(), 1);
        assert_eq!(balance.faults.len(), 1);
    }

    #[test]
    fn a_message_that_is_done_twice_is_found() {
        let ledger = ledger(&[7]);
        assert!(ledger.end(id(1)).is_err());
        assert!(ledger.deliver(id(1), 2).is_err());
        assert!(ledger.bury(id(1), 1).is_err());
        assert!(ledger.end(id(7)).is_ok());
    }

    #[test]
    fn a_delivery_that_is_not_one_later_is_found() {
        let ledger = ledger(&[7]);
        assert_eq!(ledger.deliver(id(7), 1), Ok(0));
        assert!(ledger.deliver(id(7), 1).is_err());
        assert_eq!(ledger.deliver(id(7), 3), Ok(1));
        assert!(ledger.deliver(id(7), 2).is_err());
    }

    #[test]
    fn a_dead_letter_that_was_not_tried_often_enough_is_found() {
        let ledger = ledger(&[7]);
        assert_eq!(ledger.deliver(id(7), 1), Ok(0));
        assert_eq!(ledger.bury(id(7), 3), Ok(2));
        ledger.reject(id(7)).expect("it was sent");
        assert_eq!(ledger.bury(id(7), 3), Ok(0));
    }

    #[test]
    fn a_message_that_nobody_sent_is_found() {
        let ledger = ledger(&[]);
        assert!(ledger.deliver(id(201), 1).is_err());
        assert!(ledger.deliver(id(0), 1).is_err());
        ledger.turn_over().expect("the file can be cut");
        assert!(ledger.deliver(id(1), 1).is_err());
        assert_eq!(audit(&ledger, &Doubts::default(), 0), Balance::default());
    }
}
