//! A segment with one entry, over which a test writes what no process has written.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::segment::{EntryError, IntoConfig};
use crossdock::{Counter, Placeable, Segment, SegmentOptions};

use super::image::{self, Window, put_u64, sealed, sign_record};
use super::process::in_child;

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

/// How long garbage may keep an operation waiting.
pub(crate) const SHORT: Duration = Duration::from_micros(100);
const PARTICIPANTS: usize = 4;
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

    /// Flips each bit of the entry's first bytes, one at a time, between `prepare` and
    /// `everything`, which says what has worked: some does, and some is an error.
    pub(crate) fn flip_each_bit<U, const N: usize>(
        &self,
        bytes: usize,
        prepare: impl Fn(&P) -> U,
        everything: impl Fn(&P, U) -> [bool; N],
    ) {
        let (mut worked, mut refused) = (0, 0);
        for at in self.bytes.clone().take(bytes) {
            for bit in 0..8 {
                let handle = self.fresh();
                let prepared = prepare(&handle);
                self.window.byte(at).fetch_xor(1 << bit, Relaxed);
                for has_worked in everything(&handle, prepared) {
                    *(if has_worked {
                        &mut worked
                    } else {
                        &mut refused
                    }) += 1;
                }
            }
        }
        assert!(worked > 0 && refused > 0, "{worked} {refused}");
    }
}

/// A record with one of these numbers, at an offset of its bytes, is not opened, though its
/// checksum is right.
pub(crate) fn refuses_forged_records<P: Placeable + Debug>(
    config: impl IntoConfig<P::Config>,
    forgeries: &[(usize, u64)],
) {
    let segment = segment();
    segment.create::<P>(NAME, config).unwrap();
    let original = image::bytes(&segment.as_fd());
    let record = image::record(PARTICIPANTS, 0);
    for (at, value) in forgeries {
        let mut bytes = original.clone();
        put_u64(&mut bytes, record + at, *value);
        sign_record(&mut bytes, record);
        let forged = Segment::try_from(sealed(&bytes)).unwrap();
        let opened = forged.open::<P>(NAME);
        assert!(
            matches!(
                opened,
                Err(EntryError::OtherSize { .. } | EntryError::Corrupt { .. })
            ),
            "{at}: {value}: {opened:?}"
        );
        // A process that repairs what dead participants left comes by as well.
        in_child(|| {
            forged.create::<Counter>("counter", 0).map(drop).ok();
            std::mem::forget(forged.open::<Counter>("counter"));
        });
        forged.reap();
    }
    let whole = Segment::try_from(sealed(&original)).unwrap();
    whole.open::<P>(NAME).unwrap();
}
