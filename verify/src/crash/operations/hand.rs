//! A process that has something in its hands until it is told to let go.

use std::cell::RefCell;
use std::io::{PipeWriter, Write};
use std::time::Duration;

use nix::unistd::Pid;

use crate::process::{Broken, Child, End, Rig, forked, wait_readable};

/// The process, and how it is told.
pub(crate) struct Hand {
    child: RefCell<Child>,
    tell: PipeWriter,
}

impl Hand {
    /// Starts one that takes something, and returns when it has it. What it is told to do with it
    /// then says whether all was well.
    pub(crate) fn hold<T>(
        take: impl FnOnce() -> Option<T>,
        let_go: impl FnOnce(T) -> bool,
    ) -> Rig<Self> {
        Self::start(take, |held| u8::from(!let_go(held)))
    }

    /// The same with a process that goes on, when it is told to, and ends with a code.
    pub(crate) fn start<T>(
        take: impl FnOnce() -> Option<T>,
        go_on: impl FnOnce(T) -> u8,
    ) -> Rig<Self> {
        let (told, tell) = std::io::pipe()?;
        let (ready, mut done) = std::io::pipe()?;
        let child = forked(|| {
            let Some(held) = take() else { return 1 };
            let heard = done
                .write_all(b"!")
                .is_ok_and(|()| wait_readable(&told, Duration::from_secs(600)).is_ok());
            match go_on(held) {
                0 => u8::from(!heard),
                code => code,
            }
        })?;
        if !wait_readable(&ready, Duration::from_secs(10))? {
            return Err(Broken("a holder does not get what it is to hold".into()));
        }
        Ok(Self {
            child: RefCell::new(child),
            tell,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.child.borrow().pid()
    }

    /// Has it go on.
    pub(crate) fn go_on(self) -> Rig<Child> {
        self.tell()?;
        Ok(self.child.into_inner())
    }

    fn tell(&self) -> Rig {
        // A byte and not a closed pipe: others that were forked have the pipe too.
        Ok((&self.tell).write_all(b"!")?)
    }

    /// Has it let go and end: its code, or `None` if it does not end.
    pub(crate) fn let_go(&self, patience: Duration) -> Rig<Option<u8>> {
        self.tell()?;
        Ok(match self.child.borrow_mut().end_within(patience)? {
            Some(End::Exited(code)) => Some(code),
            Some(End::Killed(_)) => Some(u8::MAX),
            None => None,
        })
    }
}
