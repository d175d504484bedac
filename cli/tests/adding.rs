//! Contention, with real processes.

use std::time::Duration;

use crossdock::process;
use crossdock_cli::Failure;
use crossdock_cli::contention::{Contestant, KINDS, Kind, Plan, Setting, ThreadContestant, run};
use crossdock_cli::memory::Memory;
use crossdock_cli::pin::Pin;
use crossdock_cli::work::Work;
use crossdock_cli::yardstick::FutexLock;

#[test]
fn crossdock_worker() {
    process::init();
}

fn setting(processes: u32) -> Setting {
    process::init_test("crossdock_worker");
    Setting {
        processes,
        pin: Pin::Free,
        time: Duration::from_millis(20),
        inside: Work::none(),
        outside: Work::none(),
        latency: false,
    }
}

#[test]
fn every_kind_but_the_racy_one_loses_nothing() {
    for kind in KINDS.iter().filter(|kind| kind.name != "racy") {
        let sample = (kind.run)(&setting(3)).unwrap();
        assert_eq!(sample.found, sample.expected, "{}", kind.name);
        assert_eq!(sample.ops.len(), 3);
        assert!(sample.expected >= sample.ops.iter().sum(), "{}", kind.name);
        assert!(sample.expected > 0, "{}", kind.name);
        assert!(sample.elapsed >= Duration::from_millis(20));
    }
}

#[test]
fn the_racy_kind_never_counts_too_much() {
    let racy = KINDS.iter().find(|kind| kind.name == "racy").unwrap();
    let sample = (racy.run)(&setting(3)).unwrap();
    assert!(sample.found <= sample.expected);
}

#[test]
fn latencies_are_those_of_the_additions() {
    let mutex = KINDS.iter().find(|kind| kind.name == "mutex").unwrap();
    let setting = Setting {
        latency: true,
        ..setting(2)
    };
    let sample = (mutex.run)(&setting).unwrap();
    let times = sample.latency.unwrap();
    assert!(!times.is_empty() && times.len() <= sample.expected);
    assert!(times.at(0.5) <= times.at(0.99));
}

#[test]
fn a_plan_gives_a_row_for_each_kind_and_number() {
    let Setting { pin, time, .. } = setting(1);
    let plan = Plan {
        kinds: KINDS.to_vec(),
        processes: vec![1, 2],
        runs: 2,
        pin,
        time,
        inside: Work::none(),
        outside: Work::none(),
        latency: false,
    };
    let rows = run(&plan, &mut |_| ()).unwrap();
    assert_eq!(rows.len(), 2 * KINDS.len());
    for row in rows.iter().filter(|row| row.kind != "racy") {
        assert_eq!(row.lost, 0, "{}", row.kind);
        // A busy machine may come to no addition in the time.
        assert_eq!(row.mops > 0.0, row.ns_per_op.is_finite(), "{}", row.kind);
        assert!((0.0..=1.0).contains(&row.fairness));
    }
}

#[derive(Default)]
struct Threads(std::sync::atomic::AtomicU64);

impl ThreadContestant for Threads {
    const NAME: &'static str = "threads";
    fn add(&self, _inside: Work) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn total(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn threads_are_measured_by_the_same_loop() {
    let sample = (Kind::threads::<Threads>("").run)(&setting(3)).unwrap();
    assert_eq!(sample.found, sample.expected);
    assert_eq!(sample.ops.len(), 3);
    assert!(sample.expected > 0);
}

/// A contestant that breaks in the way that its name says.
struct Broken<const WHEN: u8>;

impl<const WHEN: u8> Contestant for Broken<WHEN> {
    type Handle = ();
    const NAME: &'static str = "broken";

    fn create(_processes: u32) -> Result<(), Failure> {
        Ok(())
    }
    fn attach((): &()) -> Result<Self, Failure> {
        match WHEN {
            0 => Err(Failure::Worker("no room".to_owned())),
            1 => std::process::abort(),
            _ => Ok(Self),
        }
    }
    fn add(&self, _inside: Work) -> Result<(), Failure> {
        match WHEN {
            2 => Err(Failure::Worker("no luck".to_owned())),
            _ => std::process::abort(),
        }
    }
    fn total((): &()) -> Result<u64, Failure> {
        Ok(0)
    }
}

#[test]
fn a_worker_that_fails_ends_the_run_with_what_it_said() {
    let failure = |kind: Kind| (kind.run)(&setting(2)).unwrap_err().to_string();
    assert!(failure(Kind::of::<Broken<0>>("")).contains("no room"));
    assert!(failure(Kind::of::<Broken<1>>("")).contains("signal"));
    assert!(failure(Kind::of::<Broken<2>>("")).contains("no luck"));
    assert!(failure(Kind::of::<Broken<3>>("")).contains("signal"));
}

/// A lock whose first owner dies with it, and the others wait forever.
struct Deadly(Memory);

impl Contestant for Deadly {
    type Handle = Memory;
    const NAME: &'static str = "deadly";

    fn create(_processes: u32) -> Result<Memory, Failure> {
        Memory::new(4096)
    }
    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self(memory.clone()))
    }
    fn add(&self, _inside: Work) -> Result<(), Failure> {
        // SAFETY: mapped while `self` lives; zeros are a free lock.
        unsafe { self.0.at::<FutexLock>(0).as_ref() }.lock();
        std::process::abort()
    }
    fn total(_memory: &Memory) -> Result<u64, Failure> {
        Ok(0)
    }
}

#[test]
fn those_who_wait_for_a_dead_worker_are_not_waited_for() {
    let failure = (Kind::of::<Deadly>("").run)(&setting(4)).unwrap_err();
    assert!(failure.to_string().contains("signal"), "{failure}");
}
