//! Blocks that one process writes and another reads, where they are.
//!
//! The yardstick hands over the indices of blocks, and takes them back, by two minimal rings for
//! two: it knows nothing of deaths, or of order among several. All ways write and read alike:
//! each word of a block is its number, and the reader sums them up and checks the sum.

use std::time::Duration;

use crate::yardstick::{LamportConsumer, LamportProducer, LamportRing};
use crossdock::queue::{
    ByteOptions, ByteQueue, TryRecvError, TrySendError, WorkOptions, WorkQueue,
};
use crossdock::{Placeable, SegmentOptions, process};
use crossdock_cli::Failure;
use crossdock_cli::floor::{Floor, Phase, Post};
use crossdock_cli::memory::Memory;
use crossdock_cli::pin::Pin;
use crossdock_cli::worker::{Workers, die_with, message};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Way;

/// The bytes of a block.
pub(super) const BLOCK: usize = 64 << 10;
/// How many blocks there are.
const BLOCKS: u32 = 16;
/// The bytes in a cell of the queue of bytes.
const CELL: usize = 4 << 10;
/// The number of a block that is the last one.
const END: u64 = u64::MAX;
/// A process that does not end so long after the others is stuck.
const PATIENCE: Duration = Duration::from_secs(30);
/// A process that tried in vain so often in a row lets others have the processor.
const TRIES: u32 = 200;

/// The yardstick first.
pub(super) const WAYS: &[Way] = &[
    way::<Indices>(),
    way::<WorkQueue<Block>>(),
    way::<ByteQueue>(),
];

const fn way<H: HandOver>() -> Way {
    Way {
        kind: H::KIND,
        label: H::LABEL,
        once: measured::<H>,
    }
}

type Block = [u8; BLOCK];

/// A way to hand blocks over, from one process to another.
trait HandOver: Clone + Serialize + DeserializeOwned + 'static {
    const KIND: &'static str;
    const LABEL: &'static str;
    /// What the writer has, and the reader.
    type Writer;
    type Reader;

    fn create() -> Result<Self, Failure>;
    fn writer(self) -> Self::Writer;
    fn reader(self) -> Self::Reader;
    /// Writes a block of that number in place and hands it over, if there is room; whether there
    /// was.
    fn write(writer: &mut Self::Writer, number: u64) -> Result<bool, Failure>;
    /// Reads a block in place and gives it back: its sum, if there is one.
    fn read(reader: &mut Self::Reader) -> Result<Option<u64>, Failure>;
}

fn fill(bytes: &mut [u8], number: u64) {
    let (words, _) = bytes.as_chunks_mut::<8>();
    words.fill(number.to_ne_bytes());
}

fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_ne_bytes(*word));
    words.fold(0, u64::wrapping_add)
}

/// What a block of that number sums up to.
fn sum_of(number: u64) -> u64 {
    number.wrapping_mul((BLOCK / size_of::<u64>()) as u64)
}

/// The indices of blocks, there and back.
#[derive(Clone, Serialize, Deserialize)]
struct Indices {
    there: LamportRing<1>,
    back: LamportRing<1>,
    blocks: Memory,
}

/// Its end: the indices of blocks that come, and where they go then.
struct End {
    come: LamportConsumer<1>,
    go: LamportProducer<1>,
    blocks: Memory,
}

impl End {
    /// The next block, which is this end's until it is [passed on](Self::pass_on), and its index.
    #[inline(always)]
    fn take(&mut self) -> Option<(u64, &mut Block)> {
        let [index] = self.come.pop()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below the number of blocks"
        )]
        let offset = (index % u64::from(BLOCKS)) as usize * BLOCK;
        // SAFETY: mapped as long as `self`, and no other owner's: its index was handed over, and is
        // not handed on before this borrow has ended. Any bytes are a block.
        let block = unsafe { self.blocks.at::<Block>(offset).as_mut() };
        Some((index, block))
    }

    #[inline(always)]
    fn pass_on(&mut self, index: u64) -> Result<(), Failure> {
        let full = || Failure::Worker("more indices than blocks".to_owned());
        self.go.push(&[index]).then_some(()).ok_or_else(full)
    }
}

impl HandOver for Indices {
    const KIND: &'static str = "indices";
    const LABEL: &'static str = "minimal ring of indices";
    type Writer = End;
    type Reader = End;

    fn create() -> Result<Self, Failure> {
        let made = Self {
            there: LamportRing::new(BLOCKS)?,
            back: LamportRing::new(BLOCKS)?,
            blocks: Memory::new(BLOCKS as usize * BLOCK)?,
        };
        Ok(made)
    }
    fn writer(self) -> End {
        // SAFETY: one worker writes, and opens one end of each; the reader opens the others.
        let come = unsafe { self.back.consumer() };
        // SAFETY: as above.
        let go = unsafe { self.there.producer() };
        End {
            come,
            go,
            blocks: self.blocks,
        }
    }
    fn reader(self) -> End {
        // SAFETY: as above, one worker reads; it begins by giving all blocks to the writer.
        let come = unsafe { self.there.consumer() };
        // SAFETY: as above.
        let mut go = unsafe { self.back.producer() };
        for index in 0..BLOCKS {
            go.push(&[index.into()]);
        }
        End {
            come,
            go,
            blocks: self.blocks,
        }
    }
    fn write(writer: &mut End, number: u64) -> Result<bool, Failure> {
        let Some((index, block)) = writer.take() else {
            return Ok(false);
        };
        fill(block, number);
        writer.pass_on(index).map(|()| true)
    }
    fn read(reader: &mut End) -> Result<Option<u64>, Failure> {
        let Some((index, block)) = reader.take() else {
            return Ok(None);
        };
        let found = sum(block);
        reader.pass_on(index).map(|()| Some(found))
    }
}

/// An entry in a segment of its own.
fn in_segment<P: Placeable>(config: P::Config) -> Result<P, Failure> {
    let segment = SegmentOptions::new()
        .size(u64::from(BLOCKS) * (BLOCK as u64 + 4096) + (1 << 20))
        .anonymous()?;
    Ok(segment.create("queue", config)?)
}

impl HandOver for WorkQueue<Block> {
    const KIND: &'static str = "work";
    const LABEL: &'static str = "crossdock `WorkQueue`";
    type Writer = Self;
    type Reader = Self;

    fn create() -> Result<Self, Failure> {
        in_segment(WorkOptions::new(BLOCKS.into()))
    }
    fn writer(self) -> Self {
        self
    }
    fn reader(self) -> Self {
        self
    }
    fn write(writer: &mut Self, number: u64) -> Result<bool, Failure> {
        match writer.try_loan() {
            Ok(mut loan) => {
                fill(&mut *loan, number);
                loan.send().map_err(Failure::worker)?;
                Ok(true)
            }
            Err(TrySendError::Full(())) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    fn read(reader: &mut Self) -> Result<Option<u64>, Failure> {
        match reader.try_recv() {
            Ok(delivery) => {
                let found = sum(&*delivery);
                delivery.ack().map_err(Failure::worker)?;
                Ok(Some(found))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
}

impl HandOver for ByteQueue {
    const KIND: &'static str = "bytes";
    const LABEL: &'static str = "crossdock `ByteQueue`, cells of 4 KiB";
    type Writer = Self;
    type Reader = Self;

    fn create() -> Result<Self, Failure> {
        let cells = u64::from(BLOCKS) * (BLOCK / CELL) as u64;
        in_segment(ByteOptions::new(cells).cell_size(CELL as u64))
    }
    fn writer(self) -> Self {
        self
    }
    fn reader(self) -> Self {
        self
    }
    fn write(writer: &mut Self, number: u64) -> Result<bool, Failure> {
        match writer.try_loan(BLOCK) {
            Ok(mut loan) => {
                loan.parts_mut().for_each(|part| fill(part, number));
                loan.send().map_err(Failure::worker)?;
                Ok(true)
            }
            Err(TrySendError::Full(())) => Ok(false),
            Err(error) => Err(Failure::worker(error)),
        }
    }
    fn read(reader: &mut Self) -> Result<Option<u64>, Failure> {
        match reader.try_recv() {
            Ok(delivery) => {
                let found = delivery.parts().map(sum).fold(0, u64::wrapping_add);
                delivery.ack().map_err(Failure::worker)?;
                Ok(Some(found))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(Failure::worker(error)),
        }
    }
}

/// What a worker is told.
#[derive(Clone, Serialize, Deserialize)]
struct Order<H> {
    queue: H,
    post: Post,
    writes: bool,
    /// The process that waits for the result.
    driver: u32,
}

/// Nanoseconds for each block.
fn measured<H: HandOver>(time: Duration) -> Result<f64, Failure> {
    let queue = H::create()?;
    let floor = Floor::new(2, Pin::Cores)?;
    let mut workers = Workers::new();
    for (post, writes) in floor.posts().iter().zip([true, false]) {
        let order = Order {
            queue: queue.clone(),
            post: post.clone(),
            writes,
            driver: std::process::id(),
        };
        workers.add(process::spawn(work::<H>, order)?);
    }
    let (counts, elapsed) = floor.measure(&mut workers, time)?;
    let blocks = workers.join_within(PATIENCE)?;
    if blocks[0] != blocks[1] {
        let message = format!(
            "{}: {} blocks written, {} read",
            H::KIND,
            blocks[0],
            blocks[1]
        );
        return Err(Failure::Worker(message));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count for a rate")]
    let read = counts[1] as f64;
    Ok(elapsed.as_secs_f64() * 1e9 / read)
}

/// Runs in a process of its own: how many blocks it wrote, or read.
fn work<H: HandOver>(order: Order<H>) -> Result<u64, String> {
    die_with(order.driver)?;
    let post = order.post;
    if order.writes {
        let mut writer = order.queue.writer();
        post.begin()?;
        write::<H>(&mut writer, &post).map_err(message)
    } else {
        let mut reader = order.queue.reader();
        post.begin()?;
        read::<H>(&mut reader, &post).map_err(message)
    }
}

fn write<H: HandOver>(writer: &mut H::Writer, post: &Post) -> Result<u64, Failure> {
    let mut number = 0;
    loop {
        let ends = post.phase() == Phase::STOP;
        let next = if ends { END } else { number };
        patiently(|| Ok(H::write(writer, next)?.then_some(())))?;
        if ends {
            return Ok(number);
        }
        number += 1;
    }
}

fn read<H: HandOver>(reader: &mut H::Reader, post: &Post) -> Result<u64, Failure> {
    let mut number = 0;
    loop {
        let found = patiently(|| H::read(reader))?;
        if found == sum_of(END) {
            return Ok(number);
        }
        if found != sum_of(number) {
            let message = format!("{}: block {number} sums up to {found}", H::KIND);
            return Err(Failure::Worker(message));
        }
        number += 1;
        post.publish(number);
    }
}

/// Tries until it works.
fn patiently<R>(mut attempt: impl FnMut() -> Result<Option<R>, Failure>) -> Result<R, Failure> {
    loop {
        for _ in 0..TRIES {
            if let Some(result) = attempt()? {
                return Ok(result);
            }
            std::hint::spin_loop();
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_block_is_that_of_its_number() {
        let mut block = vec![0; BLOCK];
        for number in [0, 1, 77, END - 1, END] {
            fill(&mut block, number);
            assert_eq!(sum(&block), sum_of(number));
        }
    }

    #[test]
    fn every_way_hands_over_every_block() {
        process::init_test("tests::crossdock_worker");
        for way in WAYS {
            let ns = (way.once)(Duration::from_millis(20)).expect(way.kind);
            assert!(ns > 0.0, "{}: {ns}", way.kind);
        }
    }
}
