//! A dictionary of crossdock, and the calls of objects that have no counterpart elsewhere.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::sync::Barrier;
use crossdock::{Dict, List, Segment, SegmentOptions, Shared, process};
use crossdock_cli::Failure;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{KEYS, Key, Map, Place, VALUE, key, timed};
use crate::work::Way;

pub(super) struct Ours(Dict<KeyBytes, Bytes>);

/// Bytes as serde has them, not a sequence of numbers.
#[derive(Debug)]
pub(super) struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copied;
        impl Visitor<'_> for Copied {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Copied)
    }
}

/// A key, likewise.
#[derive(Debug)]
struct KeyBytes(Key);

impl Serialize for KeyBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?.0;
        let key = Key::try_from(bytes);
        key.map(Self)
            .map_err(|_| serde::de::Error::custom("a key of another length"))
    }
}

const SIZE: u64 = 64 << 20;
/// The bytes of a key and a value, encoded.
const BYTES_EACH: u64 = 128;

fn options() -> ObjectOptions {
    ObjectOptions::new(KEYS).bytes_each(BYTES_EACH)
}

fn segment() -> Result<Segment, Failure> {
    Ok(SegmentOptions::new().size(SIZE).anonymous()?)
}

impl Map for Ours {
    fn open(place: &Place) -> Result<Self, Failure> {
        let segment = SegmentOptions::new()
            .size(SIZE)
            .open_or_create(&place.name)?;
        Ok(Self(segment.open_or_create("map", options())?))
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        self.0.insert(&KeyBytes(*key), &Bytes(value.to_vec()))?;
        Ok(())
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        Ok(self.0.get_into(&KeyBytes(*key), bytes)?)
    }

    /// Without the length that the encoding begins with, which is one byte of all values here.
    fn value(bytes: &[u8]) -> &[u8] {
        bytes.get(1..).unwrap_or_default()
    }
}

const fn way(
    kind: &'static str,
    label: &'static str,
    once: fn(Duration) -> Result<f64, Failure>,
) -> Way {
    Way { kind, label, once }
}

/// Calls of objects with what they encode and decode.
pub(super) const CALLS: &[Way] = &[
    way("get", "`Dict::get`, which decodes a `String`", get),
    way("array", "`Dict::get_into` of a key `[u8; 16]`", array),
    way("absent", "`Dict::get` of a key that is not there", absent),
    way("update", "`Dict::update` of a `u64`", update),
    way("push", "`List::push` of a `u64`", push),
    way("at", "`List::get` of a `u64`", at),
    way("load", "`Shared::load` of a `String` of 4 KiB", load),
    way("store", "`Shared::store` of a `String` of 4 KiB", store),
];

/// Copies of a value: memcpy, and `load_into`.
pub(super) const COPIES: &[Way] = &[
    way("memcpy 4", "memcpy, 4 KiB", memcpy::<4>),
    way("load 4", "`Shared::load_into`, 4 KiB", load_into::<4>),
    way("memcpy 64", "memcpy, 64 KiB", memcpy::<64>),
    way("load 64", "`Shared::load_into`, 64 KiB", load_into::<64>),
    way("memcpy 1024", "memcpy, 1 MiB", memcpy::<1_024>),
    way(
        "load 1024",
        "`Shared::load_into`, 1 MiB",
        load_into::<1_024>,
    ),
];

/// Two processes that read.
pub(crate) const READERS: &[Way] = &[
    way("private", "two processes, a dictionary each", private),
    way("shared", "two processes, one dictionary", shared),
];

fn draw() -> Key {
    key(fastrand::u64(0..KEYS))
}

fn filled() -> Result<Dict<Key, String>, Failure> {
    let dict = segment()?.create::<Dict<Key, String>>("map", options())?;
    let value = "x".repeat(VALUE);
    for number in 0..KEYS {
        dict.insert(&key(number), &value)?;
    }
    Ok(dict)
}

fn get(time: Duration) -> Result<f64, Failure> {
    let dict = filled()?;
    timed(time, || {
        black_box(dict.get(&draw())?);
        Ok(())
    })
}

/// Serde has the key as 16 numbers, not as bytes.
fn array(time: Duration) -> Result<f64, Failure> {
    let dict = filled()?;
    let mut bytes = Vec::new();
    timed(time, || {
        black_box(dict.get_into(&draw(), &mut bytes)?);
        Ok(())
    })
}

fn absent(time: Duration) -> Result<f64, Failure> {
    let dict = filled()?;
    timed(time, || {
        black_box(dict.get(&key(fastrand::u64(KEYS..2 * KEYS)))?);
        Ok(())
    })
}

fn update(time: Duration) -> Result<f64, Failure> {
    let dict = segment()?.create::<Dict<Key, u64>>("map", ObjectOptions::new(KEYS))?;
    for number in 0..KEYS {
        dict.insert(&key(number), &number)?;
    }
    timed(time, || {
        dict.update(&draw(), |value| *value += 1)?;
        Ok(())
    })
}

/// The most values of a list before it is emptied, which is rare enough not to be seen.
const LONGEST: usize = 400_000;

fn list() -> Result<List<u64>, Failure> {
    let options = ObjectOptions::new(LONGEST as u64).bytes_each(8);
    Ok(segment()?.create::<List<u64>>("list", options)?)
}

fn push(time: Duration) -> Result<f64, Failure> {
    let list = list()?;
    timed(time, || {
        if list.len() == LONGEST {
            list.clear()?;
        }
        list.push(&7)?;
        Ok(())
    })
}

fn at(time: Duration) -> Result<f64, Failure> {
    const LEN: usize = 100_000;
    let list = list()?;
    list.extend(0..LEN as u64)?;
    timed(time, || {
        black_box(list.get(fastrand::usize(0..LEN))?);
        Ok(())
    })
}

fn value(kib: usize) -> Result<(Shared<String>, String), Failure> {
    let text = "x".repeat(kib << 10);
    let options = SharedOptions::new(&text).capacity(text.len() as u64 + 16);
    Ok((segment()?.create::<Shared<String>>("value", options)?, text))
}

fn load(time: Duration) -> Result<f64, Failure> {
    let (shared, _) = value(4)?;
    timed(time, || {
        black_box(shared.load()?);
        Ok(())
    })
}

fn store(time: Duration) -> Result<f64, Failure> {
    let (shared, text) = value(4)?;
    timed(time, || {
        shared.store(&text)?;
        Ok(())
    })
}

fn memcpy<const KIB: usize>(time: Duration) -> Result<f64, Failure> {
    let (from, mut to) = (vec![1_u8; KIB << 10], vec![0_u8; KIB << 10]);
    timed(time, || {
        black_box(&mut to).copy_from_slice(black_box(&from));
        Ok(())
    })
}

fn load_into<const KIB: usize>(time: Duration) -> Result<f64, Failure> {
    let (shared, _) = value(KIB)?;
    let mut bytes = Vec::new();
    timed(time, || {
        shared.load_into(&mut bytes)?;
        black_box(&bytes);
        Ok(())
    })
}

type Reader = (Dict<Key, String>, Barrier, u64);

/// Reads random keys from the barrier on, and returns the nanoseconds of one read.
fn read((dict, start, nanos): Reader) -> Result<f64, String> {
    let mut bytes = Vec::new();
    let mut read = || {
        start.wait().map_err(Failure::worker)?;
        timed(Duration::from_nanos(nanos), || {
            dict.get_into(&draw(), &mut bytes)?;
            Ok(())
        })
    };
    read().map_err(|failure| failure.to_string())
}

/// The time of a read of both together.
fn readers(time: Duration, dicts: [&Dict<Key, String>; 2]) -> Result<f64, Failure> {
    let start = Segment::anonymous()?.create::<Barrier>("start", 2)?;
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut readers = Vec::new();
    for dict in dicts {
        let job = (dict.clone(), start.clone(), nanos);
        readers.push(process::spawn(read, job)?);
    }
    let deadline = Instant::now() + time + super::SILENCE;
    let mut rate = 0.0;
    for mut reader in readers {
        let ns = reader.join_timeout(deadline).map_err(Failure::worker)?;
        rate += 1.0 / ns.map_err(Failure::worker)?;
    }
    Ok(1.0 / rate)
}

fn private(time: Duration) -> Result<f64, Failure> {
    readers(time, [&filled()?, &filled()?])
}

fn shared(time: Duration) -> Result<f64, Failure> {
    let dict = filled()?;
    readers(time, [&dict, &dict])
}
