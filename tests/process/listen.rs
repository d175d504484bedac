//! Connections between programs that do not know each other.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossdock::process::{
    AcceptError, BindError, Conn, ConnectError, Listener, ListenerOptions, PipeError, PipeOptions,
};
use crossdock::queue::{RecvError, SendError};
use crossdock::segment::NameError;

use crate::support::{Gate, outcome, start, wait_at};

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
}

/// The user of this process.
fn user() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// A program that squares numbers until the listener has enough.
fn square(name: String) -> u32 {
    let mut conn = Conn::<u64, u64>::connect(&name).expect("connected");
    let mut count = 0;
    while let Ok(number) = conn.recv() {
        conn.send(&(number * number)).expect("sent");
        count += 1;
    }
    count
}

#[test]
fn several_programs_connect_at_once_and_each_has_its_own_connection() {
    let name = unique();
    let listener = Listener::<u64, u64>::bind(&name).expect("a name");
    let mut workers: Vec<_> = (0..3).map(|_| start(square, name.clone())).collect();
    let mut conns = Vec::new();
    for _ in &workers {
        let (conn, peer) = listener.accept().expect("a client");
        assert_eq!(peer.uid(), user());
        assert!(workers.iter().any(|worker| worker.id() == peer.pid()));
        conns.push(conn);
    }
    for round in 0..100_u64 {
        for (number, conn) in conns.iter_mut().enumerate() {
            conn.send(&(round + number as u64)).expect("sent");
        }
        for (number, conn) in conns.iter_mut().enumerate() {
            let number = round + number as u64;
            assert_eq!(conn.recv(), Ok(number * number));
        }
    }
    drop(conns);
    for worker in &mut workers {
        assert_eq!(outcome(worker).expect("joined"), 100);
    }
}

#[test]
fn messages_longer_than_the_pipe_cross_between_processes() {
    fn echo(name: String) -> usize {
        let options = PipeOptions::new().capacity(4096);
        let mut conn = options
            .connect::<Vec<u8>, Vec<u8>>(&name)
            .expect("connected");
        let mut all = 0;
        while let Ok(bytes) = conn.recv() {
            all += bytes.len();
            conn.send(&bytes).expect("sent");
        }
        all
    }
    let name = unique();
    let listener = Listener::<Vec<u8>, Vec<u8>>::bind(&name).expect("a name");
    let mut worker = start(echo, name);
    let (mut conn, _) = listener.accept().expect("a client");
    let mut all = 0;
    for len in [0, 1, 4_000, 4_096, 100_000, 1_234_567] {
        let bytes: Vec<u8> = (0..len).map(|at: u32| (at % 251) as u8).collect();
        conn.send(&bytes).expect("sent");
        assert!(conn.recv() == Ok(bytes), "{len} bytes");
        all += len as usize;
    }
    drop(conn);
    assert_eq!(outcome(&mut worker).expect("joined"), all);
}

#[test]
fn a_killed_client_is_the_end_of_its_connection() {
    fn wait(args: (String, std::path::PathBuf)) {
        let mut conn = Conn::<u8, u8>::connect(&args.0).expect("connected");
        conn.send(&1).expect("sent");
        wait_at(&args.1);
    }
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    for blocked_first in [false, true] {
        let gate = Gate::new();
        let mut worker = start(wait, (name.clone(), gate.path()));
        let (mut conn, _) = listener.accept().expect("a client");
        let _arrived = gate.arrival();
        assert_eq!(conn.recv(), Ok(1));
        thread::scope(|scope| {
            let waiting = blocked_first.then(|| scope.spawn(|| conn.recv()));
            worker.kill().expect("killed");
            outcome(&mut worker).expect_err("killed");
            if let Some(waiting) = waiting {
                let received = waiting.join().expect("no panic");
                assert_eq!(received, Err(RecvError::Disconnected));
            }
        });
        assert_eq!(conn.recv(), Err(RecvError::Disconnected));
        assert_eq!(conn.send(&2), Err(SendError::Disconnected(())));
    }
}

#[test]
fn a_sender_that_never_waits_hears_of_a_kill() {
    fn wait(args: (String, std::path::PathBuf)) {
        let _conn = Conn::<u8, u8>::connect(&args.0).expect("connected");
        wait_at(&args.1);
    }
    let (name, gate) = (unique(), Gate::new());
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let mut worker = start(wait, (name, gate.path()));
    let (mut conn, _) = listener.accept().expect("a client");
    let _arrived = gate.arrival();
    conn.send(&1).expect("it lives");
    worker.kill().expect("killed");
    outcome(&mut worker).expect_err("killed");
    let mut sent = 0;
    while conn.try_send(&2).is_ok() {
        sent += 1;
        assert!(
            sent < 1000,
            "there is room for thousands, so it is not full"
        );
        // The kernel is asked once in 10 ms.
        let next = Instant::now() + Duration::from_millis(1);
        while Instant::now() < next {
            std::hint::spin_loop();
        }
    }
    assert_eq!(conn.send(&3), Err(SendError::Disconnected(())));
}

#[test]
fn a_client_that_is_stopped_or_killed_keeps_no_other_waiting() {
    fn connect(name: String) {
        let _ = Conn::<u8, u8>::connect(&name);
    }
    fn refused_for_its_types(name: String) -> bool {
        let refused = Conn::<u64, u64>::connect(&name).map(|_| ());
        matches!(refused, Err(ConnectError::OtherTypes { .. }))
    }
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let signal = |pid: u32, signal| {
        // SAFETY: a child of this process that has not been waited for.
        assert_eq!(unsafe { libc::kill(pid.cast_signed(), signal) }, 0);
    };
    // Stopped, or killed, wherever it is: starting, connecting, or waiting for the answer.
    let mut stopped: Vec<_> = (0..8).map(|_| start(connect, name.clone())).collect();
    for (number, worker) in stopped.iter().enumerate() {
        if number % 2 == 0 {
            signal(worker.id(), libc::SIGSTOP);
        } else {
            signal(worker.id(), libc::SIGKILL);
        }
    }
    // Requests of the others may be in front.
    let mut worker = start(refused_for_its_types, name.clone());
    let mut accepted = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match listener.accept_timeout(Duration::from_millis(50)) {
            Ok((conn, _)) => accepted.push(conn),
            Err(AcceptError::Timeout) => {
                if worker.exit_status().expect("a status").is_some() {
                    break;
                }
                assert!(Instant::now() < deadline, "the other client waits");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(outcome(&mut worker).expect("joined"), "it was answered");
    for worker in &mut stopped {
        signal(worker.id(), libc::SIGKILL);
        let _ = outcome(worker);
    }
    for mut conn in accepted {
        assert_eq!(conn.recv(), Err(RecvError::Disconnected));
    }
}

#[test]
fn the_kill_of_a_listener_ends_the_wait_of_its_clients() {
    fn listen(args: (String, std::path::PathBuf)) {
        let _listener = Listener::<u8, u8>::bind(&args.0).expect("a name");
        wait_at(&args.1);
    }
    let (name, gate) = (unique(), Gate::new());
    let mut worker = start(listen, (name.clone(), gate.path()));
    let _arrived = gate.arrival();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| Conn::<u8, u8>::connect(&name).map(|_| ())))
            .collect();
        let late = Conn::<u8, u8>::connect_timeout(&name, Duration::from_millis(20));
        assert!(
            matches!(late, Err(ConnectError::Timeout { .. })),
            "{late:?}"
        );
        worker.kill().expect("killed");
        for client in clients {
            let gone = client.join().expect("no panic");
            assert!(
                matches!(gone, Err(ConnectError::NotListening { .. })),
                "{gone:?}"
            );
        }
    });
    outcome(&mut worker).expect_err("killed");
    // No file remains, and the name is free.
    assert!(Listener::<u8, u8>::bind(&name).is_ok());
}

#[test]
fn a_forked_child_of_a_killed_listener_keeps_neither_its_name_nor_its_clients() {
    fn listen(gate: std::path::PathBuf) {
        let name = format!("forks-{}", std::process::id());
        let listener = Listener::<u8, u8>::bind(&name).expect("a name");
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        let mut stream = UnixStream::connect(gate).expect("the gate");
        stream.write_all(&child.to_le_bytes()).expect("written");
        let _ = stream.read(&mut [0]);
        drop(listener);
    }
    let gate = Gate::new();
    let mut worker = start(listen, gate.path());
    let name = format!("forks-{}", worker.id());
    let mut arrived = gate.arrival();
    let mut child = [0; 4];
    arrived.read_exact(&mut child).expect("read");
    let client = thread::spawn({
        let name = name.clone();
        move || Conn::<u8, u8>::connect_timeout(&name, Duration::from_secs(20)).map(|_| ())
    });
    // Until its request waits.
    let late = Conn::<u8, u8>::connect_timeout(&name, Duration::from_millis(50));
    assert!(
        matches!(late, Err(ConnectError::Timeout { .. })),
        "{late:?}"
    );
    worker.kill().expect("killed");
    outcome(&mut worker).expect_err("killed");
    let bound = Listener::<u8, u8>::bind(&name).map(|_| ());
    let gone = client.join().expect("no panic");
    // SAFETY: takes integers; the child's parent has not waited for it.
    unsafe { libc::kill(i32::from_le_bytes(child), libc::SIGKILL) };
    assert_eq!(bound, Ok(()));
    assert!(
        matches!(gone, Err(ConnectError::NotListening { .. })),
        "{gone:?}"
    );
}

#[test]
fn a_forked_child_of_a_client_does_not_keep_it_waiting_for_a_listener_that_has_gone() {
    fn threads_that_run() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
        tasks
            .filter(|task| {
                let stat = task.as_ref().expect("a thread").path().join("stat");
                std::fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") S "))
            })
            .count()
    }
    fn connect((): ()) -> Vec<String> {
        let most = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen");
        let most: usize = most.expect("a number").trim().parse().expect("a number");
        let name = format!("client-forks-{}", std::process::id());
        let listener = Listener::<u8, u8>::bind(&name).expect("a name");
        // More than the kernel queues: so some wait to send their requests.
        let clients: Vec<_> = (0..most + 4)
            .map(|_| {
                let name = name.clone();
                thread::spawn(move || {
                    let long = Duration::from_secs(20);
                    Conn::<u8, u8>::connect_timeout(&name, long).map(|_| ())
                })
            })
            .collect();
        // This one runs.
        while threads_that_run() > 1 {
            thread::yield_now();
        }
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        // Until no client waits to send.
        let accepted: Vec<_> = (0..4).map(|_| listener.accept().map(drop)).collect();
        while threads_that_run() > 1 {
            thread::yield_now();
        }
        drop(listener);
        let mut failed: Vec<_> = accepted
            .into_iter()
            .filter_map(|accepted| accepted.err().map(|error| error.to_string()))
            .collect();
        for client in clients {
            match client.join().expect("no panic") {
                Ok(()) | Err(ConnectError::NotListening { .. }) => {}
                Err(other) => failed.push(other.to_string()),
            }
        }
        // SAFETY: takes integers; a child of this process that was not waited for.
        unsafe { libc::kill(child, libc::SIGKILL) };
        failed
    }
    let failed = outcome(&mut start(connect, ())).expect("joined");
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn a_full_backlog_is_an_error_at_the_deadline() {
    let name = unique();
    let _listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let most = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen");
    let most: usize = most.expect("a number").trim().parse().expect("a number");
    let wait = Duration::from_secs(3);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..most + 3)
            .map(|_| scope.spawn(|| Conn::<u8, u8>::connect_timeout(&name, wait).map(|_| ())))
            .collect();
        let ended: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().expect("no panic"))
            .collect();
        let full = |ended: &&Result<(), ConnectError>| {
            matches!(ended, Err(ConnectError::BacklogFull { .. }))
        };
        assert!(ended.iter().filter(full).count() >= 1, "{ended:?}");
        let waited = ended.iter().all(|ended| {
            matches!(
                ended,
                Err(ConnectError::Timeout { .. } | ConnectError::BacklogFull { .. })
            )
        });
        assert!(waited, "{ended:?}");
    });
}

#[test]
fn other_types_are_refused_and_the_next_client_is_accepted() {
    let name = unique();
    let listener = Listener::<u32, String>::bind(&name).expect("a name");
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let other = Conn::<u32, String>::connect(&name).map(|_| ());
            let same = Conn::<String, u32>::connect(&name).map(|_| ());
            (other, same)
        });
        let accepted = listener.accept().map(|_| ());
        let (other, same) = clients.join().expect("no panic");
        let Err(ConnectError::OtherTypes {
            expected, found, ..
        }) = other
        else {
            panic!("{other:?}");
        };
        assert!(expected.0.starts_with("u32") && found.0.to_lowercase().starts_with("str"));
        assert_eq!((accepted, same), (Ok(()), Ok(())));
    });
}

#[test]
fn other_users_are_refused_unless_allowed() {
    if user() != 0 {
        // Only the superuser can become another one.
        return;
    }
    /// Connects as user 65,534 to the listener of user 0.
    fn connect(name: String) -> Result<(), ConnectError> {
        // SAFETY: takes an integer; this process is the test's.
        assert_eq!(unsafe { libc::seteuid(65_534) }, 0);
        let to_root = PipeOptions::new().user(0);
        to_root.connect::<u8, u8>(&name).map(|_| ())
    }
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let mut worker = start(connect, name.clone());
    // It is refused meanwhile.
    let late = loop {
        match listener.accept_timeout(Duration::from_millis(50)) {
            Err(AcceptError::Timeout) if worker.exit_status().expect("a status").is_none() => {}
            ended => break ended.map(|_| ()),
        }
    };
    assert_eq!(late, Err(AcceptError::Timeout));
    let refused = outcome(&mut worker).expect("joined");
    assert!(
        matches!(refused, Err(ConnectError::OtherUser { user: 65_534, .. })),
        "{refused:?}"
    );
    drop(listener);
    let listener = ListenerOptions::new()
        .allow_user(65_534)
        .bind::<u8, u8>(&name);
    let listener = listener.expect("a name");
    let mut worker = start(connect, name);
    let (_conn, peer) = listener.accept().expect("a client");
    assert_eq!((peer.uid(), peer.pid()), (65_534, worker.id()));
    assert_eq!(outcome(&mut worker).expect("joined"), Ok(()));
}

#[test]
fn names_that_cannot_be_and_names_in_use_are_refused() {
    let bind = |name: &str| Listener::<u8, u8>::bind(name).map(|_| ());
    let long = "x".repeat(82);
    for (name, expected) in [
        ("", NameError::Empty),
        ("a\0b", NameError::Forbidden { character: '\0' }),
        ("a/b", NameError::Forbidden { character: '/' }),
        (&long, NameError::TooLong { len: 82, max: 81 }),
    ] {
        assert_eq!(bind(name), Err(BindError::Name(expected.clone())));
        let refused = Conn::<u8, u8>::connect(name).map(|_| ());
        assert_eq!(refused, Err(ConnectError::Name(expected)));
    }
    assert_eq!(bind(&long[..81]), Ok(()));
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    assert_eq!(bind(&name), Err(BindError::InUse { name: name.clone() }));
    drop(listener);
    assert_eq!(bind(&name), Ok(()));
    let refused = Conn::<u8, u8>::connect(&name).map(|_| ());
    assert_eq!(refused, Err(ConnectError::NotListening { name }));
    let refused = Listener::<crossdock::Segment, u8>::bind("handles");
    assert!(matches!(
        refused,
        Err(BindError::Pipe(PipeError::Values { .. }))
    ));
}

#[test]
fn a_listener_is_readable_while_a_request_waits() {
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let readable = |timeout| {
        let mut poll = libc::pollfd {
            fd: std::os::fd::AsFd::as_fd(&listener).as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd is passed and counted.
        unsafe { libc::poll(&raw mut poll, 1, timeout) == 1 }
    };
    assert!(!readable(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| Conn::<u8, u8>::connect(&name).map(|_| ()));
        assert!(readable(20_000));
        assert!(listener.try_accept().expect("no error").is_some());
        assert_eq!(client.join().expect("no panic"), Ok(()));
    });
    assert!(!readable(0));
    assert!(listener.try_accept().expect("no error").is_none());
}
