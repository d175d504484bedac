//! The queue for many. No operation replaces an item: that waits for a process that is alive and
//! at work in its slot, as long as it takes, and garbage can say that a process is.

use crossdock::Segment;
use crossdock::queue::{Queue, ReceiverOf, SenderOf, Wait, wait_any_timeout};

use crate::garbage::uses::{
    Operation, Shape, Uses, Write, came, kept, near, shown, sure, tag, with,
};
use crate::place::{MOST, SHORT};

/// The ends that are held.
#[derive(Default)]
pub(crate) struct Ends {
    senders: Vec<SenderOf<Queue<u32>>>,
    receivers: Vec<ReceiverOf<Queue<u32>>>,
}

impl Uses for Queue<u32> {
    type Held<'h> = Ends;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |queue, _, _| came(queue.try_recv()),
        |queue, _, [a, ..]| came(queue.try_send(a.into())),
        |queue, _, [a, ..]| came(queue.send_timeout(a.into(), SHORT)),
        |queue, _, _| came(queue.recv_timeout(SHORT)),
        |queue, _, [_, count, _]| {
            let count = usize::from(count) % MOST;
            let sent = queue.send_slice(&[7; MOST][..count]);
            assert!(sent.as_ref().map_or(true, |sent| *sent <= count));
            came(sent)
        },
        |queue, _, _| came(queue.recv_marked_timeout(SHORT)),
        |queue, _, [_, count, _]| {
            let count = usize::from(count) % MOST;
            let got = queue.recv_slice(&mut [0; MOST][..count]);
            assert!(got.as_ref().map_or(true, |got| *got <= count));
            came(got)
        },
        |queue, _, _| {
            assert!(queue.len() <= queue.capacity());
            assert!(!(queue.is_full() && queue.is_empty()));
            sure!(queue.is_closed(), shown(queue))
        },
        |queue, held, _| kept(&mut held.senders, queue.sender()),
        |queue, held, _| kept(&mut held.receivers, queue.receiver()),
        |_, held, [a, ..]| with(held.senders.first(), |end| came(end.try_send(a.into()))),
        |_, held, _| with(held.receivers.first(), |end| came(end.try_recv())),
        |_, held, _| sure!(held.senders.pop(), held.receivers.pop()),
        |queue, _, _| came(wait_any_timeout(&[queue], SHORT)),
        |queue, _, _| sure!(assert!(queue.try_iter().take(20).count() <= 20)),
        |queue, _, [a, ..]| sure!((a % 16 == 0).then(|| queue.close())),
    ];

    const SHAPES: &'static [Shape] = &[slot, cell, hint];

    fn config(capacity: u64) -> u64 {
        capacity + 2
    }

    fn begin(queue: &Self, _: &Segment, _: &mut Ends) {
        let _ = queue.send_slice(&[1, 2]);
    }

    fn other_way(self) -> Self {
        self.with_wait(Wait::Park)
    }
}

/// What can stand in the word of a slot: of a lap near the first, or near the last.
fn slot([a, b, c]: [u8; 3]) -> Write {
    /// How many states of a slot there can be, known or not.
    const STATES: u64 = 8;
    let lap = near((b.cast_signed() >> 3).cast_unsigned(), 32);
    let state = (u64::from(b) % STATES) << 29;
    Write::long(
        u64::from(a) * 8,
        lap << 32 | state | u64::from(tag(c, c >> 4)),
    )
}

/// What can stand in a cell.
fn cell([a, b, c]: [u8; 3]) -> Write {
    let word = u64::from(b >> 4) << 46 | u64::from(b & 15) << 29 | u64::from(tag(c, c >> 4));
    Write::long(u64::from(a) * 8, word)
}

/// A hint: a position, also one of the last that there are.
fn hint([a, b, c]: [u8; 3]) -> Write {
    Write::long(128 << (a & 1), near(b, 64) << 2 | u64::from(c & 7))
}
