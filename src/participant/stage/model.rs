//! Models that are judged by the sequential specification of a primitive: whatever happens at the
//! same time, and wherever a process dies, others observe what they would if one operation had come
//! after the other.

use std::sync::{Arc as UntrackedArc, Mutex as UntrackedMutex};

use crossdock_spec::allowed::{Allowed, State};
use crossdock_spec::run::{Run, Seen};
use crossdock_spec::{Specification, Told as _, tell};
use loom::sync::Arc;

use crate::facade::model::{explore_deaths, is_byte_locked};
use crate::participant::stage::{finish, start};

/// An operation on the primitive of a fixture.
pub(crate) type OpOf<F> = <<F as Specified>::Spec as Specification>::Op;
/// What it returns.
pub(crate) type RetOf<F> = <<F as Specified>::Spec as Specification>::Ret;

/// A fixture whose primitive has a specification.
pub(crate) trait Specified: Sized + 'static {
    type Spec: Specification;
    /// What a process has of it: tokens, indices.
    type Hand: Default;

    /// Opens it in its first state, with processes 1 to 3.
    fn fixture() -> Arc<Self>;

    /// Process `id` does it: without blocking, or as long as it takes. Returns what came of it;
    /// `None` if it would block.
    fn run(
        &self,
        id: u32,
        op: OpOf<Self>,
        hand: &mut Self::Hand,
        blocks: bool,
    ) -> Option<RetOf<Self>>;

    /// Recovers what the dead process 1 held.
    fn recover(&self);
}

/// What the processes of a model do: the victim, which is killed before each of its steps, another
/// beside it, without blocking, and a third when both have ended.
pub(crate) struct Roles<Op: 'static> {
    pub(crate) victim: &'static [Op],
    pub(crate) other: &'static [Op],
    pub(crate) last: &'static [Op],
}

/// Explores all that can happen, and holds it to the specification.
pub(crate) fn explore_as_specified<F: Specified>(roles: &'static Roles<OpOf<F>>)
where
    OpOf<F>: Sync,
{
    explore_deaths(move |death| {
        let fixture = F::fixture();
        let try_all = |id, ops: &'static [OpOf<F>]| {
            let fixture = fixture.clone();
            move |see: &mut dyn FnMut(Seen<OpOf<F>, RetOf<F>>)| {
                let mut hand = F::Hand::default();
                for op in ops {
                    see(Seen::Returned(*op, fixture.run(id, *op, &mut hand, false)));
                }
            }
        };
        let victim = {
            let fixture = fixture.clone();
            move || {
                let mut hand = F::Hand::default();
                let returned = roles.victim.iter().map(|op| {
                    let returned = fixture.run(1, *op, &mut hand, true);
                    returned.expect("it waits as long as it takes").byte()
                });
                returned.fold(0, tell)
            }
        };
        let recover = {
            let fixture = fixture.clone();
            move || fixture.recover()
        };
        judge(
            death,
            Run::new(F::Spec::default(), roles.victim, []),
            victim,
            try_all(2, roles.other),
            recover,
            try_all(3, roles.last),
        );
    });
}

/// Has process 1, which may die, and process 2 act at the same time, and process 3 when they have
/// ended, and the dead one is recovered; asserts that the specification allows what they observe.
pub(crate) fn judge<S: State + 'static>(
    death: Option<u32>,
    first: S,
    victim: impl Fn() -> u8 + 'static,
    other: impl Fn(&mut dyn FnMut(S::Event)) + 'static,
    recover: impl Fn() + 'static,
    last: impl Fn(&mut dyn FnMut(S::Event)) + 'static,
) {
    // loom does not track the records, and no process dies with one of them locked.
    let told = UntrackedArc::new(UntrackedMutex::new(None));
    let begin = if death.is_some() {
        Allowed::until_death
    } else {
        Allowed::from
    };
    let allowed = UntrackedArc::new(UntrackedMutex::new(begin(first)));
    let see = |allowed: &UntrackedArc<UntrackedMutex<Allowed<S>>>| {
        let allowed = allowed.clone();
        move |event| {
            let seen = allowed.lock().unwrap().see(event);
            seen.unwrap_or_else(|what| panic!("{what}"));
        }
    };
    let (tells, seeing) = (told.clone(), see(&allowed));
    finish([
        start(1, death, move || {
            let code = victim();
            *tells.lock().unwrap() = Some(code);
        }),
        start(2, None, move || other(&mut { &seeing })),
    ]);
    let code = *told.lock().unwrap();
    let ended = allowed.lock().unwrap().end(code);
    ended.unwrap_or_else(|what| panic!("{what}"));
    let seeing = see(&allowed);
    finish([start(3, None, move || {
        if !is_byte_locked(0) {
            recover();
        }
        last(&mut { &seeing });
    })]);
}
