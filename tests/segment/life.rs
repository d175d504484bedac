//! From creation to the last handle.

use crossdock::segment::{OpenError, RemoveError};
use crossdock::{Counter, Mutex, Segment, SegmentOptions, ShardedCounter};

use crate::support::names::Unique;
use crate::support::process::{Line, child, holder, in_child, leaves_nothing};
use crate::support::watch;

#[test]
fn what_one_process_creates_another_opens() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    leaves_nothing(|| {
        let segment = SegmentOptions::new().open(&name).unwrap();
        segment.open::<Counter>("total").unwrap().add(1);
    });
    assert_eq!(total.load(), 8);
}

#[test]
fn a_named_segment_outlives_its_users_until_it_is_unlinked() {
    let name = Unique::new();
    in_child(|| {
        let segment = SegmentOptions::new().create_new(&name).unwrap();
        segment.create::<Counter>("total", 7).unwrap();
    });
    let segment = SegmentOptions::new().open(&name).unwrap();
    assert_eq!(segment.name(), Some(&*name));
    assert_eq!(segment.open::<Counter>("total").unwrap().load(), 7);
    segment.unlink().unwrap();
    assert!(!name.is_taken());
}

#[test]
fn memory_stays_valid_after_unlink() {
    let _watch = watch();
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    segment.unlink().unwrap();
    let error = SegmentOptions::new().open(&name).unwrap_err();
    assert!(matches!(error, OpenError::NotFound { .. }));
    in_child(|| {
        total.add(1);
        *mutex.lock().unwrap() += 1;
        segment.create::<Counter>("new", 3).unwrap();
    });
    assert_eq!((total.load(), *mutex.lock().unwrap()), (8, 8));
    assert_eq!(segment.open::<Counter>("new").unwrap().load(), 3);
}

#[test]
fn unlinking_what_is_gone_or_somebody_elses_does_no_harm() {
    let name = Unique::new();
    let first = SegmentOptions::new().create_new(&name).unwrap();
    std::fs::remove_file(name.path()).unwrap();
    first.unlink().unwrap();
    std::fs::write(name.path(), "another file").unwrap();
    let error = first.unlink().unwrap_err();
    assert!(matches!(error, RemoveError::OtherFile { .. }));
    assert_eq!(std::fs::read(name.path()).unwrap(), b"another file");
}

#[test]
fn of_many_who_open_or_create_one_segment_one_creates_it() {
    let _watch = watch();
    const PROCESSES: u64 = 8;
    for _ in 0..5 {
        let name = Unique::new();
        let (ready, go, inodes) = (Line::new(), Line::new(), Line::new());
        let children: Vec<_> = (0..PROCESSES)
            .map(|number| {
                child(|| {
                    ready.say(number);
                    go.hear();
                    let segment = SegmentOptions::new().open_or_create(&name).unwrap();
                    let total = segment.open_or_create::<Counter>("total", 0).unwrap();
                    total.add(1);
                    inodes.say(inode(&segment));
                })
            })
            .collect();
        for _ in &children {
            ready.hear();
        }
        children.iter().for_each(|_| go.say(1));
        let mut seen: Vec<u64> = children.iter().map(|_| inodes.hear()).collect();
        seen.dedup();
        assert_eq!(seen.len(), 1, "several were created");
        children.into_iter().for_each(|child| child.join());
        let segment = SegmentOptions::new().open(&name).unwrap();
        let total = segment.open::<Counter>("total").unwrap();
        assert_eq!(total.load(), PROCESSES);
        assert_eq!(segment.entries().unwrap().len(), 1);
    }
}

fn inode(segment: &Segment) -> u64 {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::File::from(segment.as_fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().ino()
}

#[test]
fn open_or_create_survives_others_who_unlink() {
    let _watch = watch();
    let name = Unique::new();
    let children: Vec<_> = (0..2)
        .map(|_| {
            child(|| {
                for _ in 0..100 {
                    let segment = SegmentOptions::new()
                        .size(1 << 16)
                        .open_or_create(&name)
                        .unwrap();
                    // Another may have it by now.
                    let _gone_or_taken = segment.unlink();
                }
            })
        })
        .collect();
    children.into_iter().for_each(|child| child.join());
}

#[test]
fn a_segment_that_was_never_there_does_not_appear_when_its_maker_is_killed() {
    let name = Unique::new();
    let line = Line::new();
    let maker = child(|| {
        let mut made = 0;
        loop {
            made += 1;
            let segment = SegmentOptions::new().size(1 << 16).create_new(&name);
            if made == 20 {
                line.say(1);
            }
            segment.unwrap().unlink().unwrap();
        }
    });
    line.hear();
    maker.kill();
    // Either whole or not at all.
    match SegmentOptions::new().open(&name) {
        Ok(segment) => assert_eq!(segment.entries().unwrap(), []),
        Err(error) => assert!(matches!(error, OpenError::NotFound { .. }), "{error:?}"),
    }
}

#[test]
fn handles_keep_the_memory_mapped_after_the_segment_is_dropped() {
    let segment = Segment::anonymous().unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    drop(segment);
    sharded.add(1);
    *mutex.lock().unwrap() += 1;
    drop((mutex, sharded));
    assert_eq!(total.clone().add(1), 8);
}

#[test]
fn dropping_all_handles_gives_everything_back() {
    leaves_nothing(|| {
        for _ in 0..20 {
            let segment = Segment::anonymous().unwrap();
            let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
            *mutex.lock().unwrap() += 1;
            let again = segment.clone();
            drop(segment);
            drop(again.open::<Mutex<u64>>("m").unwrap().try_lock());
        }
    });
}

#[test]
fn a_handle_moves_to_another_thread() {
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    drop(segment);
    let thread = std::thread::spawn(move || *mutex.lock().unwrap());
    assert_eq!(thread.join().unwrap(), 7);
}

#[test]
fn opening_a_segment_again_and_again_in_many_threads_is_one_participant() {
    let _watch = watch();
    in_child(|| {
        let name = Unique::new();
        let kept = SegmentOptions::new().create_new(&name).unwrap();
        kept.create::<Mutex<u64>>("m", 0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let segment = SegmentOptions::new().open(&name).unwrap();
                        *segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap() += 1;
                    }
                });
            }
        });
        let mutex = kept.open::<Mutex<u64>>("m").unwrap();
        assert_eq!(*mutex.lock().unwrap(), 800);
        assert_eq!(kept.participants().len(), 1);
    });
}

#[test]
fn closing_and_opening_in_many_threads_loses_nothing() {
    let _watch = watch();
    in_child(|| {
        let name = Unique::new();
        let options = SegmentOptions::new().size(1 << 16);
        let first = options.create_new(&name).unwrap();
        first.create::<Mutex<u64>>("m", 0).unwrap();
        drop(first);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let segment = SegmentOptions::new().open(&name).unwrap();
                        *segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap() += 1;
                    }
                });
            }
        });
        let segment = SegmentOptions::new().open(&name).unwrap();
        assert_eq!(
            *segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap(),
            800
        );
        assert_eq!(segment.participants().len(), 1);
    });
}

#[test]
fn debug_never_blocks_and_shows_no_data() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 4242).unwrap();
    let total = segment.create::<Counter>("c", 3).unwrap();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.stop();
    assert_eq!(
        format!("{mutex:?}"),
        "Mutex { locked: true, owner_died: false, poisoned: false, .. }"
    );
    assert_eq!(
        format!("{total:?} {sharded:?}"),
        "Counter(3) ShardedCounter(0)"
    );
    assert_eq!(
        format!("{segment:?}"),
        "Segment { name: None, len: 1048576 }"
    );
    holder.kill();
    assert!(format!("{mutex:?}").contains("locked: true"));
    drop(mutex.lock());
    assert!(format!("{mutex:?}").contains("locked: false, owner_died: true"));
}
