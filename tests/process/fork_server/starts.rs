//! Starts by a fork server, their results and statuses, and what they leave.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use crossdock::process::{self, JoinError};
use crossdock::{Counter, Mutex, Segment};

use super::preload::{calls, load};
use super::{alone, children, fork, forked, parent, server, wait_for_the_end_of};
use crate::support::{Gate, call, has_children, outcome, wait_at};

fn descriptors_of(process: &str) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd"))
        .expect("/proc")
        .count()
}

#[test]
fn it_computes_and_its_status_is_told() {
    let mut worker = fork(|number: u64| number + 1, 1);
    assert_eq!(outcome(&mut worker).expect("joined"), 2);
    let status = worker.exit_status().expect("told").expect("ended");
    assert_eq!(status.code(), Some(0));
    assert!(!worker.is_alive());
}

#[test]
fn all_ends_are_told_as_of_a_spawned_process() {
    let error = forked(|n: u32| -> u32 { panic!("no {n} today") }, 4).expect_err("panicked");
    assert!(format!("{error}").contains("no 4 today"), "{error}");
    let mut worker = fork(|()| -> u8 { std::process::exit(9) }, ());
    assert_eq!(outcome(&mut worker), Err(JoinError::Exited { code: 9 }));
    let status = worker.exit_status().expect("told").expect("ended");
    assert_eq!(status.code(), Some(9));
    let mut worker = fork(|()| -> u8 { std::process::abort() }, ());
    let signal = libc::SIGABRT;
    assert_eq!(outcome(&mut worker), Err(JoinError::Killed { signal }));
    let mut worker = fork(|()| -> u8 { panic!("now") }, ());
    outcome(&mut worker).expect_err("panicked");
    let status = worker.exit_status().expect("told").expect("ended");
    assert_eq!(status.code(), Some(101));
}

#[test]
fn a_status_is_told_late_and_while_others_run() {
    let gate = Gate::new();
    let early = fork(|()| -> u8 { std::process::exit(3) }, ());
    let mut waiting = fork(|gate: PathBuf| wait_at(&gate), gate.path());
    let arrived = gate.arrival();
    assert!(waiting.is_alive());
    assert_eq!(waiting.exit_status(), Ok(None));
    for number in 0..20 {
        assert_eq!(forked(|n: u32| n, number), Ok(number));
    }
    while early.is_alive() {
        std::thread::yield_now();
    }
    let status = early.exit_status().expect("told").expect("ended");
    assert_eq!(status.code(), Some(3));
    waiting.terminate().expect("sent");
    let signal = libc::SIGTERM;
    assert_eq!(outcome(&mut waiting), Err(JoinError::Killed { signal }));
    let status = waiting.exit_status().expect("told").expect("ended");
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    drop(arrived);
}

#[test]
fn handles_refer_to_the_same_memory_and_each_process_is_a_participant() {
    let segment = Segment::anonymous().expect("made");
    let counter = segment.create::<Counter>("total", 0).expect("created");
    let mutex = segment.create::<Mutex<u64>>("sum", 0).expect("created");
    counter.add(1);
    let workers: Vec<_> = (0..8)
        .map(|_| {
            fork(
                |(counter, mutex): (Counter, Mutex<u64>)| {
                    for _ in 0..100 {
                        counter.add(1);
                        *mutex.lock().expect("locked") += 1;
                    }
                    Segment::anonymous().expect("made")
                },
                (counter.clone(), mutex.clone()),
            )
        })
        .collect();
    for mut worker in workers {
        // A handle as result comes over the socket.
        outcome(&mut worker).expect("joined");
    }
    assert_eq!(counter.load(), 801);
    assert_eq!(*mutex.lock().expect("locked"), 800);
}

#[test]
fn more_segments_travel_than_fit_one_message() {
    let counters: Vec<Counter> = (0..300)
        .map(|number| {
            let segment = Segment::anonymous().expect("made");
            segment.create("number", number).expect("created")
        })
        .collect();
    let look = |counters: Vec<Counter>| counters.iter().map(|c| c.load()).collect::<Vec<u64>>();
    assert_eq!(forked(look, counters), Ok((0..300).collect()));
}

#[test]
fn two_thousand_starts_leave_nothing() {
    let told = alone(|()| {
        let server = server();
        let gate = Gate::new();
        // One that runs all the time, and the handles of one that was dropped.
        let waits = fork(|gate: PathBuf| wait_at(&gate), gate.path());
        let arrived = gate.arrival();
        let count = || (descriptors_of("self"), descriptors_of(&server.to_string()));
        let before = count();
        for number in 0..2_000_u32 {
            let worker = fork(|number: u32| number, number);
            if number % 3 == 0 {
                drop(worker);
            } else if number % 3 == 1 {
                worker.kill().expect("killed");
                let mut worker = worker;
                let _ = outcome(&mut worker);
                worker.exit_status().expect("told").expect("ended");
            } else {
                assert_eq!(worker.join(), Ok(number));
            }
        }
        drop(arrived);
        waits.join().expect("joined");
        // The one for the next start.
        while children(server).len() > 1 {
            std::thread::yield_now();
        }
        // Those whose handles were dropped are known until they are looked at.
        process::active_children();
        // Nor is the server, or one of its processes, this process's child.
        let after = count();
        (
            before.0 - 3 >= after.0,
            before.1 >= after.1,
            has_children(),
            (before, after),
        )
    });
    assert!(told.0 && told.1 && !told.2, "{told:?}");
}

#[test]
fn threads_start_processes_side_by_side() {
    let told = alone(|()| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u32)
                .map(|thread| {
                    scope.spawn(move || {
                        for number in 0..50 {
                            let number = thread * 100 + number;
                            assert_eq!(
                                forked(|(n, s)| (n, s, parent()), (number, "x".to_owned()))
                                    .map(|(n, ..)| n),
                                Ok(number)
                            );
                        }
                        server()
                    })
                })
                .collect();
            let mut servers: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().expect("joined"))
                .collect();
            servers.dedup();
            servers.len()
        })
    });
    assert_eq!(told, 1);
}

#[test]
fn a_process_of_the_server_starts_others_by_either_method() {
    let told = alone(|()| {
        forked(
            |()| {
                let spawned = call(|n: u8| n + 1, 1);
                let (n, server) = forked(|n: u8| (n + 1, parent()), 2).expect("joined");
                (spawned, n, server, parent())
            },
            (),
        )
    });
    let (spawned, n, its, own) = told.expect("joined");
    assert_eq!((spawned, n), (Ok(2), 3));
    assert_ne!(its, own);
}

#[test]
fn a_process_of_the_server_may_start_threads() {
    let told = forked(
        |()| {
            let threads: Vec<_> = (0..4)
                .map(|n: u64| std::thread::spawn(move || (0..1_000).map(|m| m * n).sum::<u64>()))
                .collect();
            let sums = threads
                .into_iter()
                .map(|thread| thread.join().expect("joined"));
            sums.sum::<u64>()
        },
        (),
    );
    assert_eq!(told, Ok(499_500 * 6));
}

#[test]
fn a_forked_child_of_the_asker_has_a_server_of_its_own() {
    let told = alone(|()| {
        process::init_test("crossdock_worker");
        process::preload(load).expect("in the program");
        let own = server();
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        // SAFETY: the other thread is the harness's, which sleeps.
        let forked_child = unsafe { libc::fork() };
        if forked_child == 0 {
            let there = forked(|()| (parent(), calls()), ()).expect("joined");
            let bytes = [there.0, there.1].map(u32::to_le_bytes);
            let mut writer = writer;
            writer.write_all(bytes.as_flattened()).expect("written");
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) }
        }
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("read");
        // SAFETY: this process's child, which has not been waited for.
        unsafe { libc::waitpid(forked_child, std::ptr::null_mut(), 0) };
        let words: Vec<_> = bytes
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().expect("four")))
            .collect();
        let theirs = words[0];
        wait_for_the_end_of(theirs);
        (own, theirs, words[1], server())
    });
    let (own, theirs, loaded, still) = told;
    assert_eq!((own, loaded), (still, 1));
    assert_ne!(own, theirs);
}
