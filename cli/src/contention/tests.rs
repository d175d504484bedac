//! What rows are made of.

use super::*;

fn sample(ops: &[u64], found: u64) -> Sample {
    Sample {
        ops: ops.to_vec(),
        elapsed: Duration::from_nanos(1_000),
        expected: ops.iter().sum(),
        found,
        latency: None,
    }
}

#[test]
fn a_row_has_the_medians_of_its_runs_and_all_their_losses() {
    let samples = [
        sample(&[10, 40], 45),
        sample(&[50, 50], 100),
        sample(&[5, 5], 9),
    ];
    let row = row("mutex", 2, Pin::Cores, &samples);
    assert_eq!(row.ns_per_op, 20.0);
    assert_eq!(row.ns_per_op_range, (10.0, 100.0));
    assert_eq!(row.mops, 50.0);
    assert_eq!(row.fairness, 1.0);
    assert_eq!(row.lost, 6);
    assert_eq!(row.ops, 160);
    assert_eq!(row.p50_ns, None);
}

#[test]
fn a_worker_that_never_added_makes_a_run_as_unfair_as_can_be() {
    assert_eq!(sample(&[0, 7], 7).fairness(), 0.0);
    assert_eq!(sample(&[0, 0], 0).fairness(), 0.0);
}

#[test]
fn a_run_without_an_addition_has_no_rate() {
    let row = row("mutex", 2, Pin::Cores, &[sample(&[0, 0], 0)]);
    assert_eq!(row.ns_per_op, f64::INFINITY);
    assert_eq!(row.mops, 0.0);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
}

fn counted(setting: &Setting) -> Result<Sample, Failure> {
    let ops = u64::from(setting.processes) * 100;
    Ok(sample(&[ops], ops))
}

#[test]
fn a_plan_is_run_round_by_round_and_compared_with_one_process() {
    let kind = |name| Kind {
        name,
        about: "",
        run: counted,
    };
    let plan = Plan {
        kinds: vec![kind("a"), kind("b")],
        processes: vec![1, 2],
        runs: 2,
        pin: Pin::Free,
        time: Duration::ZERO,
        inside: Work::none(),
        outside: Work::none(),
        latency: false,
    };
    let mut steps = Vec::new();
    let rows = run(&plan, &mut |step| steps.push((step.kind, step.processes))).unwrap();
    assert_eq!(steps.len(), 8);
    assert_eq!(steps[..4], [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
    assert_eq!(steps[4..], [("b", 1), ("a", 2), ("b", 2), ("a", 1)]);
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row.speedup == Some(f64::from(row.processes)))
    );
}
