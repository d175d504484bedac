//! What this process is: its name, its parent, its place among them, its processors.

use super::own;

/// Returns how many processes can run at once: the processors that this process may use
/// (sched_setaffinity(2)), or what the quotas of its control groups amount to if that is less. At
/// least 1.
///
/// It is what [`std::thread::available_parallelism`] says, which reads the quotas of cgroups of
/// version 2 (`cpu.max`) and 1 (`cpu.cfs_quota_us`), those of parents included.
#[doc(alias = "cpu_count")]
pub fn available_parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns what this process is called and where it stands among those that started it.
///
/// # Examples
/// ```
/// use crossdock::process::{self, current, parent};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     assert_eq!((current().name(), current().depth()), ("MainProcess", 0));
///     assert!(parent().is_none());
///     let worker = process::spawn(
///         |()| {
///             let parent = parent().unwrap();
///             (current().name().to_owned(), parent.id(), parent.is_alive())
///         },
///         (),
///     )?;
///     let expected = ("Process-1".to_owned(), std::process::id(), true);
///     assert_eq!(worker.join()?, expected);
///     Ok(())
/// }
/// ```
#[doc(alias = "current_process")]
pub fn current() -> CurrentProcess {
    CurrentProcess(())
}

/// This process, as [`current`] returns it.
#[derive(Clone, Copy)]
pub struct CurrentProcess(());

impl CurrentProcess {
    /// Returns the name that the parent gave: that of [`Builder::name`](super::Builder::name), or
    /// `Process-N`; `MainProcess` if [`spawn`](super::spawn()) and its like have not started this
    /// process.
    pub fn name(&self) -> &'static str {
        &own::lineage().name
    }

    /// Returns the process id, in this process's PID namespace.
    pub fn id(&self) -> u32 {
        std::process::id()
    }

    /// Returns how many processes are between this one and the first: 0 in a process that was
    /// started otherwise, 1 in its children.
    pub fn depth(&self) -> usize {
        own::lineage().path.len()
    }

    /// Returns whether this process ends with its parent.
    pub fn is_daemon(&self) -> bool {
        own::lineage().daemon
    }
}

debug!(CurrentProcess, |this| {
    name: this.name(),
    id: this.id(),
    depth: this.depth(),
    is_daemon: this.is_daemon(),
});

/// Returns the process that started this one; `None` if [`spawn`](super::spawn()) and its like have
/// not started this process, or if it was forked since.
#[doc(alias = "parent_process")]
pub fn parent() -> Option<ParentProcess> {
    own::parent().map(ParentProcess)
}

/// The process that started this one, as [`parent`] returns it.
#[derive(Clone, Copy)]
pub struct ParentProcess(&'static own::Parent);

impl ParentProcess {
    /// Returns its name: `MainProcess` for a process that was started otherwise.
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    /// Returns its process id, in its own PID namespace. Use it in messages and logs only: once the
    /// parent has ended, another process may get the number.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Returns whether it is still running, as the kernel says. Does not block.
    pub fn is_alive(&self) -> bool {
        own::parent_is_alive()
    }
}

debug!(ParentProcess, |this| { name: this.name(), id: this.id(), is_alive: this.is_alive() });
