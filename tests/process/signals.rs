//! What a process starts with: signals, its name, and what it is started through.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{call, outcome, start};

/// The dispositions before main, where the Rust runtime has changed none: bits of those that are
/// ignored. Read when the program is loaded.
static IGNORED_AT_START: AtomicU64 = AtomicU64::new(0);

#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    let ignored = (1..=64).filter(|signal| disposition(*signal) == libc::SIG_IGN);
    let bits = ignored.fold(0, |bits, signal| bits | bit(signal));
    IGNORED_AT_START.store(bits, Ordering::Relaxed);
}

fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

fn disposition(signal: libc::c_int) -> usize {
    // SAFETY: plain data, for which all zeroes is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; a number that is no signal's is an error.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    action.sa_sigaction
}

extern "C" fn nothing(_: libc::c_int) {}

fn set(signal: libc::c_int, handler: usize) {
    // SAFETY: a handler that does nothing, or a disposition.
    unsafe { libc::signal(signal, handler) };
}

/// The signals that the calling thread has blocked.
fn blocked() -> u64 {
    let mut mask = 0_u64;
    let (how, none) = (libc::SIG_BLOCK, std::ptr::null::<u64>());
    // SAFETY: a null set changes nothing; there are 8 bytes for the mask in force.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, none, &raw mut mask, 8) };
    mask
}

#[test]
fn a_process_starts_with_no_signal_blocked_and_with_default_dispositions() {
    let seen = call(
        |()| {
            let mask = bit(libc::SIGTERM) | bit(libc::SIGUSR1) | bit(libc::SIGCHLD) | bit(40);
            // SAFETY: 8 bytes of a set that outlives the call.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigprocmask,
                    libc::SIG_BLOCK,
                    &raw const mask,
                    std::ptr::null::<u64>(),
                    8,
                )
            };
            assert_eq!(blocked(), mask);
            let handler: extern "C" fn(libc::c_int) = nothing;
            set(libc::SIGUSR2, handler as usize);
            set(libc::SIGINT, handler as usize);
            for ignored in [libc::SIGTERM, libc::SIGPIPE, libc::SIGHUP, libc::SIGQUIT] {
                set(ignored, libc::SIG_IGN);
            }
            let report = |()| {
                let ignored = IGNORED_AT_START.load(Ordering::Relaxed);
                (blocked(), ignored, disposition(libc::SIGUSR2))
            };
            let first = call(report, ()).expect("joined");
            set(libc::SIGINT, libc::SIG_IGN);
            let second = call(report, ()).expect("joined");
            // What was done to the child was not done here.
            let own = (blocked(), disposition(libc::SIGUSR2) == handler as usize);
            (first, second, own == (mask, true))
        },
        (),
    );
    let left = bit(libc::SIGHUP) | bit(libc::SIGQUIT);
    let expected = (0, left, libc::SIG_DFL);
    assert_eq!(seen.expect("joined"), (expected, expected, true));
}

#[test]
fn terminate_ends_a_process_whose_parent_has_the_signal_blocked() {
    let ended = call(
        |()| {
            let mask = u64::MAX;
            // SAFETY: 8 bytes of a set that outlives the call.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigprocmask,
                    libc::SIG_BLOCK,
                    &raw const mask,
                    std::ptr::null::<u64>(),
                    8,
                )
            };
            let mut worker = start(
                |()| loop {
                    std::thread::park();
                },
                (),
            );
            worker.terminate().expect("sent");
            let joined: Result<(), _> = outcome(&mut worker);
            format!("{joined:?}")
        },
        (),
    );
    assert_eq!(ended.expect("joined"), "Err(Killed { signal: 15 })");
}

#[test]
fn a_spawn_runs_no_handlers_of_fork() {
    static RAN: AtomicU64 = AtomicU64::new(0);
    extern "C" fn count() {
        RAN.fetch_add(1, Ordering::Relaxed);
    }
    let ran = call(
        |()| {
            // SAFETY: a handler that counts.
            unsafe { libc::pthread_atfork(Some(count), Some(count), None) };
            call(|()| (), ()).expect("joined");
            RAN.load(Ordering::Relaxed)
        },
        (),
    );
    assert_eq!(ran.expect("joined"), 0);
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_and_leaves_nothing() {
    let told = call(
        |()| {
            let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
            let before = open();
            // Longer than the kernel takes: E2BIG.
            let long = "x".repeat(1 << 20);
            // SAFETY: nothing else in this process reads the environment meanwhile.
            unsafe { std::env::set_var("CROSSDOCK_TEST_LONG", long) };
            let error = crossdock::process::spawn(|()| (), ()).map(drop);
            let error = error.expect_err("too long");
            let same = open() == before && !crate::support::has_children();
            (error.to_string(), same)
        },
        (),
    );
    let (what, same) = told.expect("joined");
    assert!(
        what.starts_with("starting this program again failed: "),
        "{what}"
    );
    assert!(what.contains("os error 7"), "{what}");
    assert!(same);
}

/// Has the kernel refuse a system call to this process, and to those that it starts.
pub(crate) fn refuse(call: libc::c_long) {
    let load = |offset| libc::sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: offset,
    };
    let answer = |k| libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k,
    };
    let number = u32::try_from(call).expect("a number");
    let mut program = [
        load(0),
        libc::sock_filter {
            code: 0x15,
            jt: 0,
            jf: 1,
            k: number,
        },
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: 4,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes integers.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the filter and its program outlive the call, which copies them.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn where_pidfd_open_is_refused_processes_are_started_and_what_needs_it_says_so() {
    let told = call(
        |()| {
            refuse(libc::SYS_pidfd_open);
            let joined = call(|number: u8| number + 1, 1).map_err(|error| error.to_string());
            let bound = crossdock::process::Builder::new()
                .daemon(true)
                .spawn(|()| (), ())
                .map(drop);
            (joined, bound.map_err(|error| error.to_string()))
        },
        (),
    );
    let (joined, bound) = told.expect("joined");
    assert_eq!(joined, Ok(2));
    let refused = "opening a pidfd of this process failed: ";
    assert!(
        bound.as_ref().is_err_and(|told| told.starts_with(refused)),
        "{bound:?}"
    );
}
