//! Messages that serde encodes.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cell::{InFlight, OwnedMessage};
use super::delivery::Delivery;
use super::message::{Message, sealed};
use super::options::ByteOptions;
use super::span::{self, Span};
use super::{ByteQueue, Channel, Work};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::payload::{ValueError, describe};

/// The messages of a [`Channel<T>`](super::Channel): values of `T`, encoded by serde. There are no
/// values of this type.
#[expect(missing_debug_implementations, reason = "there are no values of it")]
pub struct Encoded<T>(PhantomData<fn(T) -> T>);

impl<T> sealed::Sealed for Encoded<T> {}

impl<T: Serialize + DeserializeOwned + 'static> Message for Encoded<T> {
    type Sent<'a> = &'a T;
    type Unsent = ();
    type Owned = T;
    type Letter = [u8];

    const KIND: Kind = Kind::Channel;
    const SPANS: bool = true;
    type Options = ByteOptions;
    type Staged<'a> = Vec<u8>;
    type Content = (Span, T);

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    fn named() -> Result<PayloadShape, &'static str> {
        let payload = Self::payload();
        match codec::name_of::<T>() {
            Ok(name) => Ok(PayloadShape { name, ..payload }),
            Err(undecodable) => Err(undecodable.reason()),
        }
    }

    fn stage(message: Self::Sent<'_>) -> Result<Self::Staged<'_>, ValueError> {
        codec::encode(message)
    }

    fn len(staged: &Self::Staged<'_>) -> usize {
        staged.len()
    }

    fn write(cell: &OwnedMessage<'_>, staged: Self::Staged<'_>) {
        span::write(cell, &staged);
    }

    fn unsent(_message: Self::Sent<'_>) {}

    /// A message that does not decode becomes a dead letter.
    fn accept(cell: InFlight<'_>) -> Result<Delivery<'_, Self>, ValueError> {
        let (cell, span) = Span::of(cell)?;
        let decoded = match span.as_slice(&cell) {
            Some(bytes) => codec::decode(bytes),
            None => codec::decode(&span.to_vec(&cell)),
        };
        match decoded {
            Ok(value) => Ok(Delivery {
                cell,
                content: (span, value),
            }),
            Err(error) => {
                // If it is not this process's any more, another one gets it, and finds out.
                let _ = cell.into_cell().bury();
                Err(error)
            }
        }
    }

    fn cells(content: &(Span, T)) -> u32 {
        content.0.cells
    }

    fn take(_cell: &OwnedMessage<'_>, (_, value): (Span, T)) -> T {
        value
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Deref for Delivery<'_, Encoded<T>> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content.1
    }
}

impl<T> Channel<T> {
    /// Returns the queue of the encoded values, through which a message that does not decode can be
    /// sent.
    pub fn as_bytes(&self) -> &ByteQueue {
        let bytes = std::ptr::from_ref(self).cast::<Work<[u8]>>();
        // SAFETY: both are transparent over a pool, and both pools are laid out for bytes.
        unsafe { &*bytes }
    }
}
