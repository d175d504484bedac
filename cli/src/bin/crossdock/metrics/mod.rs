//! `crossdock metrics`: what is seen of segments, in the text format of Prometheus.

mod families;
mod listen;
mod text;
mod textfile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::operate::Outcome;
use crate::operate::find::{self, Found};

/// Prints what is seen of segments, in the text format of Prometheus.
///
/// Reads only, as inspect does. A segment that cannot be looked at, or that is
/// not there, has crossdock_segment_readable 0. docs/operate.md has the names.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The names of segments, as `crossdock ls --all` shows them; all named
    /// segments, if none is given.
    #[arg(verbatim_doc_comment)]
    names: Vec<String>,
    /// Also print segments without a name that processes have open, as pools
    /// have them: memfd:INODE.
    #[arg(verbatim_doc_comment, long, conflicts_with = "names")]
    all: bool,
    /// Replace this file instead of printing, as the textfile collector of
    /// node_exporter needs it: at once, by a rename.
    #[arg(verbatim_doc_comment, long, value_name = "PATH")]
    textfile: Option<PathBuf>,
    /// Answer HTTP requests at this address, as 127.0.0.1:9469, until
    /// SIGTERM: one after the other, with a look for each. Only loopback
    /// addresses.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "ADDR",
        conflicts_with = "textfile"
    )]
    #[arg(value_parser = listen::loopback)]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let look = || look(&options.names, options.all);
    match (&options.textfile, options.listen) {
        (Some(path), _) => textfile::replace(path, &look()?)?,
        (None, Some(address)) => return listen::serve(address, &look),
        (None, None) => crate::print_ignoring_closed_pipes(&look()?),
    }
    Ok(ExitCode::SUCCESS)
}

/// One look at the segments of these names, or at those with a name, or at all.
fn look(names: &[String], all: bool) -> Result<String, String> {
    let segments: Vec<(String, Option<Found>)> = if names.is_empty() {
        let mut found = find::named()?;
        if all {
            found.extend(find::nameless()?);
        }
        let found = found.into_iter();
        found
            .map(|found| (found.name.clone(), Some(found)))
            .collect()
    } else {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let named = names.into_iter().map(|name| {
            let found = find::one(&name).ok();
            (name, found)
        });
        named.collect()
    };
    let mut text = text::Text::default();
    for (name, found) in &segments {
        families::segment(&mut text, name, found.as_ref());
    }
    Ok(text.into_string())
}
