//! The reader-writer lock under loom, by its specification.

use crossdock_spec::NOTHING;
use crossdock_spec::rwlock::{OWNER_DIED, Op, POISONED, State, found};
use loom::sync::Arc;

use super::super::{Cell, NoHook, RwLock, RwLockState, WriterToken};
use crate::facade::{Deadline, Words, mutants};
use crate::format::Padded;
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{KernelLiveness, players, tag};

mutants! {
    model_rwlock_is_as_specified:
        950 "what was declared consistent is reported again",
        951 "a reader is not told that a writer died";
}

/// Two words behind a lock. loom tracks them: none may be read while it is written.
struct Room {
    state: RwLockState,
    cells: [Padded<Cell>; 3],
    words: [Words<1>; 2],
}

impl Room {
    fn lock(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    fn words(&self) -> [u64; 2] {
        let [[first], [second]] = self.words.each_ref().map(Words::read);
        [first, second]
    }

    fn found(&self, owner_died: bool, is_poisoned: bool) -> u8 {
        let told = match (owner_died, is_poisoned) {
            (true, _) => OWNER_DIED,
            (false, is_poisoned) => POISONED * u8::from(is_poisoned),
        };
        found(told, self.words())
    }

    fn write(&self, id: u32, blocks: bool) -> Option<WriterToken> {
        let never = blocks.then(Deadline::never);
        self.lock().write(&KernelLiveness(id), never.as_ref()).ok()
    }

    fn count(&self, at: usize) -> u8 {
        let [word] = self.words[at].read();
        self.words[at].write(&[word + 1]);
        NOTHING
    }
}

impl Specified for Room {
    type Spec = State;
    type Hand = Option<WriterToken>;

    fn fixture() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            words: [0; 2].map(|word| Words::new([word])),
        })
    }

    fn run(&self, id: u32, op: Op, held: &mut Self::Hand, blocks: bool) -> Option<u8> {
        Some(match op {
            // The lock does it in what follows.
            Op::Come | Op::Shut | Op::Open | Op::Go => NOTHING,
            Op::Write => {
                let token = held.insert(self.write(id, blocks)?);
                self.found(token.owner_died(), token.is_poisoned())
            }
            Op::First => self.count(0),
            Op::Second => self.count(1),
            Op::Drop => {
                self.lock().stop_writing(held.take()?, false);
                1
            }
            Op::Peek => {
                let peers = KernelLiveness(id);
                let reading = self.lock().read(&peers, None).ok()?;
                let found = self.found(reading.owner_died(), reading.is_poisoned());
                self.lock().stop_reading(reading);
                found
            }
            Op::Enter => {
                let mut token = self.write(id, blocks)?;
                let found = self.found(token.owner_died(), token.is_poisoned());
                let next = self.words()[0] + 1;
                self.words.iter().for_each(|word| word.write(&[next]));
                if token.owner_died() {
                    self.lock().mark_consistent(&mut token);
                }
                self.lock().stop_writing(token, false);
                found
            }
            op => panic!("{op:?} is not modelled"),
        })
    }

    fn recover(&self) {
        self.lock().recover(tag(1));
    }
}

/// Hunts: a write that is not counted; half of a write that is not told, or told twice; a reader
/// that passes a writer.
#[test]
fn model_rwlock_is_as_specified() {
    use Op::{Come, Drop, Enter, First, Go, Open, Peek, Second, Shut, Write};
    explore_as_specified::<Room>(&Roles {
        victim: &[Come, Shut, Write, First, Second, Drop, Open, Go],
        other: &[Peek, Enter],
        last: &[Peek, Enter, Peek, Enter],
    });
}
