//! The array of atomics: what it is not opened as, and what it refuses to be made as.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crossdock::array::Init;
use crossdock::segment::{EntryError, IntoConfig};
use crossdock::{AtomicArray, Counter, Segment, SegmentOptions};

fn with_an_array() -> Segment {
    let segment = Segment::anonymous().unwrap();
    segment
        .create::<AtomicArray<u32>>("array", [1, 2, 3])
        .unwrap();
    segment
}

/// A function that counts its calls.
fn counted(len: usize) -> (Rc<Cell<u32>>, Init<u32>) {
    let calls = Rc::new(Cell::new(0));
    let noted = calls.clone();
    let init = Init::from_fn(len, move |index| {
        noted.set(noted.get() + 1);
        u32::try_from(index).unwrap()
    });
    (calls, init)
}

#[test]
fn it_is_made_of_whatever_makes_a_list() {
    let lists: [Init<u32>; 8] = [
        [0, 1, 2].into_config(),
        vec![0, 1, 2].into_config(),
        Box::<[u32]>::from([0, 1, 2]).into_config(),
        (&[0, 1, 2][..]).into_config(),
        Init::from_slice(&[0, 1, 2]),
        Init::from_fn(3, |index| u32::try_from(index).unwrap()),
        (0..3).collect(),
        counted(3).1,
    ];
    for init in lists {
        assert_eq!((init.len(), init.is_empty()), (3, false));
        assert_eq!(format!("{init:?}"), "Init { len: 3, .. }");
        assert_eq!(crate::array(init).to_vec(), [0, 1, 2]);
    }
    assert_eq!(crate::array(Init::<u32>::zeroed(2)).to_vec(), [0, 0]);
    assert_eq!(crate::array(Init::filled(2, 7_u32)).to_vec(), [7, 7]);
}

#[test]
fn lengths_that_cannot_be_are_refused_with_both_bounds() {
    let segment = Segment::anonymous().unwrap();
    let most_u32 = isize::MAX as u64 / 4;
    let refused = |init: Init<u32>| segment.create::<AtomicArray<u32>>("array", init);
    for (length, init) in [
        (0, Init::zeroed(0)),
        (0, Init::from_slice(&[])),
        (0, Vec::new().into_config()),
        (most_u32 + 1, Init::zeroed(1 << 61)),
        (u64::MAX, Init::filled(usize::MAX, 7)),
    ] {
        assert!(
            matches!(
                refused(init),
                Err(EntryError::Length { found, least: 1, most })
                    if most == most_u32 && (found == length || length == most + 1)
            ),
            "{length}"
        );
    }
    let error = refused(Init::zeroed(0)).unwrap_err().to_string();
    let expected = format!("expected a length of 1 to {most_u32}, found 0");
    assert_eq!(error, expected);
    assert!(segment.entries().unwrap().is_empty());
}

#[test]
fn a_length_that_the_arena_has_no_room_for_is_refused_by_bytes_and_nothing_is_called() {
    let segment = Segment::anonymous().unwrap();
    for length in [1 << 20, 1 << 40, isize::MAX as usize / 4] {
        let (calls, made) = counted(length);
        for init in [made, Init::zeroed(length), Init::filled(length, 1)] {
            let refused = segment.create::<AtomicArray<u32>>("array", init);
            assert!(
                matches!(refused, Err(EntryError::ArenaFull { needed, free }) if needed == 4 * length as u64 + 64 && free < needed),
                "{length}: {refused:?}"
            );
        }
        assert_eq!(calls.get(), 0);
    }
    assert!(segment.entries().unwrap().is_empty());
}

#[test]
fn the_whole_arena_can_be_one_array() {
    let segment = Segment::anonymous().unwrap();
    let Err(EntryError::ArenaFull { free, .. }) =
        segment.create::<AtomicArray<u8>>("array", Init::zeroed(1 << 30))
    else {
        panic!("created");
    };
    // Its event counts take 64 bytes.
    let free = usize::try_from(free).unwrap() - 64;
    let array = segment
        .create::<AtomicArray<u8>>("array", Init::filled(free, 3))
        .unwrap();
    assert_eq!((array.len(), array[free - 1].load()), (free, 3));
    let refused = segment.create::<AtomicArray<u8>>("more", Init::zeroed(1));
    assert!(matches!(
        refused,
        Err(EntryError::ArenaFull { needed: 8, free: 0 })
    ));
}

#[test]
fn a_function_is_not_called_for_an_array_that_exists() {
    let segment = with_an_array();
    let (calls, init) = counted(3);
    let refused = segment.create::<AtomicArray<u32>>("array", init);
    assert!(matches!(refused, Err(EntryError::Exists { .. })));
    let (more, init) = counted(3);
    let found = segment.open_or_create::<AtomicArray<u32>>("array", init);
    assert_eq!(found.unwrap().to_vec(), [1, 2, 3]);
    let (most, init) = counted(4);
    let refused = segment.open_or_create::<AtomicArray<u32>>("array", init);
    assert!(matches!(refused, Err(EntryError::OtherLength { .. })));
    assert_eq!((calls.get(), more.get(), most.get()), (0, 0, 0));

    let (calls, init) = counted(4);
    segment
        .open_or_create::<AtomicArray<u32>>("other", init)
        .unwrap();
    assert_eq!(calls.get(), 4);
}

#[test]
fn a_full_directory_is_told_before_a_function_is_called() {
    let options = SegmentOptions::new().size(1 << 16).entries(1);
    let segment = options.anonymous().unwrap();
    segment.create::<Counter>("first", 0).unwrap();
    let (calls, init) = counted(3);
    let refused = segment.create::<AtomicArray<u32>>("array", init);
    assert!(matches!(
        refused,
        Err(EntryError::DirectoryFull { entries: 1 })
    ));
    assert_eq!(calls.get(), 0);
}

#[test]
fn a_function_that_panics_leaves_nothing_behind() {
    let segment = Segment::anonymous().unwrap();
    let init = Init::from_fn(5, |index| {
        if index == 3 {
            std::panic::resume_unwind(Box::new("no third"));
        }
        index as u64
    });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        segment.create::<AtomicArray<u64>>("array", init)
    }));
    assert!(caught.is_err());
    assert!(segment.entries().unwrap().is_empty());
    segment
        .create::<AtomicArray<u64>>("array", Init::zeroed(5))
        .unwrap();
}

#[test]
fn a_function_may_create_entries_of_the_same_segment() {
    let segment = Segment::anonymous().unwrap();
    let inner = segment.clone();
    let init = Init::from_fn(3, move |index| {
        inner
            .create::<Counter>(&format!("counter {index}"), 0)
            .unwrap()
            .add(5)
    });
    let array = segment.create::<AtomicArray<u64>>("array", init).unwrap();
    assert_eq!(array.to_vec(), [5; 3]);
    assert_eq!(segment.entries().unwrap().len(), 4);
}

#[test]
fn another_length_is_an_error_that_names_both() {
    let segment = with_an_array();
    let error = segment
        .open_or_create::<AtomicArray<u32>>("array", Init::zeroed(4))
        .unwrap_err();
    assert!(matches!(
        error,
        EntryError::OtherLength {
            expected: 4,
            found: 3,
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "entry \"array\": expected length 4, found 3"
    );
    let open = segment.open::<AtomicArray<u32>>("array").unwrap();
    assert_eq!(open.to_vec(), [1, 2, 3]);
}
