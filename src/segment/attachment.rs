//! The mappings of this process: one for each segment that it has a handle of.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use crate::participant::attachment::{self, Link, Shared, Table};
use crate::segment::error::OpenError;
use crate::segment::mapping::{FileId, Mapping};
use crate::segment::membership::Membership;
use crate::sys::fork::{Exclusive, Guarded};
use crate::sys::shm;

static TABLE: Table<Mapping> = Guarded::new(None);

/// The reference of a handle to a mapping. When a process drops its last one, its membership ends.
pub(crate) type Attachment = attachment::Attachment<Mapping>;

impl Attachment {
    /// Attaches to this process's mapping of the segment behind `fd`, which is made if there is
    /// none.
    pub(crate) fn of(fd: OwnedFd, path: Option<PathBuf>) -> Result<Self, OpenError> {
        let io = OpenError::io;
        let status = shm::status(fd.as_fd()).map_err(io("fstat of the segment"))?;
        if let Some(found) = Self::find(FileId::from(status)) {
            found.probe().mend(fd);
            found.learn_path(path);
            return Ok(found);
        }
        let fresh = Arc::new(Mapping::map(fd, status, path)?);
        let attached = Self::insert(Arc::clone(&fresh));
        // A mapping that another thread made may lack the path.
        attached.learn_path(fresh.path().cloned());
        Ok(attached)
    }
}

impl Shared for Mapping {
    type Id = FileId;

    fn table() -> &'static Table<Self> {
        &TABLE
    }

    fn id(&self) -> FileId {
        self.id()
    }

    fn link(&self) -> &Link<Self> {
        self.link()
    }

    fn leave(&self, exclusive: &Exclusive) {
        // A failed leave counts as a death, and is recovered so.
        let _ = Membership::leave(self, exclusive);
    }
}
