//! What the survivors of an operation may see, by the sequential specification of its primitive.
//!
//! A state is what the primitive is between two operations, and what the victim has yet to do. A
//! victim that is stopped is in any of the states that its steps lead to; what others see then
//! leaves those in which they can see it. What no state allows is a complaint.

use std::fmt;

use crate::crash::operation::{Harm, Scene};

/// A state of a primitive, and of what is under way there.
pub(crate) trait State: Clone + PartialEq {
    /// What another process has seen.
    type Event: Copy + fmt::Debug;

    /// The states after the next step of any process that is under way: of the victim's while it
    /// is `alive`.
    fn next(&self, alive: bool) -> Vec<Self>;

    /// The state after what another process has seen; `None` if it cannot be.
    fn after(&self, event: Self::Event) -> Option<Self>;

    /// The state that the victim's death leaves.
    fn dead(&self) -> Self;

    /// The code that the victim ends with, if it has done all.
    fn code(&self) -> Option<u8>;

    /// What is wrong if no state allows an event.
    fn harm(event: Self::Event) -> Harm;
}

/// The states that there may be, after all that was seen.
pub(crate) struct Allowed<S: State> {
    states: Vec<S>,
    seen: Vec<S::Event>,
    /// The victim does nothing any more.
    ended: bool,
}

impl<S: State> Default for Allowed<S> {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            seen: Vec::new(),
            ended: false,
        }
    }
}

impl<S: State> Allowed<S> {
    /// The victim is at any of its steps, from `first` on.
    pub(crate) fn from(first: S) -> Self {
        let mut allowed = Self::default();
        allowed.become_any_of(vec![first]);
        allowed
    }

    /// One of these, or one to which steps lead from them.
    fn become_any_of(&mut self, mut states: Vec<S>) {
        let mut at = 0;
        while let Some(state) = states.get(at) {
            for next in state.next(!self.ended) {
                if !states.contains(&next) {
                    states.push(next);
                }
            }
            at += 1;
        }
        self.states = states;
    }

    /// Another process has seen this.
    pub(crate) fn see(&mut self, event: S::Event, scene: &mut Scene) {
        let states: Vec<S> = self.states.iter().filter_map(|s| s.after(event)).collect();
        if states.is_empty() {
            let what = format!("{event:?} cannot be after {:?}", self.seen);
            scene.complain(S::harm(event), what);
        } else {
            self.become_any_of(states);
        }
        self.seen.push(event);
    }

    /// Keeps the states of which something is known, which `what` says.
    pub(crate) fn keep(&mut self, what: &str, known: impl Fn(&S) -> bool, scene: &mut Scene) {
        if self.all(|state| !known(state)) {
            scene.lost(format!("{what}: cannot be after {:?}", self.seen));
        } else {
            self.states.retain(known);
        }
    }

    /// The victim has ended with `code`, or was killed.
    pub(crate) fn end(&mut self, code: Option<u8>, scene: &mut Scene) {
        if code.is_some() {
            let what = format!("the victim ended with {code:?}");
            self.keep(&what, |state| state.code() == code, scene);
        }
        self.dies();
    }

    /// The victim does nothing any more.
    pub(crate) fn dies(&mut self) {
        self.ended = true;
        self.become_any_of(self.states.iter().map(State::dead).collect());
    }

    /// Counts whether the victim has done all, as far as others can know.
    pub(crate) fn outcome(&self, scene: &mut Scene) {
        if self.all(|state| state.code().is_some()) {
            scene.outcome("done");
        } else if self.all(|state| state.code().is_none()) {
            scene.outcome("not done");
        }
    }

    pub(crate) fn all(&self, is: impl Fn(&S) -> bool) -> bool {
        self.states.iter().all(is)
    }
}
