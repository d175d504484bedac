//! Copies of many values, by one thread on a core of its own.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossdock::array::Init;
use crossdock::{Array, AtomicArray, SegmentOptions};
use crossdock_cli::{Failure, pin};

use crate::work::Way;

const KIB_64: usize = 64 << 10;
const MIB: usize = 1 << 20;
/// The elements of an array of atomics: 64 KiB.
const ELEMENTS: usize = KIB_64 / 8;

/// Copies of 64 KiB out and in: the yardstick first.
pub(crate) const SMALL: &[Way] = &[
    way(
        "memcpy out",
        "memcpy out of the array's memory",
        bare::<KIB_64>,
    ),
    way("copy_to", "`Array::copy_to`", copy_to::<KIB_64>),
    way(
        "memcpy in",
        "memcpy into the array's memory",
        bare_in::<KIB_64>,
    ),
    way("copy_from", "`Array::copy_from`", copy_from::<KIB_64>),
];

/// The same of 1 MiB.
pub(crate) const LARGE: &[Way] = &[
    way(
        "memcpy out",
        "memcpy out of the array's memory",
        bare::<MIB>,
    ),
    way("copy_to", "`Array::copy_to`", copy_to::<MIB>),
    way(
        "memcpy in",
        "memcpy into the array's memory",
        bare_in::<MIB>,
    ),
    way("copy_from", "`Array::copy_from`", copy_from::<MIB>),
];

/// Copies of 8192 atomics: the yardstick first.
pub(crate) const ATOMICS: &[Way] = &[
    way("loads", "a loop over relaxed loads", plain_loads),
    way("load_slice", "`AtomicArray::load_slice`", load_slice),
    way("stores", "a loop over relaxed stores", plain_stores),
    way("store_slice", "`AtomicArray::store_slice`", store_slice),
];

const fn way(
    kind: &'static str,
    label: &'static str,
    once: fn(Duration) -> Result<f64, Failure>,
) -> Way {
    Way { kind, label, once }
}

/// Nanoseconds for each call, on a core, and by a thread that is not needed for anything else.
fn timed<S>(
    time: Duration,
    prepare: impl FnOnce() -> Result<S, Failure> + Send,
    mut call: impl FnMut(&mut S) -> Result<(), Failure> + Send,
) -> Result<f64, Failure> {
    const STRIDE: u32 = 16;
    let measure = || {
        if let Some(core) = pin::cores()?.first() {
            pin::pin(*core)?;
        }
        let mut state = prepare()?;
        for _ in 0..STRIDE {
            call(&mut state)?;
        }
        let (begun, mut calls) = (Instant::now(), 0_u32);
        loop {
            for _ in 0..STRIDE {
                call(&mut state)?;
            }
            calls += STRIDE;
            let elapsed = begun.elapsed();
            if elapsed >= time || calls > u32::MAX - STRIDE {
                return Ok(elapsed.as_secs_f64() * 1e9 / f64::from(calls));
            }
        }
    };
    let panicked = |_| Failure::Worker("a thread panicked".to_owned());
    std::thread::scope(|scope| scope.spawn(measure).join().map_err(panicked)?)
}

/// An array of so many bytes, and a place of the process's own.
fn array(bytes: usize) -> Result<(Array<u8>, Vec<u8>), Failure> {
    let segment = SegmentOptions::new()
        .size(bytes as u64 + (1 << 20))
        .prefault(true)
        .anonymous()?;
    let array = segment.create("array", Init::filled(bytes, 7_u8))?;
    Ok((array, vec![1; bytes]))
}

fn bare<const BYTES: usize>(time: Duration) -> Result<f64, Failure> {
    let (array, place) = array(BYTES)?;
    let values = array.read_or_repair(|_| ()).map_err(Failure::worker)?;
    let values: &[u8] = &values;
    timed(
        time,
        || Ok(place),
        |place| {
            black_box(&mut *place).copy_from_slice(black_box(values));
            Ok(())
        },
    )
}

fn bare_in<const BYTES: usize>(time: Duration) -> Result<f64, Failure> {
    let (array, place) = array(BYTES)?;
    let mut values = array.write_or_repair(|_| ()).map_err(Failure::worker)?;
    let values: &mut [u8] = &mut values;
    timed(
        time,
        || Ok((values, place)),
        |(values, place)| {
            black_box(&mut **values).copy_from_slice(black_box(place));
            Ok(())
        },
    )
}

fn copy_to<const BYTES: usize>(time: Duration) -> Result<f64, Failure> {
    let state = array(BYTES)?;
    timed(
        time,
        || Ok(state),
        |(array, place)| array.copy_to(0, black_box(place)).map_err(Failure::worker),
    )
}

fn copy_from<const BYTES: usize>(time: Duration) -> Result<f64, Failure> {
    let state = array(BYTES)?;
    timed(
        time,
        || Ok(state),
        |(array, place)| {
            array
                .copy_from(0, black_box(place))
                .map_err(Failure::worker)
        },
    )
}

/// Atomics of the process's own, and a place.
fn plain() -> (Vec<AtomicU64>, Vec<u64>) {
    let atomics = (0..ELEMENTS as u64).map(AtomicU64::new).collect();
    (atomics, vec![1; ELEMENTS])
}

fn atomics() -> Result<(AtomicArray<u64>, Vec<u64>), Failure> {
    let segment = SegmentOptions::new().prefault(true).anonymous()?;
    let array = segment.create("array", Init::filled(ELEMENTS, 7_u64))?;
    Ok((array, vec![1; ELEMENTS]))
}

fn plain_loads(time: Duration) -> Result<f64, Failure> {
    timed(
        time,
        || Ok(plain()),
        |(atomics, place)| {
            let pairs = black_box(atomics).iter().zip(black_box(place));
            pairs.for_each(|(atomic, value)| *value = atomic.load(Ordering::Relaxed));
            Ok(())
        },
    )
}

fn plain_stores(time: Duration) -> Result<f64, Failure> {
    timed(
        time,
        || Ok(plain()),
        |(atomics, place)| {
            let pairs = black_box(atomics).iter().zip(black_box(place));
            pairs.for_each(|(atomic, value)| atomic.store(*value, Ordering::Relaxed));
            Ok(())
        },
    )
}

fn load_slice(time: Duration) -> Result<f64, Failure> {
    timed(time, atomics, |(array, place)| {
        black_box(array).load_slice(0, black_box(place));
        Ok(())
    })
}

fn store_slice(time: Duration) -> Result<f64, Failure> {
    timed(time, atomics, |(array, place)| {
        black_box(array).store_slice(0, black_box(place));
        Ok(())
    })
}
