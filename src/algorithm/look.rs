//! What can be seen of an entry from outside, as data: named fields and rows, of any kind.
//!
//! A view of a kind reads the words of an entry as they are in the file, decodes them by the layout
//! of its algorithm, and checks each one. It changes nothing, waits for nothing, and reads a
//! bounded number of words. What it says may be old by then, and its words are of slightly
//! different times.

use core::cell::RefCell;

use crate::format::{PayloadShape, Record};
use crate::participant::Tag;
use crate::participant::holder::HolderState;

/// The most words of a table that a view reads.
const WORDS: u64 = 1 << 20;
/// The most rows of one field.
const ROWS: usize = 64;
/// The bytes that are read at once.
const WINDOW: usize = 1 << 14;

/// A field of what is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The name: lower-case words, the same in each version.
    pub name: &'static str,
    /// The value.
    pub value: Seen,
}

/// The value of a [`Field`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// There is none: no holder, for instance.
    None,
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// A word or two, or the name of an object.
    Text(String),
    /// A participant, dead or alive.
    Participant(ParticipantId),
    /// Rows of fields: the first 64 of them.
    Rows(Vec<Vec<Field>>),
}

/// A participant, as words of a segment name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ParticipantId {
    /// The index in the registry.
    pub index: u32,
    /// The number of participants that have had this index.
    pub generation: u32,
}

impl core::fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

impl From<Tag> for ParticipantId {
    fn from(tag: Tag) -> Self {
        Self {
            index: tag.index(),
            generation: tag.generation(),
        }
    }
}

impl From<Option<Tag>> for Seen {
    fn from(tag: Option<Tag>) -> Self {
        tag.map_or(Self::None, |tag| Self::Participant(tag.into()))
    }
}

impl From<Tag> for Seen {
    fn from(tag: Tag) -> Self {
        Self::Participant(tag.into())
    }
}

impl From<bool> for Seen {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Seen {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Seen {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&'static str> for Seen {
    fn from(text: &'static str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Seen {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Where a value is, in bytes from the start of its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) label: &'static str,
    /// Its number among those with that label.
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// What a view has found.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) fields: Vec<Field>,
    pub(crate) values: Vec<Span>,
    /// The records of the live objects in it.
    pub(crate) objects: Vec<Record>,
}

impl Sight {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Seen>) -> Self {
        self.fields.push(field(name, value));
        self
    }

    /// Adds rows, if there are any.
    pub(crate) fn rows(self, name: &'static str, rows: Rows) -> Self {
        if rows.0.is_empty() {
            return self;
        }
        self.with(name, Seen::Rows(rows.0))
    }

    /// Adds where a value is.
    pub(crate) fn value(self, label: &'static str, offset: u64, len: u64) -> Self {
        self.numbered(label, 0, offset, len)
    }

    /// Adds where the value with that number is, unless there are as many as are kept.
    pub(crate) fn numbered(
        mut self,
        label: &'static str,
        number: u64,
        offset: u64,
        len: u64,
    ) -> Self {
        if self.values.len() < ROWS {
            self.values.push(Span {
                label,
                number,
                offset,
                len,
            });
        }
        self
    }

    /// Adds where the first of `count` values are that follow each other.
    pub(crate) fn list(mut self, label: &'static str, offset: u64, count: u64, size: u64) -> Self {
        for number in 0..count.min(ROWS as u64) {
            let Some(at) = number
                .checked_mul(size)
                .and_then(|at| at.checked_add(offset))
            else {
                break;
            };
            self = self.numbered(label, number, at, size);
        }
        self
    }
}

/// A field.
pub(crate) fn field(name: &'static str, value: impl Into<Seen>) -> Field {
    let value = value.into();
    Field { name, value }
}

/// The first rows of a table.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Vec<Field>>);

impl Rows {
    /// Whether more rows would be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= ROWS
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Field>) {
        if !self.is_full() {
            self.0.push(row.into_iter().collect());
        }
    }
}

/// Says what time it is on the clock of a participant, in nanoseconds, if that is the clock of the
/// process that looks.
pub(crate) type Clock<'a> = &'a dyn Fn(Tag) -> Option<u64>;

/// The bytes of an entry, read a window at a time.
pub(crate) struct Look<'a> {
    pub(crate) record: &'a Record,
    /// The maximum number of participants of the segment.
    pub(crate) participants: u32,
    clock: Clock<'a>,
    read: &'a dyn Fn(u64, &mut [u8]) -> Option<()>,
    window: RefCell<(u64, Vec<u8>)>,
}

impl<'a> Look<'a> {
    /// `read` reads bytes at an offset into the entry, all or none.
    pub(crate) fn new(
        record: &'a Record,
        participants: u32,
        clock: Clock<'a>,
        read: &'a dyn Fn(u64, &mut [u8]) -> Option<()>,
    ) -> Self {
        Self {
            record,
            participants,
            clock,
            read,
            window: RefCell::new((0, Vec::new())),
        }
    }

    fn bytes<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let end = offset.checked_add(N as u64)?;
        if end > self.record.len {
            return None;
        }
        let mut window = self.window.borrow_mut();
        let (start, bytes) = &mut *window;
        let inside = offset >= *start && end <= *start + bytes.len() as u64;
        if !inside {
            let left = usize::try_from(self.record.len - offset).unwrap_or(WINDOW);
            bytes.resize(left.min(WINDOW), 0);
            *start = offset;
            if (self.read)(offset, bytes).is_none() {
                bytes.clear();
                return None;
            }
        }
        let at = usize::try_from(offset - *start).ok()?;
        bytes.get(at..at + N)?.try_into().ok()
    }

    /// The word of 32 bits at an offset into the entry.
    pub(crate) fn u32(&self, offset: u64) -> Option<u32> {
        self.bytes(offset).map(u32::from_le_bytes)
    }

    /// The word of 64 bits at an offset into the entry.
    pub(crate) fn u64(&self, offset: u64) -> Option<u64> {
        self.bytes(offset).map(u64::from_le_bytes)
    }

    /// As [`u32`](Self::u32), at an `offset_of!`.
    pub(crate) fn word(&self, offset: usize) -> Option<u32> {
        self.u32(offset as u64)
    }

    /// As [`u64`](Self::u64), at an `offset_of!`.
    pub(crate) fn long(&self, offset: usize) -> Option<u64> {
        self.u64(offset as u64)
    }

    /// The tag in the low bits of a word, if there is one.
    pub(crate) fn tag(&self, word: u32) -> Option<Tag> {
        Tag::in_word(word, self.participants)
    }

    /// The holder in a word that one participant at a time holds.
    pub(crate) fn holder(&self, offset: usize) -> Option<Option<Tag>> {
        let state = HolderState::of(self.word(offset)?);
        Some(state.holder(self.participants).ok().flatten())
    }

    /// Whether there may be waiters at an event count.
    pub(crate) fn has_waiters(&self, offset: usize) -> Option<bool> {
        Some(self.word(offset)? & crate::wait::event_count::WAITERS != 0)
    }

    /// The milliseconds since a time that a participant has read from its clock; `None` if none was
    /// read, if that is another clock, or if it is no time of the past.
    pub(crate) fn age(&self, participant: Tag, since: u64) -> Option<u64> {
        let now = (self.clock)(participant).filter(|_| since != 0)?;
        Some(now.checked_sub(since)? / 1_000_000)
    }

    /// The payload of the entry.
    pub(crate) fn payload(&self) -> &PayloadShape {
        &self.record.payload
    }

    /// Calls `each` for every number below `count`, or for as many as a view looks at, and returns
    /// whether these are all.
    pub(crate) fn each(&self, count: u64, mut each: impl FnMut(u64) -> Option<()>) -> Option<bool> {
        for number in 0..count.min(WORDS) {
            each(number)?;
        }
        Some(count <= WORDS)
    }
}

/// Says of what was counted that it is a part, unless these are `all`, and how many words were not
/// counted since none of their kind has such a value.
pub(crate) fn counted(sight: Sight, all: bool, corrupt: u64) -> Sight {
    let sight = match all {
        true => sight,
        false => sight.with("counted", "in part"),
    };
    match corrupt {
        0 => sight,
        corrupt => sight.with("corrupt", corrupt),
    }
}

/// A number of the type that a payload's name says, in the low bytes of a word.
pub(crate) fn number(payload: &PayloadShape, word: u64) -> Seen {
    match payload.name().as_str() {
        "i64" => Seen::Signed(word.cast_signed()),
        _ => Seen::Number(word),
    }
}
