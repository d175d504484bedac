//! Queues: processes pass items to each other, as fast as they can.
//!
//! **Throughput**: producers send, consumers receive, for some time. An item carries its producer's
//! number and its place in that producer's sequence, in its first word and its last; its consumer
//! checks both: the next place if there is no other consumer, a later one otherwise. At the end
//! what was sent is compared with what was received.
//!
//! **Round trips**: one process sends an item through a queue, and another sends it back through a
//! second one. Each trip is timed.
//!
//! The workers are separate processes (but for queues between threads). Each pins itself, opens its
//! end, and meets the others.

mod contestant;
mod kinds;
mod pause;
mod plan;
mod round_trip;
mod throughput;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crossdock_cli::Failure;
use crossdock_cli::pin::Pin;
use crossdock_cli::times::Times;

pub use contestant::{Can, Contestant, Idle, Item, Receiver, SIZES, Sender, Shape, cannot_wait};
pub use kinds::KINDS;
pub use plan::{Measured, Plan, Row, Step, TripRow, run};

/// How long workers may take to end once they were told to. A queue that loses the last item lets
/// its receiver wait forever.
const PATIENCE: Duration = Duration::from_secs(30);

/// A contestant in a plan, whatever its type.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// What it can do.
    pub can: Can,
    /// Whether items are sent and received several at once. Such a kind makes no round trips.
    pub batched: bool,
    /// How often it is run at most in a plan that has more runs: for one whose runs cost more than
    /// the time that is measured.
    pub most_runs: u32,
    /// One run of throughput.
    pub throughput: fn(&Setting) -> Result<Sample, Failure>,
    /// One run of round trips.
    pub round_trip: fn(&Setting) -> Result<Trips, Failure>,
}

/// A run with items of the setting's size: one of [`SIZES`].
macro_rules! sized {
    ($contestant:ident, $what:ident::$workers:ident) => {
        |setting| match setting.size {
            8 => $what::$workers::<$contestant, 1>(setting),
            64 => $what::$workers::<$contestant, 8>(setting),
            1024 => $what::$workers::<$contestant, 128>(setting),
            other => Err(no_such_size(other)),
        }
    };
}

impl Kind {
    /// A kind whose workers are processes.
    pub const fn of<C: Contestant>(about: &'static str) -> Self
    where
        C::Handle<1>: Serialize + DeserializeOwned,
        C::Handle<8>: Serialize + DeserializeOwned,
        C::Handle<128>: Serialize + DeserializeOwned,
    {
        Self {
            name: C::NAME,
            about,
            can: C::CAN,
            batched: false,
            most_runs: u32::MAX,
            throughput: sized!(C, throughput::processes),
            round_trip: sized!(C, round_trip::processes),
        }
    }

    /// A kind whose workers are threads of one process.
    pub const fn threads<C: Contestant>(about: &'static str) -> Self
    where
        C::Handle<1>: Send + Sync,
        C::Handle<8>: Send + Sync,
        C::Handle<128>: Send + Sync,
    {
        Self {
            name: C::NAME,
            about,
            can: C::CAN,
            batched: false,
            most_runs: u32::MAX,
            throughput: sized!(C, throughput::threads),
            round_trip: sized!(C, round_trip::threads),
        }
    }

    /// The same, but run so often at most, whatever a plan says.
    #[must_use]
    pub const fn at_most(self, most_runs: u32) -> Self {
        Self { most_runs, ..self }
    }

    /// The same with several items at once, which is done in tries.
    #[must_use]
    pub const fn batched(self, name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            can: self.can.spinning(),
            batched: true,
            ..self
        }
    }
}

#[cold]
fn no_such_size(size: u32) -> Failure {
    Failure::Worker(format!("no items of {size} bytes are measured"))
}

/// What one run is made with. A round trip is between two workers, whatever `queue` says.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What the queue is made for.
    pub shape: Shape,
    /// The size of an item in bytes: one of [`SIZES`].
    pub size: u32,
    /// How many items are sent, or received, at once at most.
    pub batch: u32,
    /// Where workers run: the producers, then the consumers.
    pub pin: Pin,
    /// How long is measured.
    pub time: Duration,
}

/// What one run of throughput came to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// For each consumer, how many items it received in the time that was measured.
    pub items: Vec<u64>,
    /// That time.
    pub elapsed: Duration,
    /// How many items were sent, from the beginning to the end.
    pub sent: u64,
    /// How many were received.
    pub received: u64,
    /// How many of those were not what was expected: out of order, doubled, behind a gap, or torn.
    pub wrong: u64,
}

impl Sample {
    /// Wall clock for each item; infinite if there was none.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count for a rate; 52 bits are plenty"
    )]
    pub fn ns_per_item(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e9 / self.items.iter().sum::<u64>() as f64
    }
}

/// What one run of round trips came to.
#[derive(Clone, Debug)]
pub struct Trips {
    /// How long they took, those of the time that was measured.
    pub times: Times,
}
