//! Processes that end with their parent, whatever ends it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crossdock::process::{self, Process};

use crate::support::{Gate, call, start, wait_at};

/// Answers what comes over the gate, until nothing comes.
fn answer(gate: &Path) {
    let mut stream = UnixStream::connect(gate).expect("the gate");
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() {
        stream.write_all(&byte).expect("sent");
    }
}

/// Whether the process at the other end of the stream still answers.
fn answers(stream: &mut UnixStream) -> bool {
    // One that has ended may have left the stream broken.
    if stream.write_all(&[7]).is_err() {
        return false;
    }
    matches!(stream.read(&mut [0]), Ok(1))
}

/// Waits until the other end of the stream is closed, as it is when its process has ended.
fn ends(stream: &mut UnixStream) {
    let mut rest = Vec::new();
    // A process that is killed may leave the connection reset.
    let _ = stream.read_to_end(&mut rest);
}

/// Starts `child` bound to a parent that waits, and gives the parent and the child's stream.
fn family(child: fn(PathBuf), gate: &Gate) -> (Process<()>, UnixStream) {
    fn parent((child_gate, gate, number): (PathBuf, PathBuf, u8)) {
        let child = CHILDREN[usize::from(number)];
        let _child = process::Builder::new()
            .daemon(true)
            .spawn(child, child_gate)
            .expect("spawned");
        wait_at(&gate);
    }
    let own = Gate::new();
    let is_this = |known: &fn(PathBuf)| std::ptr::fn_addr_eq(*known, child);
    let number = CHILDREN.iter().position(is_this).expect("a child");
    let number = u8::try_from(number).expect("few");
    let parent = start(parent, (gate.path(), own.path(), number));
    let stream = gate.arrival();
    // It waits until it is killed: nothing ends the stream before.
    std::mem::forget(own.arrival());
    (parent, stream)
}

const CHILDREN: [fn(PathBuf); 3] = [answers_at, closes_and_answers_at, is_of_a_thread];

fn answers_at(gate: PathBuf) {
    answer(&gate);
}

/// Other code closes all descriptors.
fn closes_and_answers_at(gate: PathBuf) {
    // SAFETY: closes numbers whose owners in this process bear with it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    answer(&gate);
}

/// Starts a process on a thread that ends, and goes on itself.
fn is_of_a_thread(gate: PathBuf) {
    let thread = std::thread::spawn(move || {
        let child = process::Builder::new()
            .daemon(true)
            .spawn(answers_at, gate)
            .expect("spawned");
        std::mem::forget(child);
    });
    thread.join().expect("joined");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_bound_process_ends_when_its_parent_is_killed() {
    let gate = Gate::new();
    let (parent, mut stream) = family(answers_at, &gate);
    assert!(answers(&mut stream));
    parent.kill().expect("killed");
    ends(&mut stream);
}

#[test]
fn the_end_of_the_thread_that_spawned_ends_nothing_and_deaths_pass_on() {
    let gate = Gate::new();
    let (parent, mut stream) = family(is_of_a_thread, &gate);
    assert!(answers(&mut stream));
    // The parent's child is the grandchild's parent.
    parent.kill().expect("killed");
    ends(&mut stream);
}

#[test]
fn a_bound_process_whose_descriptors_other_code_has_closed_lives_and_ends_with_its_parent() {
    let gate = Gate::new();
    let (parent, mut stream) = family(closes_and_answers_at, &gate);
    let child = peer(&stream);
    // The thread that waits is interrupted, and waits anew: for a number that means nothing.
    let send = |signal| {
        // SAFETY: kill takes two integers; the process answers, so it has not ended.
        assert_eq!(unsafe { libc::kill(child, signal) }, 0);
    };
    send(libc::SIGSTOP);
    while !all_threads(child, ") T ") {
        std::thread::yield_now();
    }
    send(libc::SIGCONT);
    for _ in 0..100 {
        assert!(answers(&mut stream));
    }
    parent.kill().expect("killed");
    ends(&mut stream);
}

#[test]
fn a_bound_process_whose_parent_ends_at_once_does_not_stay() {
    let gate = Gate::new();
    for _ in 0..20 {
        let child = call(
            |gate: PathBuf| {
                let child = process::Builder::new()
                    .daemon(true)
                    .spawn(answers_at, gate)
                    .expect("spawned");
                child.id()
            },
            gate.path(),
        );
        // Before, in the middle of, or after its first steps: this is what its parent's end meets.
        let child = child.expect("joined");
        while runs(child) {
            std::thread::yield_now();
        }
    }
}

/// Whether all threads of the process are in this state.
fn all_threads(process: libc::pid_t, state: &str) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("/proc");
    let stats = threads.map(|thread| thread.expect("a thread").path().join("stat"));
    let mut stats = stats.map(|stat| std::fs::read_to_string(stat).expect("/proc"));
    stats.all(|stat| stat.contains(state))
}

/// Whether the process has not ended; one that nobody has waited for has.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The process at the other end of a stream.
fn peer(stream: &UnixStream) -> libc::pid_t {
    use std::os::fd::AsRawFd;
    let mut who = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("small");
    // SAFETY: `who` is as long as is said.
    let asked = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut length,
        )
    };
    assert_eq!(asked, 0);
    who.pid
}
