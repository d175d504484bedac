//! Ends among the arguments of processes: senders and receivers of queues.
//!
//! # Protocol
//!
//! 1. The parent encodes the arguments. Each end is a line of a list in the job: its segment and
//!    entry, its endpoint, and the tag that the parent has it by.
//! 2. The new process takes over each line ([`hand_over`](crate::participant::hand_over)), at the
//!    beginning of [`init`](super::init()), and sends the parent a byte.
//! 3. The parent waits for the byte, or for the death of the new process, and then drops the
//!    arguments, and its ends with them.
//! 4. The new process decodes the arguments: each end is a handle of what it took over. An end that
//!    no handle is made of, since the arguments do not decode, is given up.
//!
//! No lock is held while the parent waits, so several threads start processes at once.
//!
//! # Crash
//!
//! | killed | what is left | detected by |
//! |---|---|---|
//! | the parent, before step 2 | no process has the end, unless another has one | the others, when they reap: the end is over. The new process takes over an end whose operations fail with `Disconnected` |
//! | the parent, after step 2 | the new process has the end | - |
//! | the new process, before step 2 | the parent has the end | the parent, by the pidfd; it drops the arguments |
//! | the new process, after step 2 | both have it; the parent drops its own | the others, when they reap |
//!
//! A stopped parent keeps its ends. A stopped new process keeps the parent waiting, as long as
//! [`start_timeout`](super::Builder::start_timeout) says.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::handles::{EndPlace, add_end, is_receiving, open, refuse, take_end};
use crate::codec;
use crate::format::Kind;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::hand_over::HandOver;
use crate::queue::{Countable, ReceiverOf, SenderOf, last_count};
use crate::segment::{Placeable, Segment, TakeOverFailure};

/// An end among the arguments of a process, as its job lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SentEnd {
    /// The number of its segment among those of the arguments.
    pub(super) slot: u32,
    /// The index of its entry.
    entry: u32,
    is_sender: bool,
    /// The tag by which the parent has it.
    from: u32,
    /// Of a counted end: which count was the last.
    as_of: u64,
}

impl SentEnd {
    fn endpoint(self) -> Endpoint {
        if self.is_sender {
            Endpoint::Sender
        } else {
            Endpoint::Receiver
        }
    }
}

/// An end that was taken over, or was over.
pub(super) enum ReceivedEnd {
    Taken(TakenEnd),
    /// The parent died before, and others may have been told.
    Over,
}

/// An end of this process that no handle is made of yet; it is given up if it is dropped.
pub(super) struct TakenEnd {
    segment: Segment,
    entry: u32,
    endpoint: Endpoint,
    /// `None` once a handle has it.
    me: Option<Tag>,
}

impl Drop for TakenEnd {
    fn drop(&mut self) {
        if let Some(me) = self.me {
            self.segment.give_up_end(self.entry, self.endpoint, me);
        }
    }
}

impl ReceivedEnd {
    /// Takes over an end, or returns the text of an error.
    pub(super) fn take_over(segment: Segment, sent: &SentEnd) -> Result<Self, String> {
        let endpoint = sent.endpoint();
        let garbage = || "an end has no tag of its giver".to_owned();
        let from = Tag::from_bits(sent.from).ok_or_else(garbage)?;
        let taken = segment.take_over_end(
            sent.entry,
            HandOver {
                endpoint,
                from,
                as_of: sent.as_of,
            },
        );
        match taken {
            Ok(me) => Ok(Self::Taken(TakenEnd {
                segment,
                entry: sent.entry,
                endpoint,
                me: Some(me),
            })),
            Err(TakeOverFailure::Over) => Ok(Self::Over),
            Err(TakeOverFailure::TooMany) => Err(format!(
                "a {} cannot be counted: this process is counted 131,071 times at that endpoint already",
                role(endpoint)
            )),
            Err(TakeOverFailure::Membership(error)) => {
                Err(format!("a {} cannot be counted: {error}", role(endpoint)))
            }
            Err(TakeOverFailure::Corrupt) => Err(format!(
                "expected an entry that has a {}, found another",
                role(endpoint)
            )),
        }
    }
}

fn role(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Sender => "sender",
        Endpoint::Receiver => "receiver",
    }
}

/// Serialises an end of an entry, which this process has by the tag `from`; if it is counted,
/// `as_of` is the last count.
///
/// Fails, in the serializer's error, anywhere but in an argument of a spawned function, and if this
/// process does not have the end.
pub(crate) fn serialize_end<P: Placeable, S: Serializer>(
    handle: &P,
    endpoint: Endpoint,
    (from, as_of): (Option<Tag>, u64),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let entry = handle.entry();
    if entry.hold.is_some() {
        return Err(S::Error::custom(refuse(format!(
            "a {0} of a queue of a manager cannot be passed on; pass the queue, and take a {0} of \
             it by {0}()",
            role(endpoint)
        ))));
    }
    let segment = Segment::from_mapping(entry.mapping.clone());
    let entry = entry.index;
    let line = |slot| SentEnd {
        slot,
        entry,
        is_sender: endpoint == Endpoint::Sender,
        from: from.map_or(0, Tag::bits),
        as_of,
    };
    match add_end(&segment, line) {
        EndPlace::Argument { slot, number } if from.is_some() => {
            serializer.serialize_newtype_struct(codec::END, &(slot, entry, number))
        }
        EndPlace::Argument { .. } if P::KIND == Kind::Spsc => {
            Err(S::Error::custom(refuse(format!(
                "a {0} of the arguments is not this process's: it was inherited by fork, or its \
             membership was lost; make the pipe or ring in this process",
                role(endpoint)
            ))))
        }
        EndPlace::Result if P::KIND == Kind::Spsc => Err(S::Error::custom(refuse(format!(
            "a {0} cannot be a result: its process ends before this one could take it over; make \
             the pipe or ring in this process, and pass the other one its end as an argument",
            role(endpoint)
        )))),
        EndPlace::Argument { .. } => Err(S::Error::custom(refuse(format!(
            "a {0} of the arguments is not this process's: it was inherited by fork, or its \
             membership was lost; take another one of the queue by {0}()",
            role(endpoint)
        )))),
        EndPlace::Result => Err(S::Error::custom(refuse(format!(
            "a {0} cannot be a result: its process ends before this one could take it over; \
             return the queue, and take a {0} of it by {0}()",
            role(endpoint)
        )))),
        EndPlace::Pool => Err(S::Error::custom(refuse(format!(
            "a {0} cannot go along with a task of a pool, nor come back; give it to the pool's \
             initializer, or pass the queue, and take a {0} of it by {0}()",
            role(endpoint)
        )))),
        EndPlace::Outside => Err(S::Error::custom(codec::refuse_end())),
    }
}

/// Deserialises what [`serialize_end`] wrote: the entry, and the tag by which this process has the
/// end; no tag if it is over.
///
/// Fails, in the deserializer's error, anywhere but in an argument of a spawned function.
pub(crate) fn deserialize_end<'de, P: Placeable, D: Deserializer<'de>>(
    endpoint: Endpoint,
    deserializer: D,
) -> Result<(P, Option<Tag>), D::Error> {
    deserializer.deserialize_newtype_struct(
        codec::END,
        EndVisitor {
            endpoint,
            entry: PhantomData,
        },
    )
}

struct EndVisitor<P> {
    endpoint: Endpoint,
    entry: PhantomData<P>,
}

impl<'de, P: Placeable> Visitor<'de> for EndVisitor<P> {
    type Value = (P, Option<Tag>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", role(self.endpoint))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        if !is_receiving() {
            return Err(D::Error::custom(codec::refuse_end()));
        }
        let (slot, entry, number) = <(u32, u32, u32)>::deserialize(deserializer)?;
        let end = self.receive(slot, entry, number);
        end.map_err(|message| D::Error::custom(refuse(message)))
    }
}

impl<P: Placeable> EndVisitor<P> {
    fn receive(&self, slot: u32, entry: u32, number: u32) -> Result<(P, Option<Tag>), String> {
        let taken = match take_end(number) {
            Some(ReceivedEnd::Taken(taken)) => Some(taken),
            Some(ReceivedEnd::Over) => None,
            None => return Err(format!("end {number} was not passed, or is decoded twice")),
        };
        let handle = open(slot)?
            .open_at(entry)
            .map_err(|error| error.to_string())?;
        let Some(mut taken) = taken else {
            return Ok((handle, None));
        };
        if taken.entry != entry || taken.endpoint != self.endpoint {
            return Err(format!("end {number} is that of another entry or endpoint"));
        }
        // The handle has it from here on, and keeps the segment open.
        Ok((handle, taken.me.take()))
    }
}

/// Takes over a sender from another process, as a spawned process does that has it among its
/// arguments; `None` if it is over, or cannot be counted. For the verification.
#[doc(hidden)]
pub fn take_over_sender<Q: Countable>(queue: &Q) -> Option<SenderOf<Q>> {
    let entry = queue.entry();
    let segment = Segment::from_mapping(entry.mapping.clone());
    // Counted ends do not ask whose they were.
    let end = HandOver {
        endpoint: Endpoint::Sender,
        from: Tag::from_bits(Tag::MASK)?,
        as_of: last_count(queue),
    };
    let me = segment.take_over_end(entry.index, end).ok()?;
    Some(SenderOf::counted_as(queue.clone(), me))
}

macro_rules! end_serde {
    ($($handle:ident $endpoint:ident)+) => {$(
        /// Serialises as an argument of a spawned function, and nowhere else.
        impl<Q: Countable> Serialize for $handle<Q> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_end(&**self, Endpoint::$endpoint, (self.tag(), last_count(&**self)), serializer)
            }
        }

        /// Deserialises as an argument of a spawned function, and nowhere else.
        impl<'de, Q: Countable> Deserialize<'de> for $handle<Q> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (queue, me): (Q, _) = deserialize_end(Endpoint::$endpoint, deserializer)?;
                match me {
                    Some(me) => Ok(Self::counted_as(queue, me)),
                    None => Self::over(&queue).map_err(|error| {
                        D::Error::custom(refuse(format!("a queue that is over: {error}")))
                    }),
                }
            }
        }
    )+};
}

end_serde!(SenderOf Sender ReceiverOf Receiver);
