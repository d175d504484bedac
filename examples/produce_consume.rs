//! A producer sends five numbers through a pipe, and a consumer takes them until there are no more:
//! until the producer has dropped its end, or its process has ended in any other way.

use crossdock::process::{self, PipeReceiver, PipeSender};

fn producer(mut numbers: PipeSender<u32>) -> Result<(), crossdock::Error> {
    for number in 0..5 {
        numbers.send(&number)?;
    }
    Ok(())
}

fn consumer(mut numbers: PipeReceiver<u32>) -> Result<(), crossdock::Error> {
    for number in &mut numbers {
        println!("Consumed {}", number?);
    }
    Ok(())
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the producer and the consumer begin, and end, here
    let (sender, receiver) = process::pipe()?;
    let producer = process::spawn(producer, sender)?;
    let consumer = process::spawn(consumer, receiver)?;
    producer.join()??;
    consumer.join()?
}
