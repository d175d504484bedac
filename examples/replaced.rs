//! A producer and a consumer are killed in the middle of their work, and replaced: every item
//! arrives.

use std::error::Error;

use crossdock::queue::spsc::Spsc;
use crossdock::queue::{SendError, TryRecvError};
use crossdock::{Counter, Segment, process};

/// Pushes the numbers from where the last producer was killed, up to `end`.
fn produce((numbers, pushed, end): (Spsc<u64>, Counter, u64)) {
    let mut numbers = numbers.producer().expect("no other process produces");
    for item in pushed.load()..end {
        // Killed between a push and the note of it, this one's successor pushes the number again.
        while let Err(error) = numbers.push(item) {
            let waits = matches!(error, SendError::Disconnected(_));
            assert!(waits, "{error}"); // the consumer was killed: its successor comes
            std::thread::yield_now();
        }
        pushed.add(1);
    }
}

/// Pops the numbers up to `end`, and counts them.
fn consume((numbers, arrived, end): (Spsc<u64>, Counter, u64)) {
    let mut numbers = numbers.consumer().expect("no other process consumes");
    while arrived.load() < end {
        match numbers.read_chunk(1) {
            Ok(chunk) => {
                let item = chunk.as_slices().0[0];
                assert!(item <= arrived.load(), "a number is missing before {item}");
                // Noted first, popped then: one that comes again is known by its number.
                arrived.fetch_max(item + 1);
                chunk.commit(1);
            }
            // Also while a producer was killed and its successor has not come yet.
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let numbers = segment.create::<Spsc<u64>>("numbers", 64)?;
    let pushed = segment.create::<Counter>("pushed", 0)?;
    let arrived = segment.create::<Counter>("arrived", 0)?;

    let consumer = process::spawn(consume, (numbers.clone(), arrived.clone(), u64::MAX))?;
    let unlucky = process::spawn(produce, (numbers.clone(), pushed.clone(), u64::MAX))?;
    while pushed.load() < 1_000 {
        std::thread::yield_now();
    }
    unlucky.kill()?;
    println!("the first producer: {}", unlucky.join().unwrap_err());
    consumer.kill()?;
    println!("the first consumer: {}", consumer.join().unwrap_err());

    let end = pushed.load() + 100_000;
    let producer = process::spawn(produce, (numbers.clone(), pushed, end))?;
    let consumer = process::spawn(consume, (numbers, arrived.clone(), end))?;
    producer.join()?;
    consumer.join()?;
    println!("numbers that did not arrive: {}", end - arrived.load());
    Ok(())
}
