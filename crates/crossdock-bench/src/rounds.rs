//! Runs that are compared take turns.

use crate::Failure;

/// Runs each of `cells` so often: all once, then all again, each round beginning with another one.
/// What each came to is in the order of its rounds. `run` is told how many runs there were before.
pub(crate) fn interleave<C, S>(
    cells: &[C],
    rounds: u32,
    mut run: impl FnMut(&C, usize) -> Result<S, Failure>,
) -> Result<Vec<Vec<S>>, Failure> {
    let mut samples: Vec<Vec<S>> = cells.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds as usize {
        for turn in 0..cells.len() {
            let at = (turn + round) % cells.len();
            samples[at].push(run(&cells[at], round * cells.len() + turn)?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_another_cell() {
        let mut order = Vec::new();
        let samples = interleave(&['a', 'b', 'c'], 2, |cell, done| {
            order.push(*cell);
            Ok(done)
        });
        assert_eq!(order, ['a', 'b', 'c', 'b', 'c', 'a']);
        assert_eq!(samples.unwrap(), [[0, 5], [1, 3], [2, 4]]);
    }
}
