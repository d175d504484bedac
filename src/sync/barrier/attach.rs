//! Creating a barrier and attaching to it.

use std::ptr::NonNull;

use super::{Barrier, BarrierOptions, NOWHERE, OnDeath};
use crate::algorithm::barrier::BarrierState;
use crate::algorithm::barrier::entry;
use crate::algorithm::barrier::layout::{MOST, entry_len};
use crate::facade::{AtomicU32, WaitHistory};
use crate::format::{Kind, PayloadShape};
use crate::segment::{Bytes, Entry, EntryError, EntryRef, Placeable};
use crate::wait::event_count::use_events;

impl Placeable for Barrier {
    type Config = BarrierOptions;

    const KIND: Kind = Kind::Barrier;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn words(options: &BarrierOptions) -> [u64; 4] {
        let shrinks = options.on_death == OnDeath::Shrink;
        [options.parties, shrinks.into(), 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let [parties, shrinks, 0, 0] = config else {
            return None;
        };
        entry_len(parties, shrinks)
    }

    fn refused(options: &BarrierOptions) -> EntryError {
        let (least, most) = MOST;
        EntryError::Capacity {
            found: options.parties,
            least,
            most,
        }
    }

    /// Zeroed words are free seats.
    fn prepare(bytes: &Bytes<'_>, _options: BarrierOptions) {
        if let Some(state) = bytes.state::<BarrierState>() {
            state.prepare();
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        let config = entry.record.config;
        let state: EntryRef<BarrierState> = EntryRef::new(entry)?;
        let (seats, shrinks) = {
            let region = state.region();
            let raw = entry::view(&region, config)?;
            // INVARIANT: 1, by the view.
            (NonNull::from(raw.seats), raw.shrinks)
        };
        use_events([state.waiters()]);
        Some(Self {
            state,
            seats,
            shrinks,
            next: AtomicU32::new(NOWHERE),
            waits: WaitHistory::default(),
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}
