//! The queue of values.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pool::Pool;
use super::{
    AckError, ByteDelivery, ByteOptions, ByteQueue, SendBytesError, TrySendBytesError,
    WaitIdleError, bytes,
};
use crate::codec;
use crate::facade::Deadline;
use crate::format::{Kind, PayloadShape};
use crate::payload::{ValueError, describe};
use crate::queue::{RecvError, RecvTimeoutError, TryRecvError, Wait};
use crate::segment::{Bytes, Entry, EntryError, Placeable, Shape, sealed};

/// A queue of values: whatever serde can encode, strings and nested enums as well; an entry of a
/// segment.
///
/// [`send`](Self::send) encodes a value into a message of a [`ByteQueue`], of whose cells it takes as many as
/// it needs; [`recv`](Self::recv) decodes it and acknowledges it. Where a value is to come again if its
/// receiver dies over it, [`recv_held`](Self::recv_held) gives it with its delivery: all that is said of
/// [`WorkQueue`](super::WorkQueue) holds.
///
/// A message that cannot be decoded as a `T` is never acknowledged: it is a
/// [dead letter](Self::take_dead_letter) at once, and the error says why. All of its bytes must be those of
/// the value. No message keeps its receiver busy or exhausts its stack: values are nested at most 128 levels
/// deep (sequences, maps, tuples, structs, enums, options), a length that the message is too short for
/// is refused, and at most 65,536 elements of a message take no bytes, as those of a `Vec<()>` do. A value
/// beyond these bounds is not sent.
///
/// Handles of entries do not travel through it.
///
/// # What two programs mean by `T`
///
/// They must mean the same, so the entry is opened only as a channel of the same type: what serde sees of `T`
/// when it deserializes one is compared, by a hash of the names of structs, enums, fields and variants,
/// their order, and the kinds of their values. Rust's own types count by their kinds: a `Vec<u8>` is a
/// `VecDeque<u8>`, and a `Box<T>` a `T`. The hash is the same in every build; a type that was changed or
/// renamed is another ([`EntryError::OtherPayload`], which shows both).
///
/// For that, `T` is deserialized from sample values, once a process, when a channel of it is created or first
/// opened. Where it refuses all of them, as a string with a syntax of its own may, its name has a `?`, and what
/// follows that place in the same struct is not compared. Of a type that contains itself some rounds are.
///
/// [`ByteOptions::payload_name`] gives the values a name of your own instead, whatever their type.
///
/// A type whose values no message can be decoded as, because it needs a self-describing format
/// (`#[serde(untagged)]`, `#[serde(flatten)]`), is refused with [`EntryError::Undecodable`].
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{ByteOptions, Channel};
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Channel<String>>("orders", ByteOptions::new(64))?;
/// orders.send(&"two rolls".to_owned())?;
/// orders.send(&"a loaf".to_owned())?;
/// assert_eq!(orders.recv()?, "two rolls");
///
/// let order = orders.recv_held()?;
/// assert_eq!((order.as_str(), order.attempt()), ("a loaf", 1));
/// order.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Channel<T> {
    bytes: ByteQueue,
    value: PhantomData<fn(T) -> T>,
}

/// What happened at a channel: to the value, or at the queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChannelError<E> {
    /// The value could not be encoded, and nothing was sent; or a message could not be decoded, and is
    /// a dead letter.
    Value(ValueError),
    /// As at a [`ByteQueue`].
    Queue(E),
    /// The value was decoded, but its message not acknowledged: it comes again.
    Ack(AckError),
}

/// A value that was delivered, and its delivery.
///
/// Dropping it without [`ack`](Self::ack) gives it back, to be delivered again, and so does the end of
/// the process.
#[must_use = "a value that is dropped comes again"]
pub struct Held<'q, T> {
    value: T,
    delivery: ByteDelivery<'q>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            value: PhantomData,
        }
    }
}

impl<T> Channel<T> {
    pub(super) fn pool(&self) -> &Pool {
        self.bytes.pool()
    }
}

fn decode<E, T: DeserializeOwned>(
    delivery: ByteDelivery<'_>,
) -> Result<Held<'_, T>, ChannelError<E>> {
    let decoded = match delivery.as_slice() {
        Some(bytes) => codec::decode(bytes),
        None => codec::decode(&delivery.to_vec()),
    };
    match decoded {
        Ok(value) => Ok(Held { value, delivery }),
        Err(error) => {
            // If it is not this process's any more, another one gets it, and finds out.
            let _ = delivery.reject();
            Err(ChannelError::Value(error))
        }
    }
}

fn accept<E, T>(held: Held<'_, T>) -> Result<T, ChannelError<E>> {
    held.into_inner().map_err(ChannelError::Ack)
}

impl<T: Serialize + DeserializeOwned> Channel<T> {
    /// Sends a value, if there is room.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`TrySendBytesError`].
    pub fn try_send(&self, value: &T) -> Result<(), ChannelError<TrySendBytesError>> {
        let message = encode(value)?;
        self.bytes.try_send(&message).map_err(ChannelError::Queue)
    }

    /// Sends a value, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`SendBytesError`].
    pub fn send(&self, value: &T) -> Result<(), ChannelError<SendBytesError>> {
        self.send_until(value, &const { Deadline::never() })
    }

    /// Sends a value, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`SendBytesError`].
    pub fn send_timeout(
        &self,
        value: &T,
        timeout: Duration,
    ) -> Result<(), ChannelError<SendBytesError>> {
        self.send_until(value, &Deadline::after(timeout))
    }

    /// Sends a value, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`SendBytesError`].
    pub fn send_deadline(
        &self,
        value: &T,
        deadline: Instant,
    ) -> Result<(), ChannelError<SendBytesError>> {
        self.send_until(value, &Deadline::at(deadline))
    }

    fn send_until(
        &self,
        value: &T,
        deadline: &Deadline,
    ) -> Result<(), ChannelError<SendBytesError>> {
        let message = encode(value)?;
        let sent = self.bytes.send_until(&message, deadline);
        sent.map_err(ChannelError::Queue)
    }

    /// Receives the next value, if there is one.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`TryRecvError`].
    pub fn try_recv(&self) -> Result<T, ChannelError<TryRecvError>> {
        accept(self.try_recv_held()?)
    }

    /// Receives the next value, waiting for one as long as it takes.
    ///
    /// Its message is acknowledged when it was decoded: a receiver that dies before leaves it to
    /// another one.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvError`].
    pub fn recv(&self) -> Result<T, ChannelError<RecvError>> {
        accept(self.recv_held()?)
    }

    /// Receives the next value, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, ChannelError<RecvTimeoutError>> {
        accept(self.recv_held_timeout(timeout)?)
    }

    /// Receives the next value, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvTimeoutError`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, ChannelError<RecvTimeoutError>> {
        accept(self.recv_held_deadline(deadline)?)
    }

    /// Receives the next value with its delivery, if there is one.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`TryRecvError`].
    pub fn try_recv_held(&self) -> Result<Held<'_, T>, ChannelError<TryRecvError>> {
        decode(self.bytes.try_recv().map_err(ChannelError::Queue)?)
    }

    /// Receives the next value with its delivery, waiting for one as long as it takes: it comes again
    /// unless it is acknowledged.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvError`].
    pub fn recv_held(&self) -> Result<Held<'_, T>, ChannelError<RecvError>> {
        decode(self.bytes.recv().map_err(ChannelError::Queue)?)
    }

    /// Receives the next value with its delivery, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvTimeoutError`].
    pub fn recv_held_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Held<'_, T>, ChannelError<RecvTimeoutError>> {
        self.recv_held_until(&Deadline::after(timeout))
    }

    /// Receives the next value with its delivery, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] of [`RecvTimeoutError`].
    pub fn recv_held_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Held<'_, T>, ChannelError<RecvTimeoutError>> {
        self.recv_held_until(&Deadline::at(deadline))
    }

    fn recv_held_until(
        &self,
        deadline: &Deadline,
    ) -> Result<Held<'_, T>, ChannelError<RecvTimeoutError>> {
        let delivery = self.bytes.recv_until(deadline);
        decode(delivery.map_err(ChannelError::Queue)?)
    }

    /// The values as they come, waiting for each; ends when the channel is disconnected. After a
    /// message that could not be decoded it goes on.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, ChannelError<RecvError>>> {
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            match self.recv() {
                Err(ChannelError::Queue(RecvError::Disconnected)) => {
                    ended = true;
                    None
                }
                received => {
                    ended = matches!(received, Err(ChannelError::Queue(_)));
                    Some(received)
                }
            }
        })
    }
}

fn encode<E, T: Serialize>(value: &T) -> Result<Vec<u8>, ChannelError<E>> {
    codec::encode(value).map_err(ChannelError::Value)
}

impl<T> Channel<T> {
    /// How many messages were given up: they take up cells until somebody takes and acknowledges them.
    pub fn count_dead_letters(&self) -> u64 {
        self.bytes.count_dead_letters()
    }

    /// Takes a message that was given up, or could not be decoded, as its bytes; in no order.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn take_dead_letter(&self) -> Result<Option<ByteDelivery<'_>>, RecvError> {
        self.bytes.take_dead_letter()
    }

    /// Waits until everything that was sent is done; see
    /// [`WorkQueue::wait_idle`](super::WorkQueue::wait_idle).
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle(&self) -> Result<(), WaitIdleError> {
        self.bytes.wait_idle()
    }

    /// The same, no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<(), WaitIdleError> {
        self.bytes.wait_idle_timeout(timeout)
    }

    /// The same, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle_deadline(&self, deadline: Instant) -> Result<(), WaitIdleError> {
        self.bytes.wait_idle_deadline(deadline)
    }

    /// Whether everything that was sent is done, at some moment of this call.
    pub fn is_idle(&self) -> bool {
        self.bytes.is_idle()
    }

    /// How many cells there are, how many of them are free, and the like.
    pub fn as_bytes(&self) -> &ByteQueue {
        &self.bytes
    }

    /// The same channel, whose blocking operations wait otherwise: a matter of this handle and its
    /// clones.
    #[must_use]
    pub fn with_wait(self, wait: Wait) -> Self {
        Self {
            bytes: self.bytes.with_wait(wait),
            ..self
        }
    }

    /// Closes the channel, for ever and for all: nothing can be sent any more, and receivers get what
    /// is there. Never blocks.
    pub fn close(&self) {
        self.bytes.close();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.bytes.is_closed()
    }
}

impl<T> Held<'_, T> {
    /// Which delivery of the value this is: 1 for the first.
    pub fn attempt(&self) -> u8 {
        self.delivery.attempt()
    }

    /// Acknowledges the value: it is done. Lock-free.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn ack(self) -> Result<(), AckError> {
        self.delivery.ack()
    }

    /// Acknowledges the value, and gives it.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn into_inner(self) -> Result<T, AckError> {
        self.delivery.ack()?;
        Ok(self.value)
    }

    /// Gives the value back, to be delivered again when `delay` has passed; see
    /// [`Delivery::nack`](super::Delivery::nack).
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn nack(self, delay: Duration) -> Result<(), AckError> {
        self.delivery.nack(delay)
    }

    /// Makes a dead letter of the value, whatever its attempts.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn reject(self) -> Result<(), AckError> {
        self.delivery.reject()
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("value", &self.value)
            .field("attempt", &self.attempt())
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for ChannelError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(error) => error.fmt(f),
            Self::Queue(error) => error.fmt(f),
            Self::Ack(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for ChannelError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Value(error) => error.source(),
            Self::Queue(error) => error.source(),
            Self::Ack(error) => error.source(),
        }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("bytes", &self.bytes)
            .finish()
    }
}

impl<T> sealed::Sealed for Channel<T> {}

impl<T: Serialize + DeserializeOwned + 'static> Placeable for Channel<T> {
    type Config = ByteOptions;

    const KIND: Kind = Kind::Channel;

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    fn named(options: Option<&ByteOptions>) -> Result<PayloadShape, &'static str> {
        let payload = Self::payload();
        match options {
            Some(options) if options.payload.is_some() => Ok(options.name(payload)),
            _ => match codec::name_of::<T>() {
                Ok(name) => Ok(PayloadShape { name, ..payload }),
                Err(undecodable) => Err(undecodable.reason()),
            },
        }
    }

    /// Both are the same program, so they mean the same by it.
    fn handed_over(found: PayloadShape) -> PayloadShape {
        found
    }

    fn words(options: &ByteOptions) -> [u64; 4] {
        options.words()
    }

    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        bytes::shape(Self::KIND, Self::payload(), config, participants)
    }

    fn refused(options: &ByteOptions) -> EntryError {
        options.refused()
    }

    /// Zeroed words are those of an empty queue that nobody was ever at.
    fn prepare(_bytes: &Bytes<'_>, _options: ByteOptions) {}

    fn attach(entry: Entry) -> Option<Self> {
        Some(Self {
            bytes: ByteQueue::of(entry)?,
            value: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.bytes.entry()
    }
}
