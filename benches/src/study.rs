//! What a study is: an experiment beside what people would use instead, and a report of it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use crossdock_cli::Failure;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::peers::locks::failed;
use crate::report;
use crate::report::kept::{self, Part};

/// How much is measured. What a study does not have is 0 or empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Effort {
    /// How long each run takes, in seconds.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) secs: f64,
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) runs: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) processes: Vec<u32>,
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) kills: u32,
    /// The interpreter of Python's peers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) python: String,
}

fn is_none<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a study was called.
pub(crate) struct Call {
    /// What is to be typed for it.
    pub(crate) command: String,
    pub(crate) effort: Effort,
}

/// An experiment.
pub(crate) trait Study: Sync {
    fn name(&self) -> &'static str;

    /// How much is measured unless it is said.
    fn effort(&self) -> Effort;

    /// How many steps it has.
    fn steps(&self, effort: &Effort) -> u64;

    /// Measures, and says so on the bar.
    fn run(&self, call: Call, bar: &ProgressBar) -> Result<Box<dyn Report>, Failure>;
}

/// What a study has found, as a document for people and as one for machines.
pub(crate) trait Report {
    fn json(&self) -> serde_json::Result<String>;

    /// The document at `path` with this in it.
    fn document(&self, path: &Path) -> Result<String, Failure>;

    /// Writes the document to `path`.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        kept::replace(path, &self.document(path)?).map_err(refused)
    }
}

/// A report that is one part of the document.
pub(crate) trait Sections: Serialize {
    const PART: Part;

    /// The text of the part, from its heading on.
    fn sections(&self) -> String;
}

impl<S: Sections> Report for S {
    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    fn document(&self, path: &Path) -> Result<String, Failure> {
        let text = format!("\n\n{}\n\n", self.sections());
        kept::with(path, Self::PART, &text).map_err(refused)
    }
}

pub(crate) fn refused(words: String) -> Failure {
    failed("the document", words)
}

/// The options of all studies. A study refuses those that it does not have.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each subject is measured in each run, in seconds.
    #[arg(long)]
    secs: Option<f64>,
    /// How often each subject is measured; figures are medians.
    #[arg(long)]
    runs: Option<u32>,
    /// With how many processes.
    #[arg(long, value_delimiter = ',')]
    processes: Option<Vec<u32>>,
    /// How many owners, users or workers of each subject are killed.
    #[arg(long)]
    kills: Option<u32>,
    /// The interpreter of Python's peers; loky and mpire take part if it has them.
    #[arg(long, value_name = "FILE")]
    python: Option<String>,
    /// Print one JSON object, and write no document.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the document instead of writing it.
    #[arg(long)]
    pub(crate) no_write: bool,
    /// Where the document is written; what others wrote there stays.
    #[arg(long, value_name = "FILE", default_value = DOCUMENT)]
    pub(crate) output: PathBuf,
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

const MAX_PROCESSES: u32 = 64;
const MAX_RUNS: u32 = 1_000;
const MAX_KILLS: u32 = 10_000;
const MAX_SECS: f64 = 3_600.0;

impl Call {
    /// Takes an option over, if it is given and the study has it. One that says what is so anyway
    /// is no part of the command.
    fn take<T: Clone + Default + PartialEq>(
        &mut self,
        option: &str,
        given: Option<&T>,
        value: impl Fn(&mut Effort) -> &mut T,
        text: impl Fn(&T) -> String,
    ) -> Result<(), String> {
        let Some(given) = given else { return Ok(()) };
        let ours = value(&mut self.effort);
        if is_none(ours) {
            return Err(format!("expected no {option} of this study"));
        }
        if ours != given {
            *ours = given.clone();
            self.command += &format!(" {option} {}", text(given));
        }
        Ok(())
    }
}

impl Options {
    /// The call that the options make of a study, if it can be made.
    pub(crate) fn call(&self, study: &dyn Study) -> Result<Call, String> {
        self.check()?;
        let mut call = Call {
            command: format!("cargo xtask compare {}", study.name()),
            effort: study.effort(),
        };
        let list = |counts: &Vec<u32>| {
            let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
            counts.join(",")
        };
        call.take("--secs", self.secs.as_ref(), |it| &mut it.secs, said)?;
        call.take("--runs", self.runs.as_ref(), |it| &mut it.runs, said)?;
        let processes = self.processes.as_ref();
        call.take("--processes", processes, |it| &mut it.processes, list)?;
        call.take("--kills", self.kills.as_ref(), |it| &mut it.kills, said)?;
        call.effort.processes.sort_unstable();
        call.effort.processes.dedup();
        // Where the interpreter is is its machine's, and no part of the command.
        let command = call.command.clone();
        call.take("--python", self.python.as_ref(), |it| &mut it.python, said)?;
        call.command = command;
        if !self.json && !self.no_write {
            // Before minutes are spent on a document that cannot be written.
            report::check(&self.output)?;
        }
        Ok(call)
    }

    fn check(&self) -> Result<(), String> {
        let range = |secs: &f64| *secs > 0.0 && *secs <= MAX_SECS;
        if let Some(secs) = self.secs.filter(|secs| !range(secs)) {
            return Err(format!(
                "expected more than 0 and at most {MAX_SECS} seconds, found {secs}"
            ));
        }
        let range = |runs: &u32| (1..=MAX_RUNS).contains(runs);
        if let Some(runs) = self.runs.filter(|runs| !range(runs)) {
            return Err(format!("expected 1 to {MAX_RUNS} runs, found {runs}"));
        }
        let range = |count: &&u32| !(1..=MAX_PROCESSES).contains(*count);
        if let Some(count) = self.processes.iter().flatten().find(range) {
            return Err(format!(
                "expected 1 to {MAX_PROCESSES} processes, found {count}"
            ));
        }
        if let Some(kills) = self.kills.filter(|kills| *kills > MAX_KILLS) {
            return Err(format!("expected at most {MAX_KILLS} kills, found {kills}"));
        }
        Ok(())
    }
}

fn said<T: Display>(value: &T) -> String {
    value.to_string()
}
