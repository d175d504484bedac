//! What one process does to an array with leases, beside a list that has the same done to it.

use crossdock::array::{ArrayOptions, Init, LeaseError, RestartError, TryLeaseError};
use crossdock::sync::TryLockError;
use crossdock::{Array, Segment};
use proptest::prelude::*;

const CHUNKS: usize = 4;
const CHUNK: usize = 3;

/// A step; numbers are of chunks, or of what is in hand, as far as there is any.
#[derive(Clone, Copy, Debug)]
enum Step {
    LeaseAny,
    Lease(usize),
    Write(usize, u8),
    Finish(usize),
    Drop(usize),
    Read,
    Fill(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::LeaseAny),
        2 => (0..CHUNKS + 1).prop_map(Step::Lease),
        2 => (0..CHUNKS, any::<u8>()).prop_map(|(held, value)| Step::Write(held, value)),
        3 => (0..CHUNKS).prop_map(Step::Finish),
        2 => (0..CHUNKS).prop_map(Step::Drop),
        2 => Just(Step::Read),
        1 => any::<u8>().prop_map(Step::Fill),
        1 => Just(Step::Restart),
    ]
}

/// What an array is held to be.
#[derive(Default)]
struct Model {
    values: [u8; CHUNKS * CHUNK],
    done: [bool; CHUNKS],
    held: [bool; CHUNKS],
}

impl Model {
    fn is_held(&self) -> bool {
        self.held.contains(&true)
    }

    fn left(&self) -> usize {
        self.done.iter().filter(|done| !**done).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_done_it_is_what_a_list_would_be(steps in prop::collection::vec(step(), 1..60)) {
        let segment = Segment::anonymous().unwrap();
        let options = ArrayOptions::new(Init::zeroed(CHUNKS * CHUNK)).chunk(CHUNK);
        let array = segment.create::<Array<u8>>("array", options).unwrap();
        let mut model = Model::default();
        let mut hand = Vec::new();
        for step in steps {
            match step {
                Step::LeaseAny => match array.try_lease_chunk() {
                    Ok(Some(lease)) => {
                        let chunk = lease.index();
                        prop_assert!(!model.done[chunk] && !model.held[chunk]);
                        prop_assert!(!lease.holder_died());
                        model.held[chunk] = true;
                        hand.push(lease);
                    }
                    Ok(None) => prop_assert_eq!(model.left(), 0),
                    Err(TryLeaseError::WouldBlock) => {
                        prop_assert!((0..CHUNKS).all(|chunk| model.done[chunk] || model.held[chunk]));
                        prop_assert!(model.left() > 0);
                    }
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Lease(chunk) => match array.lease(chunk) {
                    Ok(lease) => {
                        prop_assert!(!model.held[chunk] && lease.range() == (chunk * CHUNK..(chunk + 1) * CHUNK));
                        (model.held[chunk], model.done[chunk]) = (true, false);
                        hand.push(lease);
                    }
                    Err(LeaseError::Leased { pid }) => prop_assert!(model.held[chunk] && pid == std::process::id()),
                    Err(LeaseError::OutOfRange { .. }) => prop_assert_eq!(chunk, CHUNKS),
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Write(held, value) if held < hand.len() => {
                    hand[held].fill(value);
                    model.values[hand[held].range()].fill(value);
                }
                Step::Finish(held) if held < hand.len() => {
                    let lease = hand.swap_remove(held);
                    let chunk = lease.index();
                    (model.held[chunk], model.done[chunk]) = (false, true);
                    prop_assert!(lease.finish().is_ok());
                }
                Step::Drop(held) if held < hand.len() => {
                    model.held[hand.swap_remove(held).index()] = false;
                }
                Step::Write(..) | Step::Finish(_) | Step::Drop(_) => {}
                Step::Read => match array.try_read() {
                    Ok(values) => prop_assert!(*values == model.values && !model.is_held()),
                    Err(TryLockError::WouldBlock { .. }) => prop_assert!(model.is_held()),
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Fill(value) => match array.try_write() {
                    Ok(mut values) => {
                        prop_assert!(!model.is_held());
                        values.fill(value);
                        model.values.fill(value);
                    }
                    Err(TryLockError::WouldBlock { .. }) => prop_assert!(model.is_held()),
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Restart => match array.restart() {
                    Ok(()) => {
                        prop_assert!(!model.is_held());
                        model.done = [false; CHUNKS];
                    }
                    Err(RestartError::Leased { .. }) => prop_assert!(model.is_held()),
                    Err(error) => prop_assert!(false, "{error}"),
                },
            }
            prop_assert_eq!(array.chunks_left(), model.left());
        }
    }
}
