//! `crossdock doctor`: what is wrong with the segments of this machine, and what to do.

mod checks;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::find::{self, Found};
use super::{print_json, text};

/// Says what is wrong with segments, and what to do.
///
/// Exit code 0: nothing was found; 1: something was; 2: it cannot look.
/// docs/operate.md explains each line.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The name of one segment, as `crossdock ls --all` shows it; all
    /// segments and /dev/shm, without a name.
    #[arg(verbatim_doc_comment)]
    name: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// A word for it that does not change.
    code: &'static str,
    /// The segment; `None` for /dev/shm.
    segment: Option<String>,
    /// The process that it is about.
    pid: Option<u32>,
    what: String,
    remedy: String,
}

impl Finding {
    fn line(&self) -> String {
        let whose = self.segment.as_deref().unwrap_or("/dev/shm");
        format!("warn  {whose}: {} -> {}\n", self.what, self.remedy)
    }

    fn object(&self) -> Value {
        json!({
            "code": self.code,
            "segment": self.segment,
            "pid": self.pid,
            "what": self.what,
            "remedy": self.remedy,
        })
    }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match look(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            crate::say(&message);
            ExitCode::from(2)
        }
    }
}

/// Prints what it finds; returns whether that is nothing.
fn look(options: &Options) -> Result<bool, String> {
    let segments = match &options.name {
        Some(name) => vec![find::one(name)?],
        None => {
            let mut all = find::named()?;
            all.extend(find::nameless()?);
            all
        }
    };
    if let (Some(_), [found]) = (&options.name, &segments[..])
        && let Some("no-access" | "unreadable") = found.problem()
        && let Err(error) = &found.look
    {
        return Err(super::failed(error));
    }
    let mut findings = Vec::new();
    let mut lines = String::new();
    for found in &segments {
        let of_segment = checks::segment(found);
        if let ([], Some((alive, _))) = (&of_segment[..], found.participants()) {
            let (name, used) = (&found.name, found.used_percent().unwrap_or(0));
            lines.push_str(&format!(
                "ok    {name}: {alive} alive, none dead; {used}% used\n"
            ));
        }
        of_segment
            .iter()
            .for_each(|one| lines.push_str(&one.line()));
        findings.extend(of_segment);
    }
    if options.name.is_none() {
        let (used, of) = checks::shared_memory()?;
        match checks::space(used, of) {
            Some(full) => {
                lines.push_str(&full.line());
                findings.push(full);
            }
            None => {
                let percent = text::percent(used, of);
                lines.push_str(&format!(
                    "ok    /dev/shm: {percent}% of {} used\n",
                    text::size(of)
                ));
            }
        }
    }
    if options.json {
        let findings: Vec<_> = findings.iter().map(Finding::object).collect();
        print_json(&json!({ "segments": segments.len(), "findings": findings }));
    } else {
        crate::print_ignoring_closed_pipes(&lines);
    }
    Ok(findings.is_empty())
}

impl Finding {
    fn of(found: &Found, code: &'static str, what: String, remedy: String) -> Self {
        Self {
            code,
            segment: Some(found.name.clone()),
            pid: None,
            what,
            remedy,
        }
    }

    fn about(self, pid: u32) -> Self {
        Self {
            pid: Some(pid),
            ..self
        }
    }
}
