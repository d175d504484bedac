//! The semaphore under loom, without a registry: the byte locks say which processes live.

use crossdock_spec::semaphore::{Op, State};
use loom::sync::Arc;

use super::super::{Semaphore, SemaphoreState, forget};
use crate::algorithm::semaphore::layout::{ABSENT, FREE};
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_deaths_one_less, explore_one_less,
    is_byte_locked, process,
};
use crate::facade::{AtomicU32, Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{ReapingLiveness, StartWith, finish, players, start, tag};
use crate::wait::on_event::EventWaitError;

mod two_deaths;

mutants! {
    model_semaphore_two_contenders_for_one_permit_lose_no_wake:
        708 "acquiring does not acquire",
        709 "releasing does not release",
        710 "a release wakes no waiter for one permit";
    model_semaphore_the_last_permit_wakes_the_waiter_for_several:
        711 "a release wakes no waiter for several permits",
        725 "a waiter for several does not check before it sleeps";
    model_semaphore_a_reaper_passes_on_what_the_dead_holder_wrote:
        712 "a reaper does not pass on what it saw of the dead holder's stores";
    model_semaphore_a_dead_holders_permit_returns:
        713 "a reaper does not free the dead holder's permit";
    model_semaphore_a_leaver_wakes_the_waiter_for_its_permit:
        714 "recovering a semaphore makes no wake";
    model_semaphore_no_tag_of_a_reaped_process_stays:
        715 "a claim does not ask whether it is still registered",
        716 "a reaped process does not release what it claimed";
    model_semaphore_a_close_ends_every_wait:
        717 "closing makes no wake",
        726 "a waiter for one sleeps at a closed semaphore";
    model_semaphore_no_permit_is_acquired_after_the_close:
        718 "a permit is acquired that was released after the close";
    model_semaphore_a_reaper_frees_the_dead_holders_permits_only:
        719 "a reaper frees the permits of the living";
    model_semaphore_one_permit_wakes_the_waiter_for_one:
        720 "the wake of one permit goes to a waiter for several";
    model_semaphore_all_or_none:
        721 "a process that does not get all of its permits keeps some";
    model_semaphore_no_tag_of_a_reaped_process_stays_in_many:
        722 "a claim of several does not ask whether it is still registered";
    model_semaphore_permits_that_are_added_wake_waiters:
        723 "adding permits makes no wake";
    model_semaphore_an_unregistered_tag_is_freed:
        724 "a waiter leaves unregistered tags alone";
    model_semaphore_two_deaths_leave_the_permit_to_the_third:
        759 "a second death goes unnoticed";
    model_semaphore_is_as_specified:
        945 "a permit is taken by a load and a store",
        946 "a reaper adds permits that were taken out";
}

/// A table of permits, and data that the holder of each may change.
pub(super) struct Table<const N: usize> {
    state: SemaphoreState,
    words: [AtomicU32; N],
    data: [Words<1>; N],
}

impl<const N: usize> Table<N> {
    pub(super) fn of(words: [u32; N]) -> Self {
        Self {
            state: SemaphoreState::new(),
            words: words.map(AtomicU32::new),
            data: [0; N].map(|first| Words::new([first])),
        }
    }

    pub(super) fn open(words: [u32; N]) -> Arc<Self> {
        players();
        Arc::new(Self::of(words))
    }

    pub(super) fn semaphore(&self) -> Semaphore<'_> {
        Semaphore {
            state: &self.state,
            words: &self.words,
        }
    }

    /// The liveness that process `id` is told: a process that reaps recovers the table.
    fn peers(&self, id: u32) -> impl Liveness {
        ReapingLiveness(id, |dead| self.reap(dead))
    }

    /// Waits for a permit, and returns its index.
    fn acquire(&self, id: u32) -> Result<usize, EventWaitError> {
        let (peers, never) = (self.peers(id), Deadline::never());
        self.semaphore().wait(0, &peers, &never, Pace::Park)
    }

    fn acquire_many(&self, count: usize, id: u32) -> Result<Vec<u32>, EventWaitError> {
        let (peers, never) = (self.peers(id), Deadline::never());
        let mut taken = vec![0; count];
        self.semaphore()
            .wait_many(&mut taken, &peers, &never, Pace::Park)?;
        Ok(taken)
    }

    /// Changes the data of a permit that is held, as no other may meanwhile.
    fn change(&self, index: usize) {
        let [before] = self.data[index].read();
        self.data[index].write(&[before + 1]);
    }

    fn release(&self, index: usize, id: u32) {
        self.state.release(&self.words[index], tag(id));
    }

    pub(super) fn visit(&self, id: u32) {
        let index = self.acquire(id).expect("it is open, and no deadline");
        self.change(index);
        self.release(index, id);
    }

    /// Reaps the dead other one of processes 1 and 2, and uses a permit if one is free.
    pub(super) fn try_visit(&self, id: u32) {
        self.reap(3 - id);
        if let Ok(index) = self.semaphore().claim(0, &self.peers(id)) {
            self.change(index);
            self.release(index, id);
        }
    }

    fn visit_with_many(&self, count: usize, id: u32) {
        let taken = self.acquire_many(count, id);
        let taken = taken.expect("it is open, and no deadline");
        assert_eq!(taken.len(), count);
        for index in &taken {
            self.change(*index as usize);
        }
        for index in taken {
            self.release(index as usize, id);
        }
    }

    /// Recovers what `dead` holds, if it is dead.
    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.semaphore().recover(tag(dead));
        }
    }

    /// Asserts, after all have left or died, that every permit is free once the dead are reaped.
    pub(super) fn close(&self) {
        (1..=3).for_each(|id| self.reap(id));
        let held: Vec<Tag> = self.semaphore().holders(3).collect();
        assert_eq!(held, [], "a permit is lost");
        (0..N).for_each(|index| self.change(index));
    }
}

/// Hunts: data that one holder wrote and the next does not see; a waiter that is between its check
/// and its sleep when the holder releases. There is no death, so no slice ends.
#[test]
fn model_semaphore_two_contenders_for_one_permit_lose_no_wake() {
    explore(|| {
        let table = Table::open([FREE]);
        finish([1, 2].map(|id| {
            let table = table.clone();
            start(id, None, move || (0..2).for_each(|_| table.visit(id)))
        }));
        table.close();
    });
}

/// Hunts: the wake of one permit that goes to a waiter for two, which sleeps again.
#[test]
fn model_semaphore_one_permit_wakes_the_waiter_for_one() {
    explore_one_less(|| {
        let held = tag(1).bits();
        let table = Table::open([held, held]);
        finish([
            table.start(1, None, move |holder| holder.release(0, 1)),
            table.start(2, None, move |two| {
                let over = EventWaitError::Disconnected;
                assert_eq!(two.acquire_many(2, 2), Err(over));
            }),
            table.start(3, None, move |one| {
                one.visit(3);
                one.state.close();
            }),
        ]);
    });
}

/// Hunts: a waiter for two that is between its check and its sleep when the second is released.
#[test]
fn model_semaphore_the_last_permit_wakes_the_waiter_for_several() {
    explore(|| {
        let table = Table::open([tag(1).bits(); 2]);
        finish([
            table.start(1, None, move |holder| {
                holder.release(0, 1);
                holder.release(1, 1);
            }),
            table.start(2, None, move |two| two.visit_with_many(2, 2)),
        ]);
        table.close();
    });
}

/// Hunts: a permit that stays with a process which did not get the second one, or is released
/// without a wake.
#[test]
fn model_semaphore_all_or_none() {
    explore_one_less(|| {
        let table = Table::open([FREE, FREE]);
        finish([
            table.start(1, None, move |two| {
                let (semaphore, peers) = (two.semaphore(), two.peers(1));
                let mut taken = [0; 2];
                if semaphore.claim_many(&mut taken, &peers).is_ok() {
                    assert_eq!(taken, [0, 1]);
                    taken
                        .iter()
                        .for_each(|index| two.release(*index as usize, 1));
                }
            }),
            table.start(2, None, move |keeper| {
                keeper.acquire(2).expect("no deadline")
            }),
            table.start(3, None, move |waiter| {
                waiter.acquire(3).expect("no deadline")
            }),
        ]);
        assert_eq!(table.semaphore().holders(3).count(), 2);
    });
}

/// Hunts: a permit that is lost with its holder, wherever that is killed; a wake that it owed.
#[test]
fn model_semaphore_a_dead_holders_permit_returns() {
    explore_deaths(|death| {
        let table = Table::open([FREE]);
        finish([
            table.start(1, death, move |victim| victim.visit(1)),
            table.start(2, None, move |survivor| survivor.visit(2)),
        ]);
        table.close();
    });
}

/// Hunts: a permit that is lost with a process that is killed while it acquires two, or releases
/// them.
#[test]
fn model_semaphore_permits_of_a_dead_holder_of_many_return() {
    explore_deaths_one_less(|death| {
        let table = Table::open([FREE, FREE]);
        finish([
            table.start(1, death, move |victim| victim.visit_with_many(2, 1)),
            table.start(2, None, move |survivor| survivor.visit(2)),
        ]);
        table.close();
    });
}

/// Hunts: a recovery that does not publish the dead holder's stores to the next holder.
#[test]
fn model_semaphore_a_reaper_passes_on_what_the_dead_holder_wrote() {
    explore_deaths(|death| {
        let table = Table::open([FREE]);
        finish([
            table.start(1, death, move |victim| victim.visit(1)),
            table.start(2, None, move |reaper| reaper.reap(1)),
            table.start(3, None, move |newcomer| {
                let (semaphore, peers) = (newcomer.semaphore(), newcomer.peers(3));
                if let Ok(index) = semaphore.claim(0, &peers) {
                    newcomer.change(index);
                    newcomer.release(index, 3);
                }
            }),
        ]);
        table.close();
    });
}

/// Hunts: a waiter that no release will wake: the holder leaves with its permit.
#[test]
fn model_semaphore_a_leaver_wakes_the_waiter_for_its_permit() {
    explore(|| {
        let table = Table::open([tag(1).bits()]);
        finish([
            table.start(1, None, move |leaver| leaver.semaphore().recover(tag(1))),
            table.start(2, None, move |waiter| waiter.visit(2)),
        ]);
        table.close();
    });
}

/// Hunts: a reaper that takes a permit from its live holder; reapers that race each other.
#[test]
fn model_semaphore_a_reaper_frees_the_dead_holders_permits_only() {
    explore(|| {
        let table = Table::open([tag(1).bits(), FREE]);
        process(1, Some(0), || {
            is_byte_locked(0);
        });
        finish([2, 3].map(|id| {
            let table = table.clone();
            start(id, None, move || {
                table.reap(1);
                table.visit(id);
            })
        }));
        table.close();
    });
}

/// Hunts: a waiter that sleeps at a closed semaphore.
#[test]
fn model_semaphore_a_close_ends_every_wait() {
    explore(|| {
        let table = Table::open([tag(1).bits(); 2]);
        let over = EventWaitError::Disconnected;
        finish([
            table.start(1, None, move |closer| closer.state.close()),
            table.start(2, None, move |one| assert_eq!(one.acquire(2), Err(over))),
            table.start(3, None, move |two| {
                assert_eq!(two.acquire_many(2, 3), Err(over))
            }),
        ]);
    });
}

/// Hunts: a permit that was released after the close, and is acquired.
#[test]
fn model_semaphore_no_permit_is_acquired_after_the_close() {
    explore_at_least(3, || {
        let table = Table::open([tag(1).bits()]);
        finish([
            table.start(1, None, move |closer| {
                closer.state.close();
                closer.release(0, 1);
            }),
            table.start(2, None, move |waiter| {
                assert_eq!(waiter.acquire(2), Err(EventWaitError::Disconnected))
            }),
        ]);
        table.close();
    });
}

/// Hunts: a wake that is missing where permits are added.
#[test]
fn model_semaphore_permits_that_are_added_wake_waiters() {
    explore(|| {
        let table = Table::open([ABSENT, ABSENT]);
        finish([
            table.start(1, None, move |adder| {
                assert_eq!(adder.semaphore().add(2), 2)
            }),
            table.start(2, None, move |waiter| {
                for _ in 0..2 {
                    let index = waiter.acquire(2).expect("no deadline");
                    forget(&waiter.words[index], tag(2));
                }
            }),
        ]);
        assert_eq!(table.semaphore().absent(), 2);
    });
}

impl Specified for Table<4> {
    type Spec = State;
    /// The indexes of what the process holds.
    type Hand = Vec<usize>;

    fn fixture() -> Arc<Self> {
        Self::open([FREE, FREE, FREE, ABSENT])
    }

    fn run(&self, id: u32, op: Op, held: &mut Vec<usize>, blocks: bool) -> Option<u8> {
        let few = |count: usize| u8::try_from(count).expect("few");
        match op {
            Op::Acquire if blocks => held.push(self.acquire(id).expect("it is open")),
            Op::Acquire => match self.semaphore().claim(0, &self.peers(id)) {
                Ok(index) => held.push(index),
                Err(_) => return None,
            },
            Op::Release => held.drain(..).for_each(|index| self.release(index, id)),
            Op::Forget => forget(&self.words[held.pop()?], tag(id)),
            Op::Add(count) => assert_eq!(self.semaphore().add(count.into()), count.into()),
            Op::Available => return Some(few(self.semaphore().available())),
            _ => return Some(few(self.semaphore().holders(3).count())),
        }
        Some(0)
    }

    fn recover(&self) {
        self.reap(1);
    }
}

/// Hunts: a permit that two processes hold, or that is lost with the death of one.
#[test]
fn model_semaphore_is_as_specified() {
    use Op::{Acquire, Add, Available, Forget, Holders, Release};
    explore_as_specified::<Table<4>>(&Roles {
        victim: &[Acquire, Acquire, Add(1), Release],
        other: &[Acquire, Forget],
        last: &[Available, Acquire, Holders, Release, Available],
    });
}
