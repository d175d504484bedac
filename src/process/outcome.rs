//! The outcome of a worker: the contents of the result memfd.
//!
//! ```text
//! 0     4         8      12         16
//! | pid | started | kind | segments | payload |
//! ```
//! The pid is written before exec, `started` when the worker takes its job, the rest when the job
//! is done. **Commit:** the seals. Before them there is no outcome, whatever the bytes are; after
//! them no process can change it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::job::{read_all, refusal};
use crate::sys::process::{TOO_LARGE, freeze, is_frozen};

const STARTED_AT: u64 = 4;
const KIND_AT: u64 = 8;
const HEADER: usize = 16;

/// The kind of an outcome. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum OutcomeKind {
    /// The payload is the encoded value.
    Value = 1,
    /// The payload is the encoded panic.
    Panicked = 2,
    /// The payload is the error of decoding the arguments.
    Arguments = 3,
    /// The payload is the error of serialising the value.
    Encode = 4,
    /// The payload is the reason why the job was not run.
    Refused = 5,
    /// The payload is the errno that kept the value from being handed over.
    Unsent = 6,
    /// The payload is the encoded error that the function returned.
    Failed = 7,
}

impl OutcomeKind {
    fn of(number: u32) -> Option<Self> {
        [
            Self::Value,
            Self::Panicked,
            Self::Arguments,
            Self::Encode,
            Self::Refused,
            Self::Unsent,
            Self::Failed,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
    }
}

/// A committed outcome.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) kind: OutcomeKind,
    /// The number of segments whose descriptors were sent for the value.
    pub(super) segments: u32,
    pub(super) payload: Vec<u8>,
}

impl Outcome {
    /// Reads the outcome in `file`. Returns `None` if none was committed.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        if !is_frozen(file)? {
            return Ok(None);
        }
        let mut payload = read_all(file)?;
        let header: Vec<u8> = payload.drain(..HEADER.min(payload.len())).collect();
        let kind = number(&header, 8).and_then(OutcomeKind::of);
        match (kind, number(&header, 12)) {
            (Some(kind), Some(segments)) => Ok(Some(Self {
                kind,
                segments,
                payload,
            })),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
}

/// Reads the pid recorded in `file`, and whether the worker has started.
pub(super) fn progress(file: &File) -> io::Result<(u32, bool)> {
    let mut bytes = [0; 8];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        // The file has only the pid yet.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    Ok((
        number(&bytes, 0).unwrap_or(0),
        number(&bytes, 4).unwrap_or(0) != 0,
    ))
}

/// Records that the worker has taken its job.
pub(super) fn record_start(file: &File) -> io::Result<()> {
    file.write_all_at(&1_u32.to_le_bytes(), STARTED_AT)
}

/// Writes the outcome and commits it.
pub(super) fn commit(
    file: &File,
    kind: OutcomeKind,
    segments: u32,
    payload: &[u8],
) -> io::Result<()> {
    if refusal(HEADER + payload.len()).is_some() {
        return Err(io::Error::from_raw_os_error(TOO_LARGE));
    }
    file.write_all_at(payload, HEADER as u64)?;
    file.set_len((HEADER + payload.len()) as u64)?;
    let mut header = [0; 8];
    header[..4].copy_from_slice(&(kind as u32).to_le_bytes());
    header[4..].copy_from_slice(&segments.to_le_bytes());
    file.write_all_at(&header, KIND_AT)?;
    freeze(file)
}
