//! Checks of options that are lists.

use std::fmt::Debug;
use std::ops::RangeInclusive;

/// Checks that all values are different and within `bounds`, which errors call `expected`.
///
/// # Errors
///
/// What was expected, and what was found.
pub fn within<T: PartialOrd + Debug>(
    values: &[T],
    bounds: RangeInclusive<T>,
    expected: &str,
) -> Result<(), String> {
    if let Some(value) = values.iter().find(|value| !bounds.contains(value)) {
        return Err(format!("expected {expected}, found {value:?}"));
    }
    unique(values, expected)
}

/// Checks that all values are different and among the known ones, which errors call `expected`.
///
/// # Errors
///
/// What was expected, and what was found.
pub fn known<T: PartialEq + Debug>(values: &[T], all: &[T], expected: &str) -> Result<(), String> {
    if let Some(value) = values.iter().find(|value| !all.contains(value)) {
        return Err(format!("expected {expected}, found {value:?}"));
    }
    unique(values, expected)
}

/// Checks that all values are different; errors call them `expected`.
///
/// # Errors
///
/// What was expected, and what was found.
pub fn unique<T: PartialEq + Debug>(values: &[T], expected: &str) -> Result<(), String> {
    for (at, value) in values.iter().enumerate() {
        if values[..at].contains(value) {
            return Err(format!("expected {expected}, found {value:?} twice"));
        }
    }
    Ok(())
}

/// Returns those of `all` whose names were given, or all if none was.
///
/// # Errors
///
/// What was expected, and what was found.
pub fn chosen<K: Copy>(
    all: &[K],
    name: impl Fn(&K) -> &'static str,
    names: &[String],
) -> Result<Vec<K>, String> {
    let known = all.iter().map(&name).collect::<Vec<_>>().join(", ");
    let expected = format!("kinds of {known}");
    unique(names, &expected)?;
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let find = |wanted: &String| {
        let found = all.iter().find(|kind| name(kind) == wanted);
        found
            .copied()
            .ok_or_else(|| format!("expected {expected}, found {wanted:?}"))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn numbers_are_within_bounds_and_different() {
        assert_eq!(within(&[1, 8], 1..=8, "1 to 8"), Ok(()));
        assert_eq!(
            within(&[1, 9], 1..=8, "1 to 8"),
            Err("expected 1 to 8, found 9".into())
        );
        assert_eq!(
            within(&[2, 2], 1..=8, "1 to 8"),
            Err("expected 1 to 8, found 2 twice".into())
        );
    }

    #[test]
    fn values_are_known_and_different() {
        assert_eq!(known(&[8, 64], &[8, 64], "8 or 64"), Ok(()));
        assert_eq!(
            known(&[9], &[8, 64], "8 or 64"),
            Err("expected 8 or 64, found 9".into())
        );
        assert_eq!(
            known(&[8, 8], &[8, 64], "8 or 64"),
            Err("expected 8 or 64, found 8 twice".into())
        );
    }

    #[test]
    fn names_choose_in_their_order_and_none_chooses_all() {
        let pick = |list: &[&str]| chosen(&["a", "b"], |name| name, &names(list));
        assert_eq!(pick(&[]), Ok(vec!["a", "b"]));
        assert_eq!(pick(&["b", "a"]), Ok(vec!["b", "a"]));
        assert_eq!(
            pick(&["c"]),
            Err("expected kinds of a, b, found \"c\"".into())
        );
        assert_eq!(
            pick(&["a", "a"]),
            Err("expected kinds of a, b, found \"a\" twice".into())
        );
    }
}
