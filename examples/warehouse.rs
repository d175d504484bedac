//! Five workers, each in a process of its own, count packed products into one shared total.
use crossdock::{Counter, Segment, process};

fn pack((worker, total): (u32, Counter)) {
    for _ in 0..10 {
        println!(
            "Worker {worker}: packed 1 product (total: {})",
            total.add(1)
        );
    }
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // a spawned worker begins, and ends, here
    let warehouse = Segment::anonymous()?;
    let total = warehouse.create::<Counter>("total", 0)?;
    let workers = (0..5)
        .map(|id| process::spawn(pack, (id, total.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for worker in workers {
        worker.join()?;
    }
    println!("Total products packed: {}", total.load());
    Ok(())
}
