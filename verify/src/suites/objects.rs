//! A dictionary and a list beside their specification: each operation returns what it says, or is
//! refused for want of room and changes nothing.

use crossdock::object::{ObjectError, ObjectOptions};
use crossdock::{Dict, List, SegmentOptions};
use crossdock_spec::objects::{Contents, Op, Returned, State, Text};
use crossdock_spec::{Actor, Specification as _};

use crate::place::play;

struct Objects {
    dict: Dict<u8, Vec<u8>>,
    list: List<Vec<u8>>,
    expected: State,
    /// The seeded bug: a value that is inserted before others is appended.
    has_bug: bool,
}

impl Objects {
    fn new(capacity: u64, has_bug: bool) -> Option<Self> {
        let segment = SegmentOptions::new().size(1 << 15).anonymous().ok()?;
        let options = ObjectOptions::new(capacity + 1).bytes_each(32);
        Some(Self {
            dict: segment.create("dict", options).ok()?,
            list: segment.create("list", options).ok()?,
            expected: State::of_some_room(),
            has_bug,
        })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let text = Text(b, c % 100);
        let (key, at) = (a % 12, a % 10);
        let op = match verb % 14 {
            0 | 1 => Op::Insert(key, text),
            2 => Op::Remove(key),
            3 => Op::Append(key, 7),
            4 if text.1 == 99 => Op::ClearDict,
            4 => Op::Exchange {
                key,
                from_nothing: !text.1.is_multiple_of(2),
                to: (text.1 % 4 < 2).then_some(text),
            },
            5 => Op::Update(key, text),
            6 | 7 => Op::Push(text),
            8 => Op::Pop,
            9 => Op::Set(at, text),
            10 => Op::InsertAt(at, text),
            11 => Op::Extend([text, Text(1, 1), text]),
            12 => Op::Retain(text),
            _ if text.1 == 99 => Op::ClearList,
            _ if text.1 > 80 => Op::Sort,
            _ => Op::RemoveAt(at),
        };
        for op in [op, Op::Get(key), Op::Len, Op::Look] {
            let came = self.run(op).unwrap_or_else(|error| match error {
                ObjectError::Full { .. } => Returned::Full,
                error => Returned::Failed(error.to_string()),
            });
            let mut choices = self.expected.choices(op, Actor::Other).into_iter();
            match choices.find(|(returned, _)| *returned == came) {
                Some((_, next)) => self.expected = next,
                None => panic!("{op:?} returned {came:?} at {:?}", self.expected),
            }
        }
    }

    fn run(&self, op: Op) -> Result<Returned, ObjectError> {
        let Self { dict, list, .. } = self;
        let done = |()| Returned::Done;
        match op {
            Op::Get(key) => dict.get(&key).map(Returned::Value),
            Op::Insert(key, text) => dict.insert(&key, &text.bytes()).map(Returned::Is),
            Op::Update(key, text) => {
                let updated = dict.update(&key, |value| *value = text.bytes());
                updated.map(|updated| Returned::Is(updated.is_some()))
            }
            Op::Append(key, byte) => {
                let updated = dict.update(&key, |value| {
                    value.push(byte);
                    value.clone()
                });
                updated.map(Returned::Value)
            }
            Op::Exchange {
                key,
                from_nothing,
                to,
            } => {
                let there = if from_nothing { None } else { dict.get(&key)? };
                let to = to.map(Text::bytes);
                let exchanged = dict.compare_exchange(&key, there.as_ref(), to.as_ref());
                exchanged.map(Returned::Exchanged)
            }
            Op::Remove(key) => dict.remove(&key).map(Returned::Value),
            Op::ClearDict => dict.clear().map(done),
            Op::Push(text) => list.push(&text.bytes()).map(done),
            Op::Extend(more) => list.extend(more.map(Text::bytes)).map(done),
            Op::Pop => list.pop().map(Returned::Value),
            Op::Set(at, text) => list.set(at.into(), &text.bytes()).map(Returned::Is),
            Op::InsertAt(at, text) => {
                let at = if self.has_bug { list.len() } else { at.into() };
                list.insert(at, &text.bytes()).map(Returned::Is)
            }
            Op::RemoveAt(at) => list.remove(at.into()).map(Returned::Value),
            Op::Retain(gone) => {
                let first = gone.bytes().first().copied();
                list.retain(|one| one.first().copied() != first).map(done)
            }
            Op::Sort => list.sort().map(done),
            Op::ClearList => list.clear().map(done),
            Op::Len => {
                let keys = usize::try_from(dict.len()).unwrap_or(usize::MAX);
                Ok(Returned::Lens(keys, list.len()))
            }
            Op::Look => Ok(Returned::All(Contents {
                dict: dict.iter().collect::<Result<_, _>>()?,
                list: list.slice(..)?,
                value: Vec::new(),
            })),
            op => panic!("{op:?} is not of this suite"),
        }
    }
}

pub(crate) fn run(data: &[u8], has_bug: bool) {
    let new = |capacity| Objects::new(capacity, has_bug);
    play(data, new, Objects::step);
}
