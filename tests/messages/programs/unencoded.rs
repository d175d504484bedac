//! A channel of a struct that serde cannot encode.
//~ error[E0277]: `Encoded<Order>` cannot be the message of a work queue
//~ note: `Channel<T>` needs a `T` with `#[derive(serde::Serialize, serde::Deserialize)]`, and no borrowed parts

use crossdock::Segment;
use crossdock::queue::Channel;

struct Order {
    _number: u64,
}

fn main() {
    let segment = Segment::anonymous().unwrap();
    let _ = segment.create::<Channel<Order>>("orders", 4);
}
