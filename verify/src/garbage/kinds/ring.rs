//! The ring for two.

use crossdock::Segment;
use crossdock::queue::spsc::{Consumer, Producer, Spsc};

use crate::garbage::uses::{Came, Operation, Shape, Uses, Write, came, refused, shown, sure, with};
use crate::place::{MOST, SHORT};

/// The two sides of a ring, before its items.
const STATE: u64 = 256;

/// The ends that are held.
#[derive(Default)]
pub(crate) struct Ends {
    producer: Option<Producer<u32>>,
    consumer: Option<Consumer<u32>>,
}

impl Uses for Spsc<u32> {
    type Held<'h> = Ends;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |_, held, [a, ..]| {
            with(held.producer.as_mut(), |end| {
                came(end.push_timeout(a.into(), SHORT))
            })
        },
        |_, held, _| with(held.consumer.as_mut(), |end| came(end.pop_timeout(SHORT))),
        |_, held, [a, count, _]| {
            let count = usize::from(count) % MOST;
            with(held.producer.as_mut(), |end| {
                let pushed = end.push_slice(&[a.into(); MOST][..count]);
                assert!(pushed.as_ref().map_or(true, |pushed| *pushed <= count));
                came(pushed)
            })
        },
        |_, held, [_, count, _]| {
            let count = usize::from(count) % MOST;
            with(held.consumer.as_mut(), |end| {
                let popped = end.pop_slice(&mut [0; MOST][..count]);
                assert!(popped.as_ref().map_or(true, |popped| *popped <= count));
                came(popped)
            })
        },
        |_, held, numbers| with(held.producer.as_mut(), |end| write_chunk(end, numbers)),
        |_, held, numbers| with(held.consumer.as_mut(), |end| read_chunk(end, numbers)),
        |_, held, [a, ..]| with(held.producer.as_mut(), |end| came(end.try_push(a.into()))),
        |_, held, _| with(held.consumer.as_mut(), |end| came(end.try_pop())),
        |ring, held, _| {
            drop((held.producer.take(), held.consumer.take()));
            take(ring, held)
        },
        |ring, _, _| came(ring.producer()),
        |ring, _, _| shown(ring),
    ];

    const SHAPES: &'static [Shape] = &[
        // Over the state, aligned, where a wild value does most; and over a position.
        |[a, b, c]| Write::word(u64::from(a) * 4 % STATE, u32::from_le_bytes([b, c, b, c])),
        |[a, b, c]| Write::long(u64::from(a & 0x80), u32::from_le_bytes([a, b, c, b]).into()),
    ];

    fn config(capacity: u64) -> u64 {
        capacity + 1
    }

    fn begin(ring: &Self, _: &Segment, held: &mut Ends) {
        take(ring, held);
    }
}

/// Takes both ends.
fn take(ring: &Spsc<u32>, held: &mut Ends) -> Came {
    let producer = ring.producer().map(|end| held.producer = Some(end));
    let consumer = ring.consumer().map(|end| held.consumer = Some(end));
    came(producer.and(consumer))
}

fn write_chunk(end: &mut Producer<u32>, [a, b, c]: [u8; 3]) -> Came {
    match end.write_chunk(usize::from(b) % MOST) {
        Ok(mut chunk) => {
            let (first, second) = chunk.as_mut_slices();
            first.fill(a.into());
            second.fill(a.into());
            assert_eq!(first.len() + second.len(), chunk.len());
            let len = chunk.len();
            sure!(chunk.commit(len.min(usize::from(c))))
        }
        Err(error) => refused(error),
    }
}

fn read_chunk(end: &mut Consumer<u32>, [_, b, c]: [u8; 3]) -> Came {
    match end.read_chunk(usize::from(b) % MOST) {
        Ok(chunk) => {
            let (first, second) = chunk.as_slices();
            assert_eq!(first.len() + second.len(), chunk.len());
            let all = first.iter().chain(second).map(|item| u64::from(*item));
            assert!(all.sum::<u64>() <= u64::from(u32::MAX) * MOST as u64);
            let len = chunk.len();
            sure!(chunk.commit(len.min(usize::from(c))))
        }
        Err(error) => refused(error),
    }
}
