//! Queues, with real processes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use benches::queues::{
    Can, Contestant, Idle, Item, KINDS, Kind, Plan, Receiver, SIZES, Sample, Sender, Setting,
    Shape, run,
};
use crossdock::process;
use crossdock_cli::Failure;
use crossdock_cli::pin::Pin;
use crossdock_cli::times::Times;
use crossdock_cli::worker::Workers;

#[test]
fn crossdock_worker() {
    process::init();
}

fn setting(kind: &Kind, producers: u32, consumers: u32, idle: Idle) -> Setting {
    process::init_test("crossdock_worker");
    Setting {
        shape: Shape {
            capacity: 64,
            producers,
            consumers,
            idle,
        },
        size: 8,
        batch: if kind.batched { 16 } else { 1 },
        pin: Pin::Free,
        time: Duration::from_millis(20),
    }
}

/// Whether everything that was sent came through as it should.
fn balances(sample: &Sample) -> bool {
    sample.sent == sample.received && sample.wrong == 0
}

#[test]
fn every_kind_passes_every_item_of_every_size_once_and_in_order() {
    for kind in KINDS {
        for size in SIZES {
            let setting = Setting {
                size,
                ..setting(kind, 1, 1, Idle::Spin)
            };
            let sample = (kind.throughput)(&setting).unwrap();
            assert!(balances(&sample), "{}, {size}: {sample:?}", kind.name);
            assert!(sample.sent > 0, "{}", kind.name);
            assert!(sample.items.iter().sum::<u64>() <= sample.received);
            assert!(sample.elapsed >= Duration::from_millis(20));
        }
    }
}

#[test]
fn kinds_for_many_balance_with_many() {
    for (producers, consumers) in [(1, 3), (3, 1), (3, 2)] {
        for kind in KINDS {
            let setting = setting(kind, producers, consumers, Idle::Spin);
            if !kind.can.take(producers, consumers, Idle::Spin) {
                continue;
            }
            let sample = (kind.throughput)(&setting).unwrap();
            assert!(balances(&sample), "{}: {sample:?}", kind.name);
            assert_eq!(sample.items.len(), consumers as usize);
        }
    }
}

#[test]
fn kinds_that_wait_balance_when_they_do() {
    for (producers, consumers) in [(1, 1), (2, 2)] {
        for kind in KINDS {
            if !kind.can.take(producers, consumers, Idle::Park) {
                continue;
            }
            let setting = setting(kind, producers, consumers, Idle::Park);
            let sample = (kind.throughput)(&setting).unwrap();
            assert!(balances(&sample), "{}: {sample:?}", kind.name);
        }
    }
}

/// Times of some round trips: a busy machine may come to none in the time of a run.
fn some_times(kind: &Kind, idle: Idle) -> Times {
    let run = |_| (kind.round_trip)(&setting(kind, 1, 1, idle)).unwrap().times;
    let some = (0..100).map(run).find(|times| !times.is_empty());
    some.unwrap_or_else(|| panic!("{}: no trip in 100 runs", kind.name))
}

#[test]
fn round_trips_are_timed() {
    for idle in [Idle::Spin, Idle::Park] {
        for kind in KINDS {
            if kind.batched || !kind.can.take(1, 1, idle) {
                continue;
            }
            let times = some_times(kind, idle);
            assert!(times.at(0.5) <= times.at(0.99), "{}", kind.name);
        }
    }
}

#[test]
fn a_plan_gives_a_row_for_each_kind_in_each_setting_that_it_can_take() {
    process::init_test("crossdock_worker");
    let plan = Plan {
        kinds: KINDS.to_vec(),
        sizes: vec![8, 64],
        capacity: 64,
        batch: 16,
        pairs: vec![(1, 1), (2, 2)],
        idle: Idle::Spin,
        round_trips: vec![Idle::Spin, Idle::Park],
        runs: 1,
        pin: Pin::Cores,
        time: Duration::from_millis(5),
    };
    let mut steps = Vec::new();
    let measured = run(&plan, &mut |step| steps.push(step.done)).unwrap();
    assert_eq!(steps, (0..plan.runs()).collect::<Vec<_>>());
    let of = |kind: &'static str| {
        measured
            .throughput
            .iter()
            .filter(move |row| row.kind == kind)
    };
    assert_eq!((of("spsc").count(), of("vyukov").count()), (2, 4));
    for row in &measured.throughput {
        assert_eq!((row.lost, row.wrong), (0, 0), "{row:?}");
    }
    for row in of("lamport") {
        let expected = (row.mitems > 0.0).then_some(1.0);
        assert_eq!(row.ratio, expected, "the first of its setting");
    }
    let trips = |kind: &'static str| {
        measured
            .round_trips
            .iter()
            .filter(move |row| row.kind == kind)
    };
    assert_eq!((trips("pipe").count(), trips("vyukov").count()), (4, 2));
    assert_eq!(trips("spsc-batch").count(), 0);
}

/// A queue between threads that breaks in the way that its number says.
struct Flawed<const HOW: u8>;

/// Its ends.
struct End<const HOW: u8, const W: usize> {
    items: Arc<Mutex<VecDeque<Item<W>>>>,
    passed: u64,
    opened: Instant,
}

impl<const HOW: u8> Contestant for Flawed<HOW> {
    type Handle<const W: usize> = Arc<Mutex<VecDeque<Item<W>>>>;
    type Sender<const W: usize> = End<HOW, W>;
    type Receiver<const W: usize> = End<HOW, W>;
    const NAME: &'static str = "flawed";
    const CAN: Can = Can::MANY_TO_MANY.spinning();

    fn create<const W: usize>(_shape: Shape) -> Result<Self::Handle<W>, Failure> {
        Ok(Arc::default())
    }
    fn sender<const W: usize>(
        handle: &Self::Handle<W>,
        _idle: Idle,
    ) -> Result<Self::Sender<W>, Failure> {
        let items = Arc::clone(handle);
        Ok(End {
            items,
            passed: 0,
            opened: Instant::now(),
        })
    }
    fn receiver<const W: usize>(
        handle: &Self::Handle<W>,
        idle: Idle,
    ) -> Result<Self::Receiver<W>, Failure> {
        Self::sender(handle, idle)
    }
}

const SOUND: u8 = 0;
const LOSES: u8 = 1;
const TURNS: u8 = 2;
const REFUSES: u8 = 3;
const LATE: u8 = 4;
/// More than a run is measured for.
const LONG: Duration = Duration::from_millis(150);

impl<const HOW: u8, const W: usize> Sender<W> for End<HOW, W> {
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        let mut items = self.items.lock().unwrap();
        if items.len() > 100 {
            return Ok(false);
        }
        self.passed += 1;
        match HOW {
            REFUSES if self.passed == 50 => return Err(Failure::worker("no luck")),
            LOSES if self.passed == 50 => {}
            TURNS if self.passed == 50 => items.push_front(*item),
            _ => items.push_back(*item),
        }
        Ok(true)
    }
    fn send(&mut self, _item: &Item<W>) -> Result<(), Failure> {
        unreachable!()
    }
}

impl<const HOW: u8, const W: usize> Receiver<W> for End<HOW, W> {
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        let mut items = self.items.lock().unwrap();
        // So that two can be turned.
        let wait = HOW == TURNS && self.passed == 0 && items.len() < 60;
        if wait || HOW == LATE && self.opened.elapsed() < LONG {
            return Ok(None);
        }
        self.passed += 1;
        Ok(items.pop_front())
    }
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        unreachable!()
    }
}

fn flawed<const HOW: u8>() -> Result<Sample, Failure> {
    let kind = Kind::threads::<Flawed<HOW>>("");
    (kind.throughput)(&setting(&kind, 1, 1, Idle::Spin))
}

#[test]
fn threads_are_measured_by_the_same_loops() {
    assert!(balances(&flawed::<SOUND>().unwrap()));
    let kind = Kind::threads::<Flawed<SOUND>>("");
    assert!(some_times(&kind, Idle::Spin).at(1.0) > Some(0));
}

#[test]
fn what_is_lost_or_out_of_order_is_found() {
    let sample = flawed::<LOSES>().unwrap();
    assert_eq!((sample.sent - sample.received, sample.wrong), (1, 1));
    let sample = flawed::<TURNS>().unwrap();
    assert_eq!(sample.sent, sample.received);
    assert!(sample.wrong > 0);
}

#[test]
fn a_run_in_whose_time_nothing_passes_is_measured_on() {
    let sample = flawed::<LATE>().unwrap();
    assert!(balances(&sample), "{sample:?}");
    assert!(sample.items.iter().sum::<u64>() > 0, "{sample:?}");
    let kind = Kind::threads::<Flawed<LATE>>("");
    let trips = (kind.round_trip)(&setting(&kind, 1, 1, Idle::Spin)).unwrap();
    assert!(!trips.times.is_empty(), "no trip was waited for");
}

#[test]
fn a_worker_that_fails_ends_the_run_with_what_it_said() {
    let failure = flawed::<REFUSES>().unwrap_err();
    assert!(failure.to_string().contains("no luck"), "{failure}");
}

fn never_ends(_: ()) -> Result<(), String> {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_worker_that_does_not_end_is_not_waited_for() {
    process::init_test("crossdock_worker");
    let mut workers = Workers::new();
    workers.add(process::spawn(never_ends, ()).unwrap());
    let failure = workers.join_within(Duration::from_millis(10)).unwrap_err();
    assert!(failure.to_string().contains("did not end"), "{failure}");
}
