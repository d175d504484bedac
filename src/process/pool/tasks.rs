//! The words of a pool's tasks in its segment, which are also seen from outside.

use std::fmt;

use crate::algorithm::tasks::Task;
use crate::algorithm::tasks::layout::TasksLayout;
use crate::facade::{AtomicU64, Ordering};
use crate::format::{Kind, PayloadShape};
use crate::segment::{Entry, EntryStates, Placeable};

/// The words of the tasks that are in flight, and the tags of the workers.
#[derive(Clone)]
pub(crate) struct PoolTasks {
    words: EntryStates<AtomicU64>,
    layout: TasksLayout,
}

impl PoolTasks {
    /// The bytes of an entry for so many tasks and places.
    pub(super) fn len(config: (u32, u32)) -> u64 {
        Self::size(Self::words(&config), 0).unwrap_or(0)
    }

    fn at(&self, slot: u32) -> Option<&[AtomicU64]> {
        if u64::from(slot) >= self.layout.tasks {
            return None;
        }
        let first = usize::try_from(slot).ok()?;
        let first = first.checked_mul(TasksLayout::TASK_WORDS)?;
        let end = first.checked_add(TasksLayout::TASK_WORDS)?;
        self.words.all().get(first..end)
    }

    /// The word of the task in a slot; `None` if there is no such slot.
    pub(super) fn task(&self, slot: u32) -> Option<Task<'_>> {
        let [word, since, ..] = self.at(slot)? else {
            return None;
        };
        Some(Task { word, since })
    }

    /// Which errors of a task in a slot are tried again by its worker.
    pub(super) fn policy(&self, slot: u32) -> u64 {
        let word = self.at(slot).and_then(|words| words.get(2));
        // ORDERING: Relaxed; the queue passes the message, which was sent after the store.
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Parent: sets that, before the message is sent.
    pub(super) fn set_policy(&self, slot: u32, policy: u64) {
        if let Some(word) = self.at(slot).and_then(|words| words.get(2)) {
            // ORDERING: Relaxed; as in `policy`.
            word.store(policy, Ordering::Relaxed);
        }
    }

    /// Worker: this process works at the place from now on.
    pub(super) fn enter(&self, place: u32) {
        let first = usize::try_from(self.layout.tasks).unwrap_or(usize::MAX);
        let first = first.saturating_mul(TasksLayout::TASK_WORDS);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let word = self.words.all().get(first.saturating_add(place));
        let tag = self.words.entry_ref().tag_if_possible();
        if let (Some(word), Some(tag)) = (word, tag) {
            // ORDERING: Relaxed; for people.
            word.store(tag.bits().into(), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for PoolTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolTasks").field(&self.layout).finish()
    }
}

impl Placeable for PoolTasks {
    /// The tasks in flight, and the places of workers.
    type Config = (u32, u32);

    const KIND: Kind = Kind::PoolTasks;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn words((tasks, places): &(u32, u32)) -> [u64; 4] {
        [u64::from(*tasks), u64::from(*places), 0, 0]
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        Some(TasksLayout::of(config)?.len)
    }

    fn attach(entry: Entry) -> Option<Self> {
        let layout = TasksLayout::of(entry.record.config)?;
        let words = u32::try_from(layout.len / size_of::<u64>() as u64).ok()?;
        Some(Self {
            words: EntryStates::new(entry, words)?,
            layout,
        })
    }

    fn entry(&self) -> &Entry {
        self.words.entry_ref().entry()
    }
}
