//! membarrier(2): a full barrier in every process that has asked for them, paid by one.

use core::sync::atomic::{AtomicU32, Ordering};

/// membarrier(2), `MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED`: from now on, this process takes part
/// in the barriers of others. False if the kernel knows no such thing, or a filter forbids it.
///
/// The call takes some milliseconds in a process with several threads, and one of them may fork
/// meanwhile: so what it came to is kept in a word, and not behind a lock, which a child would find
/// not held. Threads that come at once may all make the call.
pub(crate) fn take_part() -> bool {
    const UNASKED: u32 = 0;
    const NO: u32 = 1;
    const YES: u32 = 2;
    static TAKES_PART: AtomicU32 = AtomicU32::new(UNASKED);
    // ORDERING: Relaxed; the word is all there is, and the call is a barrier of its own.
    match TAKES_PART.load(Ordering::Relaxed) {
        UNASKED => {
            let takes_part = command(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
            let answer = if takes_part { YES } else { NO };
            // ORDERING: Relaxed; as above.
            TAKES_PART.store(answer, Ordering::Relaxed);
            takes_part
        }
        answer => answer == YES,
    }
}

/// membarrier(2), `MEMBARRIER_CMD_GLOBAL_EXPEDITED`: when it returns, every running thread of the
/// processes that take part has executed a full barrier since the call, and those that do not run
/// did when they were switched out. False if there was none.
pub(crate) fn everywhere() -> bool {
    command(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn command(command: libc::c_int) -> bool {
    // SAFETY: membarrier takes integers and touches no memory.
    (unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_process_can_have_barriers() {
        if take_part() {
            assert!(everywhere());
        }
    }
}
