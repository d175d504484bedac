//! Handles among the arguments and results of processes.
//!
//! A handle serialises as a slot number and an entry index. The slots are the segments that the
//! values refer to, each once, gathered in a thread-local while one value is encoded. Their
//! descriptors are passed beside the bytes: by inheritance to a new process, and over a socket
//! back.
//!
//! An end of a queue has a number in the list of ends besides, which the job has: the new process
//! takes them over before it decodes anything (see [`ends`](super::ends)).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::OwnedFd;

use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CodecError;
use super::ends::{ReceivedEnd, SentEnd};
use crate::codec::{self, Output};
use crate::payload::{Cause, ValueError};
use crate::segment::Segment;

thread_local! {
    static TRANSFER: RefCell<Option<Transfer>> = const { RefCell::new(None) };
    /// Whether there is a transfer. It has no drop, so that looking at it costs a load.
    static TRANSFERRING: Cell<bool> = const { Cell::new(false) };
}

/// The transfer of the value that this thread is encoding or decoding.
struct Transfer {
    slots: TransferSlots,
    /// The error of a handle: the codec drops the text of errors.
    refusal: Option<String>,
}

enum TransferSlots {
    Sending {
        segments: Vec<Segment>,
        ends: EndList,
    },
    Receiving {
        slots: Vec<SegmentSlot>,
        /// `None` for an end that was decoded.
        ends: Vec<Option<ReceivedEnd>>,
    },
}

/// The ends among the handles of a value that is encoded.
enum EndList {
    /// Of the arguments of a function.
    Arguments(Vec<SentEnd>),
    /// The result of a function can have none.
    Result,
    /// Nor can what a pool and its workers send each other.
    Pool,
}

enum SegmentSlot {
    /// A descriptor, with the sender's name of the segment.
    Closed(OwnedFd, Option<String>),
    Open(Segment),
    /// Taken while the segment is opened, or after that failed.
    Empty,
}

/// Makes a transfer the current one of this thread, and on drop the previous one again.
struct TransferScope(Option<Transfer>);

impl TransferScope {
    fn enter(slots: TransferSlots) -> Self {
        TRANSFERRING.set(true);
        Self(TRANSFER.replace(Some(Transfer {
            slots,
            refusal: None,
        })))
    }

    /// Ends the transfer of a value; the error is that of a handle, if there was one.
    fn left_with<T>(self, value: Result<T, ValueError>) -> Result<T, CodecError> {
        let transfer = self.leave();
        match value {
            Ok(value) => Ok(value),
            Err(error) => Err(error_of(error, transfer)),
        }
    }

    fn leave(self) -> Option<Transfer> {
        // The drop of `self` makes the previous transfer the current one again.
        TRANSFER.take()
    }
}

impl Drop for TransferScope {
    fn drop(&mut self) {
        let previous = self.0.take();
        TRANSFERRING.set(previous.is_some());
        TRANSFER.set(previous);
    }
}

/// An encoded value.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// The segments that its handles live in.
    pub(super) segments: Vec<Segment>,
    /// The ends among its handles.
    pub(super) ends: Vec<SentEnd>,
}

/// Encodes the arguments of a function.
pub(super) fn encode_arguments<T: Serialize>(value: &T) -> Result<Encoded, CodecError> {
    encode(value, EndList::Arguments(Vec::new()))
}

/// Encodes the result of a function.
pub(super) fn encode_result<T: Serialize>(value: &T) -> Result<Encoded, CodecError> {
    encode(value, EndList::Result)
}

fn encode<T: Serialize>(value: &T, ends: EndList) -> Result<Encoded, CodecError> {
    encode_by(&mut || codec::encode(value), ends)
}

/// As [`encode`], of a value that `encode` encodes. What does not depend on the type is built once.
fn encode_by(
    encode: &mut dyn FnMut() -> Result<Vec<u8>, ValueError>,
    ends: EndList,
) -> Result<Encoded, CodecError> {
    let segments = Vec::new();
    let scope = TransferScope::enter(TransferSlots::Sending { segments, ends });
    let bytes = encode();
    match (bytes, scope.leave()) {
        (
            Ok(bytes),
            Some(Transfer {
                slots: TransferSlots::Sending { segments, ends },
                ..
            }),
        ) => Ok(Encoded {
            bytes: with_names(bytes, &segments)?,
            segments,
            ends: match ends {
                EndList::Arguments(ends) => ends,
                EndList::Result | EndList::Pool => Vec::new(),
            },
        }),
        (Ok(_), _) => Err(CodecError::handle(codec::refuse_handle().to_owned())),
        (Err(error), transfer) => Err(error_of(error, transfer)),
    }
}

/// Appends the names of the segments, and their length, to the bytes of a value: a descriptor does
/// not tell the name of its file.
fn with_names(bytes: Vec<u8>, segments: &[Segment]) -> Result<Vec<u8>, CodecError> {
    let end = bytes.len();
    let names: Vec<Option<&str>> = segments.iter().map(Segment::name).collect();
    let mut bytes = match names.iter().any(Option::is_some) {
        true => codec::encode_behind(bytes, &names)?,
        false => bytes,
    };
    let length = u32::try_from(bytes.len() - end);
    let length = length.map_err(|_| CodecError::handle("too many names".to_owned()))?;
    bytes.extend_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Splits what [`with_names`] put together.
fn without_names(bytes: &[u8]) -> Result<(&[u8], Vec<Option<String>>), CodecError> {
    let parts = bytes.split_last_chunk().and_then(|(rest, length)| {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        rest.split_at_checked(rest.len().checked_sub(length)?)
    });
    let cut = || CodecError::handle("a value without the names of its segments".to_owned());
    match parts.ok_or_else(cut)? {
        (value, []) => Ok((value, Vec::new())),
        (value, names) => Ok((value, codec::decode(names)?)),
    }
}

/// An encoded value that arrived.
pub(super) struct Received<'a> {
    value: &'a [u8],
    slots: Vec<SegmentSlot>,
    ends: Vec<ReceivedEnd>,
}

impl<'a> Received<'a> {
    /// Splits a value from the names of its segments, which arrived as `fds`.
    pub(super) fn new(bytes: &'a [u8], fds: Vec<OwnedFd>) -> Result<Self, CodecError> {
        let (value, names) = without_names(bytes)?;
        let names = names.into_iter().chain(std::iter::repeat(None));
        let slots = fds.into_iter().zip(names);
        Ok(Self {
            value,
            slots: slots
                .map(|(fd, name)| SegmentSlot::Closed(fd, name))
                .collect(),
            ends: Vec::new(),
        })
    }

    /// Takes over the ends among the handles of the value.
    pub(super) fn take_over(&mut self, ends: &[SentEnd]) -> Result<(), CodecError> {
        for end in ends {
            let slot = usize::try_from(end.slot).unwrap_or(usize::MAX);
            let empty = || CodecError::handle(not_passed(end.slot));
            let slot = self.slots.get_mut(slot).ok_or_else(empty)?;
            let taken = std::mem::replace(slot, SegmentSlot::Empty);
            let segment = taken.open(end.slot).map_err(CodecError::handle)?;
            *slot = SegmentSlot::Open(segment.clone());
            let taken = ReceivedEnd::take_over(segment, end).map_err(CodecError::handle)?;
            self.ends.push(taken);
        }
        Ok(())
    }

    /// Decodes the value. Segments that no handle refers to are closed, and ends that no handle is
    /// of are given up.
    pub(super) fn decode<T: DeserializeOwned>(self) -> Result<T, CodecError> {
        let (bytes, scope) = self.into_scope();
        let value = codec::decode(bytes);
        scope.left_with(value)
    }

    /// Makes the value's transfer the current one.
    fn into_scope(self) -> (&'a [u8], TransferScope) {
        let ends = self.ends.into_iter().map(Some).collect();
        let slots = self.slots;
        let scope = TransferScope::enter(TransferSlots::Receiving { slots, ends });
        (self.value, scope)
    }
}

/// Decodes a value without ends, whose segments arrived as `fds`.
pub(super) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    fds: Vec<OwnedFd>,
) -> Result<T, CodecError> {
    Received::new(bytes, fds)?.decode()
}

/// The text of a handle that a worker cannot return, or that has no place beside a value.
const UNKNOWN: &str = "the segment of a handle is neither among the arguments of the pool's \
                       initializer nor among those of the task: pass it to the initializer, or \
                       spawn a process with it";

/// Whether this thread encodes or decodes a value just now, and this one is a part of it.
#[inline(always)]
fn is_within_another() -> bool {
    TRANSFERRING.with(Cell::get)
}

/// Appends the encoding of an argument of a task, whose handles live in `known` segments, or in
/// others, which are added to `more`. What is there stays as it is if that fails.
#[inline(always)]
pub(super) fn encode_argument<T: Serialize, O: Output>(
    bytes: &mut O,
    value: &T,
    known: &[Segment],
    more: &mut Vec<Segment>,
) -> Result<(), CodecError> {
    if known.is_empty() && more.is_empty() && !is_within_another() {
        match codec::append_plain(bytes, value) {
            Err(error) if is_of_handle(&error) => {}
            encoded => return encoded.map_err(CodecError::from),
        }
    }
    encode_handles(bytes, value, known, more)
}

/// Appends the encoding of the result of a task, whose handles live in `known` segments.
#[inline(always)]
pub(super) fn encode_known<T: Serialize, O: Output>(
    bytes: &mut O,
    value: &T,
    known: &[Segment],
) -> Result<(), CodecError> {
    if known.is_empty() && !is_within_another() {
        match codec::append_plain(bytes, value) {
            Err(error) if is_of_handle(&error) => {}
            encoded => return encoded.map_err(CodecError::from),
        }
    }
    let (before, mut more) = (bytes.len(), Vec::new());
    encode_handles(bytes, value, known, &mut more)?;
    if !more.is_empty() {
        bytes.truncate(before);
        return Err(CodecError::handle(UNKNOWN.to_owned()));
    }
    Ok(())
}

/// Whether a value was not encoded because of a handle, which a transfer is for.
#[cold]
fn is_of_handle(error: &ValueError) -> bool {
    [Cause::Handle, Cause::End]
        .map(ValueError::from)
        .contains(error)
}

fn encode_handles<T: Serialize, O: Output>(
    bytes: &mut O,
    value: &T,
    known: &[Segment],
    more: &mut Vec<Segment>,
) -> Result<(), CodecError> {
    let scope = TransferScope::enter(TransferSlots::Sending {
        segments: known.iter().chain(&*more).cloned().collect(),
        ends: EndList::Pool,
    });
    let encoded = codec::append_plain(bytes, value);
    let transfer = scope.leave();
    match (encoded, transfer) {
        (
            Ok(()),
            Some(Transfer {
                slots: TransferSlots::Sending { mut segments, .. },
                ..
            }),
        ) => {
            *more = segments.split_off(known.len());
            Ok(())
        }
        (Ok(()), _) => Err(CodecError::handle(codec::refuse_handle().to_owned())),
        (Err(error), transfer) => Err(error_of(error, transfer)),
    }
}

#[cold]
fn without_transfer(error: ValueError) -> CodecError {
    if error == Cause::Handle.into() {
        return CodecError::handle(UNKNOWN.to_owned());
    }
    error.into()
}

/// Decodes what [`encode_argument`] or [`encode_known`] encoded.
#[inline(always)]
pub(super) fn decode_known<T: DeserializeOwned>(
    bytes: &[u8],
    known: &[Segment],
) -> Result<T, CodecError> {
    if known.is_empty() && !is_within_another() {
        return codec::decode_plain(bytes).map_err(without_transfer);
    }
    decode_handles(bytes, known)
}

fn decode_handles<T: DeserializeOwned>(bytes: &[u8], known: &[Segment]) -> Result<T, CodecError> {
    let slots = known.iter().cloned().map(SegmentSlot::Open).collect();
    let ends = Vec::new();
    let scope = TransferScope::enter(TransferSlots::Receiving { slots, ends });
    let value = codec::decode_plain(bytes);
    scope.left_with(value)
}

fn error_of(error: ValueError, transfer: Option<Transfer>) -> CodecError {
    match transfer.and_then(|transfer| transfer.refusal) {
        Some(message) => CodecError::handle(message),
        None => error.into(),
    }
}

/// Runs `f` on the current transfer; `None` if there is none.
fn with_transfer<T>(f: impl FnOnce(&mut Transfer) -> Option<T>) -> Option<T> {
    TRANSFER
        .try_with(|transfer| transfer.borrow_mut().as_mut().and_then(f))
        .ok()
        .flatten()
}

/// Stores the text of a handle's error and returns it.
pub(super) fn refuse(message: String) -> String {
    with_transfer(|transfer| {
        transfer.refusal = Some(message.clone());
        Some(())
    });
    message
}

/// What a handle is of, in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HandlePlace {
    /// The segment itself.
    Segment,
    /// The entry of that number.
    Entry(u32),
    /// An object of a manager, which holds nothing on its way.
    Object {
        /// The number of the manager's entry.
        manager: u32,
        /// The object's number there.
        number: u64,
    },
}

/// Serialises a handle: its segment, and what it is of there.
///
/// Fails, in the serializer's error, anywhere but in an argument or result of a spawned function.
pub(super) fn serialize_handle<S: Serializer>(
    segment: &Segment,
    place: HandlePlace,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let slot = with_transfer(|transfer| match &mut transfer.slots {
        TransferSlots::Sending { segments, .. } => slot_of(segments, segment),
        TransferSlots::Receiving { .. } => None,
    });
    let Some(slot) = slot else {
        return Err(S::Error::custom(codec::refuse_handle()));
    };
    serializer.serialize_newtype_struct(codec::HANDLE, &(slot, place))
}

/// Returns the slot of a segment among those that a value refers to.
fn slot_of(segments: &mut Vec<Segment>, segment: &Segment) -> Option<u32> {
    let known = segments.iter().position(|known| known.id() == segment.id());
    let slot = known.unwrap_or_else(|| {
        segments.push(segment.clone());
        segments.len() - 1
    });
    u32::try_from(slot).ok()
}

/// Where a value is sent that an end is in.
pub(super) enum EndPlace {
    /// Among the arguments of a function, with its slot and number.
    Argument { slot: u32, number: u32 },
    /// In the result of a function.
    Result,
    /// Between a pool and its workers.
    Pool,
    /// Elsewhere.
    Outside,
}

/// Adds an end of an entry to the list of the value that this thread encodes; `sent` makes its line
/// of its slot.
pub(super) fn add_end(segment: &Segment, sent: impl FnOnce(u32) -> SentEnd) -> EndPlace {
    let place = with_transfer(|transfer| match &mut transfer.slots {
        TransferSlots::Sending { segments, ends } => Some(match ends {
            EndList::Arguments(ends) => {
                let slot = slot_of(segments, segment)?;
                let number = u32::try_from(ends.len()).ok()?;
                ends.push(sent(slot));
                EndPlace::Argument { slot, number }
            }
            EndList::Result => EndPlace::Result,
            EndList::Pool => EndPlace::Pool,
        }),
        TransferSlots::Receiving { .. } => None,
    });
    place.unwrap_or(EndPlace::Outside)
}

/// Takes an end, with this number, out of the list of the value that this thread decodes.
pub(super) fn take_end(number: u32) -> Option<ReceivedEnd> {
    with_transfer(|transfer| match &mut transfer.slots {
        TransferSlots::Receiving { ends, .. } => {
            ends.get_mut(usize::try_from(number).ok()?)?.take()
        }
        TransferSlots::Sending { .. } => None,
    })
}

/// Whether this thread decodes a value that may have handles.
pub(super) fn is_receiving() -> bool {
    let receiving = with_transfer(|transfer| {
        matches!(transfer.slots, TransferSlots::Receiving { .. }).then_some(())
    });
    receiving.is_some()
}

/// Deserialises what [`serialize_handle`] wrote.
///
/// Fails, in the deserializer's error, anywhere but in an argument or result of a spawned function,
/// and if the segment cannot be mapped.
pub(super) fn deserialize_handle<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Segment, HandlePlace), D::Error> {
    deserializer.deserialize_newtype_struct(codec::HANDLE, HandleVisitor)
}

/// Deserialises the content of a handle. Its newtype has a name, by which the codec recognises
/// handles.
struct HandleVisitor;

impl<'de> Visitor<'de> for HandleVisitor {
    type Value = (Segment, HandlePlace);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a handle of shared memory")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        if !is_receiving() {
            return Err(D::Error::custom(codec::refuse_handle()));
        }
        let (slot, place) = <(u32, HandlePlace)>::deserialize(deserializer)?;
        match open(slot) {
            Ok(segment) => Ok((segment, place)),
            Err(message) => Err(D::Error::custom(refuse(message))),
        }
    }
}

/// Returns the segment in `slot`, mapped at the first call.
pub(super) fn open(slot: u32) -> Result<Segment, String> {
    let taken = with_slot(slot, |slot| std::mem::replace(slot, SegmentSlot::Empty));
    // Mapping runs other code, so the thread-local is not borrowed meanwhile.
    let segment = taken.unwrap_or(SegmentSlot::Empty).open(slot)?;
    with_slot(slot, |slot| *slot = SegmentSlot::Open(segment.clone()));
    Ok(segment)
}

impl SegmentSlot {
    /// Returns the segment, mapped now if it was not before.
    fn open(self, slot: u32) -> Result<Segment, String> {
        match self {
            Self::Open(segment) => Ok(segment),
            Self::Closed(fd, name) => Segment::inherit(fd, name.as_deref())
                .map_err(|error| format!("the segment of a handle cannot be mapped: {error}")),
            Self::Empty => Err(not_passed(slot)),
        }
    }
}

fn not_passed(slot: u32) -> String {
    format!("a handle refers to segment {slot}, which was not passed with it")
}

fn with_slot<T>(slot: u32, f: impl FnOnce(&mut SegmentSlot) -> T) -> Option<T> {
    with_transfer(|transfer| match &mut transfer.slots {
        TransferSlots::Receiving { slots, .. } => slots.get_mut(usize::try_from(slot).ok()?).map(f),
        TransferSlots::Sending { .. } => None,
    })
}
