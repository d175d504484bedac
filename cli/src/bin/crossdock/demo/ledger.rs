//! The number of times that each message was processed: once, or there is an error.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

/// The record of each message.
pub(crate) struct Ledger {
    done: HashMap<String, u32>,
    /// The number of processed messages that were never sent.
    strange: u32,
    redelivered: u32,
}

/// The result of a demo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) demo: &'static str,
    /// The number of messages to send.
    pub(crate) messages: u64,
    /// The number of messages processed at least once.
    pub(crate) done: u64,
    /// The number of messages never processed.
    pub(crate) missing: u64,
    /// The number of times that a message was processed again, or without having been sent.
    pub(crate) doubled: u64,
    /// The number of acknowledged messages.
    pub(crate) acknowledged: u64,
    /// The number of dead letters.
    pub(crate) dead_letters: u64,
    /// The number of workers killed while they held a message.
    pub(crate) killed: u32,
    /// The number of messages processed at a later attempt than the first.
    pub(crate) redelivered: u32,
    /// Whether nothing was pending at the end.
    pub(crate) idle: bool,
}

impl Ledger {
    pub(crate) fn new(messages: &[String]) -> Self {
        let none = |message: &String| (message.clone(), 0);
        Self {
            done: messages.iter().map(none).collect(),
            strange: 0,
            redelivered: 0,
        }
    }

    pub(crate) fn note(&mut self, message: &str, attempt: u8) {
        match self.done.get_mut(message) {
            Some(times) => *times += 1,
            None => self.strange += 1,
        }
        self.redelivered += u32::from(attempt > 1);
    }

    /// Returns the result; unknown numbers are zero.
    pub(crate) fn outcome(&self) -> Outcome {
        let count = |times: fn(u32) -> u32| -> u64 {
            self.done.values().map(|done| u64::from(times(*done))).sum()
        };
        Outcome {
            demo: "",
            messages: self.done.len() as u64,
            done: count(|times| times.min(1)),
            missing: count(|times| u32::from(times == 0)),
            doubled: count(|times| times.saturating_sub(1)) + u64::from(self.strange),
            acknowledged: 0,
            dead_letters: 0,
            killed: 0,
            redelivered: self.redelivered,
            idle: false,
        }
    }
}

impl Outcome {
    /// Returns whether each message was processed and acknowledged exactly once, and other workers
    /// completed the messages of those that were killed.
    pub(crate) fn is_exact(&self) -> bool {
        self.idle
            && (self.missing, self.doubled, self.dead_letters) == (0, 0, 0)
            && self.acknowledged == self.messages
            && self.redelivered == self.killed
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} messages {} done, {} acknowledged, {} missing, {} done again, {} given up; \
             {} killed, {} delivered again{}",
            self.messages,
            self.done,
            self.acknowledged,
            self.missing,
            self.doubled,
            self.dead_letters,
            self.killed,
            self.redelivered,
            if self.idle { "" } else { "; not idle" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger of two messages of which these were done, at these attempts.
    fn after(done: &[(&str, u8)]) -> Outcome {
        let mut ledger = Ledger::new(&["a".to_owned(), "b".to_owned()]);
        for (message, attempt) in done {
            ledger.note(message, *attempt);
        }
        Outcome {
            acknowledged: 2,
            idle: true,
            ..ledger.outcome()
        }
    }

    #[test]
    fn once_each_is_exact() {
        let outcome = after(&[("b", 1), ("a", 1)]);
        assert_eq!((outcome.messages, outcome.done), (2, 2));
        assert!(outcome.is_exact(), "{outcome}");
    }

    #[test]
    fn what_is_missing_done_twice_or_strange_is_not() {
        for (done, missing, doubled) in [
            (&[("a", 1)][..], 1, 0),
            (&[("a", 1), ("a", 1), ("b", 1)], 0, 1),
            (&[("a", 1), ("b", 1), ("c", 1)], 0, 1),
            (&[("a", 1), ("a", 1)], 1, 1),
        ] {
            let outcome = after(done);
            assert_eq!((outcome.missing, outcome.doubled), (missing, doubled));
            assert!(!outcome.is_exact(), "{outcome}");
        }
    }

    #[test]
    fn what_a_killed_one_had_in_hand_is_done_at_another_attempt() {
        let outcome = after(&[("a", 2), ("b", 1)]);
        assert!(!outcome.is_exact(), "no worker was killed: {outcome}");
        let killed = Outcome {
            killed: 1,
            ..outcome
        };
        assert!(killed.is_exact(), "{killed}");
    }

    #[test]
    fn what_is_not_acknowledged_or_given_up_is_not_exact() {
        let exact = after(&[("a", 1), ("b", 1)]);
        for outcome in [
            Outcome {
                acknowledged: 1,
                ..exact.clone()
            },
            Outcome {
                dead_letters: 1,
                ..exact.clone()
            },
            Outcome {
                idle: false,
                ..exact
            },
        ] {
            assert!(!outcome.is_exact(), "{outcome}");
        }
    }
}
