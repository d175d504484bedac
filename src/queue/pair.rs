//! Both ends of a new queue at once.

#[cfg(feature = "process")]
use super::{ByteOptions, Channel, Receiver, Sender};
use super::{CountError, Countable, ReceiverOf, SenderOf};
use crate::Segment;
use crate::segment::fault::plain_errors;
use crate::segment::{CreateError, EntryError, IntoConfig, OfOneError};

/// The name of the entry in a segment that was made for one queue.
const NAME: &str = "pair";

/// Creates a channel for values of any type that serde can encode, in a segment of its own, and
/// returns its sender and its receiver.
///
/// `capacity` is a number of [cells](super::Work#cells), or [`ByteOptions`]. Both ends can be
/// cloned, and be arguments of [`process::spawn`](crate::process::spawn). When all senders are
/// dropped or their processes have ended, the receivers get what is there and then
/// [`Disconnected`](super::RecvError::Disconnected); the same holds for senders when no receiver is
/// left.
///
/// The segment has room for 128 processes at a time; [`Segment::create_pair`] makes the channel in
/// a segment with more, or with a name.
///
/// # Errors
///
/// As [`pair`].
///
/// # Examples
///
/// ```
/// use crossdock::process;
/// use crossdock::queue::{Receiver, Sender, channel};
///
/// fn cashier(orders: Sender<String>) {
///     orders.send(&"two rolls".to_owned()).unwrap();
/// } // drops the last sender: the baker is told
///
/// fn main() -> Result<(), crossdock::Error> {
///     process::init();
///     let (sender, receiver) = channel::<String>(16)?;
///     let cashier = process::spawn(cashier, sender)?;
///     for order in receiver.iter() {
///         assert_eq!(order?.into_inner()?, "two rolls");
///     }
///     cashier.join()?;
///     Ok(())
/// }
/// ```
#[cfg(feature = "process")]
pub fn channel<T>(
    capacity: impl IntoConfig<ByteOptions>,
) -> Result<(Sender<T>, Receiver<T>), PairError>
where
    T: serde::Serialize + serde::de::DeserializeOwned + std::any::Any,
{
    pair::<Channel<T>>(capacity)
}

/// Creates a queue of any kind in a segment of its own, and returns a sender and a receiver of it.
///
/// `config` is what [`Segment::create`] takes for it: `16` for a capacity, or options. The segment
/// is anonymous, has room for 128 processes at a time, and is freed with the last handle.
///
/// # Errors
///
/// - [`PairError::Entry`] if the configuration is not one of the queue.
/// - [`PairError::Create`] if there is no room for a segment of that size.
/// - [`PairError::Count`] if this process cannot take part in it.
///
/// # Examples
///
/// ```
/// use crossdock::queue::{Queue, RecvError, pair};
///
/// let (sender, receiver) = pair::<Queue<u64>>(16)?;
/// sender.send(7)?;
/// drop(sender);
/// assert_eq!(receiver.recv()?, 7);
/// assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
/// # Ok::<(), crossdock::Error>(())
/// ```
pub fn pair<Q: Countable>(
    config: impl IntoConfig<Q::Config>,
) -> Result<(SenderOf<Q>, ReceiverOf<Q>), PairError> {
    ends_of(&Segment::of_one::<Q>(NAME, config.into_config())?)
}

/// Creates a queue like `queue` that is closed and empty, in a segment of its own.
#[cfg(feature = "process")]
pub(super) fn ended<Q: Countable>(queue: &Q) -> Result<Q, PairError> {
    let like = Segment::of_one_like(NAME, queue)?;
    let super::counted::Counting(of) = like.counting();
    of.endpoints().close();
    Ok(like)
}

fn ends_of<Q: Countable>(queue: &Q) -> Result<(SenderOf<Q>, ReceiverOf<Q>), PairError> {
    Ok((SenderOf::new(queue)?, ReceiverOf::new(queue)?))
}

impl Segment {
    /// Creates a queue in this segment, and returns a sender and a receiver of it.
    ///
    /// Other processes open it by its name and take ends of their own; or get clones of these as
    /// arguments.
    ///
    /// # Errors
    ///
    /// - [`PairError::Entry`] as of [`create`](Self::create).
    /// - [`PairError::Count`] if this process was [lost](crate::segment::MembershipError::Lost)
    ///   from the segment meanwhile. The entry exists then.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    /// use crossdock::queue::WorkQueue;
    ///
    /// let segment = SegmentOptions::new().participants(500).anonymous()?;
    /// let (sender, receiver) = segment.create_pair::<WorkQueue<u64>>("tasks", 64)?;
    /// sender.send(3)?;
    /// receiver.recv()?.ack()?;
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn create_pair<Q: Countable>(
        &self,
        name: &str,
        config: impl IntoConfig<Q::Config>,
    ) -> Result<(SenderOf<Q>, ReceiverOf<Q>), PairError> {
        ends_of(&self.create::<Q>(name, config)?)
    }
}

plain_errors! {
    /// Why there is no new queue with a sender and a receiver.
    pub enum PairError {
        ..
        /// The segment of the queue was not created.
        Create(CreateError),
        /// The queue was not created.
        Entry(EntryError) by ?,
        /// Its ends were not counted.
        Count(CountError) by ?,
    }
}

impl From<OfOneError> for PairError {
    fn from(error: OfOneError) -> Self {
        match error {
            OfOneError::Create(error) => Self::Create(error),
            OfOneError::Entry(error) => Self::Entry(error),
        }
    }
}
