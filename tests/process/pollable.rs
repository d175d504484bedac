//! Ends of pipes with a descriptor, in poll(2) beside other descriptors.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use crossdock::process::{self, Conn, PipeOptions, Pollable};
use crossdock::queue::{RecvError, TryRecvError};

use crate::support::{outcome, start};

const LONG: Duration = Duration::from_secs(60);

/// poll(2): which of the descriptors are readable, once one is, or the time is up.
fn poll<const N: usize>(descriptors: [BorrowedFd<'_>; N], timeout: Duration) -> [bool; N] {
    let mut polls = descriptors.map(|fd| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = i32::try_from(timeout.as_millis()).expect("short");
    // SAFETY: as many entries as are said, which outlive the call.
    let ready = unsafe { libc::poll(polls.as_mut_ptr(), N as libc::nfds_t, timeout) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    polls.map(|poll| poll.revents != 0)
}

fn is_readable(pollable: &impl AsFd, timeout: Duration) -> bool {
    poll([pollable.as_fd()], timeout)[0]
}

#[test]
fn the_descriptor_is_readable_exactly_while_something_can_be_received() {
    let (mut sender, receiver) = process::pipe::<u32>().expect("a pipe");
    sender.send(&0).expect("sent");
    let mut pollable = receiver.pollable().expect("a descriptor");
    assert!(is_readable(&pollable, Duration::ZERO), "it came before");
    for number in 1..200 {
        {
            let mut receiver = pollable.get_mut();
            assert_eq!(receiver.try_recv(), Ok(number - 1));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
        assert!(!is_readable(&pollable, Duration::ZERO), "{number}");
        sender.send(&number).expect("sent");
        assert!(is_readable(&pollable, LONG), "{number}");
        // Two messages, one of which is taken: it stays so.
        sender.send(&number).expect("sent");
        assert_eq!(pollable.get_mut().try_recv(), Ok(number));
        assert!(is_readable(&pollable, Duration::ZERO), "{number}");
    }
    // An end is heard without the descriptor, too.
    drop(sender);
    let mut receiver = pollable.into_inner();
    assert_eq!(receiver.recv(), Ok(199));
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
}

#[test]
fn a_borrowed_end_is_woken_by_its_sender_and_not_the_thread_that_waited_for_it() {
    let (mut sender, receiver) = process::pipe::<u32>().expect("a pipe");
    let mut pollable = receiver.pollable().expect("a descriptor");
    for number in 0..200 {
        std::thread::scope(|scope| {
            let sender = &mut sender;
            scope.spawn(move || sender.send(&number).expect("sent"));
            assert_eq!(pollable.get_mut().recv_timeout(LONG), Ok(number));
        });
        assert!(!is_readable(&pollable, Duration::ZERO), "{number}");
    }
}

#[test]
fn parts_of_a_large_message_make_it_readable_until_it_is_whole() {
    let options = PipeOptions::new().capacity(512);
    let (mut sender, receiver) = options.pipe::<Vec<u8>>().expect("a pipe");
    let mut pollable = receiver.pollable().expect("a descriptor");
    std::thread::scope(|scope| {
        let sender = &mut sender;
        scope.spawn(move || sender.send(&vec![7; 100_000]).expect("sent"));
        let message = loop {
            assert!(is_readable(&pollable, LONG));
            match pollable.get_mut().try_recv() {
                Ok(message) => break message,
                Err(TryRecvError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(message, vec![7; 100_000]);
    });
    assert!(!is_readable(&pollable, Duration::ZERO));
}

/// Answers numbers until the other end is gone.
fn answer(mut conn: Conn<u64, u64>) {
    while let Ok(number) = conn.recv() {
        if conn.send(&(2 * number)).is_err() {
            return;
        }
    }
}

#[test]
fn the_death_of_a_peer_ends_a_poll_beside_a_pipe() {
    let (conn, other) = process::duplex::<u64, u64>().expect("a connection");
    let peer = start(answer, other);
    let mut pollable = conn.pollable().expect("a descriptor");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let look = |pollable: &Pollable<Conn<u64, u64>>, timeout| {
        poll([pollable.as_fd(), reader.as_fd()], timeout)
    };
    assert_eq!(look(&pollable, Duration::ZERO), [false, false]);
    pollable.get_mut().send(&21).expect("sent");
    assert_eq!(look(&pollable, LONG), [true, false]);
    assert_eq!(pollable.get_mut().try_recv(), Ok(42));
    writer.write_all(b"1").expect("written");
    assert_eq!(look(&pollable, LONG), [false, true]);
    peer.kill().expect("killed");
    // The other descriptor stays readable, and hides nothing.
    assert!(is_readable(&pollable, LONG));
    assert_eq!(look(&pollable, LONG), [true, true]);
    assert_eq!(
        pollable.get_mut().try_recv(),
        Err(TryRecvError::Disconnected)
    );
    assert!(is_readable(&pollable, Duration::ZERO), "it stays over");
    drop(peer.join());
}

/// How many threads this process has that wait for such ends.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("crossdock-polls"))
        .count()
}

fn have_many((): ()) {
    let pipes: Vec<_> = (0..150)
        .map(|_| {
            let (sender, receiver) = process::pipe::<u32>().expect("a pipe");
            (sender, receiver.pollable().expect("a descriptor"))
        })
        .collect();
    assert_eq!(threads(), 1);
    for (mut sender, mut pollable) in pipes {
        sender.send(&1).expect("sent");
        assert!(is_readable(&pollable, LONG));
        assert_eq!(pollable.get_mut().try_recv(), Ok(1));
    }
    while threads() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn one_thread_waits_for_all_and_ends_with_the_last() {
    // In a process of its own: other tests have such ends, too.
    assert_eq!(outcome(&mut start(have_many, ())), Ok(()));
}
