//! Programs that know nothing of each other share a stock: run this as often as you like, also at
//! the same time, and kill it when you like. `stock warehouse --forget` removes the segment.
use bytemuck::{Pod, Zeroable};
use crossdock::{Mutex, SegmentOptions};

#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Stock {
    boxes: u64,
    labels: u64,
}
crossdock::payload!(Stock, "shop.stock/1");

impl Stock {
    /// Every box has a label: what an owner that died may have left half done.
    fn recount(&mut self) {
        self.labels = self.boxes;
    }
}

fn main() -> Result<(), crossdock::Error> {
    let name = std::env::args().nth(1).unwrap_or("warehouse".into());
    let segment = SegmentOptions::new().size(1 << 20).open_or_create(&name)?;
    let stock = segment.open_or_create::<Mutex<Stock>>("stock", Stock::default())?;
    let mut shelf = stock.lock_or_repair(|stock| stock.recount())?; // runs only if the last owner died holding it
    shelf.boxes += 1;
    shelf.labels += 1;
    println!("{} boxes, {} labels", shelf.boxes, shelf.labels);
    if std::env::args().any(|argument| argument == "--forget") {
        segment.unlink()?;
    }
    Ok(())
}
