//! Two processes that talk over a connection, one of which, or both, is killed or stopped at
//! random. The other must get everything that was sent, nothing torn, and then be told.

use std::time::{Duration, Instant};

use crossdock::array::Init;
use crossdock::process::{
    AcceptError, Conn, ConnectError, Listener, PipeOptions, PipeReceiver, PipeSender,
};
use crossdock::queue::{RecvError, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crossdock::{AtomicArray, Segment};
use nix::sys::signal::Signal;
use nix::unistd::getpid;

use crate::process::{Child, End, Rig, forked, pause, watch_over};
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::{Report, TortureArgs, has_bug};

/// How long a process that lives may take until it was told.
const WINDOW: Duration = Duration::from_secs(20);
/// Seconds after which the rig gives itself up, if it hangs.
const WATCHDOG: u32 = 60;
/// Within what a process is killed after both have started.
const LIFE: Duration = Duration::from_millis(8);
/// How long a process is stopped before the kill, at most.
const STOPPED: Duration = Duration::from_millis(3);
/// How long an operation waits, at most.
const SHORT: Duration = Duration::from_micros(300);
/// The bytes of a direction.
const CAPACITY: u64 = 4096;

/// What a process ends with.
const TOLD: u8 = 0;
const FAILED: u8 = 1;

/// The words of the ledger: for each side how many messages it meant to send, has sent and has
/// received; and whether a process was killed.
const INTENDED: usize = 0;
const SENT: usize = 2;
const RECEIVED: usize = 4;
const KILLED: usize = 6;
const WORDS: usize = 7;

/// The message with a number of a side. One in eight is larger than the pipe, and all of it follows
/// from the number.
fn message(endpoint: usize, number: u64) -> Vec<u8> {
    let mixed = (number * 2 + endpoint as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let most = if mixed >> 61 == 0 { 3 * CAPACITY } else { 200 };
    let len = (mixed >> 20) % most;
    (0..len)
        .map(|at| (mixed.rotate_left((at % 64) as u32) ^ at).to_le_bytes()[0])
        .collect()
}

/// One side of a talk.
struct Side<'a> {
    endpoint: usize,
    ledger: &'a AtomicArray<u64>,
    to: PipeSender<()>,
    from: PipeReceiver<()>,
    sent: u64,
    received: u64,
}

impl Side<'_> {
    /// Sends the next message, unless that takes too long; false if the other side has gone.
    fn send(&mut self, random: &mut Random) -> Result<bool, ()> {
        self.ledger[INTENDED + self.endpoint].store(self.sent + 1);
        let bytes = message(self.endpoint, self.sent);
        let sent = if random.below(2) == 0 {
            match self.to.try_send_bytes(&bytes) {
                Ok(()) => true,
                // The seeded bug: what does not fit counts as sent.
                Err(TrySendError::Full(()) | TrySendError::TooLong(..)) => has_bug(),
                Err(TrySendError::Disconnected(())) => return Ok(false),
                Err(_) => return Err(()),
            }
        } else {
            match self.to.send_bytes_timeout(&bytes, random.time_below(SHORT)) {
                Ok(()) => true,
                Err(SendTimeoutError::Timeout(())) => false,
                Err(SendTimeoutError::Disconnected(())) => return Ok(false),
                Err(_) => return Err(()),
            }
        };
        if sent {
            self.sent += 1;
            self.ledger[SENT + self.endpoint].store(self.sent);
        }
        Ok(true)
    }

    /// Notes a message, if it is the one that is due and whole.
    fn note(&mut self, bytes: &[u8]) -> Result<(), ()> {
        if bytes != message(1 - self.endpoint, self.received) {
            return Err(());
        }
        self.received += 1;
        self.ledger[RECEIVED + self.endpoint].store(self.received);
        Ok(())
    }

    /// Receives a message, unless that takes too long; false if the other side has gone.
    fn receive(&mut self, random: &mut Random) -> Result<bool, ()> {
        let received = match random.below(3) {
            0 => match self.from.try_recv_bytes() {
                Err(TryRecvError::Empty) => return Ok(true),
                received => received.map_err(RecvTimeoutError::from),
            },
            1 if !self.from.poll(random.time_below(SHORT)).map_err(drop)? => return Ok(true),
            _ => self.from.recv_bytes_timeout(random.time_below(SHORT)),
        };
        match received {
            Ok(bytes) => self.note(&bytes).map(|()| true),
            Err(RecvTimeoutError::Timeout) => Ok(true),
            // The end comes after it.
            Err(RecvTimeoutError::Truncated) => self.drain().map(|()| false),
            Err(RecvTimeoutError::Disconnected) => Ok(false),
            Err(_) => Err(()),
        }
    }

    /// Receives what is left, until the end.
    fn drain(&mut self) -> Result<(), ()> {
        loop {
            match self.from.recv_bytes() {
                Ok(bytes) => self.note(&bytes)?,
                Err(RecvError::Truncated) => {}
                Err(RecvError::Disconnected) => return Ok(()),
                Err(_) => return Err(()),
            }
        }
    }

    fn talk(&mut self, random: &mut Random) -> Result<(), ()> {
        loop {
            let goes_on = if random.below(2) == 0 {
                self.send(random)?
            } else {
                self.receive(random)?
            };
            if !goes_on {
                return self.drain();
            }
        }
    }
}

/// What each process does: it finds the other by name, and talks until that has gone.
fn run_side(name: &str, endpoint: usize, ledger: &AtomicArray<u64>, mut random: Random) -> u8 {
    let is_alone = || ledger[KILLED].load() != 0;
    let conn: Conn<(), ()> = if endpoint == 0 {
        let Ok(listener) = Listener::bind(name) else {
            return FAILED;
        };
        loop {
            match listener.accept_timeout(Duration::from_millis(20)) {
                Ok((conn, _)) => break conn,
                Err(AcceptError::Timeout) if is_alone() => return TOLD,
                Err(AcceptError::Timeout) => {}
                Err(_) => return FAILED,
            }
        }
    } else {
        let options = PipeOptions::new().capacity(CAPACITY);
        loop {
            match options.connect(name) {
                Ok(conn) => break conn,
                Err(ConnectError::NotListening { .. }) if is_alone() => return TOLD,
                Err(ConnectError::NotListening { .. }) => std::thread::yield_now(),
                Err(_) => return FAILED,
            }
        }
    };
    let (to, from) = conn.split();
    let mut endpoint = Side {
        endpoint,
        ledger,
        to,
        from,
        sent: 0,
        received: 0,
    };
    match endpoint.talk(&mut random) {
        Ok(()) => TOLD,
        Err(()) => FAILED,
    }
}

/// One talk: starts both, kills one or both, and judges what the ledger says.
fn talk(name: &str, random: &mut Random, tally: &mut Tally) -> Rig<u64> {
    let segment = Segment::anonymous()?;
    let ledger: AtomicArray<u64> = segment.create("ledger", Init::zeroed(WORDS))?;
    let start = |endpoint: usize, seed: u64| -> Rig<Child> {
        forked(|| run_side(name, endpoint, &ledger, Random::new(seed)))
    };
    let mut both = [start(0, random.next())?, start(1, random.next())?];
    pause(random.time_below(LIFE))?;
    let victim = random.index(2);
    let dies_alone = random.below(4) > 0;
    if random.below(3) == 0 {
        both[victim].signal(Signal::SIGSTOP)?;
        pause(random.time_below(STOPPED))?;
        tally.stops += 1;
    }
    both[victim].kill()?;
    tally.kills += 1;
    if !dies_alone {
        pause(random.time_below(STOPPED))?;
        both[1 - victim].kill()?;
        tally.kills += 1;
    }
    ledger[KILLED].store(1);
    let survivor = 1 - victim;
    let word = |at: usize| ledger[at].load();
    match both[survivor].end_within(WINDOW)? {
        Some(End::Exited(TOLD)) => {
            // What the dead one had sent is known, but for the message that it was sending.
            let (sent, intended) = (word(SENT + victim), word(INTENDED + victim));
            let received = word(RECEIVED + survivor);
            if received < sent || received > intended {
                tally.faults.push(format!(
                    "{received} messages were received, {sent} sent and {intended} intended"
                ));
            }
        }
        Some(End::Killed(Signal::SIGKILL)) if !dies_alone => {}
        None => {
            tally
                .faults
                .push("a process was not told of the other's death".into());
            both[survivor].kill()?;
        }
        Some(other) => tally.faults.push(format!(
            "a process that was to be told of the other's death: {other:?}, after {} messages",
            word(RECEIVED + survivor)
        )),
    }
    Ok(word(RECEIVED) + word(RECEIVED + 1))
}

pub(super) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let end = Instant::now() + args.time();
    let mut tally = Tally::default();
    let (mut talks, mut messages) = (0_u64, 0_u64);
    while Instant::now() < end && tally.faults.is_empty() {
        watch_over(WATCHDOG)?;
        let name = format!("torture-{}-{talks}", getpid());
        messages += talk(&name, &mut random, &mut tally)?;
        talks += 1;
    }
    Ok(Report {
        what: "conns",
        done: format!("{talks} talks, {messages} messages"),
        tally,
    })
}
