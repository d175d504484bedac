//! Waiting for a change beside other sources.

use std::fmt;

use super::store::Store;
use crate::facade::WaitHistory;
use crate::segment::{Fault, Waitable, waitable};
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source, SourceRef};

/// A wait for a change of an object, for [`wait_any`](crate::queue::wait_any), beside queues, other
/// objects and processes: from [`Dict::until_changed`](crate::Dict::until_changed), the same of the
/// other objects, and [`Shared::until_newer`](crate::Shared::until_newer).
///
/// It is ready from the change on for good: make another one to wait for the next change. It is
/// ready, too, when the object was removed from its manager, as the next operation says.
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
        Self { store, since }
    }

    /// Returns whether the object was changed, or removed from its manager. Never blocks.
    pub fn is_changed(&self) -> bool {
        let Ok(blocks) = self.store.live() else {
            return true;
        };
        match self.since {
            Since::Changes(changes) => blocks.state.changes() != changes,
            Since::Version(version) => self.store.version() != Some(version),
        }
    }
}

impl Source for UntilChanged<'_> {
    fn is_ready(&self) -> bool {
        self.is_changed()
    }

    fn event(&self) -> &EventCount {
        self.store.blocks().state.event()
    }

    fn history(&self) -> Option<&WaitHistory> {
        Some(self.store.history_of_several())
    }

    fn progress(&self) -> u64 {
        self.store.blocks().state.changes()
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
