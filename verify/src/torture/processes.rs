//! Families of processes, started in both ways: each family has a scope, a daemon that its parent
//! forgets, a connection and counted senders on their way, and its parent is killed at any moment.
//! After that no process of the family is left, and the receiver of all its messages is told.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossdock::Error;
use crossdock::process::{self, Builder, Conn, StartMethod, Stdio, scope};
use crossdock::queue::{Receiver, RecvTimeoutError, Sender, channel};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::process::{Broken, Rig, pause, signal_to, watch_over};
use crate::random::Random;
use crate::torture::driver::{Tally, WINDOW};
use crate::torture::{Report, TortureArgs, has_bug};

/// The longest time from the start of a family to its disturbance.
const LONGEST: Duration = Duration::from_millis(30);
/// How long a family that has lost its parent may have on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
const WATCHDOG: u32 = 60;
const MESSAGES: u64 = 40;

/// The process that sends, and how many messages it has sent before.
type Message = (u64, u64);
type Role = (u64, Sender<Message>, Option<Conn<u64, u64>>);

/// Sends messages, answers its parent, and sends more.
fn member((id, sender, mut conn): Role) {
    for number in 0..MESSAGES {
        // The seeded bug: a message that is not sent.
        if has_bug() && number == 1 {
            continue;
        }
        if sender.send(&(id, number)).is_err() {
            return;
        }
        if number == MESSAGES / 2 {
            let Some(conn) = conn.as_mut() else { continue };
            // Ends with the parent's end.
            while let Ok(question) = conn.recv() {
                if conn.send(&(question + 1)).is_err() {
                    break;
                }
            }
        }
    }
}

/// Sends messages and stays until its parent has ended.
fn stays((id, sender, conn): Role) {
    member((id, sender.clone(), conn));
    loop {
        std::thread::park();
    }
}

/// The parent of a family.
fn family((seed, method, sender): (u64, bool, Sender<Message>)) -> Result<(), Error> {
    let mut random = Random::new(seed);
    let method = method_of(method);
    scope(|scope| {
        let builder = Builder::new().start(method);
        let forgotten = Builder::new().daemon(true).start(method);
        std::mem::forget(forgotten.spawn(stays, (seed << 8, sender.clone(), None))?);
        for child in 1..=1 + random.below(3) {
            let (mut asks, answers) = process::duplex::<u64, u64>()?;
            let role = ((seed << 8) + child, sender.clone(), Some(answers));
            builder.spawn_scoped(scope, member, role)?;
            for question in 0..random.below(20) {
                asks.send(&question)?;
                if asks.recv()? != question + 1 {
                    std::process::exit(3);
                }
            }
        }
        Ok(())
    })
}

fn method_of(forks: bool) -> StartMethod {
    match forks {
        true => StartMethod::ForkServer,
        false => StartMethod::Spawn,
    }
}

/// What this process has open, and how many threads it has.
pub(super) fn held() -> Rig<(usize, usize)> {
    let entries = |directory: &str| Ok::<_, Broken>(fs::read_dir(directory)?.count());
    let (files, threads) = ("/proc/thread-self/fd", "/proc/thread-self/../");
    Ok((entries(files)?, entries(threads)?))
}

/// Says so if more descriptors or threads are held than before. The thread that polls for exits
/// ends a moment later than what it polls for, also before the first count: fewer are no fault.
pub(super) fn more_than(before: (usize, usize)) -> Rig<Option<String>> {
    let (mut after, end) = (held()?, Instant::now() + WINDOW);
    let is_more = |after: (usize, usize)| after.0 > before.0 || after.1 > before.1;
    while is_more(after) && Instant::now() < end {
        pause(Duration::from_millis(1))?;
        after = held()?;
    }
    let what = || format!("descriptors and threads: {before:?} before, {after:?} after");
    Ok(is_more(after).then(what))
}

/// The messages of one family, as they arrive.
struct Journal {
    receiver: Receiver<Message>,
    next: HashMap<u64, u64>,
    messages: u64,
}

impl Journal {
    /// Receives until the senders have gone, or until `end`. Returns whether they have gone.
    fn receive(&mut self, end: Instant, faults: &mut Vec<String>) -> Rig<bool> {
        loop {
            let delivery = match self.receiver.recv_timeout(end) {
                Ok(delivery) => delivery,
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            let (id, number) = delivery.into_inner()?;
            let expected = self.next.entry(id).or_default();
            if number != *expected {
                faults.push(format!("process {id} sent {number} as message {expected}"));
            }
            *expected = number + 1;
            self.messages += 1;
        }
    }
}

/// What became of a family.
struct Outcome {
    killed: bool,
    stopped: bool,
    messages: u64,
    /// How long after the disturbance the last process of the family had ended.
    lasted: Duration,
}

fn run_family(random: &mut Random, faults: &mut Vec<String>) -> Rig<Outcome> {
    let (sender, receiver) = channel::<Message>(8)?;
    let (seed, forks) = (random.next() >> 16, random.below(2) == 0);
    // Its end says that no process of the family is left: all have it as standard output.
    let builder = Builder::new().stdout(Stdio::Piped);
    let builder = builder.start(method_of(random.below(2) == 0));
    let mut parent = builder.spawn(family, (seed, forks, sender))?;
    let mut journal = Journal {
        receiver,
        next: HashMap::new(),
        messages: 0,
    };
    let moment = Instant::now() + random.time_below(LONGEST);
    let gone = journal.receive(moment, faults)?;
    let (mut killed, mut stopped) = (false, false);
    match random.below(6) {
        0 => {}
        1 => {
            stopped = signal_to(&parent, Signal::SIGSTOP)?;
            pause(random.time_below(Duration::from_millis(3)))?;
            signal_to(&parent, Signal::SIGCONT)?;
        }
        _ => {
            killed = parent.is_alive();
            parent.kill()?;
        }
    }
    let disturbed = Instant::now();
    let family = format!("family {seed}, killed: {killed}, stopped: {stopped}");
    if !gone && !journal.receive(Instant::now() + PATIENCE, faults)? {
        faults.push(format!("{family}: the receiver was not told of the end"));
    }
    if let Some(stdout) = parent.stdout.take()
        && !ends(stdout)?
    {
        faults.push(format!("{family}: a process is left"));
        parent.kill()?;
    }
    let lasted = disturbed.elapsed();
    match parent.join() {
        Ok(Ok(())) => {}
        Err(_) if killed => {}
        Ok(Err(_)) if killed => {}
        other => faults.push(format!("{family}: {other:?}")),
    }
    Ok(Outcome {
        killed,
        stopped,
        messages: journal.messages,
        lasted,
    })
}

/// Reads a pipe until its writers have gone. Returns false if they do not go.
fn ends(mut pipe: impl Read + AsFd) -> Rig<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis() + 1)?;
        match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match pipe.read(&mut [0; 64]) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let mut tally = Tally::default();
    // What is made once is made: the connection to the fork server is one such thing.
    let server = Builder::new().start(StartMethod::ForkServer);
    server.spawn(|()| (), ())?.join()?;
    run_family(&mut random, &mut tally.faults)?;
    let before = held()?;
    let end = Instant::now() + args.time();
    let (mut families, mut messages, mut longest) = (0_u64, 0, Duration::ZERO);
    while Instant::now() < end && tally.faults.is_empty() {
        watch_over(WATCHDOG)?;
        let outcome = run_family(&mut random, &mut tally.faults)?;
        families += 1;
        messages += outcome.messages;
        if outcome.killed {
            longest = longest.max(outcome.lasted);
        }
        tally.kills += u64::from(outcome.killed);
        tally.stops += u64::from(outcome.stopped);
    }
    watch_over(WATCHDOG)?;
    tally.faults.extend(more_than(before)?);
    // The fork server is a child.
    let children = process::active_children();
    if !children.is_empty() {
        tally
            .faults
            .push(format!("children are left: {children:?}"));
    }
    Ok(Report {
        what: "processes",
        done: format!(
            "{families} families, {messages} messages, none left {} ms after a kill",
            longest.as_millis()
        ),
        tally,
    })
}
