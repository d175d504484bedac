//! Arrays of atomics between processes.

use crossdock::array::{Atomic, Init};
use crossdock::{AtomicArray, Mutex, Segment, SegmentOptions};

use crate::support::process::{Line, at_once, child, holder, in_child};
use crate::support::watch;

const PROCESSES: usize = 4;
const LEN: usize = 33;

fn segment() -> Segment {
    Segment::anonymous().unwrap()
}

fn zeroed<T: Atomic>(segment: &Segment, name: &str, len: usize) -> AtomicArray<T> {
    segment.create(name, Init::zeroed(len)).unwrap()
}

#[test]
fn additions_of_many_processes_to_every_element_are_all_there() {
    let _watch = watch();
    const EACH: usize = 20_000;
    let segment = segment();
    let whole = zeroed::<u64>(&segment, "whole", LEN);
    let bytes = zeroed::<u8>(&segment, "bytes", LEN);
    let signed = zeroed::<i16>(&segment, "signed", LEN);
    let halves = zeroed::<f64>(&segment, "halves", LEN);
    let floats = zeroed::<f32>(&segment, "floats", LEN);
    at_once(0..PROCESSES, |_| {
        for _ in 0..EACH {
            for index in 0..LEN {
                whole[index].fetch_add(index as u64);
                bytes[index].fetch_add(1);
                signed[index].fetch_sub(3);
                halves[index].fetch_add(0.5);
                floats[index].fetch_sub(1.0);
            }
        }
    });
    let all = PROCESSES * EACH;
    let sums: Vec<u64> = (0..LEN).map(|index| (all * index) as u64).collect();
    assert_eq!(whole.to_vec(), sums);
    assert_eq!(bytes.to_vec(), [u8::try_from(all % 256).unwrap(); LEN]);
    // -240,000, four times round.
    assert_eq!(signed.to_vec(), [22_144; LEN]);
    assert_eq!(halves.to_vec(), [40_000.0; LEN]);
    assert_eq!(floats.to_vec(), [-80_000.0; LEN]);
}

#[test]
fn each_addition_of_processes_that_are_killed_is_there_or_not() {
    let _watch = watch();
    const KILLS: usize = 30;
    let segment = segment();
    let sums = zeroed::<f64>(&segment, "sums", LEN);
    let counts = zeroed::<u32>(&segment, "counts", LEN);
    // Of each process, how many additions of each kind it knows that it has made.
    let told = zeroed::<u64>(&segment, "told", KILLS);
    for round in 0..KILLS {
        let at_work = Line::new();
        let victim = child(|| {
            for step in 0.. {
                sums[step % LEN].fetch_add(1.0);
                counts[step % LEN].fetch_add(1);
                told[round].fetch_add(1);
                if step == 10 * round {
                    at_work.say(1);
                }
            }
        });
        at_work.hear();
        victim.kill();
    }
    let told = told.values().sum::<u64>();
    assert!(told > 10 * 29 * 15, "{told}");
    let between = told..=told + KILLS as u64;
    let sum: f64 = sums.values().sum();
    assert_eq!(sum.fract(), 0.0);
    let sum: u64 = sum.to_string().parse().expect("a whole number");
    assert!(between.contains(&sum), "{sum} {told}");
    let count: u64 = counts.values().map(u64::from).sum();
    assert!(between.contains(&count), "{count} {told}");
    // One addition follows the other in each process.
    assert!((count..=count + KILLS as u64).contains(&sum));
    assert_eq!(segment.reap().stuck, 0);
}

#[test]
fn each_flag_is_taken_once() {
    let _watch = watch();
    const FLAGS: usize = 50_000;
    let segment = segment();
    let taken = zeroed::<bool>(&segment, "taken", FLAGS);
    let turned = zeroed::<bool>(&segment, "turned", FLAGS);
    let own = zeroed::<u64>(&segment, "own", PROCESSES);
    at_once(0..PROCESSES, |number| {
        for (flag, turned) in taken.iter().zip(&turned) {
            let won = match number {
                0 => !flag.swap(true),
                1 => !flag.fetch_or(true),
                2 => flag.compare_exchange(false, true).is_ok(),
                _ => flag.try_update(|taken| (!taken).then_some(true)).is_ok(),
            };
            own[number].fetch_add(won.into());
            turned.fetch_not();
        }
    });
    assert_eq!(own.values().sum::<u64>(), FLAGS as u64);
    assert_eq!(taken.to_vec(), [true; FLAGS]);
    assert_eq!(turned.to_vec(), [false; FLAGS], "turned by four");
}

#[test]
fn neighbours_that_share_a_word_do_not_disturb_each_other() {
    let _watch = watch();
    let bytes = zeroed::<u8>(&segment(), "bytes", PROCESSES);
    at_once(0..PROCESSES, |number| {
        let own = &bytes[number];
        for step in 0..300_000_u32 {
            let expected = step.to_le_bytes()[0];
            assert_eq!(own.load(), expected);
            match number {
                0 => own.store(expected.wrapping_add(1)),
                1 => assert_eq!(own.swap(expected.wrapping_add(1)), expected),
                2 => assert_eq!(own.update(|byte| byte.wrapping_add(1)), expected),
                _ => assert_eq!(own.fetch_add(1), expected),
            }
        }
    });
    assert_eq!(bytes.to_vec(), [224; PROCESSES]);
}

#[test]
fn the_best_of_many_processes_wins() {
    let _watch = watch();
    let segment = segment();
    let most = zeroed::<i32>(&segment, "most", 2);
    let least = zeroed::<f32>(&segment, "least", 2);
    at_once(0..PROCESSES, |number| {
        let number = i16::try_from(number).unwrap();
        for step in 0..5_000_i16 {
            most[1].fetch_max(i32::from(step) * 4 + i32::from(number));
            least[1].fetch_min(f32::from(-step) - f32::from(number));
        }
    });
    assert_eq!(most.to_vec(), [0, 19_999]);
    assert_eq!(least.to_vec(), [0.0, -5_002.0]);
}

#[test]
fn a_copy_of_many_brings_what_was_written_before_each() {
    let _watch = watch();
    const ROUNDS: u64 = 200_000;
    let segment = segment();
    let data = zeroed::<u64>(&segment, "data", 1);
    let rounds = zeroed::<u64>(&segment, "rounds", 8);
    let writer = child(|| {
        for round in 1..=ROUNDS {
            data[0].store(round);
            match round % 3 {
                0 => rounds.fill(round),
                1 => rounds.store_slice(0, &[round; 8]),
                _ => rounds.fill_with(|_| round),
            }
        }
    });
    let mut some = [0; 8];
    loop {
        rounds.load_slice(0, &mut some);
        let newest = *some.iter().max().unwrap();
        assert!(data[0].load() >= newest);
        // It was filled in order, so an element is never ahead of one before it.
        let all = rounds.to_vec();
        assert!(data[0].load() >= *all.iter().max().unwrap());
        if all == [ROUNDS; 8] {
            break;
        }
    }
    writer.join();
}

#[test]
fn a_fill_that_was_cut_off_has_set_the_first_elements() {
    let _watch = watch();
    const LONG: usize = 1 << 16;
    let array = zeroed::<u16>(&segment(), "array", LONG);
    for round in 1..=20 {
        let (at_work, end) = (Line::new(), Line::new());
        let victim = child(|| {
            at_work.say(1);
            array.fill(round);
            end.sleep_until_killed();
        });
        at_work.hear();
        victim.kill();
        let values = array.to_vec();
        let filled = values.iter().take_while(|value| **value == round).count();
        let rest = values[filled..].iter();
        assert!(rest.clone().all(|value| *value < round));
        assert!(rest.clone().is_sorted_by(|one, next| one >= next));
    }
}

#[test]
fn a_process_that_cannot_join_uses_it_all_the_same() {
    let _watch = watch();
    let options = SegmentOptions::new().size(1 << 16).participants(2);
    let segment = options.anonymous().unwrap();
    let array = zeroed::<i8>(&segment, "array", 3);
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let _other = holder(|| drop(mutex.lock().unwrap()));
    in_child(|| {
        assert!(mutex.try_lock().is_err(), "the registry is full");
        array[2].fetch_sub(5);
        assert_eq!(array.to_vec(), [0, 0, -5]);
    });
    assert_eq!(array[2].load(), -5);
}

#[test]
fn elements_outlive_the_processes_that_wrote_them() {
    let segment = segment();
    in_child(|| {
        let array = segment.create::<AtomicArray<f32>>("array", [1.5, 2.5]);
        array.unwrap()[0].store(-3.0);
    });
    let array = segment.open::<AtomicArray<f32>>("array").unwrap();
    assert_eq!(array.to_vec(), [-3.0, 2.5]);
}
