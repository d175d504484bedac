//! Why an experiment failed.

use std::fmt;
use std::io;

/// Why an experiment failed.
#[derive(Debug)]
pub enum Failure {
    /// crossdock refused.
    Crossdock(crossdock::Error),
    /// The system refused.
    Io {
        /// What it was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A worker ended as it should not, or said so itself.
    Worker(String),
}

impl Failure {
    /// For `map_err`: the system refused `what`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// For `map_err`: an error of a worker, as its text.
    #[cold]
    pub fn worker(error: impl fmt::Display) -> Self {
        Self::Worker(error.to_string())
    }
}

impl<E: Into<crossdock::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Crossdock(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crossdock(error) => {
                write!(f, "{error}")?;
                let mut cause = std::error::Error::source(error);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Worker(message) => write!(f, "a worker failed: {message}"),
        }
    }
}

impl std::error::Error for Failure {}
