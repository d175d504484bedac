//! Waiting for a change beside other sources.

use std::fmt;

use super::store::Store;
use super::words::ObjectWords;
use crate::facade::WaitHistory;
use crate::segment::{Fault, HoldUse, Waitable, waitable};
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source, SourceRef};

/// A wait for a change of an object, for [`wait_any`](crate::queue::wait_any), beside queues, other
/// objects and processes: from [`Dict::until_changed`](crate::Dict::until_changed), the same of the
/// other objects, and [`Shared::until_newer`](crate::Shared::until_newer).
///
/// It is ready from the change on for good: make another one to wait for the next change. It is
/// ready, too, when the object was removed from its manager, as the next operation says, and when
/// the object has grown.
///
/// # Examples
///
/// ```
/// use crossdock::queue::{Queue, wait_any};
/// use crossdock::{Segment, Shared};
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Queue<u32>>("orders", 8)?;
/// let config = segment.create::<Shared<String>>("config", "slow".to_owned())?;
/// let (_, version) = config.load_versioned()?;
/// config.store(&"fast".to_owned())?;
/// assert_eq!(wait_any(&[&orders, &config.until_newer(version)])?, 1);
/// assert_eq!(config.load()?, "fast");
/// # Ok::<(), crossdock::Error>(())
/// ```
#[must_use = "it waits when it is told to"]
pub struct UntilChanged<'a> {
    store: &'a Store,
    /// What the object was when the wait began, and what keeps its room for the event.
    words: &'a ObjectWords,
    generation: u32,
    _used: Option<HoldUse<'a>>,
    /// The number of changes, or of the value that there is, which it is to be another than.
    since: Since,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    Changes(u64),
    Version(u64),
}

impl<'a> UntilChanged<'a> {
    pub(super) fn new(store: &'a Store, since: Since) -> Self {
        let (words, generation) = store.newest();
        Self {
            store,
            words,
            generation,
            _used: words.hold().and_then(|hold| hold.enter()),
            since,
        }
    }

    /// Returns whether the object was changed, has grown, or was removed from its manager. Never
    /// blocks.
    pub fn is_changed(&self) -> bool {
        if self.store.ensure_live().is_err() || self.store.newest().1 != self.generation {
            return true;
        }
        match self.since {
            Since::Changes(changes) => self.store.changes() != changes,
            Since::Version(version) => self.store.version() != Some(version),
        }
    }
}

impl Source for UntilChanged<'_> {
    fn is_ready(&self) -> bool {
        self.is_changed()
    }

    fn event(&self) -> &EventCount {
        self.words.state.state().event()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(self.store.history_of_several())
    }

    fn progress(&self) -> u64 {
        self.words.state.state().changes()
    }

    /// A notification wakes all.
    fn is_shared(&self) -> bool {
        false
    }

    /// As a waiter for one object does: a writer may have died behind its commit.
    fn reap_dead(&self) -> Result<(), NotMember> {
        self.store.reap_dead()
    }
}

impl waitable::HasSource for UntilChanged<'_> {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self, why: NotMember) -> Option<Fault> {
        self.store.lost(why)
    }
}

impl Waitable for UntilChanged<'_> {}

/// Never blocks.
impl fmt::Debug for UntilChanged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilChanged")
            .field("since", &self.since)
            .field("is_changed", &self.is_changed())
            .finish()
    }
}
