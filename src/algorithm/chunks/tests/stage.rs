//! What the models of leases share: a field of chunks, and those who are at work on it.

use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{ChunkError, LeaseTable, LeaseTableState, Leased, Leases, RESTARTS};
use super::two_deaths::HOLDERS;
use crate::algorithm::rwlock::{Cell, ReaderToken, RwLock, RwLockError, RwLockState};
use crate::facade::{AtomicU32, Deadline, Futex, Words};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, players, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (340, BACK, "a look at a chunk does not acquire"),
    (342, KNOWS, "the end of a restart is not released"),
    (
        343,
        NEXT,
        "one that takes a chunk from the dead does not say so",
    ),
    (344, TWO, "the claiming CAS does not acquire"),
    (
        345,
        ROBBED,
        "the claiming CAS does not publish that its owner has joined",
    ),
    (346, TWO, "one that waits takes the chunk of one that lives"),
    (347, BACK, "one that leases takes a chunk that is closed"),
    (
        348,
        NEXT,
        "a chunk that is done is still said to be a dead one's",
    ),
    (349, BACK, "the end of a lease opens a chunk that is closed"),
    (350, TWO, "the end of a lease does not release"),
    (351, TWO, "the end of a lease wakes nobody"),
    (352, KNOWS, "a look at the grid does not acquire"),
    (
        353,
        REAPERS,
        "a reaper takes a chunk that the dead one does not have",
    ),
    (
        354,
        REAPERS,
        "a reaper gives a chunk back without saying that its holder died",
    ),
    (
        356,
        BACK,
        "a reader does not wait for those who have a chunk",
    ),
    (
        357,
        READER,
        "a reader takes a chunk from the dead without saying so",
    ),
    (358, SEEN, "opening does not release"),
    (
        359,
        HASTY,
        "a reader that gives up closing says that it has closed",
    ),
    (360, WRITER, "there are leases of what a dead writer left"),
    (361, OPENER, "the grid is open before the readers are out"),
    (362, READ, "one that opens does not wait for readers"),
    (363, CUT, "a restart does not say that it has begun"),
    (
        364,
        TWO,
        "one that waits for a chunk sleeps without saying so",
    ),
    (
        365,
        CUT,
        "one that finds all done does not look for a restart",
    ),
    (
        366,
        READ,
        "one that leaves the door lets readers in beside leases",
    ),
    (367, POISON, "there are leases of what was poisoned"),
    (
        662,
        EACH,
        "one that waits for any chunk sleeps on the first",
    ),
    (753, HOLDERS, "a second death goes unnoticed"),
];

const EACH: &str = "model_leases_a_waiter_for_any_chunk_is_woken_by_each";
const TWO: &str = "model_leases_two_lessees_of_one_chunk_exclude_each_other";
const BACK: &str = "model_leases_a_reader_closes_open_chunks_before_it_reads";
const READ: &str = "model_leases_a_reader_and_a_lease_exclude_each_other";
const KNOWS: &str = "model_leases_a_known_restart_leaves_pending_chunks";
const NEXT: &str = "model_leases_the_next_holder_learns_of_a_death";
const ROBBED: &str = "model_leases_a_newcomer_that_leases_is_not_robbed";
const POISON: &str = "model_leases_poisoned_data_is_not_leased";
const REAPERS: &str = "model_leases_reapers_give_back_what_the_dead_had_and_no_more";
const READER: &str = "model_leases_wherever_a_holder_dies_a_reader_has_its_chunk_back";
const SEEN: &str = "model_leases_data_written_before_is_seen_by_each_lessee";
const HASTY: &str = "model_leases_a_reader_that_gives_up_admits_no_reader_beside_a_lease";
const WRITER: &str = "model_leases_wherever_a_writer_dies_there_is_no_lease_before_a_repair";
const OPENER: &str = "model_leases_no_lease_is_beside_a_reader_after_an_opener_died";
const CUT: &str = "model_leases_a_restart_is_atomic_under_death";

/// What a chunk's two words are when it is filled.
const FULL: u64 = 7;

/// An array of `N` chunks, of two words each.
pub(super) struct Field<const N: usize> {
    lock: RwLockState,
    cells: [Padded<Cell>; 3],
    table: LeaseTableState,
    chunks: [Futex; N],
    data: [(Words<1>, Words<1>); N],
    /// Whether the newcomer has joined.
    pub(super) joined: AtomicU32,
    /// How many leases were begun, and ended, and how many were told that a holder had died.
    begun: Ledger,
    ended: Ledger,
    told: Ledger,
}

/// Liveness of whom process 1 is alive once it says that it has joined.
pub(super) struct Newcomer<'a>(pub(super) KernelLiveness, pub(super) &'a AtomicU32);

impl Liveness for Newcomer<'_> {
    fn is_alive(&self, other: Tag) -> bool {
        self.0.is_alive(other) && (other != tag(1) || self.1.load(Relaxed) == 1)
    }
    fn is_member(&self) -> bool {
        true
    }
    fn participants(&self) -> u32 {
        self.0.participants()
    }
}

impl<const N: usize> Field<N> {
    pub(super) fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            lock: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            table: LeaseTableState::new(0),
            chunks: core::array::from_fn(|_| Futex::new(0)),
            data: core::array::from_fn(|_| (Words::new([0]), Words::new([0]))),
            joined: AtomicU32::new(0),
            begun: Ledger::new(0),
            ended: Ledger::new(0),
            told: Ledger::new(0),
        })
    }

    /// One that somebody has leased from already, and given back.
    pub(super) fn opened() -> Arc<Self> {
        let field = Self::new();
        let leased = field.this(3, 0).expect("no other participant");
        assert!(field.leases().table.end(leased, false));
        field
    }

    /// One whose chunks are done.
    pub(super) fn done() -> Arc<Self> {
        let field = Self::new();
        (0..N).for_each(|_| field.work(3));
        assert_eq!(field.left(), 0);
        field
    }

    pub(super) fn leases(&self) -> Leases<'_> {
        let table = LeaseTable {
            state: &self.table,
            chunks: &self.chunks,
        };
        Leases {
            lock: RwLock::new(&self.lock, &self.cells, table),
            table,
        }
    }

    /// Leases a chunk that is to do, waiting as long as it takes.
    pub(super) fn any(&self, id: u32) -> Option<Leased> {
        let forever = Deadline::never();
        let leased = self
            .leases()
            .lease_any(0, tag(id), &KernelLiveness(id), Some(&forever));
        let leased = leased.expect("no deadline");
        self.begun.fetch_add(u32::from(leased.is_some()), Relaxed);
        leased
    }

    pub(super) fn try_any(&self, id: u32) -> Result<Option<Leased>, ChunkError> {
        self.leases()
            .lease_any(0, tag(id), &KernelLiveness(id), None)
    }

    /// Leases this chunk, waiting for readers and writers as long as it takes.
    pub(super) fn this(&self, id: u32, chunk: usize) -> Result<Leased, ChunkError> {
        let forever = Deadline::never();
        self.leases()
            .lease_this(chunk, tag(id), &KernelLiveness(id), Some(&forever))
    }

    /// Fills a chunk, a word at a time: it is whole, or somebody died over it.
    pub(super) fn fill(&self, leased: &Leased) {
        let (left, right) = &self.data[leased.chunk()];
        let torn = left.read() != right.read();
        assert!(!torn || leased.holder_died(), "a death that is not told");
        self.told
            .fetch_add(u32::from(leased.holder_died()), Relaxed);
        left.write(&[FULL]);
        right.write(&[FULL]);
    }

    /// Fills a chunk that was leased, and finishes it.
    pub(super) fn finish(&self, leased: Leased) {
        self.fill(&leased);
        assert!(self.leases().table.end(leased, true), "its own lease");
        self.ended.fetch_add(1, Relaxed);
    }

    /// Leases a chunk if one is to do, and finishes it.
    pub(super) fn work(&self, id: u32) {
        if let Some(leased) = self.any(id) {
            self.finish(leased);
        }
    }

    /// Leases a chunk if one is to do, fills it, and gives it back.
    pub(super) fn try_on(&self, id: u32) {
        if let Some(leased) = self.any(id) {
            self.fill(&leased);
            assert!(self.leases().table.end(leased, false), "its own lease");
            self.ended.fetch_add(1, Relaxed);
        }
    }

    /// Whether a chunk is done, as a reader or a writer sees it.
    fn is_done(&self, chunk: usize) -> bool {
        super::super::is_done(self.leases().table.look(chunk))
    }

    /// Looks at all chunks: those that are done are whole.
    fn inspect(&self) {
        for (chunk, (left, right)) in self.data.iter().enumerate() {
            let words = (left.read(), right.read());
            let whole = words == ([FULL], [FULL]);
            assert!(whole || !self.is_done(chunk), "{words:?}, and done");
        }
    }

    /// Begins to read, waiting as long as `wait` says.
    fn begin(&self, id: u32, wait: Option<&Deadline>) -> Result<ReaderToken, RwLockError> {
        let lock = self.leases().lock;
        match lock.read_clean(tag(id), &KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => lock.read(tag(id), &KernelLiveness(id), wait),
        }
    }

    pub(super) fn begin_to_read(&self, id: u32) -> ReaderToken {
        self.begin(id, None).expect("no other participant")
    }

    pub(super) fn finish_reading(&self, reading: ReaderToken) {
        assert!(!reading.owner_died(), "nobody wrote");
        self.inspect();
        self.leases().lock.stop_reading(reading);
    }

    /// Reads, waiting as long as `wait` says.
    pub(super) fn read(&self, id: u32, wait: Option<&Deadline>) -> Result<(), RwLockError> {
        let reading = self.begin(id, wait)?;
        self.finish_reading(reading);
        Ok(())
    }

    /// Reads, waiting as long as it takes.
    pub(super) fn visit(&self, id: u32) {
        self.read(id, Some(&Deadline::never()))
            .expect("no deadline");
    }

    /// Fills all chunks as one that writes, and repairs what a writer left that died.
    pub(super) fn write(&self, id: u32) {
        let lock = self.leases().lock;
        let forever = Deadline::never();
        let token = lock.write(tag(id), &KernelLiveness(id), Some(&forever));
        let mut token = token.expect("no deadline");
        for (left, right) in &self.data {
            left.write(&[FULL]);
            right.write(&[FULL]);
        }
        if token.owner_died() {
            lock.mark_consistent(&mut token);
        }
        lock.stop_writing(token, false);
    }

    /// Panics as one that writes.
    pub(super) fn poison(&self, id: u32) {
        let lock = self.leases().lock;
        let token = lock.write(tag(id), &KernelLiveness(id), None);
        lock.stop_writing(token.expect("no other participant"), true);
    }

    pub(super) fn clear_poison(&self) {
        self.lock.clear_poison();
    }

    pub(super) fn restart(&self, id: u32) -> Result<(), ChunkError> {
        let forever = Deadline::never();
        self.leases()
            .restart(tag(id), &KernelLiveness(id), Some(&forever))
    }

    /// How many restarts one has heard of, who has heard of nothing else.
    pub(super) fn restarts(&self) -> u32 {
        self.table.word.load(Relaxed) / RESTARTS
    }

    /// Whether process `id` has a chunk.
    pub(super) fn holds(&self, id: u32, chunk: usize) -> bool {
        self.leases().table.look(chunk) & Tag::MASK == tag(id).bits()
    }

    /// How many were told that a holder had died.
    pub(super) fn told(&self) -> u32 {
        self.told.load(Relaxed)
    }

    /// How many chunks were finished.
    pub(super) fn finished(&self) -> usize {
        self.ended.load(Relaxed) as usize
    }

    /// How many leases were begun and not ended, or not to the last step.
    pub(super) fn cut_off(&self) -> u32 {
        self.begun.load(Relaxed) - self.ended.load(Relaxed)
    }

    /// How many chunks are to do.
    pub(super) fn left(&self) -> usize {
        self.leases().table.left()
    }

    /// Everybody has gone or died: what is left can be done and read at once. Returns how many
    /// chunks were left.
    pub(super) fn close(&self) -> usize {
        let left = self.left();
        let status = self.leases().lock.peek();
        if status.owner_died || status.writes {
            self.write(3);
        }
        self.read(3, None).expect("no live holder");
        for number in 0..=left {
            match self.try_any(3).expect("no live holder") {
                Some(leased) if number < left => self.finish(leased),
                None if number == left => {}
                other => panic!("{other:?}, with {left} chunks left"),
            }
        }
        self.read(3, None).expect("no live holder");
        assert_eq!(self.left(), 0);
        left
    }
}
