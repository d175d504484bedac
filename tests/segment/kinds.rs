//! Entries of each kind, asked for as each of the others and as the same of another payload.

use crossdock::array::{ArrayOptions, Init};
use crossdock::manager::ManagerOptions;
use crossdock::queue::{ByteOptions, ByteQueue, Channel, Queue, WorkQueue, spsc::Spsc};
use crossdock::segment::{EntryError, FoundKind, Kind};
use crossdock::sync::{
    Barrier, BarrierOptions, Condvar, Event, Promise, ReentrantMutex, Semaphore, SemaphoreOptions,
};
use crossdock::{
    Array, AtomicArray, Counter, List, Manager, Mutex, Namespace, RwLock, Segment, SegmentOptions,
    Set, ShardedCounter, Shared, Snapshot,
};

type Way = fn(&Segment, &str) -> Result<(), EntryError>;
type Dict<T> = crossdock::Dict<u64, T>;

/// How an entry of a kind is made and opened, and how it is opened as the same of another payload.
struct Sample {
    kind: Kind,
    create: Way,
    open: Way,
    open_or_create: Way,
    open_as_other: Option<Way>,
}

macro_rules! samples {
    ($($kind:ident $($ours:ty, not $other:ty)? = $config:expr;)*) => {
        [$(Sample {
            kind: Kind::$kind,
            create: |segment, name| segment.create::<$kind$(<$ours>)?>(name, $config).map(drop),
            open: |segment, name| segment.open::<$kind$(<$ours>)?>(name).map(drop),
            open_or_create: |segment, name| {
                segment.open_or_create::<$kind$(<$ours>)?>(name, $config).map(drop)
            },
            open_as_other: {
                let others: &[Way] = &[$(|segment, name| {
                    segment.open::<$kind<$other>>(name).map(drop)
                })?];
                others.first().copied()
            },
        }),*]
    };
}

const SAMPLES: usize = 24;

fn samples() -> [Sample; SAMPLES] {
    samples! {
        Mutex u64, not i64 = 7;
        Counter u64, not i64 = 7;
        ShardedCounter = ();
        Spsc u64, not i64 = 4;
        Queue u64, not i64 = 4;
        WorkQueue u64, not i64 = 4;
        ByteQueue = ByteOptions::new(4);
        Channel u64, not i64 = 4;
        RwLock u64, not i64 = 7;
        Array u64, not i64 = ArrayOptions::new(Init::zeroed(4));
        AtomicArray u64, not i64 = [1, 2, 3];
        Snapshot u64, not i64 = 7;
        Semaphore = SemaphoreOptions::new(3);
        Event = false;
        Condvar = ();
        Barrier = BarrierOptions::new(2);
        Promise u64, not i64 = ();
        ReentrantMutex u64, not i64 = 7;
        Dict u64, not i64 = 4;
        Shared u64, not i64 = 7;
        List u64, not i64 = 4;
        Set u64, not i64 = 4;
        Namespace = 4;
        Manager = ManagerOptions::new(512);
    }
}

/// A segment with an entry of each kind, by its name.
fn segment() -> Segment {
    let options = SegmentOptions::new().size(1 << 20).participants(4);
    let segment = options.entries(64).anonymous().unwrap();
    for sample in samples() {
        (sample.create)(&segment, &sample.kind.to_string()).unwrap();
    }
    segment
}

#[test]
fn another_kind_is_refused_with_both_named() {
    let segment = segment();
    for there in samples() {
        let name = there.kind.to_string();
        for asked in samples().iter().filter(|asked| asked.kind != there.kind) {
            for refused in [asked.open, asked.open_or_create].map(|way| way(&segment, &name)) {
                assert!(
                    matches!(
                        &refused,
                        Err(EntryError::OtherKind { name: said, expected, found: FoundKind::Known(found), .. })
                            if *said == name && (*expected, *found) == (asked.kind, there.kind)
                    ),
                    "{name}: {refused:?}"
                );
            }
            let refused = (asked.create)(&segment, &name);
            assert!(matches!(refused, Err(EntryError::Exists { .. })), "{name}");
        }
        (there.open)(&segment, &name).unwrap();
        (there.open_or_create)(&segment, &name).unwrap();
        let missing = (there.open)(&segment, "nothing");
        assert!(
            matches!(missing, Err(EntryError::NotFound { .. })),
            "{name}"
        );
    }
    assert_eq!(segment.entries().unwrap().len(), SAMPLES);
    let refused = segment.open::<Queue<u32>>("AtomicArray").unwrap_err();
    let text = "entry \"AtomicArray\": expected a Queue, found an AtomicArray";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn another_payload_is_refused_with_both_named() {
    let segment = segment();
    for sample in samples() {
        let name = sample.kind.to_string();
        let Some(open_as_other) = sample.open_as_other else {
            continue;
        };
        let refused = open_as_other(&segment, &name);
        let Err(EntryError::OtherPayload {
            expected, found, ..
        }) = &refused
        else {
            panic!("{name}: {refused:?}");
        };
        let named = [expected, found].map(|payload| payload.name());
        assert_ne!(named[0], named[1], "{name}");
        assert!(named[0].contains("i64"), "{name}: {named:?}");
        assert!(named[1].contains("u64"), "{name}: {named:?}");
    }
}
