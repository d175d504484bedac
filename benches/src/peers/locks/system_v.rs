//! A System V semaphore with the value 1, whose operations the kernel undoes when a process ends.
//!
//! The kernel keeps a set until it is removed: a study that is killed leaves its own, which ipcs(1)
//! lists and ipcrm(1) removes.

use std::io;
use std::sync::Arc;

use crossdock_cli::Failure;
use serde::{Deserialize, Serialize};

use super::Lock;

/// The number of a set of one semaphore; its maker removes it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Set {
    id: i32,
    #[serde(skip)]
    _made: Option<Arc<Made>>,
}

struct Made(i32);

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: a set that `create` made; it takes no further argument.
        unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
    }
}

pub(crate) struct SystemV(i32);

fn checked(returned: i32, call: &'static str) -> Result<i32, Failure> {
    match returned {
        -1 => Err(Failure::io(call)(io::Error::last_os_error())),
        returned => Ok(returned),
    }
}

impl SystemV {
    fn add(&self, number: i16) -> Result<(), Failure> {
        #[expect(clippy::cast_possible_truncation, reason = "the flag is 0x1000")]
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: number,
            sem_flg: libc::SEM_UNDO as i16,
        };
        loop {
            // SAFETY: one operation, which outlives the call.
            let returned = unsafe { libc::semop(self.0, &raw mut operation, 1) };
            match checked(returned, "semop") {
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                done => return done.map(drop),
            }
        }
    }
}

impl Lock for SystemV {
    type Handle = Set;
    const NAME: &'static str = "system-v";

    fn create() -> Result<Set, Failure> {
        // SAFETY: takes numbers only.
        let made = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
        let id = checked(made, "semget")?;
        let made = Arc::new(Made(id));
        // SAFETY: SETVAL takes a number.
        checked(unsafe { libc::semctl(id, 0, libc::SETVAL, 1) }, "semctl")?;
        let _made = Some(made);
        Ok(Set { id, _made })
    }

    fn attach(handle: &Set) -> Result<Self, Failure> {
        Ok(Self(handle.id))
    }

    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        self.add(-1)?;
        change();
        self.add(1)
    }
}
