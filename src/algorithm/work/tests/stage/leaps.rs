//! What others do while a process is stopped for long: the words as they are then.

use std::sync::atomic::Ordering::Relaxed;

use super::Shop;
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CellWord, Entry, State};
use crate::facade::{Ordering, clock};
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::tag;

/// A time that has not come yet.
pub(in crate::algorithm::work::tests) const LATER: u64 = 1 << 40;

impl Shop {
    /// As if others had gone on until the cell of the first slot had a version with the same bits as the one
    /// there, and process 3 were about to send it.
    pub(in crate::algorithm::work::tests) fn begin_to_send_after_all_versions_of_slots(&self) {
        let entry = self.work().entries().next().expect("a message");
        self.go_on_for(1 << 20);
        let free = CellWord((u64::from(entry.version) + (1 << 20)) << 40);
        let sending = free.held(State::Sending, tag(3));
        self.cells[entry.cell as usize]
            .word
            .store(sending.0, Ordering::Release);
    }

    /// As [`close_after_all_versions_for`](Self::close_after_all_versions_for) process 1.
    pub(in crate::algorithm::work::tests) fn close_after_all_versions(&self) {
        self.close_after_all_versions_for(1);
    }

    /// As if others had received item 0 and gone on until its cell had its first version again, and a process had
    /// loaned the cell when the queue was closed.
    pub(in crate::algorithm::work::tests) fn close_after_all_versions_for(&self, sender: u32) {
        self.go_on_for(1 << 20);
        for items in [&self.tried, &self.done] {
            items.fetch_or(1, Relaxed);
        }
        self.work().close();
        let loaned = CellWord(0).held(State::Loaned, tag(sender));
        self.cells[0].word.store(loaned.0, Ordering::Release);
    }

    /// As if others had gone on until the first cell had its first version again, and its message were given back for
    /// the first time, not to come again before [`LATER`].
    pub(in crate::algorithm::work::tests) fn delay_after_all_versions(&self) {
        self.work().delay(0, LATER);
        let delayed = CellWord(0).delivered(tag(3)).delayed(LATER);
        self.cells[0].word.store(delayed.0, Ordering::Release);
        self.work().tell_of_returned();
    }

    /// As if process 3 had loaned both cells for one message, the first as its head, when both have the versions
    /// that they began with.
    pub(in crate::algorithm::work::tests) fn loan_two_after_all_versions(&self) {
        let free = CellWord(0);
        let words = [
            free.held(State::Loaned, tag(3)),
            self.rules.format.part(free, 0, clock()),
        ];
        for (cell, word) in self.cells.iter().zip(words) {
            cell.word.store(word.0, Ordering::Release);
        }
    }

    /// As if others had sent and received as many messages as make half of all laps; all is free.
    pub(in crate::algorithm::work::tests) fn go_round(&self) {
        self.go_on_for(1 << (self.rules.format.lap_bits() - 1));
    }

    /// As if others had sent and received so many messages as make so many laps; all is free.
    fn go_on_for(&self, laps: u64) -> u64 {
        let order = self.rules.order;
        let lap_len = order.capacity().next_power_of_two();
        let [tail, head] = [Endpoint::Sender, Endpoint::Receiver].map(|side| self.state.hint(side));
        let laps = order.whole_lap(Position(tail.load(Ordering::Acquire))) + laps;
        for slot in &self.slots {
            slot.store(self.rules.format.free(laps).0, Ordering::Release);
        }
        for hint in [tail, head] {
            hint.store(laps * lap_len, Ordering::Release);
        }
        laps
    }

    /// As if others had sent and received so many messages by two cells and two slots that they make 2^20 laps, and
    /// had sent an item in a cell that was used as often as versions have numbers.
    pub(in crate::algorithm::work::tests) fn come_back_after_all_versions(
        &self,
        entry: Entry,
        item: u64,
    ) {
        let laps = self.go_on_for(1 << 20);
        let cell = &self.cells[entry.cell as usize];
        cell.message.write(&[item]);
        let sending = CellWord(u64::from(entry.version) << 40).held(State::Sending, tag(3));
        cell.word.store(sending.0, Ordering::Release);
        let ready = self.rules.format.ready(laps, entry);
        self.slots[0].store(ready.0, Ordering::Release);
        let next = laps * self.rules.order.capacity().next_power_of_two() + 1;
        self.state
            .hint(Endpoint::Sender)
            .store(next, Ordering::Release);
        self.sent.fetch_or(1 << item, Relaxed);
    }
}
