//! A process for each of five numbers prints its square.

use crossdock::process;

fn square(number: u64) {
    println!("The square of {number} is {}", number * number);
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the processes begin, and end, here
    let processes = (1..=5).map(|number| process::spawn(square, number));
    for process in processes.collect::<Result<Vec<_>, _>>()? {
        process.join()?;
    }
    println!("All calculations completed.");
    Ok(())
}
