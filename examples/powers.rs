//! Two processes, one for squares and one for cubes.

use std::error::Error;

use crossdock::process;

fn squares(numbers: Vec<u64>) -> Vec<u64> {
    println!("squares: process {}", std::process::id());
    numbers.into_iter().map(|number| number * number).collect()
}

fn cubes(numbers: Vec<u64>) -> Vec<u64> {
    println!("cubes:   process {}", std::process::id());
    numbers.into_iter().map(|number| number.pow(3)).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the two processes begin, and end, here

    let numbers = vec![2, 3, 4, 5];
    let squares = process::spawn(squares, numbers.clone())?;
    let cubes = process::spawn(cubes, numbers.clone())?;

    println!("numbers: {numbers:?}");
    println!("squares: {:?}", squares.join()?);
    println!("cubes:   {:?}", cubes.join()?);
    Ok(())
}
