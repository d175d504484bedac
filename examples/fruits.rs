//! Two processes fill a queue with fruits, and one drains it until nobody is left to fill it.

use std::error::Error;

use crossdock::queue::Queue;
use crossdock::{Segment, process};

/// A fruit's name, padded with zeros: what travels by copy has no pointers.
type Fruit = [u8; 16];

fn fill((names, fruits): (Vec<String>, Queue<Fruit>)) {
    let fruits = fruits.sender().expect("a place in the segment");
    for name in names {
        let mut fruit = [0; 16];
        fruit[..name.len()].copy_from_slice(name.as_bytes());
        fruits.send(fruit).expect("somebody drains");
    }
}

fn drain(fruits: Queue<Fruit>) -> Vec<String> {
    let name = |fruit: Fruit| {
        let name = String::from_utf8_lossy(&fruit);
        name.trim_end_matches('\0').to_owned()
    };
    // Ends when the queue is empty and the last sender has gone, however it went.
    fruits.iter().map_while(Result::ok).map(name).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let fruits = segment.create::<Queue<Fruit>>("fruits", 4)?;

    let open = fruits.sender()?; // until all that fill have come
    let drainer = process::spawn(drain, fruits.clone())?;
    let baskets = [["apple", "banana", "cherry"], ["date", "elderberry", "fig"]];
    let fillers = baskets.map(|basket| {
        let names = basket.map(String::from).to_vec();
        process::spawn(fill, (names, fruits.clone()))
    });
    for filler in fillers {
        filler?.join()?;
    }
    drop(open);

    let mut drained = drainer.join()?;
    drained.sort();
    println!("drained: {}", drained.join(", "));
    Ok(())
}
