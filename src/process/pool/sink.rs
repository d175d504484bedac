//! Where the outcomes of tasks go, to be taken by the thread that waits for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::TaskError;
use super::frames::OutcomeFrames;
use super::message::{FrameKind, push_frame};
use crate::process::notice::Notice;
use crate::segment::Segment;

/// Where the outcomes of tasks go.
pub(super) struct Sink {
    pub(super) notice: Notice,
    done: Mutex<Queued>,
}

/// Outcomes in their order. The first needs no memory of its own: most tasks have but one.
#[derive(Default)]
struct Queued {
    first: Option<Completed>,
    /// Empty if there is no first one.
    rest: VecDeque<Completed>,
}

impl Sink {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            notice: Notice::new(),
            done: Mutex::default(),
        })
    }

    pub(super) fn push(&self, completed: Completed) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        match done.first {
            None => done.first = Some(completed),
            Some(_) => done.rest.push_back(completed),
        }
        drop(done);
        self.notice.raise();
    }

    /// Takes the oldest outcome. The notice is cleared if there is none.
    pub(super) fn pop(&self) -> Option<Completed> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let first = done.first.take();
        if !done.rest.is_empty() {
            done.first = done.rest.pop_front();
        }
        if first.is_none() {
            self.notice.clear();
        }
        first
    }
}

/// The outcome of a task.
pub(super) struct Completed {
    pub(super) seq: u64,
    pub(super) items: u32,
    /// A frame for each item.
    pub(super) frames: OutcomeFrames,
    /// The errors of the frames that are [`FrameKind::Error`], in their order.
    pub(super) errors: VecDeque<TaskError>,
    /// Those that its results may refer to, besides the ones that the workers have.
    pub(super) segments: Vec<Segment>,
    /// How often the task was sent.
    pub(super) attempts: u32,
}

impl Completed {
    pub(super) fn failed(seq: u64, items: u32, error: TaskError) -> Self {
        let mut frames = OutcomeFrames::default();
        let mut errors = VecDeque::new();
        for _ in 0..items {
            let _ = push_frame(&mut frames, FrameKind::Error, &[]);
            errors.push_back(error.clone());
        }
        Self {
            seq,
            items,
            frames,
            errors,
            segments: Vec::new(),
            attempts: 1,
        }
    }
}
