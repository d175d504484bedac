//! The judge of the specifications, whose complaints go to a scene.

use crossdock_spec::allowed::{self, State};

use crate::crash::operation::{Harm, Scene};

/// A state of which is known what is wrong if none allows an event.
pub(crate) trait Judged: State {
    fn harm(event: &Self::Event) -> Harm;
}

/// The states that there may be, after all that was seen.
pub(crate) struct Allowed<S: Judged>(allowed::Allowed<S>);

impl<S: Judged> Default for Allowed<S> {
    fn default() -> Self {
        Self(allowed::Allowed::default())
    }
}

impl<S: Judged> Allowed<S> {
    /// The victim is at any of its steps, from `first` on.
    pub(crate) fn from(first: S) -> Self {
        Self(allowed::Allowed::from(first))
    }

    /// Another process has seen this.
    pub(crate) fn see(&mut self, event: S::Event, scene: &mut Scene) {
        let harm = S::harm(&event);
        if let Err(what) = self.0.see(event) {
            scene.complain(harm, what);
        }
    }

    /// Keeps the states of which something is known, which `what` says.
    pub(crate) fn keep(&mut self, what: &str, known: impl Fn(&S) -> bool, scene: &mut Scene) {
        if let Err(what) = self.0.keep(what, known) {
            scene.lost(what);
        }
    }

    /// The victim has ended with `code`, or was killed.
    pub(crate) fn end(&mut self, code: Option<u8>, scene: &mut Scene) {
        if let Err(what) = self.0.end(code) {
            scene.lost(what);
        }
    }

    /// The victim does nothing any more.
    pub(crate) fn dies(&mut self) {
        self.0.dies();
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
        self.0.all(is)
    }
}
