//! The queues that are tried. A call of theirs comes back after a while: its process looks then
//! whether it is to end.

#[cfg(feature = "foreign")]
pub(super) mod foreign;
pub(super) mod kernel;
pub(super) mod ours;
pub(super) mod vyukov;

use std::time::Duration;

use crate::queues::{self, Idle, Shape};
use crossdock_cli::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many words an item has: so many that its copying takes a while, in which a kill can hit.
pub(super) const WORDS: usize = 128;

/// What is sent.
pub(super) type Item = queues::Item<WORDS>;

/// A queue between processes.
pub(crate) trait Link: Sized + 'static {
    /// What travels to the processes that use it.
    type Handle: Clone + Serialize + DeserializeOwned + 'static;
    type Sender;
    type Receiver;

    /// Its name among the entrants.
    const NAME: &'static str;
    /// How many processes send, and how many receive.
    const SENDERS: usize = 2;
    const RECEIVERS: usize = 2;

    /// Makes one for about [`CAPACITY`] items.
    fn create() -> Result<Self::Handle, Failure>;
    fn sender(handle: &Self::Handle) -> Result<Self::Sender, Failure>;
    fn receiver(handle: &Self::Handle) -> Result<Self::Receiver, Failure>;

    /// Sends; false if there was no room for a while.
    fn send(sender: &mut Self::Sender, item: &Item) -> Result<bool, Failure>;

    /// Receives; `None` if nothing was there for a while.
    fn recv(receiver: &mut Self::Receiver) -> Result<Option<Item>, Failure>;
}

/// Few, so that the traffic comes round to a slot that was left behind.
pub(super) const CAPACITY: u32 = 64;
/// How long a call waits.
const SLICE: Duration = Duration::from_millis(10);
/// How often a call tries that does not wait, and how often before it lets others run.
const TRIES: u32 = 2_000;
const PATIENCE: u32 = 200;

fn shape(idle: Idle) -> Shape {
    Shape {
        capacity: CAPACITY,
        producers: 2,
        consumers: 2,
        idle,
    }
}

/// Tries so often.
fn tries<T>(mut once: impl FnMut() -> Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    for count in 1..=TRIES {
        if let Some(done) = once()? {
            return Ok(Some(done));
        }
        std::hint::spin_loop();
        if count % PATIENCE == 0 {
            std::thread::yield_now();
        }
    }
    Ok(None)
}
