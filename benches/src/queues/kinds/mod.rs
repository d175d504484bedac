//! The contestants: crossdock's own, and the yardsticks.

mod bytes;
mod channels;
mod queue;
mod rings;
mod spsc;
mod work;

use crossdock::queue::Wait;
use crossdock::{Placeable, SegmentOptions};

use super::{Kind, Shape};
use crossdock_cli::Failure;

/// All kinds that are measured without anything else installed. One line for each way to use a
/// queue.
pub const KINDS: &[Kind] = &[
    Kind::of::<rings::Lamport>("yardstick: a minimal ring for two, which hears of no death"),
    Kind::of::<spsc::Ring<false>>("crossdock::queue::spsc; a waiter sleeps at once"),
    Kind::of::<spsc::Ring<false>>("").batched("spsc-batch", "the same: push_slice, pop_slice"),
    Kind::of::<spsc::Ring<true>>("the same; a waiter spins before, as by default"),
    Kind::of::<rings::Vyukov>("yardstick: Vyukov's ring for many, which one death can stall"),
    Kind::of::<queue::Many<false>>("crossdock::queue::Queue; a waiter sleeps at once"),
    Kind::of::<queue::Many<false>>("").batched("queue-batch", "the same: send_slice, recv_slice"),
    Kind::of::<queue::Many<true>>("the same; a waiter spins before, as by default"),
    Kind::of::<work::Work<false>>("crossdock::queue::WorkQueue, acknowledged; sleeps at once"),
    Kind::of::<work::Work<true>>("the same; a waiter spins before, as by default"),
    Kind::of::<bytes::OfBytes<false>>(
        "crossdock::queue::ByteQueue, read in place, acknowledged; sleeps at once",
    ),
    Kind::of::<bytes::OfBytes<true>>("the same; a waiter spins before, as by default"),
    Kind::of::<channels::Of<channels::Pipe>>("yardstick: a pipe"),
    Kind::of::<channels::Of<channels::Pipe>>("")
        .batched("pipe-batch", "the same, 4,096 bytes at once"),
    Kind::of::<channels::Of<channels::Socket>>("yardstick: a pair of Unix sockets, SOCK_SEQPACKET"),
];

/// An entry for items that take up `size` bytes each, in a segment of its own.
fn in_segment<P: Placeable>(shape: Shape, size: usize, config: P::Config) -> Result<P, Failure> {
    let participants = shape.workers().saturating_add(8).min(1023);
    // Beside an item there may be a word, and something for each participant.
    let items = u64::from(shape.capacity) * (size as u64 + 8);
    let segment = SegmentOptions::new()
        .size((64 << 10) + items + u64::from(participants) * 256)
        .participants(participants)
        .anonymous()?;
    Ok(segment.create("queue", config)?)
}

/// How crossdock's own wait.
fn waiting(adaptive: bool) -> Wait {
    if adaptive { Wait::Adaptive } else { Wait::Park }
}
