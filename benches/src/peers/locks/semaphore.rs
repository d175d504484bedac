//! A POSIX semaphore with the value 1, shared between processes.

use std::io;
use std::ptr::NonNull;

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;

use super::{Lock, NUMBER, SIZE};

pub(crate) struct Semaphore {
    semaphore: NonNull<libc::sem_t>,
    /// Keeps the semaphore mapped.
    _memory: Memory,
}

const _: () = assert!(size_of::<libc::sem_t>() <= NUMBER);

/// Turns what a call of sem_overview(7) returned into an outcome.
fn checked(returned: i32) -> io::Result<()> {
    if returned == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

impl Lock for Semaphore {
    type Handle = Memory;
    const NAME: &'static str = "semaphore";

    fn create() -> Result<Memory, Failure> {
        let memory = Memory::new(SIZE)?;
        let semaphore = memory.at::<libc::sem_t>(0);
        // SAFETY: fresh memory, aligned for it, that no other code knows of.
        let made = unsafe { libc::sem_init(semaphore.as_ptr(), 1, 1) };
        checked(made).map_err(Failure::io("sem_init"))?;
        Ok(memory)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            semaphore: memory.at(0),
            _memory: memory.clone(),
        })
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        loop {
            // SAFETY: `create` made a semaphore there, and `_memory` keeps it mapped.
            match checked(unsafe { libc::sem_wait(self.semaphore.as_ptr()) }) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::io("sem_wait")(error)),
            }
        }
        change();
        // SAFETY: as above.
        checked(unsafe { libc::sem_post(self.semaphore.as_ptr()) }).map_err(Failure::io("sem_post"))
    }
}
