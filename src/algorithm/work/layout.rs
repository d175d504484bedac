//! The words of a work queue, and where its parts are in an entry.

use crate::algorithm::mpmc::layout::Geometry;
use crate::facade::mutation;
use crate::format::PADDING;
use crate::participant::Tag;

/// What a cell is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Loaned,
    Sending,
    Queued,
    Held,
    Returned,
    Buried,
    Freeing,
    Part,
    /// Returned, and not to be delivered before a time that stands beside the word, and in steps in it.
    Delayed,
}

const STATES: [State; 10] = [
    State::Free,
    State::Loaned,
    State::Sending,
    State::Queued,
    State::Held,
    State::Returned,
    State::Buried,
    State::Freeing,
    State::Part,
    State::Delayed,
];

const OWNER_BITS: u32 = Tag::MASK.count_ones();
const STATE_BITS: u32 = 4;
const ATTEMPT_SHIFT: u32 = OWNER_BITS + STATE_BITS;
const ATTEMPT_BITS: u32 = 7;
const VERSION_SHIFT: u32 = ATTEMPT_SHIFT + ATTEMPT_BITS;
#[cfg(test)]
const VERSIONS: u32 = (1 << (u64::BITS - VERSION_SHIFT)) - 1;

/// In the word of a delayed message stands when it is due, in steps of so many bits of nanoseconds: 8 ms. Such a word
/// repeats after 52 days, or in the same step.
const DUE_STEP_BITS: u32 = 23;

/// Returns the step of a time, in nanoseconds, as the word of a delayed message keeps it.
#[expect(clippy::cast_possible_truncation, reason = "masked")]
fn due_bits(due: u64) -> u32 {
    (due >> DUE_STEP_BITS) as u32 & Tag::MASK
}

/// Attempts are counted up to here.
pub(crate) const MOST_ATTEMPTS: u8 = (1 << ATTEMPT_BITS) - 1;

/// The word of a cell: how often the cell was used, how often its message was delivered, what it is
/// at, and whose it is: a participant's; of a part the cell that the message begins with; of a delayed message
/// when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellWord(pub(crate) u64);

impl CellWord {
    #[inline(always)]
    fn of(version: u32, attempts: u8, state: State, owner: u32) -> Self {
        Self(
            (version as u64) << VERSION_SHIFT
                | (attempts as u64) << ATTEMPT_SHIFT
                | (state as u64) << OWNER_BITS
                | owner as u64,
        )
    }

    #[inline(always)]
    pub(crate) fn version(self) -> u32 {
        (self.0 >> VERSION_SHIFT) as u32
    }

    /// How often its message was delivered.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn attempts(self) -> u8 {
        (self.0 >> ATTEMPT_SHIFT) as u8 & MOST_ATTEMPTS
    }

    #[inline(always)]
    pub(crate) fn state(self) -> Option<State> {
        let state = self.0 >> OWNER_BITS & ((1 << STATE_BITS) - 1);
        STATES.get(state as usize).copied()
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn owner(self) -> u32 {
        self.0 as u32 & Tag::MASK
    }

    pub(crate) fn is_of(self, tag: Tag) -> bool {
        self.owner() == tag.bits()
    }

    /// The same, in another state, as `tag`'s.
    #[inline(always)]
    pub(crate) fn held(self, state: State, tag: Tag) -> Self {
        Self::of(self.version(), self.attempts(), state, tag.bits())
    }

    /// The same in another state.
    pub(crate) fn at(self, state: State) -> Self {
        Self::of(self.version(), self.attempts(), state, self.owner())
    }

    /// The same in the hands of one to whom it is delivered once more.
    #[inline(always)]
    pub(crate) fn delivered(self, tag: Tag) -> Self {
        let attempts = (self.attempts() + 1).min(MOST_ATTEMPTS);
        Self::of(self.version(), attempts, State::Held, tag.bits())
    }

    /// The same, in another state, nobody's.
    pub(crate) fn at_rest(self, state: State) -> Self {
        Self::of(self.version(), self.attempts(), state, 0)
    }

    /// The same, returned and not to be delivered before `due`, in nanoseconds: nobody's.
    ///
    /// The word keeps the time in steps of 8 ms, modulo 52 days.
    pub(crate) fn delayed(self, due: u64) -> Self {
        let kept = if mutation(638) { 0 } else { due_bits(due) };
        Self::of(self.version(), self.attempts(), State::Delayed, kept)
    }

    /// Returns whether `due` is in the step that the word of a delayed message keeps.
    ///
    /// The word and the time beside it are two words: a time in another step belongs to another use of the cell.
    pub(crate) fn is_due_at(self, due: u64) -> bool {
        self.owner() == due_bits(due)
    }

    /// A dead letter: delivered `most` times at least.
    pub(crate) fn buried(self, most: u8) -> Self {
        let attempts = self.attempts().max(most);
        Self::of(self.version(), attempts, State::Buried, 0)
    }

    /// Free, for its next use.
    #[inline(always)]
    pub(crate) fn freed(self) -> Self {
        Self::of(self.version().wrapping_add(1), 0, State::Free, 0)
    }

    /// A number that grows with all that happens to the cell, but for deliveries of a message that
    /// was delivered [`MOST_ATTEMPTS`] times.
    pub(crate) fn progress(self) -> u64 {
        self.0 >> OWNER_BITS
    }
}

/// The bits of a cell's index in the largest queue; in a slot there is one more than the index, or 0.
const INDEX_BITS: u32 = 20;
/// The bits of a version in a slot's word.
const SLOT_VERSION_BITS: u32 = 20;
const SLOT_VERSIONS: u32 = (1 << SLOT_VERSION_BITS) - 1;
/// In the word of a part stands when it became one. It repeats after so many bits of nanoseconds: 39 hours.
const PART_TIME_BITS: u32 = 47;

/// The word of a slot: its lap, and the message that stands there, if there is one: its cell, and some bits of that
/// cell's version. [`WordFormat`] says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotWord(pub(crate) u64);

/// Where in words that name cells what is: an index has no more bits than the number of cells.
///
/// ```text
/// slot  | lap: 44 - b                | cell + 1: b        | version: 20 |
/// part  | version: 24 | time: high 7 | PART | time: 29 - b | head: b    |
/// ```
///
/// A queue of few cells has few bits for a cell and many for what tells one use of the word from another. Whatever its
/// size, the word of a slot repeats after 2^43 messages at the earliest. A version repeats after 2^24 uses of a cell,
/// and the word of a part after 39 hours at the earliest: in a queue of up to 2^17 cells the time has steps of a
/// quarter of a second at most, in which no cell is used as often; in a larger one either the uses are many
/// cells', or each is found after a look at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WordFormat {
    index_bits: u32,
}

/// A message in the order: where it begins, and the low bits of that cell's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cell: u32,
    pub(crate) version: u32,
}

impl WordFormat {
    /// Of a queue of so many cells, one at least.
    pub(crate) const fn of(cells: u32) -> Self {
        Self {
            index_bits: u32::BITS - cells.leading_zeros(),
        }
    }

    /// With 20 bits for the lap, however few cells there are.
    #[cfg(all(test, loom))]
    pub(crate) const fn with_short_laps() -> Self {
        Self { index_bits: 24 }
    }

    #[inline(always)]
    const fn lap_shift(self) -> u32 {
        SLOT_VERSION_BITS + self.index_bits
    }

    /// How many bits a lap has.
    #[cfg(test)]
    pub(crate) const fn lap_bits(self) -> u32 {
        u64::BITS - self.lap_shift()
    }

    #[inline(always)]
    pub(crate) fn free(self, lap: u64) -> SlotWord {
        SlotWord(lap << self.lap_shift())
    }

    #[inline(always)]
    pub(crate) fn ready(self, lap: u64, entry: Entry) -> SlotWord {
        let kept = if mutation(267) {
            SLOT_VERSIONS >> 1
        } else {
            SLOT_VERSIONS
        };
        let version = u64::from(entry.version & kept);
        SlotWord(self.free(lap).0 | u64::from(entry.cell + 1) << SLOT_VERSION_BITS | version)
    }

    /// How many laps a word is ahead of `lap`; less than 0 if it is behind.
    #[inline(always)]
    pub(crate) fn laps_after(self, word: SlotWord, lap: u64) -> i64 {
        if mutation(263) {
            return (word.0 >> self.lap_shift()).wrapping_sub(lap).cast_signed();
        }
        // What is below the lap is less than one.
        word.0.wrapping_sub(self.free(lap).0).cast_signed() >> self.lap_shift()
    }

    /// The message that stands in a slot.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn entry(self, word: SlotWord) -> Option<Entry> {
        let below = word.0 & ((1 << self.lap_shift()) - 1);
        let cell = ((below >> SLOT_VERSION_BITS) as u32).checked_sub(1)?;
        let version = below as u32 & SLOT_VERSIONS;
        Some(Entry { cell, version })
    }

    /// A cell as a part, since `now`, in nanoseconds, of the message that begins with cell `head`.
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn part(self, word: CellWord, head: u32, now: u64) -> CellWord {
        let low_bits = OWNER_BITS - self.index_bits;
        let steps = now >> (PART_TIME_BITS - low_bits - ATTEMPT_BITS);
        let time = if mutation(634) { 0 } else { steps };
        let low = time as u32 & ((1 << low_bits) - 1);
        let high = (time >> low_bits) as u8 & MOST_ATTEMPTS;
        CellWord::of(
            word.version(),
            high,
            State::Part,
            low << self.index_bits | head,
        )
    }

    /// Whether a cell is a part of the message that begins with cell `head`.
    pub(crate) fn is_part(self, word: CellWord, head: u32) -> bool {
        let mask = (1 << self.index_bits) - 1;
        word.state() == Some(State::Part) && word.owner() & mask == head
    }
}

impl Entry {
    /// The message that begins with a cell that has this word.
    #[inline(always)]
    pub(crate) fn of(cell: u32, word: CellWord) -> Self {
        let version = word.version() & SLOT_VERSIONS;
        Self { cell, version }
    }
}

/// The bytes of a work queue but for what there are several of.
pub(crate) const WORK_STATE: usize = 3 * PADDING;

/// What a cell begins with: its word, when its message may be delivered again, and of a message of
/// several cells its length and the next cell.
pub(crate) const CELL_WORDS: usize = 4 * size_of::<u64>();
/// Bytes in a cell of a queue of bytes begin at a multiple of this.
pub(crate) const PART_ALIGN: u64 = 16;
/// Cells are no nearer to each other, so that two processes do not meet in a cache line.
const CELL_ALIGN: u64 = 64;

/// The size of a work queue, and the rules that it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) order: Geometry,
    pub(crate) format: WordFormat,
    pub(crate) cells: u32,
    /// After so many deliveries a message that comes back is a dead letter.
    pub(crate) most_attempts: u8,
    /// Whether a message may have several cells.
    pub(crate) spans: bool,
}

/// Where the parts are, in bytes from the start of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkLayout {
    pub(crate) counts: u64,
    pub(crate) slots: u64,
    pub(crate) cells: u64,
    /// From one cell to the next.
    pub(crate) stride: u64,
    /// Where in a cell the message is.
    pub(crate) message: u64,
    pub(crate) rules: Rules,
}

impl WorkLayout {
    /// The least and the largest number of cells.
    pub(crate) const CELLS: (u64, u64) = (1, (1 << INDEX_BITS) - 1);
    /// The least and the largest number of bytes in a cell of a queue of bytes.
    pub(crate) const CELL_SIZES: (u64, u64) = (1, 1 << 30);
    /// The least and the largest number of attempts.
    pub(crate) const ATTEMPTS: (u64, u64) = (1, MOST_ATTEMPTS as u64 - 1);

    /// For so many cells with a message of `size` and `align` in each; `None` if there is no such queue.
    pub(crate) fn new(
        cells: u64,
        attempts: u64,
        (size, align): (u64, u64),
        participants: u32,
    ) -> Option<Self> {
        let (least, most) = Self::CELLS;
        let (once, often) = Self::ATTEMPTS;
        if !(least..=most).contains(&cells) || !(once..=often).contains(&attempts) {
            return None;
        }
        if !align.is_power_of_two() {
            return None;
        }
        let word = size_of::<u64>() as u64;
        let count = u32::try_from(cells).ok()?;
        let order = Geometry::new(cells.max(2));
        let message = (CELL_WORDS as u64).checked_next_multiple_of(align)?;
        let stride = message
            .checked_add(size)?
            .checked_next_multiple_of(align.max(CELL_ALIGN))?;
        let counts = WORK_STATE as u64;
        let padding = PADDING as u64;
        let slots = (counts + u64::from(participants) * word).next_multiple_of(padding);
        let layout = Self {
            counts,
            slots,
            cells: (slots + order.capacity() * word).next_multiple_of(padding),
            stride,
            message,
            rules: Rules {
                order,
                format: WordFormat::of(count),
                cells: count,
                most_attempts: u8::try_from(attempts).ok()?,
                spans: false,
            },
        };
        cells
            .checked_mul(stride)?
            .checked_add(layout.cells)
            .map(|_| layout)
    }

    /// For a queue of bytes, whose cells hold `size` of them and what a part has besides.
    pub(crate) fn of_bytes(config: [u64; 4], participants: u32) -> Option<Self> {
        let [cells, attempts, size, 0] = config else {
            return None;
        };
        let (least, most) = Self::CELL_SIZES;
        if !(least..=most).contains(&size) {
            return None;
        }
        let mut layout = Self::new(cells, attempts, (size, PART_ALIGN), participants)?;
        layout.rules.spans = true;
        Some(layout)
    }

    /// The bytes of all cells.
    pub(crate) fn cells_len(&self) -> u64 {
        u64::from(self.rules.cells) * self.stride
    }

    /// The bytes of all.
    pub(crate) fn len(&self) -> u64 {
        self.cells + self.cells_len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::returned::LONGEST_DELAY;
    use super::*;

    fn tag() -> Tag {
        Tag::new(5, 9).unwrap()
    }

    proptest! {
        #[test]
        fn a_cell_says_what_was_put_into_it(version in 0..=VERSIONS, attempts in 0..MOST_ATTEMPTS) {
            let word = CellWord::of(version, attempts, State::Free, 0);
            let held = word.delivered(tag());
            prop_assert_eq!(held.version(), version);
            prop_assert_eq!(held.attempts(), attempts + 1);
            prop_assert_eq!(held.state(), Some(State::Held));
            prop_assert!(held.is_of(tag()) && !word.is_of(tag()));
            prop_assert_eq!(held.freed().attempts(), 0);
            prop_assert_eq!(held.freed().version(), (version + 1) & VERSIONS);
        }

        #[test]
        fn a_part_says_whose_it_is_and_when_it_became_one(cells in 1_u32..1 << INDEX_BITS, version in 0..=VERSIONS, head: u32, now: u64, later in 0_u64..1 << 47) {
            let format = WordFormat::of(cells);
            let head = head % cells;
            let word = CellWord::of(version, 0, State::Free, 0);
            let part = format.part(word, head, now);
            prop_assert!(format.is_part(part, head) && !format.is_part(part, head ^ 1));
            prop_assert!(!format.is_part(word, head));
            prop_assert_eq!(part.version(), version);
            prop_assert_eq!(part.freed(), word.freed());
            let same = format.part(word, head, now.wrapping_add(later)) == part;
            let step = 1 << (PART_TIME_BITS - ATTEMPT_BITS - (OWNER_BITS - format.index_bits));
            prop_assert!(!same || later < step || later > (1 << PART_TIME_BITS) - step);
            prop_assert!(cells >= 1 << 17 || step <= 1 << 28);
        }

        #[test]
        fn a_delayed_message_says_when_it_is_due(due in 0..1_u64 << 62, later in 0..2 * LONGEST_DELAY) {
            const STEP: u64 = 1 << DUE_STEP_BITS;
            let word = CellWord::of(3, 2, State::Held, 7).delayed(due);
            prop_assert_eq!((word.version(), word.attempts(), word.state()), (3, 2, Some(State::Delayed)));
            prop_assert!(word.is_due_at(due));
            let other = due + later;
            prop_assert_eq!(word.is_due_at(other), word.delayed(other) == word);
            let may_be = !(STEP..=(1 << 52) - STEP).contains(&later);
            prop_assert!(may_be || !word.is_due_at(other), "52 days");
        }

        #[test]
        fn a_slot_says_what_was_put_into_it(cells in 1_u32..1 << INDEX_BITS, lap: u64, cell: u32, version in 0..=VERSIONS) {
            let format = WordFormat::of(cells);
            let lap = lap & ((1 << format.lap_bits()) - 1);
            let word = CellWord::of(version, 0, State::Free, 0);
            let entry = Entry::of(cell % cells, word);
            let ready = format.ready(lap, entry);
            prop_assert_eq!(format.entry(ready), Some(entry));
            prop_assert_eq!(format.entry(format.free(lap)), None);
            for word in [ready, format.free(lap)] {
                prop_assert_eq!(format.laps_after(word, lap), 0);
                prop_assert_eq!(format.laps_after(word, lap.wrapping_add(1)), -1);
                prop_assert_eq!(format.laps_after(word, lap.wrapping_sub(3)), 3);
            }
        }

        #[test]
        fn a_slots_word_repeats_after_so_many_messages_at_the_earliest(cells in 1_u32..1 << INDEX_BITS) {
            let order = Geometry::new(u64::from(cells).max(2));
            let messages = order.capacity() << WordFormat::of(cells).lap_bits();
            prop_assert!(messages >= 1 << 43);
        }

        #[test]
        fn a_layout_has_room_for_all_or_there_is_none(cells: u64, size in 0_u64..1 << 40, align in 0_u32..8, participants in 1_u32..1024) {
            let made = WorkLayout::new(cells % (1 << 22), 3, (size, 1 << align), participants);
            if let Some(layout) = made {
                prop_assert!(layout.len() >= u64::from(layout.rules.cells) * (size + 16));
                prop_assert!(layout.slots >= layout.counts + 8 * u64::from(participants));
                prop_assert!(layout.cells >= layout.slots + 8 * layout.rules.order.capacity());
                prop_assert_eq!(layout.message % (1 << align), 0);
                prop_assert_eq!(layout.stride % (1 << align), 0);
            }
        }
    }

    #[test]
    fn the_last_attempt_counts_on_as_itself() {
        let mut word = CellWord(0);
        for _ in 0..200 {
            word = word.delivered(tag());
        }
        assert_eq!(word.attempts(), MOST_ATTEMPTS);
    }

    #[test]
    fn a_later_state_is_more_progress() {
        let word = CellWord(0);
        let steps = [
            word,
            word.held(State::Loaned, tag()),
            word.held(State::Sending, tag()),
            word.at_rest(State::Queued),
            word.delivered(tag()),
            word.delivered(tag()).at_rest(State::Returned),
            word.delivered(tag())
                .at_rest(State::Returned)
                .delivered(tag()),
            word.freed(),
        ];
        assert!(steps.is_sorted_by_key(|word| word.progress()));
    }
}
