//! System calls refused by a seccomp filter, for tests: what sandboxes and old kernels do.

/// Which calls of one number are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// All.
    Always,
    /// Those whose argument of this number, counted from 0, is at least so much.
    AtLeast(u32, u32),
}

/// seccomp(2): runs `body` in a thread of its own in which the system call `number` fails with
/// `errno`.
pub(crate) fn refusing<R: Send>(
    number: libc::c_long,
    errno: libc::c_int,
    body: impl FnOnce() -> R + Send,
) -> R {
    refusing_some(number, Refused::Always, errno, body)
}

/// The same for some of the calls.
pub(crate) fn refusing_some<R: Send>(
    number: libc::c_long,
    refused: Refused,
    errno: libc::c_int,
    body: impl FnOnce() -> R + Send,
) -> R {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            refuse(number, refused, errno);
            body()
        });
        thread.join().expect("the thread under the filter failed")
    })
}

/// Has system calls fail in the calling thread, and in what it starts, for good.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "constants of the kernel's interface, and small numbers"
)]
pub(crate) fn refuse(number: libc::c_long, refused: Refused, errno: libc::c_int) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let (argument, bound) = match refused {
        // The number of the call is at least itself.
        Refused::Always => (0, number as u32),
        // The low half of an argument.
        Refused::AtLeast(argument, bound) => (16 + 8 * argument, bound),
    };
    let mut program = [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 3, number as u32),
        step(LOAD, 0, 0, argument),
        step(AT_LEAST, 0, 1, bound),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: prctl with these arguments takes integers.
    let allowed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(allowed, 0, "{}", std::io::Error::last_os_error());
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program outlives the call, which copies it.
    let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
    assert_eq!(filtered, 0, "{}", std::io::Error::last_os_error());
}
