//! A number, and a lock of std, as entries.
//~ error[E0277]: `u64` cannot be an entry of a segment
//~ error[E0277]: `std::sync::Mutex<u64>` cannot be an entry of a segment
//~ note: a number: `Counter`; a value behind a lock: `Mutex<T>`, `RwLock<T>`
//~ note: a list: `Array<T>`, `AtomicArray<T>`; the latest value: `Snapshot<T>`
//~ note: messages: `Queue<T>`, `Channel<T>`; work that must be done: `WorkQueue<T>`, `Channel<T>`

use crossdock::Segment;

fn main() {
    let segment = Segment::anonymous().unwrap();
    let _ = segment.open::<u64>("total");
    let _ = segment.open::<std::sync::Mutex<u64>>("total");
}
