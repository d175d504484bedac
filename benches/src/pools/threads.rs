//! rayon's threads, for scale: nothing crosses a process.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Instant;

use crossdock_cli::Failure;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{Speed, WORKERS};

#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub(super) fn speed(singles: u64, items: u64) -> Result<Speed, Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .build()
        .map_err(Failure::worker)?;
    let begun = Instant::now();
    let (sender, results) = mpsc::channel();
    for number in 0..singles {
        let sender = sender.clone();
        pool.spawn(move || {
            let _ = sender.send(black_box(number).wrapping_mul(number));
        });
    }
    drop(sender);
    assert_eq!(results.iter().count() as u64, singles);
    let single = begun.elapsed().as_nanos() as f64;
    let begun = Instant::now();
    let squares: Vec<u64> = pool.install(|| {
        let items = (0..items).into_par_iter();
        items
            .map(|number| black_box(number).wrapping_mul(number))
            .collect()
    });
    let all = begun.elapsed().as_nanos() as f64;
    black_box(squares);
    Ok(Speed {
        single_ns: single / singles as f64,
        item_ns: all / items as f64,
    })
}
