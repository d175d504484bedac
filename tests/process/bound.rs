//! Daemons: processes that end with their parent, whatever ends it.

use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossdock::process::{Builder, Process, Stdio, scope};

use crate::signals::refuse;
use crate::support::{Gate, call, spawn_with, start, wait_at};

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
        let _child = Builder::new()
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

const CHILDREN: [fn(PathBuf); 5] = [
    answers_at,
    closes_and_answers_at,
    reuses_and_answers_at,
    is_of_a_thread,
    has_a_daemon_without_a_table,
];

fn answers_at(gate: PathBuf) {
    answer(&gate);
}

/// Other code closes all descriptors.
fn closes_and_answers_at(gate: PathBuf) {
    // SAFETY: closes numbers whose owners in this process bear with it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    answer(&gate);
}

/// Other code closes all descriptors, and gives their numbers to files that are never ready.
fn reuses_and_answers_at(gate: PathBuf) {
    // SAFETY: closes numbers whose owners in this process bear with it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    let pipes = [(); 20].map(|()| std::io::pipe().expect("a pipe"));
    assert_eq!(pipes[0].0.as_raw_fd(), 3);
    answer(&gate);
}

/// Starts a process on a thread that ends, and goes on itself.
fn is_of_a_thread(gate: PathBuf) {
    let thread = std::thread::spawn(move || {
        let child = Builder::new()
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
fn a_daemon_ends_when_its_parent_is_killed() {
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
fn a_daemon_whose_descriptors_other_code_has_closed_or_reused_lives_and_ends_with_its_parent() {
    for child in [closes_and_answers_at, reuses_and_answers_at] {
        let gate = Gate::new();
        let (parent, mut stream) = family(child, &gate);
        let child = peer(&stream);
        // The thread that waits is interrupted, and waits anew.
        stop(child);
        send(child, libc::SIGCONT);
        for _ in 0..100 {
            assert!(answers(&mut stream));
        }
        parent.kill().expect("killed");
        ends(&mut stream);
    }
}

/// Starts a daemon whose thread gets no table of descriptors of its own.
fn has_a_daemon_without_a_table(gate: PathBuf) {
    refuse(libc::SYS_close_range);
    let child = Builder::new().daemon(true).spawn(
        |gate: PathBuf| {
            // Other code closes the descriptors of this library.
            for number in 3..64 {
                // SAFETY: closes numbers whose owners in this process bear with it.
                unsafe { libc::close(number) };
            }
            answer(&gate);
        },
        gate,
    );
    std::mem::forget(child.expect("spawned"));
    parks(());
}

#[test]
fn where_no_table_of_its_own_is_allowed_a_daemon_bears_with_closed_descriptors() {
    let gate = Gate::new();
    let (parent, mut stream) = family(has_a_daemon_without_a_table, &gate);
    let child = peer(&stream);
    // The thread that waits is interrupted, and waits anew: for a number that means nothing.
    stop(child);
    send(child, libc::SIGCONT);
    for _ in 0..100 {
        assert!(answers(&mut stream));
    }
    parent.kill().expect("killed");
    ends(&mut stream);
}

#[test]
fn a_stopped_daemon_ends_when_it_is_continued() {
    let gate = Gate::new();
    let (parent, mut stream) = family(answers_at, &gate);
    let child = peer(&stream);
    stop(child);
    parent.kill().expect("killed");
    parent.join().expect_err("killed");
    assert!(all_threads(child, ") T "));
    send(child, libc::SIGCONT);
    ends(&mut stream);
}

fn send(child: libc::pid_t, signal: libc::c_int) {
    // SAFETY: kill takes two integers; no process has waited for the child, so the number is its
    // own.
    assert_eq!(unsafe { libc::kill(child, signal) }, 0);
}

/// Stops all threads of the process.
fn stop(child: libc::pid_t) {
    send(child, libc::SIGSTOP);
    while !all_threads(child, ") T ") {
        std::thread::yield_now();
    }
}

/// Waits until all processes that have the other end of the pipe have ended; a watchdog ends what
/// hangs.
fn all_end(mut pipe: PipeReader) {
    let mut poll = libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one structure, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 60_000) };
    assert_eq!(ready, 1, "a process was left");
    pipe.read_to_end(&mut Vec::new()).expect("read");
}

/// Starts a process that says when it begins to start daemons; all of them have the pipe.
fn starts_daemons(function: fn(()) -> ()) -> (Process<()>, PipeReader) {
    let builder = Builder::new().stdout(Stdio::Piped);
    let mut parent = spawn_with(&builder, function, ());
    let stdout = parent.stdout.take().expect("a pipe");
    let mut stdout = PipeReader::from(OwnedFd::from(stdout));
    stdout.read_exact(&mut [0]).expect("it begins");
    (parent, stdout)
}

fn begin() {
    let mut stdout = std::io::stdout();
    stdout.write_all(b"!").expect("written");
    stdout.flush().expect("flushed");
}

fn parks((): ()) {
    loop {
        std::thread::park();
    }
}

fn begins_and_parks((): ()) {
    begin();
    parks(());
}

/// Starts two daemons, of which one starts another; each says when it begins.
fn starts_three((): ()) {
    begin();
    let nested = |()| {
        std::mem::forget(daemon(begins_and_parks));
        begins_and_parks(());
    };
    std::mem::forget([daemon(begins_and_parks), daemon(nested)]);
    parks(());
}

/// The same with scopes, the inner of which is another process's.
fn scopes_three((): ()) {
    begin();
    let ended = scope(|outer| {
        outer.spawn(begins_and_parks, ())?;
        let nested = |()| {
            let ended = scope(|inner| {
                inner.spawn(begins_and_parks, ())?;
                begins_and_parks(());
                Ok::<_, crossdock::Error>(())
            });
            ended.expect("not reached");
        };
        outer.spawn(nested, ())?;
        Ok::<_, crossdock::Error>(())
    });
    ended.expect("not reached");
}

/// Kills a parent at many moments of its starts, and waits for the end of what it has started.
fn killed_at_any_moment(function: fn(()) -> ()) {
    const MOMENTS: u32 = 100;
    // How long it takes until all have begun; the moments are spread over that and a bit more.
    let (parent, mut pipe) = starts_daemons(function);
    let begun = Instant::now();
    pipe.read_exact(&mut [0; 3]).expect("all begin");
    let whole = begun.elapsed();
    parent.kill().expect("killed");
    all_end(pipe);
    let mut late = 0;
    for step in 0..MOMENTS {
        let (parent, pipe) = starts_daemons(function);
        let moment = Instant::now() + whole * step * 5 / (4 * MOMENTS);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        parent.kill().expect("killed");
        parent.join().expect_err("killed");
        let killed = Instant::now();
        all_end(pipe);
        late += u32::from(killed.elapsed() > Duration::from_secs(1));
    }
    // A machine that is busy may leave some without a processor.
    assert!(
        late < MOMENTS / 10,
        "{late} times a process was left after a second"
    );
}

#[test]
fn a_parent_that_is_killed_at_any_moment_of_a_start_leaves_no_daemon() {
    killed_at_any_moment(starts_three);
}

#[test]
fn an_owner_of_a_scope_that_is_killed_at_any_moment_leaves_no_process() {
    killed_at_any_moment(scopes_three);
}

fn daemon(function: fn(()) -> ()) -> Process<()> {
    let builder = Builder::new().daemon(true);
    builder.spawn(function, ()).expect("spawned")
}

#[test]
fn daemons_end_with_a_parent_that_returns_exits_or_panics() {
    let ends: [fn(()) -> (); 3] = [
        |()| {
            begin();
            std::mem::forget(daemon(parks));
        },
        |()| {
            begin();
            // Dropped, not joined: it is detached, and still a daemon.
            drop(daemon(parks));
            std::process::exit(3);
        },
        |()| {
            begin();
            let _daemon = daemon(parks);
            panic!("as planned");
        },
    ];
    for end in ends {
        let (parent, pipe) = starts_daemons(end);
        // Its daemons do not keep it.
        let _ = parent.join();
        all_end(pipe);
    }
}

#[test]
fn what_is_no_daemon_goes_on_when_its_parent_is_killed() {
    let (parent, mut pipe) = starts_daemons(|()| {
        begin();
        let child = Builder::new().spawn(
            |()| {
                let parent = std::os::unix::process::parent_id();
                begin();
                while std::os::unix::process::parent_id() == parent {
                    std::thread::yield_now();
                }
                begin();
            },
            (),
        );
        std::mem::forget(child);
        parks(());
    });
    pipe.read_exact(&mut [0]).expect("the child begins");
    parent.kill().expect("killed");
    parent.join().expect_err("killed");
    pipe.read_exact(&mut [0]).expect("the child goes on");
    all_end(pipe);
}

#[test]
fn a_daemon_whose_parent_ends_at_once_does_not_stay() {
    let gate = Gate::new();
    for _ in 0..20 {
        let child = call(
            |gate: PathBuf| {
                let child = Builder::new()
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

/// Whether the process has not ended; a zombie has.
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

/// How often the threads of a process have gone to sleep.
fn sleeps(id: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("threads");
    tasks
        .map(|task| {
            let path = task.expect("a thread").path().join("status");
            let status = std::fs::read_to_string(path).expect("its status");
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count
                .expect("a count")
                .trim()
                .parse::<u64>()
                .expect("digits")
        })
        .sum()
}

#[test]
fn daemons_that_wait_are_woken_by_nothing() {
    const DAEMONS: usize = 100;
    let gate = Gate::new();
    let wait = |gate: PathBuf| wait_at(&gate);
    let daemons: Vec<Process<()>> = (0..DAEMONS)
        .map(|_| spawn_with(&Builder::new().daemon(true), wait, gate.path()))
        .collect();
    let _arrived: Vec<_> = (0..DAEMONS).map(|_| gate.arrival()).collect();
    let all = || {
        daemons
            .iter()
            .map(|daemon| sleeps(daemon.id()))
            .collect::<Vec<_>>()
    };
    // The last may not have gone to sleep when its arrival is known: one second in ten is quiet.
    let quiet = (0..10).any(|_| {
        let before = all();
        #[expect(
            clippy::disallowed_methods,
            reason = "the time in which they are watched, and no wait for anything"
        )]
        std::thread::sleep(Duration::from_secs(1));
        before == all()
    });
    for mut daemon in daemons {
        daemon.kill().expect("killed");
        daemon.wait().expect("ended");
    }
    assert!(quiet);
}
