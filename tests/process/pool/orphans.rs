//! Workers that were condemned when their pool's process ended.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossdock::process::{OnParentDeath, Pool};

use crate::support::{Gate, start, wait_at};

/// Has this thread's signals through pidfds fail, so that what it kills lives on.
fn refuse_kills() {
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let number = u32::try_from(libc::SYS_pidfd_send_signal).expect("a number");
    // BPF_LD | BPF_W | BPF_ABS of the call's number, BPF_JMP | BPF_JEQ, and two BPF_RET.
    let mut program = [
        step(0x20, 0, 0),
        step(0x15, 1, number),
        step(0x06, 0, libc::SECCOMP_RET_ERRNO | 1),
        step(0x06, 0, libc::SECCOMP_RET_ALLOW),
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

/// Waits until the thread waits for a futex.
fn wait_until_it_parks(thread: i32) {
    let futex = format!("{} ", libc::SYS_futex);
    let end = Instant::now() + Duration::from_secs(30);
    let call = || std::fs::read_to_string(format!("/proc/{thread}/syscall"));
    while !call().is_ok_and(|call| call.starts_with(&futex)) {
        assert!(Instant::now() < end, "it does not park");
        std::thread::yield_now();
    }
}

/// The parent is killed after it has condemned the task, and before it has killed the worker.
#[test]
fn a_condemned_worker_ends_with_a_parent_that_did_not_come_to_kill_it() {
    type Gates = (PathBuf, PathBuf);
    fn work((gate, end): Gates) {
        // SAFETY: takes nothing.
        let thread = unsafe { libc::gettid() };
        let mut stream = UnixStream::connect(end).expect("the gate");
        stream.write_all(&thread.to_le_bytes()).expect("told");
        // It ends with the process.
        std::mem::forget(stream);
        wait_at(&gate);
    }
    fn parent((gates, begun): (Gates, PathBuf)) {
        let pool = Pool::builder()
            .workers(1)
            .parent_death(OnParentDeath::FinishTask)
            .build()
            .expect("built");
        let task = pool.submit(work, gates).expect("submitted");
        wait_at(&begun);
        refuse_kills();
        assert!(task.kill());
        wait_at(&begun);
    }
    let [gate, end, begun] = [Gate::new(), Gate::new(), Gate::new()];
    let mut parent = start(parent, ((gate.path(), end.path()), begun.path()));
    let mut end = end.arrival();
    let mut id = [0; 4];
    end.read_exact(&mut id).expect("told");
    let in_task = gate.arrival();
    drop(begun.arrival());
    let _condemned = begun.arrival();
    drop(in_task);
    wait_until_it_parks(i32::from_le_bytes(id));
    parent.kill().expect("killed");
    parent.wait().expect("ended");
    let limit = Some(Duration::from_secs(30));
    end.set_read_timeout(limit).expect("set");
    let read = end.read(&mut [0]);
    let what = "the worker lives";
    assert_eq!(read.map_err(|error| error.kind()), Ok(0), "{what}");
}
