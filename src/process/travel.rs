//! What can travel besides plain values: segments, and the handles of their entries.

use bytemuck::{CheckedBitPattern, NoUninit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::handles::{deserialize_handle, refuse, serialize_handle};
use crate::collection::array::{Array, Atomic, AtomicArray};
use crate::collection::counter::{Counter, Number, ShardedCounter};
use crate::collection::snapshot::Snapshot;
use crate::payload::Payload;
use crate::queue::spsc::Spsc;
use crate::queue::{ByteQueue, Channel, Queue, WorkQueue};
use crate::segment::{Placeable, Segment};
use crate::sync::{Mutex, RawMutex, RwLock};

/// Travels as an argument or result of [`spawn`](super::spawn()), and nowhere else.
impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_handle(self, None, serializer)
    }
}

/// Arrives as an argument or result of [`spawn`](super::spawn()), and from nowhere else.
impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_handle(deserializer).map(|(segment, _)| segment)
    }
}

fn serialize_entry<P: Placeable, S: Serializer>(
    handle: &P,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let entry = handle.entry();
    let segment = Segment::from_mapping(entry.mapping.clone());
    serialize_handle(&segment, Some(entry.index), serializer)
}

fn deserialize_entry<'de, P: Placeable, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<P, D::Error> {
    let (segment, entry) = deserialize_handle(deserializer)?;
    let opened = match entry {
        Some(index) => segment.open_at(index).map_err(|error| error.to_string()),
        None => Err("a segment came where the handle of an entry was expected".to_owned()),
    };
    opened.map_err(|message| D::Error::custom(refuse(message)))
}

/// Lets the handles of a kind of entry travel. They are opened on the other side as `open` does,
/// with the same checks.
macro_rules! handle_travels {
    ($([$($generic:ident: $($bound:path),+)?] $handle:ty;)+) => {$(
        /// Travels as an argument or result of a spawned function, and nowhere else.
        impl<$($generic: $($bound +)+)?> Serialize for $handle {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_entry(self, serializer)
            }
        }

        /// Arrives as an argument or result of a spawned function, and from nowhere else.
        impl<'de, $($generic: $($bound +)+)?> Deserialize<'de> for $handle {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_entry(deserializer)
            }
        }
    )+};
}

handle_travels! {
    [T: Payload, bytemuck::Pod] Array<T>;
    [T: Atomic] AtomicArray<T>;
    [N: Number] Counter<N>;
    [] ShardedCounter;
    [T: Payload, bytemuck::Pod] Mutex<T>;
    [] RawMutex;
    [T: Payload, bytemuck::Pod] RwLock<T>;
    [T: Payload, NoUninit, CheckedBitPattern] Spsc<T>;
    [T: Payload, NoUninit, CheckedBitPattern] Queue<T>;
    [T: Payload, bytemuck::Pod] WorkQueue<T>;
    [T: Payload, bytemuck::Pod] Snapshot<T>;
    [] ByteQueue;
    [T: Serialize, serde::de::DeserializeOwned, std::any::Any] Channel<T>;
}
