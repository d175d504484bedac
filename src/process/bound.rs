//! A worker that exits when its parent does, whatever ends the parent.
//!
//! The parent opens a pidfd of itself and the worker inherits it, so it means the parent and never
//! a process that has the number later. A thread of the worker waits for it. Before it ends the
//! worker, it asks the kernel whether the parent has changed: the descriptor's number may mean
//! something else, because other code has closed it. `PR_SET_PDEATHSIG` is no alternative: it
//! follows the thread that spawned, not the process, and is set too late for a parent that is dead
//! already.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::sys::clock::Deadline;
use crate::sys::process::{end_now, parent};
use crate::sys::shm::{self, FileStatus};
use crate::sys::{child, pidfd, signals};

/// The interval at which the kernel is asked for the parent if no descriptor of it is available.
const LOOK: Duration = Duration::from_millis(100);
const STACK: usize = 64 << 10;

/// Makes this process exit when its parent does: at once if the parent has exited already.
///
/// `pidfd` is the parent's. A thread that runs none of the program's signal handlers waits for it.
pub(super) fn end_with(pidfd: OwnedFd) -> io::Result<()> {
    let parent = parent();
    // The parent was alive after `parent()`, so the answer is its number and not that of a later
    // parent.
    if child::has_ended(pidfd.as_fd())? {
        end_now();
    }
    let file = shm::status(pidfd.as_fd())?;
    let mut watch = Watch {
        parent,
        pidfd,
        file,
    };
    let thread = thread::Builder::new()
        .name("crossdock-parent".to_owned())
        .stack_size(STACK);
    signals::blocked(|| thread.spawn(move || watch.run())).map(drop)
}

/// The state of the thread.
struct Watch {
    /// The parent's process id in this process's PID namespace; 0 if the parent is not in it.
    parent: u32,
    pidfd: OwnedFd,
    /// The status of the descriptor at first.
    file: FileStatus,
}

impl Watch {
    fn run(&mut self) {
        loop {
            // An error proves nothing, and neither does success: a number that means nothing is
            // ready at once.
            let _ = child::wait(self.pidfd.as_fd(), Deadline::never());
            if self.parent_has_ended() {
                end_now();
            }
            if !self.reopen() {
                thread::park_timeout(LOOK);
            }
        }
    }

    fn parent_has_ended(&self) -> bool {
        if self.parent != 0 {
            return parent() != self.parent;
        }
        let same = shm::status(self.pidfd.as_fd()).is_ok_and(|now| now == self.file);
        same && child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }

    /// Opens another descriptor of the parent, which is alive. Returns whether it could.
    fn reopen(&mut self) -> bool {
        let Ok(fresh) = pidfd::open(self.parent) else {
            return false;
        };
        // Asked afterwards: if the parent is the same, the number was its own then.
        if parent() != self.parent {
            return false;
        }
        let lost = std::mem::replace(&mut self.pidfd, fresh);
        // Its number may belong to other code by now.
        std::mem::forget(lost);
        true
    }
}
