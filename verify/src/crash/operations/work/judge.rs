//! What must hold of the messages when all processes are done, or dead.

use super::place::{Done, Got, Kind, Place, SLEEPERS};
use super::verb::{FIRST, NONE, Told, Verb};
use super::{Seen, Working};
use crate::crash::operation::Scene;

impl<Q: Kind> Working<Q> {
    /// Judges all messages that were delivered; `code` is what the victim ended with, if it did.
    pub(super) fn judge(&self, place: &Place<Q>, seen: &Seen, code: Option<u8>, scene: &mut Scene) {
        let verb = self.verb;
        let ours = self.all(seen);
        let all = [&ours[..], verb.sends()].concat();
        let got: Vec<Got> = seen.got.iter().chain(&seen.woken).copied().collect();
        let told = code.and_then(Told::from_code);
        let said = format!("{got:?} of {all:?}, and the victim told of {told:?}");
        if code.is_some_and(|code| code != NONE && told.is_none()) {
            scene.lost(format!("the victim failed: {said}"));
        }
        for one in &got {
            if !all.contains(&one.item) {
                scene.duplicated(format!("message {} was never sent: {said}", one.item));
            }
        }
        let mut unknown = 0;
        let mut missing = Vec::new();
        for item in &all {
            let of_item = |got: &&Got| got.item == *item;
            let ends = got.iter().filter(of_item);
            let ends = ends.filter(|got| got.done != Done::Nacked).count();
            match ends {
                0 => missing.push(*item),
                1 => {}
                _ => scene.duplicated(format!("message {item} was done {ends} times: {said}")),
            }
            let mut attempts: Vec<u8> = got
                .iter()
                .filter(of_item)
                .filter(|got| got.done != Done::Letter)
                .map(|got| got.attempt)
                .collect();
            let delivered = verb.delivered(*item);
            // What the victim had: from its first step on, or by its own word.
            if verb.holds() && *item == FIRST {
                attempts.push(delivered + 1);
            } else if verb.takes() > 0
                && let Some(told) = told.filter(|told| told.item == *item)
            {
                attempts.push(told.attempt);
            }
            attempts.sort_unstable();
            unknown += holes(&attempts, delivered).unwrap_or_else(|| {
                scene.duplicated(format!("deliveries {attempts:?} of {item}: {said}"));
                0
            });
        }
        let may_have_died_with_one = code.is_none() && verb.takes() > 0;
        if unknown > usize::from(may_have_died_with_one) {
            scene.lost(format!("{unknown} deliveries to no receiver: {said}"));
        }
        let arrived = missing.iter().all(|item| !verb.sends().contains(item));
        missing.retain(|item| !verb.sends().contains(item));
        let delayed = verb.delays() && missing.contains(&FIRST);
        if delayed {
            missing.retain(|item| *item != FIRST);
            scene.outcome("delayed");
            if place.queue.is_idle() {
                scene.lost(format!("{FIRST} is delayed, and the queue idle: {said}"));
            }
        } else if verb.delays() && code.is_some() {
            scene.duplicated(format!("{FIRST} was delayed, and came: {said}"));
        }
        self.sent(arrived, code, &said, scene);
        self.done(&missing, told, code, &said, scene);
        self.letters(&got, &missing, code, &said, scene);
        if code.is_none()
            && let Some(committed) = self.committed(place, scene)
        {
            let rejected = got.iter().any(|got| got.done == Done::Letter);
            let made = match verb {
                Verb::Reject => rejected,
                verb if verb.delays() => delayed,
                verb if verb.acks() => !missing.is_empty(),
                // A process that died with it is shown by the delivery that no other process had.
                verb if verb.takes() > 0 => unknown > 0,
                _ => arrived,
            };
            if made && !committed {
                scene.lost(format!(
                    "killed before its commit, and it took effect: {said}"
                ));
            } else if !made && committed {
                scene.duplicated(format!("killed after its commit, and it is undone: {said}"));
            }
        }
        in_order(seen, verb, &said, scene);
    }

    /// The message of the victim.
    fn sent(&self, arrived: bool, code: Option<u8>, said: &str, scene: &mut Scene) {
        if self.verb.sends().is_empty() {
            return;
        }
        match code {
            None if arrived => scene.outcome("sent"),
            None => scene.outcome("not sent"),
            Some(NONE) if arrived => {
                scene.duplicated(format!("it arrived, and was not sent: {said}"));
            }
            Some(NONE) if self.verb != Verb::TrySendFull => {
                scene.lost(format!("the victim could not send: {said}"));
            }
            Some(code) if code != NONE && !arrived => {
                scene.lost(format!("it was sent, and never arrived: {said}"));
            }
            Some(_) => {}
        }
    }

    /// Messages that others have not done: the victim has, or was killed when it did so.
    fn done(
        &self,
        missing: &[u64],
        told: Option<Told>,
        code: Option<u8>,
        said: &str,
        scene: &mut Scene,
    ) {
        let acks = self.verb.acks();
        if code.is_none() {
            if missing.len() > usize::from(acks) {
                scene.lost(format!("{missing:?} never came: {said}"));
            }
            if acks {
                scene.outcome(match missing {
                    [] => "comes again",
                    _ => "acknowledged",
                });
            }
            return;
        }
        let acked = told.filter(|_| acks).map(|told| told.item);
        if acks && acked.is_none() {
            scene.lost(format!("the victim acknowledged nothing: {said}"));
        }
        for item in missing.iter().filter(|item| acked != Some(**item)) {
            scene.lost(format!("{item} never came: {said}"));
        }
        if let Some(item) = acked.filter(|item| !missing.contains(item)) {
            scene.duplicated(format!("{item} was acknowledged, and came again: {said}"));
        }
    }

    /// Dead letters are the first message, where it was rejected or had its last attempt, and no
    /// other.
    fn letters(
        &self,
        got: &[Got],
        missing: &[u64],
        code: Option<u8>,
        said: &str,
        scene: &mut Scene,
    ) {
        let is_letter = |got: &&Got| got.done == Done::Letter;
        let letters: Vec<u64> = got.iter().filter(is_letter).map(|got| got.item).collect();
        let rejects = self.verb == Verb::Reject;
        let may_be = rejects || self.verb.ends_buried();
        let must_be =
            (rejects && code.is_some()) || (self.verb.ends_buried() && !missing.contains(&FIRST));
        match &letters[..] {
            [] if must_be => scene.lost(format!("there is no dead letter: {said}")),
            [] => {}
            [FIRST] if may_be => scene.outcome("buried"),
            _ => scene.duplicated(format!("dead letters {letters:?}: {said}")),
        }
    }
}

/// How many deliveries of a message are unknown, after so many before all; `None` if one of those
/// that are known was there twice.
fn holes(attempts: &[u8], delivered: u8) -> Option<usize> {
    let is_new = attempts.first().is_none_or(|first| *first > delivered);
    if !is_new || attempts.windows(2).any(|two| two[0] == two[1]) {
        return None;
    }
    let last = attempts.last().copied().unwrap_or(delivered);
    Some(usize::from(last - delivered) - attempts.len())
}

/// What comes for the first time comes in the order in which it was sent.
fn in_order(seen: &Seen, verb: Verb, said: &str, scene: &mut Scene) {
    let ours: Vec<u64> = verb.before().iter().chain(&seen.sent).copied().collect();
    let places = seen
        .got
        .iter()
        .filter(|got| got.attempt == 1 && got.done != Done::Letter && got.item != SLEEPERS)
        .filter_map(|got| ours.iter().position(|item| *item == got.item));
    if !places.is_sorted() {
        scene.duplicated(format!("out of order: {said}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_that_nobody_had_are_counted() {
        assert_eq!(holes(&[], 0), Some(0));
        assert_eq!(holes(&[1, 2], 0), Some(0));
        assert_eq!(holes(&[1, 3], 0), Some(1));
        assert_eq!(holes(&[3], 1), Some(1));
    }

    #[test]
    fn a_delivery_that_came_twice_is_found() {
        assert_eq!(holes(&[1, 1], 0), None);
        assert_eq!(holes(&[1], 1), None);
    }
}
