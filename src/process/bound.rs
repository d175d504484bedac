//! A worker that exits when its parent does, whatever ends the parent.
//!
//! The parent opens a pidfd of itself and the worker inherits it, so it means the parent and never
//! a process that has the number later. A thread of the worker waits for it, in a table of
//! descriptors of its own: what other code of the worker closes, or opens under the same number, is
//! not there. `PR_SET_PDEATHSIG` is no alternative: it follows the thread that spawned, not the
//! process, and is set too late for a parent that is dead already.
//!
//! Where the kernel refuses a table of its own (before 5.9, or a filter of system calls), the
//! number may come to mean something else. Then the thread asks the kernel whether the parent has
//! changed before it ends the worker, and opens a descriptor anew. What it cannot notice there is a
//! number that other code has given to a file that is never ready, while the thread was stopped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use crate::facade::use_light_barriers;
use crate::sys::clock::Deadline;
use crate::sys::process::{end_now, parent};
use crate::sys::shm::{self, FileStatus};
use crate::sys::{child, descriptor, pidfd, signals};

/// The interval at which the kernel is asked for the parent if no descriptor of it is available.
const LOOK: Duration = Duration::from_millis(100);
const STACK: usize = 64 << 10;

/// What this process does when its parent has ended, instead of ending at once.
static AT_PARENTS_END: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Has this process do something when its parent has ended, instead of ending at once. The thread
/// that waits for that does it.
pub(super) fn at_parents_end(action: impl Fn() + Send + Sync + 'static) {
    // Of two, which no process has, the first.
    let _ = AT_PARENTS_END.set(Box::new(action));
}

/// Makes this process exit when its parent does: at once if the parent has exited already.
///
/// `pidfd` is the parent's. A thread that runs none of the program's signal handlers waits for it.
/// `is_child` is whether the kernel has it for the parent: for a process that a fork server forked,
/// that is the server.
pub(super) fn end_with(pidfd: OwnedFd, is_child: bool) -> io::Result<()> {
    let parent = if is_child { parent() } else { 0 };
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
        alone: false,
    };
    // In a process with one thread the kernel does that at once, later it takes milliseconds.
    use_light_barriers();
    let thread = thread::Builder::new()
        .name("crossdock-parent".to_owned())
        .stack_size(STACK);
    let (ready, is_ready) = mpsc::sync_channel(1);
    signals::blocked(|| {
        thread.spawn(move || {
            watch.alone = descriptor::keep_alone(&watch.pidfd).is_ok();
            let _ = ready.send(());
            watch.run();
        })
    })?;
    // From now on other code may run, and do with its descriptors what it likes.
    let _ = is_ready.recv();
    Ok(())
}

/// The state of the thread.
struct Watch {
    /// The parent's process id in this process's PID namespace; 0 if the kernel does not say it.
    parent: u32,
    pidfd: OwnedFd,
    /// The status of the descriptor at first.
    file: FileStatus,
    /// Whether no other thread can close the descriptor.
    alone: bool,
}

impl Watch {
    fn run(&mut self) {
        loop {
            // An error proves nothing, and neither does success: a number that means nothing is
            // ready at once.
            let _ = child::wait(self.pidfd.as_fd(), Deadline::never());
            if self.parent_has_ended() {
                match AT_PARENTS_END.get() {
                    Some(action) => return action(),
                    None => end_now(),
                }
            }
            if self.alone || !self.reopen() {
                thread::park_timeout(LOOK);
            }
        }
    }

    fn parent_has_ended(&self) -> bool {
        if self.alone {
            return child::has_ended(self.pidfd.as_fd()).unwrap_or(false);
        }
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
