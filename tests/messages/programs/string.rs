//! A `String` is a pointer.
//~ error[E0277]: `String` is not a payload, so it cannot be stored in a segment
//~ note: text of at most N bytes: `FixedStr<N>`; bytes: `FixedBytes<N>`
//~ note: any value that serde encodes, of any size: a message of a `Channel<T>`

use crossdock::{Mutex, Segment};

fn main() {
    let segment = Segment::anonymous().unwrap();
    let _ = segment.create::<Mutex<String>>("name", String::new());
}
