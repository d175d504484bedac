//! `map`, `imap` and `imap_unordered`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossdock::process::TaskError;
use crossdock::{Counter, Segment};

use super::{NEVER, builder, die, pool, square};

#[test]
fn results_of_a_map_are_in_order() {
    let pool = pool(2);
    assert_eq!(pool.map(square, [1, 2, 3]), Ok(vec![1, 4, 9]));
    assert_eq!(pool.map(square, []), Ok(vec![]));
    let expected: Vec<u64> = (0..10_000).map(square).collect();
    assert_eq!(pool.map(square, 0..10_000).as_ref(), Ok(&expected));
    let unknown = (0..10_000).filter(|_| true);
    assert_eq!(pool.map(square, unknown), Ok(expected));
}

#[test]
fn a_tuple_is_an_item_of_several_arguments() {
    let powers = pool(2).map(
        |(base, power): (u64, u32)| base.pow(power),
        [(2, 3), (3, 2)],
    );
    assert_eq!(powers, Ok(vec![8, 9]));
}

#[test]
fn the_first_error_of_a_map_cancels_the_rest() {
    let segment = Segment::anonymous().expect("a segment");
    let ran: Counter = segment.create("ran", 0).expect("created");
    let pool = builder(1)
        .initializer(|ran: Counter| ran, ran.clone())
        .build()
        .expect("built");
    let step = |ran: &mut Counter, item: u64| {
        ran.add(1);
        if item == 2 {
            die(libc::SIGKILL);
        }
    };
    let error = pool.options().chunk_size(1).map(step, 0..100_000);
    let error = error.expect_err("a death");
    assert_eq!(error.index, 2);
    assert!(matches!(error.error, TaskError::WorkerDied { .. }));
    assert!(pool.wait_idle_timeout(NEVER));
    assert!(ran.load() < 1000, "{} ran", ran.load());
}

#[test]
fn an_endless_iterator_is_taken_no_further_than_asked() {
    let pool = pool(2);
    let mut taken = 0;
    let endless = std::iter::repeat_with(|| {
        taken += 1;
        taken
    });
    let some: Vec<u64> = pool
        .options()
        .in_flight(16)
        .imap(square, endless)
        .take(100)
        .collect::<Result<_, _>>()
        .expect("results");
    assert_eq!(some, (1..=100).map(square).collect::<Vec<_>>());
    assert!((100..=116).contains(&taken), "{taken} items were taken");
}

#[test]
fn results_come_in_the_order_in_which_they_arrive() {
    let pool = pool(2);
    let options = pool.options().chunk_size(7);
    let results: BTreeSet<u64> = options
        .imap_unordered(square, 0..1000)
        .collect::<Result<_, _>>()
        .expect("results");
    assert_eq!(results, (0..1000).map(square).collect());
}

#[test]
fn an_iterator_dropped_half_way_leaves_the_pool_usable() {
    let pool = pool(2);
    let mut results = pool.imap(square, 0..1_000_000);
    assert_eq!(results.next(), Some(Ok(0)));
    drop(results);
    assert_eq!(pool.call(square, 4), Ok(16));
    assert!(pool.wait_idle_timeout(NEVER));
}

#[test]
fn an_iterator_that_panics_leaves_the_pool_usable() {
    let pool = pool(2);
    let items = (0..100).inspect(|item| assert_ne!(*item, 50, "half way"));
    let panicked = catch_unwind(AssertUnwindSafe(|| pool.map(square, items)));
    assert!(panicked.is_err());
    assert!(pool.wait_idle_timeout(NEVER));
    assert_eq!(pool.call(square, 4), Ok(16));
}

#[test]
fn results_that_are_larger_than_a_buffer_are_sent_in_parts() {
    let pool = pool(2);
    let long = |item: u32| vec![item; 30_000];
    let results: Vec<Vec<u32>> = pool
        .options()
        .chunk_size(16)
        .imap(long, 0..64)
        .collect::<Result<_, _>>()
        .expect("results");
    for (item, result) in (0..).zip(results) {
        assert_eq!(result, vec![item; 30_000]);
    }
}
