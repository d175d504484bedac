//! What each operation does and returns.

use crossdock::{Counter, Segment, ShardedCounter};

fn unsigned(first: u64) -> Counter {
    Segment::anonymous().unwrap().create("c", first).unwrap()
}

fn signed(first: i64) -> Counter<i64> {
    Segment::anonymous().unwrap().create("c", first).unwrap()
}

#[test]
fn add_and_sub_return_the_new_value() {
    let counter = unsigned(10);
    assert_eq!(
        (counter.add(5), counter.sub(3), counter.load()),
        (15, 12, 12)
    );
    let counter = signed(-10);
    assert_eq!(
        (counter.add(5), counter.sub(3), counter.load()),
        (-5, -8, -8)
    );
    assert_eq!((counter.add(-2), counter.sub(-20)), (-10, 10));
}

#[test]
fn additions_wrap() {
    let counter = unsigned(u64::MAX);
    assert_eq!((counter.add(2), counter.sub(3)), (1, u64::MAX - 1));
    assert_eq!(counter.add(u64::MAX), u64::MAX - 2);
    let counter = signed(i64::MAX);
    assert_eq!((counter.add(1), counter.sub(1)), (i64::MIN, i64::MAX));
    assert_eq!(counter.sub(i64::MIN), -1);
}

#[test]
fn set_and_swap_replace_the_value() {
    let counter = unsigned(1);
    counter.store(u64::MAX);
    assert_eq!((counter.swap(7), counter.load()), (u64::MAX, 7));
    let counter = signed(1);
    counter.store(i64::MIN);
    assert_eq!((counter.swap(-7), counter.load()), (i64::MIN, -7));
}

#[test]
fn compare_exchange_changes_only_what_is_expected() {
    let counter = signed(-1);
    assert_eq!(counter.compare_exchange(1, 5), Err(-1));
    assert_eq!(counter.load(), -1);
    assert_eq!(counter.compare_exchange(-1, 5), Ok(-1));
    assert_eq!(counter.load(), 5);
    let counter = unsigned(u64::MAX);
    assert_eq!(counter.compare_exchange(u64::MAX, 0), Ok(u64::MAX));
    assert_eq!(counter.load(), 0);
}

#[test]
fn fetch_max_and_fetch_min_know_negative_numbers() {
    let counter = signed(-5);
    assert_eq!((counter.fetch_max(-7), counter.load()), (-5, -5));
    assert_eq!((counter.fetch_max(-2), counter.load()), (-5, -2));
    assert_eq!((counter.fetch_max(3), counter.load()), (-2, 3));
    assert_eq!((counter.fetch_min(4), counter.load()), (3, 3));
    assert_eq!((counter.fetch_min(-9), counter.load()), (3, -9));
    assert_eq!(
        (counter.fetch_min(i64::MIN), counter.load()),
        (-9, i64::MIN)
    );
    assert_eq!(
        (counter.fetch_max(i64::MAX), counter.load()),
        (i64::MIN, i64::MAX)
    );
}

#[test]
fn fetch_max_and_fetch_min_know_large_numbers() {
    let counter = unsigned(1);
    assert_eq!((counter.fetch_max(u64::MAX), counter.load()), (1, u64::MAX));
    assert_eq!(
        (counter.fetch_min(1 << 63), counter.load()),
        (u64::MAX, 1 << 63)
    );
    assert_eq!(
        (counter.fetch_min(1 << 63), counter.load()),
        (1 << 63, 1 << 63)
    );
    assert_eq!((counter.fetch_min(0), counter.load()), (1 << 63, 0));
}

#[test]
fn fetch_and_and_fetch_or_return_the_value_before() {
    let counter = unsigned(0b1100);
    assert_eq!(
        (counter.fetch_and(0b0110), counter.load()),
        (0b1100, 0b0100)
    );
    assert_eq!((counter.fetch_or(0b0011), counter.load()), (0b0100, 0b0111));
    let counter = signed(-1);
    assert_eq!(
        (counter.fetch_and(i64::MIN), counter.load()),
        (-1, i64::MIN)
    );
    assert_eq!(
        (counter.fetch_or(1), counter.load()),
        (i64::MIN, i64::MIN + 1)
    );
}

#[test]
fn a_counter_shows_its_value() {
    assert_eq!(format!("{:?}", signed(-3)), "Counter(-3)");
    assert_eq!(
        format!("{:?}", unsigned(u64::MAX)),
        format!("Counter({})", u64::MAX)
    );
}

#[test]
fn a_signed_and_an_unsigned_counter_are_different_payloads() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter<i64>>("c", -3).unwrap();
    let error = segment.open::<Counter<u64>>("c").unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry \"c\": expected payload \"u64\" (8 bytes, aligned to 8), \
         found \"i64\" (8 bytes, aligned to 8)"
    );
}

#[test]
fn a_sharded_counter_sums_and_wraps() {
    let segment = Segment::anonymous().unwrap();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    assert_eq!(sharded.load(), 0);
    sharded.add(u64::MAX);
    assert_eq!(sharded.load(), u64::MAX);
    sharded.add(3);
    assert_eq!(segment.open::<ShardedCounter>("s").unwrap().load(), 2);
    assert_eq!(format!("{sharded:?}"), "ShardedCounter(2)");
}
