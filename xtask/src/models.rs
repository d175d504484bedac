//! `cargo xtask models`: the loom models, and the mutants that they must catch.
//!
//! A model is a test of the library, built with `--cfg loom`, whose name contains `model_`. It
//! runs in a process of its own and prints `model <name>: <n> interleavings`.
//!
//! A mutant is a number; with `CROSSDOCK_MUTANT` set to it, the algorithm has one ordering
//! weakened or one step dropped. The test `list_mutants` prints what there is, one
//! `mutant <number> <model test> <description>` a line. A mutant is caught when its model's
//! process fails; loom aborts on a deadlock, so each needs a process of its own. A mutant that
//! passes, or that does not end within its time, has not been caught.

mod output;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::run::{Watched, at_once, built, cargo, shown, watched};
use crate::{Failed, Outcome, root};
use output::Mutant;

/// Names of models contain this.
const MODEL: &str = "model_";
/// The test that prints the mutants.
const LIST_MUTANTS: &str = "list_mutants";
/// How many preemptions a bounded run explores, unless the caller's environment says otherwise.
const PREEMPTIONS: (&str, &str) = ("LOOM_MAX_PREEMPTIONS", "2");
const FULL: (&str, &str) = ("CROSSDOCK_MODEL_FULL", "1");
const MUTANT: &str = "CROSSDOCK_MUTANT";
/// The time of a model is loom's: the library itself is built fast, and in parts that keep all
/// processors busy, which costs the models a twentieth. What other tests and the examples need is
/// not run.
const BUILT_FAST: [&str; 8] = [
    "package.\"*\".opt-level=0",
    "package.loom.opt-level=3",
    "package.generator.opt-level=3",
    "package.scoped-tls.opt-level=3",
    "package.tracing.opt-level=3",
    "package.tracing-core.opt-level=3",
    "package.crossdock.opt-level=2",
    "package.crossdock.codegen-units=64",
];
/// Both processes of a model of two deaths die at every pair of steps.
const DEATHS: (&str, &str) = ("CROSSDOCK_MODEL_DEATHS", "2");
/// Names of models of two deaths contain this.
const TWO_DEATHS: &str = "two_deaths";
/// A mutant that its model does not catch within this is not caught.
const MUTANT_LIMIT: Duration = Duration::from_secs(120);
/// All models and mutants of a bounded run must be through by then; the build is not counted. They
/// take a fifth of that on two processors that have nothing else to do.
const BOUNDED_LIMIT: Duration = Duration::from_secs(15 * 60);
/// A run without a bound, or of every pair of deaths, may take this.
const FULL_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the models whose names contain `filter`, and their mutants: without a bound if `full`; only
/// those of two deaths, at every pair of steps, if `every_pair`.
pub(crate) fn models(full: bool, every_pair: bool, filter: Option<&str>) -> Outcome {
    let binary = build()?;
    let run = Run {
        binary: &binary,
        full,
        every_pair,
        deadline: Instant::now()
            + if full || every_pair {
                FULL_LIMIT
            } else {
                BOUNDED_LIMIT
            },
    };

    let tests = output::tests(&run.listing(&["--list"])?);
    let chosen = |name: &str| {
        let wanted = filter.is_none_or(|part| name.contains(part));
        name.contains(MODEL) && wanted && (!every_pair || name.contains(TWO_DEATHS))
    };
    let models: Vec<&String> = tests.iter().filter(|name| chosen(name)).collect();
    if models.is_empty() {
        eprintln!("xtask: no model matches; a model is a test whose name contains `{MODEL}`");
        return Err(Failed::Check);
    }
    let interleavings = run.models(&models)?;
    let mutants = run.mutants(&tests, &models, filter.is_some() || every_pair)?;
    run.catch(&mutants)?;
    println!(
        "models: {} models, {interleavings} interleavings, 0 failed; mutants: {} of {} caught",
        models.len(),
        mutants.len(),
        mutants.len()
    );
    Ok(())
}

/// Builds the library's tests under loom, and says where they are.
fn build() -> Result<PathBuf, Failed> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let mut command = cargo(["test", "--release", "-p", "crossdock", "--lib"]);
    command.args(["--no-default-features", "--no-run"]);
    for setting in BUILT_FAST {
        command
            .arg("--config")
            .arg(format!("profile.release.{setting}"));
    }
    command.arg("--target-dir").arg(target.join("loom"));
    command.env("RUSTFLAGS", "--cfg loom");
    built(command)
}

fn failed_to_start(command: &Command, error: &std::io::Error) -> Failed {
    eprintln!("xtask: {} could not be started: {error}", shown(command));
    Failed::Check
}

struct Run<'a> {
    binary: &'a Path,
    full: bool,
    every_pair: bool,
    deadline: Instant,
}

impl Run<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.binary);
        command.current_dir(root()).args(args).env_remove(MUTANT);
        if self.every_pair {
            command.env(DEATHS.0, DEATHS.1);
        } else {
            command.env_remove(DEATHS.0);
        }
        if self.full {
            command.env_remove(PREEMPTIONS.0).env(FULL.0, FULL.1);
        } else {
            command.env_remove(FULL.0);
            if std::env::var_os(PREEMPTIONS.0).is_none() {
                command.env(PREEMPTIONS.0, PREEMPTIONS.1);
            }
        }
        command
    }

    fn one_test(&self, name: &str) -> Command {
        self.command(&[
            name,
            "--exact",
            "--nocapture",
            "--include-ignored",
            "--test-threads=1",
        ])
    }

    /// What the binary prints in a run that only lists.
    fn listing(&self, args: &[&str]) -> Result<String, Failed> {
        let mut command = self.command(args);
        let done = watched(&mut command, self.left())
            .map_err(|error| failed_to_start(&command, &error))?;
        if done.succeeded() {
            return Ok(done.output);
        }
        eprintln!("xtask: {} failed:\n{}", shown(&command), done.output);
        Err(Failed::Check)
    }

    /// Runs the models as they are; returns how many interleavings they explored.
    fn models(&self, names: &[&String]) -> Result<u64, Failed> {
        let failed = AtomicUsize::new(0);
        let total = Mutex::new(0u64);
        at_once(names, |name| {
            if self.left().is_zero() {
                failed.fetch_add(1, Ordering::Relaxed);
                return println!("model {name}: not run, the time is up");
            }
            let mut command = self.one_test(name);
            let Ok(done) = watched(&mut command, self.left()) else {
                failed.fetch_add(1, Ordering::Relaxed);
                return println!("model {name}: FAILED, could not be started");
            };
            let explored = output::interleavings(&done.output);
            let took = done.took.as_secs_f64();
            if done.succeeded() && explored > 0 {
                *total
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner()) += explored;
                println!("model {name}: {explored} interleavings ({took:.1} s)");
            } else {
                failed.fetch_add(1, Ordering::Relaxed);
                let why = if done.succeeded() {
                    "reported no interleavings"
                } else {
                    ended(&done)
                };
                println!("model {name}: FAILED, {why} ({took:.1} s)\n{}", done.output);
            }
        });
        match failed.into_inner() {
            0 => Ok(total
                .into_inner()
                .unwrap_or_else(|poisoned| poisoned.into_inner())),
            failed => {
                println!("models: {} models, {failed} failed", names.len());
                Err(Failed::Check)
            }
        }
    }

    /// The mutants of the models that ran, their model's name completed to the test's.
    fn mutants(
        &self,
        tests: &[String],
        models: &[&String],
        some: bool,
    ) -> Result<Vec<Mutant>, Failed> {
        let Some(list) = tests
            .iter()
            .find(|name| output::is_named(name, LIST_MUTANTS))
        else {
            eprintln!("xtask: no test `{LIST_MUTANTS}`: models that catch nothing prove nothing");
            return Err(Failed::Check);
        };
        let args = [
            list,
            "--exact",
            "--nocapture",
            "--include-ignored",
            "--test-threads=1",
        ];
        let mut mutants = output::mutants(&self.listing(&args)?);
        let mut numbers = BTreeSet::new();
        for mutant in &mut mutants {
            let model = tests
                .iter()
                .find(|name| output::is_named(name, &mutant.model));
            let Some(model) = model else {
                eprintln!(
                    "xtask: mutant {}: there is no test {}",
                    mutant.number, mutant.model
                );
                return Err(Failed::Check);
            };
            mutant.model.clone_from(model);
            if !numbers.insert(mutant.number) {
                eprintln!("xtask: mutant {} is listed twice", mutant.number);
                return Err(Failed::Check);
            }
        }
        mutants.retain(|mutant| models.contains(&&mutant.model));
        if mutants.is_empty() && !some {
            eprintln!("xtask: no mutant is listed: models that catch nothing prove nothing");
            return Err(Failed::Check);
        }
        Ok(mutants)
    }

    /// Runs each mutant's model, which must fail.
    fn catch(&self, mutants: &[Mutant]) -> Outcome {
        let loose = Mutex::new(Vec::new());
        at_once(mutants, |mutant| {
            let limit = self.left().min(MUTANT_LIMIT);
            let mut command = self.one_test(&mutant.model);
            command.env(MUTANT, mutant.number.to_string());
            let verdict = match watched(&mut command, limit) {
                Err(_) => "NOT CAUGHT, its model could not be started",
                Ok(done) if done.status.is_none() => "NOT CAUGHT, its time was up",
                Ok(done) if done.succeeded() => "NOT CAUGHT, its model passed",
                Ok(_) => "caught",
            };
            println!(
                "mutant {}: {verdict} ({})",
                mutant.number, mutant.description
            );
            if verdict != "caught" {
                loose
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .push(mutant.number);
            }
        });
        let mut loose = loose
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if loose.is_empty() {
            return Ok(());
        }
        loose.sort_unstable();
        let caught = mutants.len() - loose.len();
        println!(
            "mutants: {caught} of {} caught; not caught: {loose:?}",
            mutants.len()
        );
        if self.left().is_zero() {
            println!(
                "models: stopped, the run passed its {} s",
                BOUNDED_LIMIT.as_secs()
            );
        }
        Err(Failed::Check)
    }
}

fn ended(done: &Watched) -> &'static str {
    if done.status.is_some() {
        "see below"
    } else {
        "its time was up"
    }
}
