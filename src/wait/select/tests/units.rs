//! Waiting for several sources by one thread: which one is the answer.

use std::cell::Cell;
use std::time::Duration;

use super::super::{AT_ONCE, NotMember, Source, Waited, wait};
use crate::facade::Deadline;
use crate::participant::Tag;
use crate::wait::event_count::EventCount;

struct Thing {
    ready: Cell<bool>,
    /// It is ready after it was checked this often.
    dead_after: Cell<Option<u32>>,
    member: bool,
    event: EventCount,
}

impl Source for Thing {
    fn is_ready(&self) -> bool {
        self.ready.get()
    }
    fn event(&self) -> &EventCount {
        &self.event
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn reap_dead(&self) -> Result<(), NotMember> {
        match self.dead_after.get() {
            Some(0) => self.ready.set(true),
            left => self.dead_after.set(left.map(|left| left - 1)),
        }
        NotMember::unless(self.member, me())
    }
}

fn me() -> Tag {
    Tag::new(0, 1).unwrap()
}

fn things(count: usize) -> Vec<Thing> {
    (0..count)
        .map(|_| Thing {
            ready: Cell::new(false),
            dead_after: Cell::new(None),
            member: true,
            event: EventCount::new(),
        })
        .collect()
}

fn wait_for(things: &[Thing], deadline: &Deadline) -> Waited {
    wait(&things.iter().collect::<Vec<_>>(), deadline)
}

#[test]
fn the_first_that_is_ready_is_the_answer() {
    let things = things(4);
    things[3].ready.set(true);
    assert_eq!(wait_for(&things, &Deadline::never()), Waited::Ready(3));
    things[1].ready.set(true);
    assert_eq!(wait_for(&things, &Deadline::never()), Waited::Ready(1));
}

#[test]
fn none_is_ready_at_the_deadline() {
    for timeout in [0, 200, 10_000].map(Duration::from_micros) {
        let things = things(2);
        let outcome = wait_for(&things, &Deadline::after(timeout));
        assert_eq!(outcome, Waited::TimedOut);
    }
}

#[test]
fn the_dead_are_looked_after_also_when_the_deadline_has_passed() {
    let things = things(2);
    things[1].dead_after.set(Some(0));
    let now = Deadline::after(Duration::ZERO);
    assert_eq!(wait_for(&things, &now), Waited::Ready(1));
}

#[test]
fn among_more_than_the_kernel_waits_for_a_late_one_is_found() {
    let things = things(3 * AT_ONCE - 1);
    for late in [0, AT_ONCE, 3 * AT_ONCE - 2] {
        things[late].dead_after.set(Some(5));
        assert_eq!(wait_for(&things, &Deadline::never()), Waited::Ready(late));
        things[late].ready.set(false);
        things[late].dead_after.set(None);
    }
}

#[test]
fn a_lost_membership_names_its_segment() {
    let mut things = things(3);
    things[2].member = false;
    assert_eq!(
        wait_for(&things, &Deadline::never()),
        Waited::MembershipLost(2, NotMember { was: Some(me()) })
    );
}
