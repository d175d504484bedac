//! Work queues: what is received is held until it is acknowledged.

mod cell;
mod counted;
mod delivery;
#[cfg(feature = "process")]
mod encoded;
mod error;
mod handle;
mod loan;
mod message;
mod options;
mod pool;
mod receipts;
mod span;

#[cfg(feature = "process")]
use crate::queue::{ReceiverOf, SenderOf};
pub use delivery::{DeadLetters, Delivery};
#[cfg(feature = "process")]
pub use encoded::Encoded;
pub use error::WaitIdleError;
pub use handle::Work;
#[cfg(feature = "process")]
pub(crate) use loan::CellWriter;
pub use loan::Loan;
pub use message::Message;
pub use options::{ByteOptions, WorkOptions};

/// A work queue of plain values of `T`, which are written and read where they are in the segment;
/// an entry of a segment.
///
/// | | |
/// |---|---|
/// | what it is | a bounded queue of tasks that are redelivered until they are acknowledged |
/// | under a stopped peer | lock-free; a receiver of the end, and [`wait_idle`](Work::wait_idle), wait for its messages |
/// | after a killed peer | its deliveries are redelivered, one attempt later; its loans are free |
/// | model | work |
///
/// `T` is [`Pod`](bytemuck::Pod) and named by [`payload!`](crate::payload!). [`send`](Work::send)
/// copies its value through the stack; a [loan](Work::loan) and a [delivery](Delivery) give access
/// to it in place, so values of any size go by those. All else is said at [`Work`].
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::WorkQueue;
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<WorkQueue<u32>>("orders", 8)?;
/// orders.send(7)?;
///
/// let order = orders.recv()?;
/// assert_eq!((*order, order.attempt()), (7, 1));
/// drop(order); // as if its process had died
///
/// let order = orders.recv()?;
/// assert_eq!((*order, order.attempt()), (7, 2));
/// order.ack()?;
/// assert!(orders.is_idle());
///
/// let mut order = orders.loan()?;
/// *order = 8;
/// order.send()?;
/// assert_eq!(orders.recv()?.into_inner()?, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type WorkQueue<T> = Work<T>;

/// A work queue of messages of bytes, of any length, which are written and read where they are in
/// the segment; an entry of a segment.
///
/// | | |
/// |---|---|
/// | what it is | a [`WorkQueue`] whose messages are bytes |
/// | under a stopped peer | as there; a message of several cells waits for as many at once |
/// | after a killed peer | as there |
/// | model | work |
///
/// A message of up to [`cell_size`](Work::cell_size) bytes is one slice
/// ([`Delivery::as_slice`]); a longer one has several [parts](Delivery::parts). All else is said at
/// [`Work`].
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{ByteOptions, ByteQueue};
///
/// let segment = Segment::anonymous()?;
/// let options = ByteOptions::new(64).cell_size(32);
/// let lines = segment.create::<ByteQueue>("lines", options)?;
/// lines.send(b"a line that is longer than one cell is")?;
/// lines.send(b"short")?;
///
/// let line = lines.recv()?;
/// assert_eq!(line.parts().map(<[u8]>::len).collect::<Vec<_>>(), [32, 6]);
/// assert_eq!(line.into_inner()?, b"a line that is longer than one cell is");
///
/// let line = lines.recv()?;
/// assert_eq!(line.as_slice(), Some(&b"short"[..]));
/// line.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type ByteQueue = Work<[u8]>;

/// A work queue of values of any type that serde can encode, strings and nested enums among them;
/// an entry of a segment.
///
/// | | |
/// |---|---|
/// | what it is | a [`ByteQueue`] of encoded values |
/// | under a stopped peer | as there |
/// | after a killed peer | as there |
/// | model | work |
///
/// [`send`](Work::send) encodes a value into as many cells as it takes; [`recv`](Work::recv)
/// decodes it, and the [`Delivery`] dereferences to it. [`Delivery::into_inner`] acknowledges it
/// and returns it.
///
/// A message that does not decode as a `T` is never acknowledged: it is a [dead
/// letter](Work::dead_letters) at once, and [`Invalid`](super::RecvError::Invalid) says why. All of
/// its bytes must be those of the value. No message keeps its receiver busy or exhausts its stack:
/// values are nested at most 128 levels deep (sequences, maps, tuples, structs, enums, options), a
/// length that the message is too short for is refused, and at most 65,536 elements of a message
/// take no bytes, as those of a `Vec<()>` do. A value beyond these bounds is not sent.
///
/// Handles of entries do not travel through it. All else is said at [`Work`].
///
/// # What two programs mean by `T`
///
/// They must mean the same, so the entry is opened only as a channel of the same type: what serde
/// sees of `T` when it deserializes a value is compared, by a hash of the names of structs, enums,
/// fields and variants, their order, and the kinds of their values. Rust's own types count by their
/// kinds: a `Vec<u8>` is a `VecDeque<u8>`, and a `Box<T>` a `T`. The hash is the same in every
/// build; a type that was changed or renamed is another ([`EntryError::OtherPayload`], which shows
/// both).
///
/// For that, `T` is deserialized from sample values, once a process, when a channel of it is
/// created or first opened. If it refuses all of them, as a string with a syntax of its own may,
/// its name has a `?`, and what follows that place in the same struct is not compared. Of a type
/// that contains itself some rounds are compared.
///
/// [`ByteOptions::payload_name`] gives the values a name of your own instead, whatever their type.
///
/// A type that no message can be decoded as, because it needs a self-describing format
/// (`#[serde(untagged)]`, `#[serde(flatten)]`), is refused with [`EntryError::Undecodable`].
///
/// [`EntryError::OtherPayload`]: crate::segment::EntryError::OtherPayload
/// [`EntryError::Undecodable`]: crate::segment::EntryError::Undecodable
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::Channel;
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Channel<String>>("orders", 64)?;
/// orders.send(&"two rolls".to_owned())?;
/// orders.send(&"a loaf".to_owned())?;
/// assert_eq!(orders.recv()?.into_inner()?, "two rolls");
///
/// let order = orders.recv()?;
/// assert_eq!((order.as_str(), order.attempt()), ("a loaf", 1));
/// order.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "process")]
pub type Channel<T> = Work<Encoded<T>>;

/// A sender of a [`Channel`] that is counted.
#[cfg(feature = "process")]
pub type Sender<T> = SenderOf<Channel<T>>;

/// A receiver of a [`Channel`] that is counted.
#[cfg(feature = "process")]
pub type Receiver<T> = ReceiverOf<Channel<T>>;
