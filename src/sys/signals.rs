//! Signals, for threads that are none of the program's.

use std::mem::MaybeUninit;

/// What a thread raises itself: blocked, it would end the process instead of being handled.
const OWN: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// pthread_sigmask(3): runs `body` with all signals blocked but those that a thread raises itself,
/// so that a thread which it starts has them blocked from its first instruction: the program's
/// handlers do not run there.
pub(crate) fn blocked<R>(body: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset writes a whole set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    for signal in OWN {
        // SAFETY: the set was filled above.
        unsafe { libc::sigdelset(all.as_mut_ptr(), signal) };
    }
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: reads the set that was filled above, and writes the former one.
    let changed =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let result = body();
    if changed == 0 {
        // SAFETY: reads the set that was written above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    }
    result
}

/// sigaction(2): SIGINT does nothing in this process. Programs that it starts have its default
/// action, which an ignored signal would not.
#[cfg(feature = "process")]
pub(crate) fn handle_interrupts() {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // SAFETY: zeroed bytes are a sigaction without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = nothing;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler has the signature of one, and does nothing.
    unsafe { libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether SIGUSR1 is blocked in this thread.
    fn is_blocked() -> bool {
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: a null set changes nothing; the mask in force is written.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr()) };
        // SAFETY: the set was written above.
        (unsafe { libc::sigismember(mask.as_ptr(), libc::SIGUSR1) }) == 1
    }

    #[test]
    fn a_thread_started_with_signals_blocked_keeps_them_blocked() {
        assert!(!is_blocked());
        let thread = blocked(|| std::thread::spawn(is_blocked));
        assert!(thread.join().unwrap());
        assert!(!is_blocked());
    }
}
