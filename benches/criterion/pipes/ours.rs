//! The subjects of this library. The other process is a spawned one, which got its ends as
//! arguments.

use std::time::Instant;

use crossdock::Segment;
use crossdock::process::{self, Conn};
use crossdock::queue::Queue;
use crossdock::queue::spsc::{Consumer, Producer, Spsc};

use crate::{Cores, Failed, pin};

/// Messages before those that count.
const WARM_UP: u32 = 200;
/// The capacity of queues and rings, in items: as many as a pipe of 64 KiB holds.
const CAPACITY: u64 = 4096;

/// Nanoseconds for each of `count` calls of `trip`, after some that do not count.
fn time(count: u32, mut trip: impl FnMut(u64) -> Result<(), Failed>) -> Result<f64, Failed> {
    for number in 0..WARM_UP {
        trip(number.into())?;
    }
    let begun = Instant::now();
    for number in 0..count {
        trip(number.into())?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

pub(crate) fn queue_trips(count: u32, cores: Cores) -> Result<f64, Failed> {
    fn echo((from, to, count, cores): (Queue<u64>, Queue<u64>, u32, Cores)) {
        pin(cores, 1);
        for _ in 0..WARM_UP + count {
            to.send(from.recv().expect("an item")).expect("sent");
        }
    }
    let segment = Segment::anonymous()?;
    let there: Queue<u64> = segment.create("there", CAPACITY)?;
    let back: Queue<u64> = segment.create("back", CAPACITY)?;
    let other = process::spawn(echo, (there.clone(), back.clone(), count, cores))?;
    pin(cores, 0);
    let took = time(count, |number| {
        there.send(number)?;
        assert_eq!(back.recv()?, number);
        Ok(())
    })?;
    other.join()?;
    Ok(took)
}

pub(crate) fn ring_trips(count: u32, cores: Cores) -> Result<f64, Failed> {
    fn echo((mut from, mut to, cores): (Consumer<u64>, Producer<u64>, Cores)) {
        pin(cores, 1);
        while let Ok(number) = from.pop() {
            to.push(number).expect("pushed");
        }
    }
    let segment = Segment::anonymous()?;
    let there: Spsc<u64> = segment.create("there", CAPACITY)?;
    let back: Spsc<u64> = segment.create("back", CAPACITY)?;
    let ends = (there.consumer()?, back.producer()?, cores);
    let (mut to, mut from) = (there.producer()?, back.consumer()?);
    let other = process::spawn(echo, ends)?;
    pin(cores, 0);
    let took = time(count, |number| {
        to.push(number)?;
        assert_eq!(from.pop()?, number);
        Ok(())
    })?;
    drop(to);
    other.join()?;
    Ok(took)
}

pub(crate) fn conn_trips(count: u32, cores: Cores) -> Result<f64, Failed> {
    fn echo((mut conn, cores): (Conn<u64, u64>, Cores)) {
        pin(cores, 1);
        while let Ok(number) = conn.recv() {
            conn.send(&number).expect("sent");
        }
    }
    let (mut conn, other) = process::duplex::<u64, u64>()?;
    let other = process::spawn(echo, (other, cores))?;
    pin(cores, 0);
    let took = time(count, |number| {
        conn.send(&number)?;
        assert_eq!(conn.recv()?, number);
        Ok(())
    })?;
    drop(conn);
    other.join()?;
    Ok(took)
}

/// The value number `number` of a stream. The bytes of each number are full, as those of hashes.
fn value(number: u64) -> [u64; 8] {
    [number | 1 << 63; 8]
}

pub(crate) fn conn_stream(count: u32, cores: Cores) -> Result<f64, Failed> {
    fn receive((mut conn, count, cores): (Conn<u64, [u64; 8]>, u32, Cores)) {
        pin(cores, 1);
        let mut sum = 0_u64;
        for _ in 0..count {
            sum = sum.wrapping_add(conn.recv().expect("a value")[7]);
        }
        conn.send(&sum).expect("sent");
    }
    let (mut conn, other) = process::duplex::<[u64; 8], u64>()?;
    let other = process::spawn(receive, (other, count, cores))?;
    pin(cores, 0);
    let begun = Instant::now();
    let mut sum = 0_u64;
    for number in 0..count {
        let value = value(number.into());
        sum = sum.wrapping_add(value[7]);
        conn.send(&value)?;
    }
    assert_eq!(conn.recv()?, sum);
    let took = begun.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    other.join()?;
    Ok(took)
}

pub(crate) fn bytes_stream(count: u32, cores: Cores) -> Result<f64, Failed> {
    fn receive((mut conn, count, cores): (Conn<u64, ()>, u32, Cores)) {
        pin(cores, 1);
        let mut bytes = Vec::new();
        let mut sum = 0_u64;
        for _ in 0..count {
            assert_eq!(conn.recv_into(&mut bytes), Ok(64));
            sum += u64::from(bytes[63]);
        }
        conn.send(&sum).expect("sent");
    }
    let (mut conn, other) = process::duplex::<(), u64>()?;
    let other = process::spawn(receive, (other, count, cores))?;
    pin(cores, 0);
    let begun = Instant::now();
    for _ in 0..count {
        conn.send_bytes(&[7; 64])?;
    }
    assert_eq!(conn.recv()?, 7 * u64::from(count));
    let took = begun.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    other.join()?;
    Ok(took)
}
