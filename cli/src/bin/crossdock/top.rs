//! `crossdock top`: a segment watched on a terminal.
//!
//! Its screen is ratatui's, some 50 crates, so it is built with the feature `top` only.

#[cfg(feature = "top")]
mod sample;
#[cfg(feature = "top")]
mod screen;
#[cfg(feature = "top")]
mod session;
#[cfg(all(test, feature = "top"))]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::{USAGE, say};

#[cfg(feature = "top")]
pub(crate) use session::run;

/// Watches a segment on a terminal: its entries and participants.
///
/// Reads only: it joins nothing, changes nothing, and waits for nothing. A
/// rate is the change of a number from one look to the next, for each second:
/// of a counter's value, of what a stream has sent, of how often an event was
/// set. RES is the resident memory of a process, which what it has touched of
/// the segment is a part of.
///
/// Keys: q or Esc quits, s sorts by another column, space pauses, p and e show
/// the participants or the entries where both do not fit, and the arrows move
/// in them.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The segment: its name, or a path with a slash, as /proc/PID/fd/N is.
    segment: String,
    /// Seconds from one look to the next: 0.1 to 3600.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    interval: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("expected seconds, 0.1 to 3600, found {text:?}")),
    }
}

/// Says what is missing.
#[cfg(not(feature = "top"))]
pub(crate) fn run(_: &Options) -> Result<ExitCode, String> {
    Ok(unusable(
        "this crossdock was built without top; with it: cargo install --path cli --features top",
    ))
}

/// Says why there can be no screen.
fn unusable(why: &str) -> ExitCode {
    say(why);
    ExitCode::from(USAGE)
}
