//! Squares: a list that processes fill in shares, and a sum that all of them add to.

use crossdock::array::Init;
use crossdock::process;
use crossdock::{AtomicArray, Counter, Segment};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::report::Report;

/// The arguments of a process.
#[derive(Serialize, Deserialize)]
struct Share {
    /// The indices from the first to before the last.
    from: usize,
    to: usize,
    numbers: AtomicArray<u64>,
    squares: AtomicArray<u64>,
    sum: Counter,
}

/// The result of the demo.
#[derive(Debug, Serialize)]
struct Outcome {
    demo: &'static str,
    numbers: u32,
    processes: u32,
    squares: Vec<u64>,
    sum: u64,
}

fn square(share: Share) {
    let Share { from, to, .. } = share;
    for (number, square) in share.numbers[from..to].iter().zip(&share.squares[from..to]) {
        let number = number.load();
        square.store(number * number);
        share.sum.add(number * number);
    }
}

/// Returns the end of each process's share; no share is larger than another by more than one.
fn ends(numbers: usize, processes: usize) -> impl Iterator<Item = usize> {
    (1..=processes).map(move |process| numbers * process / processes)
}

pub(super) fn run(numbers: u32, processes: u32, report: &Report) -> Result<(), Failure> {
    let len = numbers as usize;
    let segment = Segment::anonymous()?;
    let list =
        segment.create::<AtomicArray<u64>>("numbers", (1..=numbers.into()).collect::<Init<_>>())?;
    let squares = segment.create::<AtomicArray<u64>>("squares", Init::zeroed(len))?;
    let sum = segment.create::<Counter>("sum", 0)?;

    let mut workers = Vec::new();
    let mut from = 0;
    for to in ends(len, processes as usize) {
        let share = Share {
            from,
            to,
            numbers: list.clone(),
            squares: squares.clone(),
            sum: sum.clone(),
        };
        workers.push((
            from,
            to,
            process::Builder::new().daemon(true).spawn(square, share)?,
        ));
        from = to;
    }
    for (number, (from, to, worker)) in (1..).zip(workers) {
        worker.join()?;
        let done = to - from;
        report.line(&format!(
            "process {number}: squared {done}, from {} to {to}",
            from + 1
        ));
    }

    let outcome = Outcome {
        demo: "squares",
        numbers,
        processes,
        squares: squares.to_vec(),
        sum: sum.load(),
    };
    let text: Vec<String> = outcome.squares.iter().map(u64::to_string).collect();
    report.line(&format!("squares: {}", text.join(", ")));
    report.end(&format!("sum of squares: {}", outcome.sum), &outcome);
    check(&outcome)
}

/// Checks the squares and their sum.
fn check(outcome: &Outcome) -> Result<(), Failure> {
    let mut sum = 0;
    for (number, found) in (1..).zip(&outcome.squares) {
        let expected: u64 = number * number;
        if *found != expected {
            let what = format!("the square of {number}: expected {expected}, found {found}");
            return Err(Failure::Sum(what));
        }
        sum += expected;
    }
    if outcome.sum == sum {
        return Ok(());
    }
    let found = outcome.sum;
    Err(Failure::Sum(format!(
        "the sum of squares: expected {sum}, found {found}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_alike_and_together_all() {
        for (numbers, processes) in [(1, 1), (10, 3), (7, 7), (10_000, 99)] {
            let ends: Vec<_> = [0].into_iter().chain(ends(numbers, processes)).collect();
            assert_eq!(ends.len(), processes + 1);
            assert_eq!(ends.last(), Some(&numbers));
            let shares = ends.windows(2).map(|pair| pair[1] - pair[0]);
            let (least, most) = (shares.clone().min().unwrap(), shares.max().unwrap());
            assert!(most - least <= 1 && least > 0, "{least} to {most}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let outcome = |squares: &[u64], sum| Outcome {
            demo: "squares",
            numbers: 3,
            processes: 1,
            squares: squares.to_vec(),
            sum,
        };
        assert!(check(&outcome(&[1, 4, 9], 14)).is_ok());
        let said = |outcome| check(&outcome).unwrap_err().to_string();
        assert_eq!(
            said(outcome(&[1, 5, 9], 15)),
            "the square of 2: expected 4, found 5"
        );
        assert_eq!(
            said(outcome(&[1, 4, 9], 13)),
            "the sum of squares: expected 14, found 13"
        );
    }
}
