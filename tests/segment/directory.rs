//! The directory under many processes, and under those that die in it.

use std::sync::atomic::Ordering;

use crossdock::segment::{EntryError, Fault, FoundKind, MembershipError};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::support::image::{self, CONTROL, COUNT, INDEXED, Window};
use crate::support::process::{at_once, holder, in_child};
use crate::support::watch;

const PROCESSES: u64 = 8;

#[test]
fn of_many_who_create_one_entry_at_once_one_wins_and_the_others_open_it() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let winners = segment.create::<Counter>("winners", 0).unwrap();
    at_once(0..PROCESSES, |number| {
        match segment.create::<Counter>("race", number) {
            Ok(counter) => {
                winners.add(1);
                assert_eq!(counter.load(), number);
            }
            Err(EntryError::Exists { .. }) => drop(segment.open::<Counter>("race").unwrap()),
            Err(error) => panic!("{error}"),
        }
    });
    assert_eq!(winners.load(), 1);
    assert_eq!(segment.entries().unwrap().len(), 2);
}

#[test]
fn of_many_who_open_or_create_one_entry_all_get_the_same() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    at_once(0..PROCESSES, |_| {
        segment.open_or_create::<Counter>("race", 0).unwrap().add(1);
    });
    assert_eq!(segment.open::<Counter>("race").unwrap().load(), PROCESSES);
    assert_eq!(segment.entries().unwrap().len(), 1);
}

#[test]
fn many_who_create_their_own_entries_at_once_all_get_room_of_their_own() {
    let _watch = watch();
    let segment = SegmentOptions::new().entries(128).anonymous().unwrap();
    at_once(0..PROCESSES, |number| {
        for each in 0..10 {
            let name = format!("{number}.{each}");
            segment
                .create::<Mutex<[u64; 5]>>(&name, [number; 5])
                .unwrap();
        }
    });
    let mut entries = segment.entries().unwrap();
    assert_eq!(entries.len(), 80);
    for entry in &entries {
        let (number, _) = entry.name.split_once('.').unwrap();
        let mutex = segment.open::<Mutex<[u64; 5]>>(&entry.name).unwrap();
        assert_eq!(*mutex.lock().unwrap(), [number.parse::<u64>().unwrap(); 5]);
    }
    entries.sort_by_key(|entry| entry.offset);
    for pair in entries.windows(2) {
        assert!(pair[0].offset + pair[0].len <= pair[1].offset);
    }
}

#[test]
fn a_creator_that_died_with_the_control_mutex_is_passed_over() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let window = Window::of(&segment);
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let holder = holder(|| mutex.lock().unwrap());
    // What a creator leaves that is killed before its entry is complete: its tag in the control
    // mutex, and bytes above the count.
    let place = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    let tag = window.word(place).load(Ordering::Relaxed);
    window.word(CONTROL).store(tag, Ordering::Relaxed);
    let above = image::record(128, 1);
    window.long(above).store(u64::MAX, Ordering::Relaxed);
    window.long(place + 128).store(u64::MAX, Ordering::Relaxed);
    holder.kill();
    let counter = segment.create::<Mutex<u64>>("next", 0).unwrap();
    assert_eq!(*counter.lock().unwrap(), 0);
    assert_eq!(window.word(CONTROL).load(Ordering::Relaxed), 0);
    assert_eq!(segment.entries().unwrap()[1].name, "next");
}

#[test]
fn a_stopped_creator_does_not_hinder_those_who_open() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let window = Window::of(&segment);
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let holder = holder(|| mutex.lock().unwrap());
    let place = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    let tag = window.word(place).load(Ordering::Relaxed);
    window.word(CONTROL).store(tag, Ordering::Relaxed);
    holder.child.stop();
    assert!(segment.open::<Mutex<u64>>("m").is_ok());
    assert!(segment.open_or_create::<Mutex<u64>>("m", 0).is_ok());
    assert_eq!(segment.entries().unwrap().len(), 1);
    holder.child.cont();
    window.word(CONTROL).store(0, Ordering::Relaxed);
    holder.release();
}

#[test]
fn a_full_registry_is_an_error_of_those_who_need_a_tag_and_not_of_the_others() {
    let _watch = watch();
    let options = SegmentOptions::new().size(1 << 16).participants(2);
    let segment = options.anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    let counter = segment.create::<Counter>("c", 7).unwrap();
    let other = holder(|| drop(mutex.lock().unwrap()));
    in_child(|| {
        let error = segment.create::<Counter>("more", 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the registry is full: the segment has room for 2 participants \
             (SegmentOptions::participants makes more)"
        );
        assert!(matches!(
            error,
            EntryError::Fault(Fault::NotMember(MembershipError::RegistryFull {
                participants: 2
            }))
        ));
        let error = mutex.try_lock().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the registry is full: the segment has room for 2 participants \
             (SegmentOptions::participants makes more)"
        );
        assert!(segment.open::<Mutex<()>>("m").is_err());
        assert!(segment.open::<Mutex<u64>>("m").is_ok());
        assert_eq!(counter.add(1), 8);
        assert_eq!(segment.participants().len(), 2);
        assert_eq!(segment.reap().freed, 0);
    });
    other.kill();
    in_child(|| drop(mutex.lock().unwrap()));
}

#[test]
fn an_only_participant_can_work_alone() {
    let options = SegmentOptions::new().size(1 << 16).participants(1);
    let segment = options.anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    *mutex.lock().unwrap() += 1;
    in_child(|| assert!(mutex.try_lock().is_err()));
    assert_eq!(*mutex.lock().unwrap(), 8);
}

#[test]
fn an_entry_of_an_unknown_kind_is_listed_and_opens_as_nothing() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter>("odd", 7).unwrap();
    let mut bytes = image::bytes(&segment);
    let at = image::record(128, 0);
    image::put_u64(&mut bytes, at, 1234);
    image::sign_record(&mut bytes, at);
    let segment = Segment::try_from(image::sealed(&bytes)).unwrap();
    assert_eq!(segment.entries().unwrap()[0].kind, FoundKind::Unknown(1234));
    let error = segment.open::<Counter>("odd").unwrap_err();
    assert!(error.to_string().ends_with("unknown kind 1234"), "{error}");
    assert!(matches!(
        error,
        EntryError::OtherKind {
            found: FoundKind::Unknown(1234),
            ..
        }
    ));
    let error = segment.create::<Counter>("odd", 1).unwrap_err();
    assert!(matches!(
        error,
        EntryError::Exists {
            found: FoundKind::Unknown(1234),
            ..
        }
    ));
}

#[test]
fn a_dead_participant_stays_where_an_unknown_kind_may_hold_something_of_it() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    segment.create::<Counter>("odd", 7).unwrap();
    let window = Window::of(&segment);
    let at = image::record(128, 1);
    let mut bytes = window.bytes();
    image::put_u64(&mut bytes, at, 1234);
    image::sign_record(&mut bytes, at);
    for word in [0, image::RECORD_CHECKSUM] {
        let value = image::u64_at(&bytes, at + word);
        window.long(at + word).store(value, Ordering::Relaxed);
    }
    holder(|| mutex.lock().unwrap()).kill();
    let reaping = segment.reap();
    assert_eq!((reaping.freed, reaping.stuck), (0, 1));
    // What is known was given back nevertheless, and the dead one stays listed.
    assert!(!mutex.is_locked());
    let dead = segment.participants().iter().filter(|p| !p.alive).count();
    assert_eq!(dead, 1);
    assert_eq!(segment.reap().stuck, 1);
}

#[test]
fn a_count_beyond_the_directory_is_corrupt() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter>("c", 7).unwrap();
    let window = Window::of(&segment);
    for count in [65, 1 << 20, u32::MAX] {
        window.word(COUNT).store(count, Ordering::Relaxed);
        let error = segment.entries().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a directory, found garbage in its count, index or control word"
        );
        assert!(matches!(error, EntryError::Corrupt { record: None, .. }));
        assert!(segment.open::<Counter>("c").is_err());
        assert!(segment.create::<Counter>("d", 1).is_err());
    }
}

#[test]
fn a_record_that_is_garbage_is_named_by_its_number() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter>("a", 1).unwrap();
    segment.create::<Counter>("b", 2).unwrap();
    let window = Window::of(&segment);
    let kind = window.long(image::record(128, 1));
    kind.store(2, Ordering::Relaxed);
    let error = segment.entries().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a directory record, found garbage at number 1"
    );
    assert!(matches!(
        error,
        EntryError::Corrupt {
            record: Some(1),
            ..
        }
    ));
    assert_eq!(segment.open::<Counter>("a").unwrap().load(), 1);
    for error in [
        segment.open::<Counter>("b").unwrap_err(),
        segment.create::<Counter>("c", 1).unwrap_err(),
    ] {
        assert!(matches!(
            error,
            EntryError::Corrupt {
                record: Some(1),
                ..
            }
        ));
    }
}

#[test]
fn the_index_is_made_again_where_a_killed_creator_left_it_behind() {
    let segment = Segment::anonymous().unwrap();
    for (name, value) in [("a", 1), ("b", 2)] {
        segment.create::<Counter>(name, value).unwrap();
    }
    // What a creator leaves that is killed after "b" is published: it has no slot yet.
    let window = Window::of(&segment);
    let (home, slot) = image::slot("b", 1, 64);
    let index = image::record(128, 64);
    let place = |at: usize| window.word(index + at % image::slots(64) * 4);
    let of_b = (home..).find(|at| place(*at).load(Ordering::Relaxed) == slot);
    place(of_b.unwrap()).store(0, Ordering::Relaxed);
    window.word(INDEXED).store(1, Ordering::Relaxed);
    assert_eq!(segment.open::<Counter>("b").unwrap().load(), 2);
    assert!(segment.create::<Counter>("b", 3).is_err());
    segment.create::<Counter>("c", 3).unwrap();
    assert_eq!(window.word(INDEXED).load(Ordering::Relaxed), 3);
    assert_eq!(place(of_b.unwrap()).load(Ordering::Relaxed), slot);
    for (name, value) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(segment.open::<Counter>(name).unwrap().load(), value);
    }
}

#[test]
fn a_slot_that_names_what_is_not_there_is_corrupt() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Counter>("a", 1).unwrap();
    let window = Window::of(&segment);
    let (home, slot) = image::slot("a", 0, 64);
    let place = window.word(image::record(128, 64) + home * 4);
    // The number of no record; another mark; no number.
    for garbage in [slot + 1, slot ^ (1 << 20), slot & !0x1_ffff] {
        place.store(garbage, Ordering::Relaxed);
        for error in [
            segment.open::<Counter>("a").unwrap_err(),
            segment.create::<Counter>("a", 1).unwrap_err(),
        ] {
            assert!(matches!(error, EntryError::Corrupt { record: None, .. }));
        }
    }
}

/// So many that no index of fewer would hold them, in one process and as another sees them.
#[test]
fn the_most_entries_are_all_found() {
    let _watch = watch();
    let options = SegmentOptions::new().size(32 << 20).entries(65_536);
    let segment = options.participants(2).anonymous().unwrap();
    let name = |number: u64| format!("entry-{number}");
    for number in 0..65_536 {
        segment.create::<Counter>(&name(number), number).unwrap();
    }
    let full = segment.create::<Counter>("one more", 0).unwrap_err();
    assert!(matches!(
        full,
        EntryError::DirectoryFull { entries: 65_536 }
    ));
    in_child(|| {
        for number in 0..65_536 {
            assert_eq!(
                segment.open::<Counter>(&name(number)).unwrap().load(),
                number
            );
        }
        let absent = segment.open::<Counter>("one more").unwrap_err();
        assert!(matches!(absent, EntryError::NotFound { .. }));
    });
}

#[test]
fn a_control_word_that_is_none_is_corrupt() {
    let segment = Segment::anonymous().unwrap();
    let window = Window::of(&segment);
    // An index beyond the registry; a generation of 0.
    for word in [1023 | 1 << 10, 128 | 1 << 10, 5] {
        window.word(CONTROL).store(word, Ordering::Relaxed);
        let error = segment.create::<Counter>("c", 1).unwrap_err();
        assert!(matches!(error, EntryError::Corrupt { record: None, .. }));
    }
}
