//! A part of `cargo xtask test`: how it ended, what it took, and the table of all of them.

use std::time::{Duration, Instant};

use crate::Outcome;

/// How long all of it may take where two processors have nothing else to do.
pub(super) const LONGEST: Duration = Duration::from_secs(20 * 60);

/// A part that was run, or left out.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) name: String,
    verdict: String,
    took: Duration,
    /// The time of processors, which other programs on the machine hardly change.
    busy: Duration,
}

impl Part {
    /// Runs a part, and says how it begins and ends.
    pub(super) fn run(name: &str, work: &dyn Fn() -> Outcome) -> (Self, Outcome) {
        println!("==> {name}");
        let (begun, busy) = (Instant::now(), of_children());
        let outcome = work();
        let part = Self {
            name: name.to_owned(),
            verdict: if outcome.is_ok() { "ok" } else { "FAILED" }.to_owned(),
            took: begun.elapsed(),
            busy: of_children().saturating_sub(busy),
        };
        println!("{}", part.ended());
        (part, outcome)
    }

    /// A part that is not run, and says why.
    pub(super) fn left_out(name: &str, why: &str) -> Self {
        let part = Self {
            name: name.to_owned(),
            verdict: format!("left out, {why}"),
            took: Duration::ZERO,
            busy: Duration::ZERO,
        };
        println!("{}", part.ended());
        part
    }

    pub(super) fn failed(&self) -> bool {
        self.verdict == "FAILED"
    }

    /// The line that a part ends with.
    pub(super) fn ended(&self) -> String {
        format!(
            "==> {}: {} ({:.1} s, {:.1} s of processors)",
            self.name,
            self.verdict,
            self.took.as_secs_f64(),
            self.busy.as_secs_f64()
        )
    }

    /// The part that ended with this line, if it is such a line.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let (name, rest) = line.strip_prefix("==> ")?.split_once(": ")?;
        let (verdict, times) = rest.strip_suffix(" s of processors)")?.rsplit_once(" (")?;
        let (took, busy) = times.split_once(" s, ")?;
        let time = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
        Some(Self {
            name: name.to_owned(),
            verdict: verdict.to_owned(),
            took: time(took)?,
            busy: time(busy)?,
        })
    }
}

/// The time of each part, and of all.
pub(super) fn table(parts: &[Part], all: Duration) -> String {
    let line = |name: &str, took: Duration, busy: Duration, verdict: &str| {
        let (took, busy) = (took.as_secs_f64(), busy.as_secs_f64());
        format!("    {name:28} {took:>8.1} {busy:>12.1}  {verdict}\n")
    };
    let mut text = format!(
        "==> {:28} {:>8} {:>12}\n",
        "part", "seconds", "of processors"
    );
    for part in parts {
        text += &line(&part.name, part.took, part.busy, &part.verdict);
    }
    let busy = parts.iter().map(|part| part.busy).sum();
    text += &line("all", all, busy, "");
    if all > LONGEST {
        let minutes = LONGEST.as_secs() / 60;
        text += &format!("==> longer than {minutes} minutes; were two processors idle before?\n");
    }
    text
}

/// The time of processors that programs have used which this one has started and waited for; 0 if
/// /proc does not say.
fn of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    used_by_children(&stat).unwrap_or_default()
}

/// Fields 16 and 17 of proc_pid_stat(5), in hundredths of a second.
fn used_by_children(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, verdict: &str, seconds: u64) -> Part {
        Part {
            name: name.to_owned(),
            verdict: verdict.to_owned(),
            took: Duration::from_secs(seconds),
            busy: Duration::from_secs(2 * seconds),
        }
    }

    #[test]
    fn the_time_of_children_is_read_behind_a_command_of_any_name() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 11 12 250 50 17";
        assert_eq!(used_by_children(stat), Some(Duration::from_secs(3)));
        assert_eq!(used_by_children("nonsense"), None);
    }

    #[test]
    fn a_part_is_read_from_the_line_that_it_ends_with_and_from_no_other() {
        for part in [
            part("models", "ok", 90),
            part("tests with tracing", "FAILED", 5),
            part("counts", "left out, valgrind (a tool) is not installed", 0),
        ] {
            assert_eq!(Part::of_line(&part.ended()).as_ref(), Some(&part));
            assert_eq!(part.failed(), part.verdict == "FAILED");
        }
        for line in ["", "==> models", "crash: took 3.0 s", "==> a: ok (1.0 s)"] {
            assert_eq!(Part::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn every_part_is_listed_and_a_long_run_is_told() {
        let parts = [part("tests", "ok", 90), part("models", "FAILED", 5)];
        let text = table(&parts, Duration::from_secs(95));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["tests", "90.0", "180.0", "ok"]
        );
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["all", "95.0", "190.0"]
        );
        let long = table(&parts, LONGEST + Duration::from_secs(1));
        assert!(
            long.ends_with("were two processors idle before?\n"),
            "{long}"
        );
    }
}
