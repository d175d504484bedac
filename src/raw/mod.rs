//! The algorithms, over borrowed state: what runs in a segment and under loom alike.
//!
//! Nothing here knows of files, mappings, threads or syscalls. Who is alive comes in through
//! [`Peers`] and [`ByteLocks`]; everything shared is reached through the facade.

mod arena;
pub(crate) mod counter;
pub(crate) mod directory;
pub(crate) mod mutex;
#[cfg(not(loom))]
pub(crate) mod recover;
pub(crate) mod registry;
pub(crate) mod sharded;
#[cfg(all(test, loom))]
mod stage;

use crate::layout::Tag;

/// What a waiting or helping process must know of the others.
pub(crate) trait Peers {
    /// Whether the process with this tag is still a participant. One's own tag always is.
    /// Never errs to dead: only the kernel says that somebody is.
    fn is_alive(&self, tag: Tag) -> bool;

    /// Whether one's own membership still stands; false when other code of this process has closed
    /// the descriptor that holds it, so that others take this process for dead.
    fn am_alive(&self) -> bool;

    /// How many participants the segment can have; tags of higher indices are garbage.
    fn participants(&self) -> u32;
}

/// The list of seeded bugs and the model that each must break, for `cargo xtask models`.
#[cfg(all(test, loom))]
pub(crate) mod mutants {
    #[test]
    fn list_mutants() {
        let rooms = [
            super::mutex::tests::MUTANTS,
            super::registry::tests::MUTANTS,
            super::directory::tests::MUTANTS,
            super::counter::tests::MUTANTS,
        ];
        for (number, model, what) in rooms.into_iter().flatten() {
            println!("mutant {number} {model} {what}");
        }
    }
}
