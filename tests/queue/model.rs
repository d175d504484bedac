//! The ring for two against std's `VecDeque`.

use std::collections::VecDeque;

use crossdock::Segment;
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{TryRecvError, TrySendError};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    PushSlice(Vec<u64>),
    Pop,
    PopSlice(usize),
    /// Writes so many in place, and commits so many of them.
    WriteChunk(usize, usize),
    ReadChunk(usize, usize),
    /// Gives an end back and claims it again.
    ChangeProducer,
    ChangeConsumer,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<u64>().prop_map(Step::Push),
        proptest::collection::vec(any::<u64>(), 0..7).prop_map(Step::PushSlice),
        Just(Step::Pop),
        (0_usize..7).prop_map(Step::PopSlice),
        (1_usize..7, 0_usize..7).prop_map(|(most, count)| Step::WriteChunk(most, count)),
        (1_usize..7, 0_usize..7).prop_map(|(most, count)| Step::ReadChunk(most, count)),
        Just(Step::ChangeProducer),
        Just(Step::ChangeConsumer),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn it_is_a_queue_of_bounded_length(capacity in 1_usize..6, steps in steps()) {
        let segment = Segment::anonymous().unwrap();
        let ring = segment.create::<Spsc<u64>>("ring", capacity as u64).unwrap();
        let mut queue = VecDeque::new();
        let mut producer = Some(ring.producer().unwrap());
        let mut consumer = Some(ring.consumer().unwrap());
        for step in steps {
            let (push, pop) = (producer.as_mut().unwrap(), consumer.as_mut().unwrap());
            match step {
                Step::Push(value) if queue.len() < capacity => {
                    prop_assert_eq!(push.try_push(value), Ok(()));
                    queue.push_back(value);
                }
                Step::Push(value) => {
                    prop_assert_eq!(push.try_push(value), Err(TrySendError::Full(value)));
                }
                Step::PushSlice(values) => {
                    let room = (capacity - queue.len()).min(values.len());
                    prop_assert_eq!(push.push_slice(&values), Ok(room));
                    queue.extend(&values[..room]);
                }
                Step::Pop => {
                    let expected = queue.pop_front().ok_or(TryRecvError::Empty);
                    prop_assert_eq!(pop.try_pop(), expected);
                }
                Step::PopSlice(count) => {
                    let mut values = vec![0; count];
                    let there = count.min(queue.len());
                    prop_assert_eq!(pop.pop_slice(&mut values), Ok(there));
                    let expected: Vec<u64> = queue.drain(..there).collect();
                    prop_assert_eq!(&values[..there], &expected[..]);
                }
                Step::WriteChunk(most, count) => {
                    let room = (capacity - queue.len()).min(most);
                    let Ok(mut chunk) = push.write_chunk(most) else {
                        prop_assert_eq!(room, 0);
                        continue;
                    };
                    prop_assert_eq!(chunk.len(), room);
                    let (first, second) = chunk.as_mut_slices();
                    for (number, place) in first.iter_mut().chain(second).enumerate() {
                        *place = number as u64;
                    }
                    let count = count.min(room);
                    chunk.commit(count);
                    queue.extend(0..count as u64);
                }
                Step::ReadChunk(most, count) => {
                    let Ok(chunk) = pop.read_chunk(most) else {
                        prop_assert!(queue.is_empty());
                        continue;
                    };
                    let (first, second) = chunk.as_slices();
                    let found: Vec<u64> = first.iter().chain(second).copied().collect();
                    let expected: Vec<u64> = queue.iter().take(most).copied().collect();
                    prop_assert_eq!(&found, &expected);
                    let count = count.min(found.len());
                    chunk.commit(count);
                    queue.drain(..count);
                }
                Step::ChangeProducer => {
                    drop(producer.take());
                    producer = Some(ring.producer().unwrap());
                }
                Step::ChangeConsumer => {
                    drop(consumer.take());
                    consumer = Some(ring.consumer().unwrap());
                }
            }
        }
    }
}
