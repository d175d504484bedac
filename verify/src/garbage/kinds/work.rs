//! The work queues: of values, of bytes, and of what serde encodes.

use std::time::Duration;

use crossdock::queue::{
    ByteOptions, Channel, Delivery, Encoded, Loan, Message, ReceiverOf, SendTimeoutError, SenderOf,
    Wait, Work, WorkOptions, wait_any_timeout,
};
use crossdock::{Placeable, Segment};

use crate::garbage::uses::{
    Came, Free, Operation, Shape, Uses, Write, came, keep, kept, near, refused, shown, sure, with,
    worked,
};
use crate::place::SHORT;

/// Where the slots are in the entry, and how far the cells are apart, which begin 128 bytes later.
const SLOTS: u64 = 512;
const STRIDE: u64 = 64;
/// How often a message is delivered at most.
const ATTEMPTS: u8 = 3;

/// What differs between the messages of work queues.
pub(crate) trait Sends: Message + 'static {
    /// The attempts; and the size of a cell, if it is not the message's.
    const FREE_NUMBERS: &'static [Free] = &[(1, 1..=126), (2, 1..=32)];

    /// What is written in place.
    type Loaned: ?Sized + 'static;

    fn options(capacity: u64) -> <Work<Self> as Placeable>::Config
    where
        Work<Self>: Placeable;

    /// Makes a message, and sends it.
    fn send<R>(number: u8, send: impl FnOnce(Self::Sent<'_>) -> R) -> R;

    /// Loans a place for a message, waiting so long.
    fn loan(
        queue: &Work<Self>,
        len: u8,
        wait: Duration,
    ) -> Result<Loan<'_, Self::Loaned>, SendTimeoutError<()>>;

    /// Reads all of a message.
    fn look(delivery: &Delivery<'_, Self>);

    /// Writes to a loan, and sends it.
    fn fill(loan: Loan<'_, Self::Loaned>, number: u8) -> Came;
}

impl Sends for u32 {
    const FREE_NUMBERS: &'static [Free] = &[(1, 1..=126)];

    type Loaned = u32;

    fn options(capacity: u64) -> WorkOptions {
        WorkOptions::new(capacity + 1).max_attempts(ATTEMPTS)
    }

    fn send<R>(number: u8, send: impl FnOnce(u32) -> R) -> R {
        send(number.into())
    }

    fn loan(
        queue: &Work<u32>,
        _: u8,
        wait: Duration,
    ) -> Result<Loan<'_, u32>, SendTimeoutError<()>> {
        queue.loan_timeout(wait)
    }

    fn look(delivery: &Delivery<'_, u32>) {
        worked(**delivery);
    }

    fn fill(mut loan: Loan<'_, u32>, number: u8) -> Came {
        *loan = number.into();
        came(loan.send())
    }
}

fn byte_options(capacity: u64) -> ByteOptions {
    ByteOptions::new(capacity + 2)
        .cell_size(24)
        .max_attempts(ATTEMPTS)
}

impl Sends for [u8] {
    type Loaned = [u8];

    fn options(capacity: u64) -> ByteOptions {
        byte_options(capacity)
    }

    fn send<R>(number: u8, send: impl FnOnce(&[u8]) -> R) -> R {
        send(&vec![number; usize::from(number % 64)])
    }

    fn loan(
        queue: &Work<[u8]>,
        len: u8,
        wait: Duration,
    ) -> Result<Loan<'_, [u8]>, SendTimeoutError<()>> {
        queue.loan_timeout(usize::from(len % 64), wait)
    }

    fn look(delivery: &Delivery<'_, [u8]>) {
        assert_eq!(delivery.to_vec().len(), delivery.len());
    }

    fn fill(mut loan: Loan<'_, [u8]>, number: u8) -> Came {
        loan.parts_mut().for_each(|part| part.fill(number));
        came(loan.send())
    }
}

impl Sends for Encoded<Vec<u8>> {
    type Loaned = [u8];

    fn options(capacity: u64) -> ByteOptions {
        byte_options(capacity)
    }

    fn send<R>(number: u8, send: impl FnOnce(&Vec<u8>) -> R) -> R {
        send(&vec![number; usize::from(number % 64)])
    }

    fn loan(
        queue: &Channel<Vec<u8>>,
        len: u8,
        wait: Duration,
    ) -> Result<Loan<'_, [u8]>, SendTimeoutError<()>> {
        <[u8] as Sends>::loan(queue.as_bytes(), len, wait)
    }

    fn look(delivery: &Delivery<'_, Self>) {
        worked(delivery.len());
    }

    fn fill(loan: Loan<'_, [u8]>, number: u8) -> Came {
        <[u8] as Sends>::fill(loan, number)
    }
}

/// What is held of a queue.
pub(crate) struct Held<'h, M: Sends + ?Sized>
where
    Work<M>: crossdock::queue::Countable,
{
    deliveries: Vec<Delivery<'h, M>>,
    letters: Vec<Delivery<'h, M::Letter>>,
    loans: Vec<Loan<'h, M::Loaned>>,
    senders: Vec<SenderOf<Work<M>>>,
    receivers: Vec<ReceiverOf<Work<M>>>,
}

impl<M: Sends + ?Sized> Default for Held<'_, M> {
    fn default() -> Self {
        Self {
            deliveries: Vec::new(),
            letters: Vec::new(),
            loans: Vec::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
        }
    }
}

impl<M: Sends + ?Sized> Uses for Work<M> {
    type Held<'h> = Held<'h, M>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, held, _| kept(&mut held.deliveries, it.try_recv().inspect(M::look)),
        |it, held, numbers| settle(it.max_attempts(), held.deliveries.pop(), numbers),
        |it, _, [a, ..]| M::send(a, |message| came(it.try_send(message))),
        |it, _, [a, ..]| M::send(a, |message| came(it.send_timeout(message, SHORT))),
        |it, held, [a, ..]| kept(&mut held.loans, M::loan(it, a, Duration::ZERO)),
        |_, held, [a, ..]| with(held.loans.pop(), |loan| M::fill(loan, a)),
        |it, held, [_, b, _]| kept(&mut held.loans, M::loan(it, b, SHORT)),
        |_, held, _| sure!(held.loans.pop()),
        |it, held, _| kept(&mut held.deliveries, it.recv_timeout(SHORT)),
        |_, held, _| sure!(held.deliveries.pop()),
        |it, _, _| match it.recv_timeout(SHORT) {
            Ok(held) => came(held.nack(SHORT)),
            Err(error) => refused(error),
        },
        |it, _, _| match it.try_recv() {
            Ok(held) => came(held.reject()),
            Err(error) => refused(error),
        },
        |it, held, _| match it.dead_letters().take() {
            Ok(Some(letter)) => keep(&mut held.letters, letter),
            Ok(None) => Came::Refused,
            Err(error) => refused(error),
        },
        |it, held, numbers| settle(it.max_attempts(), held.letters.pop(), numbers),
        |it, held, _| kept(&mut held.senders, it.sender()),
        |it, held, _| kept(&mut held.receivers, it.receiver()),
        |_, held, [a, ..]| {
            with(held.senders.first(), |end| {
                M::send(a, |message| came(end.try_send(message)))
            })
        },
        |_, held, _| with(held.receivers.first(), |end| came(end.try_recv())),
        |_, held, _| sure!(held.senders.pop(), held.receivers.pop()),
        |it, _, _| came(wait_any_timeout(&[it], SHORT)),
        |it, _, _| came(it.wait_idle_timeout(SHORT)),
        |it, _, _| {
            assert!(it.free_capacity() <= it.capacity());
            assert!(it.dead_letters().len() <= it.capacity());
            sure!(it.is_idle(), it.is_closed(), it.len(), shown(it))
        },
        |it, _, [a, ..]| sure!((a % 16 == 0).then(|| it.close())),
        |it, held, _| take_all(it, held),
    ];

    const SHAPES: &'static [Shape] = &[slot, cell, due, hint];

    const FREE_NUMBERS: &'static [Free] = M::FREE_NUMBERS;

    fn config(capacity: u64) -> Self::Config {
        M::options(capacity)
    }

    fn begin(queue: &Self, _: &Segment, _: &mut Held<'_, M>) {
        M::send(1, |message| came(queue.try_send(message)));
        // It comes again.
        drop(queue.try_recv());
        M::send(2, |message| came(queue.try_send(message)));
    }

    fn other_way(self) -> Self {
        self.with_wait(Wait::Park)
    }
}

/// Acknowledges, gives back or rejects a delivery.
fn settle<M: Message + ?Sized>(
    attempts: u8,
    delivery: Option<Delivery<'_, M>>,
    [a, b, _]: [u8; 3],
) -> Came {
    with(delivery, |held| {
        assert!(held.attempt() <= attempts);
        came(match b % 4 {
            0 => held.nack(Duration::from_micros(a.into())),
            1 => held.reject(),
            _ => held.ack(),
        })
    })
}

/// Receives until there is no more: of so few cells, that is soon.
fn take_all<'h, M: Sends + ?Sized>(queue: &'h Work<M>, held: &mut Held<'h, M>) -> Came {
    held.deliveries.clear();
    let mut left = queue.capacity() * 200;
    while let Ok(delivery) = queue.try_recv() {
        assert!(delivery.attempt() <= queue.max_attempts());
        M::look(&delivery);
        delivery.ack().expect("it is this process's");
        left = left.checked_sub(1).expect("messages without end");
    }
    Came::Worked
}

/// What can stand in the word of a slot: of a lap, and of a version, near the first or near the
/// last.
fn slot([a, b, c]: [u8; 3]) -> Write {
    let lap = near((b.cast_signed() >> 4).cast_unsigned(), 64);
    let version = near((c.cast_signed() >> 4).cast_unsigned(), 20);
    let word = lap << 22 | u64::from(c & 3) << 20 | version;
    Write::long(SLOTS + u64::from(a % 8) * 8, word)
}

/// What can stand in the word of a cell, whose tag is this process's, another participant's, or
/// that of none.
fn cell([a, b, c]: [u8; 3]) -> Write {
    let version = near((c.cast_signed() >> 4).cast_unsigned(), 64);
    let tag = u64::from(a >> 6) << 10 | u64::from(c & 3);
    let word = version << 40 | u64::from(b >> 4) << 33 | u64::from(b & 15) << 29 | tag;
    Write::long(SLOTS + 128 + u64::from(a % 8) * STRIDE, word)
}

/// When a message is due: never, at once, or soon.
fn due([a, b, c]: [u8; 3]) -> Write {
    let at = SLOTS + 128 + 8 + u64::from(a % 8) * STRIDE;
    Write::long(at, near(b, 64) << (c % 64))
}

/// A hint: a position, also one of the last that there are.
fn hint([a, b, c]: [u8; 3]) -> Write {
    Write::long(128 << (a & 1), near(b, 64) << 2 | u64::from(c & 7))
}
