//! crossdock's queues. A waiter sleeps, and is woken.

use std::time::{Duration, Instant};

use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::queue::{Queue, RecvTimeoutError, SendTimeoutError};
use crossdock::segment::ClaimError;
use crossdock::{Segment, SegmentOptions};
use crossdock_cli::Failure;

use super::{CAPACITY, Item, Link, SLICE, WORDS};

/// crossdock's ring for two: a process that comes takes the role of the killed over.
pub(crate) struct OurSpsc;

/// One with room for the items of a trial.
fn segment() -> Result<Segment, Failure> {
    let items = u64::from(CAPACITY) * WORDS as u64 * 8;
    let options = SegmentOptions::new().size((256 << 10) + items);
    Ok(options.participants(16).anonymous()?)
}

/// How long a newcomer asks for the role of one that was killed.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// Claims an end as soon as the kernel has let go of its owner.
fn claim<E>(claim: impl Fn() -> Result<E, ClaimError>) -> Result<E, Failure> {
    let deadline = Instant::now() + TAKE_OVER;
    loop {
        match claim() {
            Err(ClaimError::RoleTaken { .. }) if Instant::now() < deadline => {
                std::thread::yield_now();
            }
            outcome => return Ok(outcome?),
        }
    }
}

impl Link for OurSpsc {
    type Handle = Spsc<Item>;
    type Sender = Producer<Item>;
    type Receiver = Consumer<Item>;
    const NAME: &'static str = "spsc";
    const SENDERS: usize = 1;
    const RECEIVERS: usize = 1;

    fn create() -> Result<Spsc<Item>, Failure> {
        let segment = segment()?;
        Ok(segment.create("ring", u64::from(CAPACITY))?)
    }
    fn sender(ring: &Spsc<Item>) -> Result<Producer<Item>, Failure> {
        claim(|| ring.producer())
    }
    fn receiver(ring: &Spsc<Item>) -> Result<Consumer<Item>, Failure> {
        claim(|| ring.consumer())
    }
    fn send(producer: &mut Producer<Item>, item: &Item) -> Result<bool, Failure> {
        match producer.push_timeout(*item, SLICE) {
            Ok(()) => Ok(true),
            // Another consumer comes.
            Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Disconnected(_)) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    fn recv(consumer: &mut Consumer<Item>) -> Result<Option<Item>, Failure> {
        match consumer.pop_timeout(SLICE) {
            Ok(item) => Ok(Some(item)),
            // Another producer comes.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
}

/// crossdock's ring for many.
pub(crate) struct OurQueue;

impl Link for OurQueue {
    type Handle = Queue<Item>;
    type Sender = Queue<Item>;
    type Receiver = Queue<Item>;
    const NAME: &'static str = "queue";

    fn create() -> Result<Queue<Item>, Failure> {
        let segment = segment()?;
        Ok(segment.create("queue", u64::from(CAPACITY))?)
    }
    fn sender(queue: &Queue<Item>) -> Result<Queue<Item>, Failure> {
        Ok(queue.clone())
    }
    fn receiver(queue: &Queue<Item>) -> Result<Queue<Item>, Failure> {
        Ok(queue.clone())
    }
    fn send(queue: &mut Queue<Item>, item: &Item) -> Result<bool, Failure> {
        match queue.send_timeout(*item, SLICE) {
            Ok(()) => Ok(true),
            Err(SendTimeoutError::Timeout(_)) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    fn recv(queue: &mut Queue<Item>) -> Result<Option<Item>, Failure> {
        match queue.recv_timeout(SLICE) {
            Ok(item) => Ok(Some(item)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
}
