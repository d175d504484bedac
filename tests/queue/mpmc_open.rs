//! The queue for many: what it is not opened as, and what it refuses to be made as.

use crossdock::Segment;
use crossdock::queue::Queue;
use crossdock::segment::EntryError;

fn with_a_queue() -> Segment {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Queue<u64>>("queue", 4).unwrap();
    segment
}

#[test]
fn capacities_that_cannot_be_are_refused_with_both_bounds() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [0, 1, (1 << 32) + 1, 1 << 40, u64::MAX / 16, u64::MAX] {
        let refused = segment.create::<Queue<u64>>("queue", capacity);
        assert!(
            matches!(
                refused,
                Err(EntryError::Capacity { found, least: 2, most: 0x1_0000_0000 }) if found == capacity
            ),
            "{capacity}"
        );
    }
    assert!(segment.entries().unwrap().is_empty());
    segment.create::<Queue<u64>>("queue", 2).unwrap();
}

#[test]
fn a_capacity_that_the_arena_has_no_room_for_is_refused_by_bytes() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [1 << 30, 1 << 32] {
        let refused = segment.create::<Queue<u64>>("queue", capacity);
        assert!(
            matches!(refused, Err(EntryError::ArenaFull { needed, free }) if needed > 16 * capacity && free < needed),
            "{capacity}"
        );
    }
    let refused = segment.create::<Queue<[u64; 1 << 40]>>("queue", 2);
    assert!(refused.is_err());
}

#[test]
fn another_capacity_is_an_error_that_names_both() {
    let segment = with_a_queue();
    assert!(matches!(
        segment.open_or_create::<Queue<u64>>("queue", 5),
        Err(EntryError::OtherCapacity {
            expected: 5,
            found: 4,
            ..
        })
    ));
    assert_eq!(
        segment
            .open_or_create::<Queue<u64>>("queue", 4)
            .unwrap()
            .capacity(),
        4
    );
    assert_eq!(segment.open::<Queue<u64>>("queue").unwrap().capacity(), 4);
}
