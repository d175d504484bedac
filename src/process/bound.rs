//! A worker that ends when its parent does, whatever ends the parent.
//!
//! The parent opens a pidfd of itself and the worker inherits it, so it means the parent and never
//! a process that has the number later. A thread of the worker waits for it, and before it ends
//! the worker it asks the kernel whether the parent is another one by now: the descriptor's number
//! may mean something else, because other code has closed it. `PR_SET_PDEATHSIG` is no
//! alternative: it follows the thread that spawned, not the process, and is set too late for a
//! parent that is dead already.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::sys::clock::Deadline;
use crate::sys::process::{end_now, parent};
use crate::sys::shm::{self, FileStatus};
use crate::sys::{child, pidfd, signals};

/// How often the kernel is asked for the parent where no descriptor of it can be had.
const LOOK: Duration = Duration::from_millis(100);
const STACK: usize = 64 << 10;

/// Has this process end when its parent does: at once if that has ended already.
///
/// `pidfd` is the parent's. A thread that the program's signal handlers do not run on waits for it.
pub(super) fn end_with(pidfd: OwnedFd) -> io::Result<()> {
    let parent = parent();
    // It lived after it was asked for, so the answer is its number and not that of an heir.
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

/// What the thread has.
struct Watch {
    /// The parent's process id as this process sees it; 0 from inside of a PID namespace that the
    /// parent is not in.
    parent: u32,
    pidfd: OwnedFd,
    /// What the descriptor was at first.
    file: FileStatus,
}

impl Watch {
    fn run(&mut self) {
        loop {
            // An error is no proof, and neither is success: a number that means nothing is
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

    /// Gets another descriptor of the parent, which lives; whether it could.
    fn reopen(&mut self) -> bool {
        let Ok(fresh) = pidfd::open(self.parent) else {
            return false;
        };
        // Asked afterwards: if it is the parent still, the number was its own then.
        if parent() != self.parent {
            return false;
        }
        let lost = std::mem::replace(&mut self.pidfd, fresh);
        // Its number is another's to close.
        std::mem::forget(lost);
        true
    }
}
