//! Promises: each is unset, claimed, abandoned or set, once and for all.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{WaitAnyError, Waitable, wait_any_timeout};
use crossdock::sync::{
    ClaimPromiseError, Holder, Promise, PromiseClaim, PromiseError, PromiseTimeoutError,
};

use crate::place::input;
use crate::spec::child::{PATIENCE, in_child, in_thread, killed_with};
use crate::spec::segment;

/// Three words, so that a half-written value would be seen.
type Value = [u64; 3];

/// What a promise is expected to be.
enum State<'p> {
    Unset,
    /// By this thread.
    Claimed(PromiseClaim<'p, Value>),
    /// By a thread that has ended: until this process ends.
    Leaked,
    Abandoned,
    Set(Value),
}

impl State<'_> {
    /// Whether the next process may claim it.
    fn is_open(&self) -> bool {
        matches!(self, Self::Unset | Self::Abandoned)
    }

    /// What a claim must say.
    fn claim(&self) -> Result<(), ClaimPromiseError> {
        match self {
            Self::Unset | Self::Abandoned => Ok(()),
            Self::Claimed(_) => Err(ClaimPromiseError::OwnClaim),
            Self::Leaked => Err(of_this_process()),
            Self::Set(_) => Err(ClaimPromiseError::Set),
        }
    }

    /// What a wait that does not block must say.
    fn wait(&self) -> Result<Value, PromiseTimeoutError> {
        match self {
            Self::Unset | Self::Leaked => Err(PromiseTimeoutError::Timeout),
            Self::Claimed(_) => Err(PromiseError::OwnClaim.into()),
            Self::Abandoned => Err(PromiseError::Abandoned.into()),
            Self::Set(value) => Ok(*value),
        }
    }
}

fn of_this_process() -> ClaimPromiseError {
    ClaimPromiseError::Claimed {
        holder: Holder::ThisProcess,
    }
}

/// A promise, and what is expected of it.
struct Model<'p> {
    segment: &'p Segment,
    state: State<'p>,
    /// The seeded bug: a claim that is dropped is not given back.
    has_bug: bool,
}

impl<'p> Model<'p> {
    fn step(&mut self, promise: &'p Promise<Value>, [verb, a, b, c]: [u8; 4]) {
        let value = [u64::from(a), u64::from(b), u64::from(c)];
        match verb % 20 {
            0..3 => self.claim(promise),
            3 if c % 4 == 0 => {
                let expected = self.state.claim();
                match promise.set(value) {
                    Ok(set) => {
                        assert_eq!((*set, expected), (value, Ok(())));
                        self.state = State::Set(value);
                    }
                    Err(error) => assert_eq!(expected, Err(error)),
                }
            }
            4..7 => self.end_claim((c % 8 == 0).then_some(value)),
            7 => self.waited(promise.wait_timeout(Duration::ZERO).copied()),
            // What blocks, where it does not.
            8 if self.state.wait() != Err(PromiseTimeoutError::Timeout) => {
                self.waited(
                    promise
                        .wait()
                        .copied()
                        .map_err(PromiseTimeoutError::Promise),
                );
            }
            9 | 10 => self.get_or_init(promise, value, c),
            11 if c % 2 == 0 => self.claimer_dies(promise, b),
            12 if c % 16 == 0 => self.setter_dies(promise, value),
            13 | 14 => self.other_thread(promise, value, b),
            15 if c % 16 == 0 => self.hand_over(promise, value, b),
            16 if c % 8 == 0 => self.fork(promise),
            _ => {}
        }
        self.look(promise);
    }

    fn claim(&mut self, promise: &'p Promise<Value>) {
        let expected = self.state.claim();
        match promise.claim() {
            Ok(claim) => {
                assert_eq!(expected, Ok(()));
                self.state = State::Claimed(claim);
            }
            Err(error) => assert_eq!(expected, Err(error)),
        }
    }

    /// Sets the value, or gives the claim back, if this thread has it.
    fn end_claim(&mut self, value: Option<Value>) {
        match (std::mem::replace(&mut self.state, State::Unset), value) {
            (State::Claimed(claim), Some(value)) => {
                assert_eq!(claim.set(value), Ok(&value));
                self.state = State::Set(value);
            }
            (State::Claimed(claim), None) if self.has_bug => std::mem::forget(claim),
            (State::Claimed(claim), None) => drop(claim),
            (state, _) => self.state = state,
        }
    }

    #[track_caller]
    fn waited(&self, came: Result<Value, PromiseTimeoutError>) {
        assert_eq!(came, self.state.wait());
    }

    fn get_or_init(&mut self, promise: &Promise<Value>, value: Value, how: u8) {
        match &self.state {
            State::Unset | State::Abandoned if !how.is_multiple_of(4) => {
                let panics = catch_unwind(AssertUnwindSafe(|| {
                    promise.get_or_init(|| resume_unwind(Box::new(()))).copied()
                }));
                assert!(panics.is_err());
                self.state = State::Unset;
            }
            State::Unset | State::Abandoned if how.is_multiple_of(8) => {
                assert_eq!(promise.get_or_init(|| value), Ok(&value));
                self.state = State::Set(value);
            }
            State::Set(value) => {
                let got = promise.get_or_init(|| unreachable!("it is set"));
                assert_eq!(got, Ok(value));
            }
            State::Claimed(_) => {
                let got = promise.get_or_init(|| unreachable!("it is claimed"));
                assert_eq!(got, Err(PromiseError::OwnClaim));
            }
            // It would block.
            _ => {}
        }
    }

    /// A process claims the promise, if it may, and is killed.
    fn claimer_dies(&mut self, promise: &'p Promise<Value>, how: u8) {
        let parent = std::process::id();
        killed_with(|| {
            let claimed = promise.claim();
            match &self.state {
                state if state.is_open() => assert!(claimed.is_ok()),
                State::Set(_) => assert!(matches!(claimed, Err(ClaimPromiseError::Set))),
                _ => {
                    let holder = Holder::Process { pid: parent };
                    let expected = ClaimPromiseError::Claimed { holder };
                    assert_eq!(claimed.as_ref().err(), Some(&expected));
                }
            }
            claimed
        });
        if !self.state.is_open() {
            self.segment.reap();
            return;
        }
        self.state = State::Abandoned;
        assert!(promise.claimer().is_some());
        // The next claimer asks the kernel itself.
        match how % 2 {
            0 => self.claim(promise),
            _ => drop(self.segment.reap()),
        }
        self.segment.reap();
    }

    /// A process sets the value, if it may, and is killed.
    fn setter_dies(&mut self, promise: &Promise<Value>, value: Value) {
        let is_open = self.state.is_open();
        killed_with(|| assert_eq!(promise.set(value).is_ok(), is_open));
        if is_open {
            self.state = State::Set(value);
        }
        self.segment.reap();
    }

    /// Another thread finds what this one has claimed; or claims it, and leaks that.
    fn other_thread(&mut self, promise: &'p Promise<Value>, value: Value, how: u8) {
        let leaks = self.state.is_open() && how < 16;
        let is_claimed = matches!(self.state, State::Claimed(_) | State::Leaked);
        let waits = match &self.state {
            State::Claimed(_) => Err(PromiseTimeoutError::Timeout),
            state => state.wait(),
        };
        in_thread(|| {
            assert_eq!(promise.wait_timeout(Duration::ZERO).copied(), waits);
            if is_claimed {
                assert_eq!(promise.claim().err(), Some(of_this_process()));
                assert_eq!(promise.set(value), Err(of_this_process()));
            }
            if leaks {
                std::mem::forget(promise.claim().expect("it is open"));
            }
        });
        if leaks {
            self.state = State::Leaked;
        }
    }

    /// A thread that waits for the value, or for the claim, gets it from this one.
    fn hand_over(&mut self, promise: &'p Promise<Value>, value: Value, how: u8) {
        if !matches!(self.state, State::Claimed(_)) || self.has_bug {
            return;
        }
        std::thread::scope(|scope| {
            if how.is_multiple_of(2) {
                let waiter = scope.spawn(|| promise.wait_timeout(PATIENCE).copied());
                self.end_claim(Some(value));
                assert_eq!(waiter.join().expect("no panic"), Ok(value));
            } else {
                let waiter = scope.spawn(|| promise.get_or_init(|| value).copied());
                self.end_claim(None);
                assert_eq!(waiter.join().expect("no panic"), Ok(value));
                self.state = State::Set(value);
            }
        });
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, promise: &'p Promise<Value>) {
        in_child(|| {
            let is_claimed = matches!(self.state, State::Claimed(_) | State::Leaked);
            match std::mem::replace(&mut self.state, State::Unset) {
                State::Claimed(claim) => assert!(claim.set([7; 3]).is_err()),
                state => drop(state),
            }
            let pid = std::os::unix::process::parent_id();
            let holder = is_claimed.then_some(Holder::Process { pid });
            assert_eq!(promise.claimer(), holder);
        });
    }

    fn look(&self, promise: &Promise<Value>) {
        let (value, claimer) = match &self.state {
            State::Set(value) => (Some(value), None),
            State::Claimed(_) | State::Leaked => (None, Some(Holder::ThisProcess)),
            State::Unset | State::Abandoned => (None, None),
        };
        assert_eq!(promise.get(), value);
        assert_eq!(promise.claimer(), claimer);
        let ready = match wait_any_timeout(&[promise as &dyn Waitable], Duration::ZERO) {
            Ok(index) => index == 0,
            Err(WaitAnyError::Timeout) => false,
            Err(error) => panic!("{error}"),
        };
        let is_over = matches!(self.state, State::Set(_) | State::Abandoned);
        assert_eq!(ready, is_over);
    }
}

/// Does to promises what the data say, and what is expected of them beside them. A promise is set
/// once, so there are several.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    const PROMISES: usize = 6;
    let Some((_, steps)) = input(data) else {
        return;
    };
    let segment = segment();
    let promises: Vec<[Promise<Value>; 2]> = (0..PROMISES)
        .map(|at| {
            let name = format!("promise {at}");
            let first = segment.create(&name, ()).expect("room");
            [first, segment.open(&name).expect("it is there")]
        })
        .collect();
    let mut models: [Model<'_>; PROMISES] = std::array::from_fn(|_| Model {
        segment: &segment,
        state: State::Unset,
        has_bug,
    });
    for (number, step) in steps.enumerate() {
        // One after the other, and now and then one of before.
        let at = if step[0] < 32 {
            step[1].into()
        } else {
            number / 12
        };
        let at = at % PROMISES;
        models[at].step(&promises[at][usize::from(step[2] % 2)], step);
    }
}
