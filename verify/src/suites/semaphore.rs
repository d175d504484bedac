//! A semaphore beside its specification: how many permits are free, held and absent, and whether it
//! is closed.

use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{WaitAnyError, wait_any_timeout};
use crossdock::sync::{
    AcquireError, AcquireTimeoutError, AddPermitsError, Holder, Permit, Permits, Semaphore,
    SemaphoreOptions, TryAcquireError,
};
use crossdock_spec::semaphore::Op::{AcquireMany, Add, Close, Forget, Holders, ReleaseMany};
use crossdock_spec::semaphore::{CLOSED, NO_ROOM, OUT_OF_RANGE, Op, State};
use crossdock_spec::{Actor, Specification};

use crate::place::{NAME, input};
use crate::suites::child::{PATIENCE, in_child, in_thread, killed_with};
use crate::suites::segment;

/// Permits in the hands of this process.
enum Held<'s> {
    One(Permit<'s>),
    Many(Permits<'s>),
}

impl Held<'_> {
    fn len(&self) -> u8 {
        match self {
            Self::One(_) => 1,
            Self::Many(permits) => u8::try_from(permits.len()).expect("few"),
        }
    }
}

/// A semaphore, and what it is expected to be.
struct Model<'s> {
    segment: &'s Segment,
    expected: State,
    held: Vec<Held<'s>>,
    /// The seeded bug: permits that are dropped are not released.
    has_bug: bool,
}

impl<'s> Model<'s> {
    /// This process does it, and the specification allows it.
    fn does(&mut self, op: Op) {
        assert_eq!(self.expected.apply(op, Actor::Other), Some(0), "{op:?}");
    }

    /// What an operation that acquires `count` permits without blocking must say.
    fn expected(&self, count: u8) -> Result<(), TryAcquireError> {
        match self
            .expected
            .clone()
            .apply(AcquireMany(count), Actor::Other)
        {
            Some(0) => Ok(()),
            Some(CLOSED) => Err(AcquireError::Closed.into()),
            Some(OUT_OF_RANGE) => {
                let (asked, most) = (count.into(), self.expected.most.into());
                Err(AcquireError::OutOfRange { asked, most }.into())
            }
            Some(other) => panic!("{other}"),
            None => Err(TryAcquireError::WouldBlock),
        }
    }

    /// Judges what came of acquiring `count` permits.
    #[track_caller]
    fn acquired(&mut self, count: u8, came: Result<Held<'s>, TryAcquireError>) {
        let expected = self.expected(count);
        match came {
            Ok(held) => {
                assert_eq!(expected, Ok(()));
                assert_eq!(held.len(), count);
                self.does(AcquireMany(count));
                self.held.push(held);
            }
            Err(error) => assert_eq!(expected, Err(error)),
        }
    }

    fn step(&mut self, semaphore: &'s Semaphore, [verb, a, b, c]: [u8; 4]) {
        let count = a % 6;
        let one = |came: Result<Permit<'s>, _>| came.map(Held::One);
        match verb % 18 {
            0 | 1 => self.acquired(1, one(semaphore.try_acquire())),
            2 => {
                let came = semaphore.acquire_timeout(Duration::ZERO);
                self.acquired(1, one(came.map_err(timed_out)));
            }
            // What blocks, where it does not.
            3 if self.expected(1) != Err(TryAcquireError::WouldBlock) => {
                let came = semaphore.acquire().map_err(TryAcquireError::Acquire);
                self.acquired(1, one(came));
            }
            4 => {
                let came = semaphore.try_acquire_many(count.into());
                self.acquired(count, came.map(Held::Many));
            }
            5 => {
                let came = semaphore.acquire_many_timeout(count.into(), Duration::ZERO);
                self.acquired(count, came.map(Held::Many).map_err(timed_out));
            }
            6 if self.expected(count) != Err(TryAcquireError::WouldBlock) => {
                let came = semaphore.acquire_many(count.into());
                let came = came.map(Held::Many).map_err(TryAcquireError::Acquire);
                self.acquired(count, came);
            }
            7..10 => self.release(a, c),
            10 => {
                if let Some(held) = self.take(a) {
                    (0..held.len()).for_each(|_| self.does(Forget));
                    match held {
                        Held::One(permit) => permit.forget(),
                        Held::Many(permits) => permits.forget(),
                    }
                }
            }
            11 => match self.take(a) {
                Some(Held::Many(permits)) => {
                    let permits = permits.into_permits();
                    self.held.extend(permits.into_iter().map(Held::One));
                }
                held => self.held.extend(held),
            },
            12 => self.add(semaphore, count),
            13 => self.hand_over(semaphore, a),
            14 if c % 4 == 0 => self.holder_dies(semaphore, count),
            15 if c % 4 == 0 => self.fork(semaphore, b),
            16 if b == 9 && c < 64 => {
                semaphore.close();
                self.does(Close);
            }
            _ => {}
        }
        self.look(semaphore);
    }

    fn take(&mut self, which: u8) -> Option<Held<'s>> {
        let len = self.held.len();
        (len > 0).then(|| self.held.swap_remove(usize::from(which) % len))
    }

    fn release(&mut self, which: u8, how: u8) {
        let Some(held) = self.take(which) else {
            return;
        };
        self.does(ReleaseMany(held.len()));
        match how % 8 {
            _ if self.has_bug => std::mem::forget(held),
            // Any thread may.
            0 => in_thread(|| drop(held)),
            _ => drop(held),
        }
    }

    fn add(&mut self, semaphore: &Semaphore, count: u8) {
        let expected = match self.expected.apply(Add(count), Actor::Other) {
            Some(NO_ROOM) => Err(AddPermitsError::NoRoom {
                asked: count.into(),
                added: 0,
                most: self.expected.most.into(),
            }),
            other => {
                assert_eq!(other, Some(0));
                Ok(())
            }
        };
        assert_eq!(semaphore.add_permits(count.into()), expected);
    }

    /// A thread that waits for a permit gets the one that is released.
    fn hand_over(&mut self, semaphore: &Semaphore, which: u8) {
        if self.expected.free > 0 || self.expected.is_closed || self.held.is_empty() || self.has_bug
        {
            return;
        }
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| semaphore.acquire_timeout(PATIENCE).map(drop));
            self.release(which, 1);
            assert_eq!(waiter.join().expect("no panic"), Ok(()));
        });
    }

    /// A process is killed with permits, which return.
    fn holder_dies(&mut self, semaphore: &Semaphore, count: u8) {
        let expected = self.expected(count);
        killed_with(|| {
            let came = semaphore.try_acquire_many(count.into());
            assert_eq!(came.as_ref().map(drop), expected.as_ref().copied());
            came
        });
        self.expected.apply(AcquireMany(count), Actor::Victim);
        self.counts(semaphore);
        self.expected.dies(Actor::Victim);
        self.segment.reap();
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, semaphore: &Semaphore, how: u8) {
        in_child(|| {
            let parent = std::os::unix::process::parent_id();
            for holder in semaphore.holders() {
                assert_eq!(holder, Holder::Process { pid: parent });
            }
            for held in std::mem::take(&mut self.held) {
                match held {
                    Held::One(permit) if how.is_multiple_of(2) => permit.forget(),
                    Held::Many(permits) if how.is_multiple_of(2) => permits.forget(),
                    held => drop(held),
                }
            }
            assert_eq!(semaphore.available(), self.expected.free.into());
        });
    }

    /// How many permits are free, and held by processes, also dead ones.
    fn counts(&self, semaphore: &Semaphore) {
        assert_eq!(semaphore.available(), self.expected.free.into());
        let holders = self.expected.clone().apply(Holders, Actor::Other);
        assert_eq!(semaphore.holders().len(), holders.expect("no wait").into());
    }

    fn look(&self, semaphore: &Semaphore) {
        let State {
            most,
            free,
            held,
            is_closed,
        } = self.expected;
        self.counts(semaphore);
        assert_eq!(semaphore.most(), most.into());
        assert_eq!(semaphore.is_closed(), is_closed);
        let mine = vec![Holder::ThisProcess; held[Actor::Other as usize].into()];
        assert_eq!(semaphore.holders(), mine);
        let ready = match wait_any_timeout(&[semaphore], Duration::ZERO) {
            Ok(index) => index == 0,
            Err(WaitAnyError::Timeout) => false,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ready, free > 0 || is_closed);
    }
}

/// The same refusal, of an operation that does not block.
fn timed_out(error: AcquireTimeoutError) -> TryAcquireError {
    match error {
        AcquireTimeoutError::Timeout => TryAcquireError::WouldBlock,
        AcquireTimeoutError::Acquire(error) => TryAcquireError::Acquire(error),
        error => panic!("{error}"),
    }
}

/// Does to a semaphore what the data say, and what is expected of it beside it.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let most = capacity + 1;
    let permits = data.get(1).map_or(0, |byte| u64::from(*byte) % (most + 1));
    let segment = segment();
    let options = SemaphoreOptions::new(permits).most(most);
    let first = segment.create::<Semaphore>(NAME, options).expect("room");
    // Handles, each with its own idea of where a free permit is.
    let open = |_| segment.open(NAME).expect("it is there");
    let handles: Vec<Semaphore> = [first.clone(), first]
        .into_iter()
        .chain((0..2).map(open))
        .collect();
    let mut model = Model {
        segment: &segment,
        expected: State {
            most: u8::try_from(most).expect("few"),
            free: u8::try_from(permits).expect("few"),
            ..State::default()
        },
        held: Vec::new(),
        has_bug,
    };
    for step in steps {
        model.step(&handles[usize::from(step[2]) % handles.len()], step);
    }
    let mut expected = model.expected.clone();
    expected.apply(Op::Release, Actor::Other);
    drop(model);
    if !has_bug {
        assert_eq!(handles[0].available(), expected.free.into());
    }
}
