//! Fruits are pushed to a queue and popped from it, in one process.

use crossdock::FixedStr;
use crossdock::queue::{Queue, pair};

fn main() -> Result<(), crossdock::Error> {
    let fruits = ["Apple", "Orange", "Guava", "Papaya", "Banana"];
    // Text in place, for a pointer means nothing to another process.
    let (sender, receiver) = pair::<Queue<FixedStr<16>>>(fruits.len() as u64)?;

    println!("pushing items to queue:");
    for (number, fruit) in (1..).zip(fruits) {
        sender.send(fruit.parse()?)?;
        println!("item no: {number} {fruit}");
    }

    println!("popping items from queue:");
    let mut number = 0;
    while !receiver.is_empty() {
        println!("item no: {number} {}", receiver.recv()?);
        number += 1;
    }
    Ok(())
}
