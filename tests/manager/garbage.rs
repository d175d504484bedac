//! Managers over bytes that no protocol has written: whatever they are, every operation ends, and
//! works or says what is wrong.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::manager::ManagerOptions;
use crossdock::{Counter, Dict, List, Manager, Segment, SegmentOptions, Shared};
use proptest::prelude::*;

use crate::support::image::Window;
use crate::support::watch;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);

struct Place {
    segment: Segment,
    window: Window,
    manager: Manager,
    list: List<Vec<u8>>,
    dict: Dict<u8, u64>,
    shared: Shared<String>,
    words: std::ops::Range<usize>,
}

/// Where the cells of four records begin in the entry, and the pool.
const CELLS: usize = 256 + 4 * 256;
const POOL: usize = CELLS + 128;

impl Place {
    fn new() -> Self {
        let segment = SegmentOptions::new()
            .size(1 << 15)
            .participants(4)
            .entries(1);
        let segment = segment.anonymous().unwrap();
        let options = ManagerOptions::new(16 << 10).objects(4);
        let manager = segment.create::<Manager>("m", options).unwrap();
        let list = manager.list("l", 1).unwrap();
        let dict = manager.dict("d", 1).unwrap();
        let first = crossdock::object::SharedOptions::new(&"first".to_owned()).capacity(16);
        let shared = manager.create("s", first).unwrap();
        // One of them has grown, into the fourth record.
        list.extend((0..9).map(|number| vec![number])).unwrap();
        let entry = segment.entries().unwrap().remove(0);
        let [begin, len] = [entry.offset, entry.len].map(|at| usize::try_from(at).unwrap());
        Self {
            window: Window::of(&segment),
            segment,
            manager,
            list,
            dict,
            shared,
            words: begin..begin + len,
        }
    }

    /// Whether a word is, or is beside, a mutex: one that has the tag of this process is waited
    /// for, as it should be.
    fn is_mutex(&self, word: usize) -> bool {
        let at = word - self.words.start;
        at == 0 || at >= POOL && (at - POOL) % 512 / 8 == 16
    }

    fn write(&self, word: usize, value: u64) {
        if !self.is_mutex(word) {
            self.window.long(word).store(value, Relaxed);
        }
    }

    /// All operations; how many have worked.
    fn everything(&self) -> usize {
        let Self {
            manager,
            list,
            dict,
            shared,
            ..
        } = self;
        let worked = [
            list.get(0).is_ok(),
            list.push(&vec![1; 10]).is_ok(),
            list.iter().take(100).all(|value| value.is_ok()),
            list.wait_changed(SHORT).is_ok() || list.len() < 1_000,
            dict.get(&1).is_ok(),
            (0..9).all(|key| dict.insert(&key, &1).is_ok()),
            dict.iter().take(100).all(|entry| entry.is_ok()),
            shared.store(&"x".repeat(60)).is_ok(),
            shared.load().is_ok(),
            crossdock::manager::is_removed(list),
            manager
                .open::<List<Vec<u8>>>("l")
                .is_ok_and(|list| list.push(&vec![2]).is_ok()),
            manager
                .open::<Dict<u8, u64>>("d")
                .is_ok_and(|dict| dict.update(&1, |_| ()).is_ok()),
            manager.objects().is_ok(),
            manager.room().is_ok(),
            manager
                .create::<Counter>("c", 1)
                .is_ok_and(|counter| counter.load() == 1),
            manager.remove("c").is_ok(),
            manager.remove("d").is_ok(),
            dict.get(&1).is_ok(),
        ];
        self.segment.reap();
        worked.into_iter().filter(|worked| *worked).count()
    }
}

#[test]
fn any_bit_flipped_in_the_words_of_a_manager_is_an_error_or_works() {
    let _watch = watch();
    let (mut worked, mut most) = (0, 0);
    for word in (0..POOL / 8).map(|word| word * 8) {
        let place = Place::new();
        let at = place.words.start + word;
        let before = place.window.long(at).load(Relaxed);
        place.write(at, before ^ 1 << (word % 61));
        let count = place.everything();
        (worked, most) = (worked + count, most.max(count));
    }
    assert!(worked > POOL / 8 * 4 && most > 14, "{worked} {most}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_words_of_a_manager_are_an_error_or_work(
        words in prop::collection::vec(
            (
                prop_oneof![0..POOL / 8, 0..(POOL + (16 << 10)) / 8],
                prop_oneof![
                    any::<u64>(),
                    0_u64..40,
                    // States, and numbers.
                    (0..4_u64, 0..8_u64).prop_map(|(edition, state)| edition << 19 | state),
                    (0..4_u64, 0..4_u64).prop_map(|(edition, index)| edition << 16 | index),
                ],
            ),
            1..20,
        ),
    ) {
        let _watch = watch();
        let place = Place::new();
        for (word, value) in words {
            place.write(place.words.start + word * 8, value);
        }
        place.everything();
        place.everything();
    }
}
