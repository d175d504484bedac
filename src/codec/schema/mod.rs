//! The schema name of a type: a short name and a hash of what serde sees of it. Two programs
//! compare it to find out whether they mean the same by the values of a channel.
//!
//! A [`Recorder`](recorder::Recorder) is a deserializer without a message: it returns sample values
//! for every request of the type, and records the requests. A variant of an enum is seen only if it
//! is chosen, so the type is deserialized until all variants were. The names of containers, fields
//! and variants count, and their kinds and order; Rust types do not, so a `Vec<u8>` is a
//! `VecDeque<u8>`.
//!
//! Recursive types are recorded some rounds deep. Where a type refuses every sample value, for
//! instance because it parses its strings, the place is marked, and what follows it is not seen.

mod recorder;
#[cfg(test)]
mod tests;
mod tree;

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Mutex, TryLockError};

use serde::de::DeserializeOwned;

use recorder::{Notes, record};
use tree::{ROOT, Tree};

use crate::format::Name;

/// The reason why no value of a type can be in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// A part of the type needs a self-describing format.
    SelfDescribing,
    /// A part of the type is a handle of shared memory.
    Handle,
    /// A part of the type is a sender or a receiver.
    End,
}

impl Undecodable {
    /// Returns the reason as a text.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::SelfDescribing => {
                "a part of them needs a self-describing format, as untagged and internally tagged enums, \
                 flattened fields and serde_json::Value do"
            }
            Self::Handle => {
                "a part of them is a handle of shared memory, which can only be an argument or \
                 result of process::spawn"
            }
            Self::End => {
                "a part of them is a sender or receiver, which can only be an argument of \
                 process::spawn: send its queue's name instead"
            }
        }
    }
}

/// The newtype name of handles of shared memory, by which they are recognised.
pub(crate) const HANDLE: &str = "crossdock handle";
/// The newtype name of senders and receivers.
pub(crate) const END: &str = "crossdock end";

/// Returns the schema name of `T`: a readable name, `#`, and 32 digits of a hash over what serde
/// sees of `T`. It is the same in every build.
pub(crate) fn name_of<T: DeserializeOwned + 'static>() -> Result<Name, Undecodable> {
    static KNOWN: Mutex<BTreeMap<TypeId, Result<Name, Undecodable>>> = Mutex::new(BTreeMap::new());
    let id = TypeId::of::<T>();
    // Does not block: another thread may have held the lock when this process was forked.
    let known = || match KNOWN.try_lock() {
        Ok(known) => Some(known),
        Err(TryLockError::Poisoned(known)) => Some(known.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(name) = known().and_then(|known| known.get(&id).copied()) {
        return name;
    }
    let name = look_at::<T>();
    if let Some(mut known) = known() {
        known.insert(id, name);
    }
    name
}

fn look_at<T: DeserializeOwned>() -> Result<Name, Undecodable> {
    let notes = seen::<T>();
    match notes.undecodable {
        Some(undecodable) => Err(undecodable),
        None => Ok(Name::payload(&named(&notes.tree))),
    }
}

/// Records a type, with fewer rounds if that would be too much.
fn seen<T: DeserializeOwned>() -> Notes {
    const ROUNDS: [usize; 4] = [8, 4, 2, 1];
    let mut notes = record::<T>(ROUNDS[0]);
    for rounds in &ROUNDS[1..] {
        if notes.is_whole() {
            break;
        }
        notes = record::<T>(*rounds);
    }
    notes
}

/// The maximum length of the readable name; with `#` and the digits it fits the payload name.
const SHORT: usize = Name::MAX - 1 - 32;

fn named(tree: &Tree) -> String {
    let mut text = String::new();
    tree.write(ROOT, &mut text);
    let hash = fnv1a(text.as_bytes());
    let mut short = String::new();
    tree.write_short(ROOT, &mut short);
    let mark = if tree.is_opaque() { "?" } else { "" };
    if short.len() + mark.len() > SHORT {
        let most = SHORT - mark.len() - "..".len();
        let end = (0..=most).rev().find(|end| short.is_char_boundary(*end));
        short.truncate(end.unwrap_or(0));
        short.push_str("..");
    }
    format!("{short}{mark}#{hash:032x}")
}

/// The hash of Fowler, Noll and Vo, in 128 bits.
fn fnv1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}
