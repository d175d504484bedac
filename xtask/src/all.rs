//! `cargo xtask test`: everything that must pass, one step after the other.

use std::num::NonZeroUsize;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::run::{cargo, cargo_has, pass_through};
use crate::{Outcome, counts, models, verify};

/// How long all of it may take where two processors have nothing else to do.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// How many tests of a program run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// A part that was run, or left out.
struct Part {
    name: &'static str,
    verdict: String,
    took: Duration,
    /// The time of processors, which other programs on the machine hardly change.
    busy: Duration,
}

/// The parts, in the order in which they were run.
struct Parts {
    begun: Instant,
    done: Vec<Part>,
}

impl Parts {
    fn step(&mut self, name: &'static str, work: &dyn Fn() -> Outcome) -> Outcome {
        println!("==> {name}");
        let (begun, busy) = (Instant::now(), of_children());
        let outcome = work();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        let (took, busy) = (begun.elapsed(), of_children().saturating_sub(busy));
        println!("==> {name}: {verdict} ({:.1} s)", took.as_secs_f64());
        self.done.push(Part {
            name,
            verdict: verdict.to_owned(),
            took,
            busy,
        });
        outcome
    }

    fn left_out(&mut self, name: &'static str, why: &str) {
        println!("==> {name}: left out, {why}");
        self.done.push(Part {
            name,
            verdict: format!("left out, {why}"),
            took: Duration::ZERO,
            busy: Duration::ZERO,
        });
    }
}

impl Drop for Parts {
    /// Says what each part took, also when one has failed and the rest was not begun.
    fn drop(&mut self) {
        print!("{}", table(&self.done, self.begun.elapsed()));
    }
}

/// The time of each part, and of all.
fn table(parts: &[Part], all: Duration) -> String {
    let line = |name: &str, took: Duration, busy: Duration, verdict: &str| {
        let (took, busy) = (took.as_secs_f64(), busy.as_secs_f64());
        format!("    {name:28} {took:>8.1} {busy:>12.1}  {verdict}\n")
    };
    let mut text = format!(
        "==> {:28} {:>8} {:>12}\n",
        "part", "seconds", "of processors"
    );
    for part in parts {
        text += &line(part.name, part.took, part.busy, &part.verdict);
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

/// All tests. Most of them wait for other processes, so twice as many run at once as there are
/// processors, unless the caller's environment says otherwise. The command needs the feature
/// `inspect` of the library, so these have it, and tests/inspect is among them.
fn tests() -> Command {
    let mut command = cargo(["test", "--workspace"]);
    if std::env::var_os(THREADS).is_none() {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        command.env(THREADS, (2 * processors).to_string());
    }
    command
}

pub(crate) fn test(quick: bool) -> Outcome {
    let mut parts = Parts {
        begun: Instant::now(),
        done: Vec::new(),
    };
    if cargo_has("fmt") {
        parts.step("format", &|| {
            pass_through(cargo(["fmt", "--all", "--check"]))
        })?;
    } else {
        parts.left_out("format", "rustfmt is not installed");
    }
    if cargo_has("clippy") {
        parts.step("lints", &|| {
            let args = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                "benches/criterion",
                "--",
                "-D",
                "warnings",
            ];
            pass_through(cargo(args))
        })?;
    } else {
        parts.left_out("lints", "clippy is not installed");
    }
    if cargo_has("clippy") {
        parts.step("lints without features", &|| {
            let args = [
                "clippy",
                "--no-default-features",
                "--all-targets",
                "-p",
                "crossdock",
                "--",
                "-D",
                "warnings",
            ];
            pass_through(cargo(args))
        })?;
    }
    parts.step("tests", &|| pass_through(tests()))?;
    parts.step("tests without features", &|| {
        pass_through(cargo([
            "test",
            "--no-default-features",
            "-p",
            "crossdock",
            "--lib",
        ]))
    })?;
    parts.step("tests with tracing", &|| {
        let args = [
            "test",
            "-p",
            "crossdock",
            "--features",
            "tracing",
            "--test",
            "tracing",
            "--test",
            "fork_lock",
        ];
        pass_through(cargo(args))
    })?;
    if quick {
        parts.left_out("counts, models, crash", "--quick");
    } else {
        if let Some(why) = counts::missing() {
            parts.left_out("counts", why);
        } else {
            parts.step("counts", &|| counts::counts(false))?;
        }
        parts.step("models", &|| models::models(false, false, None))?;
        parts.step("crash", &|| verify::crash(false, &["--thin".to_owned()]))?;
    }
    println!("==> all steps passed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_behind_a_command_of_any_name() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 11 12 250 50 17";
        assert_eq!(used_by_children(stat), Some(Duration::from_secs(3)));
        assert_eq!(used_by_children("nonsense"), None);
    }

    #[test]
    fn every_part_is_listed_and_a_long_run_is_told() {
        let part = |name, verdict: &str, seconds| Part {
            name,
            verdict: verdict.to_owned(),
            took: Duration::from_secs(seconds),
            busy: Duration::from_secs(2 * seconds),
        };
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
