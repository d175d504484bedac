//! The audit: every message that was sent is done, but for those that died with somebody.

use std::collections::HashSet;

use super::desk::Undone;
use super::ledger::Ledger;

/// What the dead of a round have left in doubt: at most what each was at when it died.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    sends: HashSet<(usize, u32)>,
    ends: HashSet<(usize, u32)>,
    /// How many may have died with a delivery that they had not noted.
    receives: u64,
}

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Numbers that were given out.
    pub(crate) numbered: u64,
    pub(crate) done: u64,
    /// Not done, because their sender was killed while it sent them.
    pub(crate) unsent: u64,
    /// Not known to be done, because whoever did them was killed before it could say so.
    pub(crate) untold: u64,
    /// What must not be, such as messages that are not done and that nobody died with.
    pub(crate) faults: Vec<String>,
}

/// How many lost messages are named.
const NAMED: usize = 10;

impl Doubts {
    /// What a worker has left that is gone for good.
    pub(crate) fn add(&mut self, undone: Undone) {
        self.sends.extend(undone.sends);
        let ends = undone.ends.map(|id| (usize::from(id.lane), id.number));
        self.ends.extend(ends);
        self.receives += u64::from(undone.receives);
    }
}

/// Balances a round that is over and drained, in which deliveries that nobody noted were found.
pub(crate) fn audit(ledger: &Ledger, doubts: &Doubts, unnoted: u64) -> Balance {
    let mut balance = Balance {
        numbered: ledger.given_out(),
        ..Balance::default()
    };
    let mut lost = 0;
    for lane in 0..ledger.numbering().lanes() {
        for number in ledger.missing(lane) {
            if doubts.sends.contains(&(lane, number)) {
                balance.unsent += 1;
            } else if doubts.ends.contains(&(lane, number)) {
                balance.untold += 1;
            } else {
                lost += 1;
                if balance.faults.len() < NAMED {
                    let line = ledger.numbering().line_of(lane);
                    balance.faults.push(format!(
                        "item {number} of lane {lane}, in line {line}, was sent and never done"
                    ));
                }
            }
        }
    }
    if lost > balance.faults.len() as u64 {
        let said = format!("{lost} messages were lost in all");
        balance.faults.push(said);
    }
    if unnoted > doubts.receives {
        balance.faults.push(format!(
            "{unnoted} deliveries went to nobody, and {} died when they received",
            doubts.receives
        ));
    }
    balance.done = balance.numbered - balance.unsent - balance.untold - lost;
    balance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::queues::item::Id;

    const LANE: usize = 2;

    fn id(number: u32) -> Id {
        Id {
            round: 0,
            lane: u16::try_from(LANE).expect("small"),
            number,
        }
    }

    /// A ledger in which 1 to 200 of one lane were sent, and all but those in `missing` are done.
    fn ledger(missing: &[u32]) -> Ledger {
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
