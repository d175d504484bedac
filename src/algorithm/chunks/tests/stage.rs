//! What the models of leases share: an array of chunks, and the processes that use it.

use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{ChunkError, LeaseTable, LeaseTableState, Leased, Leases, RESTARTS};
use crate::algorithm::rwlock::{Cell, ReaderToken, RwLock, RwLockError, RwLockState};
use crate::facade::{AtomicU32, Deadline, Futex, Words, mutants};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, players, tag};

mutants! {
    model_leases_a_reader_closes_open_chunks_before_it_reads:
        340 "the load of a chunk does not acquire",
        347 "a closed chunk is leased",
        349 "the end of a lease opens a closed chunk",
        356 "a reader does not wait for holders";
    model_leases_a_known_restart_leaves_pending_chunks:
        342 "the end of a restart is not released",
        352 "the load of the table does not acquire";
    model_leases_the_next_holder_learns_of_a_death:
        343 "a takeover from the dead is not reported",
        348 "a chunk that is done keeps DIED";
    model_leases_two_lessees_of_one_chunk_exclude_each_other:
        344 "the claiming CAS does not acquire",
        346 "a waiter takes over from a live holder",
        350 "the end of a lease does not release",
        351 "the end of a lease makes no wake",
        364 "a waiter for a chunk sleeps without WANTED";
    model_leases_a_newcomer_that_leases_is_not_robbed:
        345 "the claiming CAS does not publish that its owner has joined";
    model_leases_reapers_give_back_what_the_dead_had_and_no_more:
        353 "a reaper takes a chunk that the dead participant does not hold",
        354 "a reaper recovers a chunk without DIED";
    model_leases_wherever_a_holder_dies_a_reader_has_its_chunk_back:
        357 "a reader takes a chunk from the dead without DIED";
    model_leases_data_written_before_is_seen_by_each_lessee:
        358 "opening does not release";
    model_leases_a_reader_that_gives_up_admits_no_reader_beside_a_lease:
        359 "a reader that gives up closes the table";
    model_leases_wherever_a_writer_dies_there_is_no_lease_before_a_repair:
        360 "data of a dead writer is leased";
    model_leases_no_lease_is_beside_a_reader_after_an_opener_died:
        361 "the table is open before the readers are out";
    model_leases_a_reader_and_a_lease_exclude_each_other:
        362 "an opener does not wait for readers",
        366 "releasing the mutex admits readers beside leases";
    model_leases_a_restart_is_atomic_under_death:
        363 "a restart does not set RESTARTING",
        365 "a process that finds all done does not check for a restart";
    model_leases_poisoned_data_is_not_leased:
        367 "poisoned data is leased";
    model_leases_a_waiter_for_any_chunk_is_woken_by_each:
        662 "a waiter for any chunk sleeps on the first";
    model_leases_two_deaths_leave_the_chunk_to_the_third:
        753 "a second death goes unnoticed";
}

/// The value of a chunk's two words when it is filled.
const FULL: u64 = 7;

/// An array of `N` chunks, of two words each.
pub(super) struct Fixture<const N: usize> {
    lock: RwLockState,
    cells: [Padded<Cell>; 3],
    table: LeaseTableState,
    pub(super) chunks: [Futex; N],
    data: [(Words<1>, Words<1>); N],
    /// Whether the newcomer has joined.
    pub(super) joined: AtomicU32,
    /// The numbers of leases begun and ended, and of those that reported a holder's death.
    begun: Ledger,
    ended: Ledger,
    told: Ledger,
}

/// A liveness in which process 1 is alive once it has joined.
pub(super) struct Newcomer<'a>(pub(super) KernelLiveness, pub(super) &'a AtomicU32);

impl Liveness for Newcomer<'_> {
    fn me(&self) -> Tag {
        self.0.me()
    }
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

impl<const N: usize> Fixture<N> {
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

    /// An array from which a chunk was leased and returned.
    pub(super) fn opened() -> Arc<Self> {
        let fixture = Self::new();
        let leased = fixture.this(3, 0).expect("no other participant");
        assert!(fixture.leases().table.end(leased, false));
        fixture
    }

    /// An array whose chunks are done.
    pub(super) fn done() -> Arc<Self> {
        let fixture = Self::new();
        (0..N).for_each(|_| fixture.work(3));
        assert_eq!(fixture.left(), 0);
        fixture
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

    /// Leases a pending chunk, without a deadline.
    pub(super) fn any(&self, id: u32) -> Option<Leased> {
        let forever = Deadline::never();
        let leased = self
            .leases()
            .lease_any(0, &KernelLiveness(id), Some(&forever));
        let leased = leased.expect("no deadline");
        self.begun.fetch_add(u32::from(leased.is_some()), Relaxed);
        leased
    }

    pub(super) fn try_any(&self, id: u32) -> Result<Option<Leased>, ChunkError> {
        self.leases().lease_any(0, &KernelLiveness(id), None)
    }

    /// Leases this chunk, waiting for readers and writers without a deadline.
    pub(super) fn this(&self, id: u32, chunk: usize) -> Result<Leased, ChunkError> {
        let forever = Deadline::never();
        self.leases()
            .lease_this(chunk, &KernelLiveness(id), Some(&forever))
    }

    /// Fills a chunk, a word at a time: it is whole unless a holder died.
    pub(super) fn fill(&self, leased: &Leased) {
        let (left, right) = &self.data[leased.chunk()];
        let torn = left.read() != right.read();
        assert!(
            !torn || leased.holder_died(),
            "a death that is not reported"
        );
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

    /// Leases a chunk if one is pending, and finishes it.
    pub(super) fn work(&self, id: u32) {
        if let Some(leased) = self.any(id) {
            self.finish(leased);
        }
    }

    /// Leases a chunk if one is pending, fills it, and returns it.
    pub(super) fn try_on(&self, id: u32) {
        if let Some(leased) = self.any(id) {
            self.fill(&leased);
            assert!(self.leases().table.end(leased, false), "its own lease");
            self.ended.fetch_add(1, Relaxed);
        }
    }

    /// Returns whether a chunk is done, as a reader or a writer sees it.
    fn is_done(&self, chunk: usize) -> bool {
        super::super::is_done(self.leases().table.load_chunk(chunk))
    }

    /// Asserts that all chunks that are done are whole.
    fn inspect(&self) {
        for (chunk, (left, right)) in self.data.iter().enumerate() {
            let words = (left.read(), right.read());
            let whole = words == ([FULL], [FULL]);
            assert!(whole || !self.is_done(chunk), "{words:?}, and done");
        }
    }

    /// Begins to read, waiting until `wait`.
    fn begin(&self, id: u32, wait: Option<&Deadline>) -> Result<ReaderToken, RwLockError> {
        let lock = self.leases().lock;
        match lock.read_clean(&KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => lock.read(&KernelLiveness(id), wait),
        }
    }

    pub(super) fn begin_to_read(&self, id: u32) -> ReaderToken {
        self.begin(id, None).expect("no other participant")
    }

    pub(super) fn finish_reading(&self, reading: ReaderToken) {
        assert!(!reading.owner_died(), "there was no writer");
        self.inspect();
        self.leases().lock.stop_reading(reading);
    }

    /// Reads, waiting until `wait`.
    pub(super) fn read(&self, id: u32, wait: Option<&Deadline>) -> Result<(), RwLockError> {
        let reading = self.begin(id, wait)?;
        self.finish_reading(reading);
        Ok(())
    }

    /// Reads, without a deadline.
    pub(super) fn visit(&self, id: u32) {
        self.read(id, Some(&Deadline::never()))
            .expect("no deadline");
    }

    /// Fills all chunks as a writer, and repairs what a dead writer left.
    pub(super) fn write(&self, id: u32) {
        let lock = self.leases().lock;
        let forever = Deadline::never();
        let token = lock.write(&KernelLiveness(id), Some(&forever));
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

    /// Panics as a writer.
    pub(super) fn poison(&self, id: u32) {
        let lock = self.leases().lock;
        let token = lock.write(&KernelLiveness(id), None);
        lock.stop_writing(token.expect("no other participant"), true);
    }

    pub(super) fn clear_poison(&self) {
        self.lock.clear_poison();
    }

    pub(super) fn restart(&self, id: u32) -> Result<(), ChunkError> {
        let forever = Deadline::never();
        self.leases().restart(&KernelLiveness(id), Some(&forever))
    }

    /// The number of restarts, loaded without other synchronization.
    pub(super) fn restarts(&self) -> u32 {
        self.table.word.load(Relaxed) / RESTARTS
    }

    /// Returns whether process `id` holds a chunk.
    pub(super) fn holds(&self, id: u32, chunk: usize) -> bool {
        self.leases().table.load_chunk(chunk) & Tag::MASK == tag(id).bits()
    }

    /// The number of leases that reported a holder's death.
    pub(super) fn deaths_seen(&self) -> u32 {
        self.told.load(Relaxed)
    }

    /// The number of chunks that were finished.
    pub(super) fn finished(&self) -> usize {
        self.ended.load(Relaxed) as usize
    }

    /// The number of leases that were begun and not ended, or not to the last step.
    pub(super) fn cut_off(&self) -> u32 {
        self.begun.load(Relaxed) - self.ended.load(Relaxed)
    }

    /// The number of pending chunks.
    pub(super) fn left(&self) -> usize {
        self.leases().table.left()
    }

    /// Asserts, after all have left or died, that the remaining chunks can be done and read at
    /// once. Returns how many were left.
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
