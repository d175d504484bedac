//! One process fills a ring, another drains it, and is replaced when it is killed.

use std::error::Error;

use crossdock::queue::spsc::Spsc;
use crossdock::{Segment, process};

/// A fruit's name, padded with zeros: what travels by copy has no pointers.
type Fruit = [u8; 16];

fn fruit(name: &str) -> Fruit {
    let mut fruit = [0; 16];
    fruit[..name.len()].copy_from_slice(name.as_bytes());
    fruit
}

fn drain(fruits: Spsc<Fruit>) -> Vec<String> {
    let mut fruits = fruits.consumer().expect("nobody else drains");
    let mut names = Vec::new();
    // Until the ring is empty and its producer has left.
    while let Ok(fruit) = fruits.pop() {
        names.push(
            String::from_utf8_lossy(&fruit)
                .trim_end_matches('\0')
                .to_owned(),
        );
    }
    names
}

/// Takes one fruit, and dies with the consumer's end.
fn drain_one_and_die(fruits: Spsc<Fruit>) {
    let mut fruits = fruits.consumer().expect("nobody else drains");
    let _ = fruits.pop();
    std::process::abort();
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let fruits = segment.create::<Spsc<Fruit>>("fruits", 8)?;

    let mut filler = fruits.producer()?;
    for name in ["apple", "banana", "cherry"] {
        filler.push(fruit(name))?;
    }
    let unlucky = process::spawn(drain_one_and_die, fruits.clone())?;
    println!("the first to drain: {}", unlucky.join().unwrap_err());

    let drainer = process::spawn(drain, fruits.clone())?;
    for name in ["date", "elderberry", "fig"] {
        filler.push(fruit(name))?;
    }
    drop(filler);
    println!("the second drained: {}", drainer.join()?.join(", "));
    Ok(())
}
