//! The mappings of this process: one for each segment that it has a handle of, so that it is one
//! participant of it.

use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use crate::facade::AtomicU64;
use crate::facade::Ordering::{self, Relaxed};
use crate::segment::error::OpenError;
use crate::segment::mapping::{FileId, Mapping};
use crate::segment::membership::Membership;
use crate::sys::fork::{Exclusive, Guarded, exclusive};
use crate::sys::shm;

/// The first of them; each [`Link`] has the next. Nothing is allocated or freed to find, add or
/// remove one, since a fork waits for the exclusion meanwhile.
static FIRST: Guarded<Option<Arc<Mapping>>> = Guarded::new(None);

/// A mapping's place in the table, and how many handles it has.
#[derive(Debug)]
pub(crate) struct Link {
    /// Becomes 1 and 0 under the exclusion only. So who finds a mapping there can take part in it, and
    /// the last one leaves and removes it before another looks.
    handles: AtomicU64,
    next: Guarded<Option<Arc<Mapping>>>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            handles: AtomicU64::new(0),
            next: Guarded::new(None),
        }
    }
}

/// What each handle has of a mapping. With the last one of a process its membership ends.
#[derive(Debug)]
pub(crate) struct Attachment(Arc<Mapping>);

impl Attachment {
    /// Attaches to the segment behind `fd`: to this process's mapping of it, made now or found.
    pub(crate) fn of(fd: OwnedFd, path: Option<PathBuf>) -> Result<Self, OpenError> {
        let io = OpenError::io;
        let status = shm::status(fd.as_fd()).map_err(io("fstat of the segment"))?;
        let id = FileId::from(status);
        let found = Self::find(id, &mut exclusive());
        if let Some(found) = found {
            found.probe().mend(fd);
            found.learn_path(path);
            return Ok(found);
        }
        let fresh = Arc::new(Mapping::map(fd, status, path)?);
        let mut exclusive = exclusive();
        // Another thread may have been faster.
        if let Some(found) = Self::find(id, &mut exclusive) {
            // Dropping a mapping may take the exclusion: not while it is held.
            drop(exclusive);
            found.learn_path(fresh.path().cloned());
            return Ok(found);
        }
        let rest = FIRST.get(&mut exclusive).replace(Arc::clone(&fresh));
        *fresh.link().next.get(&mut exclusive) = rest;
        Ok(Self::one_more(&fresh))
    }

    fn find(id: FileId, exclusive: &mut Exclusive) -> Option<Self> {
        let mut next = FIRST.get(exclusive).clone();
        while let Some(mapping) = next {
            if mapping.id() == id {
                return Some(Self::one_more(&mapping));
            }
            next = mapping.link().next.get(exclusive).clone();
        }
        None
    }

    /// One handle more: of the holder of another, or of the exclusion.
    fn one_more(mapping: &Arc<Mapping>) -> Self {
        // ORDERING: Relaxed; it cannot be 0 meanwhile, by the holder's handle or by the exclusion.
        mapping.link().handles.fetch_add(1, Relaxed);
        Self(Arc::clone(mapping))
    }

    /// For those who look at it now and then, and do not keep it.
    pub(crate) fn downgrade(&self) -> Weak<Mapping> {
        Arc::downgrade(&self.0)
    }

    /// The last handle goes, unless another thread finds the mapping in the table just now.
    #[cold]
    fn detach(&self) {
        let mut exclusive = exclusive();
        // ORDERING: Acquire; (H1) what other threads did through their handles is before the end.
        if self.link().handles.fetch_sub(1, Ordering::Acquire) != 1 {
            return;
        }
        // A leave that fails is a death, and is repaired so.
        let _ = Membership::leave(self, &exclusive);
        let removed = self.remove(&mut exclusive);
        // Nothing is freed under the exclusion.
        drop(exclusive);
        drop(removed);
    }

    fn remove(&self, exclusive: &mut Exclusive) -> Option<Arc<Mapping>> {
        let rest = self.link().next.get(exclusive).take();
        let mut before: Option<Arc<Mapping>> = None;
        loop {
            let place = match &before {
                None => FIRST.get(exclusive),
                Some(before) => before.link().next.get(exclusive),
            };
            if place.as_ref().is_some_and(|it| Arc::ptr_eq(it, &self.0)) {
                return std::mem::replace(place, rest);
            }
            before = Some(place.clone()?);
        }
    }
}

impl Clone for Attachment {
    #[inline]
    fn clone(&self) -> Self {
        Self::one_more(&self.0)
    }
}

impl Drop for Attachment {
    #[inline]
    fn drop(&mut self) {
        let handles = &self.0.link().handles;
        let mut seen = handles.load(Relaxed);
        while seen > 1 {
            // ORDERING: Release; pairs with (H1).
            match handles.compare_exchange(seen, seen - 1, Ordering::Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        self.detach();
    }
}

impl Deref for Attachment {
    type Target = Mapping;

    #[inline(always)]
    fn deref(&self) -> &Mapping {
        &self.0
    }
}
