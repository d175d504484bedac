//! Creating a semaphore and attaching to it.

use std::ptr::NonNull;

use super::{NOWHERE, Semaphore, SemaphoreOptions};
use crate::algorithm::semaphore::SemaphoreState;
use crate::algorithm::semaphore::entry;
use crate::algorithm::semaphore::layout::{ABSENT, MOST, WORDS, entry_len};
use crate::facade::AtomicU32;
use crate::format::{Kind, PayloadShape};
use crate::segment::{Bytes, Entry, EntryError, EntryRef, Placeable};
use crate::wait::event_count::use_events;

impl Placeable for Semaphore {
    type Config = SemaphoreOptions;

    const KIND: Kind = Kind::Semaphore;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn words(options: &SemaphoreOptions) -> [u64; 4] {
        [options.permits, options.most, 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let [permits, most, 0, 0] = config else {
            return None;
        };
        entry_len(permits, most)
    }

    fn refused(options: &SemaphoreOptions) -> EntryError {
        let (least, greatest) = MOST;
        if (least..=greatest).contains(&options.most) {
            EntryError::Capacity {
                found: options.permits,
                least: 0,
                most: options.most,
            }
        } else {
            EntryError::Capacity {
                found: options.most,
                least,
                most: greatest,
            }
        }
    }

    /// Zeroed words are free permits; those behind them are absent.
    fn prepare(bytes: &Bytes<'_>, options: SemaphoreOptions) {
        let absent = usize::try_from(options.most - options.permits).unwrap_or(0);
        let from = WORDS + options.permits * size_of::<u32>() as u64;
        bytes.write_same(from, &ABSENT, absent);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let most = entry.record.config[1];
        let state: EntryRef<SemaphoreState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by the view.
        let words = NonNull::from(entry::view(&state.region(), most)?.words);
        use_events(state.events());
        Some(Self {
            state,
            words,
            next: AtomicU32::new(NOWHERE),
            waits: Default::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
