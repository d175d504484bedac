//! A work queue and the processes that use it, without a registry: the byte locks say which
//! processes live.

use std::sync::atomic::{AtomicU64 as UntrackedU64, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::wait::EventWaitError;
use super::super::{Cursor, OwnedCell, Storage, Work, WorkSendError, WorkState};
use crate::algorithm::mpmc::layout::{Geometry, Position};
use crate::algorithm::work::layout::{CellWord, Rules, WordFormat};
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Deadline, Ordering, Pace, Words, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{WithHandles, players, tag};
use crate::wait::on_event::TryError;

mod wraps;
pub(super) use wraps::LATER;

/// A work queue, its messages, which are numbers below [`ITEMS`], and records of what became of
/// them. loom does not track the records.
pub(super) struct Fixture {
    state: WorkState,
    counts: [AtomicU64; 3],
    slots: Vec<AtomicU64>,
    cells: Vec<Cell>,
    pub(super) rules: Rules,
    /// A bit for each item whose send was committed; for each item whose acknowledgement was begun;
    /// for each item that was acknowledged. A killed process may not record the first, or the last.
    pub(super) sent: UntrackedU64,
    tried: UntrackedU64,
    pub(super) done: UntrackedU64,
    /// A bit for each process that the registry does not know any more.
    unregistered: AtomicU64,
    /// The cursor of a new handle.
    start: Cursor,
    /// The access to a slot, and to a cell's word, before which a process is stopped while others
    /// run, 1 for the next; 0 for never.
    stops: [UntrackedU64; 2],
    meanwhile: std::sync::Mutex<Option<fn(&Fixture)>>,
    /// The attempt at which each item was last delivered.
    attempts: [UntrackedU64; ITEMS],
    /// Whether process 2 may die as well.
    pub(super) two_die: UntrackedU64,
}

/// Items below this are the models' own; the others are for [`Fixture::check`].
const ITEMS: usize = 8;

struct Cell {
    word: AtomicU64,
    not_before: AtomicU64,
    len: AtomicU64,
    next: AtomicU64,
    message: Words<1>,
    /// Private to each process: the thread that received its message.
    receipt: UntrackedU64,
}

impl Fixture {
    fn slot_word(&self, index: u64) -> &AtomicU64 {
        self.may_stop(&self.stops[0]);
        &self.slots[usize::try_from(index).unwrap()]
    }

    fn cell_word(&self, index: u32) -> &AtomicU64 {
        self.may_stop(&self.stops[1]);
        &self.cells[index as usize].word
    }
}

impl Storage for &Fixture {
    fn slot(&self, index: u64) -> &AtomicU64 {
        self.slot_word(index)
    }
    fn cell(&self, index: u32) -> &AtomicU64 {
        self.cell_word(index)
    }
    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize].not_before
    }
    fn len(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize].len
    }
    fn next(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize].next
    }
}

/// The words of a fixture, as a thread of a process uses them.
#[derive(Clone, Copy)]
pub(super) struct ThreadView<'a> {
    fixture: &'a Fixture,
    thread: u64,
}

impl Storage for ThreadView<'_> {
    fn slot(&self, index: u64) -> &AtomicU64 {
        self.fixture.slot_word(index)
    }
    fn cell(&self, index: u32) -> &AtomicU64 {
        self.fixture.cell_word(index)
    }
    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.fixture.cells[index as usize].not_before
    }
    fn len(&self, index: u32) -> &AtomicU64 {
        &self.fixture.cells[index as usize].len
    }
    fn next(&self, index: u32) -> &AtomicU64 {
        &self.fixture.cells[index as usize].next
    }
    fn record_receipt(&self, owned: OwnedCell) {
        let receipt = &self.fixture.cells[owned.cell as usize].receipt;
        receipt.store(owned.word.0 ^ self.thread, Relaxed);
    }
    fn is_own(&self, index: u32, word: CellWord) -> bool {
        let receipt = self.fixture.cells[index as usize].receipt.load(Relaxed);
        // A seeded bug: messages of other threads of the process count as the caller's.
        receipt == word.0 ^ self.thread || mutation(511)
    }
}

/// The handle of a process, or of a thread of it.
pub(super) struct Handle<'a> {
    pub(super) fixture: &'a Fixture,
    pub(super) id: u32,
    /// The thread's number in its process.
    thread: u64,
    pub(super) cursor: std::cell::Cell<Cursor>,
    /// Whether the registry is asked. In most models every process is registered.
    asks_registry: bool,
}

impl Liveness for Handle<'_> {
    fn me(&self) -> Tag {
        tag(self.id)
    }
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, urgent: bool) -> bool {
        // Process 1 is the victim. If it is not urgent, another process has reaped just now.
        let reaps = urgent && self.id != 1 && !is_byte_locked(0);
        if reaps {
            self.fixture.work().recover(tag(1));
        }
        if urgent && self.fixture.two_die.load(Relaxed) != 0 && self.id != 2 && !is_byte_locked(1) {
            self.fixture.work().recover(tag(2));
            return true;
        }
        reaps
    }
    const KNOWS_UNREGISTERED: bool = true;

    fn is_unregistered(&self, other: Tag) -> bool {
        // ORDERING: Acquire; as the registry's words are loaded.
        self.asks_registry
            && self.fixture.unregistered.load(Ordering::Acquire) & 1 << other.index() != 0
    }
    fn participants(&self) -> u32 {
        3
    }
}

impl Fixture {
    /// Returns a queue of `cells` cells, whose messages are delivered `max_attempts` times at most.
    pub(super) fn of(cells: u32, max_attempts: u8) -> Arc<Self> {
        Self::after(0, 0, cells, max_attempts)
    }

    /// Returns such a queue in the last lap and the last version that words have bits for.
    pub(super) fn late(cells: u32, max_attempts: u8) -> Arc<Self> {
        let laps = (1 << WordFormat::of(cells).lap_bits()) - 1;
        Self::after(laps, (1 << 24) - 1, cells, max_attempts)
    }

    /// Returns such a queue after `laps` laps, and `version` uses of each cell.
    fn after(laps: u64, version: u64, cells: u32, max_attempts: u8) -> Arc<Self> {
        players();
        let order = Geometry::new(u64::from(cells).max(2));
        let begin = Position(laps << order.capacity().next_power_of_two().ilog2());
        let format = if mutation(633) {
            WordFormat::with_short_laps()
        } else {
            WordFormat::of(cells)
        };
        let slot = format.free(laps).0;
        let cell = |_| Cell {
            word: AtomicU64::new(version << 40),
            not_before: AtomicU64::new(0),
            len: AtomicU64::new(0),
            next: AtomicU64::new(0),
            message: Words::new([99]),
            receipt: UntrackedU64::new(0),
        };
        Arc::new(Self {
            state: WorkState::after(begin),
            counts: [0; 3].map(AtomicU64::new),
            slots: (0..order.capacity())
                .map(|_| AtomicU64::new(slot))
                .collect(),
            cells: (0..cells).map(cell).collect(),
            rules: Rules {
                order,
                format,
                cells,
                max_attempts,
                spans: false,
            },
            sent: UntrackedU64::new(0),
            tried: UntrackedU64::new(0),
            done: UntrackedU64::new(0),
            unregistered: AtomicU64::new(0),
            start: Cursor {
                tail: begin,
                head: begin,
                caught_up: begin,
                ..Cursor::default()
            },
            stops: [0, 0].map(UntrackedU64::new),
            meanwhile: std::sync::Mutex::new(None),
            attempts: [0; ITEMS].map(UntrackedU64::new),
            two_die: UntrackedU64::new(0),
        })
    }

    pub(super) fn work(&self) -> Work<'_, &Self> {
        Work {
            state: &self.state,
            counts: &self.counts,
            storage: self,
            rules: &self.rules,
        }
    }

    fn message(&self, owned: OwnedCell) -> &Words<1> {
        &self.cells[owned.cell as usize].message
    }

    pub(super) fn was_sent(&self, item: u64) -> bool {
        self.sent.load(Relaxed) & 1 << item != 0
    }

    /// Returns whether the acknowledgement of an item was begun; the process may have been killed
    /// before it was done.
    pub(super) fn was_tried(&self, item: u64) -> bool {
        self.tried.load(Relaxed) & 1 << item != 0
    }

    fn is_done(&self, item: u64) -> bool {
        self.done.load(Relaxed) & 1 << item != 0
    }

    /// Returns the number of deliveries of an item that were recorded.
    pub(super) fn attempts(&self, item: u64) -> u64 {
        self.attempts[usize::try_from(item).unwrap()].load(Relaxed)
    }

    /// Stops the next process before its `access`th access to a slot, 1 for the next, while others
    /// run `meanwhile`.
    pub(super) fn stop_at_slot(&self, access: u64, meanwhile: fn(&Fixture)) {
        self.stop(0, access, meanwhile);
    }

    /// As [`stop_at_slot`](Self::stop_at_slot), for the words of cells.
    pub(super) fn stop_at_cell(&self, access: u64, meanwhile: fn(&Fixture)) {
        self.stop(1, access, meanwhile);
    }

    fn stop(&self, at: usize, access: u64, meanwhile: fn(&Fixture)) {
        *self.meanwhile.lock().unwrap() = Some(meanwhile);
        self.stops[at].store(access, Relaxed);
    }

    /// Returns whether a process was stopped there; none will be any more.
    pub(super) fn stopped(&self) -> bool {
        for stop in &self.stops {
            stop.store(0, Relaxed);
        }
        self.meanwhile.lock().unwrap().take().is_none()
    }

    fn may_stop(&self, stop: &UntrackedU64) {
        match stop.load(Relaxed) {
            0 => {}
            1 => {
                stop.store(0, Relaxed);
                let meanwhile = self.meanwhile.lock().unwrap().take();
                meanwhile.expect("a process was to be stopped")(self);
            }
            left => stop.store(left - 1, Relaxed),
        }
    }

    /// Unregisters process `id`, which lives.
    pub(super) fn unregister(&self, id: u32) {
        // ORDERING: Release, Acquire; as the registry's words are changed.
        self.unregistered.fetch_or(1 << (id - 1), Ordering::AcqRel);
    }

    /// Recovers the cells of process 1, if it was killed.
    pub(super) fn reap(&self) {
        if !is_byte_locked(0) {
            self.work().recover(tag(1));
        }
    }

    /// Checks after the end that every item sent was acknowledged, is still delivered to process 3,
    /// or is a dead letter; and that all cells and slots can be used again.
    pub(super) fn check(&self) {
        self.reap();
        let last = self.handle(3);
        while last.poll().is_some() {}
        while let Some(dead_letter) = last.claim_dead_letter() {
            last.read(dead_letter);
            last.ack(dead_letter);
        }
        let (sent, tried) = (self.sent.load(Relaxed), self.tried.load(Relaxed));
        assert_eq!(sent & !tried, 0, "lost: sent {sent:b}, of them {tried:b}");
        let only_tried = tried & !self.done.load(Relaxed);
        let some_died = !is_byte_locked(0) || self.two_die.load(Relaxed) != 0 && !is_byte_locked(1);
        assert!(only_tried == 0 || some_died, "not done");
        assert!(self.work().is_idle(), "the queue is not idle");
        if self.work().endpoints().is_closed() {
            return;
        }
        let loans: Vec<_> = (0..self.rules.cells)
            .map(|_| last.loan().expect("a cell is lost"))
            .collect();
        assert_eq!(
            last.loan(),
            Err(TryError::WouldBlock),
            "there is a cell too many"
        );
        for (item, loan) in (ITEMS as u64..).zip(&loans) {
            assert_eq!(last.send_loan(*loan, item), Ok(()));
        }
        for (item, _) in (ITEMS as u64..).zip(&loans) {
            assert_eq!(last.poll(), Some(item), "items are out of order");
        }
    }
}

impl WithHandles for Fixture {
    type Handle<'a> = Handle<'a>;

    fn handle(&self, id: u32) -> Handle<'_> {
        Handle {
            fixture: self,
            id,
            thread: 1,
            cursor: std::cell::Cell::new(self.start),
            asks_registry: false,
        }
    }
}

impl<'a> Handle<'a> {
    /// Calls `act` with the handle's cursor.
    pub(super) fn with<R>(
        &self,
        act: impl FnOnce(Work<'a, ThreadView<'a>>, &mut Cursor) -> R,
    ) -> R {
        let mut cursor = self.cursor.get();
        let Work {
            state,
            counts,
            storage: fixture,
            rules,
        } = self.fixture.work();
        let storage = ThreadView {
            fixture,
            thread: self.thread,
        };
        let work = Work {
            state,
            counts,
            storage,
            rules,
        };
        let done = act(work, &mut cursor);
        self.cursor.set(cursor);
        done
    }

    /// Returns the handle with another cursor.
    pub(super) fn with_cursor(self, cursor: Cursor) -> Self {
        self.cursor.set(cursor);
        self
    }

    /// Returns the handle of another thread of the same process.
    pub(super) fn on_thread(self, thread: u64) -> Self {
        Self { thread, ..self }
    }

    /// Returns the handle, which asks the registry from now on.
    pub(super) fn asking_registry(self) -> Self {
        Self {
            asks_registry: true,
            ..self
        }
    }

    pub(super) fn loan(&self) -> Result<OwnedCell, TryError> {
        self.with(|work, cursor| work.loan(cursor, self.me()))
    }

    pub(super) fn write(&self, owned: OwnedCell, item: u64) {
        self.fixture.message(owned).write(&[item]);
    }

    pub(super) fn send_loan(&self, owned: OwnedCell, item: u64) -> Result<(), WorkSendError> {
        self.write(owned, item);
        self.with(|work, cursor| work.send(cursor, owned, self))?;
        self.fixture.sent.fetch_or(1 << item, Relaxed);
        self.fixture.work().notify(Endpoint::Sender);
        Ok(())
    }

    /// Sends an item if a cell is free and the queue has not ended; returns whether it was sent.
    pub(super) fn try_send(&self, item: u64) -> bool {
        let Ok(owned) = self.loan() else {
            return false;
        };
        match self.send_loan(owned, item) {
            Ok(()) => true,
            Err(WorkSendError::Disconnected(owned)) => {
                let given = self.with(|work, cursor| work.ack(cursor, owned));
                assert_eq!(given, Ok(()));
                false
            }
            Err(other) => panic!("not sent: {other:?}"),
        }
    }

    /// Sends an item, as soon as a cell is free.
    pub(super) fn send(&self, item: u64) -> Result<(), EventWaitError> {
        let never = Deadline::never();
        let owned =
            self.with(|work, cursor| work.wait_loan(cursor, 1, self, &never, Pace::Adaptive))?;
        assert_eq!(self.send_loan(owned, item), Ok(()));
        Ok(())
    }

    /// Receives a message, or returns why there is none.
    pub(super) fn receive(&self) -> Result<OwnedCell, TryError> {
        let received = self.with(|work, cursor| match work.receive(cursor, self.me()) {
            Err(TryError::WouldBlock) => work.on_empty(cursor, self),
            other => other,
        });
        assert_ne!(received, Err(TryError::Corrupt));
        self.check_attempts(received.ok());
        received
    }

    fn check_attempts(&self, received: Option<OwnedCell>) {
        let most = self.fixture.rules.max_attempts;
        let is_allowed = |owned: OwnedCell| (1..=most).contains(&owned.word.attempts());
        assert!(
            received.is_none_or(is_allowed),
            "a dead letter was delivered"
        );
    }

    /// Receives a message, as soon as there is one.
    pub(super) fn wait(&self) -> Result<OwnedCell, EventWaitError> {
        let never = Deadline::never();
        let received =
            self.with(|work, cursor| work.wait_receive(cursor, self, &never, Pace::Adaptive));
        assert_ne!(received, Err(EventWaitError::Corrupt));
        self.check_attempts(received.ok());
        received
    }

    /// Waits until it knows of a delayed message.
    pub(super) fn wait_delayed(&self) {
        let told = self.with(|work, cursor| work.wait_delayed(cursor, self));
        assert_eq!(told, Ok(()));
    }

    /// Reads a delivered message. No step is between the read and the record.
    pub(super) fn read(&self, owned: OwnedCell) -> u64 {
        let [item] = self.fixture.message(owned).read();
        assert!(
            !self.fixture.is_done(item),
            "item {item} is delivered after its acknowledgement"
        );
        if let Some(last) = self.fixture.attempts.get(usize::try_from(item).unwrap()) {
            let attempt = u64::from(owned.word.attempts());
            let before = last.swap(attempt, Relaxed);
            assert!(before < attempt, "attempt {attempt} after {before}");
        }
        item
    }

    /// Acknowledges a message, by `end`.
    pub(super) fn finish(&self, owned: OwnedCell, end: impl FnOnce()) {
        let [item] = self.fixture.message(owned).read();
        self.fixture.tried.fetch_or(1 << item, Relaxed);
        end();
        let before = self.fixture.done.fetch_or(1 << item, Relaxed);
        assert_eq!(before & 1 << item, 0, "item {item} is acknowledged twice");
    }

    /// Acknowledges a message of one cell.
    pub(super) fn ack(&self, owned: OwnedCell) {
        self.finish(owned, || {
            let done = self.with(|work, cursor| work.ack(cursor, owned));
            assert_eq!(done, Ok(()), "the cell was taken away");
        });
    }

    /// Acknowledges a message, if this process still has it.
    pub(super) fn try_finish(&self, owned: OwnedCell) {
        let [item] = self.fixture.message(owned).read();
        self.fixture.tried.fetch_or(1 << item, Relaxed);
        if self.with(|work, cursor| work.ack(cursor, owned)).is_ok() {
            let before = self.fixture.done.fetch_or(1 << item, Relaxed);
            assert_eq!(before & 1 << item, 0, "item {item} is acknowledged twice");
        }
    }

    /// Recovers the cells of unregistered owners.
    pub(super) fn recover_unregistered(&self) {
        self.with(|work, cursor| work.recover_unregistered(cursor, self));
    }

    /// Receives and acknowledges a message if there is one.
    pub(super) fn poll(&self) -> Option<u64> {
        let owned = self.receive().ok()?;
        let item = self.read(owned);
        self.ack(owned);
        Some(item)
    }

    /// Receives a message as soon as there is one, and acknowledges it.
    pub(super) fn wait_and_ack(&self) -> Result<u64, EventWaitError> {
        let owned = self.wait()?;
        let item = self.read(owned);
        self.ack(owned);
        Ok(item)
    }

    pub(super) fn return_message(&self, owned: OwnedCell) {
        self.return_until(owned, 0);
    }

    /// Returns a message, not to be redelivered before `not_before` if that is not 0.
    pub(super) fn return_until(&self, owned: OwnedCell, not_before: u64) {
        let not_before = (not_before > 0).then_some(not_before);
        let given = self.with(|work, cursor| work.return_message(cursor, owned, not_before));
        assert_eq!(given, Ok(()), "the cell was taken away");
    }

    pub(super) fn claim_dead_letter(&self) -> Option<OwnedCell> {
        self.fixture.work().claim_dead_letter(tag(self.id))
    }

    /// Makes a dead letter of a message.
    pub(super) fn make_dead_letter(&self, owned: OwnedCell) {
        let done = self.with(|work, cursor| work.make_dead_letter(cursor, owned));
        assert_eq!(done, Ok(()), "the cell was taken away");
    }

    /// Returns whether the next attempt may get a message.
    pub(super) fn is_ready(&self) -> bool {
        self.with(|work, cursor| work.is_ready(cursor))
    }

    /// Blocks until the queue is idle.
    pub(super) fn wait_idle(&self) {
        let never = Deadline::never();
        let idle = self.with(|work, cursor| work.wait_idle(cursor, self, &never, Pace::Adaptive));
        assert_eq!(idle, Ok(()));
    }
}
