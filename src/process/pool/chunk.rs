//! A task in its worker: the items that are to be run, and the results of those that ran.

use std::borrow::Cow;
use std::io::{Write, stdout};
use std::process::exit;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TaskError;
use super::last_words;
use super::message::{
    FRAME_HEAD, FrameKind, ReplyHeader, ReplyKind, TaskHeader, begin_frame, end_frame, next_frame,
    push_frame,
};
use super::passed;
use super::segment::{Buffer, PlaceFrames};
use super::worker::{Setup, now, wait_for_the_end};
use super::worker_options::PoolsProcess;
use crate::algorithm::tasks::{Task, TaskWord};
use crate::codec::{self, Output, OutputFull};
use crate::process::{CodecError, RemoteError, handles};
use crate::queue::SendError;
use crate::segment::Segment;
use crate::sys::events::Here;
use crate::sys::exe::Code;

/// A task that has begun.
pub(super) struct Chunk<'a> {
    setup: &'a Setup,
    pools: &'a PoolsProcess,
    code: &'a Code,
    /// This process, and no child that the function has forked.
    here: &'a Here,
    header: &'a TaskHeader,
    task: Task<'a>,
    running: TaskWord,
    /// The segments that handles may live in: those that the worker has, and those that came with
    /// the task, or why they did not.
    known: Cow<'a, [Segment]>,
    unmapped: Option<CodecError>,
    /// The arguments of the items that have not run.
    arguments: &'a [u8],
    /// The item that is run, or is to be run next.
    item: u32,
    /// The first item whose frame is in the place, and the frames.
    base: u32,
    frames: PlaceFrames<'a>,
    /// Where the frame of the item that is run begins.
    at: usize,
    buffer: Buffer<'a>,
    /// How often the item ran and returned an error, after which it ran again.
    tries: u64,
    /// Whether the buffer is this task's. It is not if there is but one item, whose commit is the
    /// reply.
    opened: bool,
    /// The reply of one item whose frame is longer than the place.
    large: Option<Vec<u8>>,
    /// Nothing can be sent any more, or the pool's process has ended.
    lost: bool,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(
        (setup, pools, code, here): (&'a Setup, &'a PoolsProcess, &'a Code, &'a Here),
        header: &'a TaskHeader,
        (task, running): (Task<'a>, TaskWord),
        (buffer, frames): (Buffer<'a>, PlaceFrames<'a>),
        mut arguments: &'a [u8],
    ) -> Self {
        let (known, unmapped) = segments_of(header, arguments, &setup.known);
        for _ in 0..header.first {
            next_frame(&mut arguments);
        }
        let opened = header.items > header.first.saturating_add(1);
        if opened {
            buffer.open(header.id, header.first);
        }
        Self {
            setup,
            pools,
            code,
            here,
            header,
            task,
            running,
            known,
            unmapped,
            arguments,
            item: header.first,
            base: header.first,
            frames,
            at: 0,
            buffer,
            tries: 0,
            opened,
            large: None,
            lost: false,
        }
    }

    /// Decodes the argument of an item.
    #[inline(always)]
    pub(super) fn decode<A: DeserializeOwned>(&self, argument: &[u8]) -> Result<A, CodecError> {
        handles::decode_known(argument, &self.known)
            .map_err(|error| self.unmapped.clone().unwrap_or(error))
    }

    /// Returns how many items were run.
    pub(super) fn served(&self) -> u64 {
        self.item.saturating_sub(self.header.first).into()
    }

    /// Returns the argument of the next item, if there is one.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<&'a [u8]> {
        if self.item >= self.header.items || self.lost {
            return None;
        }
        self.at = self.frames.len();
        self.tries = 0;
        last_words::forget();
        // An argument that is not there does not decode.
        Some(next_frame(&mut self.arguments).map_or(&[], |(_, bytes)| bytes))
    }

    /// Ends the process if it is a child that the function forked: the task is its parent's.
    #[inline(always)]
    pub(super) fn end_if_forked(&self) {
        if !self.here.is_here() {
            let _ = stdout().flush();
            exit(0);
        }
    }

    /// Writes the result of the item, which is not committed yet.
    #[inline(always)]
    pub(super) fn write<R: Serialize>(&mut self, result: &R) {
        match write_value(&mut self.frames, result, &self.known) {
            Ok(()) => {}
            Err(error) if self.frames.full => self.write_elsewhere(result, &error),
            Err(error) => self.write_error(FrameKind::Encode, &error),
        }
    }

    /// Makes room for a result by sending those before it. If it is longer than the place, it is a
    /// reply of its own.
    #[cold]
    fn write_elsewhere<R: Serialize>(&mut self, result: &R, error: &CodecError) {
        if self.send_part() && write_value(&mut self.frames, result, &self.known).is_ok() {
            return;
        }
        if !self.frames.full {
            return self.write_error(FrameKind::Encode, error);
        }
        self.frames.full = false;
        let mut large = vec![0; ReplyHeader::LEN];
        match write_value(&mut large, result, &self.known) {
            Ok(()) => self.large = Some(large),
            Err(error) => self.write_error(FrameKind::Encode, &error),
        }
    }

    #[cold]
    pub(super) fn write_error(&mut self, kind: FrameKind, error: &CodecError) {
        self.write_frame(kind, error.to_string().as_bytes());
    }

    /// Whether the item is to run once more after an error that its function returned.
    #[cold]
    pub(super) fn runs_again_after(&mut self, error: &RemoteError) -> bool {
        let policy = self.setup.shared.running.policy(self.header.slot);
        let (retries, offset) = (policy >> 56, policy & ((1 << 56) - 1));
        if self.tries >= retries {
            return false;
        }
        let Some(wanted) = self.code.address(offset) else {
            return false;
        };
        self.tries += 1;
        // SAFETY: the parent, whose program this is, took the offset from such a function.
        let wanted = unsafe { std::mem::transmute::<*const (), fn(&TaskError) -> bool>(wanted) };
        wanted(&TaskError::Failed(error.clone()))
    }

    /// Writes the error that the function returned.
    #[cold]
    pub(super) fn write_failure(&mut self, error: &RemoteError) {
        // Texts and bytes always serialise.
        let error = codec::encode(error).unwrap_or_default();
        if error.len() + FRAME_HEAD <= self.frames.most() {
            return self.write_frame(FrameKind::Failed, &error);
        }
        let mut large = vec![0; ReplyHeader::LEN];
        if self.send_part() && push_frame(&mut large, FrameKind::Failed, &error).is_ok() {
            self.large = Some(large);
        }
    }

    /// Writes an outcome that is no result, instead of what was written of the item.
    pub(super) fn write_frame(&mut self, kind: FrameKind, bytes: &[u8]) {
        self.large = None;
        self.frames.truncate(self.at);
        self.frames.full = false;
        if push_frame(&mut self.frames, kind, bytes).is_err() && self.send_part() {
            // A text that is longer than the place.
            let len = bytes.len().min(self.frames.most() / 2);
            let _ = push_frame(&mut self.frames, kind, &bytes[..len]);
        }
        self.frames.full = false;
    }

    /// Commits the outcome of the item: from now on it is not lost, and the item does not run
    /// again. Of the last item of a task that is [finished](Self::finish) it is not known before
    /// that.
    #[inline(always)]
    pub(super) fn commit(&mut self) {
        if self.large.is_some() {
            self.send_large();
        }
        self.item += 1;
        if self.opened {
            self.buffer.record(self.item - self.base, self.frames.len());
        }
        if self.header.is_limited() && self.item < self.header.items {
            self.advance();
        }
        if self.pools.has_ended() {
            self.lost = true;
        }
    }

    fn advance(&mut self) {
        match self.task.advance(self.running, now(self.header)) {
            Ok(next) => self.running = next,
            Err(_) => self.wait_condemned(),
        }
    }

    /// The worker is condemned. Returns if its parent did not come to kill it.
    #[cold]
    fn wait_condemned(&mut self) {
        wait_for_the_end(self.pools);
        self.lost = true;
    }

    /// Sends the outcomes that were committed, a part of the task's, and empties the place.
    fn send_part(&mut self) -> bool {
        // What was written of the item that runs is written again.
        self.frames.truncate(self.at);
        if self.item > self.base && !self.send(ReplyKind::Part) {
            return false;
        }
        self.empty();
        true
    }

    fn empty(&mut self) {
        self.base = self.item;
        self.frames.truncate(0);
        self.frames.full = false;
        self.at = 0;
        if self.opened {
            self.buffer.open(self.header.id, self.base);
        }
    }

    #[cold]
    fn send_large(&mut self) {
        let Some(mut message) = self.large.take() else {
            return;
        };
        let header = self.header_of(ReplyKind::Part, 1);
        header.write(&mut message);
        match self.setup.shared.replies.send(&message) {
            Ok(()) => {
                self.item += 1;
                self.empty();
                self.item -= 1;
            }
            Err(SendError::TooLong((), long)) => {
                let size = (long.len as u64).to_le_bytes();
                self.write_frame(FrameKind::TooLarge, &size);
            }
            Err(_) => self.lost = true,
        }
    }

    fn header_of(&self, kind: ReplyKind, items: u32) -> ReplyHeader {
        ReplyHeader {
            id: self.header.id,
            kind,
            place: self.setup.place,
            first: self.base,
            items,
        }
    }

    /// Sends the outcomes that are in the place. Blocks while the parent does not take replies.
    fn send(&mut self, kind: ReplyKind) -> bool {
        let header = self.header_of(kind, self.item - self.base);
        let sent = self.setup.shared.replies.send(self.frames.reply(&header));
        self.lost |= sent.is_err();
        !self.lost
    }

    /// Sends the outcomes, and ends the task if all its items ran; else the rest is for another
    /// worker. Returns false if nothing can be sent any more.
    pub(super) fn finish(&mut self) -> bool {
        if self.lost {
            return false;
        }
        let is_last = self.item >= self.header.items;
        if is_last && self.task.finish(self.running).is_err() {
            self.wait_condemned();
            return false;
        }
        self.send(if is_last {
            ReplyKind::End
        } else {
            ReplyKind::Part
        })
    }
}

/// The segments that the handles of a task may live in, and why those that it passes are not among
/// them.
#[inline(always)]
fn segments_of<'a>(
    header: &TaskHeader,
    arguments: &[u8],
    known: &'a [Segment],
) -> (Cow<'a, [Segment]>, Option<CodecError>) {
    match header.is_passing() {
        false => (Cow::Borrowed(known), None),
        true => mapped(header, arguments, known),
    }
}

#[cold]
fn mapped<'a>(
    header: &TaskHeader,
    mut arguments: &[u8],
    known: &'a [Segment],
) -> (Cow<'a, [Segment]>, Option<CodecError>) {
    for _ in 0..header.items {
        next_frame(&mut arguments);
    }
    let frame = next_frame(&mut arguments).map_or(&[][..], |(_, bytes)| bytes);
    match passed::open(frame) {
        Ok(more) => (Cow::Owned([known, &more].concat()), None),
        Err(error) => (Cow::Borrowed(known), Some(error)),
    }
}

#[inline(always)]
fn write_value<R: Serialize>(
    output: &mut impl Output,
    value: &R,
    known: &[Segment],
) -> Result<(), CodecError> {
    let at = begin_frame(output).map_err(|OutputFull| full())?;
    match handles::encode_known(output, value, known) {
        Ok(()) => {
            end_frame(output, at, FrameKind::Value);
            Ok(())
        }
        Err(error) => {
            output.truncate(at);
            Err(error)
        }
    }
}

#[cold]
fn full() -> CodecError {
    CodecError::handle(String::new())
}
