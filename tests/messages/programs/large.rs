//! Sends and receives values of 4 MiB in every way that takes or returns one by value.

use crossdock::queue::{spsc::Spsc, Queue, WorkQueue};
use crossdock::SegmentOptions;

type Large = [u64; 1 << 19];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let segment = SegmentOptions::new().size(1 << 28).anonymous()?;
    let value: Large = [7; 1 << 19];

    let queue = segment.create::<Queue<Large>>("queue", 2)?;
    queue.try_send(value).map_err(|error| error.to_string())?;
    queue.send(value).map_err(|error| error.to_string())?;
    let second = std::time::Duration::from_secs(1);
    queue.send_timeout(value, second).map_err(|error| error.to_string())?;
    queue.force_send(value).map_err(|error| error.to_string())?;
    drop((queue.try_recv()?, queue.recv()?, queue.recv_timeout(second)?));

    let ring = segment.create::<Spsc<Large>>("ring", 2)?;
    let (mut push, mut pop) = (ring.producer()?, ring.consumer()?);
    push.try_push(value).map_err(|error| error.to_string())?;
    push.push(value).map_err(|error| error.to_string())?;
    push.push_timeout(value, second).map_err(|error| error.to_string())?;
    drop((pop.try_pop()?, pop.pop()?, pop.pop_timeout(second)?));

    let work = segment.create::<WorkQueue<Large>>("work", 2)?;
    work.try_send(value).map_err(|error| error.to_string())?;
    work.send(value).map_err(|error| error.to_string())?;
    work.send_timeout(value, second).map_err(|error| error.to_string())?;
    drop((work.try_recv()?, work.recv()?, work.recv_timeout(second)?));
    Ok(())
}
