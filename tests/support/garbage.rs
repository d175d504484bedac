//! A segment with one entry, over which a test writes what no process has written.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::segment::IntoConfig;
use crossdock::{Placeable, Segment, SegmentOptions};

use super::image::Window;

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

/// How long garbage may keep an operation waiting.
pub(crate) const SHORT: Duration = Duration::from_micros(100);
const NAME: &str = "entry";

fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 14)
        .participants(4)
        .entries(2);
    options.anonymous().unwrap()
}

/// A segment with an entry, and where its bytes are in the window.
pub(crate) struct Garbage<P> {
    pub(crate) segment: Segment,
    pub(crate) window: Window,
    pub(crate) bytes: Range<usize>,
    of: PhantomData<P>,
}

impl<P: Placeable> Garbage<P> {
    pub(crate) fn of(config: impl IntoConfig<P::Config>) -> Self {
        let segment = segment();
        segment.create::<P>(NAME, config).unwrap();
        let entry = &segment.entries().unwrap()[0];
        let [begin, len] = [entry.offset, entry.len].map(|at| usize::try_from(at).unwrap());
        Self {
            window: Window::of(&segment),
            bytes: begin..begin + len,
            segment,
            of: PhantomData,
        }
    }

    pub(crate) fn open(&self) -> P {
        self.segment.open(NAME).unwrap()
    }

    /// A handle that knows nothing yet, of an entry whose words are all 0: as if new.
    pub(crate) fn fresh(&self) -> P {
        let words = self.bytes.clone().step_by(8);
        words.for_each(|at| self.window.long(at).store(0, Relaxed));
        self.open()
    }

    /// Writes the word at an offset in the entry.
    pub(crate) fn write(&self, at: usize, value: u64) {
        self.window
            .long(self.bytes.start + at)
            .store(value, Relaxed);
    }

    pub(crate) fn read(&self, at: usize) -> u64 {
        self.window.long(self.bytes.start + at).load(Relaxed)
    }
}
