//! What takes part: a way to pass items of a fixed size.

use serde::{Deserialize, Serialize};

use crossdock_cli::Failure;

/// An item of `8 * W` bytes.
pub type Item<const W: usize> = [u64; W];

/// The sizes that are measured, in bytes.
pub const SIZES: [u32; 3] = [8, 64, 1024];

/// What a worker does while there is no room, or no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// It tries again, by a rule that is the same for all contestants: a pause after each try, and
    /// the processor to others after 200 of them. So a ratio compares queues and not pauses.
    Spin,
    /// It waits as the contestant does that by itself, which may spin before it sleeps.
    Park,
}

/// What a contestant is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// How many items it shall hold: a power of two, at least 2. One whose size is not in items, as
    /// a pipe, keeps its own.
    pub capacity: u32,
    /// How many workers send.
    pub producers: u32,
    /// How many workers receive.
    pub consumers: u32,
    /// What they do when they cannot.
    pub idle: Idle,
}

impl Shape {
    /// How many workers send or receive.
    pub(super) fn workers(self) -> u32 {
        self.producers.saturating_add(self.consumers)
    }
}

/// What a contestant can do. It is left out of what it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Can {
    /// How many workers may send at most.
    pub producers: u32,
    /// How many workers may receive at most.
    pub consumers: u32,
    /// Whether it can try without waiting.
    pub spin: bool,
    /// Whether it can wait.
    pub park: bool,
}

impl Can {
    /// One producer, one consumer; it tries and waits.
    pub const ONE_TO_ONE: Self = Self {
        producers: 1,
        consumers: 1,
        spin: true,
        park: true,
    };
    /// Any number of both; it tries and waits.
    pub const MANY_TO_MANY: Self = Self {
        producers: u32::MAX,
        consumers: u32::MAX,
        ..Self::ONE_TO_ONE
    };

    /// The same, but for those that can only try.
    #[must_use]
    pub const fn spinning(self) -> Self {
        Self {
            park: false,
            ..self
        }
    }

    /// The same, but for those that can only wait.
    #[must_use]
    pub const fn parking(self) -> Self {
        Self {
            spin: false,
            ..self
        }
    }

    /// Whether it can take part with so many workers that idle so.
    pub fn take(self, producers: u32, consumers: u32, idle: Idle) -> bool {
        let waits = match idle {
            Idle::Spin => self.spin,
            Idle::Park => self.park,
        };
        waits && producers <= self.producers && consumers <= self.consumers
    }
}

/// One way to pass items from producers to consumers: each item to one of them, and those of one
/// producer in their order.
///
/// Between processes its handles travel: they are `Serialize` and `DeserializeOwned`. Between the
/// threads of one process they are `Send` and `Sync` instead.
pub trait Contestant: 'static {
    /// What a worker gets.
    type Handle<const W: usize>: Clone + 'static;
    /// The end of a producer.
    type Sender<const W: usize>: Sender<W>;
    /// The end of a consumer.
    type Receiver<const W: usize>: Receiver<W>;

    /// The kind's name, for options and for programs that read the result.
    const NAME: &'static str;
    /// What it can do.
    const CAN: Can;

    /// Makes it, empty. Called by the driver for each run; it keeps the handle until all workers
    /// have ended.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    fn create<const W: usize>(shape: Shape) -> Result<Self::Handle<W>, Failure>;

    /// Opens a producer's end. Called once by each worker that sends, before the run begins.
    ///
    /// # Errors
    ///
    /// If this process cannot use it.
    fn sender<const W: usize>(
        handle: &Self::Handle<W>,
        idle: Idle,
    ) -> Result<Self::Sender<W>, Failure>;

    /// Opens a consumer's end. Called once by each worker that receives, before the run begins.
    ///
    /// # Errors
    ///
    /// If this process cannot use it.
    fn receiver<const W: usize>(
        handle: &Self::Handle<W>,
        idle: Idle,
    ) -> Result<Self::Receiver<W>, Failure>;
}

/// The end of a producer.
pub trait Sender<const W: usize> {
    /// Sends an item if there is room now; whether there was. Called for [`Idle::Spin`].
    ///
    /// # Errors
    ///
    /// If it will never be sent; it ends the run.
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure>;

    /// Sends as many of the items as there is room for now, from the first on; how many. There is
    /// at least one.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    fn try_send_some(&mut self, items: &[Item<W>]) -> Result<usize, Failure> {
        Ok(usize::from(self.try_send(&items[0])?))
    }

    /// Sends an item, waiting for room. Called for [`Idle::Park`].
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure>;
}

/// The end of a consumer.
pub trait Receiver<const W: usize> {
    /// Receives an item, if there is one now. Called for [`Idle::Spin`].
    ///
    /// # Errors
    ///
    /// If there will never be one; it ends the run.
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure>;

    /// Receives as many items as are there now, into the first places of `items`; how many. There
    /// is at least one place.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    fn try_recv_some(&mut self, items: &mut [Item<W>]) -> Result<usize, Failure> {
        let Some(item) = self.try_recv()? else {
            return Ok(0);
        };
        items[0] = item;
        Ok(1)
    }

    /// Receives an item, waiting for one. Called for [`Idle::Park`].
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    fn recv(&mut self) -> Result<Item<W>, Failure>;
}

/// For those that can only try: [`Can::spinning`].
///
/// # Errors
///
/// Always.
#[cold]
pub fn cannot_wait<T>(kind: &str) -> Result<T, Failure> {
    Err(Failure::Worker(format!("{kind} cannot wait")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contestant_is_left_out_of_what_it_cannot() {
        let one = Can::ONE_TO_ONE;
        assert!(one.take(1, 1, Idle::Park) && !one.take(2, 1, Idle::Park));
        assert!(!one.take(1, 2, Idle::Spin));
        let many = Can::MANY_TO_MANY.spinning();
        assert!(many.take(9, 9, Idle::Spin) && !many.take(1, 1, Idle::Park));
    }
}
