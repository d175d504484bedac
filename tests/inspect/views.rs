//! Views of entries of every kind, which know no Rust type.

use crossdock::queue::spsc::Spsc;
use crossdock::queue::{ByteQueue, Channel, Queue, WorkQueue};
use crossdock::segment::{EntryView, Field, Inspection, Kind, ParticipantInfo, Seen};
use crossdock::sync::{
    Barrier, BarrierOptions, Condvar, Event, Promise, ReentrantMutex, Semaphore, SemaphoreOptions,
};
use crossdock::{
    Array, AtomicArray, Counter, Dict, List, Manager, Mutex, Namespace, RwLock, Segment,
    SegmentOptions, Set, ShardedCounter, Shared, Snapshot,
};

use crate::support::names::Unique;
use crate::support::process::{Line, child};
use crate::support::watch;

/// The kinds of entries that users create.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
    let own = [Kind::PoolTasks, Kind::Stats];
    Kind::ALL.iter().filter(move |kind| !own.contains(kind))
}

/// A segment with an entry of each kind, whose name is that of the kind.
pub(crate) fn of_every_kind(name: &Unique) -> Segment {
    let options = SegmentOptions::new().size(4 << 20).participants(8);
    let segment = options.create_new(name).unwrap();
    segment.create::<Mutex<u64>>("Mutex", 5).unwrap();
    segment.create::<Counter<i64>>("Counter", -3).unwrap();
    let sharded = segment.create::<ShardedCounter>("ShardedCounter", ());
    sharded.unwrap().add(4);
    segment.create::<Spsc<u32>>("Spsc", 8).unwrap();
    segment.create::<Queue<u32>>("Queue", 8).unwrap();
    segment.create::<WorkQueue<u32>>("WorkQueue", 8).unwrap();
    segment.create::<ByteQueue>("ByteQueue", 8).unwrap();
    segment.create::<Channel<String>>("Channel", 8).unwrap();
    segment.create::<RwLock<u64>>("RwLock", 6).unwrap();
    segment.create::<Array<u16>>("Array", vec![0; 100]).unwrap();
    segment
        .create::<AtomicArray<u32>>("AtomicArray", vec![0; 10])
        .unwrap();
    segment.create::<Snapshot<u64>>("Snapshot", 9).unwrap();
    let permits = SemaphoreOptions::new(3).most(8);
    segment.create::<Semaphore>("Semaphore", permits).unwrap();
    segment.create::<Event>("Event", true).unwrap();
    segment.create::<Condvar>("Condvar", ()).unwrap();
    let parties = BarrierOptions::new(4);
    segment.create::<Barrier>("Barrier", parties).unwrap();
    segment.create::<Promise<u64>>("Promise", ()).unwrap();
    segment
        .create::<ReentrantMutex<u64>>("ReentrantMutex", 7)
        .unwrap();
    let dict = segment.create::<Dict<String, u32>>("Dict", 10).unwrap();
    dict.insert(&"one".to_owned(), &1).unwrap();
    segment.create::<Shared<u32>>("Shared", 3).unwrap();
    segment.create::<List<u32>>("List", 10).unwrap();
    segment.create::<Set<u32>>("Set", 10).unwrap();
    segment.create::<Namespace>("Namespace", 10).unwrap();
    let manager = segment.create::<Manager>("Manager", 1 << 16).unwrap();
    manager.create::<Counter>("short-lived", 0).unwrap();
    segment
}

#[test]
fn every_kind_of_the_table_has_a_view() {
    let name = Unique::new();
    let segment = of_every_kind(&name);
    let inspection = Inspection::open(&name).unwrap();
    let entries = inspection.overview().unwrap().entries;
    assert_eq!(entries.len(), kinds().count());
    for kind in kinds() {
        let view = inspection.open_dyn(&kind.to_string()).unwrap();
        assert_eq!(view.info.kind.to_string(), kind.to_string());
        assert!(!view.fields.is_empty(), "{kind}");
        for field in &view.fields {
            let plain = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == ' ');
            assert!(plain(field.name), "{kind}: {}", field.name);
        }
        for value in &view.values {
            let bytes = inspection.read(value, 1 << 20).unwrap();
            assert_eq!(bytes.len() as u64, value.len, "{kind}");
        }
    }
    drop(segment);
}

pub(crate) fn number(view: &EntryView, name: &str) -> u64 {
    match view.field(name) {
        Some(Seen::Number(number)) => *number,
        other => panic!("{name}: {other:?} in {view:#?}"),
    }
}

fn flag(view: &EntryView, name: &str) -> bool {
    view.field(name) == Some(&Seen::Flag(true))
}

/// The first row of a field, by the names of its fields.
pub(crate) fn row(view: &EntryView, name: &str) -> Vec<Field> {
    match view.field(name) {
        Some(Seen::Rows(rows)) => rows[0].clone(),
        other => panic!("{name}: {other:?} in {view:#?}"),
    }
}

pub(crate) fn of(fields: &[Field], name: &str) -> Seen {
    let field = fields.iter().find(|field| field.name == name);
    field.unwrap_or_else(|| panic!("{name}")).value.clone()
}

#[test]
fn values_are_where_the_view_says() {
    let name = Unique::new();
    let segment = of_every_kind(&name);
    let inspection = Inspection::open(&name).unwrap();
    let first = |entry: &str| {
        let view = inspection.open_dyn(entry).unwrap();
        let bytes = inspection.read(&view.values[0], 64).unwrap();
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(&bytes);
        u64::from_le_bytes(word)
    };
    for (entry, value) in [
        ("Mutex", 5),
        ("RwLock", 6),
        ("ReentrantMutex", 7),
        ("Snapshot", 9),
    ] {
        assert_eq!(first(entry), value, "{entry}");
    }
    segment
        .open::<Promise<u64>>("Promise")
        .unwrap()
        .set(77)
        .unwrap();
    assert_eq!(first("Promise"), 77);
    let numbers = segment.open::<AtomicArray<u32>>("AtomicArray").unwrap();
    numbers[0].store(31);
    assert_eq!(first("AtomicArray"), 31);
    segment
        .open::<Array<u16>>("Array")
        .unwrap()
        .write()
        .unwrap()[0] = 32;
    assert_eq!(first("Array"), 32);
    let snapshot = segment.open::<Snapshot<u64>>("Snapshot").unwrap();
    snapshot.writer().unwrap().publish(10).unwrap();
    assert_eq!(first("Snapshot"), 10);
    segment
        .open::<Queue<u32>>("Queue")
        .unwrap()
        .send(21)
        .unwrap();
    assert_eq!(first("Queue"), 21);
    segment
        .open::<WorkQueue<u32>>("WorkQueue")
        .unwrap()
        .send(22)
        .unwrap();
    assert_eq!(first("WorkQueue"), 22);
    let bytes = segment.open::<ByteQueue>("ByteQueue").unwrap();
    bytes.send(b"abc").unwrap();
    let view = inspection.open_dyn("ByteQueue").unwrap();
    assert_eq!(inspection.read(&view.values[0], 64).unwrap(), b"abc");

    let sum = inspection.open_dyn("ShardedCounter").unwrap();
    assert_eq!(number(&sum, "value"), 4);
    let counter = inspection.open_dyn("Counter").unwrap();
    assert_eq!(counter.field("value"), Some(&Seen::Signed(-3)));
    assert_eq!(number(&inspection.open_dyn("Dict").unwrap(), "length"), 1);
    assert!(flag(&inspection.open_dyn("Event").unwrap(), "set"));
}

/// What a process holds is shown with it, before and after its death, and gone with the reaping.
#[test]
fn holders_are_named() {
    let _watch = watch();
    let name = Unique::new();
    let segment = of_every_kind(&name);
    let work = segment.open::<WorkQueue<u32>>("WorkQueue").unwrap();
    work.send(1).unwrap();
    work.send(2).unwrap();
    let (line, forever) = (Line::new(), Line::new());
    let peer = child(|| {
        let mutex = segment.open::<Mutex<u64>>("Mutex").unwrap();
        let rwlock = segment.open::<RwLock<u64>>("RwLock").unwrap();
        let array = segment.open::<Array<u16>>("Array").unwrap();
        let semaphore = segment.open::<Semaphore>("Semaphore").unwrap();
        let promise = segment.open::<Promise<u64>>("Promise").unwrap();
        let snapshot = segment.open::<Snapshot<u64>>("Snapshot").unwrap();
        let ring = segment.open::<Spsc<u32>>("Spsc").unwrap();
        let _held = (
            mutex.lock().unwrap(),
            rwlock.read().unwrap(),
            array.lease(0).unwrap(),
            semaphore.acquire_many(2).unwrap(),
            promise.claim().unwrap(),
            work.recv().unwrap(),
            snapshot.writer().unwrap(),
            ring.producer().unwrap(),
        );
        line.say(1);
        forever.sleep_until_killed();
    });
    line.hear();
    let inspection = Inspection::open(&name).unwrap();
    let id = {
        let all = inspection.overview().unwrap().participants;
        let one = all.iter().find(|one| one.pid == peer.pid());
        one.map(ParticipantInfo::id).unwrap()
    };
    let held = |at: &str| inspection.open_dyn(at).unwrap();
    let expected = Seen::Participant(id);
    let check = || {
        assert_eq!(held("Mutex").field("holder"), Some(&expected));
        assert_eq!(number(&held("RwLock"), "readers"), 1);
        assert_eq!(of(&row(&held("RwLock"), "read by"), "reader"), expected);
        assert_eq!(number(&held("Array"), "leased"), 1);
        assert_eq!(of(&row(&held("Array"), "leased by"), "holder"), expected);
        assert_eq!(number(&held("Semaphore"), "held"), 2);
        assert_eq!(number(&held("Semaphore"), "free"), 1);
        assert_eq!(of(&row(&held("Semaphore"), "held by"), "holder"), expected);
        assert_eq!(held("Promise").field("claimed by"), Some(&expected));
        assert_eq!(
            held("Promise").field("state"),
            Some(&Seen::Text("claimed".into()))
        );
        let work = held("WorkQueue");
        assert_eq!((number(&work, "waiting"), number(&work, "held")), (1, 1));
        let in_work = row(&work, "in work");
        assert_eq!(of(&in_work, "held by"), expected);
        assert_eq!(of(&in_work, "attempt"), Seen::Number(1));
        assert_eq!(held("Snapshot").field("writer"), Some(&expected));
        assert_eq!(held("Spsc").field("producer"), Some(&expected));
    };
    check();
    peer.kill_to_zombie();
    check();
    segment.reap();
    assert_eq!(held("Mutex").field("holder"), Some(&Seen::None));
    assert!(flag(&held("Mutex"), "owner died"));
    assert_eq!(number(&held("RwLock"), "readers"), 0);
    assert_eq!(number(&held("Semaphore"), "free"), 3);
    assert_eq!(number(&held("WorkQueue"), "held"), 0);
    assert_eq!(number(&held("WorkQueue"), "returned"), 1);
    let promise = held("Promise");
    assert_eq!(
        promise.field("state"),
        Some(&Seen::Text("abandoned".into()))
    );
    assert_eq!(held("Snapshot").field("writer"), Some(&Seen::None));
}

/// An object of a manager is looked at as an entry is, by both names.
#[test]
fn objects_of_a_manager_have_views() {
    let name = Unique::new();
    let segment = of_every_kind(&name);
    let manager = segment.open::<Manager>("Manager").unwrap();
    let numbers = manager.list::<u32>("numbers", 8).unwrap();
    numbers.push(&7).unwrap();
    let lock = manager.create::<Mutex<u64>>("lock", 13).unwrap();
    let guard = lock.lock().unwrap();
    let inspection = Inspection::open(&name).unwrap();
    let view = inspection.open_dyn("Manager").unwrap();
    let mut names: Vec<_> = view.objects.iter().map(|object| &object.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["Manager/lock", "Manager/numbers", "Manager/short-lived"]
    );
    for object in &view.objects {
        let seen = inspection.open_dyn(&object.name).unwrap();
        assert_eq!((&seen.info, seen.objects.len()), (object, 0));
    }
    let seen = inspection.open_dyn("Manager/numbers").unwrap();
    assert_eq!(seen.info.kind.to_string(), "List");
    assert_eq!((number(&seen, "length"), number(&seen, "changes")), (1, 1));
    let seen = inspection.open_dyn("Manager/lock").unwrap();
    assert!(matches!(seen.field("holder"), Some(Seen::Participant(_))));
    let bytes = inspection.read(&seen.values[0], 8).unwrap();
    assert_eq!(bytes, 13_u64.to_le_bytes());
    drop(guard);
    assert!(manager.remove("lock").unwrap());
    for absent in ["Manager/lock", "Manager/x", "Mutex/x", "x/lock", "Manager/"] {
        assert!(inspection.open_dyn(absent).is_err(), "{absent}");
    }
    let view = inspection.open_dyn("Manager").unwrap();
    let counts = ["objects", "removed and held"].map(|field| number(&view, field));
    assert_eq!((counts, view.objects.len()), ([2, 1], 2));
    drop(lock);
}
