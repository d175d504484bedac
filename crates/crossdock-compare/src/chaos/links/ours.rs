//! crossdock's queues. Who waits sleeps, and is woken.

use std::time::{Duration, Instant};

use crossdock::SegmentOptions;
use crossdock::queue::spsc::{ClaimError, Consumer, PopError, Producer, PushError, Spsc};
use crossdock::queue::{Queue, RecvError, SendError};
use crossdock_bench::Failure;

use super::{CAPACITY, Link, SLICE};

/// crossdock's ring for two: whoever comes takes the role of the killed over.
pub(crate) struct OurSpsc;

/// How long a newcomer asks for the role of one that was killed.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// Claims an end as soon as the kernel has let go of who had it.
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
    type Handle = Spsc<u64>;
    type Sender = Producer<u64>;
    type Receiver = Consumer<u64>;
    const NAME: &'static str = "spsc";
    const SENDERS: usize = 1;
    const RECEIVERS: usize = 1;

    fn create() -> Result<Spsc<u64>, Failure> {
        let segment = SegmentOptions::new().participants(16).anonymous()?;
        Ok(segment.create("ring", u64::from(CAPACITY))?)
    }
    fn sender(ring: &Spsc<u64>) -> Result<Producer<u64>, Failure> {
        claim(|| ring.producer())
    }
    fn receiver(ring: &Spsc<u64>) -> Result<Consumer<u64>, Failure> {
        claim(|| ring.consumer())
    }
    fn send(producer: &mut Producer<u64>, item: u64) -> Result<bool, Failure> {
        match producer.push_timeout(item, SLICE) {
            Ok(()) => Ok(true),
            // Another consumer comes.
            Err(PushError::Timeout(_) | PushError::Disconnected(_)) => Ok(false),
            Err(error) => Err(Failure::said(error)),
        }
    }
    fn recv(consumer: &mut Consumer<u64>) -> Result<Option<u64>, Failure> {
        match consumer.pop_timeout(SLICE) {
            Ok(item) => Ok(Some(item)),
            // Another producer comes.
            Err(PopError::Timeout | PopError::Disconnected) => Ok(None),
            Err(error) => Err(Failure::said(error)),
        }
    }
}

/// crossdock's ring for many.
pub(crate) struct OurQueue;

impl Link for OurQueue {
    type Handle = Queue<u64>;
    type Sender = Queue<u64>;
    type Receiver = Queue<u64>;
    const NAME: &'static str = "queue";

    fn create() -> Result<Queue<u64>, Failure> {
        let segment = SegmentOptions::new().participants(16).anonymous()?;
        Ok(segment.create("queue", u64::from(CAPACITY))?)
    }
    fn sender(queue: &Queue<u64>) -> Result<Queue<u64>, Failure> {
        Ok(queue.clone())
    }
    fn receiver(queue: &Queue<u64>) -> Result<Queue<u64>, Failure> {
        Ok(queue.clone())
    }
    fn send(queue: &mut Queue<u64>, item: u64) -> Result<bool, Failure> {
        match queue.send_timeout(item, SLICE) {
            Ok(()) => Ok(true),
            Err(SendError::Timeout(_)) => Ok(false),
            Err(error) => Err(Failure::said(error)),
        }
    }
    fn recv(queue: &mut Queue<u64>) -> Result<Option<u64>, Failure> {
        match queue.recv_timeout(SLICE) {
            Ok(item) => Ok(Some(item)),
            Err(RecvError::Timeout) => Ok(None),
            Err(error) => Err(Failure::said(error)),
        }
    }
}
