//! A manager under loom, where two of three processes die.

use loom::sync::Arc;

use super::fixture::{Extents, Fixture};
use super::growth::Growing;
use crate::facade::model::{explore_two_deaths, is_byte_locked};
use crate::facade::{AtomicU32, Ordering, mutants};
use crate::participant::stage::{KernelLiveness, StartWith, finish, tag};

mutants! {
    model_manager_two_deaths_of_user_and_reaper_leave_nothing_in_an_object:
        899 "a reaper clears a hold before it recovers what the dead one held",
        907 "a second death goes unnoticed";
    model_manager_two_deaths_of_creators_leave_the_room_to_the_third:
        908 "a second death goes unnoticed";
    model_manager_two_deaths_of_grower_and_writer_leave_the_object_to_the_third:
        906 "a second death goes unnoticed";
    model_manager_two_deaths_of_grower_and_collector_leave_one_object:
        901 "what has moved is given back before what took its place is live",
        909 "a second death goes unnoticed";
}

/// The object "a", whose only word is the tag of the process that uses it: a dead one's is taken
/// away by a reaper only.
struct Claimed {
    base: Arc<Fixture>,
    claim: AtomicU32,
}

impl Claimed {
    fn with_a() -> Arc<Self> {
        Arc::new(Self {
            base: Fixture::with_a(1),
            claim: AtomicU32::new(0),
        })
    }

    /// Claims "a" and gives it back as process `id`.
    fn visit(&self, id: u32) {
        let held = self.base.open(id, "a").expect("it is there");
        let me = tag(id).bits();
        for (from, to) in [(0, me), (me, 0)] {
            let changed = self.change(from, to);
            assert!(changed, "another process's claim");
        }
        self.base.release(id, held);
    }

    fn change(&self, from: u32, to: u32) -> bool {
        let (both, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        self.claim.compare_exchange(from, to, both, relaxed).is_ok()
    }

    /// Recovers as process `id` what `dead` holds, if it is dead.
    fn reap(&self, id: u32, dead: u32) {
        if is_byte_locked(dead - 1) {
            return;
        }
        let manager = self.base.manager();
        manager.state.lock().recover(tag(dead));
        manager.visit(tag(dead), Some(tag(id)), |_| {
            self.change(tag(dead).bits(), 0);
            true
        });
    }
}

/// Hunts: what a killed process has in an object, and no reaper finds any more, since one was
/// killed over it; a hold of that reaper.
#[test]
fn model_manager_two_deaths_of_user_and_reaper_leave_nothing_in_an_object() {
    explore_two_deaths(|[first, second]| {
        let claimed = Claimed::with_a();
        finish([
            claimed.start(1, first, |user| user.visit(1)),
            claimed.start(2, second, |reaper| reaper.reap(2, 1)),
        ]);
        finish([claimed.start(3, None, |last| {
            for dead in [1, 2] {
                last.reap(3, dead);
                assert!(!last.base.counts(tag(dead)), "a dead hold");
            }
            last.visit(3);
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: room that two creators leave to none, each of which was killed, the second as it repairs
/// what the first has left; an object that is gone, or half there.
#[test]
fn model_manager_two_deaths_of_creators_leave_the_room_to_the_third() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::with_a(2);
        let gone = fixture.create(1, "c").expect("there is room");
        fixture.manager().remove(gone.object);
        fixture.release(1, gone);
        let [first, second] = [1, 2].map(|id| {
            fixture.start(id, deaths[id as usize - 1], move |maker| {
                if let Ok(held) = maker.create(id, "b") {
                    maker.use_it(&held, "b");
                    maker.release(id, held);
                }
            })
        });
        finish([first, second]);
        finish([fixture.start(3, None, |last| {
            (1..=2).for_each(|dead| last.reap(3, dead));
            assert!(last.visit(3, "a"), "a live object is gone");
            last.visit(3, "b");
            last.conserves(3);
        })]);
    });
}

/// Hunts: an object that is lost, since a collector was killed as it settled the growth of a killed
/// grower; a growth that is neither there nor given back.
#[test]
fn model_manager_two_deaths_of_grower_and_collector_leave_one_object() {
    explore_two_deaths(|[first, second]| {
        let growing = Growing::with_a();
        assert!(growing.add(tag(1), &KernelLiveness(1)));
        finish([
            growing.start(1, first, |grower| {
                grower.grow(tag(1), &KernelLiveness(1));
            }),
            growing.start(2, second, |collector| {
                let manager = collector.base.manager();
                let room = manager.room(&KernelLiveness(2), &mut Extents::default());
                room.expect("it is a participant");
            }),
        ]);
        finish([growing.start(3, None, |last| {
            (1..=2).for_each(|dead| last.reap(3, dead));
            last.has_all(3);
            // Whatever was left, it can grow again.
            assert!(last.grow(tag(3), &KernelLiveness(3)), "room is lost");
            last.has_all(3);
            last.base.conserves(3);
        })]);
    });
}

/// Hunts: a change that is lost, or a writers' mutex that stays held, since a writer was killed as
/// it took over from a killed grower.
#[test]
fn model_manager_two_deaths_of_grower_and_writer_leave_the_object_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let growing = Growing::with_a();
        assert!(growing.add(tag(1), &KernelLiveness(1)));
        finish([
            growing.start(1, first, |grower| {
                grower.grow(tag(1), &KernelLiveness(1));
            }),
            growing.start(2, second, |writer| {
                assert!(writer.add(tag(2), &KernelLiveness(2)), "the object is lost");
            }),
        ]);
        finish([growing.start(3, None, |last| {
            assert!(last.add(tag(3), &KernelLiveness(3)), "the object is lost");
            (1..=2).for_each(|dead| last.reap(3, dead));
            last.has_all(3);
            last.base.conserves(3);
        })]);
    });
}
