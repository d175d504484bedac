//! What a fork server loads, and what keeps it from serving.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crossdock::process::{self, Builder, ForkServerError, SpawnError, StartMethod};

use super::{alone, forked, forking, parent, wait_for_the_end_of};
use crate::support::{call, has_children};

static LOADED: OnceLock<Vec<u64>> = OnceLock::new();
static CALLS: AtomicU32 = AtomicU32::new(0);

pub(super) fn load() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    LOADED.get_or_init(|| {
        let seeded: std::collections::HashMap<u64, u64> = (0..100).map(|n| (n, n * n)).collect();
        (0..100).map(|n| seeded[&n]).collect()
    });
}

pub(super) fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

#[test]
fn what_was_preloaded_is_there_in_each_process_and_was_loaded_once() {
    let told = alone(|()| {
        let before = forked(|()| (calls(), parent()), ()).expect("joined");
        process::preload(load).expect("in the program");
        let look = |()| {
            CALLS.fetch_add(10, Ordering::Relaxed);
            let square = LOADED.get().map(|squares| squares[7]);
            (calls(), square, parent())
        };
        let first = forked(look, ()).expect("joined");
        let second = forked(look, ()).expect("joined");
        let same = first.2 == second.2 && first.2 != before.1;
        // The server of before had nothing to tell any more.
        wait_for_the_end_of(before.1);
        (
            before.0,
            (first.0, first.1),
            (second.0, second.1),
            same,
            calls(),
        )
    });
    let loaded = (11, Some(49));
    assert_eq!(told, (0, loaded, loaded, true, 0));
}

#[test]
fn hash_maps_have_different_seeds_in_each_process() {
    let told = alone(|()| {
        process::init_test("crossdock_worker");
        process::preload(load).expect("in the program");
        let look = |()| RandomState::new().hash_one(1_u8);
        let mut seen: Vec<_> = (0..8).map(|_| forked(look, ()).expect("joined")).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    });
    assert_eq!(told, 8);
}

fn leave_a_thread() {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
}

fn fail_to_load() {
    panic!("no model");
}

fn exit_in_loading() {
    std::process::exit(7);
}

/// What a start says after this was preloaded, and whether another one says it again.
fn told_after(load: fn()) -> (SpawnError, bool) {
    process::init_test("crossdock_worker");
    process::preload(load).expect("in the program");
    let start = || forking().spawn(|()| (), ()).map(drop).expect_err("refused");
    let first = start();
    let again = start() == first;
    (first, again)
}

#[test]
fn what_cannot_be_preloaded_is_a_typed_error() {
    let count = 2;
    let preloading = true;
    let told = alone(|()| told_after(leave_a_thread));
    let threads = ForkServerError::Threads { count, preloading };
    assert_eq!(told, (SpawnError::ForkServer(threads), true));
    let told = alone(|()| told_after(fail_to_load));
    let panicked = ForkServerError::Panicked("no model".to_owned());
    assert_eq!(told, (SpawnError::ForkServer(panicked), true));
    let told = alone(|()| told_after(exit_in_loading));
    assert_eq!(told, (SpawnError::ForkServer(ForkServerError::Died), true));
    // The process that was told goes on: it can spawn.
    let told = alone(|()| {
        told_after(leave_a_thread);
        (call(|()| 7, ()), has_children())
    });
    assert_eq!(told, (Ok(7), false));
}

/// A worker whose program has another thread before it calls `init`.
#[test]
fn starts_a_thread_first() {
    if std::env::var_os("CROSSDOCK_SPAWN").is_some() {
        leave_a_thread();
    }
    process::init();
}

#[test]
fn threads_from_before_init_are_a_typed_error() {
    let told = alone(|()| {
        process::init_test("fork_server::preload::starts_a_thread_first");
        let fork = Builder::new().start(StartMethod::ForkServer);
        fork.spawn(|()| (), ()).map(drop)
    });
    let threads = ForkServerError::Threads {
        count: 3,
        preloading: false,
    };
    assert_eq!(told, Err(SpawnError::ForkServer(threads)));
}
