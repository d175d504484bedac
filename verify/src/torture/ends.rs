//! `torture ends`: the senders of a queue go from process to process, and those are killed and
//! stopped at random, before and after they have taken a sender over. Every item arrives that was
//! sent, and the receiver is told of the end when the last process is gone that has a sender, and
//! not before.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crossdock::process::{self, Process};
use crossdock::queue::{Queue, RecvTimeoutError, SendError, SenderOf, TryRecvError, pair};
use crossdock::{AtomicArray, Counter, Segment};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, setpgid};
use serde::{Deserialize, Serialize};

use crate::process::{Broken, Rig, pidfd_of, signal_to, until};
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::{Report, TortureArgs, has_bug};

/// How many generations of processes hand senders on, after the first.
const GENERATIONS: u32 = 2;
/// How many processes each of them starts at most, at the same time.
const CHILDREN: u64 = 3;
/// How many processes there can be.
const SLOTS: usize = 13;
/// How many items each of them sends.
const ITEMS: u64 = 40;
const CAPACITY: u64 = 16;
/// How long the receiver may wait for the end when all are gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a round looks for a process to kill or to stop.
const PAUSE: Duration = Duration::from_micros(500);
/// In a round a process is chosen at one of so many looks.
const CHANCE: u64 = 4;

/// What the processes note of what they do.
#[derive(Clone, Serialize, Deserialize)]
struct Notes {
    /// How many processes each starts.
    children: u64,
    /// How many have begun.
    begun: Counter,
    /// The last item that each was about to send, and that it has sent.
    intended: AtomicArray<u64>,
    sent: AtomicArray<u64>,
    /// How many found that their sender was over.
    over: Counter,
    /// How many got another error.
    failed: Counter,
}

impl Notes {
    fn new(children: u64) -> Rig<Self> {
        let segment = Segment::anonymous()?;
        Ok(Self {
            children,
            begun: segment.create("begun", 0)?,
            intended: segment.create("intended", [0; SLOTS])?,
            sent: segment.create("sent", [0; SLOTS])?,
            over: segment.create("over", 0)?,
            failed: segment.create("failed", 0)?,
        })
    }
}

type Sender = SenderOf<Queue<u64>>;

/// A process: hands clones of its sender to children, and sends meanwhile.
fn hand_on((sender, notes, generations): (Sender, Notes, u32)) {
    if generations == GENERATIONS {
        // All that it starts are of its group.
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    }
    let slot = notes.begun.add(1) - 1;
    std::thread::scope(|scope| {
        for _ in 0..if generations > 0 { notes.children } else { 0 } {
            let given = (sender.clone(), notes.clone(), generations - 1);
            scope.spawn(|| process::spawn(hand_on, given).map(Process::join));
        }
        send_all(&sender, &notes, slot);
        // The children have theirs, or the threads have.
        drop(sender);
    });
}

fn send_all(sender: &Sender, notes: &Notes, slot: u64) {
    let place = usize::try_from(slot).unwrap_or(usize::MAX);
    let (Some(intended), Some(sent)) = (notes.intended.get(place), notes.sent.get(place)) else {
        notes.failed.add(1);
        return;
    };
    for item in 1..=ITEMS {
        intended.store(item);
        // The seeded bug: an item that is not sent.
        if has_bug() && item == ITEMS / 2 {
            sent.store(item);
            continue;
        }
        match sender.send(slot << 32 | item) {
            Ok(()) => sent.store(item),
            Err(SendError::Disconnected(_)) => {
                notes.over.add(1);
                return;
            }
            Err(_) => {
                notes.failed.add(1);
                return;
            }
        }
    }
}

/// What the rounds came to.
#[derive(Default)]
struct Sum {
    rounds: u64,
    processes: u64,
    items: u64,
    in_doubt: u64,
    over: u64,
}

pub(super) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let mut tally = Tally::default();
    let mut sum = Sum::default();
    let end = Instant::now() + args.time();
    while Instant::now() < end && tally.faults.is_empty() {
        round(&mut random, &mut tally, &mut sum)?;
    }
    let Sum {
        rounds,
        processes,
        items,
        in_doubt,
        over,
    } = sum;
    Ok(Report {
        what: "ends",
        done: format!(
            "{rounds} rounds, {processes} processes, {items} items received, {in_doubt} in doubt, \
             {over} senders over when they were taken over"
        ),
        tally,
    })
}

fn round(random: &mut Random, tally: &mut Tally, sum: &mut Sum) -> Rig {
    // With one child each the last sender is often on its way.
    let notes = Notes::new(1 + random.below(CHILDREN))?;
    let (sender, receiver) = pair::<Queue<u64>>(CAPACITY)?;
    let first = process::spawn(hand_on, (sender, notes.clone(), GENERATIONS))?;
    let group = Group(i32::try_from(first.id())?);
    let mut received: BTreeMap<u64, u64> = BTreeMap::new();
    let mut stopped = Vec::new();
    // Some rounds leave most of them alone, and some none.
    let chance = 1 + random.below(CHANCE * 8);
    let told = loop {
        match receiver.recv_timeout(PAUSE) {
            Ok(item) => note(item, &mut received, &mut tally.faults),
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(error) => {
                tally.faults.push(format!("receiving: {error}"));
                break false;
            }
        }
        if random.below(chance) > 0 {
            continue;
        }
        let members = group.members()?;
        if members.is_empty() {
            // No process has a sender any more.
            break match receiver.recv_timeout(PATIENCE) {
                Ok(item) => {
                    note(item, &mut received, &mut tally.faults);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => true,
                other => {
                    tally
                        .faults
                        .push(format!("all are gone, and the receiver gets {other:?}"));
                    false
                }
            };
        }
        let one = members[random.index(members.len())];
        if random.below(3) > 0 {
            tally.kills += u64::from(group.signal(one, Signal::SIGKILL)?);
        } else if group.signal(one, Signal::SIGSTOP)? {
            tally.stops += 1;
            stopped.push(one);
        }
        if random.below(2) == 0 {
            for one in stopped.drain(..) {
                group.signal(one, Signal::SIGCONT)?;
            }
        }
    };
    // Those that are left have senders that are over, or wait for their children: they end by
    // themselves.
    for one in stopped {
        group.signal(one, Signal::SIGCONT)?;
    }
    if random.below(2) == 0 && !until(PATIENCE, || group.members().is_ok_and(|all| all.is_empty()))
    {
        tally.faults.push("processes go on after the end".into());
    }
    group.end()?;
    let _ = first.join();
    match receiver.try_recv() {
        Err(TryRecvError::Disconnected) => {}
        other if told => {
            let after = "after the end and the last process";
            tally
                .faults
                .push(format!("{after} the receiver gets {other:?}"));
        }
        _ => {}
    }
    audit(&notes, &received, tally, sum)
}

/// Notes an item that arrived: each process's come in their order.
fn note(item: u64, received: &mut BTreeMap<u64, u64>, faults: &mut Vec<String>) {
    let (slot, item) = (item >> 32, item & u64::from(u32::MAX));
    let last = received.entry(slot).or_default();
    if item != *last + 1 {
        faults.push(format!("of process {slot} comes item {item} after {last}"));
    }
    *last = item;
}

/// Compares what has arrived with what was noted.
fn audit(notes: &Notes, received: &BTreeMap<u64, u64>, tally: &mut Tally, sum: &mut Sum) -> Rig {
    let (intended, sent) = (notes.intended.to_vec(), notes.sent.to_vec());
    for (slot, (intended, sent)) in intended.into_iter().zip(sent).enumerate() {
        let got = received.get(&u64::try_from(slot)?).copied().unwrap_or(0);
        if got < sent || got > intended {
            tally.faults.push(format!(
                "of process {slot} {got} items arrived, {sent} were sent, {intended} begun"
            ));
        }
        sum.items += got;
        sum.in_doubt += intended - sent;
    }
    if notes.failed.load() > 0 {
        let failed = notes.failed.load();
        tally
            .faults
            .push(format!("{failed} processes got another error than the end"));
    }
    sum.rounds += 1;
    sum.processes += notes.begun.load();
    sum.over += notes.over.load();
    Ok(())
}

/// The processes of a group, which the first of them leads.
struct Group(i32);

impl Group {
    fn members(&self) -> Rig<Vec<i32>> {
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let pid = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            members.extend(pid.filter(|pid| self.has(*pid)));
        }
        Ok(members)
    }

    /// Whether a process is of the group and has not ended.
    fn has(&self, pid: i32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
        let Some([state, _parent, group]) =
            fields.and_then(|mut fields| Some([fields.next()?, fields.next()?, fields.next()?]))
        else {
            return false;
        };
        state != "Z" && state != "X" && (pid == self.0 || group.parse() == Ok(self.0))
    }

    /// Signals a process of the group; false if it has ended.
    fn signal(&self, pid: i32, signal: Signal) -> Rig<bool> {
        let Ok(pidfd) = pidfd_of(Pid::from_raw(pid)) else {
            return Ok(false);
        };
        // The number may have been another process's by then.
        Ok(self.has(pid) && signal_to(&pidfd, signal)?)
    }

    /// Kills what is left, and waits until it is gone: a child may just be starting.
    fn end(&self) -> Rig {
        let mut broken = None;
        let gone = until(PATIENCE, || match self.members() {
            Ok(members) => {
                for member in &members {
                    let _ = self.signal(*member, Signal::SIGKILL);
                }
                members.is_empty()
            }
            Err(error) => {
                broken = Some(error);
                true
            }
        });
        match broken {
            Some(error) => Err(error),
            None if gone => Ok(()),
            None => Err(Broken("processes that were killed do not end".into())),
        }
    }
}
