//! Segments that the arguments of a task refer to and the pool's initializer was not given.
//!
//! Their descriptors stay open in the pool's process until the task has ended. Behind the items the
//! message has a frame with the number of each descriptor, and the device and inode of its file.
//! The worker opens `/proc/PID/fd/N`, and checks that it is that file: a number may have been given
//! to another file, and the process id to another process, once the pool's process has ended.
//!
//! | killed | what happens |
//! |---|---|
//! | worker | its mappings end with it; the message, which is sent again, says the same to the next one |
//! | the pool's process, before the worker has opened them | there is no such path, or it leads to another file: an error of the task, which no process reads |
//! | the pool's process, later | a mapping needs no descriptor |
//!
//! A worker maps them for the task alone, and for as long as the function keeps a handle.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::message::{FrameKind, push_frame};
use crate::codec::{self, Output};
use crate::process::{CodecError, own};
use crate::segment::Segment;
use crate::sys::shm;

/// Where a worker finds a segment.
#[derive(Serialize, Deserialize)]
struct PassedSegment {
    /// The number of a descriptor of the pool's process.
    fd: i32,
    device: u64,
    inode: u64,
    name: Option<String>,
}

/// Parent: appends the frame of the segments.
pub(super) fn push(message: &mut impl Output, segments: &[Segment]) -> Result<(), CodecError> {
    let passed = segments.iter().map(|segment| PassedSegment {
        fd: segment.as_fd().as_raw_fd(),
        device: segment.id().device,
        inode: segment.id().inode,
        name: segment.name().map(str::to_owned),
    });
    let bytes = codec::encode(&passed.collect::<Vec<_>>())?;
    push_frame(message, FrameKind::Value, &bytes)
        .map_err(|_| CodecError::handle("the message has no room for its segments".to_owned()))
}

/// Worker: maps the segments of a frame.
pub(super) fn open(frame: &[u8]) -> Result<Vec<Segment>, CodecError> {
    let passed: Vec<PassedSegment> = codec::decode(frame)?;
    let parent = own::parent().map_or(0, |parent| parent.id);
    passed
        .into_iter()
        .map(|passed| passed.open(parent).map_err(CodecError::handle))
        .collect()
}

impl PassedSegment {
    fn open(self, parent: u32) -> Result<Segment, String> {
        const INSTEAD: &str = "pass its handle to the pool's initializer";
        let path = PathBuf::from(format!("/proc/{parent}/fd/{}", self.fd));
        let opened = shm::open_of_process(&path, (self.device, self.inode));
        let refused = |why: &str| {
            let path = path.display();
            format!("the segment of a handle cannot be opened through {path}: {why}; {INSTEAD}")
        };
        match opened {
            Ok(Some(fd)) => Segment::inherit(fd, self.name.as_deref())
                .map_err(|error| format!("the segment of a handle cannot be mapped: {error}")),
            Ok(None) => Err(refused(
                "expected the file that the task was submitted with, found another",
            )),
            Err(error) => Err(refused(&error.to_string())),
        }
    }
}
