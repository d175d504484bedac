//! Operations of a primitive with a sequential specification, under one judge.
//!
//! What a victim does, and what others do beside it, are lists of operations; so is the seeded bug.
//! The specification says what each operation returns, and where it blocks. What is allowed after a
//! kill or a stop follows: the victim has done some of its operations, in some order with those of
//! the others.

use std::cell::RefCell;
use std::mem::forget;
use std::time::Duration;

use crossdock_spec::allowed::State as _;
use crossdock_spec::run::{Run, Seen};
use crossdock_spec::{Actor, FAILED, Specification, Told, tell};

use crate::crash::allowed::{Allowed, Judged};
use crate::crash::operation::{Base, Harm, Operation, Owned, Scene};
use crate::crash::operations::hand::Hand;
use crate::process::{Broken, Child, End, PANICKED, Rig, forked};

/// An operation on a primitive.
pub(crate) type OpOf<S> = <<S as Subject>::Spec as Specification>::Op;
/// What it returns.
pub(crate) type RetOf<S> = <<S as Subject>::Spec as Specification>::Ret;

/// A primitive.
pub(crate) trait Subject: Sized + 'static {
    /// What it is.
    type Spec: Specification;
    /// What a process has of it: guards, permits.
    type Hand<'a>: Default;

    /// Whether it matters what the victim has looked at before a change that it makes.
    const DECIDES_BEFORE: bool = false;

    /// A segment that it is made in.
    fn base(participants: u32) -> Rig<Base> {
        Base::new(participants)
    }

    /// Makes one that is in a state.
    fn create(base: &Base, first: &Self::Spec) -> Rig<Self>;

    /// What can be seen of it from outside, if it is not in the segment.
    fn image(&self, base: &Base, image: &mut Vec<u8>) -> Rig {
        base.image(image)
    }

    /// Whether the waiter sleeps within `patience`, or the process that waits in its place.
    fn sleeps(&self, waiter: &Child, patience: Duration) -> bool {
        waiter.sleeps_on_a_futex(patience)
    }

    /// Does it. Waits as long as it takes, or no longer than `patience`: `None` then, and what the
    /// specification does not know for what must not be.
    fn run<'a>(
        &'a self,
        base: &Base,
        op: OpOf<Self>,
        hand: &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<RetOf<Self>>;
}

/// Guards of a process, with room for some: a victim that allocates takes hundreds of steps more.
pub(crate) struct Guards<T>(pub(crate) Vec<T>);

impl<T> Default for Guards<T> {
    fn default() -> Self {
        Self(Vec::with_capacity(4))
    }
}

/// A process that sleeps before the victim's first step.
pub(crate) struct Waits<Op: 'static> {
    /// What it does before the victim comes.
    pub(crate) before: &'static [Op],
    /// What it does then; it sleeps in the first of these.
    pub(crate) act: &'static [Op],
    /// The same as the specification has it.
    pub(crate) steps: &'static [Op],
}

/// An operation, in its world.
pub(crate) struct Row<S: Subject> {
    pub(crate) first: S::Spec,
    /// Where it begins with the seeded bug, if that is not the same.
    pub(crate) bug_first: Option<S::Spec>,
    pub(crate) participants: u32,
    /// What others do first of all.
    pub(crate) ready: &'static [OpOf<S>],
    /// What a process does that dies before the victim comes.
    pub(crate) dead: &'static [OpOf<S>],
    /// What the victim does before its first step.
    pub(crate) before: &'static [OpOf<S>],
    /// What others do when it is about to begin.
    pub(crate) assembled: &'static [OpOf<S>],
    /// Whether it is no participant before its first step.
    pub(crate) joins: bool,
    /// Whether it drops its handles in the end, and with the last one its membership.
    pub(crate) leaves: bool,
    /// What it does then.
    pub(crate) act: &'static [OpOf<S>],
    /// The same as the specification has it, if that takes it for more, and smaller, ones.
    pub(crate) steps: &'static [OpOf<S>],
    /// What it does with the seeded bug.
    pub(crate) bug: &'static [OpOf<S>],
    /// What it is to do then, if not the same.
    pub(crate) bug_of: &'static [OpOf<S>],
    /// Whether the bug is that survivors do not reap.
    pub(crate) is_left: bool,
    /// Whether the bug is judged by what the victim tells, too, and not by what is there alone.
    pub(crate) tells: bool,
    /// What a process does that sleeps in the first of these from the start.
    pub(crate) waiter: &'static [OpOf<S>],
    /// More of them, which fall asleep one after the other.
    pub(crate) waiters: &'static [Waits<OpOf<S>>],
    /// What others do, without waiting, while the victim is stopped.
    pub(crate) meanwhile: &'static [OpOf<S>],
    /// What they do before that with the seeded bug, if that is theirs.
    pub(crate) bug_meanwhile: &'static [OpOf<S>],
    /// What they do then that may have to wait, but not for the victim.
    pub(crate) patiently: &'static [OpOf<S>],
    /// The same once more, when they have reaped.
    pub(crate) again: &'static [OpOf<S>],
    /// What they look at when the victim is gone.
    pub(crate) after: &'static [OpOf<S>],
    /// What they do for a waiter that may have to wait for more than the victim has done. These may
    /// wait, too.
    pub(crate) rescue: &'static [OpOf<S>],
    /// What they do in the end, in the same way.
    pub(crate) last: &'static [OpOf<S>],
    pub(crate) seeded: bool,
}

impl<S: Subject> Default for Row<S> {
    fn default() -> Self {
        Self {
            first: S::Spec::default(),
            bug_first: None,
            participants: 5,
            ready: &[],
            dead: &[],
            before: &[],
            assembled: &[],
            joins: false,
            leaves: false,
            act: &[],
            steps: &[],
            bug: &[],
            bug_of: &[],
            is_left: false,
            tells: false,
            waiter: &[],
            waiters: &[],
            meanwhile: &[],
            bug_meanwhile: &[],
            patiently: &[],
            again: &[],
            after: &[],
            rescue: &[],
            last: &[],
            seeded: false,
        }
    }
}

/// A table of rows: for each its name, what its bug is, and what differs from the default.
macro_rules! specified {
    ($subject:ty; $($name:literal $seed:literal { $($row:tt)* })*) => {
        &[$($crate::crash::sweep::Listed {
            name: $name,
            seed: $seed,
            sweep: |listed, full| {
                $crate::crash::sweep::sweep(listed, full, &|seeded| {
                    $crate::crash::specified::Row::<$subject> {
                        seeded,
                        $($row)*
                        ..Default::default()
                    }
                })
            },
        }),*]
    };
}
pub(crate) use specified;

impl<S: Specification> Judged for Run<S> {
    fn harm(event: &Self::Event) -> Harm {
        match event {
            Seen::Returned(_, None) => Harm::Stuck,
            _ => Harm::Lost,
        }
    }
}

pub(crate) struct World<S> {
    base: Base,
    subject: S,
    /// Those that are about to wait.
    waiters: RefCell<Vec<Hand>>,
}

/// What others have seen, and the processes that wait.
pub(crate) struct Watch<S: Subject> {
    allowed: Allowed<Run<S::Spec>>,
    waiters: Vec<Child>,
}

impl<S: Subject> Default for Watch<S> {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            waiters: Vec::new(),
        }
    }
}

impl<S: Subject> Watch<S> {
    /// No waiter needs another process any more.
    fn dismiss(&mut self, scene: &mut Scene) -> Rig {
        for (at, waiter) in self.waiters.drain(..).enumerate() {
            if let Some(code) = scene.code_of(waiter)? {
                self.allowed.see(Seen::WaiterEnded(at, code), scene);
            }
        }
        Ok(())
    }
}

impl<S: Subject> World<S> {
    /// Does all, and ends with what it has; what came of it.
    fn do_all(&self, ops: &[OpOf<S>]) -> u8 {
        self.go_on(ops, S::Hand::default())
    }

    fn go_on<'a>(&'a self, ops: &[OpOf<S>], mut hand: S::Hand<'a>) -> u8 {
        let mut told = 0;
        for op in ops {
            match self.subject.run(&self.base, *op, &mut hand, None) {
                Some(returned) => told = tell(told, returned.byte()),
                None => return FAILED,
            }
        }
        forget(hand);
        told
    }

    /// A process does this before all else; what it has then.
    fn prepared(&self, ops: &[OpOf<S>]) -> Rig<S::Hand<'_>> {
        let mut hand = S::Hand::default();
        for op in ops {
            let returned = self.subject.run(&self.base, *op, &mut hand, None);
            if returned.is_none_or(|returned| returned.byte() == FAILED) {
                return Err(Broken(format!("{op:?} cannot be done first of all")));
            }
        }
        Ok(hand)
    }

    /// The waiter, which sleeps by now.
    fn asleep(&self, waiter: Child) -> Rig<Child> {
        if self.subject.sleeps(&waiter, Duration::from_secs(10)) {
            Ok(waiter)
        } else {
            Err(Broken("the waiter does not sleep".into()))
        }
    }

    /// Others do this.
    fn see(&self, ops: &[OpOf<S>], time: Duration, watch: &mut Watch<S>, scene: &mut Scene) {
        let mut hand = S::Hand::default();
        for op in ops {
            let returned = self.subject.run(&self.base, *op, &mut hand, Some(time));
            watch.allowed.see(Seen::Returned(*op, returned), scene);
        }
    }
}

impl<S: Subject> Row<S> {
    /// The state before the victim's first step.
    fn start(&self) -> Run<S::Spec> {
        let mut state = self.first.clone();
        let does = |state: &mut S::Spec, ops: &[OpOf<S>], by| {
            for op in ops {
                state.apply(*op, by);
            }
        };
        does(&mut state, self.ready, Actor::Other);
        does(&mut state, self.dead, Actor::Victim);
        state.dies(Actor::Victim);
        for waiter in self.waiters {
            does(&mut state, waiter.before, Actor::Waiter);
        }
        does(&mut state, self.before, Actor::Victim);
        does(&mut state, self.assembled, Actor::Other);
        let steps = match (self.bug_of, self.steps) {
            ([_, ..], _) if self.seeded => self.bug_of,
            (_, []) => self.act,
            (_, steps) => steps,
        };
        let waiter = Some(self.waiter).filter(|ops| !ops.is_empty());
        let waiters = waiter
            .into_iter()
            .chain(self.waiters.iter().map(|one| one.steps));
        Run::new(state, steps, waiters)
    }

    /// The victim has ended with `code`, or was killed.
    fn rest(
        &self,
        world: &World<S>,
        mut watch: Watch<S>,
        code: Option<u8>,
        scene: &mut Scene,
    ) -> Rig {
        if code.is_some_and(|code| self.seeded && !self.tells && code != FAILED) {
            let is_done = |run: &Run<S::Spec>| run.code().is_some();
            watch.allowed.keep("the victim ended", is_done, scene);
            watch.allowed.dies();
        } else {
            watch.allowed.end(code, scene);
        }
        world.see(self.after, Duration::ZERO, &mut watch, scene);
        watch.allowed.outcome(scene);
        if !watch.waiters.is_empty() && !watch.allowed.all(Run::is_served) {
            world.see(self.rescue, scene.patience, &mut watch, scene);
        }
        watch.dismiss(scene)?;
        world.see(self.last, scene.patience, &mut watch, scene);
        Ok(())
    }
}

impl<S: Subject> Operation for Row<S> {
    type World = World<S>;
    type Seen = Watch<S>;

    /// A list takes some dozens of steps for each operation.
    const FEW_STEPS: usize = 1200;

    fn world(&self) -> Rig<World<S>> {
        let base = S::base(self.participants)?;
        let first = self.bug_first.as_ref().filter(|_| self.seeded);
        let subject = S::create(&base, first.unwrap_or(&self.first))?;
        let waiters = RefCell::default();
        let world = World {
            base,
            subject,
            waiters,
        };
        drop(world.prepared(self.ready)?);
        if !self.dead.is_empty() {
            let mut child = forked(|| u8::from(world.do_all(self.dead) == FAILED))?;
            if child.end_within(Duration::from_secs(10))? != Some(End::Exited(0)) {
                return Err(Broken("a process was to die in a primitive".into()));
            }
        }
        for waiter in self.waiters {
            let prepare = || world.prepared(waiter.before).ok();
            let hand = Hand::start(prepare, |hand| world.go_on(waiter.act, hand))?;
            world.waiters.borrow_mut().push(hand);
        }
        Ok(world)
    }

    fn base<'a>(&self, world: &'a World<S>) -> &'a Base {
        &world.base
    }

    fn image(&self, world: &World<S>, image: &mut Vec<u8>) -> Rig {
        world.subject.image(&world.base, image)
    }

    fn victim(&self, world: Owned<World<S>>, begin: &mut dyn FnMut()) -> u8 {
        if !self.joins {
            world.base.join();
        }
        let Ok(hand) = world.prepared(self.before) else {
            return PANICKED;
        };
        begin();
        let told = world.go_on(if self.seeded { self.bug } else { self.act }, hand);
        if self.leaves {
            drop(Owned::into_inner(world));
        }
        told
    }

    fn assemble(&self, world: &World<S>, watch: &mut Watch<S>) -> Rig {
        watch.allowed = Allowed::from(self.start());
        drop(world.prepared(self.assembled)?);
        if !self.waiter.is_empty() {
            let waiter = forked(|| world.do_all(self.waiter))?;
            watch.waiters.push(world.asleep(waiter)?);
        }
        for hand in world.waiters.take() {
            watch.waiters.push(world.asleep(hand.go_on()?)?);
        }
        Ok(())
    }

    fn meanwhile(&self, world: &World<S>, watch: &mut Watch<S>, scene: &mut Scene) -> Rig {
        if self.seeded {
            world.see(self.bug_meanwhile, Duration::ZERO, watch, scene);
        }
        world.see(self.meanwhile, Duration::ZERO, watch, scene);
        world.see(self.patiently, scene.patience, watch, scene);
        Ok(())
    }

    /// A victim that is stopped keeps no waiter from what is there.
    fn again(&self, world: &World<S>, watch: &mut Watch<S>, scene: &mut Scene) -> Rig {
        if watch.allowed.all(Run::is_served) {
            watch.dismiss(scene)?;
        }
        world.see(self.again, Duration::ZERO, watch, scene);
        Ok(())
    }

    fn survivors_reap(&self) -> bool {
        !(self.seeded && self.is_left)
    }

    fn leaves(&self) -> bool {
        self.leaves
    }

    fn decides_before(&self) -> bool {
        S::DECIDES_BEFORE
    }

    fn after_kill(&self, world: &World<S>, watch: Watch<S>, scene: &mut Scene) -> Rig {
        self.rest(world, watch, None, scene)
    }

    fn after_end(&self, world: &World<S>, watch: Watch<S>, code: u8, scene: &mut Scene) -> Rig {
        self.rest(world, watch, Some(code), scene)
    }
}
