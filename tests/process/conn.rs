//! Pipes and connections within one process.

use std::thread;
use std::time::Duration;

use crossdock::process::{self, PipeError, PipeOptions, RecvIntoError};
use crossdock::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError, wait_any,
    wait_any_timeout,
};

const SOON: Duration = Duration::from_millis(20);

/// Bytes that tell their place, so that a torn message is not taken for a whole one.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from((at * 31 + at / 256 + seed) % 256).expect("a byte"))
        .collect()
}

#[test]
fn values_of_both_directions_arrive_in_order() {
    let (mut one, mut other) =
        process::duplex::<(u32, String), Option<f64>>().expect("a connection");
    for number in 0..100 {
        one.send(&(number, format!("number {number}")))
            .expect("sent");
        other.send(&Some(f64::from(number))).expect("sent");
    }
    for number in 0..100 {
        assert_eq!(other.recv(), Ok((number, format!("number {number}"))));
        assert_eq!(one.recv(), Ok(Some(f64::from(number))));
    }
    assert_eq!(one.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(one.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
}

#[test]
fn messages_of_every_length_arrive_at_every_place_of_a_small_pipe() {
    let options = PipeOptions::new().capacity(512);
    let (mut sender, mut receiver) = options.pipe::<()>().expect("a pipe");
    let most = sender.try_max_len();
    for len in 0..=most {
        let message = pattern(len, len);
        sender.try_send_bytes(&message).expect("it fits");
        assert_eq!(receiver.recv_bytes(), Ok(message), "{len} bytes");
    }
    assert_eq!(receiver.try_recv_bytes(), Err(TryRecvError::Empty));
}

#[test]
fn messages_longer_than_the_pipe_are_sent_in_parts() {
    for capacity in [512, 4096, 65_536] {
        let options = PipeOptions::new().capacity(capacity);
        let (mut sender, mut receiver) = options.pipe::<Vec<u8>>().expect("a pipe");
        let lengths = [
            1, 479, 480, 496, 497, 1000, 4096, 65_519, 65_520, 65_536, 3_000_001,
        ];
        thread::scope(|scope| {
            scope.spawn(|| {
                for len in lengths {
                    sender.send_bytes(&pattern(len, len)).expect("sent");
                    sender.send(&pattern(len, 7)).expect("sent");
                }
            });
            for len in lengths {
                assert!(
                    receiver.recv_bytes() == Ok(pattern(len, len)),
                    "{len} bytes"
                );
                assert!(receiver.recv() == Ok(pattern(len, 7)), "{len} bytes");
            }
        });
    }
}

#[test]
fn a_message_that_never_fits_is_refused_without_waiting_and_sent_with() {
    let (mut sender, receiver) = PipeOptions::new()
        .capacity(512)
        .pipe::<()>()
        .expect("a pipe");
    let most = sender.try_max_len();
    let long = vec![1; most + 1];
    let Err(TrySendError::TooLong((), error)) = sender.try_send_bytes(&long) else {
        panic!("it does not fit");
    };
    assert_eq!((error.len, error.limit), (most + 1, most));
    drop(receiver);
    assert_eq!(sender.send_bytes(&long), Err(SendError::Disconnected(())));
}

#[test]
fn a_full_pipe_blocks_and_goes_on_when_there_is_room() {
    let options = PipeOptions::new().capacity(512);
    let (mut sender, mut receiver) = options.pipe::<u64>().expect("a pipe");
    let mut sent = 0;
    while sender.try_send(&sent).is_ok() {
        sent += 1;
    }
    assert_eq!(sender.try_send(&sent), Err(TrySendError::Full(())));
    let late = sender.send_timeout(&sent, SOON);
    assert_eq!(late, Err(SendTimeoutError::Timeout(())));
    assert_eq!(receiver.recv(), Ok(0));
    sender.send(&sent).expect("there is room");
    for number in 1..=sent {
        assert_eq!(receiver.recv(), Ok(number));
    }
}

#[test]
fn a_large_message_that_is_given_up_leaves_no_part() {
    let options = PipeOptions::new().capacity(512);
    let (mut sender, mut receiver) = options.pipe::<()>().expect("a pipe");
    for round in 0..20 {
        let long = pattern(10_000 + round, round);
        let late = sender.send_bytes_timeout(&long, Duration::ZERO);
        assert_eq!(late, Err(SendTimeoutError::Timeout(())));
        // A part of it has come, and is kept until the rest is given up.
        let late = receiver.recv_bytes_timeout(Duration::ZERO);
        assert_eq!(late, Err(RecvTimeoutError::Timeout));
        sender.send_bytes(b"short").expect("sent");
        assert_eq!(receiver.recv_bytes(), Ok(b"short".to_vec()));
    }
    drop(sender);
    assert_eq!(receiver.recv_bytes(), Err(RecvError::Disconnected));
}

#[test]
fn what_was_sent_arrives_before_the_end() {
    let (mut sender, mut receiver) = process::pipe::<u8>().expect("a pipe");
    for number in 0..3 {
        sender.send(&number).expect("sent");
    }
    drop(sender);
    assert_eq!(receiver.poll(Duration::ZERO), Ok(true));
    let all: Result<Vec<u8>, _> = receiver.iter().collect();
    assert_eq!(all, Ok(vec![0, 1, 2]));
    assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.poll(SOON), Ok(true), "the end is at hand");
}

#[test]
fn a_sender_hears_at_once_that_its_receiver_has_gone() {
    let (mut sender, receiver) = process::pipe::<u8>().expect("a pipe");
    sender.send(&1).expect("sent");
    drop(receiver);
    assert_eq!(sender.send(&2), Err(SendError::Disconnected(())));
    assert_eq!(sender.try_send(&2), Err(TrySendError::Disconnected(())));
}

#[test]
fn a_blocked_sender_hears_that_its_receiver_has_gone() {
    let options = PipeOptions::new().capacity(512);
    let (mut sender, receiver) = options.pipe::<()>().expect("a pipe");
    thread::scope(|scope| {
        let blocked = scope.spawn(|| sender.send_bytes(&vec![0; 100_000]));
        drop(receiver);
        assert_eq!(
            blocked.join().expect("no panic"),
            Err(SendError::Disconnected(()))
        );
    });
}

#[test]
fn poll_tells_whether_there_is_a_message() {
    let (mut one, mut other) = process::duplex::<u8, u8>().expect("a connection");
    assert_eq!(other.poll(Duration::ZERO), Ok(false));
    assert_eq!(other.poll(SOON), Ok(false));
    one.send(&9).expect("sent");
    assert_eq!(other.poll(Duration::ZERO), Ok(true));
    assert_eq!(other.poll(Duration::ZERO), Ok(true), "it takes nothing");
    assert_eq!(other.recv(), Ok(9));
    assert_eq!(other.poll(Duration::ZERO), Ok(false));
}

#[test]
fn bytes_are_received_into_memory_that_is_there() {
    let options = PipeOptions::new().capacity(1024);
    let (mut sender, mut receiver) = options.pipe::<()>().expect("a pipe");
    let mut memory = Vec::with_capacity(64);
    let place = memory.as_ptr();
    for round in 0..100 {
        let message = pattern(1 + round % 60, round);
        sender.send_bytes(&message).expect("sent");
        assert_eq!(receiver.recv_into(&mut memory), Ok(message.len()));
        assert_eq!(memory, message);
    }
    assert_eq!(memory.as_ptr(), place, "no new memory");
    let mut small = [0; 4];
    for message in [pattern(900, 1), pattern(20_000, 2)] {
        thread::scope(|scope| {
            scope.spawn(|| sender.send_bytes(&message).expect("sent"));
            for _ in 0..2 {
                let refused = receiver.recv_into_slice(&mut small);
                let expected = RecvIntoError::TooSmall {
                    message: message.len(),
                    memory: 4,
                };
                assert_eq!(refused, Err(expected), "the message stays");
            }
            let mut large = vec![0; message.len() + 5];
            assert_eq!(receiver.recv_into_slice(&mut large), Ok(message.len()));
            assert_eq!(&large[..message.len()], message);
        });
    }
}

#[test]
fn a_message_of_another_type_is_an_error_and_the_next_one_arrives() {
    let (mut sender, mut receiver) = process::pipe::<Vec<u32>>().expect("a pipe");
    sender.send_bytes(&[200, 200]).expect("sent");
    sender.send(&vec![5]).expect("sent");
    assert!(matches!(receiver.recv(), Err(RecvError::Invalid { .. })));
    assert_eq!(receiver.recv(), Ok(vec![5]));
}

/// A value of so many nested options, or, with 0, none that can be encoded.
#[derive(Debug, PartialEq)]
struct Nested(u32);

impl serde::Serialize for Nested {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => Err(serde::ser::Error::custom("not today")),
            1 => serializer.serialize_none(),
            more => serializer.serialize_some(&Self(more - 1)),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Nested {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = Option::<Box<Self>>::deserialize(deserializer)?;
        Ok(Self(inner.map_or(1, |inner| inner.0 + 1)))
    }
}

#[test]
fn a_value_that_does_not_encode_or_nests_without_end_is_refused_and_the_next_one_arrives() {
    let (mut one, mut other) = process::duplex::<Nested, Nested>().expect("a connection");
    for (value, reason) in [(0, "serde code refused"), (1 << 20, "128 levels")] {
        let refused = one.send(&Nested(value)).expect_err("refused");
        assert!(matches!(refused, SendError::Invalid(..)), "{refused:?}");
        assert!(refused.to_string().contains(reason), "{refused}");
        assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
    }
    one.send(&Nested(3)).expect("sent");
    assert_eq!(other.recv(), Ok(Nested(3)));
}

#[test]
fn the_two_directions_go_to_threads_of_their_own() {
    let (one, other) = process::duplex::<u64, u64>().expect("a connection");
    let (mut numbers, mut squares) = one.split();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut other = other;
            while let Ok(number) = other.recv() {
                other.send(&(number * number)).expect("sent");
            }
        });
        scope.spawn(move || {
            for number in 0..10_000 {
                numbers.send(&number).expect("sent");
            }
        });
        for number in 0..10_000 {
            assert_eq!(squares.recv(), Ok(number * number));
        }
        assert_eq!(squares.recv(), Err(RecvError::Disconnected));
    });
}

#[test]
fn several_receivers_are_waited_for_at_once() {
    let (mut low, first) = process::pipe::<u8>().expect("a pipe");
    let (other, mut last) = process::duplex::<u8, String>().expect("a connection");
    let late = wait_any_timeout(&[&first, &other], SOON);
    assert!(late.is_err());
    last.send(&"done".to_owned()).expect("sent");
    assert_eq!(wait_any(&[&first, &other]), Ok(1));
    low.send(&1).expect("sent");
    assert_eq!(wait_any(&[&first, &other]), Ok(0));
    let (mut first, mut other) = (first, other);
    assert_eq!(first.recv(), Ok(1));
    assert_eq!(other.recv().as_deref(), Ok("done"));
    drop(low);
    assert_eq!(wait_any(&[&other, &first]), Ok(1), "its end is at hand");
    thread::scope(|scope| {
        scope.spawn(|| last.send(&"woken".to_owned()));
        assert_eq!(wait_any(&[&other]), Ok(0));
    });
}

#[test]
fn capacities_and_types_that_cannot_be_are_refused() {
    for found in [0, 511, (1 << 40) + 1] {
        let refused = PipeOptions::new().capacity(found).pipe::<u8>();
        assert!(
            matches!(refused, Err(PipeError::Capacity { found: told, .. }) if told == found),
            "{found}"
        );
    }
    let refused = PipeOptions::new().capacity(1 << 40).pipe::<u8>();
    assert!(
        matches!(refused, Err(PipeError::Create(_))),
        "there is no memory for it"
    );
    let refused = process::pipe::<crossdock::Segment>();
    assert!(matches!(refused, Err(PipeError::Values { .. })));
}
