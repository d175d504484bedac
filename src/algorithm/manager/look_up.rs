//! Finding objects while they come, go and grow.
//!
//! # State
//!
//! That of [`manager`](super).
//!
//! # Protocol
//!
//! Look at each record. One that is GROWN stands for the one that it takes the place of while that
//! is LIVE; if that has MOVED, it becomes LIVE. If nothing was found: once more, if growths were
//! counted meanwhile, or what was found could not be held.
//!
//! # Crash
//!
//! Nothing is left but a hold, as in [`manager`](super).
//!
//! # Ordering
//!
//! (H2) of [`growth`](super::growth).

use super::{
    GROWN, HeldObject, HoldError, LIVE, Manager, ObjectNumber, ObjectRef, ObjectWord, hash_of,
};
use crate::facade::{Ordering, mutation};
use crate::format::Name;
use crate::participant::{Liveness, Tag};

/// Which object is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Name(Name),
    Number(ObjectNumber),
}

impl<'a> Manager<'a> {
    /// Returns a live object, held; `Removed` if there is none.
    pub(crate) fn open(
        self,
        wanted: Wanted,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<HeldObject, HoldError> {
        self.while_growing(|| {
            let mut is_missed = false;
            for object in self.objects(Some(wanted)) {
                let held = match self.open_at(object, me, peers) {
                    Err(HoldError::Removed) => {
                        is_missed = true;
                        continue;
                    }
                    held => held?,
                };
                let is_it = match wanted {
                    Wanted::Name(name) => held.record.name == name,
                    Wanted::Number(number) => held.number == number,
                };
                if is_it {
                    return Ok(Ok(held));
                }
                self.release(held.object.index, me);
            }
            Ok(Err(is_missed))
        })
    }

    /// Returns whether there is a live object of that number. The answer may be stale when it is
    /// returned.
    pub(crate) fn has(self, number: ObjectNumber) -> bool {
        let found = self.while_growing(|| {
            let wanted = Wanted::Number(number);
            let mut found = self.objects(Some(wanted));
            Ok(found.next().ok_or(false))
        });
        found.is_ok()
    }

    /// Calls `look` until it finds what it looks for, or no growth was in the way: it returns what
    /// it found, or whether it missed something.
    fn while_growing<R>(
        self,
        mut look: impl FnMut() -> Result<Result<R, bool>, HoldError>,
    ) -> Result<R, HoldError> {
        loop {
            // ORDERING: Acquire; (H2).
            let growths = || self.state.growths().load(Ordering::Acquire);
            let before = growths();
            match look()? {
                Ok(found) => return Ok(found),
                Err(false) if growths() == before || mutation(887) => {
                    return Err(HoldError::Removed);
                }
                Err(_) => {}
            }
        }
    }

    /// The objects that are live when they are returned, all or those that may be wanted; one may
    /// come twice while it grows.
    pub(crate) fn objects(self, wanted: Option<Wanted>) -> impl Iterator<Item = ObjectRef> + 'a {
        let hash = match wanted {
            Some(Wanted::Name(name)) => Some(hash_of(name)),
            _ => None,
        };
        (0..self.count()).filter_map(move |index| {
            let object = self.stands_for(index)?;
            let head = self.head(object.index)?;
            // ORDERING: Relaxed; (G3) orders it, and the name is compared when it is held.
            let is_named = hash.is_none_or(|hash| hash == head[1].load(Ordering::Relaxed));
            let is_wanted = match wanted {
                Some(Wanted::Number(number)) => {
                    number == self.number(object) && !self.is_removed(object)
                }
                _ => is_named,
            };
            is_wanted.then_some(object)
        })
    }

    /// The object that a record is, or is to take the place of.
    fn stands_for(self, index: u32) -> Option<ObjectRef> {
        let word = self.word(index);
        let it = |index, word: ObjectWord| ObjectRef {
            index,
            word: word.first_attempt(),
        };
        match word.state() {
            LIVE => Some(it(index, word)),
            GROWN => match self.settled(index, word)? {
                Ok(live) => Some(it(index, live)),
                Err(before) => Some(before),
            },
            _ => None,
        }
    }

    /// Returns a live object, held, and its record.
    pub(super) fn open_at(
        self,
        object: ObjectRef,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<HeldObject, HoldError> {
        self.hold(object, me, peers)?;
        match self.record(object.index) {
            Ok(record) => Ok(HeldObject {
                object,
                number: self.number(object),
                record,
            }),
            Err(error) => {
                self.release(object.index, me);
                Err(error)
            }
        }
    }

    /// Calls `each` with the number and the record of each live object, which `me` holds meanwhile;
    /// one may come twice while it grows.
    pub(crate) fn each(
        self,
        me: Tag,
        peers: &impl Liveness,
        mut each: impl FnMut(&HeldObject),
    ) -> Result<(), HoldError> {
        for object in self.objects(None) {
            match self.open_at(object, me, peers) {
                Ok(held) => {
                    each(&held);
                    self.release(object.index, me);
                }
                Err(HoldError::Removed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
