//! Text of bounded length in every primitive that takes a payload, read and written by processes.

#[path = "../support/mod.rs"]
mod support;

use std::os::fd::AsFd;

use crossdock::array::{ArrayOptions, Init};
use crossdock::bytemuck::{self, Pod, Zeroable};
use crossdock::fixed::ContentError;
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{Queue, WorkQueue};
use crossdock::segment::EntryError;
use crossdock::{
    Array, FixedBytes, FixedStr, Mutex, Payload, RwLock, Segment, Snapshot, SnapshotOptions,
};
use support::image::Window;
use support::process::{child, in_child};
use support::watch;

type Fruit = FixedStr<28>;

/// Text beside a number: what a user's own payload looks like.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Crate {
    fruit: Fruit,
    pieces: u64,
    digest: FixedBytes<4>,
    variety: FixedStr<12>,
    labels: [FixedStr<4>; 3],
}
crossdock::payload!(Crate, "test.crate/1");

fn fruit(text: &str) -> Fruit {
    text.parse().unwrap()
}

fn apples() -> Crate {
    Crate {
        fruit: fruit("apple"),
        pieces: 12,
        digest: FixedBytes::new(&[1, 2, 3]).unwrap(),
        variety: "Boskoop".parse().unwrap(),
        labels: ["red", "äpf", ""].map(|label| label.parse().unwrap()),
    }
}

/// Does with every primitive what the two processes of a program do: one puts `value` there, which
/// was `before`, the other finds it.
fn through_everything<T>(before: T, value: T)
where
    T: Payload + Pod + PartialEq + std::fmt::Debug,
{
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<Mutex<T>>("mutex", before).unwrap();
    let rwlock = segment.create::<RwLock<T>>("rwlock", before).unwrap();
    let array = segment
        .create::<Array<T>>("array", ArrayOptions::new(Init::filled(3, before)))
        .unwrap();
    let queue = segment.create::<Queue<T>>("queue", 4).unwrap();
    let ring = segment.create::<Spsc<T>>("ring", 4).unwrap();
    let work = segment.create::<WorkQueue<T>>("work", 4).unwrap();
    let options = SnapshotOptions::new(before).readers(2);
    let latest = segment.create::<Snapshot<T>>("latest", options).unwrap();

    child(|| {
        assert_eq!(*mutex.lock().unwrap(), before);
        *mutex.lock().unwrap() = value;
        *rwlock.write().unwrap() = value;
        array.write().unwrap()[1] = value;
        queue.send(value).unwrap();
        ring.producer().unwrap().try_push(value).unwrap();
        work.send(value).unwrap();
        latest.writer().unwrap().publish(value).unwrap();
    })
    .join();

    assert_eq!(*mutex.lock().unwrap(), value);
    assert_eq!(*rwlock.read().unwrap(), value);
    assert_eq!(*array.read().unwrap(), [before, value, before]);
    assert_eq!(queue.recv().unwrap(), value);
    assert_eq!(ring.consumer().unwrap().try_pop().unwrap(), value);
    let delivery = work.recv().unwrap();
    assert_eq!(*delivery, value);
    delivery.ack().unwrap();
    assert_eq!(latest.reader().unwrap().load().unwrap(), value);
}

#[test]
fn text_passes_between_processes_through_every_primitive() {
    through_everything(Fruit::EMPTY, fruit("Pomegranate, 28 bytes äö!"));
}

#[test]
fn text_is_a_field_of_structs_that_pass() {
    through_everything(Crate::zeroed(), apples());
}

#[test]
fn bytes_pass_between_processes_through_every_primitive() {
    let value = FixedBytes::<5>::new(b"\xff\0\x01").unwrap();
    through_everything(FixedBytes::EMPTY, value);
}

#[test]
fn text_of_another_length_is_another_payload() {
    let segment = Segment::anonymous().unwrap();
    segment
        .create::<Mutex<FixedStr<12>>>("name", FixedStr::EMPTY)
        .unwrap();
    in_child(|| {
        let names = [
            segment.open::<Mutex<FixedStr<28>>>("name").unwrap_err(),
            segment.open::<Mutex<FixedBytes<12>>>("name").unwrap_err(),
        ]
        .map(|error| match error {
            EntryError::OtherPayload { expected, .. } => expected.name().to_string(),
            error => panic!("{error}"),
        });
        assert_eq!(names, ["FixedStr<28>", "FixedBytes<12>"]);
    });
}

/// The offset of the only place in a segment where these bytes are.
fn find(window: &Window, bytes: &[u8]) -> usize {
    let all = window.bytes();
    let mut found = (0..=all.len() - bytes.len()).filter(|at| all[*at..].starts_with(bytes));
    let at = found.next().expect("the text is there");
    assert_eq!(found.next(), None, "the text is there once");
    at
}

#[test]
fn what_another_process_has_written_over_text_is_an_error_behind_a_guard() {
    use std::sync::atomic::Ordering::Relaxed;

    let segment = Segment::anonymous().unwrap();
    let value = fruit("tangerine");
    let name = segment.create::<Mutex<Fruit>>("name", value).unwrap();
    let queue = segment.create::<Queue<Fruit>>("queue", 2).unwrap();
    let read = || name.lock().unwrap().as_str().map(str::to_owned);
    assert_eq!(read(), Ok("tangerine".to_owned()));

    let window = Window::of(&segment.as_fd());
    let at = find(&window, bytemuck::bytes_of(&value));
    in_child(|| window.byte(at + 4 + 3).store(0xff, Relaxed));
    assert_eq!(read(), Err(ContentError::NotUtf8 { valid_up_to: 3 }));
    assert_eq!(name.lock().unwrap().to_string(), "tan\u{fffd}erine");

    in_child(|| window.byte(at + 1).store(1, Relaxed));
    let (len, limit) = (265, 28);
    assert_eq!(read(), Err(ContentError::Length { len, limit }));

    // A copy is what was there, and is checked no earlier.
    queue.send(*name.lock().unwrap()).unwrap();
    let copy = queue.recv().unwrap();
    assert_eq!(copy.as_str(), Err(ContentError::Length { len, limit }));

    *name.lock().unwrap() = fruit("quince");
    assert_eq!(read(), Ok("quince".to_owned()));
}
