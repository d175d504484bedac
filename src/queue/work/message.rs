//! What the messages of a work queue are: values in place, bytes, or encoded values.

use std::ptr::NonNull;

use bytemuck::Pod;

use super::cell::{InFlight, OwnedMessage};
use super::delivery::Delivery;
use super::options::{ByteOptions, Options, WorkOptions};
use super::span::{self, Span};
use crate::format::{Kind, PayloadShape};
use crate::payload::{Payload, ValueError, describe, shape_of};

/// What the messages of a [`Work`](super::Work) can be: a plain value `T`, `[u8]`, or
/// [`Encoded<T>`](super::Encoded). Only this crate implements it.
///
/// | `Work<M>` | sends | delivers | large messages |
/// |---|---|---|---|
/// | [`WorkQueue<T>`](super::WorkQueue) | `T` | `&T`, where it is in the segment | [`loan`](super::Work::loan) |
/// | [`ByteQueue`](super::ByteQueue) | `&[u8]` | `&[u8]`, where they are | [`loan`](super::Work::loan) |
/// | [`Channel<T>`](super::Channel) | `&T` | a `T`, decoded | they take more cells |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the message of a work queue",
    note = "`WorkQueue<T>` needs a `T` that is `bytemuck::Pod` and named by `crossdock::payload!`; \
            text, enums and other values of serde go through a `Channel<T>`",
    note = "`Channel<T>` needs a `T` with `#[derive(serde::Serialize, serde::Deserialize)]`, and no \
            borrowed parts"
)]
pub trait Message: sealed::Sealed {
    /// What is sent: a plain value itself, bytes and values to encode by reference.
    type Sent<'a>: Copy;
    /// What the error of a send gives back: a plain value; nothing of what was lent.
    type Unsent;
    /// What a delivery leaves when it is [taken out](super::Delivery::into_inner): the value, or a
    /// copy of the bytes.
    type Owned;
    /// What a dead letter is read as: bytes, if the message may be none that can be decoded.
    type Letter: Message + ?Sized;

    #[doc(hidden)]
    const KIND: Kind;
    /// Whether a message may have several cells.
    #[doc(hidden)]
    const SPANS: bool;
    #[doc(hidden)]
    type Options: Options;
    /// What a message is while it is written.
    #[doc(hidden)]
    type Staged<'a>;
    /// What a delivery has besides its cell.
    #[doc(hidden)]
    type Content;

    #[doc(hidden)]
    fn payload() -> PayloadShape;

    /// Whether a segment can hold the payload.
    #[doc(hidden)]
    fn fits() -> bool {
        true
    }

    /// The payload of the entry, named by its type; or why there is none.
    #[doc(hidden)]
    fn named() -> Result<PayloadShape, &'static str> {
        Ok(Self::payload())
    }

    #[doc(hidden)]
    fn stage(message: Self::Sent<'_>) -> Result<Self::Staged<'_>, ValueError>;

    /// How many bytes a staged message takes; 0 if it is of one cell anyway.
    #[doc(hidden)]
    fn len(staged: &Self::Staged<'_>) -> usize;

    /// Writes a staged message to the cells that were taken for it.
    #[doc(hidden)]
    fn write(cell: &OwnedMessage<'_>, staged: Self::Staged<'_>);

    #[doc(hidden)]
    fn unsent(message: Self::Sent<'_>) -> Self::Unsent;

    /// Makes a delivery of a message that was received, or settles a message that is no value.
    #[doc(hidden)]
    fn accept(cell: InFlight<'_>) -> Result<Delivery<'_, Self>, ValueError>;

    /// How many cells a message has.
    #[doc(hidden)]
    fn cells(content: &Self::Content) -> u32;

    #[doc(hidden)]
    fn take(cell: &OwnedMessage<'_>, content: Self::Content) -> Self::Owned;
}

/// Keeps [`Message`] crossdock's own.
pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed {}
}

impl<T: Payload + Pod> sealed::Sealed for T {}

/// Where the message of a queue of plain values is: mapped, and aligned to it.
#[inline(always)]
pub(super) fn place<T>(cell: &OwnedMessage<'_>) -> NonNull<T> {
    cell.message().cast()
}

impl<T: Payload + Pod> Message for T {
    type Sent<'a> = T;
    type Unsent = T;
    type Owned = T;
    type Letter = T;

    const KIND: Kind = Kind::WorkQueue;
    const SPANS: bool = false;
    type Options = WorkOptions;
    type Staged<'a> = T;
    type Content = ();

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn fits() -> bool {
        shape_of::<T>().is_some()
    }

    #[inline(always)]
    fn stage(message: Self::Sent<'_>) -> Result<Self::Staged<'_>, ValueError> {
        Ok(message)
    }

    #[inline(always)]
    fn len(_staged: &Self::Staged<'_>) -> usize {
        0
    }

    #[inline(always)]
    fn write(cell: &OwnedMessage<'_>, staged: Self::Staged<'_>) {
        // SAFETY: the pool is laid out for messages of `T`; the cell is the caller's alone.
        unsafe { place::<T>(cell).write(staged) };
    }

    #[inline(always)]
    fn unsent(message: Self::Sent<'_>) -> T {
        message
    }

    #[inline(always)]
    fn accept(cell: InFlight<'_>) -> Result<Delivery<'_, T>, ValueError> {
        Ok(Delivery { cell, content: () })
    }

    #[inline(always)]
    fn cells((): &()) -> u32 {
        1
    }

    #[inline(always)]
    fn take(cell: &OwnedMessage<'_>, (): ()) -> T {
        // SAFETY: as in `write`; a message that was delivered is not written to, and any bytes are
        // a `T`.
        unsafe { place::<T>(cell).read() }
    }
}

impl sealed::Sealed for [u8] {}

impl Message for [u8] {
    type Sent<'a> = &'a [u8];
    type Unsent = ();
    type Owned = Vec<u8>;
    type Letter = [u8];

    const KIND: Kind = Kind::ByteQueue;
    const SPANS: bool = true;
    type Options = ByteOptions;
    type Staged<'a> = &'a [u8];
    type Content = Span;

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    #[inline(always)]
    fn stage(message: Self::Sent<'_>) -> Result<Self::Staged<'_>, ValueError> {
        Ok(message)
    }

    #[inline(always)]
    fn len(staged: &Self::Staged<'_>) -> usize {
        staged.len()
    }

    #[inline(always)]
    fn write(cell: &OwnedMessage<'_>, staged: Self::Staged<'_>) {
        span::write(cell, staged);
    }

    #[inline(always)]
    fn unsent(_message: Self::Sent<'_>) {}

    #[inline(always)]
    fn accept(cell: InFlight<'_>) -> Result<Delivery<'_, [u8]>, ValueError> {
        let (cell, content) = Span::of(cell)?;
        Ok(Delivery { cell, content })
    }

    #[inline(always)]
    fn cells(content: &Span) -> u32 {
        content.cells
    }

    fn take(cell: &OwnedMessage<'_>, content: Span) -> Vec<u8> {
        content.to_vec(cell)
    }
}
