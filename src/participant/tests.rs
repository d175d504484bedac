//! What plain tests of one process share: the [`Liveness`] that they ask, two tags, and a
//! deadline.

use core::time::Duration;

use super::{Liveness, Tag};
use crate::facade::Deadline;

/// The number of participants that the segments of these tests can have.
pub(crate) const PARTICIPANTS: u32 = 8;

/// A liveness in which all are alive, all are dead, or one is dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestLiveness {
    all_alive: bool,
    dead: Option<Tag>,
    is_member: bool,
    /// The caller, if it is not [`me`].
    caller: Option<Tag>,
}

pub(crate) const ALIVE: TestLiveness = TestLiveness {
    caller: None,
    all_alive: true,
    dead: None,
    is_member: true,
};
pub(crate) const DEAD: TestLiveness = TestLiveness {
    all_alive: false,
    ..ALIVE
};
/// All are alive, and the caller has lost its membership.
pub(crate) const NOT_MEMBER: TestLiveness = TestLiveness {
    is_member: false,
    ..ALIVE
};

impl TestLiveness {
    /// Returns a liveness in which `dead` alone is dead.
    pub(crate) fn without(dead: Tag) -> Self {
        let dead = Some(dead);
        Self { dead, ..ALIVE }
    }

    /// Returns the same liveness, as the participant `caller` is told.
    pub(crate) fn of(self, caller: Tag) -> Self {
        let caller = Some(caller);
        Self { caller, ..self }
    }
}

impl Liveness for TestLiveness {
    fn me(&self) -> Tag {
        self.caller.unwrap_or_else(me)
    }
    fn is_alive(&self, tag: Tag) -> bool {
        self.all_alive && self.dead != Some(tag)
    }
    fn is_member(&self) -> bool {
        self.is_member
    }
    fn participants(&self) -> u32 {
        PARTICIPANTS
    }
}

/// The tag of the caller.
pub(crate) fn me() -> Tag {
    Tag::new(0, 1).unwrap()
}

/// The tag of another participant.
pub(crate) fn other() -> Tag {
    Tag::new(1, 7).unwrap()
}

/// A deadline that passes at once, or nearly so.
pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(1))
}
