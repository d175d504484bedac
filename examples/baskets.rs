//! Two processes fill a queue with fruits, and another drains it until the last sender has gone.

use crossdock::queue::{Queue, ReceiverOf, SenderOf, pair};
use crossdock::{FixedStr, process};

/// A fruit's name: text in place, for a pointer means nothing to another process.
type Fruit = FixedStr<16>;

fn fill((names, fruits): (Vec<Fruit>, SenderOf<Queue<Fruit>>)) {
    for name in names {
        fruits.send(name).expect("the drainer receives");
    }
}

fn drain(fruits: ReceiverOf<Queue<Fruit>>) -> Vec<Fruit> {
    // Ends when the queue is empty and the last sender has gone, however it went.
    fruits.iter().map_while(Result::ok).collect()
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the other processes begin, and end, here
    let (sender, receiver) = pair::<Queue<Fruit>>(4)?;
    let drainer = process::spawn(drain, receiver)?;
    let baskets = [["apple", "banana", "cherry"], ["date", "elderberry", "fig"]];
    let mut fillers = Vec::new();
    for basket in baskets {
        let names = basket.iter().map(|name| name.parse());
        let names: Vec<Fruit> = names.collect::<Result<_, _>>()?;
        fillers.push(process::spawn(fill, (names, sender.clone()))?);
    }
    drop(sender); // the fillers have theirs
    for filler in fillers {
        filler.join()?;
    }

    let mut drained = drainer.join()?;
    drained.sort();
    for (number, fruit) in drained.iter().enumerate() {
        println!("item no: {number} {fruit}");
    }
    Ok(())
}
