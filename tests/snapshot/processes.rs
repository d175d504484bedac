//! Writers and readers that come, leave, are killed and stopped.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossdock::Fault;
use crossdock::segment::ClaimError;
use crossdock::snapshot::{ReaderError, WaitNewerError};

use crate::support::process::{Child, Line, child, holder, in_child};
use crate::support::watch;
use crate::{large, number, snapshot};

#[test]
fn what_is_read_is_whole_and_never_older_whoever_else_reads() {
    const VERSIONS: u64 = 100_000;
    let _watch = watch();
    let (_segment, snapshot) = snapshot(3);
    let (ready, go) = (Line::new(), Line::new());
    let readers: Vec<_> = (0..3)
        .map(|_| {
            child(|| {
                let mut reader = snapshot.reader().unwrap();
                ready.say(1);
                go.hear();
                let mut last = 0;
                while last < VERSIONS {
                    let value = reader.read().unwrap();
                    let now = number(&value);
                    assert_eq!(now, value.version());
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            })
        })
        .collect();
    readers.iter().for_each(|_| assert_eq!(ready.hear(), 1));
    readers.iter().for_each(|_| go.say(1));
    let mut writer = snapshot.writer().unwrap();
    for version in 1..=VERSIONS {
        assert_eq!(writer.publish(large(version)), Ok(version));
    }
    readers.into_iter().for_each(Child::join);
}

#[test]
fn a_writer_killed_in_the_middle_leaves_the_value_before() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    let mut reader = snapshot.reader().unwrap();
    let (line, never) = (Line::new(), Line::new());
    let victim = child(|| {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(1)).unwrap();
        let _ = writer.publish_with(|place| {
            place[..32].fill(2);
            line.say(1);
            never.sleep_until_killed();
        });
    });
    line.hear();
    assert_eq!(number(&reader.read().unwrap()), 1);
    victim.kill();
    assert_eq!(number(&reader.read().unwrap()), 1);
    assert_eq!(snapshot.load().map(|value| number(&value)).unwrap(), 1);
    let mut writer = snapshot.writer().unwrap();
    assert_eq!(writer.version(), 1);
    let version = writer.update(|value| {
        assert_eq!(number(value), 1, "begins with what was published");
        *value = large(2);
    });
    assert_eq!(version, Ok(2));
    assert_eq!(number(&reader.read().unwrap()), 2);
}

#[test]
fn a_writer_stopped_in_the_middle_is_the_writer_and_readers_go_on() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    let (line, go) = (Line::new(), Line::new());
    let writer = child(|| {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(1)).unwrap();
        let published = writer.publish_with(|place| {
            place[..32].fill(2);
            line.say(1);
            go.hear();
            place[32..].fill(2);
        });
        assert_eq!(published, Ok(2));
    });
    line.hear();
    writer.stop();
    let mut reader = snapshot.reader().unwrap();
    for _ in 0..100 {
        assert_eq!(number(&reader.read().unwrap()), 1);
        assert_eq!(number(&snapshot.load().unwrap()), 1);
    }
    let pid = writer.pid();
    let refused = snapshot.writer().err();
    assert!(matches!(refused, Some(ClaimError::RoleTaken { pid: found }) if found == pid));
    writer.cont();
    go.say(1);
    writer.join();
    assert_eq!(number(&reader.read().unwrap()), 2);
}

#[test]
fn a_reader_that_is_stopped_hinders_nobody_and_keeps_what_it_has() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    let mut writer = snapshot.writer().unwrap();
    writer.publish(large(7)).unwrap();
    let (line, go) = (Line::new(), Line::new());
    let stopped = child(|| {
        let mut reader = snapshot.reader().unwrap();
        let value = reader.read().unwrap();
        line.say(1);
        go.hear();
        assert_eq!((number(&value), value.version()), (7, 1));
        assert!(number(&reader.read().unwrap()) > 1000);
    });
    line.hear();
    stopped.stop();
    let mut other = snapshot.reader().unwrap();
    for version in 2..=1001 {
        assert_eq!(writer.publish(large(version)), Ok(version));
        assert_eq!(number(&other.read().unwrap()), version);
    }
    stopped.cont();
    go.say(1);
    stopped.join();
}

#[test]
fn a_second_writer_is_told_who_is_the_first() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(1);
    let first = holder(|| snapshot.writer().unwrap());
    let pid = first.child.pid();
    let told = |expected: u32| {
        let refused = snapshot.writer().err();
        assert!(matches!(refused, Some(ClaimError::RoleTaken { pid }) if pid == expected));
    };
    told(pid);
    first.release();
    let mine = snapshot.writer().unwrap();
    told(std::process::id());
    drop(mine);
    assert!(snapshot.writer().is_ok());
}

#[test]
fn as_many_read_at_once_as_there_are_seats_and_those_of_the_dead_are_free() {
    let _watch = watch();
    let (segment, snapshot) = snapshot(2);
    let full = || {
        let refused = snapshot.reader().err();
        assert!(matches!(
            refused,
            Some(ReaderError::NoFreeSlot { slots: 2 })
        ));
        let refused = snapshot.load().err();
        assert!(matches!(
            refused,
            Some(ReaderError::NoFreeSlot { slots: 2 })
        ));
    };
    let mut mine = snapshot.reader().unwrap();
    let other = holder(|| snapshot.reader().unwrap());
    full();
    other.child.stop();
    full();
    other.child.cont();
    other.kill();
    let second = snapshot.reader().unwrap();
    full();
    drop(second);
    assert_eq!(number(&snapshot.load().unwrap()), 0);
    in_child(|| forget(snapshot.reader().unwrap()));
    assert_eq!(segment.reap().stuck, 0);
    let _third = snapshot.reader().unwrap();
    full();
    assert_eq!(number(&mine.read().unwrap()), 0);
}

#[test]
fn in_a_forked_child_an_inherited_handle_is_nobodys() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    let (mut writer, mut reader) = (snapshot.writer().unwrap(), snapshot.reader().unwrap());
    writer.publish(large(1)).unwrap();
    assert_eq!(number(&reader.read().unwrap()), 1);
    in_child(|| {
        assert_eq!(writer.publish(large(2)), Err(Fault::NotOwner));
        assert_eq!(
            writer.update(|_| panic!("not called")),
            Err(Fault::NotOwner)
        );
        assert_eq!(reader.load(), Err(Fault::NotOwner));
        assert_eq!(
            reader.wait_newer().err(),
            Some(WaitNewerError::Fault(Fault::NotOwner))
        );
        // SAFETY: this process's copies, which it does not touch again.
        drop(unsafe { std::ptr::read(&writer) });
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&reader) });
        assert!(matches!(
            snapshot.writer(),
            Err(ClaimError::RoleTaken { .. })
        ));
        let _own = snapshot.reader().unwrap();
        assert!(matches!(
            snapshot.reader(),
            Err(ReaderError::NoFreeSlot { .. })
        ));
    });
    writer.publish(large(2)).unwrap();
    assert_eq!(number(&reader.read().unwrap()), 2);
}

#[test]
fn a_leaked_writer_is_given_back_when_its_process_ends() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(1);
    in_child(|| {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(4)).unwrap();
        forget(writer);
    });
    assert_eq!(snapshot.writer().unwrap().publish(large(5)), Ok(2));
}

#[test]
fn a_closure_that_panics_publishes_nothing() {
    let (_segment, snapshot) = snapshot(1);
    let mut writer = snapshot.writer().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        writer.publish_with(|place| {
            place.fill(9);
            std::panic::resume_unwind(Box::new(()));
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(
        (number(&snapshot.load().unwrap()), snapshot.version()),
        (0, 0)
    );
    assert_eq!(writer.publish(large(1)), Ok(1));
}

#[test]
fn threads_take_a_seat_for_the_moment() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(4);
    let mut writer = snapshot.writer().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 20_000 {
                    let now = number(&snapshot.load().unwrap());
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for version in 1..=20_000 {
            assert_eq!(writer.publish(large(version)), Ok(version));
        }
    });
}
