//! `cargo xtask measure`: experiments on crossdock's own primitives and the yardsticks beside them,
//! and the plot of `crossdock contention`.

mod plot;
mod queues;
mod recovery;

use clap::{Args, Subcommand};

/// Measures crossdock's primitives, or draws what was measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Queues(queues::Options),
    Recovery(recovery::Options),
    Plot(plot::Options),
}

/// Why nothing was measured or drawn.
pub(crate) enum Wrong {
    /// The options are.
    Usage(String),
    Failed(String),
}

impl Options {
    /// Does what the options say, and prints it.
    pub(crate) fn run(self) -> Result<(), Wrong> {
        match self.what {
            What::Queues(options) => queues::run(options.check().map_err(Wrong::Usage)?),
            What::Recovery(options) => recovery::run(options.check().map_err(Wrong::Usage)?),
            What::Plot(options) => plot::run(&options),
        }
        .map_err(Wrong::Failed)
    }
}
