//! A manager under loom. The byte locks say which processes live.

use super::super::making::NotMade;
use super::fixture::Fixture;
use crate::facade::model::{explore, explore_deaths, is_byte_locked};
use crate::facade::mutants;
use crate::participant::stage::{ModelRegistry, finish, start, tag};

mutants! {
    model_manager_a_removed_object_is_not_reused_while_held:
        872 "the look at the state comes before the cell",
        873 "a holder has no barrier",
        875 "a release does not publish what was done",
        876 "a collector does not acquire the releases",
        883 "a collector has no barrier",
        884 "a collector does not look at the cells";
    model_manager_an_object_is_found_complete:
        886 "a creator writes the record after the commit";
    model_manager_one_of_two_creators_has_the_name:
        880 "a creator does not look for the name";
    model_manager_a_killed_holder_leaves_no_hold:
        877 "a reaper does not clear the cell";
    model_manager_a_failed_hold_is_released:
        874 "a hold that failed is not released";
    model_manager_a_killed_creator_leaves_its_room:
        881 "what a dead collector was freeing is not collected",
        882 "a live object is collected",
        885 "the blocks of other objects are free";
    model_manager_a_reaper_recovers_no_other_object:
        878 "a reaper does not hold what it recovers";
    model_manager_a_reaped_process_holds_nothing:
        871 "a holder does not ask the registry";
}

/// Hunts: an object in the room of another that is in use.
#[test]
fn model_manager_a_removed_object_is_not_reused_while_held() {
    explore(|| {
        let fixture = Fixture::with_a(1);
        let (user, maker) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || user.visit(1, "a")),
            start(2, None, move || {
                maker.remove(2, "a").expect("it is there");
                match maker.create(2, "b") {
                    Ok(held) => maker.use_it(&held, "b"),
                    Err(error) => assert_eq!(error, NotMade::Full { free: 0 }),
                }
            }),
        ]);
    });
}

/// Hunts: an object that is found before it is complete.
#[test]
fn model_manager_an_object_is_found_complete() {
    explore(|| {
        let fixture = Fixture::with_a(2);
        let (maker, user) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || {
                maker.create(1, "b").expect("there is room")
            }),
            start(2, None, move || user.visit(2, "b")),
        ]);
        assert!(fixture.visit(3, "b"));
    });
}

/// Hunts: two objects of one name.
#[test]
fn model_manager_one_of_two_creators_has_the_name() {
    explore(|| {
        let fixture = Fixture::with_a(2);
        let makers = [1, 2].map(|id| {
            let fixture = fixture.clone();
            start(id, None, move || {
                let made = fixture.create(id, "b");
                let expected = matches!(made, Ok(_) | Err(NotMade::Exists { kind: 1 }));
                assert!(expected, "{made:?}");
            })
        });
        finish(makers);
        assert_eq!(fixture.manager().objects(None).count(), 2);
    });
}

/// Hunts: room that a holder that was killed keeps; and room that is given away too early.
#[test]
fn model_manager_a_killed_holder_leaves_no_hold() {
    explore_deaths(|death| {
        let fixture = Fixture::with_a(1);
        let (user, maker, last) = (fixture.clone(), fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || user.visit(1, "a")),
            start(2, None, move || {
                maker.remove(2, "a").expect("it is there");
                maker.reap(2, 1);
                if let Ok(held) = maker.create(2, "b") {
                    maker.use_it(&held, "b");
                    maker.release(2, held);
                }
            }),
        ]);
        finish([start(3, None, move || {
            last.reap(3, 1);
            assert!(is_byte_locked(0) || !last.counts(tag(1)), "a dead hold");
            last.conserves(3);
        })]);
    });
}

/// Hunts: a hold that is kept though the object was removed.
#[test]
fn model_manager_a_failed_hold_is_released() {
    explore(|| {
        let fixture = Fixture::with_a(1);
        let (user, maker) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || user.visit(1, "a")),
            start(2, None, move || maker.remove(2, "a").expect("it is there")),
        ]);
        fixture.conserves(3);
    });
}

/// Hunts: room that a creator that was killed keeps; half an object that is found; a record that
/// it was freeing.
#[test]
fn model_manager_a_killed_creator_leaves_its_room() {
    explore_deaths(|death| {
        let fixture = Fixture::with_a(2);
        let gone = fixture.create(1, "c").unwrap();
        fixture.manager().remove(gone.object);
        fixture.release(1, gone);
        let (maker, user, last) = (fixture.clone(), fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || {
                maker.create(1, "b").expect("there is room")
            }),
            start(2, None, move || {
                user.visit(2, "b");
                assert!(user.visit(2, "a"), "a live object is gone");
            }),
        ]);
        // A creator that lives holds what it has created.
        if !is_byte_locked(0) {
            finish([start(3, None, move || {
                last.reap(3, 1);
                assert!(last.visit(3, "a"), "a live object is gone");
                last.conserves(3);
            })]);
        }
    });
}

/// Hunts: a reaper that recovers what is another object by then.
#[test]
fn model_manager_a_reaper_recovers_no_other_object() {
    explore(|| {
        let fixture = Fixture::with_a(1);
        let dead = fixture.clone();
        finish([start(1, Some(5), move || {
            dead.open(1, "a").expect("it is there");
            loop {
                dead.visit(1, "a");
            }
        })]);
        let (reaper, maker) = (fixture.clone(), fixture.clone());
        finish([
            start(2, None, move || reaper.reap(2, 1)),
            start(3, None, move || {
                maker.remove(3, "a").expect("it is there");
                // The reaper may recover this one, too, so it is not used beside.
                if let Ok(held) = maker.create(3, "b") {
                    maker.release(3, held);
                }
            }),
        ]);
        let last = fixture.clone();
        finish([start(3, None, move || {
            last.reap(3, 1);
            last.conserves(3);
        })]);
    });
}

/// Hunts: a hold of a process that was taken for dead, which no reaper clears any more.
#[test]
fn model_manager_a_reaped_process_holds_nothing() {
    explore(|| {
        let fixture = Fixture::with_a(1);
        let registry = loom::sync::Arc::new(ModelRegistry::new());
        let (user, reaper) = (fixture.clone(), fixture.clone());
        let (of_user, of_reaper) = (registry.clone(), registry);
        finish([
            start(1, None, move || {
                let peers = of_user.liveness(1);
                let _held = user.open_as("a", tag(1), &peers);
            }),
            start(2, None, move || {
                of_reaper.unregister(1);
                reaper.manager().visit(tag(1), Some(tag(2)), |_| true);
            }),
        ]);
        assert!(!fixture.counts(tag(1)), "it holds still");
    });
}
