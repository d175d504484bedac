//! Spans and events for the crate `tracing`: a process is started, runs its function, ends. Without
//! the feature `tracing` these functions are empty.

/// A span that is exited when this is dropped.
pub(super) struct Span {
    #[cfg(feature = "tracing")]
    _entered: tracing::span::EnteredSpan,
}

#[cfg(feature = "tracing")]
mod told {
    use std::process::ExitStatus;

    use super::Span;
    use crate::process::outcome::OutcomeKind;
    use crate::process::own;

    /// Enters the span of a start, in the parent.
    pub(in crate::process) fn spawning() -> Span {
        Span {
            _entered: tracing::debug_span!(target: "crossdock", "spawn").entered(),
        }
    }

    /// A process runs this program.
    pub(in crate::process) fn started(name: &str, id: u32) {
        tracing::debug!(target: "crossdock", name, pid = id, "process started");
    }

    /// Enters the span of a function, in its process.
    pub(in crate::process) fn running() -> Span {
        let (name, pid) = (own::lineage().name.as_str(), std::process::id());
        Span {
            _entered: tracing::info_span!(target: "crossdock", "process", name, pid).entered(),
        }
    }

    /// The function of this process has ended.
    pub(in crate::process) fn ended(kind: OutcomeKind) {
        tracing::debug!(target: "crossdock", outcome = ?kind, "function ended");
    }

    /// The exit status of a process was taken, in the parent.
    pub(in crate::process) fn exited(name: &str, id: u32, status: ExitStatus) {
        tracing::debug!(target: "crossdock", name, pid = id, %status, "process exited");
    }
}

#[cfg(not(feature = "tracing"))]
mod told {
    use std::process::ExitStatus;

    use super::Span;
    use crate::process::outcome::OutcomeKind;

    pub(in crate::process) fn spawning() -> Span {
        Span {}
    }

    pub(in crate::process) fn started(_: &str, _: u32) {}

    pub(in crate::process) fn running() -> Span {
        Span {}
    }

    pub(in crate::process) fn ended(_: OutcomeKind) {}

    pub(in crate::process) fn exited(_: &str, _: u32, _: ExitStatus) {}
}

pub(super) use told::{ended, exited, running, spawning, started};
