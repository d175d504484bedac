//! What others may see of a process that is stopped or killed, by the specification of a primitive.
//!
//! A state is what the primitive is between two operations, and what the victim has yet to do. A
//! victim that is stopped is in any of the states that its steps lead to; what others see then
//! leaves those in which they can see it. What no state allows is a complaint.

use std::fmt;

/// A state of a primitive, and of what is under way there.
pub trait State: Clone + PartialEq {
    /// What another process has seen.
    type Event: Clone + fmt::Debug;

    /// The states after the next step of any process that is under way.
    fn next(&self) -> Vec<Self>;

    /// The states after what another process has seen; none if it cannot be.
    fn after(&self, event: Self::Event) -> impl IntoIterator<Item = Self>;

    /// The state that the victim's death leaves: it makes no further step.
    fn dead(&self) -> Self;

    /// The code that the victim ends with, or would have ended with, if it has done all.
    fn code(&self) -> Option<u8>;
}

/// The states that there may be, after all that was seen.
pub struct Allowed<S: State> {
    states: Vec<S>,
    seen: Vec<S::Event>,
    /// The victim may die between any two of its steps.
    may_die: bool,
}

impl<S: State> Default for Allowed<S> {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            seen: Vec::new(),
            may_die: false,
        }
    }
}

impl<S: State> Allowed<S> {
    /// The victim is at any of its steps, from `first` on.
    pub fn from(first: S) -> Self {
        let mut allowed = Self::default();
        allowed.become_any_of(vec![first]);
        allowed
    }

    /// The same, or it has died at any of them.
    pub fn until_death(first: S) -> Self {
        let mut allowed = Self {
            may_die: true,
            ..Self::default()
        };
        allowed.become_any_of(vec![first]);
        allowed
    }

    /// One of these, or one to which steps lead from them.
    fn become_any_of(&mut self, mut states: Vec<S>) {
        let mut at = 0;
        while let Some(state) = states.get(at) {
            let dead = Some(state.dead()).filter(|_| self.may_die);
            for next in state.next().into_iter().chain(dead) {
                if !states.contains(&next) {
                    states.push(next);
                }
            }
            at += 1;
        }
        self.states = states;
    }

    /// Another process has seen this.
    ///
    /// # Errors
    ///
    /// If no state allows it: that, as a sentence. The states are as before then.
    pub fn see(&mut self, event: S::Event) -> Result<(), String> {
        let states: Vec<S> = self
            .states
            .iter()
            .flat_map(|s| s.after(event.clone()))
            .collect();
        let told = if states.is_empty() {
            let before = &self.seen;
            Err(format!("{event:?} cannot be after {before:?}"))
        } else {
            self.become_any_of(states);
            Ok(())
        };
        self.seen.push(event);
        told
    }

    /// Keeps the states of which something is known, which `what` says.
    ///
    /// # Errors
    ///
    /// If there are none: that, as a sentence. The states are as before then.
    pub fn keep(&mut self, what: &str, known: impl Fn(&S) -> bool) -> Result<(), String> {
        if self.all(|state| !known(state)) {
            return Err(format!("{what}: cannot be after {:?}", self.seen));
        }
        self.states.retain(known);
        Ok(())
    }

    /// The victim has ended with `code`, or was killed.
    ///
    /// # Errors
    ///
    /// If no state allows that code.
    pub fn end(&mut self, code: Option<u8>) -> Result<(), String> {
        let kept = if code.is_some() {
            let what = format!("the victim ended with {code:?}");
            self.keep(&what, |state| state.code() == code)
        } else {
            Ok(())
        };
        self.dies();
        kept
    }

    /// The victim does nothing any more.
    pub fn dies(&mut self) {
        self.become_any_of(self.states.iter().map(State::dead).collect());
    }

    /// Whether all of the states are so.
    pub fn all(&self, is: impl Fn(&S) -> bool) -> bool {
        self.states.iter().all(is)
    }
}
