//! A writer where no process has read: the mark in the writer mutex takes the place of its tag in
//! `writing`.
//!
//! # State
//!
//! The writer mutex's word, with the mark of [`marked`](crate::algorithm::mutex::marked): its owner
//! writes if no cell is in use, `writing` is 0 and the hook is closed. The three change only with
//! the mutex held, but for a poison that is cleared, so what its owner has found is there for the
//! next one to find.
//!
//! # Protocol
//!
//! - write: CAS the own tag and the mark into the mutex. If a cell is in use, `writing` is not 0 or
//!   the hook is open: clear the mark, release the mutex, and go on as any writer.
//! - unlock: CAS both away; that is the commit, and releases the mutex. There is no cell to open.
//! - A writer that poisons or downgrades puts its tag into `writing` first, clears the mark, and
//!   goes on as any writer.
//! - recover: a dead owner's mark is `OWNER_DIED` in `writing`, unless one of the three says that
//!   it did not write; and is cleared after that.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | with the mark, before it has looked | the dead tag and the mark, and what keeps it from writing | the next holder, which reports nothing |
//! | the same, where nothing does | the dead tag and the mark | the next holder: `OWNER_DIED`, as when it had begun |
//! | writing | the same | the next holder: `OWNER_DIED`, until a writer repairs the data |
//! | unlocking, after the CAS | a sleeper whose wake is owed | the sleeper, when its slice ends; a reaper |
//! | its tag in `writing`, the mark there | both | the next holder: `OWNER_DIED`, and the mark says the same |
//! | recovering, with `OWNER_DIED` in `writing` | that, and the mark | the next holder clears the mark |
//!
//! A process that was taken for dead and has not learnt it can leave a mark that is reported like a
//! writer's death although it did not write, as at a [`mutex`](crate::algorithm::mutex).
//!
//! # Ordering
//!
//! The mutex's (M1) passes the data from one writer to the next, and `writing` and the roster,
//! which are therefore Relaxed.

use super::{LockHook, RwLock, RwLockState, WriterToken};
use crate::algorithm::mutex::LockToken;
use crate::facade::{Ordering, mutation};
use crate::participant::Liveness;

impl RwLockState {
    /// Stops writing if that is one instruction: no process has read, and there is no poison to
    /// add. Otherwise the caller goes on with [`RwLock::stop_writing`].
    #[inline(always)]
    pub(crate) fn stop_writing_clean(&self, token: WriterToken, poison: bool) -> bool {
        let is_clean = token.held.is_marked() && !poison;
        if is_clean {
            self.mutex.unlock_marked(token.held);
        }
        is_clean
    }

    /// Returns whether one of `cells` cells behind the first 128 is in use.
    #[cold]
    fn is_read_beyond(&self, cells: usize) -> bool {
        // ORDERING: Relaxed; as in `try_each`.
        let mut words = self.roster.iter().take(cells.div_ceil(64)).skip(2);
        words.any(|word| word.load(Ordering::Relaxed) != 0)
    }
}

impl<A: LockHook> RwLock<'_, A> {
    /// Returns whether a cell is in use: a hint, unless the caller holds the writer mutex.
    #[inline(always)]
    fn is_read(&self) -> bool {
        // ORDERING: Relaxed; as in `try_each`.
        let word = |at: usize| self.state.roster[at].load(Ordering::Relaxed);
        // Most locks have no more cells than two words have bits, and a loop costs more than they.
        let (first, cells) = (word(0), self.cells.len());
        first != 0 || cells > 64 && word(1) != 0 || cells > 128 && self.state.is_read_beyond(cells)
    }

    /// Returns whether the holder of the writer mutex may write at once, by its mark.
    #[inline(always)]
    fn is_unread(&self) -> bool {
        // ORDERING: Relaxed; the mutex orders it.
        let writing = self.state.writing.load(Ordering::Relaxed);
        writing == 0 && (!self.is_read() || mutation(336)) && !self.hook.is_open()
    }

    /// Writes if the lock is free and no process has read yet: the path of locks that are only
    /// written.
    #[inline(always)]
    pub(crate) fn write_clean(&self, peers: &impl Liveness) -> Option<WriterToken> {
        // ORDERING: Relaxed; a hint: the cells of the first participants. All are asked below.
        if self.state.roster[0].load(Ordering::Relaxed) != 0 {
            return None;
        }
        let held = self.state.mutex.try_lock_marked(peers)?;
        if !self.is_unread() {
            self.retreat(held);
            return None;
        }
        Some(WriterToken::new(held, 0))
    }

    /// Releases the writer mutex, with whose mark the owner must not write.
    #[cold]
    fn retreat(self, mut held: LockToken) {
        self.state.mutex.unmark(&mut held);
        self.release(WriterToken::new(held, 0));
    }

    /// Puts the owner's tag into `writing` in place of its mark.
    #[cold]
    pub(super) fn settle(&self, token: WriterToken) -> WriterToken {
        let mut held = token.held;
        if held.is_marked() {
            if self.is_held(&token) && !mutation(522) {
                self.begin_writing(&token);
            }
            self.state.mutex.unmark(&mut held);
        }
        WriterToken::new(held, token.flags)
    }

    /// Returns whether the mutex's last owner died as a writer, by its mark.
    pub(super) fn wrote_unread(&self, held: &LockToken) -> bool {
        if mutation(523) {
            return false;
        }
        held.owner_died() && held.is_marked() && (self.is_unread() || mutation(524))
    }
}
