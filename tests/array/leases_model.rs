//! What one process does to an array with leases, by the specification of leases.

use crossdock::array::{ArrayOptions, Init, Lease, LeaseError, RestartError, TryLeaseError};
use crossdock::sync::TryLockError;
use crossdock::{Array, Segment};
use crossdock_spec::FAILED;
use crossdock_spec::allowed::Allowed;
use crossdock_spec::leases::Which::{Any, One};
use crossdock_spec::leases::{CHUNKS, LEASED, NONE, Op, State, leased};
use crossdock_spec::run::{Run, Seen};
use proptest::prelude::*;

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

fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

/// Takes a lease in hand, and tells what it is.
fn taken<'a>(lease: Lease<'a, u8>, hand: &mut Vec<Lease<'a, u8>>) -> u8 {
    let chunk = lease.index();
    assert_eq!(lease.range(), chunk * CHUNK..(chunk + 1) * CHUNK);
    let told = leased(small(chunk), lease.holder_died());
    hand.push(lease);
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_done_it_is_as_specified(steps in prop::collection::vec(step(), 1..60)) {
        let segment = Segment::anonymous().unwrap();
        let options = ArrayOptions::new(Init::zeroed(CHUNKS * CHUNK)).chunk(CHUNK);
        let array = segment.create::<Array<u8>>("array", options).unwrap();
        let mut allowed = Allowed::from(Run::new(State::default(), &[], []));
        let mut see = |op, returned| {
            let seen = allowed.see(Seen::Returned(op, returned));
            seen.map_err(TestCaseError::fail)
        };
        let mut hand = Vec::new();
        for step in steps {
            match step {
                Step::LeaseAny => see(Op::Lease(Any), match array.try_lease_chunk() {
                    Ok(Some(lease)) => Some(taken(lease, &mut hand)),
                    Ok(None) => Some(NONE),
                    Err(TryLeaseError::WouldBlock) => None,
                    Err(_) => Some(FAILED),
                })?,
                Step::Lease(chunk) => match array.lease(chunk) {
                    Err(LeaseError::OutOfRange { .. }) => prop_assert_eq!(chunk, CHUNKS),
                    leased => see(Op::Lease(One(small(chunk))), Some(match leased {
                        Ok(lease) => taken(lease, &mut hand),
                        Err(LeaseError::Leased { pid }) if pid == std::process::id() => LEASED,
                        Err(_) => FAILED,
                    }))?,
                },
                Step::Write(held, value) if held < hand.len() => {
                    hand[held].fill(value);
                    see(Op::Fill(One(small(hand[held].index())), value), Some(0))?;
                }
                Step::Finish(held) if held < hand.len() => {
                    let lease = hand.swap_remove(held);
                    let chunk = small(lease.index());
                    prop_assert!(lease.finish().is_ok());
                    see(Op::Finish(One(chunk)), Some(0))?;
                }
                Step::Drop(held) if held < hand.len() => {
                    let chunk = small(hand.swap_remove(held).index());
                    see(Op::Drop(One(chunk)), Some(0))?;
                }
                Step::Write(..) | Step::Finish(_) | Step::Drop(_) => {}
                Step::Read => match array.try_read() {
                    Ok(values) => {
                        see(Op::Read, Some(0))?;
                        for (number, chunk) in (0..).zip(values.chunks(CHUNK)) {
                            prop_assert!(chunk.iter().all(|value| *value == chunk[0]));
                            see(Op::HasAll(number, chunk[0]), Some(1))?;
                        }
                        see(Op::Leave, Some(0))?;
                    }
                    Err(TryLockError::WouldBlock { .. }) => see(Op::Read, None)?,
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Fill(value) => match array.try_write() {
                    Ok(mut values) => {
                        values.fill(value);
                        for op in [Op::Write, Op::Fill(Any, value), Op::Leave] {
                            see(op, Some(0))?;
                        }
                    }
                    Err(TryLockError::WouldBlock { .. }) => see(Op::Write, None)?,
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Step::Restart => see(Op::Restart, Some(match array.restart() {
                    Ok(()) => 0,
                    Err(RestartError::Leased { .. }) => LEASED,
                    Err(_) => FAILED,
                }))?,
            }
            see(Op::ChunksLeft, Some(small(array.chunks_left())))?;
        }
    }
}
