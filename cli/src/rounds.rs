//! Runs that are compared take turns.

use crate::Failure;

/// Runs the cells in rounds: each once, then each again, every round beginning with another one.
/// `runs` says how often a cell is run: in every round if that is the most of all, else in so many
/// rounds that lie as far apart. `run` is told how many runs there were before.
///
/// What each cell came to is in the order of rounds, with nothing where it was not run.
///
/// # Errors
///
/// The first [`Failure`] of a run.
pub fn interleave<C, S>(
    cells: &[C],
    runs: impl Fn(&C) -> u32,
    mut run: impl FnMut(&C, usize) -> Result<S, Failure>,
) -> Result<Vec<Vec<Option<S>>>, Failure> {
    let runs: Vec<usize> = cells.iter().map(|cell| runs(cell) as usize).collect();
    let rounds = runs.iter().copied().max().unwrap_or_default();
    let mut samples: Vec<Vec<Option<S>>> = cells.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    for round in 0..rounds {
        for turn in 0..cells.len() {
            let at = (turn + round) % cells.len();
            let mut sample = None;
            if round * runs[at] % rounds < runs[at] {
                sample = Some(run(&cells[at], done)?);
                done += 1;
            }
            samples[at].push(sample);
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
        let samples = interleave(
            &['a', 'b', 'c'],
            |_| 2,
            |cell, done| {
                order.push(*cell);
                Ok(done)
            },
        );
        assert_eq!(order, ['a', 'b', 'c', 'b', 'c', 'a']);
        let expected = [[0, 5], [1, 3], [2, 4]].map(|samples| samples.map(Some));
        assert_eq!(samples.unwrap(), expected);
    }

    #[test]
    fn a_cell_with_fewer_runs_leaves_out_rounds_between_them() {
        for (most, runs, expected) in [
            (6, 2, vec![0, 3]),
            (5, 3, vec![0, 2, 4]),
            (3, 0, vec![]),
            (2, 2, vec![0, 1]),
        ] {
            let mut count = 0;
            let samples = interleave(
                &[most, runs],
                |runs| *runs,
                |_, done| {
                    assert_eq!(done, count);
                    count += 1;
                    Ok(())
                },
            );
            let samples = samples.unwrap();
            assert!(samples[0].iter().all(Option::is_some));
            let taken = (0..most as usize).filter(|round| samples[1][*round].is_some());
            assert_eq!(taken.collect::<Vec<_>>(), expected, "{runs} of {most}");
            assert_eq!(count, (most + runs) as usize);
        }
    }
}
