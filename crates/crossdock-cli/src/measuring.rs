//! The common parts of measurements: bounds of options, pinning, progress, and the file of a
//! plot.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use clap::ValueEnum;
use crossdock_bench::pin::{self, Pin};
use indicatif::{ProgressBar, ProgressStyle};

/// The shortest and the longest run, in seconds.
const SECS: (f64, f64) = (0.001, 3600.0);
const MAX_RUNS: u32 = 1000;

/// Checks the length and the number of runs.
pub(crate) fn runs(secs: f64, runs: u32) -> Result<(), String> {
    let (least, most) = SECS;
    if !(least..=most).contains(&secs) {
        return Err(format!(
            "expected {least} to {most} seconds a run, found {secs:?}"
        ));
    }
    if !(1..=MAX_RUNS).contains(&runs) {
        return Err(format!("expected 1 to {MAX_RUNS} runs, found {runs}"));
    }
    Ok(())
}

/// The values of `--pin`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PinChoice {
    Cores,
    Same,
    Free,
}

impl From<PinChoice> for Pin {
    fn from(choice: PinChoice) -> Self {
        match choice {
            PinChoice::Cores => Self::Cores,
            PinChoice::Same => Self::Same,
            PinChoice::Free => Self::Free,
        }
    }
}

impl PinChoice {
    /// Returns the text of the choice.
    fn said(self) -> &'static str {
        match self {
            Self::Cores => "each process on a core of its own, in turn",
            Self::Same => "all processes on one core",
            Self::Free => "processes not pinned",
        }
    }

    /// Returns a note on the numbers of processes that share cores, if any do.
    pub(crate) fn crowded(self, processes: impl Iterator<Item = u32>) -> Option<String> {
        let cores = pin::cores().map_or(1, |cores| cores.len());
        let crowded: Vec<String> = processes
            .filter(|processes| *processes as usize > cores)
            .map(|processes| processes.to_string())
            .collect();
        let shared = !crowded.is_empty() && !matches!(self, Self::Same);
        let s = if cores == 1 { "" } else { "s" };
        shared.then(|| format!("{} processes share {cores} core{s}", crowded.join(", ")))
    }
}

/// Returns the number and the length of the runs, and the pinning.
pub(crate) fn said(secs: f64, runs: u32, pin: PinChoice) -> String {
    let runs = match runs {
        1 => "one run".to_owned(),
        runs => format!("medians of {runs} runs"),
    };
    format!("{runs} of {secs} s each, interleaved; {}", pin.said())
}

/// Makes a progress bar of `count` steps. The bar goes to standard error, and is silent if that is
/// not a terminal.
pub(crate) fn bar(count: u64, of: &str, silent: bool) -> ProgressBar {
    if silent {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let template = format!("[{{bar:40}}] {{pos}}/{{len}} {of}, {{eta}} left{{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// Checks that a plot can be written, before anything is measured. An existing file is kept until
/// there is a plot.
pub(crate) fn can_draw(path: &Path) -> Result<(), String> {
    let refused = |why: &str| Err(format!("cannot write the plot to {path:?}: {why}"));
    let svg = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("svg");
    if !path.extension().is_some_and(svg) {
        return refused("expected a name that ends in .svg");
    }
    let tried = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return refused("expected a file, found something else"),
        Ok(_) => File::options().append(true).open(path).map(drop),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            File::create_new(path).and_then(|_| fs::remove_file(path))
        }
        Err(error) => Err(error),
    };
    tried.or_else(|error| refused(&error.to_string()))
}

/// Writes a plot to a file beside its path and renames it: an existing file is kept if that fails.
pub(crate) fn draw(path: &Path, image: &str) -> Result<(), String> {
    let beside = path.with_extension(format!("svg.{}", std::process::id()));
    let written = fs::write(&beside, image).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // It may not even exist.
        let _ = fs::remove_file(&beside);
        format!("cannot write the plot to {path:?}: {error}")
    })
}
