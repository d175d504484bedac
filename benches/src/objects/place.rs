//! Where a map is: a directory in memory, and a name.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crossdock::SegmentOptions;
use crossdock_cli::Failure;
use serde::{Deserialize, Serialize};

/// A directory in /dev/shm, and a name that stands for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    directory: PathBuf,
    pub(super) name: String,
    /// Whether all of it goes with this one: it does not with the copies that processes get.
    #[serde(skip)]
    owned: bool,
}

impl Place {
    pub(super) fn new() -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("compare-objects-{}-{number}", std::process::id());
        let directory = Path::new("/dev/shm").join(&name);
        std::fs::create_dir(&directory).map_err(Failure::io("a directory in /dev/shm"))?;
        Ok(Self {
            directory,
            name,
            owned: true,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of other memory in /dev/shm.
    #[cfg(boost_map)]
    pub(super) fn memory(&self) -> String {
        format!("{}-memory", self.name)
    }

    /// The same place for another process, which removes nothing.
    pub(super) fn lent(&self) -> Self {
        Self {
            directory: self.directory.clone(),
            name: self.name.clone(),
            owned: false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.owned {
            // What was not made there is not there to be removed.
            #[cfg(feature = "stores")]
            super::redis::end(self);
            #[cfg(boost_map)]
            super::boost::remove(&self.memory());
            let _ = SegmentOptions::remove(&self.name);
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
