//! The ends of pipes, connections and rings as arguments of processes.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crossdock::Segment;
use crossdock::process::{self, Conn, JoinError, PipeOptions, PipeReceiver, PipeSender};
use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::queue::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use crate::support::{Gate, outcome, start, wait_at};

/// Sends numbers, and returns how many.
fn count(args: (PipeSender<u32>, u32)) -> u32 {
    let (mut sender, count) = args;
    for number in 0..count {
        sender.send(&number).expect("sent");
    }
    count
}

#[test]
fn a_process_sends_through_an_end_and_its_exit_is_the_end() {
    let (sender, mut receiver) = process::pipe().expect("a pipe");
    let mut worker = start(count, (sender, 20_000));
    for number in 0..20_000 {
        assert_eq!(receiver.recv(), Ok(number));
    }
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
    assert_eq!(outcome(&mut worker).expect("joined"), 20_000);
}

#[test]
fn two_processes_have_the_ends_of_a_connection() {
    fn ask(mut conn: Conn<String, usize>) -> usize {
        let mut sum = 0;
        for word in ["a", "bc", "def"] {
            conn.send(&word.to_owned()).expect("sent");
            sum += conn.recv().expect("an answer");
        }
        sum
    }
    fn answer(mut conn: Conn<usize, String>) -> usize {
        let mut answered = 0;
        while let Ok(word) = conn.recv() {
            conn.send(&word.len()).expect("sent");
            answered += 1;
        }
        answered
    }
    let (asks, answers) = process::duplex().expect("a connection");
    let mut first = start(ask, asks);
    let mut second = start(answer, answers);
    assert_eq!(outcome(&mut first).expect("joined"), 6);
    assert_eq!(outcome(&mut second).expect("joined"), 3);
}

#[test]
fn an_end_goes_on_to_a_process_of_a_process() {
    fn pass_on(args: (PipeSender<u32>, u32)) -> u32 {
        let (sender, left) = args;
        if left == 0 {
            return count((sender, 100));
        }
        outcome(&mut start(pass_on, (sender, left - 1))).expect("joined")
    }
    let (sender, mut receiver) = process::pipe().expect("a pipe");
    let mut worker = start(pass_on, (sender, 3));
    let all: Result<Vec<_>, _> = receiver.iter().collect();
    assert_eq!(all, Ok((0..100).collect()));
    assert_eq!(outcome(&mut worker).expect("joined"), 100);
}

#[test]
fn what_has_arrived_of_a_large_message_goes_along() {
    fn rest(args: (PipeReceiver<Vec<u8>>, u8)) -> bool {
        let (mut receiver, byte) = args;
        let message = receiver.recv().expect("the message");
        message.len() == 100_000 && message.iter().all(|found| *found == byte)
    }
    let options = PipeOptions::new().capacity(4096);
    let (mut sender, mut receiver) = options.pipe::<Vec<u8>>().expect("a pipe");
    thread::scope(|scope| {
        // Until the last receiver has gone.
        scope.spawn(|| while sender.send(&vec![7; 100_000]).is_ok() {});
        loop {
            match receiver.recv_timeout(Duration::from_micros(50)) {
                // Some parts may have come, and not the last.
                Err(RecvTimeoutError::Timeout) => break,
                // The whole message was faster; the next one is under way.
                whole => assert_eq!(whole.map(|message| message.len()), Ok(100_000)),
            }
        }
        let mut worker = start(rest, (receiver, 7));
        assert!(outcome(&mut worker).expect("joined"));
    });
}

#[test]
fn a_killed_process_is_the_end_of_what_it_had() {
    fn hold(args: (Conn<u8, u8>, PathBuf)) {
        let (mut conn, gate) = args;
        conn.send(&1).expect("sent");
        wait_at(&gate);
    }
    let gate = Gate::new();
    let (mut one, other) = process::duplex::<u8, u8>().expect("a connection");
    let mut worker = start(hold, (other, gate.path()));
    let _arrived = gate.arrival();
    assert_eq!(one.recv(), Ok(1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| one.recv());
        worker.kill().expect("killed");
        assert_eq!(
            waiting.join().expect("no panic"),
            Err(RecvError::Disconnected)
        );
    });
    outcome(&mut worker).expect_err("killed");
    assert_eq!(one.send(&2), Err(SendError::Disconnected(())));
}

#[test]
fn a_kill_in_the_middle_of_a_large_message_is_told() {
    fn stream(mut sender: PipeSender<()>) {
        // Nothing takes more than the first part out.
        sender.send_bytes(&vec![3; 1 << 20]).expect("sent");
    }
    let options = PipeOptions::new().capacity(8192);
    let (sender, mut receiver) = options.pipe::<()>().expect("a pipe");
    let mut worker = start(stream, sender);
    // A part is there.
    let late = receiver.recv_bytes_timeout(Duration::ZERO);
    assert_eq!(late, Err(RecvTimeoutError::Timeout));
    // Takes nothing out, so the sender cannot come to its end.
    assert_eq!(crossdock::queue::wait_any(&[&receiver]), Ok(0));
    worker.kill().expect("killed");
    outcome(&mut worker).expect_err("killed");
    let received = receiver.recv_bytes().map(|bytes| bytes.len());
    assert_eq!(received, Err(RecvError::Truncated));
    assert_eq!(receiver.recv_bytes(), Err(RecvError::Disconnected));
}

#[test]
fn an_end_outlives_the_process_that_passed_it_on() {
    fn pass_on(args: (PipeSender<u32>, PathBuf)) {
        let (sender, gate) = args;
        let _worker = start(count_at, (sender, gate));
        // It returns when the other process has the end.
        // SAFETY: ends this process as a kill would.
        unsafe { libc::raise(libc::SIGKILL) };
    }
    fn count_at(args: (PipeSender<u32>, PathBuf)) -> u32 {
        wait_at(&args.1);
        count((args.0, 100))
    }
    let gate = Gate::new();
    let (sender, mut receiver) = process::pipe().expect("a pipe");
    let mut worker = start(pass_on, (sender, gate.path()));
    let arrived = gate.arrival();
    let killed = outcome(&mut worker).expect_err("killed");
    assert!(matches!(killed, JoinError::Killed { .. }), "{killed}");
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    drop(arrived);
    let all: Result<Vec<_>, _> = receiver.iter().collect();
    assert_eq!(all, Ok((0..100).collect()));
}

#[test]
fn a_process_that_is_killed_while_it_passes_an_end_on_loses_nothing_that_was_sent() {
    fn pass_on(mut sender: PipeSender<u32>) {
        sender.send(&0).expect("sent");
        let mut worker = start(after, sender);
        let _ = outcome(&mut worker);
    }
    fn after(mut sender: PipeSender<u32>) {
        for number in 1..10 {
            // The end may be over.
            if sender.send(&number).is_err() {
                return;
            }
        }
    }
    let mut seen = [0; 2];
    for round in 0..40_u64 {
        let (sender, mut receiver) = process::pipe().expect("a pipe");
        let mut worker = start(pass_on, sender);
        assert_eq!(receiver.recv(), Ok(0));
        // Somewhere in the start of the other process.
        let until = Instant::now() + Duration::from_micros(round * 60);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let _ = worker.kill();
        let rest: Result<Vec<_>, _> = receiver.iter().collect();
        let rest = rest.expect("no fault");
        let expected: Vec<_> = (1..10).collect();
        assert!(rest.is_empty() || rest == expected, "{rest:?}");
        seen[usize::from(!rest.is_empty())] += 1;
        let _ = outcome(&mut worker);
    }
    println!("{} ends were over, {} passed on", seen[0], seen[1]);
}

#[test]
fn ends_elsewhere_are_errors_that_name_the_cure() {
    fn make(_: ()) -> PipeSender<u8> {
        process::pipe().expect("a pipe").0
    }
    let refused = outcome(&mut start(make, ())).expect_err("no result");
    let text = refused.to_string();
    assert!(
        text.contains("cannot be a result") && text.contains("as an argument"),
        "{text}"
    );
    let refused = process::pipe::<PipeReceiver<u8>>().expect_err("no values");
    assert!(refused.to_string().contains("process::spawn"), "{refused}");
}

#[test]
fn the_ends_of_a_ring_are_arguments_too() {
    fn double(args: (Consumer<u64>, Producer<u64>)) -> u64 {
        let (mut numbers, mut doubled) = args;
        let mut count = 0;
        while let Ok(number) = numbers.pop() {
            doubled.push(2 * number).expect("pushed");
            count += 1;
        }
        count
    }
    let segment = Segment::anonymous().expect("a segment");
    let there: Spsc<u64> = segment.create("there", 8_u64).expect("a ring");
    let back: Spsc<u64> = segment.create("back", 8_u64).expect("a ring");
    let (mut push, pop) = (
        there.producer().expect("free"),
        there.consumer().expect("free"),
    );
    let (answer, mut doubled) = (
        back.producer().expect("free"),
        back.consumer().expect("free"),
    );
    let mut worker = start(double, (pop, answer));
    for number in 0..1000 {
        push.push(number).expect("pushed");
        assert_eq!(doubled.pop(), Ok(2 * number));
    }
    drop(push);
    assert_eq!(outcome(&mut worker).expect("joined"), 1000);
    assert_eq!(doubled.pop(), Err(RecvError::Disconnected));
}

#[test]
fn an_inherited_end_is_not_a_forked_childs() {
    let (mut sender, mut receiver) = process::pipe::<u8>().expect("a pipe");
    // SAFETY: the child makes no call that a forked child of a process with threads may not make,
    // but for allocations of its own, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(
            sender.try_send(&1),
            Err(TrySendError::Fault((), crossdock::Fault::NotOwner))
        );
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    sender.send(&2).expect("sent");
    assert_eq!(receiver.recv(), Ok(2));
}

#[test]
fn a_large_message_that_was_gathered_before_a_fork_is_not_the_childs() {
    let (mut sender, mut receiver) = process::pipe::<u8>().expect("a pipe");
    let message = vec![7; 100_000];
    thread::scope(|scope| {
        scope.spawn(|| sender.send_bytes(&message).expect("sent"));
        // It is whole now, in the receiver's memory.
        assert_eq!(
            receiver.poll(Instant::now() + Duration::from_secs(60)),
            Ok(true)
        );
    });
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let polled = receiver.poll(Duration::ZERO);
        let received = receiver.try_recv_bytes();
        let refused = matches!(polled, Err(crossdock::Fault::NotOwner))
            && matches!(
                received,
                Err(TryRecvError::Fault(crossdock::Fault::NotOwner))
            );
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(receiver.recv_bytes(), Ok(message));
}
