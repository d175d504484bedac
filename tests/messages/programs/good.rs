//! What the other programs should have written.

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::{FixedStr, Mutex, Segment, process};

#[derive(Clone, Copy)]
#[repr(C)]
struct Stock(u64);
// SAFETY: one number.
unsafe impl Zeroable for Stock {}
// SAFETY: as above.
unsafe impl Pod for Stock {}
crossdock::payload!(Stock, "shop.stock/1");

fn main() -> Result<(), crossdock::Error> {
    let segment = Segment::anonymous()?;
    segment.create::<Mutex<FixedStr<16>>>("name", FixedStr::EMPTY)?;
    let stock = segment.create::<Mutex<Stock>>("stock", Stock(1))?;
    process::spawn(|(_, word): (Mutex<Stock>, String)| word.len(), (stock, "word".to_owned()))?;
    Ok(())
}
