//! What libtest and the models print, taken apart.

/// One line of `list_mutants`.
#[derive(Debug, PartialEq)]
pub(super) struct Mutant {
    pub(super) number: u32,
    /// The test that must fail under this mutant.
    pub(super) model: String,
    /// Which ordering is weakened, which step dropped.
    pub(super) description: String,
}

/// The tests that `--list` names.
pub(super) fn tests(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// Whether `test`, with its modules, is the test called `name`, with or without them.
pub(super) fn is_named(test: &str, name: &str) -> bool {
    test.strip_suffix(name)
        .is_some_and(|modules| modules.is_empty() || modules.ends_with("::"))
}

/// The sum over all lines `model <name>: <n> interleavings`.
pub(super) fn interleavings(output: &str) -> u64 {
    output.lines().filter_map(interleavings_of).sum()
}

/// libtest puts `test <name> ... ` before the first line that a test prints.
fn interleavings_of(line: &str) -> Option<u64> {
    let (model, number) = line
        .trim_end()
        .strip_suffix(" interleavings")?
        .rsplit_once(": ")?;
    model
        .split_whitespace()
        .any(|word| word == "model")
        .then(|| number.parse().ok())?
}

/// All lines `mutant <number> <model test> <description>`.
pub(super) fn mutants(output: &str) -> Vec<Mutant> {
    output.lines().filter_map(mutant).collect()
}

fn mutant(line: &str) -> Option<Mutant> {
    line.match_indices("mutant ").find_map(|(at, word)| {
        let mut parts = line[at + word.len()..].trim().splitn(3, ' ');
        Some(Mutant {
            number: parts.next()?.parse().ok()?,
            model: parts.next()?.to_owned(),
            description: parts.next().unwrap_or_default().to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_listed_and_benches_are_not() {
        let listing = "raw::tests::model_a: test\nb: benchmark\n\n2 tests, 0 benchmarks\n";
        assert_eq!(tests(listing), ["raw::tests::model_a"]);
    }

    #[test]
    fn a_test_is_known_by_its_last_name_and_not_by_half_of_it() {
        assert!(is_named("raw::tests::model_a", "model_a"));
        assert!(is_named("model_a", "model_a"));
        assert!(is_named("raw::tests::model_a", "tests::model_a"));
        assert!(!is_named("raw::tests::big_model_a", "model_a"));
    }

    #[test]
    fn interleavings_are_summed_also_behind_libtests_own_words() {
        let output = "test x::model_a ... model a: 12 interleavings\nmodel a, killed: 30 interleavings\n\
                      ok\n7 interleavings\n";
        assert_eq!(interleavings(output), 42);
    }

    #[test]
    fn mutants_are_read_also_behind_libtests_own_words() {
        let output = "running 1 test\ntest raw::list_mutants ... mutant 1 model_a no wake\n\
                      mutant 2 raw::model_b\nok\n";
        let [first, second] = &mutants(output)[..] else {
            panic!("not two mutants")
        };
        let expected = Mutant {
            number: 1,
            model: "model_a".into(),
            description: "no wake".into(),
        };
        assert_eq!(first, &expected);
        assert_eq!(
            (second.number, &*second.model, &*second.description),
            (2, "raw::model_b", "")
        );
    }
}
