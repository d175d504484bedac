//! What is checked of each kind besides: each bit of its entry flipped, and its record with other
//! numbers under a right checksum.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossdock::segment::EntryError;
use crossdock::{Counter, Segment};

use super::drive::spare_waits;
use super::header::{DIRECTORY, sealed, sign_record};
use super::uses::{Came, Uses};
use crate::place::{NAME, Place};

/// How many operations came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    worked: u64,
    refused: u64,
    corrupt: u64,
}

impl Counts {
    /// Brings an entry into use, changes it, and does everything once with it.
    fn everything<P: Uses>(&mut self, segment: &Segment, change: impl FnOnce()) {
        let handle = segment.open::<P>(NAME).expect("its record is whole");
        let mut held = P::Held::default();
        P::begin(&handle, segment, &mut held);
        change();
        self.all(&handle, &mut held, [1, 2, 3]);
    }

    /// Does everything once.
    fn all<'h, P: Uses>(&mut self, handle: &'h P, held: &mut P::Held<'h>, numbers: [u8; 3]) {
        for operation in P::OPERATIONS {
            *match operation(handle, held, numbers) {
                Came::Worked => &mut self.worked,
                Came::Refused => &mut self.refused,
                Came::Corrupt => &mut self.corrupt,
            } += 1;
        }
    }
}

/// What an entry does whose bytes are good.
fn unchanged<P: Uses>(place: &Place, good: &[u8]) -> Counts {
    let mut counts = Counts::default();
    place.write(0, good);
    counts.everything::<P>(&place.segment, || ());
    counts
}

/// Any bit of the words flipped is an error or works: some does, and some is an error that says
/// what is wrong. Nothing of that lasts longer than the wrong bytes do.
pub(super) fn flip_each_bit<P: Uses>() {
    let (place, handle) = Place::with::<P>(P::config(1)).expect("created");
    drop(handle);
    let good = place.bytes();
    let before = unchanged::<P>(&place, &good);
    assert_eq!(before.corrupt, 0, "nothing is wrong yet");
    let mut counts = Counts::default();
    for bit in 0..good.len() as u64 * 8 {
        let at = bit / 8;
        if at < P::WORDS || bit % P::ONE_IN == 0 {
            place.write(0, &good);
            counts.everything::<P>(&place.segment, || {
                place.flip(bit);
                spare_waits::<P>(&place, at);
            });
        }
    }
    assert!(counts.worked > 0, "{counts:?}");
    assert_eq!(counts.corrupt > 0, P::HAS_WRONG_WORDS, "{counts:?}");
    assert_eq!(
        before,
        unchanged::<P>(&place, &good),
        "once the bytes are as they were"
    );
}

/// What a dead process held is recovered while any of the words is garbage: a reaper ends, and
/// then every operation is an error or works, of handles from before as of new ones, and also once
/// what can be closed is closed.
pub(super) fn recover_garbage<P: Uses>() {
    /// No word at all; a message of a participant that never was; and a small number.
    const VALUES: [u64; 3] = [u64::MAX, 1 << 33 | 4 << 29 | 77 << 10 | 3, 5 << 20];
    let (place, handle) = Place::with::<P>(P::config(1)).expect("created");
    drop(handle);
    let good = place.bytes();
    let before = unchanged::<P>(&place, &good);
    let words = (0..P::WORDS.min(good.len() as u64)).step_by(8);
    for (number, at) in words.enumerate() {
        for (more, value) in VALUES.iter().enumerate() {
            place.write(0, &good);
            let handle = place.segment.open::<P>(NAME).expect("its record is whole");
            // It dies after one operation more each time.
            let count = 1 + (number * VALUES.len() + more) % P::OPERATIONS.len();
            let change = || {
                place.write(at, &value.to_le_bytes());
                spare_waits::<P>(&place, at);
            };
            in_child(|| {
                let mut held = P::Held::default();
                P::begin(&handle, &place.segment, &mut held);
                change();
                for operation in &P::OPERATIONS[..count] {
                    operation(&handle, &mut held, [1, 2, 3]);
                }
                forget(held);
            });
            change();
            place.segment.reap();
            let mut counts = Counts::default();
            let mut held = P::Held::default();
            counts.all(&handle, &mut held, [1, 2, 3]);
            if let Ok(fresh) = place.segment.open::<P>(NAME) {
                counts.all(&fresh, &mut P::Held::default(), [1, 2, 3]);
            }
            counts.all(&handle, &mut held, [0, 2, 3]);
            assert!(counts.worked > 0, "{at}, {value:#x}: {counts:?}");
        }
    }
    assert_eq!(
        before,
        unchanged::<P>(&place, &good),
        "once the bytes are as they were"
    );
}

/// A record with another number is not opened, though its checksum is right; or, if as many bytes
/// can be an entry of that number, it works.
pub(super) fn refuse_forged_records<P: Uses>() {
    /// The words of a record: how long the entry is, and the first number of its configuration.
    const LEN: usize = 2;
    const NUMBERS: usize = 4;
    let (place, handle) = Place::with::<P>(P::config(2)).expect("created");
    drop(handle);
    let whole = place.whole();
    let is_free = |word: usize, value: u64| {
        let mut free = P::FREE_NUMBERS.iter();
        free.any(|(number, values)| NUMBERS + number == word && values.contains(&value))
    };
    let mut wrong = Vec::new();
    for word in [LEN, NUMBERS, NUMBERS + 1, NUMBERS + 2, NUMBERS + 3] {
        let at = DIRECTORY + word * 8;
        let own = u64::from_le_bytes(*whole[at..].first_chunk().expect("8 bytes"));
        let near = [own.wrapping_sub(1), own + 1, own + 8, own * 2];
        let far = [0, 1, 8, 127, 1 << 20, 1 << 32, 1 << 62, u64::MAX];
        for forged in near.into_iter().chain(far).filter(|forged| *forged != own) {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&forged.to_le_bytes());
            sign_record(&mut bytes, 0);
            let segment = Segment::try_from(sealed(&bytes).expect("a memory file"));
            let segment = segment.expect("its header is whole");
            match segment.open::<P>(NAME) {
                Err(EntryError::OtherSize { .. } | EntryError::Corrupt { .. }) => {}
                Ok(_) if is_free(word, forged) => {
                    Counts::default().everything::<P>(&segment, || ());
                }
                opened => wrong.push(format!("{word}: {forged} instead of {own}: {opened:?}")),
            }
            // A process that repairs what dead participants left comes by as well.
            in_child(|| {
                drop(segment.create::<Counter>("counter", 0));
                forget(segment.open::<Counter>("counter"));
            });
            segment.reap();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs `body` in a process that then ends without having cleaned anything up.
fn in_child(body: impl FnOnce()) {
    // SAFETY: the child runs `body`, which takes no lock that another thread of a test can have.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        let ended = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: ends the process, whose memory is a copy.
        unsafe { libc::_exit(ended.is_err().into()) };
    }
    let mut status = 0;
    // SAFETY: it is this process's child, and nothing else waits for it.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((ended, status), (child, 0));
}
