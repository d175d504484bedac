//! A struct that derives `Pod`, without `payload!`.
//~ error[E0277]: `Stock` is not a payload, so it cannot be stored in a segment
//~ note: a struct of your own: `#[derive(Clone, Copy, Pod, Zeroable)]` and `#[repr(C)]` on it, then `crossdock::payload!(Type, "program.type/1");`

use crossdock::Segment;
use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::Queue;

#[derive(Clone, Copy)]
#[repr(C)]
struct Stock(u64);
// SAFETY: one number.
unsafe impl Zeroable for Stock {}
// SAFETY: as above.
unsafe impl Pod for Stock {}

fn main() {
    let segment = Segment::anonymous().unwrap();
    let _ = segment.create::<Queue<Stock>>("stock", 4);
}
