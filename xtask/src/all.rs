//! `cargo xtask test`: everything that must pass, one step after the other.

use std::time::Instant;

use crate::run::{cargo, cargo_has, pass_through};
use crate::{Outcome, counts, models, verify};

pub(crate) fn test(quick: bool) -> Outcome {
    let begun = Instant::now();
    let mut steps = 0;
    let mut step = |name: &str, work: &dyn Fn() -> Outcome| -> Outcome {
        println!("==> {name}");
        let begun = Instant::now();
        let outcome = work();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!(
            "==> {name}: {verdict} ({:.1} s)",
            begun.elapsed().as_secs_f64()
        );
        steps += 1;
        outcome
    };

    if cargo_has("fmt") {
        step("format", &|| {
            pass_through(cargo(["fmt", "--all", "--check"]))
        })?;
    } else {
        println!("==> format: skipped, rustfmt is not installed");
    }
    if cargo_has("clippy") {
        step("lints", &|| {
            let args = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            pass_through(cargo(args))
        })?;
    } else {
        println!("==> lints: skipped, clippy is not installed");
    }
    step("tests", &|| pass_through(cargo(["test", "--workspace"])))?;
    step("tests without features", &|| {
        pass_through(cargo([
            "test",
            "--no-default-features",
            "-p",
            "crossdock",
            "--lib",
        ]))
    })?;
    step("large values, not optimised", &|| {
        let args = [
            "test",
            "--profile",
            "dev",
            "-p",
            "crossdock",
            "--test",
            "large",
        ];
        pass_through(cargo(args))
    })?;
    if quick {
        println!("==> counts, models, crash: left out (--quick)");
    } else {
        if let Some(why) = counts::missing() {
            println!("==> counts: skipped, {why}");
        } else {
            step("counts", &|| counts::counts(false))?;
        }
        step("models", &|| models::models(false, false, None))?;
        step("crash", &|| verify::crash(false, &["--thin".to_owned()]))?;
    }
    println!(
        "==> all {steps} steps passed ({:.1} s)",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
