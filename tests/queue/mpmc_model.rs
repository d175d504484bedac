//! The queue for many against std's `VecDeque`.

use std::collections::VecDeque;

use crossdock::Segment;
use crossdock::queue::{Queue, Received, SendError, TryRecvError, TrySendError};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// How many handles there are, each with its own idea of where the ends are.
const HANDLES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    SendSlice(Vec<u64>),
    ForceSend(u64),
    Receive,
    ReceiveMarked,
    ReceiveSlice(usize),
    ReceiveAll,
    Glance,
    /// Sends and receives so many, one after the other, while the other handles are idle.
    GoRound(u64),
    /// Replaces this handle by a clone of that one.
    CloneOf(usize),
    /// Replaces this handle by one that knows nothing yet.
    Open,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => any::<u64>().prop_map(Step::Send),
        4 => proptest::collection::vec(any::<u64>(), 0..12).prop_map(Step::SendSlice),
        3 => any::<u64>().prop_map(Step::ForceSend),
        6 => Just(Step::Receive),
        2 => Just(Step::ReceiveMarked),
        4 => (0_usize..12).prop_map(Step::ReceiveSlice),
        1 => Just(Step::ReceiveAll),
        3 => Just(Step::Glance),
        2 => (0_u64..300).prop_map(Step::GoRound),
        1 => (0..HANDLES).prop_map(Step::CloneOf),
        1 => Just(Step::Open),
    ];
    let steps = proptest::collection::vec((0..HANDLES, step), 0..80);
    (steps, any::<Option<prop::sample::Index>>()).prop_map(|(mut steps, close)| {
        if let Some(close) = close {
            steps.insert(close.index(steps.len() + 1), (0, Step::Close));
        }
        steps
    })
}

/// What a queue is expected to be.
struct Model {
    capacity: usize,
    items: VecDeque<u64>,
    closed: bool,
}

impl Model {
    fn room(&self) -> usize {
        self.capacity - self.items.len()
    }

    fn is_told(&self, error: &TryRecvError) -> TestCaseResult {
        prop_assert!(self.items.is_empty());
        prop_assert_eq!(matches!(error, TryRecvError::Disconnected), self.closed);
        prop_assert_eq!(matches!(error, TryRecvError::Empty), !self.closed);
        Ok(())
    }

    fn send(&mut self, queue: &Queue<u64>, value: u64) -> TestCaseResult {
        match queue.try_send(value) {
            Ok(()) => {
                prop_assert!(!self.closed && self.room() > 0);
                self.items.push_back(value);
            }
            Err(TrySendError::Full(back)) => {
                prop_assert!(!self.closed && self.room() == 0 && back == value);
            }
            Err(TrySendError::Disconnected(back)) => prop_assert!(self.closed && back == value),
            Err(error) => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    fn send_slice(&mut self, queue: &Queue<u64>, values: &[u64]) -> TestCaseResult {
        match queue.send_slice(values) {
            Ok(sent) => {
                prop_assert!(sent == 0 || !self.closed);
                prop_assert_eq!(sent, values.len().min(self.room()));
                self.items.extend(&values[..sent]);
            }
            Err(TrySendError::Full(())) => prop_assert!(!self.closed && self.room() == 0),
            Err(TrySendError::Disconnected(())) => prop_assert!(self.closed),
            Err(error) => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    fn force_send(&mut self, queue: &Queue<u64>, value: u64) -> TestCaseResult {
        match queue.force_send(value) {
            Ok(oldest) => {
                prop_assert!(!self.closed);
                let expected = if self.room() == 0 {
                    self.items.pop_front()
                } else {
                    None
                };
                prop_assert_eq!(oldest, expected);
                self.items.push_back(value);
            }
            Err(SendError::Disconnected(back)) => prop_assert!(self.closed && back == value),
            Err(error) => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    fn receive(&mut self, received: Result<u64, TryRecvError>) -> TestCaseResult {
        match received {
            Ok(value) => {
                prop_assert_eq!(Some(value), self.items.pop_front());
                Ok(())
            }
            Err(error) => self.is_told(&error),
        }
    }

    fn receive_slice(&mut self, queue: &Queue<u64>, count: usize) -> TestCaseResult {
        let mut values = vec![0; count];
        match queue.recv_slice(&mut values) {
            Ok(got) => {
                prop_assert_eq!(got, count.min(self.items.len()));
                let expected: Vec<u64> = self.items.drain(..got).collect();
                prop_assert_eq!(&values[..got], &expected[..]);
                Ok(())
            }
            Err(error) => {
                prop_assert!(count > 0);
                self.is_told(&error)
            }
        }
    }

    fn glance(&self, queue: &Queue<u64>) -> TestCaseResult {
        prop_assert_eq!(queue.capacity(), self.capacity as u64);
        prop_assert_eq!(queue.len(), self.items.len() as u64);
        prop_assert_eq!(queue.is_empty(), self.items.is_empty());
        prop_assert_eq!(queue.is_full(), self.room() == 0);
        prop_assert_eq!(queue.is_closed(), self.closed);
        Ok(())
    }
}

/// The value of what nobody has died over.
fn unmarked(received: Result<Received<u64>, TryRecvError>) -> Result<u64, TryRecvError> {
    received.map(|received| {
        assert!(!received.redelivered);
        received.value
    })
}

proptest! {
    #[test]
    fn it_is_a_queue_of_bounded_length(capacity in 2_usize..=9, steps in steps()) {
        let segment = Segment::anonymous().unwrap();
        let first = segment.create::<Queue<u64>>("queue", capacity as u64).unwrap();
        let mut handles = vec![first; HANDLES];
        let mut model = Model { capacity, items: VecDeque::new(), closed: false };
        for (which, step) in steps {
            let queue = &handles[which];
            match step {
                Step::Send(value) => model.send(queue, value)?,
                Step::SendSlice(values) => model.send_slice(queue, &values)?,
                Step::ForceSend(value) => model.force_send(queue, value)?,
                Step::Receive => model.receive(queue.try_recv())?,
                Step::ReceiveMarked => model.receive(unmarked(queue.try_recv_marked()))?,
                Step::ReceiveSlice(count) => model.receive_slice(queue, count)?,
                Step::ReceiveAll => {
                    let all: Vec<u64> = queue.try_iter().map(Result::unwrap).collect();
                    prop_assert_eq!(all, model.items.drain(..).collect::<Vec<_>>());
                }
                Step::Glance => model.glance(queue)?,
                Step::GoRound(items) => {
                    for item in 0..items {
                        model.send(queue, item)?;
                        model.receive(unmarked(queue.try_recv_marked()))?;
                    }
                }
                Step::CloneOf(other) => handles[which] = handles[other].clone(),
                Step::Open => handles[which] = segment.open("queue").unwrap(),
                Step::Close => {
                    queue.close();
                    model.closed = true;
                }
            }
        }
        for queue in &handles {
            model.glance(queue)?;
        }
    }
}
