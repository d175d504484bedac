//! A pool of five workers squares a list of numbers: the results are in the order of the list.

use crossdock::process::{self, Pool};

fn square(x: i64) -> i64 {
    x * x
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    let pool = Pool::builder().workers(5).build()?;
    println!("{:?}", pool.map(square, [1, 2, 3])?);
    Ok(())
}
