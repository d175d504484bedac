//! What a work queue is created with.

use crate::algorithm::work::layout::WorkLayout;
use crate::format::Name;
use crate::segment::{EntryError, IntoConfig};

/// What a [`WorkQueue`](super::WorkQueue) is created with: a capacity, or more than that.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{WorkOptions, WorkQueue};
///
/// let segment = Segment::anonymous()?;
/// let options = WorkOptions::new(64).max_attempts(3);
/// let orders = segment.create::<WorkQueue<u64>>("orders", options)?;
/// assert_eq!((orders.capacity(), orders.max_attempts()), (64, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkOptions {
    capacity: u64,
    max_attempts: u8,
}

/// What a [`ByteQueue`](super::ByteQueue), or a [`Channel`](super::Channel), is created with: a
/// capacity in cells, or more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteOptions {
    work: WorkOptions,
    cell_size: u64,
    payload: Option<&'static str>,
}

/// How often a message is delivered unless something else is asked for.
const MAX_ATTEMPTS: u8 = 5;
/// How many bytes a cell holds unless something else is asked for.
const CELL_SIZE: u64 = 256;

impl WorkOptions {
    /// A queue for so many messages at once, whether they are loans, wait, are in flight, or are
    /// dead letters: 1 to 1,048,575, as far as the segment has room.
    pub const fn new(capacity: u64) -> Self {
        Self {
            capacity,
            max_attempts: MAX_ATTEMPTS,
        }
    }

    /// After so many deliveries a message that comes back is a dead letter: 1 to 126, and 5 if this
    /// is not called.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u8) -> Self {
        self.max_attempts = attempts;
        self
    }
}

impl IntoConfig<WorkOptions> for u64 {
    fn into_config(self) -> WorkOptions {
        WorkOptions::new(self)
    }
}

impl ByteOptions {
    /// A queue of so many cells: a message takes one for each [`cell_size`](Self::cell_size) bytes,
    /// at least one. 1 to 1,048,575, as far as the segment has room.
    pub const fn new(cells: u64) -> Self {
        Self {
            work: WorkOptions::new(cells),
            cell_size: CELL_SIZE,
            payload: None,
        }
    }

    /// Names the messages, in place of what a [`Channel`](super::Channel) finds out about its type:
    /// any text of 1 to 64 bytes that says what they mean, and in which version.
    ///
    /// Channels with a name are opened by [`open_as`](crate::Segment::open_as) or
    /// [`open_or_create`](crate::Segment::open_or_create) with the same name, and their types are
    /// not compared: it is a promise that every value of one is a value of the other. It is for
    /// types of which too little can be seen, and for types that change in ways that the encoding
    /// does not show.
    ///
    /// # Panics
    ///
    /// If the name is empty or longer than 64 bytes; in a constant that is an error of the
    /// compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::Segment;
    /// use crossdock::queue::{ByteOptions, ByteQueue};
    ///
    /// const ORDERS: ByteOptions = ByteOptions::new(64).payload_name("shop.orders/1");
    /// let segment = Segment::anonymous()?;
    /// segment.create::<ByteQueue>("orders", ORDERS)?;
    /// assert!(segment.open_as::<ByteQueue>("orders", ORDERS).is_ok());
    /// assert!(segment.open_as::<ByteQueue>("orders", 64).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn payload_name(mut self, name: &'static str) -> Self {
        assert!(
            !name.is_empty() && name.len() <= Name::MAX,
            "a payload's name has 1 to 64 bytes"
        );
        self.payload = Some(name);
        self
    }

    /// Sets how many bytes a cell holds: 1 to 2^30, and 256 if this is not called. Each takes up 32
    /// more, and is rounded up to a multiple of 64.
    #[must_use]
    pub const fn cell_size(mut self, bytes: u64) -> Self {
        self.cell_size = bytes;
        self
    }

    /// After so many deliveries a message that comes back is a dead letter: 1 to 126, and 5 if this
    /// is not called.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u8) -> Self {
        self.work = self.work.max_attempts(attempts);
        self
    }
}

impl IntoConfig<ByteOptions> for u64 {
    fn into_config(self) -> ByteOptions {
        ByteOptions::new(self)
    }
}

/// What a queue is created with, as its entry's record has it.
pub trait Options {
    #[doc(hidden)]
    fn words(&self) -> [u64; 4];

    /// The name that was asked for, if one was.
    #[doc(hidden)]
    fn payload_name(&self) -> Option<&'static str>;

    /// Why there is no queue of such numbers.
    #[doc(hidden)]
    fn refused(&self) -> EntryError;
}

impl Options for WorkOptions {
    fn words(&self) -> [u64; 4] {
        [self.capacity, self.max_attempts.into(), 0, 0]
    }

    fn payload_name(&self) -> Option<&'static str> {
        None
    }

    fn refused(&self) -> EntryError {
        let (least, most) = WorkLayout::ATTEMPTS;
        let found = self.max_attempts.into();
        if !(least..=most).contains(&found) {
            return EntryError::Attempts { found, least, most };
        }
        let (least, most) = WorkLayout::CELLS;
        EntryError::Capacity {
            found: self.capacity,
            least,
            most,
        }
    }
}

impl Options for ByteOptions {
    fn words(&self) -> [u64; 4] {
        let [cells, attempts, ..] = self.work.words();
        [cells, attempts, self.cell_size, 0]
    }

    fn payload_name(&self) -> Option<&'static str> {
        self.payload
    }

    fn refused(&self) -> EntryError {
        let (least, most) = WorkLayout::CELL_SIZES;
        let found = self.cell_size;
        if !(least..=most).contains(&found) {
            return EntryError::CellSize { found, least, most };
        }
        self.work.refused()
    }
}
