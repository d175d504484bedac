//! The two ends of a ring among the arguments of processes; each has one holder at a time.
//!
//! The protocol is that of [`ends`](super::ends). An end that is over becomes an end of another
//! ring, whose other side has left: all of its operations find that out.

use bytemuck::{CheckedBitPattern, NoUninit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ends::{deserialize_end, serialize_end};
use super::handles::refuse;
use crate::participant::endpoints::Endpoint;
use crate::payload::Payload;
use crate::queue::spsc::{Consumer, Producer, Spsc};
use crate::segment::{OfOneError, Segment};

/// The name of the entry in a segment that was made for a ring that is over.
const NAME: &str = "over";

/// Makes a ring like `ring`, which is empty.
fn like<T: Payload + NoUninit + CheckedBitPattern>(ring: &Spsc<T>) -> Result<Spsc<T>, String> {
    Segment::of_one_like(NAME, ring).map_err(|error| match error {
        OfOneError::Create(error) => error.to_string(),
        OfOneError::Entry(error) => error.to_string(),
    })
}

/// Returns a producer whose consumer has left.
fn producer_alone<T>(ring: &Spsc<T>) -> Result<Producer<T>, String>
where
    T: Payload + NoUninit + CheckedBitPattern,
{
    let ring = like(ring)?;
    drop(ring.consumer().map_err(|error| error.to_string())?);
    ring.producer().map_err(|error| error.to_string())
}

/// Returns a consumer whose producer has left.
fn consumer_alone<T>(ring: &Spsc<T>) -> Result<Consumer<T>, String>
where
    T: Payload + NoUninit + CheckedBitPattern,
{
    let ring = like(ring)?;
    drop(ring.producer().map_err(|error| error.to_string())?);
    ring.consumer().map_err(|error| error.to_string())
}

macro_rules! claimed_serde {
    ($($handle:ident $endpoint:ident $alone:ident)+) => {$(
        /// Serialises as an argument of a spawned function, and nowhere else. The new process has
        /// the end from then on.
        impl<T: Payload + NoUninit + CheckedBitPattern> Serialize for $handle<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_end(self.ring(), Endpoint::$endpoint, (self.end.to_hand_over(), 0), serializer)
            }
        }

        /// Deserialises as an argument of a spawned function, and nowhere else.
        impl<'de, T: Payload + NoUninit + CheckedBitPattern> Deserialize<'de> for $handle<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (ring, me): (Spsc<T>, _) = deserialize_end(Endpoint::$endpoint, deserializer)?;
                let handle = match me {
                    Some(me) => ring.resume(me).map(Self::new).map_err(|error| error.to_string()),
                    None => $alone(&ring),
                };
                handle.map_err(|message| {
                    D::Error::custom(refuse(format!("an end of a ring: {message}")))
                })
            }
        }
    )+};
}

claimed_serde! {
    Producer Sender producer_alone
    Consumer Receiver consumer_alone
}
