//! What counts are against the figures: grown, shrunk, or not to be compared.

use super::figures::{Cost, Figures};

/// By how many percent a path's instructions may differ. A locked instruction more is always
/// growth.
const TOLERANCE: u64 = 5;

/// What there is to say, a line each; a line begins with the path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What must not be.
    pub(super) failures: Vec<String>,
    /// Figures that may be renewed.
    pub(super) hints: Vec<String>,
}

pub(super) fn compare(figures: &Figures, counted: &Figures) -> Verdict {
    let mut verdict = Verdict::default();
    for (path, now) in &counted.paths {
        match figures.of(path) {
            Some(was) => one(path, was, *now, &mut verdict),
            None => verdict.failures.push(format!("{path}: has no figure")),
        }
    }
    for (path, _) in &figures.paths {
        if counted.of(path).is_none() {
            let line = format!("{path}: has a figure, but there is no such path");
            verdict.failures.push(line);
        }
    }
    verdict
}

fn one(path: &str, was: Cost, now: Cost, verdict: &mut Verdict) {
    let (old, new) = (u128::from(was.instructions), u128::from(now.instructions));
    let tolerance = u128::from(TOLERANCE);
    let line = format!("{path}: {new} instructions, the figure is {old}");
    if new * 100 > old * (100 + tolerance) {
        verdict
            .failures
            .push(format!("{line}: grown by more than {TOLERANCE} %"));
    } else if new * 100 < old * (100 - tolerance) {
        verdict
            .hints
            .push(format!("{line}: shrunk by more than {TOLERANCE} %"));
    }
    let (old, new) = (was.locked, now.locked);
    let line = format!("{path}: {new} locked instructions, the figure is {old}");
    if new > old {
        verdict.failures.push(line);
    } else if new < old {
        verdict.hints.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(paths: &[(&str, u64, u64)]) -> Figures {
        let paths = paths.iter().map(|&(name, instructions, locked)| {
            let cost = Cost {
                instructions,
                locked,
            };
            (name.to_owned(), cost)
        });
        Figures {
            rustc: String::new(),
            paths: paths.collect(),
        }
    }

    /// The verdict on a path with the figures 100 and 2.
    fn against_100_and_2(instructions: u64, locked: u64) -> Verdict {
        compare(
            &figures(&[("a", 100, 2)]),
            &figures(&[("a", instructions, locked)]),
        )
    }

    #[test]
    fn what_has_not_changed_is_not_mentioned() {
        assert_eq!(against_100_and_2(100, 2), Verdict::default());
    }

    #[test]
    fn growth_within_the_tolerance_passes_and_beyond_it_fails() {
        assert_eq!(against_100_and_2(104, 2), Verdict::default());
        assert_eq!(against_100_and_2(105, 2), Verdict::default());
        let grown = against_100_and_2(106, 2);
        assert_eq!(
            grown.failures,
            ["a: 106 instructions, the figure is 100: grown by more than 5 %"]
        );
        assert!(grown.hints.is_empty());
    }

    #[test]
    fn one_locked_instruction_more_fails() {
        let grown = against_100_and_2(100, 3);
        assert_eq!(
            grown.failures,
            ["a: 3 locked instructions, the figure is 2"]
        );
        assert!(grown.hints.is_empty());
    }

    #[test]
    fn shrinking_beyond_the_tolerance_is_a_hint() {
        assert_eq!(against_100_and_2(96, 2), Verdict::default());
        let shrunk = against_100_and_2(94, 1);
        assert!(shrunk.failures.is_empty());
        assert_eq!(
            shrunk.hints,
            [
                "a: 94 instructions, the figure is 100: shrunk by more than 5 %",
                "a: 1 locked instructions, the figure is 2"
            ]
        );
    }

    #[test]
    fn growth_from_nothing_fails() {
        let grown = compare(&figures(&[("a", 0, 0)]), &figures(&[("a", 1, 1)]));
        assert_eq!(grown.failures.len(), 2);
    }

    #[test]
    fn a_path_without_a_figure_and_a_figure_without_a_path_fail() {
        let verdict = compare(
            &figures(&[("a", 1, 0), ("gone", 1, 0)]),
            &figures(&[("a", 1, 0), ("new", 1, 0)]),
        );
        assert_eq!(
            verdict.failures,
            [
                "new: has no figure",
                "gone: has a figure, but there is no such path"
            ]
        );
    }
}
