//! `cargo xtask test`: everything that must pass, and what it took.
//!
//! What is built without optimising goes one step after the other. The counts, the models and the
//! crash sweep are built into folders of their own, and run [beside](beside) that: a build has
//! nothing to do for a second processor at its end, and most tests wait.

pub(crate) mod beside;
mod part;
mod programs;

use std::time::Instant;

use crate::run::{cargo, cargo_has, pass_through};
use crate::{Failed, Outcome, counts, models, verify};
use beside::Beside;
use part::{Part, table};

/// The parts that run beside the others.
const BESIDE: &str = "counts, crash, models";

/// The parts that have ended.
struct Parts {
    begun: Instant,
    done: Vec<Part>,
    beside: Option<Beside>,
}

impl Parts {
    fn step(&mut self, name: &str, work: &dyn Fn() -> Outcome) -> Outcome {
        let (part, outcome) = Part::run(name, work);
        self.done.push(part);
        let beside = self.beside.as_ref().map(Beside::parts).unwrap_or_default();
        let failed = beside.iter().any(Part::failed);
        self.done.extend(beside);
        if failed { Err(Failed::Check) } else { outcome }
    }

    /// A step that is a command of cargo's.
    fn cargo(&mut self, name: &str, args: &str) -> Outcome {
        self.step(name, &|| pass_through(cargo(args.split(' '))))
    }

    fn left_out(&mut self, name: &str, why: &str) {
        self.done.push(Part::left_out(name, why));
    }

    /// Waits for the parts beside these.
    fn finish(&mut self) -> Outcome {
        let Some(mut beside) = self.beside.take() else {
            return Ok(());
        };
        println!("==> waiting for {BESIDE}");
        beside.finish(|part| self.done.push(part))
    }
}

impl Drop for Parts {
    /// Says what each part took, also when one has failed and the rest was not begun.
    fn drop(&mut self) {
        if self.beside.take().is_some() {
            println!("==> {BESIDE}: ended, or not begun");
        }
        print!("{}", table(&self.done, self.begun.elapsed()));
    }
}

pub(crate) fn test(quick: bool) -> Outcome {
    let mut parts = Parts {
        begun: Instant::now(),
        done: Vec::new(),
        beside: None,
    };
    if quick {
        parts.left_out(BESIDE, "--quick");
    } else {
        println!("==> beside these: {BESIDE}");
        let beside = Beside::start().map_err(|error| {
            eprintln!("xtask: what runs beside could not be started: {error}");
            Failed::Check
        })?;
        parts.beside = Some(beside);
    }
    if cargo_has("fmt") {
        parts.cargo("format", "fmt --all --check")?;
    } else {
        parts.left_out("format", "rustfmt is not installed");
    }
    if cargo_has("clippy") {
        parts.cargo(
            "lints",
            "clippy --workspace --all-targets --features benches/criterion -- -D warnings",
        )?;
        parts.cargo(
            "lints without features",
            "clippy --no-default-features --all-targets -p crossdock -- -D warnings",
        )?;
    } else {
        parts.left_out("lints", "clippy is not installed");
    }
    parts.step("tests", &programs::tests)?;
    parts.cargo(
        "tests without features",
        "test --no-default-features -p crossdock --lib",
    )?;
    parts.cargo(
        "tests with tracing",
        "test -p crossdock --features tracing --test tracing --test fork_lock",
    )?;
    parts.finish()?;
    println!("==> all steps passed");
    Ok(())
}

/// The parts that run beside those of [`test`], whose process started this one.
pub(crate) fn beside() -> Outcome {
    beside::end_with_the_input();
    let step = |name, work: &dyn Fn() -> Outcome| Part::run(name, work).1;
    if let Some(why) = counts::missing() {
        Part::left_out("counts", why);
    } else {
        step("counts", &|| counts::counts(false))?;
    }
    // The sweep waits more than it works, as the tests do, and goes together with builds.
    step("crash", &|| verify::crash(false, &["--thin".to_owned()]))?;
    step("models", &|| models::models(false, false, None))
}
