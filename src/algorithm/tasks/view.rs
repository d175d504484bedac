//! The tasks of a pool as they are seen from outside.

use super::layout::TasksLayout;
use super::{ATTEMPT_BITS, ATTEMPT_SHIFT, ID_SHIFT, TaskState, TaskWord};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::algorithm::region::WORD;
use crate::participant::Tag;

/// The tasks by their state, and which worker runs each, since when.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = TasksLayout::of(look.record.config)?;
    let places = TasksLayout::task(layout.tasks)?;
    let worker = |place: u64| -> Option<Option<Tag>> {
        if place >= layout.places {
            return Some(None);
        }
        let word = look.u64(places + place * WORD)?;
        Some(u32::try_from(word).ok().and_then(|word| look.tag(word)))
    };
    let (mut queued, mut running, mut ending, mut cancelled) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (mut oldest, mut corrupt, mut rows) = (0_u64, 0_u64, Rows::default());
    let all = look.each(layout.tasks, |number| {
        let at = TasksLayout::task(number)?;
        let word = TaskWord(look.u64(at)?);
        let state = match word.state() {
            Some(TaskState::Queued) => {
                queued += 1;
                return Some(());
            }
            Some(TaskState::Cancelled) => {
                cancelled += 1;
                return Some(());
            }
            Some(TaskState::Running) => "runs",
            Some(TaskState::Condemned) => "is to be killed",
            Some(TaskState::Done) => "sends its result",
            Some(TaskState::Free) => return Some(()),
            None => {
                corrupt += 1;
                return Some(());
            }
        };
        let runs = state != "sends its result";
        running += u64::from(runs);
        ending += u64::from(!runs);
        let worker = worker(word.place().into())?;
        let since = look.u64(at + WORD)?;
        let age = worker.and_then(|worker| look.age(worker, since));
        let mut row = vec![
            field("task", word.0 >> ID_SHIFT),
            field("worker", worker),
            field("state", state),
            field("attempt", word.field(ATTEMPT_SHIFT, ATTEMPT_BITS)),
            field("item", word.item()),
        ];
        if let (Some(age), true) = (age, runs) {
            oldest = oldest.max(age);
            row.push(field("age ms", age));
        }
        rows.push(row);
        Some(())
    })?;
    let mut workers = 0_u64;
    let all_places = look.each(layout.places, |place| {
        workers += u64::from(worker(place)?.is_some());
        Some(())
    })?;
    let sight = Sight::new()
        .with("running", running)
        .with("queued", queued)
        .with("sending results", ending)
        .with("cancelled", cancelled)
        .with("oldest ms", oldest)
        .with("workers", workers)
        .with("most in flight", layout.tasks);
    Some(counted(sight, all && all_places, corrupt).rows("tasks", rows))
}
