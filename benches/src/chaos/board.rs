//! What the processes of a trial write down, and what follows from it.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;
use serde::{Deserialize, Serialize};

use super::Role;

/// How many processes a trial has at most: two of each role, and the one that comes for the killed.
const PARTS: usize = 5;
/// How many of them send at most.
const SENDERS: usize = 3;
/// How many items one of them sends at most: far more than pass in the time of a trial.
pub(super) const ITEMS: u64 = ROWS as u64;
const ROWS: usize = 1 << 23;

/// What a trial shares besides the queue. All of it is Relaxed: counts, which are compared when
/// their writers have ended.
#[repr(C)]
struct Board {
    phase: AtomicU32,
    parts: [Part; PARTS],
    /// How often each item of each sender arrived.
    arrived: [[AtomicU8; ROWS]; SENDERS],
}

/// What one process alone writes, on a cache line of its own.
#[repr(C, align(128))]
pub(super) struct Part {
    /// It is there.
    ready: AtomicU32,
    /// Of a sender, how many sends have returned; of a receiver, how many items it has written
    /// down.
    done: AtomicU64,
    /// Of a receiver, how many items were none that any process sends.
    torn: AtomicU64,
}

/// What all do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Phase {
    /// They wait for each other.
    Gather = 0,
    /// They send and receive.
    Traffic = 1,
    /// Senders end; receivers go on.
    Stop = 2,
    /// No sender is left; receivers end when nothing comes any more.
    Drain = 3,
}

/// The board, as each process of a trial has it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Ledger(Memory);

/// An item: its sender, and how many it had sent before. Not 0.
fn item(sender: usize, number: u64) -> u64 {
    (sender as u64 + 1) << 32 | number
}

fn origin(item: u64) -> Option<(usize, usize)> {
    let sender = usize::try_from(item >> 32).ok()?.checked_sub(1)?;
    let number = item & u64::from(u32::MAX);
    (sender < SENDERS && number < ITEMS).then_some((sender, usize::try_from(number).ok()?))
}

impl Ledger {
    pub(super) fn new() -> Result<Self, Failure> {
        // Zeros are an empty board, and pages that are not touched cost nothing.
        Memory::new(size_of::<Board>()).map(Self)
    }

    fn board(&self) -> &Board {
        let board: NonNull<Board> = self.0.at(0);
        // SAFETY: mapped as long as `self`, and any bytes are atomics, which may be shared.
        unsafe { board.as_ref() }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.board().phase.load(Relaxed) {
            0 => Phase::Gather,
            1 => Phase::Traffic,
            2 => Phase::Stop,
            _ => Phase::Drain,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.board().phase.store(phase as u32, Relaxed);
    }

    pub(super) fn part(&self, number: usize) -> &Part {
        &self.board().parts[number]
    }

    /// The next item of the sender that is its role's number `sender`; `None` after the last one.
    pub(super) fn next(&self, part: &Part, sender: usize) -> Option<u64> {
        let number = part.done.load(Relaxed);
        (number < ITEMS).then(|| item(sender, number))
    }

    /// Writes down that an item has arrived, all of whose words are the same.
    pub(super) fn arrived(&self, part: &Part, item: &[u64]) {
        let whole = item.iter().all(|word| *word == item[0]);
        match origin(item[0]).filter(|_| whole) {
            Some((sender, number)) => {
                let times = &self.board().arrived[sender][number];
                // It stays at the most: more is no worse.
                if times.fetch_add(1, Relaxed) == u8::MAX {
                    times.store(u8::MAX, Relaxed);
                }
            }
            None => {
                part.torn.fetch_add(1, Relaxed);
            }
        }
        part.done();
    }

    /// What arrived, of what `senders` have sent; for when all processes have ended.
    /// `parts[sender]` is the place of each.
    pub(super) fn balance(&self, senders: &[usize]) -> Balance {
        let mut balance = Balance::default();
        for (sender, part) in senders.iter().enumerate() {
            let sent = self.part(*part).count();
            let arrived = &self.board().arrived[sender];
            // A send that was killed before it returned may have sent.
            let reach =
                usize::try_from(sent + 1).map_or(arrived.len(), |end| end.min(arrived.len()));
            for (number, times) in arrived[..reach].iter().enumerate() {
                match times.load(Relaxed) {
                    0 if (number as u64) < sent => balance.missing += 1,
                    0 | 1 => {}
                    _ => balance.doubled += 1,
                }
            }
        }
        let torn = |part: &Part| part.torn.load(Relaxed);
        balance.torn = self.board().parts.iter().map(torn).sum();
        balance
    }
}

/// Of the items of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    /// Their send returned, and they did not arrive.
    pub(super) missing: u64,
    /// They arrived more than once.
    pub(super) doubled: u64,
    /// They are none.
    pub(super) torn: u64,
}

impl Balance {
    /// How many items are lost, and whether one more was in the hands of the killed: a receiver
    /// may die with the one that it has received and not written down.
    pub(super) fn lost(self, killed: Role) -> (u64, bool) {
        let taken = killed == Role::Receiver && self.missing > 0;
        (self.missing - u64::from(taken), taken)
    }
}

impl Part {
    pub(super) fn arrive(&self) {
        self.ready.store(1, Relaxed);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed) != 0
    }

    /// One more; this process alone counts here.
    pub(super) fn done(&self) {
        self.done.store(self.count() + 1, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.done.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_or_torn_is_found() {
        let ledger = Ledger::new().expect("memory");
        let (sender, receiver) = (ledger.part(2), ledger.part(4));
        let mut sent = Vec::new();
        for _ in 0..5 {
            sent.push(ledger.next(sender, 1).expect("an item"));
            sender.done();
        }
        let unfinished = ledger.next(sender, 1).expect("an item");
        for item in [sent[0], sent[2], sent[2], sent[4], unfinished, 0, u64::MAX] {
            ledger.arrived(receiver, &[item; 2]);
        }
        ledger.arrived(receiver, &[sent[1], sent[3]]);
        let balance = ledger.balance(&[3, 2]);
        let expected = Balance {
            missing: 2,
            doubled: 1,
            torn: 3,
        };
        assert_eq!(balance, expected);
        assert_eq!(balance.lost(Role::Sender), (2, false));
        assert_eq!(balance.lost(Role::Receiver), (1, true));
        assert_eq!(receiver.count(), 8);
    }

    #[test]
    fn an_item_has_its_origin() {
        assert_eq!(origin(item(2, 7)), Some((2, 7)));
        assert_eq!(origin(item(SENDERS, 7)), None);
        assert_eq!(origin(item(0, ITEMS)), None);
        assert_eq!(origin(0), None);
    }

    #[test]
    fn nothing_is_lost_of_nothing() {
        let ledger = Ledger::new().expect("memory");
        assert_eq!(ledger.balance(&[1, 2, 3]), Balance::default());
        assert_eq!(Balance::default().lost(Role::Receiver), (0, false));
    }
}
