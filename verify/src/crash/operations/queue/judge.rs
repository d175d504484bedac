//! What must hold of the items when all processes are done, or dead.

use super::verb::{AGAIN, NONE, Verb, bit};
use super::{Queueing, Seen};
use crate::crash::operation::{Fate, Scene};
use crate::crash::operations::queue::place::Dead;

impl Queueing {
    /// Judges all items that were received; `code` is what the victim ended with, if it did.
    pub(super) fn judge(&self, seen: &Seen, code: Option<u8>, scene: &mut Scene) {
        let ours = self.all(seen);
        let mut received: Vec<u64> = seen.got.iter().map(|got| got.item).collect();
        received.extend(seen.woken);
        let all = [&ours[..], self.verb.sends()].concat();
        let said = format!("{:?} and {:?} of {all:?}", seen.got, seen.woken);
        for (at, item) in received.iter().enumerate() {
            if !all.contains(item) {
                scene.duplicated(format!("item {item} was never sent: {said}"));
            } else if received[..at].contains(item) {
                scene.duplicated(format!("item {item} came twice: {said}"));
            }
        }
        let taken = self.taken(&received, &ours, code, scene);
        if let (None, Some(left), true) = (code, scene.left, self.verb.ends_with_its_commit()) {
            let sent = self.verb.sends().iter().any(|item| received.contains(item));
            let committed = left == 0;
            let made = if self.verb.takes() > 0 {
                taken > 0
            } else {
                sent
            };
            if made && !committed {
                scene.lost(format!(
                    "killed before its commit, and it took effect: {said}"
                ));
            } else if !made && committed {
                scene.duplicated(format!("killed after its commit, and it is undone: {said}"));
            }
        }
        self.sent(&received, code, scene);
        self.marks(seen, taken, code, scene);
        for one in [&ours[..], self.verb.sends()] {
            let in_order = seen.got.iter().filter(|got| !got.again);
            let places = in_order.filter_map(|got| one.iter().position(|item| *item == got.item));
            if !places.is_sorted() {
                scene.duplicated(format!("out of order: {said}"));
            }
        }
    }

    /// Items that others did not receive: the victim has, or was killed with them in its hands.
    fn taken(&self, received: &[u64], ours: &[u64], code: Option<u8>, scene: &mut Scene) -> usize {
        let missing = ours.iter().filter(|item| !received.contains(item));
        let missing: Vec<u64> = missing.copied().collect();
        let Some(code) = code else {
            let first = &self.verb.before()[..missing.len().min(self.verb.before().len())];
            if missing.len() > self.verb.takes() {
                scene.lost(format!("{missing:?} never came"));
            } else if scene.fate == Fate::KilledAlone && missing != first {
                scene.lost(format!("{missing:?} never came, and is not the oldest"));
            }
            if self.verb.takes() > 0 {
                scene.outcome(if missing.is_empty() {
                    "not taken"
                } else {
                    "taken"
                });
            }
            return missing.len();
        };
        let told = missing.iter().fold(0, |mask, item| mask | bit(*item));
        let sent = if self.verb.sends().is_empty() {
            0
        } else {
            bit(7)
        };
        let is_told = code & !AGAIN & !sent;
        if is_told != told {
            scene.lost(format!(
                "{missing:?} never came, and the victim told of {is_told:#09b}"
            ));
        }
        if missing.len() < self.verb.takes() && !self.verb.replaces() {
            scene.lost(format!("the victim ended with {missing:?} only"));
        }
        missing.len()
    }

    /// The items of the victim, as far as it has sent them.
    fn sent(&self, received: &[u64], code: Option<u8>, scene: &mut Scene) {
        let sends = self.verb.sends();
        let arrived = sends
            .iter()
            .take_while(|item| received.contains(item))
            .count();
        if sends[arrived..].iter().any(|item| received.contains(item)) {
            scene.lost(format!("of {sends:?} not the first ones arrived"));
        }
        let said = code.is_some_and(|code| code & bit(7) != 0);
        match code {
            None if sends.is_empty() => {}
            None if arrived == sends.len() => scene.outcome("sent"),
            None if arrived == 0 => scene.outcome("not sent"),
            None => scene.outcome("sent in part"),
            Some(_) if said && arrived < sends.len() => {
                scene.lost(format!("{arrived} of {sends:?} arrived, and all were sent"));
            }
            Some(NONE) if arrived > 0 => {
                scene.duplicated(format!("{sends:?} arrived, and was not sent"));
            }
            Some(_) if !said && !sends.is_empty() && self.verb != Verb::TrySendFull => {
                scene.lost("the victim could not send");
            }
            Some(_) => {}
        }
    }

    /// Marked are items over which a process died, and no others.
    fn marks(&self, seen: &Seen, taken: usize, code: Option<u8>, scene: &mut Scene) {
        let marked = seen.got.iter().filter(|got| got.again).count();
        let over_dead = usize::from(self.verb.dead() == Some(Dead::Receiving));
        // A process that replaces the item of the dead has it, and is not told that it came again.
        let cut_off = if over_dead > 0 && self.verb.replaces() {
            bit(self.verb.before()[0])
        } else {
            AGAIN
        };
        let by_victim = usize::from(code.is_some_and(|code| code & cut_off != 0));
        let may_die = code.is_none() && self.verb.takes() > 0;
        // The victim may die over the very item that another has died over.
        let most = over_dead + usize::from(may_die && taken < self.verb.takes()) - by_victim.min(1);
        let least = match code {
            Some(_) => over_dead.saturating_sub(by_victim),
            None if taken > 0 => 0,
            None => over_dead,
        };
        if marked > most {
            scene.duplicated(format!("{:?}: {most} can have been cut off", seen.got));
        } else if marked < least {
            scene.lost(format!("{:?}: one was cut off, and not marked", seen.got));
        }
        if marked > 0 {
            scene.outcome("delivered again");
        }
    }
}
