//! The semaphore under loom, and a participant that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::{Semaphore, SemaphoreState};
use crate::algorithm::semaphore::layout::FREE;
use crate::facade::AtomicU32;
use crate::facade::model::{explore, explore_deaths, explore_one_less};
use crate::facade::{Deadline, Pace};
use crate::participant::Tag;
use crate::participant::stage::{ModelRegistry, StartWith, finish, players, tag};
use crate::wait::on_event::TryError;

/// Permits, and the registry.
struct Fixture {
    state: SemaphoreState,
    words: Vec<AtomicU32>,
    registry: ModelRegistry,
}

impl Fixture {
    fn open(permits: usize) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SemaphoreState::new(),
            words: (0..permits).map(|_| AtomicU32::new(FREE)).collect(),
            registry: ModelRegistry::new(),
        })
    }

    fn semaphore(&self) -> Semaphore<'_> {
        Semaphore {
            state: &self.state,
            words: &self.words,
        }
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.semaphore().recover(tag(1));
    }

    /// Acquires a permit and releases it.
    fn visit(&self, id: u32) {
        let (peers, never) = (self.registry.liveness(id), Deadline::never());
        let waited = self.semaphore().wait(0, &peers, &never, Pace::Park);
        let index = waited.expect("no deadline");
        self.state.release(&self.words[index], tag(id));
    }

    /// Asserts that no process has a permit.
    fn close(&self) {
        let held: Vec<Tag> = self.semaphore().holders(3).collect();
        assert_eq!(held, [], "an unregistered tag stays");
    }
}

/// Hunts: the tag of a reaped process in a word, which no reaper visits again; a waiter that is not
/// woken when the tag is taken out.
#[test]
fn model_semaphore_no_tag_of_a_reaped_process_stays() {
    explore(|| {
        let fixture = Fixture::open(1);
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                // It keeps what it gets: it was a participant when it asked.
                match lost.semaphore().claim(0, &peers) {
                    Ok(_) | Err(TryError::WouldBlock | TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
            fixture.start(3, None, move |waiter| waiter.visit(3)),
        ]);
        fixture.close();
    });
}

/// Hunts: the same of a process that acquires several.
#[test]
fn model_semaphore_no_tag_of_a_reaped_process_stays_in_many() {
    explore(|| {
        let fixture = Fixture::open(2);
        finish([
            fixture.start(1, None, move |lost| {
                let (peers, mut taken) = (lost.registry.liveness(1), [0; 2]);
                match lost.semaphore().claim_many(&mut taken, &peers) {
                    Ok(()) | Err(TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        fixture.close();
    });
}

/// Hunts: a permit that is lost because a reaped process was killed with its tag in it.
#[test]
fn model_semaphore_an_unregistered_tag_is_freed() {
    explore_deaths(|death| {
        let fixture = Fixture::open(1);
        finish([
            fixture.start(1, death, move |lost| {
                let peers = lost.registry.liveness(1);
                let _ = lost.semaphore().claim(0, &peers);
            }),
            fixture.start(2, None, move |reaper| {
                reaper.reap();
                reaper.visit(2);
            }),
        ]);
        // As a waiter does when its slice has ended.
        fixture.semaphore().reap_dead(&fixture.registry.liveness(3));
        fixture.close();
    });
}
