//! The common parts of measurements: bounds of options, pinning, and progress.

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::pin::{self, Pin};

/// The shortest and the longest run, in seconds.
const SECS: (f64, f64) = (0.001, 3600.0);
const MAX_RUNS: u32 = 1000;

/// Checks the length and the number of runs.
///
/// # Errors
///
/// What was expected, and what was found.
pub fn check(secs: f64, runs: u32) -> Result<(), String> {
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
pub enum PinChoice {
    /// Each process on a core of its own, in turn.
    Cores,
    /// All processes on one core.
    Same,
    /// Where the kernel puts them.
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
    fn text(self) -> &'static str {
        match self {
            Self::Cores => "each process on a core of its own, in turn",
            Self::Same => "all processes on one core",
            Self::Free => "processes not pinned",
        }
    }

    /// Returns a note on the numbers of processes that share cores, if any do.
    pub fn crowded(self, processes: impl Iterator<Item = u32>) -> Option<String> {
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
pub fn described(secs: f64, runs: u32, pin: PinChoice) -> String {
    let runs = match runs {
        1 => "one run".to_owned(),
        runs => format!("medians of {runs} runs"),
    };
    format!("{runs} of {secs} s each, interleaved; {}", pin.text())
}

/// Makes a progress bar of `count` steps. The bar goes to standard error, and is silent if that is
/// not a terminal.
pub fn bar(count: u64, of: &str, silent: bool) -> ProgressBar {
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
