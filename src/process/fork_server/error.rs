//! The error of a fork server.

use crate::process::JoinError;
use crate::segment::SystemError;
use crate::segment::fault::plain_errors;

plain_errors! {
    /// The error of a fork server; see [`StartMethod`](crate::process::StartMethod).
    ///
    /// The function of the process that was to be started did not begin.
    pub enum ForkServerError {
        /// The server has more than one thread, so it must not fork: another thread could hold a
        /// lock that a forked process would wait for in vain.
        Threads {
            /// How many threads there are.
            count: u32,
            /// Whether a [preloaded](super::preload()) function left them behind. Otherwise the
            /// program started them before it called [`init`](crate::process::init()).
            preloading: bool,
        } => "the fork server has {count} threads {}" (cure(*preloading)),
        /// A preloaded function panicked, with this message.
        Panicked(message: String) => "a preloaded function panicked: {message}",
        /// The program ended before it became a server.
        NotStarted(source: Box<JoinError>) => "the fork server did not start" from 0,
        /// The server died while it started, or several servers died one after the other before
        /// they had started the process.
        Died => "the fork server died before it had started the process",
        /// The process ended before its function began.
        ProcessDied(source: Box<JoinError>) => "the process ended before its function began" from 0,
        ..
        /// The system refused the server a request.
        System(SystemError),
    }
}

/// Returns when there were several threads, and what to do about it.
fn cure(preloading: bool) -> &'static str {
    match preloading {
        true => "after the preloading, and needs to have one: do not preload what starts threads",
        false => {
            "before process::init(), and needs to have one: call init first in main, or use \
             StartMethod::Spawn"
        }
    }
}
