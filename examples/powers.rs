//! Two processes print the square and the cube of a number.
//!
//! `cargo run --example powers -- 5`; without a number, of 10.

use crossdock::process;

fn square(number: u64) {
    println!("Square: {}", number * number);
}

fn cube(number: u64) {
    println!("Cube: {}", number * number * number);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the two processes begin, and end, here
    let number: u64 = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 10,
    };
    let square = process::spawn(square, number)?;
    let cube = process::spawn(cube, number)?;
    square.join()?;
    cube.join()?;
    println!("Done!");
    Ok(())
}
