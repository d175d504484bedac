//! Two processes fill a queue with fruits, and another drains it until the last sender has gone.

use crossdock::queue::Queue;
use crossdock::{FixedStr, Segment, process};

/// A fruit's name: text in place, for a pointer means nothing to another process.
type Fruit = FixedStr<16>;

fn fill((names, fruits): (Vec<Fruit>, Queue<Fruit>)) {
    let fruits = fruits
        .sender()
        .expect("the segment has room for a participant");
    for name in names {
        fruits.send(name).expect("the drainer receives");
    }
}

fn drain(fruits: Queue<Fruit>) -> Vec<Fruit> {
    // Ends when the queue is empty and the last sender has gone, however it went.
    fruits.iter().map_while(Result::ok).collect()
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let fruits = segment.create::<Queue<Fruit>>("fruits", 4)?;

    let open = fruits.sender()?; // until all fillers have come
    let drainer = process::spawn(drain, fruits.clone())?;
    let baskets = [["apple", "banana", "cherry"], ["date", "elderberry", "fig"]];
    let mut fillers = Vec::new();
    for basket in baskets {
        let names = basket.iter().map(|name| name.parse());
        let names: Vec<Fruit> = names.collect::<Result<_, _>>()?;
        fillers.push(process::spawn(fill, (names, fruits.clone()))?);
    }
    for filler in fillers {
        filler.join()?;
    }
    drop(open);

    let mut drained = drainer.join()?;
    drained.sort();
    for (number, fruit) in drained.iter().enumerate() {
        println!("item no: {number} {fruit}");
    }
    Ok(())
}
