//! The attachments of this process: one mapping for each segment that it has a handle of, so that
//! it is one participant of the segment, whatever its threads open and drop.
//!
//! # State
//!
//! Private to the process: a table of mappings, and in each mapping how many handles it has.
//!
//! # Protocol
//!
//! - A mapping is in the table from its first handle to its last. The count leaves 0 and returns to
//!   it under the process's own exclusion only, which guards the table as well.
//! - To open is to find the mapping in the table, or to map the segment and look again: another
//!   thread may have been faster, and the fresh mapping is dropped then.
//! - The last handle leaves the segment and removes the mapping from the table under *one*
//!   exclusion. If a thread could look between the two, it would take part through a mapping that
//!   is about to go, or through a second one while the first has not left yet: two participants of
//!   one process either way.
//!
//! # Crash
//!
//! All of it dies with its process. What the process held in the segment is the registry's to
//! repair. A forked child finds the table complete, since a fork waits for the exclusion, and takes
//! no part by it.
//!
//! # Ordering
//!
//! (H1) a handle that goes (Release) pairs with the last one (Acquire): whatever was done through
//! the others comes before the leave. A count of 0 or 1 is ordered by the exclusion.

use core::ops::Deref;

use crate::facade::Ordering::{self, Relaxed};
use crate::facade::{Arc, AtomicU64, Exclusive, Guarded, Weak, exclusive, mutation, ordering};

/// The first mapping of the process; each [`Link`] has the next. Nothing is allocated or freed to
/// find, add or remove one, since a fork waits for the exclusion meanwhile.
pub(crate) type Table<M> = Guarded<Option<Arc<M>>>;

/// A mapping of a segment, which the handles of a process share.
pub(crate) trait Shared: Sized + 'static {
    /// What tells one segment from another.
    type Id: Copy + PartialEq;

    /// The table of this process.
    fn table() -> &'static Table<Self>;

    fn id(&self) -> Self::Id;

    /// The place of the mapping in the table.
    fn link(&self) -> &Link<Self>;

    /// Ends this process's membership, if it has one: the last handle goes.
    fn leave(&self, exclusive: &Exclusive);
}

/// A mapping's place in the table, and how many handles it has.
#[derive(Debug)]
pub(crate) struct Link<M> {
    handles: AtomicU64,
    next: Table<M>,
}

impl<M> Link<M> {
    pub(crate) fn new() -> Self {
        Self {
            handles: AtomicU64::new(0),
            next: Guarded::new(None),
        }
    }
}

/// What each handle has of a mapping. With the last one of a process its membership ends.
#[derive(Debug)]
pub(crate) struct Attachment<M: Shared>(Arc<M>);

impl<M: Shared> Attachment<M> {
    /// Attaches to this process's mapping of a segment, if it has one.
    pub(crate) fn find(id: M::Id) -> Option<Self> {
        Self::find_in(id, &mut exclusive())
    }

    /// Attaches to a fresh mapping, or to that of another thread that was faster.
    pub(crate) fn insert(fresh: Arc<M>) -> Self {
        let mut exclusive = exclusive();
        let found = if mutation(734) {
            None
        } else {
            Self::find_in(fresh.id(), &mut exclusive)
        };
        if let Some(found) = found {
            // Dropping a mapping may take the exclusion: not while it is held.
            drop(exclusive);
            return found;
        }
        let rest = M::table().get(&mut exclusive).replace(Arc::clone(&fresh));
        *fresh.link().next.get(&mut exclusive) = rest;
        Self::one_more(&fresh)
    }

    fn find_in(id: M::Id, exclusive: &mut Exclusive) -> Option<Self> {
        let mut next = M::table().get(exclusive).clone();
        while let Some(mapping) = next {
            if mapping.id() == id {
                return Some(Self::one_more(&mapping));
            }
            next = mapping.link().next.get(exclusive).clone();
        }
        None
    }

    /// Adds a handle, for the holder of another or of the exclusion.
    fn one_more(mapping: &Arc<M>) -> Self {
        // ORDERING: Relaxed; it cannot be 0 meanwhile, by the holder's handle or by the exclusion.
        mapping.link().handles.fetch_add(1, Relaxed);
        Self(Arc::clone(mapping))
    }

    /// A reference that does not keep the mapping.
    pub(crate) fn downgrade(&self) -> Weak<M> {
        Arc::downgrade(&self.0)
    }

    /// The last handle goes, unless another thread finds the mapping in the table just now.
    #[cold]
    fn detach(&self) {
        let mut exclusive = exclusive();
        // ORDERING: Acquire; (H1) what other threads did through their handles is before the end.
        let last = ordering(Ordering::Acquire, 739);
        if self.link().handles.fetch_sub(1, last) != 1 {
            return;
        }
        let mut removed = None;
        if mutation(733) {
            removed = self.remove(&mut exclusive);
            exclusive = anew(exclusive);
        }
        self.0.leave(&exclusive);
        if mutation(732) {
            exclusive = anew(exclusive);
        }
        removed = removed.or_else(|| self.remove(&mut exclusive));
        // Nothing is freed under the exclusion.
        drop(exclusive);
        drop(removed);
    }

    fn remove(&self, exclusive: &mut Exclusive) -> Option<Arc<M>> {
        let rest = self.link().next.get(exclusive).take();
        let mut before: Option<Arc<M>> = None;
        loop {
            let place = match &before {
                None => M::table().get(exclusive),
                Some(before) => before.link().next.get(exclusive),
            };
            if place.as_ref().is_some_and(|it| Arc::ptr_eq(it, &self.0)) {
                return core::mem::replace(place, rest);
            }
            before = Some(place.clone()?);
        }
    }
}

/// Ends the exclusion and begins another: a seeded bug.
fn anew(held: Exclusive) -> Exclusive {
    drop(held);
    exclusive()
}

impl<M: Shared> Clone for Attachment<M> {
    #[inline]
    fn clone(&self) -> Self {
        Self::one_more(&self.0)
    }
}

impl<M: Shared> Drop for Attachment<M> {
    #[inline]
    fn drop(&mut self) {
        let handles = &self.0.link().handles;
        let mut seen = handles.load(Relaxed);
        while seen > 1 {
            // ORDERING: Release; pairs with (H1).
            let gone = ordering(Ordering::Release, 740);
            match handles.compare_exchange(seen, seen - 1, gone, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        self.detach();
    }
}

impl<M: Shared> Deref for Attachment<M> {
    type Target = M;

    #[inline(always)]
    fn deref(&self) -> &M {
        &self.0
    }
}

#[cfg(all(test, loom))]
pub(crate) mod tests;
