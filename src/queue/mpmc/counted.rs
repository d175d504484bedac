//! Senders and receivers that are counted, so that the other side learns when the last has gone.

use std::fmt;
use std::ops::Deref;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::{CountError, Iter, Queue, RecvError};
use crate::layout::Tag;
use crate::payload::Payload;
use crate::raw::Peers;
use crate::ring::ends::{Side, Uncounted};

/// A sender of a queue that is counted: when the last one is dropped, or its process ends, an empty
/// queue is disconnected for its receivers.
///
/// It is the [`Queue`] that it dereferences to, and a count: [`sender`](Queue::sender) of it makes
/// another one. In a forked child an inherited one is an uncounted handle, and so is one whose
/// process was [expelled](crate::segment::MembershipError::Expelled). It does not travel to other
/// processes: send the queue, and let them take a sender of their own, while the one who sends it
/// keeps one, lest the last be gone before the first has come.
#[must_use = "a sender that is dropped is counted no more"]
pub struct Sender<T: Payload> {
    counted: Counted<T>,
}

/// A receiver of a queue that is counted: when the last one is dropped, or its process ends, the
/// queue is disconnected for its senders.
///
/// All else is as for [`Sender`].
#[must_use = "a receiver that is dropped is counted no more"]
pub struct Receiver<T: Payload> {
    counted: Counted<T>,
}

struct Counted<T: Payload> {
    queue: Queue<T>,
    side: Side,
    me: Tag,
}

impl<T: Payload> Counted<T> {
    fn new(queue: &Queue<T>, side: Side) -> Result<Self, CountError> {
        let me = queue.me().map_err(CountError::Join)?;
        let counted = queue.ring().ends().count(side, me);
        counted.map_err(|uncounted| match uncounted {
            Uncounted::TooMany => CountError::TooMany,
            Uncounted::NotMine if !queue.others(me).am_alive() => {
                CountError::Join(queue.expelled(me))
            }
            Uncounted::NotMine => CountError::Corrupt,
        })?;
        Ok(Self {
            queue: queue.clone(),
            side,
            me,
        })
    }
}

impl<T: Payload> Drop for Counted<T> {
    fn drop(&mut self) {
        // In a forked child this is the parent's.
        if self.queue.me_already() == Some(self.me) {
            let others = self.queue.others(self.me);
            self.queue.ring().uncount(self.side, self.me, &others);
        }
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// A sender that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn sender(&self) -> Result<Sender<T>, CountError> {
        Counted::new(self, Side::Sender).map(|counted| Sender { counted })
    }

    /// A receiver that is counted. Never blocks.
    ///
    /// # Errors
    ///
    /// [`CountError`].
    pub fn receiver(&self) -> Result<Receiver<T>, CountError> {
        Counted::new(self, Side::Receiver).map(|counted| Receiver { counted })
    }
}

macro_rules! counted {
    ($($handle:ident)+) => {$(
        impl<T: Payload> Deref for $handle<T> {
            type Target = Queue<T>;

            #[inline(always)]
            fn deref(&self) -> &Queue<T> {
                &self.counted.queue
            }
        }

        impl<T: Payload> fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("queue", &self.counted.queue)
                    .field("participant", &self.counted.me)
                    .finish()
            }
        }
    )+};
}

counted!(Sender Receiver);

impl<'a, T: Payload + NoUninit + CheckedBitPattern> IntoIterator for &'a Receiver<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
