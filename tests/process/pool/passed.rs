//! Handles of segments that the pool's initializer was not given.

use std::os::fd::{AsFd, AsRawFd};

use crossdock::array::Init;
use crossdock::process::{StartMethod, SubmitError, TaskError};
use crossdock::queue::Queue;
use crossdock::{AtomicArray, Counter, Segment};

use super::{builder, die, pool};
use crate::names::Name;

fn array(len: usize) -> AtomicArray<u32> {
    let segment = Segment::anonymous().expect("a segment");
    segment.create("array", Init::zeroed(len)).expect("created")
}

/// Adds to an element, and returns the array.
fn add((array, at, number): (AtomicArray<u32>, usize, u32)) -> AtomicArray<u32> {
    array[at].fetch_add(number);
    array
}

#[test]
fn handles_of_segments_that_the_workers_have_not_mapped_go_along_with_tasks() {
    let (first, second) = (array(1), array(1));
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let pool = builder(1).start(method).build().expect("built");
        let returned = pool.call(add, (first.clone(), 0, 3)).expect("added");
        // What comes back is the same memory.
        returned[0].fetch_add(1);
        let both = |(first, second): (AtomicArray<u32>, AtomicArray<u32>)| {
            second[0].fetch_add(first[0].load());
        };
        let done = pool.call(both, (first.clone(), second.clone()));
        assert_eq!(done, Ok(()));
    }
    assert_eq!((first[0].load(), second[0].load()), (8, 4 + 8));
}

#[test]
fn items_of_a_chunk_have_segments_of_their_own() {
    let arrays: Vec<_> = (0..20).map(|_| array(1)).collect();
    let items = || (0..).zip(&arrays).map(|(at, array)| (array.clone(), 0, at));
    let pool = pool(2);
    let returned = pool.options().chunk_size(7).map(add, items());
    let returned = returned.expect("added");
    for ((at, array), returned) in (0..).zip(&arrays).zip(returned) {
        assert_eq!((array[0].load(), returned[0].load()), (at, at));
    }
}

#[test]
fn they_go_along_beside_those_that_the_initializer_has() {
    let (known, other) = (array(1), array(1));
    let pool = builder(1)
        .initializer(|array: AtomicArray<u32>| array, known.clone())
        .build()
        .expect("built");
    let add = |state: &mut AtomicArray<u32>,
               (first, second): (AtomicArray<u32>, AtomicArray<u32>)| {
        state[0].fetch_add(1);
        first[0].fetch_add(10);
        second[0].fetch_add(100);
        first
    };
    for (pair, sums) in [
        ((known.clone(), other.clone()), (11, 100)),
        ((other.clone(), known.clone()), (112, 110)),
        ((known.clone(), known.clone()), (223, 110)),
    ] {
        pool.call(add, pair).expect("added");
        assert_eq!((known[0].load(), other[0].load()), sums);
    }
}

#[test]
fn a_named_segment_has_its_name_in_the_worker() {
    let name = Name::new("pool");
    let segment = name.create();
    let counter: Counter = segment.create("counter", 5).expect("created");
    let see = |(segment, counter): (Segment, Counter)| {
        let name = segment.name().map(str::to_owned);
        let opened: Counter = segment.open("counter").expect("opened");
        (name, opened.load(), counter.add(1))
    };
    let known = segment.name().map(str::to_owned);
    let seen = pool(1).call(see, (segment, counter));
    assert_eq!(seen, Ok((known, 5, 6)));
}

#[test]
fn a_task_that_is_retried_has_its_segments_again() {
    let runs = array(4);
    let pool = pool(1);
    let dies = |(runs, item): (AtomicArray<u32>, usize)| {
        if runs[item].fetch_add(1) == 0 {
            die(libc::SIGKILL);
        }
        item
    };
    let options = pool.options().retries(1);
    assert_eq!(options.call(dies, (runs.clone(), 0)), Ok(0));
    let items = (1..4).map(|item| (runs.clone(), item));
    let results = options.chunk_size(3).map(dies, items);
    assert_eq!(results, Ok(vec![1, 2, 3]));
    assert_eq!(runs.to_vec(), [2; 4]);
}

#[test]
fn the_caller_may_drop_its_handle_before_the_task_has_begun() {
    let pool = pool(1);
    let task =
        |(array, at, number): (AtomicArray<u32>, usize, u32)| add((array, at, number))[at].load();
    let tasks: Vec<_> = (0..20)
        .map(|number| pool.submit(task, (array(1), 0, number)))
        .collect();
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(task.expect("submitted").wait(), Ok(number));
    }
}

#[test]
fn a_worker_keeps_a_segment_as_long_as_its_state_has_a_handle() {
    let pool = builder(1)
        .initializer(|()| Vec::<AtomicArray<u32>>::new(), ())
        .build()
        .expect("built");
    let keep = |kept: &mut Vec<AtomicArray<u32>>, array: AtomicArray<u32>| kept.push(array);
    let add = |kept: &mut Vec<AtomicArray<u32>>, ()| kept[0][0].fetch_add(1);
    let array = array(1);
    assert_eq!(pool.call(keep, array.clone()), Ok(()));
    assert_eq!(pool.call(add, ()), Ok(0));
    assert_eq!(array[0].load(), 1);
}

#[test]
fn a_segment_of_the_worker_does_not_come_back() {
    let make = |(): ()| array(1);
    let error = pool(1).call(make, ()).map(drop).expect_err("no result");
    assert!(matches!(&error, TaskError::Encode(_)), "{error}");
    assert!(error.to_string().contains("initializer"), "{error}");
}

#[test]
fn ends_of_queues_do_not_go_along() {
    let segment = Segment::anonymous().expect("a segment");
    let queue: Queue<u32> = segment.create("queue", 8).expect("created");
    let sender = queue.sender().expect("a sender");
    let pool = pool(1);
    let send = |sender: crossdock::queue::SenderOf<Queue<u32>>| sender.send(1).is_ok();
    let refused = pool.submit(send, sender).expect_err("an end");
    assert!(matches!(refused, SubmitError::Encode(_)), "{refused}");
    let source = std::error::Error::source(&refused).expect("a source");
    assert!(source.to_string().contains("initializer"), "{source}");
    // The queue itself does.
    let send = |queue: Queue<u32>| queue.send(7).is_ok();
    assert_eq!(pool.call(send, queue.clone()), Ok(true));
    assert_eq!(queue.recv(), Ok(7));
}

fn assert_not_opened(error: &TaskError, why: &str) {
    assert!(matches!(error, TaskError::Arguments(_)), "{error}");
    let text = error.to_string();
    for part in ["/proc/", why, "initializer"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_descriptor_that_other_code_closed_or_reused_is_an_error_of_its_task() {
    let pool = pool(1);
    let segment = Segment::anonymous().expect("a segment");
    let array: AtomicArray<u32> = segment.create("array", Init::zeroed(1)).expect("created");
    let number = segment.as_fd().as_raw_fd();
    let file = std::fs::File::open("/dev/null").expect("opened");
    // SAFETY: it is what the test is about: other code gives the number to another file.
    let copied = unsafe { libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC) };
    assert_eq!(copied, number);
    let error = pool.call(add, (array.clone(), 0, 1)).map(drop);
    assert_not_opened(&error.expect_err("another file"), "found another");
    // SAFETY: as above, it closes it.
    unsafe { libc::close(number) };
    let error = pool.call(add, (array, 0, 1)).map(drop);
    assert_not_opened(&error.expect_err("no file"), "No such file");
    assert_eq!(pool.call(|number: u32| number, 3), Ok(3));
}

#[test]
fn a_worker_without_proc_says_so() {
    /// Hides /proc from the worker; false if it must not.
    fn hide((): ()) -> bool {
        // SAFETY: changes the namespaces of this worker only.
        let apart = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
        let mount = |kind: &std::ffi::CStr, target: &std::ffi::CStr, flags| {
            let (kind, target) = (kind.as_ptr(), target.as_ptr());
            // SAFETY: the texts outlive the call, which changes the mounts of this worker only.
            unsafe { libc::mount(kind, target, kind, flags, std::ptr::null()) == 0 }
        };
        apart
            && mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)
            && mount(c"tmpfs", c"/proc", 0)
    }
    let pool = pool(1);
    if pool.call(hide, ()) != Ok(true) {
        return println!("skipped, needs mounts of its own");
    }
    let error = pool.call(add, (array(1), 0, 1)).map(drop);
    assert_not_opened(&error.expect_err("no /proc"), "No such file");
    // An item without such a handle is none of it.
    let pick = |handle: Option<AtomicArray<u32>>| handle.is_some();
    let items = [None, Some(array(1)), None];
    let results = pool.options().chunk_size(3).imap(pick, items);
    let results: Vec<_> = results.map(|result| result.is_ok()).collect();
    assert_eq!(results, [true, false, true]);
}
