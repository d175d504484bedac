//! The product of two matrices: processes lease its rows, one of them is killed in the middle of
//! one, and another does that row again.

use std::error::Error;

use crossdock::array::{ArrayOptions, Init};
use crossdock::process::{self, Pool};
use crossdock::{Array, Counter, Segment};

const SIZE: usize = 64;

/// The matrices, each cut into its rows.
type Matrices = [Array<f64>; 3];

fn row_of(left: &[f64], right: &[f64], row: usize, product: &mut [f64]) {
    for (column, value) in product.iter_mut().enumerate() {
        let terms = (0..SIZE).map(|k| left[row * SIZE + k] * right[k * SIZE + column]);
        *value = terms.sum();
    }
}

fn multiply(([left, right, product], again): (Matrices, Counter)) {
    let left = left.read().expect("no other process writes it");
    let right = right.read().expect("no other process writes it");
    while let Some(mut row) = product.lease_chunk().expect("no other process writes it") {
        if row.holder_died() {
            again.add(1);
        }
        row_of(&left, &right, row.index(), &mut row);
        row.finish().expect("it is this process's"); // killed before, it leaves the row to another
    }
}

/// Takes a row and never finishes it.
fn unlucky((product, taken): (Array<f64>, Counter)) {
    let next = product.lease_chunk().expect("no other process writes it");
    let mut row = next.expect("all rows are to do");
    row[..SIZE / 2].fill(f64::NAN);
    taken.add(1);
    loop {
        std::thread::park(); // until it is killed
    }
}

/// A task of a pool: leases the next row that is to do, and computes it.
fn next_row([left, right, product]: &mut Matrices, _turn: usize) {
    let left = left.read().expect("no other process writes it");
    let right = right.read().expect("no other process writes it");
    if let Some(mut row) = product.lease_chunk().expect("no other process writes it") {
        row_of(&left, &right, row.index(), &mut row);
        row.finish().expect("it is this process's");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the processes begin, and end, here
    let segment = Segment::anonymous()?;
    let matrix = |name, value: fn(usize) -> f64| {
        let options = ArrayOptions::new(Init::from_fn(SIZE * SIZE, value)).chunk(SIZE);
        segment.create::<Array<f64>>(name, options)
    };
    let left = matrix("left", |i| (i % 7) as f64)?;
    let right = matrix("right", |i| (i % 5) as f64)?;
    let product = matrix("product", |_| 0.0)?;
    let again = segment.create::<Counter>("again", 0)?;

    let taken = segment.create::<Counter>("taken", 0)?;
    let first = process::spawn(unlucky, (product.clone(), taken.clone()))?;
    while taken.load() == 0 {
        std::thread::yield_now();
    }
    first.kill()?;
    println!("the first process: {}", first.join().unwrap_err());

    let matrices = [left.clone(), right.clone(), product.clone()];
    let workers = (0..3)
        .map(|_| process::spawn(multiply, (matrices.clone(), again.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for worker in workers {
        worker.join()?;
    }
    println!("{} of {} rows done again", again.load(), product.chunks());

    let mut alone = vec![0.0; SIZE * SIZE];
    let (left, right) = (left.read_or_repair(|_| ())?, right.read_or_repair(|_| ())?);
    for (row, values) in alone.chunks_mut(SIZE).enumerate() {
        row_of(&left, &right, row, values);
    }
    assert_eq!(*product.read_or_repair(|_| ())?, *alone);
    println!("the product is what one process computes");

    let pooled = matrix("pooled", |_| 0.0)?;
    let matrices = [matrices[0].clone(), matrices[1].clone(), pooled.clone()];
    let pool = Pool::builder().workers(3);
    let pool = pool.initializer(|matrices| matrices, matrices).build()?;
    pool.options()
        .retries(1)
        .map(next_row, 0..pooled.chunks())?;
    assert_eq!(*pooled.read_or_repair(|_| ())?, *alone);
    println!("and what the tasks of a pool compute");
    Ok(())
}
