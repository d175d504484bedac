//! Waiting for something newer.

use std::time::Instant;

use crossdock::snapshot::{WaitNewerError, WaitNewerTimeoutError};

use crate::support::process::{Line, asleep, child, holder};
use crate::support::watch;
use crate::{SOON, large, number, snapshot};

#[test]
fn each_version_wakes_all_that_wait() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(3);
    let mut writer = snapshot.writer().unwrap();
    let heard = Line::new();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            asleep(|| {
                let mut reader = snapshot.reader().unwrap();
                let mut last = reader.wait_newer().unwrap().version();
                while last < 20 {
                    let value = reader.wait_newer().unwrap();
                    assert!(value.version() > last);
                    assert_eq!(number(&value), value.version());
                    last = value.version();
                    heard.say(last);
                }
            })
        })
        .collect();
    for version in 1..=20 {
        assert_eq!(writer.publish(large(version)), Ok(version));
        // All of them hear of it before there is another.
        readers
            .iter()
            .for_each(|_| assert_eq!(heard.hear(), version));
    }
    readers.into_iter().for_each(|reader| reader.join());
}

#[test]
fn who_waits_is_told_that_the_writer_was_killed_or_has_left() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(1);
    for kills in [true, false] {
        let writer = holder(|| {
            let mut writer = snapshot.writer().unwrap();
            let next = writer.version() + 1;
            writer.publish(large(next)).unwrap();
            writer
        });
        let expected = snapshot.version();
        let waiter = asleep(|| {
            let mut reader = snapshot.reader().unwrap();
            assert_eq!(number(&reader.wait_newer().unwrap()), expected);
            let end = reader.wait_newer().err();
            assert_eq!(end, Some(WaitNewerError::Disconnected));
            // It is there still.
            assert_eq!(number(&reader.read().unwrap()), expected);
        });
        if kills {
            writer.kill();
        } else {
            writer.release();
        }
        waiter.join();
    }
}

#[test]
fn what_was_published_before_the_writer_was_killed_is_not_missed() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(1);
    let mut reader = snapshot.reader().unwrap();
    assert_eq!(number(&reader.read().unwrap()), 0);
    holder(|| {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(1)).unwrap();
        writer
    })
    .kill();
    assert_eq!(number(&reader.wait_newer().unwrap()), 1);
    let end = reader.wait_newer().err();
    assert_eq!(end, Some(WaitNewerError::Disconnected));
    let mut writer = snapshot.writer().unwrap();
    writer.publish(large(2)).unwrap();
    assert_eq!(number(&reader.wait_newer().unwrap()), 2);
}

#[test]
fn a_writer_that_is_stopped_or_has_not_come_is_waited_for() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    let mut reader = snapshot.reader().unwrap();
    assert!(reader.has_newer());
    assert_eq!(reader.version(), None);
    assert_eq!(reader.wait_newer().unwrap().version(), 0);
    assert!(!reader.has_newer());
    let begin = Instant::now();
    let waited = reader.wait_newer_timeout(SOON).err();
    assert_eq!(waited, Some(WaitNewerTimeoutError::Timeout));
    assert!(begin.elapsed() >= SOON);

    let writer = holder(|| snapshot.writer().unwrap());
    writer.child.stop();
    let begin = Instant::now();
    let waited = reader.wait_newer_timeout(begin + SOON).err();
    assert_eq!(waited, Some(WaitNewerTimeoutError::Timeout));
    assert!(begin.elapsed() >= SOON);
    writer.child.cont();
    writer.release();
    assert_eq!(reader.version(), Some(0));
}

#[test]
fn who_waits_hears_of_a_writer_that_came_later() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(1);
    let waiter = asleep(|| {
        let mut reader = snapshot.reader().unwrap();
        assert_eq!(reader.wait_newer().unwrap().version(), 0);
        assert_eq!(number(&reader.wait_newer().unwrap()), 1);
    });
    let writer = child(|| {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(1)).unwrap();
    });
    writer.join();
    waiter.join();
}
