//! A look changes nothing, and ends, beside processes that use everything that it looks at.

use std::fs;
use std::time::{Duration, Instant};

use crossdock::queue::{Queue, WorkQueue};
use crossdock::segment::Inspection;
use crossdock::{Dict, Mutex, RwLock, Segment, Snapshot};

use crate::support::names::Unique;
use crate::support::process::{Child, Line, child};
use crate::support::watch;
use crate::views::{kinds, of_every_kind};

fn look_at_all(inspection: &Inspection) {
    let seen = inspection.overview().unwrap();
    assert_eq!((seen.entries.len(), seen.damaged), (kinds().count(), None));
    for entry in &seen.entries {
        let view = inspection.open_dyn(&entry.name).unwrap();
        for value in &view.values {
            inspection.read(value, 4096).unwrap();
        }
    }
    inspection.is_in_use().unwrap();
}

#[test]
fn no_byte_is_changed() {
    let name = Unique::new();
    let segment = of_every_kind(&name);
    segment
        .open::<WorkQueue<u32>>("WorkQueue")
        .unwrap()
        .send(1)
        .unwrap();
    let before = fs::read(name.path()).unwrap();
    let inspection = Inspection::open(&name).unwrap();
    for _ in 0..10 {
        look_at_all(&inspection);
    }
    assert!(
        fs::read(name.path()).unwrap() == before,
        "a byte has changed"
    );
}

fn busy(segment: &Segment, line: &Line) {
    let mutex = segment.open::<Mutex<u64>>("Mutex").unwrap();
    let lock = segment.open::<RwLock<u64>>("RwLock").unwrap();
    let queue = segment.open::<Queue<u32>>("Queue").unwrap();
    let work = segment.open::<WorkQueue<u32>>("WorkQueue").unwrap();
    let dict = segment.open::<Dict<String, u32>>("Dict").unwrap();
    let snapshot = segment.open::<Snapshot<u64>>("Snapshot").unwrap();
    let mut number = 0_u32;
    loop {
        number = number.wrapping_add(1);
        *mutex.lock().unwrap() += 1;
        if number.is_multiple_of(3) {
            *lock.write().unwrap() += 1;
        } else {
            drop(lock.read().unwrap());
        }
        let _ = queue.try_send(number);
        let _ = queue.try_recv();
        let _ = work.try_send(number);
        if let Ok(delivery) = work.try_recv() {
            let _ = delivery.ack();
        }
        dict.insert(&format!("key {}", number % 7), &number)
            .unwrap();
        if let Ok(mut writer) = snapshot.writer() {
            writer.publish(u64::from(number)).unwrap();
        }
        if number == 100 {
            line.say(1);
        }
    }
}

#[test]
fn looks_end_beside_busy_processes() {
    let _watch = watch();
    let name = Unique::new();
    let segment = of_every_kind(&name);
    let line = Line::new();
    let peers: Vec<Child> = (0..2).map(|_| child(|| busy(&segment, &line))).collect();
    line.hear();
    let inspection = Inspection::open(&name).unwrap();
    let until = Instant::now() + Duration::from_millis(500);
    let mut looks = 0;
    while Instant::now() < until {
        look_at_all(&inspection);
        looks += 1;
    }
    assert!(looks > 1, "{looks} looks");
    let seen = inspection.overview().unwrap();
    for peer in peers {
        let mut all = seen.participants.iter();
        assert!(all.any(|one| one.pid == peer.pid() && one.alive));
        peer.kill();
    }
}
