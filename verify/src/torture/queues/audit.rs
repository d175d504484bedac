//! The audit: every item that was sent has arrived, but for those that died with a process.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::notes::{ItemNotes, Undone};
use crate::torture::traffic::item::Id;
use crate::torture::traffic::{Balance, Doubt, Ledger};

/// What the dead of a round have left in doubt: at most what each was at when it died.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// By lane: the numbers that a process was sending, one after the other.
    sends: BTreeMap<usize, Vec<Range<u32>>>,
    hands: HashSet<(usize, u32)>,
}

impl Doubts {
    /// What a worker has left that is gone for good.
    pub(crate) fn add(&mut self, undone: Undone, ledger: &Ledger<ItemNotes>) {
        if let Some((lane, first, count)) = undone.sends
            && lane < ledger.numbering().lanes()
        {
            // It may have been killed before it took the numbers, or when it had given some back.
            let after = ledger.next(lane).min(first + count);
            self.sends.entry(lane).or_default().push(first..after);
        }
        let hand = undone.hand.into_iter();
        self.hands
            .extend(hand.map(|Id { lane, number, .. }| (usize::from(lane), number)));
    }

    /// The numbers beside which a number was being sent.
    fn being_sent(&self, lane: usize, number: u32) -> Option<&Range<u32>> {
        let sends = self.sends.get(&lane).map_or(&[][..], Vec::as_slice);
        sends.iter().find(|range| range.contains(&number))
    }
}

/// Balances a round that is over and drained.
pub(crate) fn audit(ledger: &Ledger<ItemNotes>, doubts: &Doubts) -> Balance {
    let missing = |lane| ledger.missing(lane);
    Balance::of(ledger, missing, |lane, missing, at| {
        let number = missing[at];
        // What is sent one after the other is cut off at one place: all after it is missing.
        let is_cut_off = |range: &Range<u32>| {
            let rest = missing[at..].iter();
            let rest = rest.take_while(|number| range.contains(number)).count();
            rest as u64 == u64::from(range.end - number)
        };
        if doubts.being_sent(lane, number).is_some_and(is_cut_off) {
            Doubt::Unsent
        } else if doubts.hands.contains(&(lane, number)) {
            Doubt::Untold
        } else {
            Doubt::Lost
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::queues::ledger::Arrival;

    const LANE: usize = 2;

    fn id(number: u32) -> Id {
        Id {
            round: 0,
            lane: u16::try_from(LANE).expect("small"),
            number,
        }
    }

    /// A ledger in which 1 to 200 of one lane were sent, and all but those in `missing` arrived.
    fn ledger(missing: &[u32]) -> Ledger<ItemNotes> {
        let ledger = Ledger::create(3).expect("a ledger");
        ledger.set_next(LANE, 201);
        for number in (1..=200).filter(|number| !missing.contains(number)) {
            assert_eq!(ledger.arrive(id(number)), Arrival::First);
        }
        ledger
    }

    #[test]
    fn a_ledger_without_losses_balances() {
        let balance = audit(&ledger(&[]), &Doubts::default());
        let expected = Balance {
            numbered: 200,
            done: 200,
            ..Balance::default()
        };
        assert_eq!(balance, expected);
    }

    #[test]
    fn one_lost_item_is_found() {
        for number in [1, 63, 64, 128, 200] {
            let balance = audit(&ledger(&[number]), &Doubts::default());
            assert_eq!(balance.faults.len(), 1, "{number}");
            assert!(balance.faults[0].contains(&format!("item {number} of")));
        }
    }

    fn doubts(undone: Undone, ledger: &Ledger<ItemNotes>) -> Doubts {
        let mut doubts = Doubts::default();
        doubts.add(undone, ledger);
        doubts
    }

    #[test]
    fn what_the_dead_were_at_is_in_doubt_and_nothing_else() {
        let ledger = ledger(&[11, 12, 64]);
        let undone = Undone {
            sends: Some((LANE, 10, 2)),
            hand: vec![id(64)],
        };
        let balance = audit(&ledger, &doubts(undone, &ledger));
        assert_eq!((balance.unsent, balance.untold), (1, 1));
        assert_eq!(balance.faults.len(), 1);
        assert!(balance.faults[0].contains("item 12 of"));
        assert_eq!(balance.done, 197);
    }

    #[test]
    fn a_batch_is_cut_off_at_one_place() {
        let undone = || Undone {
            sends: Some((LANE, 10, 8)),
            hand: vec![],
        };
        let cut_off = ledger(&[15, 16, 17]);
        let balance = audit(&cut_off, &doubts(undone(), &cut_off));
        assert_eq!((balance.unsent, balance.faults.len()), (3, 0));
        let lost = ledger(&[12, 16, 17]);
        let balance = audit(&lost, &doubts(undone(), &lost));
        assert_eq!((balance.unsent, balance.faults.len()), (2, 1));
        assert!(balance.faults[0].contains("item 12 of"));
    }

    #[test]
    fn numbers_that_were_not_taken_are_not_in_doubt() {
        let ledger = ledger(&[]);
        let undone = Undone {
            sends: Some((LANE, 201, 1)),
            hand: vec![],
        };
        let doubts = doubts(undone, &ledger);
        ledger.set_next(LANE, 202);
        assert_eq!(audit(&ledger, &doubts).faults.len(), 1);
    }

    #[test]
    fn a_doubled_item_is_found() {
        let ledger = ledger(&[]);
        assert_eq!(ledger.arrive(id(200)), Arrival::Again);
        assert_eq!(ledger.arrive(id(1)), Arrival::Again);
    }

    #[test]
    fn an_item_that_nobody_sent_is_found() {
        let ledger = ledger(&[]);
        assert_eq!(ledger.arrive(id(201)), Arrival::Unknown);
        assert_eq!(ledger.arrive(id(0)), Arrival::Unknown);
        ledger.turn_over().expect("the file can be cut");
        assert_eq!(ledger.arrive(id(1)), Arrival::Unknown);
    }

    #[test]
    fn a_new_round_begins_with_nothing() {
        let ledger = ledger(&[5]);
        ledger.turn_over().expect("the file can be cut");
        assert_eq!(audit(&ledger, &Doubts::default()), Balance::default());
    }
}
