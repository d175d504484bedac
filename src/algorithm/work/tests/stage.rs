//! A work queue and the processes at it, in a world without a registry: the byte locks say who lives.

use std::sync::atomic::{AtomicU64 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::wait::EventWaitError;
use super::super::{Cursor, Mine, Places, Unsent, Work, WorkState};
use crate::algorithm::mpmc::layout::{Geometry, Position};
use crate::algorithm::work::layout::{CellWord, Rules, WordFormat};
use crate::facade::model::is_byte_locked;
use crate::facade::{AtomicU64, Deadline, Ordering, Pace, Words, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{players, tag};
use crate::wait::on_event::TryError;

mod leaps;
pub(super) use leaps::LATER;

/// A work queue, its messages, which are numbers below [`ITEMS`], and what became of them.
pub(super) struct Shop {
    state: WorkState,
    counts: [AtomicU64; 3],
    slots: Vec<AtomicU64>,
    cells: Vec<Cell>,
    pub(super) rules: Rules,
    /// A bit for each item whose send was committed; for each that somebody set about to acknowledge;
    /// for each that was. Who is killed may not come to say the first, or the last.
    pub(super) sent: Ledger,
    tried: Ledger,
    pub(super) done: Ledger,
    /// A bit for each process that the registry does not know any more.
    strangers: AtomicU64,
    /// What a handle knows that is new.
    start: Cursor,
    /// Before this access to a slot, and to a cell's word, 1 for the next, a process is stopped while others do
    /// something; 0 for never.
    stops: [Ledger; 2],
    meanwhile: std::sync::Mutex<Option<fn(&Shop)>>,
    /// At which attempt each was last delivered.
    attempts: [Ledger; ITEMS],
    /// Whether process 2 may die, too.
    pub(super) two_die: Ledger,
}

/// Items below this are the models' own; the others are for [`Shop::balance`].
const ITEMS: usize = 8;

struct Cell {
    word: AtomicU64,
    not_before: AtomicU64,
    len: AtomicU64,
    next: AtomicU64,
    message: Words<1>,
    /// Private to each process: which thread received its message.
    note: Ledger,
}

impl Shop {
    fn slot_word(&self, index: u64) -> &AtomicU64 {
        self.may_stop(&self.stops[0]);
        &self.slots[usize::try_from(index).unwrap()]
    }

    fn cell_word(&self, index: u32) -> &AtomicU64 {
        self.may_stop(&self.stops[1]);
        &self.cells[index as usize].word
    }
}

impl Places for &Shop {
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

/// The words of a shop, and what a thread of a process knows beside them.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    shop: &'a Shop,
    thread: u64,
}

impl Places for Desk<'_> {
    fn slot(&self, index: u64) -> &AtomicU64 {
        self.shop.slot_word(index)
    }
    fn cell(&self, index: u32) -> &AtomicU64 {
        self.shop.cell_word(index)
    }
    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.shop.cells[index as usize].not_before
    }
    fn len(&self, index: u32) -> &AtomicU64 {
        &self.shop.cells[index as usize].len
    }
    fn next(&self, index: u32) -> &AtomicU64 {
        &self.shop.cells[index as usize].next
    }
    fn note(&self, mine: Mine) {
        let note = &self.shop.cells[mine.cell as usize].note;
        note.store(mine.word.0 ^ self.thread, Relaxed);
    }
    fn is_own(&self, index: u32, word: CellWord) -> bool {
        let note = self.shop.cells[index as usize].note.load(Relaxed);
        // A seeded bug: what other threads of the process have is the caller's.
        note == word.0 ^ self.thread || mutation(511)
    }
}

/// A process at the queue, or a thread of one.
pub(super) struct Worker<'a> {
    pub(super) shop: &'a Shop,
    pub(super) id: u32,
    /// Its number among the threads of its process.
    thread: u64,
    pub(super) cursor: std::cell::Cell<Cursor>,
    /// Whether the registry is asked. In most models everybody is there.
    asks: bool,
}

impl Liveness for Worker<'_> {
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.id) || is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, urgent: bool) -> bool {
        // Process 1 is the one that dies. If it is not urgent, somebody else did it just now.
        let reaps = urgent && self.id != 1 && !is_byte_locked(0);
        if reaps {
            self.shop.work().recover(tag(1));
        }
        if urgent && self.shop.two_die.load(Relaxed) != 0 && self.id != 2 && !is_byte_locked(1) {
            self.shop.work().recover(tag(2));
            return true;
        }
        reaps
    }
    const KNOWS_UNREGISTERED: bool = true;

    fn is_unregistered(&self, other: Tag) -> bool {
        // ORDERING: Acquire; as the registry's words are read.
        self.asks && self.shop.strangers.load(Ordering::Acquire) & 1 << other.index() != 0
    }
    fn participants(&self) -> u32 {
        3
    }
}

impl Shop {
    /// Of so many cells, for messages that are delivered `most_attempts` times at most.
    pub(super) fn of(cells: u32, most_attempts: u8) -> Arc<Self> {
        Self::after(0, 0, cells, most_attempts)
    }

    /// The same, in the last lap and the last version that words have bits for.
    pub(super) fn late(cells: u32, most_attempts: u8) -> Arc<Self> {
        let laps = (1 << WordFormat::of(cells).lap_bits()) - 1;
        Self::after(laps, (1 << 24) - 1, cells, most_attempts)
    }

    /// The same after so many laps, and so many uses of each cell.
    fn after(laps: u64, version: u64, cells: u32, most_attempts: u8) -> Arc<Self> {
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
            note: Ledger::new(0),
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
                most_attempts,
                spans: false,
            },
            sent: Ledger::new(0),
            tried: Ledger::new(0),
            done: Ledger::new(0),
            strangers: AtomicU64::new(0),
            start: Cursor {
                tail: begin,
                head: begin,
                caught_up: begin,
                ..Cursor::default()
            },
            stops: [0, 0].map(Ledger::new),
            meanwhile: std::sync::Mutex::new(None),
            attempts: [0; ITEMS].map(Ledger::new),
            two_die: Ledger::new(0),
        })
    }

    pub(super) fn work(&self) -> Work<'_, &Self> {
        Work {
            state: &self.state,
            counts: &self.counts,
            places: self,
            rules: &self.rules,
        }
    }

    fn message(&self, mine: Mine) -> &Words<1> {
        &self.cells[mine.cell as usize].message
    }

    pub(super) fn was_sent(&self, item: u64) -> bool {
        self.sent.load(Relaxed) & 1 << item != 0
    }

    /// Whether somebody set about to acknowledge an item; it may have been killed before it did.
    pub(super) fn was_tried(&self, item: u64) -> bool {
        self.tried.load(Relaxed) & 1 << item != 0
    }

    fn is_done(&self, item: u64) -> bool {
        self.done.load(Relaxed) & 1 << item != 0
    }

    /// How often an item was delivered, to those who came to say so.
    pub(super) fn attempts(&self, item: u64) -> u64 {
        self.attempts[usize::try_from(item).unwrap()].load(Relaxed)
    }

    /// The next process to come to its `access`th access to a slot, 1 for the next, is stopped there while others
    /// do something.
    pub(super) fn stop_at_slot(&self, access: u64, meanwhile: fn(&Shop)) {
        self.stop(0, access, meanwhile);
    }

    /// The same for the words of cells.
    pub(super) fn stop_at_cell(&self, access: u64, meanwhile: fn(&Shop)) {
        self.stop(1, access, meanwhile);
    }

    fn stop(&self, at: usize, access: u64, meanwhile: fn(&Shop)) {
        *self.meanwhile.lock().unwrap() = Some(meanwhile);
        self.stops[at].store(access, Relaxed);
    }

    /// Whether a process was stopped there; none will be any more.
    pub(super) fn stopped(&self) -> bool {
        for stop in &self.stops {
            stop.store(0, Relaxed);
        }
        self.meanwhile.lock().unwrap().take().is_none()
    }

    fn may_stop(&self, stop: &Ledger) {
        match stop.load(Relaxed) {
            0 => {}
            1 => {
                stop.store(0, Relaxed);
                let meanwhile = self.meanwhile.lock().unwrap().take();
                meanwhile.expect("something to do")(self);
            }
            left => stop.store(left - 1, Relaxed),
        }
    }

    /// Others take process `id` for dead, which lives: the registry does not know it any more.
    pub(super) fn forget(&self, id: u32) {
        // ORDERING: Release, Acquire; as the registry's words are changed.
        self.strangers.fetch_or(1 << (id - 1), Ordering::AcqRel);
    }

    /// Gives back what process 1 has, if that was killed.
    pub(super) fn reap(&self) {
        if !is_byte_locked(0) {
            self.work().recover(tag(1));
        }
    }

    /// When all is done: what was sent was acknowledged, or still comes to process 3, or is a dead
    /// letter; and all cells and slots can be used again.
    pub(super) fn balance(&self) {
        self.reap();
        let last = worker(self, 3);
        while last.pick().is_some() {}
        while let Some(letter) = last.take_buried() {
            last.read(letter);
            last.ack(letter);
        }
        let (sent, tried) = (self.sent.load(Relaxed), self.tried.load(Relaxed));
        assert_eq!(sent & !tried, 0, "lost: sent {sent:b}, of them {tried:b}");
        let only_tried = tried & !self.done.load(Relaxed);
        let some_died = !is_byte_locked(0) || self.two_die.load(Relaxed) != 0 && !is_byte_locked(1);
        assert!(only_tried == 0 || some_died, "not done");
        assert!(self.work().is_idle(), "something is left");
        if self.work().endpoints().is_closed() {
            return;
        }
        let loans: Vec<_> = (0..self.rules.cells)
            .map(|_| last.loan().expect("a cell is lost"))
            .collect();
        assert_eq!(last.loan(), Err(TryError::WouldBlock), "a cell too many");
        for (item, loan) in (ITEMS as u64..).zip(&loans) {
            assert_eq!(last.send_loan(*loan, item), Ok(()));
        }
        for (item, _) in (ITEMS as u64..).zip(&loans) {
            assert_eq!(last.pick(), Some(item), "not in order");
        }
    }
}

pub(super) fn worker(shop: &Shop, id: u32) -> Worker<'_> {
    Worker {
        shop,
        id,
        thread: 1,
        cursor: std::cell::Cell::new(shop.start),
        asks: false,
    }
}

impl<'a> Worker<'a> {
    /// Does something with what this process knows of the queue.
    pub(super) fn with<R>(&self, act: impl FnOnce(Work<'a, Desk<'a>>, &mut Cursor, Tag) -> R) -> R {
        let mut cursor = self.cursor.get();
        let Work {
            state,
            counts,
            places: shop,
            rules,
        } = self.shop.work();
        let places = Desk {
            shop,
            thread: self.thread,
        };
        let work = Work {
            state,
            counts,
            places,
            rules,
        };
        let done = act(work, &mut cursor, tag(self.id));
        self.cursor.set(cursor);
        done
    }

    /// The same process, or another, that knows as much as this one.
    pub(super) fn knowing(self, cursor: Cursor) -> Self {
        self.cursor.set(cursor);
        self
    }

    /// Another thread of the same process.
    pub(super) fn on_thread(self, thread: u64) -> Self {
        Self { thread, ..self }
    }

    /// The same, who asks the registry.
    pub(super) fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    pub(super) fn loan(&self) -> Result<Mine, TryError> {
        self.with(|work, cursor, me| work.loan(cursor, me))
    }

    pub(super) fn write(&self, mine: Mine, item: u64) {
        self.shop.message(mine).write(&[item]);
    }

    pub(super) fn send_loan(&self, mine: Mine, item: u64) -> Result<(), Unsent> {
        self.write(mine, item);
        self.with(|work, cursor, me| work.send(cursor, mine, me, self))?;
        self.shop.sent.fetch_or(1 << item, Relaxed);
        self.shop.work().notify(Endpoint::Sender);
        Ok(())
    }

    /// Sends an item if there is a cell for it, and it is not over; whether it was sent.
    pub(super) fn try_send(&self, item: u64) -> bool {
        let Ok(mine) = self.loan() else {
            return false;
        };
        match self.send_loan(mine, item) {
            Ok(()) => true,
            Err(Unsent::Over(mine)) => {
                let given = self.with(|work, cursor, _| work.ack(cursor, mine));
                assert_eq!(given, Ok(()));
                false
            }
            Err(other) => panic!("not sent: {other:?}"),
        }
    }

    /// Sends an item, as soon as there is a cell for it.
    pub(super) fn send(&self, item: u64) -> Result<(), EventWaitError> {
        let never = Deadline::never();
        let mine = self
            .with(|work, cursor, me| work.wait_loan(cursor, me, 1, self, &never, Pace::Adaptive))?;
        assert_eq!(self.send_loan(mine, item), Ok(()));
        Ok(())
    }

    /// A message, or why there is none.
    pub(super) fn receive(&self) -> Result<Mine, TryError> {
        let got = self.with(|work, cursor, me| match work.receive(cursor, me) {
            Err(TryError::WouldBlock) => work.nothing(cursor, me, self),
            other => other,
        });
        assert_ne!(got, Err(TryError::Corrupt));
        self.counts_attempts(got.ok());
        got
    }

    fn counts_attempts(&self, got: Option<Mine>) {
        let most = self.shop.rules.most_attempts;
        let in_time = |mine: Mine| (1..=most).contains(&mine.word.attempts());
        assert!(got.is_none_or(in_time), "a dead letter was delivered");
    }

    /// A message, as soon as there is one.
    pub(super) fn wait(&self) -> Result<Mine, EventWaitError> {
        let never = Deadline::never();
        let got = self
            .with(|work, cursor, me| work.wait_receive(cursor, me, self, &never, Pace::Adaptive));
        assert_ne!(got, Err(EventWaitError::Corrupt));
        self.counts_attempts(got.ok());
        got
    }

    /// What a delivered message says. No step is between the look and the note.
    pub(super) fn read(&self, mine: Mine) -> u64 {
        let [item] = self.shop.message(mine).read();
        assert!(!self.shop.is_done(item), "item {item} comes after its end");
        if let Some(last) = self.shop.attempts.get(usize::try_from(item).unwrap()) {
            let attempt = u64::from(mine.word.attempts());
            let before = last.swap(attempt, Relaxed);
            assert!(before < attempt, "attempt {attempt} after {before}");
        }
        item
    }

    /// Acknowledges a message, by `end`.
    pub(super) fn finish(&self, mine: Mine, end: impl FnOnce()) {
        let [item] = self.shop.message(mine).read();
        self.shop.tried.fetch_or(1 << item, Relaxed);
        end();
        let before = self.shop.done.fetch_or(1 << item, Relaxed);
        assert_eq!(before & 1 << item, 0, "item {item} was done twice");
    }

    /// Acknowledges a message of one cell.
    pub(super) fn ack(&self, mine: Mine) {
        self.finish(mine, || {
            let done = self.with(|work, cursor, _| work.ack(cursor, mine));
            assert_eq!(done, Ok(()), "it was taken away");
        });
    }

    /// The same, if it is this process's still.
    pub(super) fn try_finish(&self, mine: Mine) {
        let [item] = self.shop.message(mine).read();
        self.shop.tried.fetch_or(1 << item, Relaxed);
        if self.with(|work, cursor, _| work.ack(cursor, mine)).is_ok() {
            let before = self.shop.done.fetch_or(1 << item, Relaxed);
            assert_eq!(before & 1 << item, 0, "item {item} was done twice");
        }
    }

    /// Gives back what those have who are in no registry.
    pub(super) fn look_for_strangers(&self) {
        self.with(|work, cursor, _| work.look_for_strangers(cursor, self));
    }

    /// Takes a message if there is one, and acknowledges it.
    pub(super) fn pick(&self) -> Option<u64> {
        let mine = self.receive().ok()?;
        let item = self.read(mine);
        self.ack(mine);
        Some(item)
    }

    /// Takes a message as soon as there is one, and acknowledges it.
    pub(super) fn wait_and_ack(&self) -> Result<u64, EventWaitError> {
        let mine = self.wait()?;
        let item = self.read(mine);
        self.ack(mine);
        Ok(item)
    }

    pub(super) fn give_back(&self, mine: Mine) {
        self.give_back_for(mine, 0);
    }

    /// Gives a message back that is not to come again before `not_before`, if that is not 0.
    pub(super) fn give_back_for(&self, mine: Mine, not_before: u64) {
        let not_before = (not_before > 0).then_some(not_before);
        let given = self.with(|work, cursor, _| work.give_back(cursor, mine, not_before));
        assert_eq!(given, Ok(()), "it was taken away");
    }

    pub(super) fn take_buried(&self) -> Option<Mine> {
        self.shop.work().take_buried(tag(self.id))
    }

    /// Makes a dead letter of a message.
    pub(super) fn bury(&self, mine: Mine) {
        let buried = self.with(|work, cursor, _| work.bury(cursor, mine));
        assert_eq!(buried, Ok(()), "it was taken away");
    }

    /// Whether the next attempt may get a message.
    pub(super) fn is_ready(&self) -> bool {
        self.with(|work, cursor, _| work.is_ready(cursor))
    }

    /// Waits until all that was sent is done.
    pub(super) fn wait_idle(&self) {
        let never = Deadline::never();
        let idle =
            self.with(|work, cursor, me| work.wait_idle(cursor, me, self, &never, Pace::Adaptive));
        assert_eq!(idle, Ok(()));
    }
}
