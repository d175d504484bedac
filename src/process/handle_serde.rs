//! Serialisation of segments, and of the handles of their entries.

use std::any::Any;

use bytemuck::{CheckedBitPattern, NoUninit};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::handles::{HandlePlace, deserialize_handle, refuse, serialize_handle};
use crate::collection::array::Atomic;
use crate::collection::counter::Number;
use crate::collection::manager::Manager;
use crate::collection::object::Stored;
use crate::payload::Payload;
use crate::segment::{Placeable, Segment};

/// Serialises as an argument or result of [`spawn`](super::spawn()), and nowhere else.
impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_handle(self, HandlePlace::Segment, serializer)
    }
}

/// Deserialises as an argument or result of [`spawn`](super::spawn()), and nowhere else.
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
    let place = match &entry.hold {
        None => HandlePlace::Entry(entry.index),
        Some(hold) => {
            let (manager, number) = hold.place();
            HandlePlace::Object { manager, number }
        }
    };
    serialize_handle(&segment, place, serializer)
}

fn deserialize_entry<'de, P: Placeable, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<P, D::Error> {
    let (segment, place) = deserialize_handle(deserializer)?;
    let opened = match place {
        HandlePlace::Entry(index) => segment.open_at(index).map_err(|error| error.to_string()),
        HandlePlace::Object { manager, number } => segment
            .open_at::<Manager>(manager)
            .and_then(|manager| manager.open_at(number))
            .map_err(|error| error.to_string()),
        HandlePlace::Segment => Err("expected the handle of an entry, found a segment".to_owned()),
    };
    opened.map_err(|message| D::Error::custom(refuse(message)))
}

/// Implements serialisation for the handles of every kind. The receiver opens them as `open` does,
/// with the same checks.
macro_rules! handle_serde {
    ($($(#[$docs:meta])+ $kind:ident = $number:literal, [$($generic:ident: $($bound:path),+);*] $handle:ty, $($algorithm:ident)::+, $($ends:ident)::+, $($view:ident)::+;)+) => {$(
        /// Serialises as an argument or result of a spawned function, and nowhere else.
        impl<$($generic: $($bound +)+),*> Serialize for $handle {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_entry(self, serializer)
            }
        }

        /// Deserialises as an argument or result of a spawned function, and nowhere else.
        impl<'de, $($generic: $($bound +)+),*> Deserialize<'de> for $handle {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_entry(deserializer)
            }
        }
    )+};
}
kinds!(handle_serde);
