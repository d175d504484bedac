//! A sensor's latest reading, for every process that wants to know it; the sensor's process is
//! killed, and another goes on.

use std::error::Error;

use bytemuck::{Pod, Zeroable};
use crossdock::snapshot::WaitNewerError;
use crossdock::{Segment, Snapshot, process};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Reading {
    number: u64,
    celsius: f64,
    /// What a reading that is not whole would not have.
    sum: f64,
}
crossdock::payload!(Reading, "greenhouse.reading/1");

impl Reading {
    fn new(number: u64) -> Self {
        let celsius = 20.0 + (number % 10) as f64 / 10.0;
        Self {
            number,
            celsius,
            sum: number as f64 + celsius,
        }
    }
}

fn measure(latest: Snapshot<Reading>) {
    let mut sensor = latest.writer().expect("no other process measures");
    // A successor goes on where the one before was killed.
    for number in sensor.version() + 1.. {
        sensor
            .publish(Reading::new(number))
            .expect("it is the writer");
    }
}

/// Looks until reading `last`, or a later one, is there; returns how many it saw.
fn watch((latest, last): (Snapshot<Reading>, u64)) -> u64 {
    let mut latest = latest.reader().expect("a seat");
    let (mut seen, mut before) = (0, 0);
    while before < last {
        match latest.wait_newer() {
            Ok(reading) => {
                assert_eq!(reading.sum, reading.number as f64 + reading.celsius);
                assert!(reading.number > before || seen == 0, "an older one");
                (seen, before) = (seen + 1, reading.number);
            }
            // The sensor was killed: its successor comes.
            Err(WaitNewerError::Disconnected) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    seen
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let latest = segment.create::<Snapshot<Reading>>("latest", Reading::new(0))?;

    let sensor = process::spawn(measure, latest.clone())?;
    while latest.version() < 1_000 {
        std::thread::yield_now();
    }
    sensor.kill()?;
    println!("the first sensor: {}", sensor.join().unwrap_err());
    let reading = latest.load()?;
    println!(
        "its last reading is whole: {}",
        reading.sum == reading.number as f64 + reading.celsius
    );

    let last = reading.number + 1_000;
    let watchers = [(); 2].map(|()| process::spawn(watch, (latest.clone(), last)));
    let sensor = process::spawn(measure, latest)?;
    for watcher in watchers {
        let seen = watcher?.join()?;
        println!(
            "a watcher saw some of the next 1000, none older than the one before: {}",
            seen > 0
        );
    }
    sensor.kill()?;
    let _ = sensor.join();
    Ok(())
}
