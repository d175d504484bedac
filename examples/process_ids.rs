//! The main process and two workers print their ids, and the workers are asked for after they have
//! ended.

use crossdock::process;

fn print_id(worker: u32) -> u32 {
    let id = std::process::id();
    println!("ID of process running worker{worker}: {id}");
    id
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    println!("ID of main process: {}", std::process::id());

    let mut first = process::spawn(print_id, 1)?;
    let mut second = process::spawn(print_id, 2)?;
    println!("ID of process p1: {}", first.id());
    println!("ID of process p2: {}", second.id());
    first.wait()?; // leaves the result, and the process to be asked
    second.wait()?;
    println!("Both processes finished execution!");

    println!("Process p1 is alive: {}", first.is_alive());
    println!("Process p2 is alive: {}", second.is_alive());
    assert_eq!(first.id(), first.join()?);
    assert_eq!(second.id(), second.join()?);
    Ok(())
}
