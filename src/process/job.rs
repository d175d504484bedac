//! The job: the contents of the sealed memfd that the environment names, or the end of a request to
//! a fork server's process.
//!
//! ```text
//! 0        8         12      20
//! | magic  | version | nonce | postcard: what to run, what was inherited | postcard: arguments |
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::SpawnError;
use super::ends::SentEnd;
use super::own::Lineage;
use crate::codec;
use crate::payload::ValueError;
use crate::sys::exe::Image;
use crate::sys::limits::{self, Limit};
use crate::sys::process::{freeze, is_frozen};
use crate::sys::shm;

/// The environment variable: the job's descriptor number, a colon, the nonce.
pub(super) const VARIABLE: &str = "CROSSDOCK_SPAWN";

const MAGIC: [u8; 8] = *b"crossjob";
/// The version of the bytes of jobs and results, raised with any change.
pub(super) const VERSION: u32 = 6;
const PREFIX: usize = 20;

/// The function to run, and what was inherited for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// In the prefix.
    #[serde(skip)]
    pub(super) nonce: u64,
    pub(super) image: Image,
    /// Offsets from the load base.
    pub(super) function: u64,
    pub(super) trampoline: u64,
    /// Descriptor numbers.
    pub(super) result: i32,
    pub(super) socket: i32,
    pub(super) segments: Vec<i32>,
    /// The ends among the arguments.
    pub(super) ends: Vec<SentEnd>,
    /// Whether the parent waits until the worker has taken over the ends.
    pub(super) acknowledged: bool,
    /// What the worker is.
    pub(super) lineage: Lineage,
    /// The parent's pidfd, if the worker exits with the parent.
    pub(super) parent: Option<i32>,
    /// Whether the worker becomes a fork server, whose descriptors are those of the segments.
    pub(super) serves: bool,
    pub(super) harness: Option<Harness>,
}

/// What a worker does under a test harness.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Harness {
    /// The real standard output; `None` if it is `/dev/null`.
    pub(super) output: Option<i32>,
    /// The test that becomes the worker.
    pub(super) worker: String,
}

/// The result of looking up the descriptor in the environment.
pub(super) enum JobLookup {
    /// Not a job: the variable is stale.
    NotAJob,
    /// A job of another version, or a damaged one, with the reason.
    Incompatible(&'static str),
    /// A job and its encoded arguments.
    Job(Box<Job>, Vec<u8>),
}

impl Job {
    /// Encodes the job, with the encoded arguments behind it.
    pub(super) fn encode(self, arguments: &[u8]) -> Result<Vec<u8>, ValueError> {
        let mut bytes = Vec::with_capacity(PREFIX + 128 + arguments.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.nonce.to_le_bytes());
        let mut bytes = codec::encode_behind(bytes, &self)?;
        bytes.extend_from_slice(arguments);
        Ok(bytes)
    }

    /// Reads the job in `file`, if it is a job with this nonce.
    pub(super) fn read(file: &File, nonce: u64) -> io::Result<JobLookup> {
        if !is_frozen(file)? {
            return Ok(JobLookup::NotAJob);
        }
        // The prefix is checked first: an unrelated file may be of any size.
        let mut prefix = [0; PREFIX];
        if file.read_exact_at(&mut prefix, 0).is_err() {
            return Ok(JobLookup::NotAJob);
        }
        let (magic, rest) = prefix.split_at(MAGIC.len());
        let (version, found) = rest.split_at(size_of_val(&VERSION));
        if magic != MAGIC || found != nonce.to_le_bytes() {
            return Ok(JobLookup::NotAJob);
        }
        if version != VERSION.to_le_bytes() {
            return Ok(JobLookup::Incompatible(
                "the parent has another version of crossdock",
            ));
        }
        Ok(match Self::decode(&read_all(file)?) {
            Some((mut job, arguments)) => {
                job.nonce = nonce;
                JobLookup::Job(Box::new(job), arguments)
            }
            None => JobLookup::Incompatible("the job does not decode"),
        })
    }

    /// Decodes a job that another process of this program [encoded](Self::encode), and its
    /// arguments.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let rest = bytes.get(PREFIX..)?;
        let (job, arguments) = postcard::take_from_bytes(rest).ok()?;
        Some((job, arguments.to_vec()))
    }
}

/// Returns a sealed memfd with an encoded job in it.
pub(super) fn written(bytes: &[u8]) -> Result<File, SpawnError> {
    let job = shm::memfd(c"crossdock-job").map_err(SpawnError::system("making the job's memfd"))?;
    let job = File::from(job);
    job.write_all_at(bytes, 0)
        .map_err(SpawnError::system("writing the job"))?;
    freeze(&job).map_err(SpawnError::system("sealing the job"))?;
    Ok(job)
}

/// Returns the limit that a memfd of `len` bytes would exceed, and the bytes that it still allows.
///
/// Nothing else stops a memfd from taking all memory. The check takes a tenth of a spawn's time, so
/// small sizes are not checked.
pub(super) fn refusal(len: usize) -> Option<(Limit, u64)> {
    const SMALL: usize = 64 << 10;
    if len <= SMALL {
        // Exceeding this limit kills, however small the file.
        limits::file_size_refusal(len as u64)
    } else {
        limits::refusal(len as u64, None)
    }
}

/// Reads all bytes of a file whose size is sealed.
pub(super) fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len())
        .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
