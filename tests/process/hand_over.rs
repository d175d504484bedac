//! Ends of queues that go to other processes as arguments: the other side is told of the end when
//! the last has left, not before, and always.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossdock::process::{self, Builder, JoinError, Process, SpawnError, StartMethod};
use crossdock::queue::{
    ByteQueue, Countable, Queue, Receiver, ReceiverOf, RecvError, RecvTimeoutError, SendError,
    Sender, SenderOf, TryRecvError, WorkQueue, channel, pair,
};
use crossdock::{Counter, Segment};

use crate::support::{Gate, outcome, spawn_with, start, wait_at};

/// Where a worker waits before it calls `init`.
const BEFORE_INIT: &str = "CROSSDOCK_TEST_BEFORE_INIT";
const HELD_BACK: &str = "hand_over::a_worker_that_is_held_back";
/// What hangs is ended by this.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Becomes a worker when the test lets it.
#[test]
fn a_worker_that_is_held_back() {
    if let Some(gate) = std::env::var_os(BEFORE_INIT) {
        wait_at(Path::new(&gate));
    }
    process::init();
}

/// Spawns a worker that is held back at the gate. Only in a worker, whose restart is its own.
fn spawn_held_back<A, R>(
    gate: &Path,
    function: fn(A) -> R,
    args: A,
) -> Result<Process<R>, SpawnError>
where
    A: process::Portable,
    R: process::Portable,
{
    process::init_test(HELD_BACK);
    let builder = Builder::new().env(BEFORE_INIT, gate);
    builder.spawn(function, args)
}

type Ends = (
    (SenderOf<Queue<u64>>, SenderOf<WorkQueue<u64>>),
    (SenderOf<ByteQueue>, Sender<String>),
);

#[test]
fn senders_of_every_kind_go_to_a_worker_and_end_with_it() {
    let (plain, plain_end) = pair::<Queue<u64>>(4).expect("made");
    let (work, work_end) = pair::<WorkQueue<u64>>(4).expect("made");
    let (bytes, bytes_end) = pair::<ByteQueue>(4).expect("made");
    let (values, values_end) = channel::<String>(4).expect("made");
    let sent = |((plain, work), (bytes, values)): Ends| {
        plain.send(1).expect("sent");
        work.send(2).expect("sent");
        bytes.send(b"three").expect("sent");
        values.send(&"four".to_owned()).expect("sent");
    };
    let mut worker = start(sent, ((plain, work), (bytes, values)));
    assert_eq!(plain_end.recv(), Ok(1));
    assert_eq!(work_end.recv().expect("received").into_inner(), Ok(2));
    let three = bytes_end.recv().expect("received").into_inner();
    assert_eq!(three.expect("this one's"), b"three");
    let four = values_end.recv().expect("received").into_inner();
    assert_eq!(four.expect("this one's"), "four");
    assert_eq!(plain_end.recv(), Err(RecvError::Disconnected));
    assert!(matches!(work_end.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(bytes_end.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(values_end.recv(), Err(RecvError::Disconnected)));
    outcome(&mut worker).expect("joined");
}

/// The receivers of every kind, in a worker that takes one message and ends.
fn a_receiver_goes<Q: Countable>(
    ends: (SenderOf<Q>, ReceiverOf<Q>),
    takes: fn(ReceiverOf<Q>),
    send: impl Fn(&Q) -> Result<(), SendError<()>>,
) {
    let (sender, receiver) = ends;
    let mut worker = start(takes, receiver);
    let last = loop {
        if let Err(error) = send(&sender) {
            break error;
        }
    };
    assert_eq!(last, SendError::Disconnected(()));
    outcome(&mut worker).expect("joined");
}

#[test]
fn receivers_of_every_kind_go_to_a_worker_and_end_with_it() {
    let takes = |queue: ReceiverOf<Queue<u64>>| assert_eq!(queue.recv(), Ok(1));
    let ends = pair::<Queue<u64>>(4).expect("made");
    a_receiver_goes(ends, takes, |queue| {
        queue.send(1).map_err(|error| error.map_unit())
    });
    let takes = |queue: ReceiverOf<WorkQueue<u64>>| queue.recv().expect("received").ack().unwrap();
    let ends = pair::<WorkQueue<u64>>(4).expect("made");
    a_receiver_goes(ends, takes, |queue| {
        queue.send(1).map_err(|error| error.map_unit())
    });
    let takes = |queue: ReceiverOf<ByteQueue>| queue.recv().expect("received").ack().unwrap();
    let ends = pair::<ByteQueue>(4).expect("made");
    a_receiver_goes(ends, takes, |queue| queue.send(b"one"));
    let takes = |queue: Receiver<String>| queue.recv().expect("received").ack().unwrap();
    let ends = channel::<String>(4).expect("made");
    a_receiver_goes(ends, takes, |queue| queue.send(&"one".to_owned()));
}

trait MapUnit {
    fn map_unit(self) -> SendError<()>;
}

impl<T> MapUnit for SendError<T> {
    fn map_unit(self) -> SendError<()> {
        match self {
            SendError::Disconnected(_) => SendError::Disconnected(()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_receiver_is_never_told_of_an_end_while_senders_go_from_process_to_process() {
    let (sender, receiver) = channel::<u32>(16).expect("made");
    let mut sender = Some(sender);
    let mut workers = Vec::new();
    std::thread::scope(|scope| {
        let all = scope.spawn(|| take_all(&receiver));
        for number in 0..20 {
            // The last start gives the last sender away.
            let given = match number {
                19 => sender.take().expect("kept until now"),
                _ => sender.clone().expect("kept until now"),
            };
            let sends = |(number, sender): (u32, Sender<u32>)| sender.send(&number).expect("sent");
            workers.push(start(sends, (number, given)));
        }
        assert_eq!(all.join().expect("counted"), 20);
    });
    for worker in &mut workers {
        outcome(worker).expect("joined");
    }
}

/// Takes what comes until the end, and returns how many there were.
fn take_all(receiver: &Receiver<u32>) -> usize {
    let taken = receiver.iter().map(|one| one.expect("received").ack());
    taken
        .map(|acknowledged| acknowledged.expect("this one's"))
        .count()
}

/// Hands a sender on to a process that hands it on, until none is left to start.
fn pass_on((sender, left): (Sender<u32>, u32)) {
    if left == 0 {
        sender.send(&left).expect("sent");
        return;
    }
    let next = process::spawn(pass_on, (sender, left - 1)).expect("spawned");
    next.join().expect("joined");
}

#[test]
fn a_sender_that_is_handed_on_and_on_arrives() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let mut worker = start(pass_on, (sender, 5));
    assert_eq!(receiver.recv().expect("received").into_inner(), Ok(0));
    outcome(&mut worker).expect("joined");
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_spawn_returns_when_the_worker_has_the_sender() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let waits = |(gate, sender): (PathBuf, Sender<u32>)| {
        wait_at(&gate);
        drop(sender);
    };
    let mut worker = start(waits, (gate.path(), sender));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    drop(gate.arrival());
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    outcome(&mut worker).expect("joined");
}

#[test]
fn a_worker_that_is_killed_with_the_last_sender_ends_the_queue() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let waits = |(gate, sender): (PathBuf, Sender<u32>)| {
        sender.send(&1).expect("sent");
        wait_at(&gate);
    };
    let mut worker = start(waits, (gate.path(), sender));
    let _arrived = gate.arrival();
    worker.kill().expect("sent");
    assert_eq!(receiver.recv().expect("received").into_inner(), Ok(1));
    assert!(matches!(
        receiver.recv_timeout(WATCHDOG),
        Err(RecvTimeoutError::Disconnected)
    ));
    assert!(matches!(
        outcome(&mut worker),
        Err(JoinError::Killed { signal: 9 })
    ));
}

/// What a worker found that was started by a parent that died: 1 for a failed send, 2 for another
/// outcome.
type Told = Counter;

fn tries_to_send((sender, told): (SenderOf<Queue<u64>>, Told)) {
    let first = sender.send(1) == Err(SendError::Disconnected(1));
    let second = sender.clone().send(2) == Err(SendError::Disconnected(2));
    told.add(if first && second { 1 } else { 2 });
}

fn tries_to_receive((receiver, told): (ReceiverOf<Queue<u64>>, Told)) {
    let is_over = receiver.recv() == Err(RecvError::Disconnected);
    told.add(if is_over { 1 } else { 2 });
}

fn wait_until_told(told: &Told) -> u64 {
    let begun = Instant::now();
    while told.load() == 0 {
        assert!(begun.elapsed() < WATCHDOG, "the worker says nothing");
        std::thread::yield_now();
    }
    told.load()
}

fn told() -> Told {
    let segment = Segment::anonymous().expect("made");
    segment.create("told", 0).expect("created")
}

#[test]
fn a_sender_whose_giver_was_killed_before_is_over_and_revives_nothing() {
    let (sender, receiver) = pair::<Queue<u64>>(4).expect("made");
    let (gate, told) = (Gate::new(), told());
    let parent = |(gate, sender, told): (PathBuf, SenderOf<Queue<u64>>, Told)| {
        let _ = spawn_held_back(&gate, tries_to_send, (sender, told));
    };
    let mut parent = start(parent, (gate.path(), sender, told.clone()));
    let held = gate.arrival();
    // The parent waits for its worker, and still counts.
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    parent.kill().expect("sent");
    assert_eq!(
        receiver.recv_timeout(WATCHDOG),
        Err(RecvTimeoutError::Disconnected)
    );
    drop(held);
    assert_eq!(wait_until_told(&told), 1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    // A new sender of a plain handle goes on.
    let again = receiver.sender().expect("counted");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(again);
    assert!(matches!(
        outcome(&mut parent),
        Err(JoinError::Killed { signal: 9 })
    ));
}

#[test]
fn a_receiver_whose_giver_was_killed_before_is_over_and_revives_nothing() {
    let (sender, receiver) = pair::<Queue<u64>>(2).expect("made");
    sender.send(1).expect("sent");
    let (gate, told) = (Gate::new(), told());
    let parent = |(gate, receiver, told): (PathBuf, ReceiverOf<Queue<u64>>, Told)| {
        let _ = spawn_held_back(&gate, tries_to_receive, (receiver, told));
    };
    let mut parent = start(parent, (gate.path(), receiver, told.clone()));
    let held = gate.arrival();
    parent.kill().expect("sent");
    assert!(matches!(
        outcome(&mut parent),
        Err(JoinError::Killed { signal: 9 })
    ));
    let last = loop {
        match sender.send_timeout(2, WATCHDOG) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(last, crossdock::queue::SendTimeoutError::Disconnected(_)),
        "{last}"
    );
    drop(held);
    assert_eq!(wait_until_told(&told), 1);
    assert_eq!(sender.send(3), Err(SendError::Disconnected(3)));
}

#[test]
fn a_worker_has_what_it_was_given_if_its_parent_dies_and_nobody_was_told() {
    let (sender, receiver) = pair::<Queue<u64>>(4).expect("made");
    let (gate, told) = (Gate::new(), told());
    // This process has a sender as well, so the end is not over.
    let parent = |(gate, sender, told): (PathBuf, SenderOf<Queue<u64>>, Told)| {
        let _ = spawn_held_back(&gate, tries_to_send, (sender, told));
    };
    let mut parent = start(parent, (gate.path(), sender.clone(), told.clone()));
    let held = gate.arrival();
    parent.kill().expect("sent");
    assert!(matches!(
        outcome(&mut parent),
        Err(JoinError::Killed { signal: 9 })
    ));
    drop(held);
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(wait_until_told(&told), 2);
    assert_eq!(receiver.recv(), Ok(2));
    drop(sender);
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
}

#[test]
fn a_spawn_returns_when_the_worker_has_died_and_the_queue_ends() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let parent = |(gate, sender): (PathBuf, Sender<u32>)| {
        let worker = spawn_held_back(&gate, |sender: Sender<u32>| drop(sender), sender);
        worker.map(Process::join)
    };
    let mut parent = start(parent, (gate.path(), sender));
    let held = gate.arrival();
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    let worker = peer_of(&held);
    // SAFETY: a process that the parent has not reaped, as it waits for the worker's byte.
    unsafe { libc::kill(worker, libc::SIGKILL) };
    let told = outcome(&mut parent).expect("joined").expect("spawned");
    assert_eq!(told, Err(JoinError::Killed { signal: 9 }));
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

/// The process at the other end of a socket.
fn peer_of(stream: &std::os::unix::net::UnixStream) -> libc::pid_t {
    use std::os::fd::AsRawFd;
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("small");
    // SAFETY: room for a ucred and its length, which outlive the call.
    let got = unsafe {
        let place = (&raw mut peer).cast();
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            place,
            &raw mut len,
        )
    };
    assert_eq!(got, 0);
    peer.pid
}

#[test]
fn starts_of_several_threads_overlap() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let parent = |(gate, sender): (PathBuf, Sender<u32>)| {
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (gate, sender) = (&gate, sender.clone());
                let sends = |(sender, number): (Sender<u32>, u32)| sender.send(&number).unwrap();
                scope.spawn(move || {
                    spawn_held_back(gate, sends, (sender, number)).map(Process::join)
                });
            }
        });
    };
    let mut parent = start(parent, (gate.path(), sender));
    // Neither waits for the other's acknowledgement.
    let both = [gate.arrival(), gate.arrival()];
    drop(both);
    outcome(&mut parent).expect("joined");
    assert_eq!(take_all(&receiver), 2);
}

#[test]
fn a_worker_that_never_begins_is_killed_at_its_timeout() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let parent = |(gate, sender): (PathBuf, Sender<u32>)| {
        process::init_test(HELD_BACK);
        let builder = Builder::new().env(BEFORE_INIT, &gate);
        let builder = builder.start_timeout(Duration::from_millis(50));
        let with_end = builder
            .spawn(|sender: Sender<u32>| drop(sender), sender)
            .map(drop);
        let without = builder.spawn(|()| (), ()).map(drop);
        (with_end, without, crate::support::has_children())
    };
    let mut parent = start(parent, (gate.path(), sender));
    let timeout = Duration::from_millis(50);
    let late = || Err(SpawnError::StartTimeout { timeout });
    assert_eq!(
        outcome(&mut parent).expect("joined"),
        (late(), late(), false)
    );
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    let text = SpawnError::StartTimeout { timeout }.to_string();
    assert!(
        text.contains("start_timeout") && text.contains("process::init()"),
        "{text}"
    );
}

#[test]
fn a_worker_that_begins_in_time_runs() {
    let builder = Builder::new().start_timeout(WATCHDOG);
    let mut worker = spawn_with(&builder, |number: u32| number + 1, 1);
    assert_eq!(outcome(&mut worker), Ok(2));
}

#[test]
fn a_sender_goes_to_a_process_of_the_fork_server() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let builder = Builder::new().start(StartMethod::ForkServer);
    let waits = |(gate, sender): (PathBuf, Sender<u32>)| {
        wait_at(&gate);
        sender.send(&1).expect("sent");
    };
    let mut worker = spawn_with(&builder, waits, (gate.path(), sender));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    drop(gate.arrival());
    assert_eq!(take_all(&receiver), 1);
    outcome(&mut worker).expect("joined");
}

#[test]
fn a_process_of_the_fork_server_that_is_killed_with_the_last_sender_ends_the_queue() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let builder = Builder::new().start(StartMethod::ForkServer);
    let waits = |(gate, _sender): (PathBuf, Sender<u32>)| wait_at(&gate);
    let mut worker = spawn_with(&builder, waits, (gate.path(), sender));
    let _arrived = gate.arrival();
    worker.kill().expect("sent");
    assert_eq!(take_all(&receiver), 0);
    assert!(matches!(
        outcome(&mut worker),
        Err(JoinError::Killed { signal: 9 })
    ));
}

#[test]
fn several_processes_start_before_one_of_them_is_waited_for() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let parent = |(gate, sender): (PathBuf, Sender<u32>)| {
        process::init_test(HELD_BACK);
        let builder = Builder::new().env(BEFORE_INIT, &gate);
        let sends = |(sender, number): (Sender<u32>, u32)| sender.send(&number).expect("sent");
        let all = (0..3).map(|number| (sender.clone(), number));
        let workers = builder.spawn_all(sends, all).expect("spawned");
        workers
            .into_iter()
            .for_each(|worker| worker.join().expect("joined"));
    };
    let mut parent = start(parent, (gate.path(), sender));
    let all = [gate.arrival(), gate.arrival(), gate.arrival()];
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    drop(all);
    outcome(&mut parent).expect("joined");
    assert_eq!(take_all(&receiver), 3);
}

#[test]
fn of_several_processes_none_is_left_if_one_does_not_begin() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let gate = Gate::new();
    let parent = |(gate, sender): (PathBuf, Sender<u32>)| {
        process::init_test(HELD_BACK);
        let builder = Builder::new().env(BEFORE_INIT, &gate);
        let builder = builder.start_timeout(Duration::from_millis(50));
        let all = builder.spawn_all(|sender: Sender<u32>| drop(sender), vec![sender; 3]);
        (all.map(drop), crate::support::has_children())
    };
    let mut parent = start(parent, (gate.path(), sender));
    let timeout = Duration::from_millis(50);
    let late = Err(SpawnError::StartTimeout { timeout });
    assert_eq!(outcome(&mut parent).expect("joined"), (late, false));
    assert_eq!(take_all(&receiver), 0);
}

/// A cashier whose process panics after its first order.
fn cashier(orders: Sender<String>) {
    orders
        .send(&"two rolls".to_owned())
        .expect("the bakery is open");
    panic!("the till is jammed");
}

fn baker(orders: Receiver<String>) -> Vec<String> {
    let orders = orders.iter().map(|order| {
        let order = order.expect("an order");
        order.into_inner().expect("this baker's")
    });
    orders.collect()
}

/// As a new user would write it: a child's panic is the program's error.
fn bakery() -> Result<Vec<String>, crossdock::Error> {
    let (sender, receiver) = channel::<String>(16)?;
    let baker = process::spawn(baker, receiver)?;
    let cashier = process::spawn(cashier, sender)?;
    let baked = baker.join()?;
    cashier.join()?;
    Ok(baked)
}

#[test]
fn a_bakery_whose_cashier_panics_ends_with_an_error_within_a_second() {
    process::init_test("crossdock_worker");
    // A machine that is busy may leave one run without a processor.
    let within = (0..5).any(|_| {
        let begun = Instant::now();
        let error = bakery().expect_err("the cashier panicked");
        assert!(error.to_string().contains("the till is jammed"), "{error}");
        begun.elapsed() < Duration::from_secs(1)
    });
    assert!(within, "no run of five ended within a second");
}
