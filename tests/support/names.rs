//! Names of segments that no other test uses, and that are gone when the test is.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A unique name; whatever has it in /dev/shm is removed on drop, by the process that made it up.
#[derive(Debug)]
pub(crate) struct Unique {
    name: String,
    maker: u32,
}

impl Unique {
    pub(crate) fn new() -> Self {
        let maker = std::process::id();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("test-{maker}-{number}"),
            maker,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/dev/shm/crossdock.{}", self.name).into()
    }

    /// Whether anything has the name, be it a dangling link.
    pub(crate) fn is_taken(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok()
    }
}

impl Deref for Unique {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Unique {
    fn drop(&mut self) {
        if self.maker == std::process::id() {
            let _may_be_gone = fs::remove_file(self.path());
            let _may_be_a_file = fs::remove_dir(self.path());
        }
    }
}
