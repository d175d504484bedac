//! The words of a work queue, and the offsets of its parts in an entry.

use crate::algorithm::mpmc::layout::Geometry;
use crate::facade::mutation;
use crate::format::PADDING;
use crate::participant::Tag;

/// The state of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Loaned,
    Sending,
    Queued,
    Delivered,
    Returned,
    DeadLetter,
    Freeing,
    Part,
    /// Returned, and not to be redelivered before a time beside the word, which the word keeps in
    /// steps.
    Delayed,
}

const STATES: [State; 10] = [
    State::Free,
    State::Loaned,
    State::Sending,
    State::Queued,
    State::Delivered,
    State::Returned,
    State::DeadLetter,
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

/// The word of a delayed message keeps the time at which it is due, in steps of this many bits of
/// nanoseconds: 8 ms. Such a word repeats after 52 days, or in the same step.
const DUE_STEP_BITS: u32 = 23;

/// Returns the step of a time, in nanoseconds, as the word of a delayed message keeps it.
#[expect(clippy::cast_possible_truncation, reason = "masked")]
fn due_bits(due: u64) -> u32 {
    (due >> DUE_STEP_BITS) as u32 & Tag::MASK
}

/// The maximum number of attempts that are counted.
pub(crate) const MAX_ATTEMPTS: u8 = (1 << ATTEMPT_BITS) - 1;

/// The word of a cell: the number of its uses, the attempts of its message, its state, and a field
/// for its owner: a participant's tag; of a part, the cell that the message begins with; of a
/// delayed message, the time at which it is due.
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

    /// Returns the number of times that the message was delivered.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn attempts(self) -> u8 {
        (self.0 >> ATTEMPT_SHIFT) as u8 & MAX_ATTEMPTS
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

    /// Returns the word in another state, owned by `tag`.
    #[inline(always)]
    pub(crate) fn owned_by(self, state: State, tag: Tag) -> Self {
        Self::of(self.version(), self.attempts(), state, tag.bits())
    }

    /// Returns the word in another state.
    pub(crate) fn with_state(self, state: State) -> Self {
        Self::of(self.version(), self.attempts(), state, self.owner())
    }

    /// Returns the word after one more delivery, to `tag`.
    #[inline(always)]
    pub(crate) fn delivered(self, tag: Tag) -> Self {
        let attempts = (self.attempts() + 1).min(MAX_ATTEMPTS);
        Self::of(self.version(), attempts, State::Delivered, tag.bits())
    }

    /// Returns the word in another state, without an owner.
    pub(crate) fn unowned(self, state: State) -> Self {
        Self::of(self.version(), self.attempts(), state, 0)
    }

    /// Returns the word of a message that is returned and not to be redelivered before `due`, in
    /// nanoseconds; it has no owner.
    ///
    /// The word keeps the time in steps of 8 ms, modulo 52 days.
    pub(crate) fn delayed(self, due: u64) -> Self {
        let kept = if mutation(638) { 0 } else { due_bits(due) };
        Self::of(self.version(), self.attempts(), State::Delayed, kept)
    }

    /// Returns whether `due` is in the step that the word of a delayed message keeps.
    ///
    /// The word and the time beside it are two words: a time in another step belongs to another use
    /// of the cell.
    pub(crate) fn is_due_at(self, due: u64) -> bool {
        self.owner() == due_bits(due)
    }

    /// Returns the end of the first step from `now` on that the word of a delayed message can mean,
    /// in nanoseconds: up to 52 days later. `None` if there is no such time.
    pub(crate) fn due_by(self, now: u64) -> Option<u64> {
        let step = now >> DUE_STEP_BITS;
        let steps = u64::from(self.owner()).wrapping_sub(step) & u64::from(Tag::MASK);
        (step + steps + 1).checked_mul(1 << DUE_STEP_BITS)
    }

    /// Returns the word of a dead letter, with at least `max` attempts.
    pub(crate) fn dead_letter(self, max: u8) -> Self {
        let attempts = self.attempts().max(max);
        Self::of(self.version(), attempts, State::DeadLetter, 0)
    }

    /// Returns the word of the free cell, for its next use.
    #[inline(always)]
    pub(crate) fn freed(self) -> Self {
        Self::of(self.version().wrapping_add(1), 0, State::Free, 0)
    }

    /// Returns a number that grows with every change of the cell, except for deliveries of a
    /// message that was delivered [`MAX_ATTEMPTS`] times.
    pub(crate) fn progress(self) -> u64 {
        self.0 >> OWNER_BITS
    }
}

/// The bits of a cell's index in the largest queue; a slot has the index plus 1, or 0.
const INDEX_BITS: u32 = 20;
/// The bits of a version in a slot's word.
const SLOT_VERSION_BITS: u32 = 20;
const SLOT_VERSIONS: u32 = (1 << SLOT_VERSION_BITS) - 1;
/// The word of a part keeps the time at which it became one, which repeats after this many bits of
/// nanoseconds: 39 hours.
const PART_TIME_BITS: u32 = 47;

/// The word of a slot: its lap, and the message in it, if there is one: its cell, and some bits of
/// the cell's version. [`WordFormat`] defines the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotWord(pub(crate) u64);

/// The format of words that name cells: an index has no more bits than the number of cells.
///
/// ```text
/// slot  | lap: 44 - b                | cell + 1: b        | version: 20 |
/// part  | version: 24 | time: high 7 | PART | time: 29 - b | head: b    |
/// ```
///
/// A queue of few cells has few bits for a cell, and many that tell one use of the word from
/// another. Whatever its size, the word of a slot repeats after 2^43 messages at the earliest. A
/// version repeats after 2^24 uses of a cell, and the word of a part after 39 hours at the
/// earliest: in a queue of up to 2^17 cells the time has steps of a quarter of a second at most, in
/// which no cell is used as often; in a larger one either the uses are spread over many cells, or
/// each use is found after a scan of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WordFormat {
    index_bits: u32,
}

/// A message in the order: its first cell, and the low bits of that cell's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cell: u32,
    pub(crate) version: u32,
}

impl WordFormat {
    /// Returns the format of a queue of `cells` cells, at least 1.
    pub(crate) const fn of(cells: u32) -> Self {
        Self {
            index_bits: u32::BITS - cells.leading_zeros(),
        }
    }

    /// Returns a format with 20 bits for the lap, however few cells there are.
    #[cfg(all(test, loom))]
    pub(crate) const fn with_short_laps() -> Self {
        Self { index_bits: 24 }
    }

    #[inline(always)]
    const fn lap_shift(self) -> u32 {
        SLOT_VERSION_BITS + self.index_bits
    }

    /// Returns the number of bits of a lap.
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

    /// Returns the number of laps by which a word is ahead of `lap`; negative if it is behind.
    #[inline(always)]
    pub(crate) fn laps_after(self, word: SlotWord, lap: u64) -> i64 {
        if mutation(263) {
            return (word.0 >> self.lap_shift()).wrapping_sub(lap).cast_signed();
        }
        // The bits below the lap are less than one lap.
        word.0.wrapping_sub(self.free(lap).0).cast_signed() >> self.lap_shift()
    }

    /// Returns the message in a slot.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn entry(self, word: SlotWord) -> Option<Entry> {
        let below = word.0 & ((1 << self.lap_shift()) - 1);
        let cell = ((below >> SLOT_VERSION_BITS) as u32).checked_sub(1)?;
        let version = below as u32 & SLOT_VERSIONS;
        Some(Entry { cell, version })
    }

    /// Returns the word of a cell that is, since `now`, in nanoseconds, a part of the message that
    /// begins with cell `head`.
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub(crate) fn part(self, word: CellWord, head: u32, now: u64) -> CellWord {
        let low_bits = OWNER_BITS - self.index_bits;
        let steps = now >> (PART_TIME_BITS - low_bits - ATTEMPT_BITS);
        let time = if mutation(634) { 0 } else { steps };
        let low = time as u32 & ((1 << low_bits) - 1);
        let high = (time >> low_bits) as u8 & MAX_ATTEMPTS;
        CellWord::of(
            word.version(),
            high,
            State::Part,
            low << self.index_bits | head,
        )
    }

    /// Returns whether a cell is a part of the message that begins with cell `head`.
    pub(crate) fn is_part(self, word: CellWord, head: u32) -> bool {
        let mask = (1 << self.index_bits) - 1;
        word.state() == Some(State::Part) && word.owner() & mask == head
    }
}

impl Entry {
    /// Returns the entry of the message that begins with a cell of this word.
    #[inline(always)]
    pub(crate) fn of(cell: u32, word: CellWord) -> Self {
        let version = word.version() & SLOT_VERSIONS;
        Self { cell, version }
    }
}

/// The bytes of the single words of a work queue.
pub(crate) const WORK_STATE: usize = 3 * PADDING;

/// The words at the start of a cell: its word, the time at which its message may be redelivered,
/// and, of a message of several cells, its length and the next cell.
pub(crate) const CELL_WORDS: usize = 4 * size_of::<u64>();
/// The alignment of the bytes in a cell of a queue of bytes.
pub(crate) const PART_ALIGN: u64 = 16;
/// The alignment of cells, so that no two of them share a cache line.
const CELL_ALIGN: u64 = 64;

/// The size of a work queue, and the rules that it was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) order: Geometry,
    pub(crate) format: WordFormat,
    pub(crate) cells: u32,
    /// The number of deliveries after which a returned message becomes a dead letter.
    pub(crate) max_attempts: u8,
    /// Whether a message may have several cells.
    pub(crate) spans: bool,
}

/// The offsets of a queue's parts, in bytes from the start of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkLayout {
    pub(crate) counts: u64,
    pub(crate) slots: u64,
    pub(crate) cells: u64,
    /// The distance from one cell to the next.
    pub(crate) stride: u64,
    /// The offset of the message in a cell.
    pub(crate) message: u64,
    pub(crate) rules: Rules,
}

impl WorkLayout {
    /// The minimum and the maximum number of cells.
    pub(crate) const CELLS: (u64, u64) = (1, (1 << INDEX_BITS) - 1);
    /// The minimum and the maximum number of bytes in a cell of a queue of bytes.
    pub(crate) const CELL_SIZES: (u64, u64) = (1, 1 << 30);
    /// The minimum and the maximum number of attempts.
    pub(crate) const ATTEMPTS: (u64, u64) = (1, MAX_ATTEMPTS as u64 - 1);

    /// Returns the layout for `cells` cells with a message of `size` and `align` in each; `None` if
    /// there is no such queue.
    pub(crate) fn new(
        cells: u64,
        attempts: u64,
        (size, align): (u64, u64),
        participants: u32,
    ) -> Option<Self> {
        let (min, max) = Self::CELLS;
        let (min_attempts, max_attempts) = Self::ATTEMPTS;
        if !(min..=max).contains(&cells) || !(min_attempts..=max_attempts).contains(&attempts) {
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
                max_attempts: u8::try_from(attempts).ok()?,
                spans: false,
            },
        };
        cells
            .checked_mul(stride)?
            .checked_add(layout.cells)
            .map(|_| layout)
    }

    /// Returns the layout of a queue of bytes, whose cells hold `size` bytes and the words of a
    /// part.
    pub(crate) fn of_bytes(config: [u64; 4], participants: u32) -> Option<Self> {
        let [cells, attempts, size, 0] = config else {
            return None;
        };
        let (min, max) = Self::CELL_SIZES;
        if !(min..=max).contains(&size) {
            return None;
        }
        let mut layout = Self::new(cells, attempts, (size, PART_ALIGN), participants)?;
        layout.rules.spans = true;
        Some(layout)
    }

    /// Returns the bytes of all cells.
    pub(crate) fn cells_len(&self) -> u64 {
        u64::from(self.rules.cells) * self.stride
    }

    /// Returns the bytes of the whole entry.
    pub(crate) fn len(&self) -> u64 {
        self.cells + self.cells_len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::returned::MAX_DELAY;
    use super::*;

    fn tag() -> Tag {
        Tag::new(5, 9).unwrap()
    }

    proptest! {
        #[test]
        fn cell_word_round_trips(version in 0..=VERSIONS, attempts in 0..MAX_ATTEMPTS) {
            let word = CellWord::of(version, attempts, State::Free, 0);
            let delivered = word.delivered(tag());
            prop_assert_eq!(delivered.version(), version);
            prop_assert_eq!(delivered.attempts(), attempts + 1);
            prop_assert_eq!(delivered.state(), Some(State::Delivered));
            prop_assert!(delivered.is_of(tag()) && !word.is_of(tag()));
            prop_assert_eq!(delivered.freed().attempts(), 0);
            prop_assert_eq!(delivered.freed().version(), (version + 1) & VERSIONS);
        }

        #[test]
        fn part_keeps_its_head_and_its_time(cells in 1_u32..1 << INDEX_BITS, version in 0..=VERSIONS, head: u32, now: u64, later in 0_u64..1 << 47) {
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
        fn delayed_message_keeps_its_time(due in 0..1_u64 << 62, later in 0..2 * MAX_DELAY) {
            const STEP: u64 = 1 << DUE_STEP_BITS;
            let word = CellWord::of(3, 2, State::Delivered, 7).delayed(due);
            prop_assert_eq!((word.version(), word.attempts(), word.state()), (3, 2, Some(State::Delayed)));
            prop_assert!(word.is_due_at(due));
            let other = due + later;
            prop_assert_eq!(word.is_due_at(other), word.delayed(other) == word);
            let may_be = !(STEP..=(1 << 52) - STEP).contains(&later);
            prop_assert!(may_be || !word.is_due_at(other), "52 days");
            let by = word.due_by(due.saturating_sub(later.min(MAX_DELAY))).unwrap();
            prop_assert!((due..=due + STEP).contains(&by), "{due} by {by}");
        }

        #[test]
        fn slot_word_round_trips(cells in 1_u32..1 << INDEX_BITS, lap: u64, cell: u32, version in 0..=VERSIONS) {
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
        fn slot_word_repeats_after_2_to_43_messages_at_the_earliest(cells in 1_u32..1 << INDEX_BITS) {
            let order = Geometry::new(u64::from(cells).max(2));
            let messages = order.capacity() << WordFormat::of(cells).lap_bits();
            prop_assert!(messages >= 1 << 43);
        }

        #[test]
        fn layout_fits_all_parts_or_is_none(cells: u64, size in 0_u64..1 << 40, align in 0_u32..8, participants in 1_u32..1024) {
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
    fn attempts_saturate() {
        let mut word = CellWord(0);
        for _ in 0..200 {
            word = word.delivered(tag());
        }
        assert_eq!(word.attempts(), MAX_ATTEMPTS);
    }

    #[test]
    fn later_state_is_more_progress() {
        let word = CellWord(0);
        let steps = [
            word,
            word.owned_by(State::Loaned, tag()),
            word.owned_by(State::Sending, tag()),
            word.unowned(State::Queued),
            word.delivered(tag()),
            word.delivered(tag()).unowned(State::Returned),
            word.delivered(tag())
                .unowned(State::Returned)
                .delivered(tag()),
            word.freed(),
        ];
        assert!(steps.is_sorted_by_key(|word| word.progress()));
    }
}
