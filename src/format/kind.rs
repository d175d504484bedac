//! The kinds of primitive that an entry can be. Numbers are for ever.

/// What an entry is. The numbers are part of the layout: one is never used for anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Kind {
    /// A [`sync::Mutex`](crate::sync::Mutex).
    Mutex = 1,
    /// A [`sync::RawMutex`](crate::sync::RawMutex).
    RawMutex = 2,
    /// A [`Counter`](crate::Counter).
    Counter = 3,
    /// A [`ShardedCounter`](crate::ShardedCounter).
    ShardedCounter = 4,
    /// A [`queue::spsc::Spsc`](crate::queue::spsc::Spsc).
    Spsc = 5,
    /// A [`queue::Queue`](crate::queue::Queue).
    Queue = 6,
    /// A [`queue::WorkQueue`](crate::queue::WorkQueue).
    WorkQueue = 7,
    /// A [`queue::ByteQueue`](crate::queue::ByteQueue).
    ByteQueue = 8,
    /// A [`queue::Channel`](crate::queue::Channel).
    Channel = 9,
    /// A [`sync::RwLock`](crate::sync::RwLock).
    RwLock = 10,
    /// An [`Array`](crate::Array).
    Array = 11,
    /// An [`AtomicArray`](crate::AtomicArray).
    AtomicArray = 12,
    /// A [`Snapshot`](crate::Snapshot).
    Snapshot = 13,
}

impl Kind {
    /// All kinds of this layout version.
    pub(crate) const ALL: [Self; 13] = [
        Self::Mutex,
        Self::RawMutex,
        Self::Counter,
        Self::ShardedCounter,
        Self::Spsc,
        Self::Queue,
        Self::WorkQueue,
        Self::ByteQueue,
        Self::Channel,
        Self::RwLock,
        Self::Array,
        Self::AtomicArray,
        Self::Snapshot,
    ];

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// Whether the first number of its configuration is a length.
    pub(crate) fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::AtomicArray)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Mutex => "Mutex",
            Self::RawMutex => "RawMutex",
            Self::Counter => "Counter",
            Self::ShardedCounter => "ShardedCounter",
            Self::Spsc => "Spsc",
            Self::Queue => "Queue",
            Self::WorkQueue => "WorkQueue",
            Self::ByteQueue => "ByteQueue",
            Self::Channel => "Channel",
            Self::RwLock => "RwLock",
            Self::Array => "Array",
            Self::AtomicArray => "AtomicArray",
            Self::Snapshot => "Snapshot",
        })
    }
}
