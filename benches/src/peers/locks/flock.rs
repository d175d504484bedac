//! flock(2) on a file of tmpfs; each process opens a description of its own.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;

use super::{Lock, SIZE};

pub(crate) struct Flock(Memory);

fn flock(file: &Memory, operation: i32) -> Result<(), Failure> {
    loop {
        // SAFETY: takes a descriptor, which `file` keeps open, and flags.
        if unsafe { libc::flock(file.as_fd().as_raw_fd(), operation) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(Failure::io("flock")(error));
        }
    }
}

impl Lock for Flock {
    type Handle = Memory;
    const NAME: &'static str = "flock";

    fn create() -> Result<Memory, Failure> {
        Memory::new(SIZE)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        // What travelled was opened by this process, so the description is its own.
        Ok(Self(memory.clone()))
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        flock(&self.0, libc::LOCK_EX)?;
        change();
        flock(&self.0, libc::LOCK_UN)
    }
}
