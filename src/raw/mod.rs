//! The algorithms, over borrowed state: what runs in a segment and under loom alike.
//!
//! Nothing here knows of files, mappings, threads or syscalls. Who is alive comes in through
//! [`Peers`] and [`ByteLocks`]; everything shared is reached through the facade.

mod arena;
pub(crate) mod counter;
pub(crate) mod directory;
pub(crate) mod element;
pub(crate) mod index;
pub(crate) mod leases;
pub(crate) mod mutex;
pub(crate) mod registry;
pub(crate) mod rwlock;
pub(crate) mod sharded;
#[cfg(all(test, loom))]
pub(crate) mod stage;

use crate::facade::AtomicU64;
use crate::layout::Tag;

/// What a waiting or helping process must know of the others.
pub(crate) trait Peers {
    /// Whether the process with this tag is still a participant. One's own tag always is.
    /// Never errs to dead: only the kernel says that somebody is.
    fn is_alive(&self, tag: Tag) -> bool;

    /// Whether one's own membership still stands; false when other code of this process has unmapped
    /// what holds it, so that others take this process for dead, or closed what it asks through.
    fn am_alive(&self) -> bool;

    /// The asking process is about to sleep until `tag` does something, or dies: whoever can tell it
    /// of that sooner than its slice ends is to know.
    fn sleeps_for(&self, _tag: Tag) {}

    /// Gives back what dead participants hold, unless somebody did so within the last slice, as
    /// `last` says, and it is not `urgent`. Whether it did.
    fn reap(&self, _last: &AtomicU64, _urgent: bool) -> bool {
        false
    }

    /// Whether this can say who is a [`stranger`](Self::is_stranger).
    const KNOWS_STRANGERS: bool = false;

    /// Whether `tag` is in no registry any more: its owner was reaped, or never was. Asks nobody.
    fn is_stranger(&self, _tag: Tag) -> bool {
        false
    }

    /// How many participants the segment can have; tags of higher indices are garbage.
    fn participants(&self) -> u32;
}
