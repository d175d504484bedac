//! Objects over bytes that no object has written: whatever they are, every operation ends, and works or says what
//! is wrong; and the next writer makes an object of it that works.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::object::{ObjectOptions, SharedOptions};
use crossdock::{Dict, List, Segment, SegmentOptions, Shared};
use proptest::prelude::*;

use crate::support::image::Window;
use crate::support::watch;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);

/// An object, its bytes, and all operations; how many of them have worked.
struct Place {
    _segment: Segment,
    window: Window,
    words: std::ops::Range<usize>,
    everything: Box<dyn Fn() -> usize>,
}

fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 14)
        .participants(4)
        .entries(2);
    options.anonymous().unwrap()
}

fn place(segment: Segment, everything: impl Fn() -> usize + 'static) -> Place {
    let entry = segment.entries().unwrap().remove(0);
    let [begin, len] = [entry.offset, entry.len].map(|at| usize::try_from(at).unwrap());
    Place {
        window: Window::of(&segment),
        words: begin..begin + len,
        _segment: segment,
        everything: Box::new(everything),
    }
}

fn count(worked: impl IntoIterator<Item = bool>) -> usize {
    worked.into_iter().filter(|worked| *worked).count()
}

fn of_dict() -> Place {
    let segment = segment();
    let options = ObjectOptions::new(2).bytes_each(32);
    let dict = segment.create::<Dict<u8, Vec<u8>>>("o", options).unwrap();
    (0..2).for_each(|key| {
        dict.insert(&key, &vec![key; 40]).unwrap();
    });
    place(segment, move || {
        count([
            dict.get(&0).is_ok(),
            dict.insert(&1, &vec![1; 50]).is_ok(),
            dict.iter().take(100).all(|entry| entry.is_ok()),
            dict.update(&0, |value| value.push(1)).is_ok(),
            dict.remove(&1).is_ok(),
            dict.wait_changed(SHORT).is_ok() || dict.len() < 1_000,
            dict.snapshot().is_ok(),
            dict.clear().is_ok(),
            dict.insert(&3, &vec![3]).is_ok(),
        ])
    })
}

fn of_list() -> Place {
    let segment = segment();
    let options = ObjectOptions::new(4).bytes_each(32);
    let list = segment.create::<List<Vec<u8>>>("o", options).unwrap();
    list.extend([vec![1; 40], vec![2]]).unwrap();
    place(segment, move || {
        count([
            list.get(0).is_ok(),
            list.push(&vec![1; 10]).is_ok(),
            list.iter().take(100).all(|value| value.is_ok()),
            list.insert(0, &vec![7]).is_ok(),
            list.update(0, |value| value.push(1)).is_ok(),
            list.pop().is_ok(),
            list.sort().is_ok(),
            list.snapshot().is_ok(),
            list.clear().is_ok(),
            list.push(&vec![3]).is_ok(),
        ])
    })
}

fn of_shared() -> Place {
    let segment = segment();
    let options = SharedOptions::new(&vec![1_u8; 20]).capacity(64);
    let shared = segment.create::<Shared<Vec<u8>>>("o", options).unwrap();
    place(segment, move || {
        count([
            shared.load().is_ok(),
            shared.store(&vec![1; 50]).is_ok(),
            shared.update(|value| value.push(1)).is_ok(),
            shared.wait_newer_timeout(1, SHORT).is_ok(),
            shared.version().is_ok(),
            shared.store(&vec![4]).is_ok(),
        ])
    })
}

#[test]
fn any_bit_flipped_is_an_error_or_works() {
    let _watch = watch();
    for place in [of_dict(), of_list(), of_shared()] {
        let good = place.window.bytes()[place.words.clone()].to_vec();
        let (mut worked, mut refused) = (0, 0);
        for at in (0..good.len()).step_by(3) {
            for (word, bytes) in place.words.clone().zip(&good) {
                if place.window.byte(word).load(Relaxed) != *bytes {
                    place.window.byte(word).store(*bytes, Relaxed);
                }
            }
            let byte = place.window.byte(place.words.start + at);
            byte.fetch_xor(1 << (at % 8), Relaxed);
            let count = (place.everything)();
            (worked, refused) = (worked + count, refused + usize::from(count < 6));
        }
        assert!(worked > 0 && refused < good.len(), "{worked} {refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_words_are_an_error_or_work(
        kind in 0..3,
        words in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u64>(), 0_u64..40]), 1..30),
    ) {
        let _watch = watch();
        let place = match kind { 0 => of_dict(), 1 => of_list(), _ => of_shared() };
        for (at, word) in words {
            let at = place.words.start + at.index(place.words.len() / 8) * 8;
            place.window.long(at).store(word, Relaxed);
        }
        (place.everything)();
        (place.everything)();
    }
}
