//! What shared objects cost: a dictionary of 100,000 keys of 16 bytes with values of 100, a list,
//! and a single value beside `memcpy`.
//!
//! ```text
//! cargo bench -p benches --bench objects
//! cargo bench -p benches --bench objects -- 3   # rounds; 5 by default
//! ```
//!
//! Medians of the rounds, in which all are measured in turn. Times of calls are with the encoding
//! of the key, and of what is written; `get` and `load` decode, `get_into` and `load_into` do not.
//! `readers` are two processes that read one dictionary, as a ratio of the two with one each.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::sync::Barrier;
use crossdock::{Dict, List, Segment, SegmentOptions, Shared, process};

type Key = [u64; 2];
type Pages = Dict<Key, String>;

const KEYS: u64 = 100_000;
const READS: u64 = 400_000;
/// How long two processes read.
const TIME: Duration = Duration::from_millis(400);

fn key(number: u64) -> Key {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [mixed, mixed.rotate_left(17)]
}

/// Numbers below `KEYS`, in no order.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % KEYS
    })
}

fn segment() -> Result<Segment, Box<dyn Error>> {
    Ok(SegmentOptions::new().size(128 << 20).anonymous()?)
}

fn filled(segment: &Segment) -> Result<Pages, Box<dyn Error>> {
    let options = ObjectOptions::new(KEYS).bytes_each(128);
    let pages = segment.create::<Pages>("pages", options)?;
    for number in 0..KEYS {
        pages.insert(&key(number), &"x".repeat(100))?;
    }
    Ok(pages)
}

/// Nanoseconds of each of so many calls.
fn time(count: u64, mut call: impl FnMut(u64)) -> f64 {
    let begun = Instant::now();
    (0..count).for_each(&mut call);
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Reads random keys from the barrier on, and returns how many.
fn read((pages, start): (Pages, Barrier)) -> Result<u64, crossdock::Error> {
    let mut bytes = Vec::new();
    start.wait()?;
    let (begun, mut count) = (Instant::now(), 0);
    for number in numbers() {
        pages.get_into(&key(number), &mut bytes)?;
        count += 1;
        if count % 1_024 == 0 && begun.elapsed() > TIME {
            break;
        }
    }
    Ok(count)
}

/// How many reads two processes make, each in one of the dictionaries.
fn read_by_two(dicts: [&Pages; 2]) -> Result<f64, Box<dyn Error>> {
    let start = Segment::anonymous()?.create::<Barrier>("start", 2)?;
    let mut readers = Vec::new();
    for pages in dicts {
        readers.push(process::spawn(read, (pages.clone(), start.clone()))?);
    }
    let mut reads = 0;
    for reader in readers {
        reads += reader.join()??;
    }
    Ok(reads as f64)
}

/// All measurements of a round, each with its name.
fn round() -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    let mut all = Vec::new();
    let mut add = |name: &str, value: f64| all.push((name.to_owned(), value));
    let (first, second) = (segment()?, segment()?);
    let options = ObjectOptions::new(KEYS).bytes_each(128);
    let pages = first.create::<Pages>("fresh", options)?;
    let value = "x".repeat(100);
    add(
        "insert new, ns",
        time(KEYS, |number| {
            pages.insert(&key(number), &value).expect("there is room");
        }),
    );
    let mut random = numbers();
    let mut next = || random.next().unwrap_or(0);
    add(
        "insert over another, ns",
        time(READS, |_| {
            pages.insert(&key(next()), &value).expect("there is room");
        }),
    );
    let mut bytes = Vec::new();
    add(
        "get_into, ns",
        time(READS, |_| {
            assert_eq!(pages.get_into(&key(next()), &mut bytes), Ok(true));
        }),
    );
    add(
        "get_into of 1,000 hot keys, ns",
        time(READS, |_| {
            assert_eq!(pages.get_into(&key(next() % 1_000), &mut bytes), Ok(true));
        }),
    );
    add(
        "get, ns",
        time(READS, |_| {
            black_box(pages.get(&key(next())).expect("it is whole"));
        }),
    );
    add(
        "get of an absent key, ns",
        time(READS, |number| {
            black_box(pages.get(&key(KEYS + number)).expect("it is whole"));
        }),
    );
    drop(pages);

    let numbers = second.create::<List<u64>>("list", ObjectOptions::new(READS).bytes_each(8))?;
    add(
        "list push, ns",
        time(READS, |number| {
            numbers.push(&number).expect("there is room");
        }),
    );
    add(
        "list get, ns",
        time(READS, |number| {
            let index = usize::try_from(number).unwrap_or(0);
            black_box(numbers.get(index).expect("it is whole"));
        }),
    );

    for kib in [4, 64, 1_024] {
        let text = "x".repeat(kib << 10);
        let options = SharedOptions::new(&text).capacity(text.len() as u64 + 16);
        let home = SegmentOptions::new().size(16 << 20).anonymous()?;
        let shared = home.create::<Shared<String>>("shared", options)?;
        let count = (1 << 16) / kib as u64;
        let load = time(count, |_| {
            shared.load_into(&mut bytes).expect("it is whole");
            black_box(&bytes);
        });
        let mut to = vec![0_u8; text.len()];
        let copy = time(count, |_| {
            to.copy_from_slice(black_box(text.as_bytes()));
            black_box(&to);
        });
        add(&format!("load_into of {kib} KiB / memcpy"), load / copy);
    }

    let (one, other) = (filled(&segment()?)?, filled(&segment()?)?);
    let private = read_by_two([&one, &other])?;
    let shared = read_by_two([&one, &one])?;
    add("readers: one dictionary / one each", shared / private);
    Ok(all)
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init();
    let argument = env::args().nth(1);
    let rounds = argument.and_then(|text| text.parse().ok()).unwrap_or(5);
    let all = (0..rounds)
        .map(|_| round())
        .collect::<Result<Vec<_>, _>>()?;
    println!("shared objects, medians of {rounds} rounds");
    for (at, (name, _)) in all.first().into_iter().flatten().enumerate() {
        let mut values: Vec<f64> = all.iter().map(|round| round[at].1).collect();
        values.sort_by(f64::total_cmp);
        println!("{name:>36} {:>9.2}", values[values.len() / 2]);
    }
    Ok(())
}
