//! What all processes of a demo share, and how it reaches them.

use std::fmt::Display;
use std::time::Duration;

use crossdock::queue::{
    ByteOptions, Channel, Delivery, Encoded, RecvError, SendTimeoutError, SenderOf, WaitIdleError,
};
use crossdock::sync::TryLockError;
use crossdock::{Counter, Mutex, Segment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Failure;

/// How many cells each of the two queues has: few, so that those who send wait for those who work.
const CELLS: u64 = 64;
/// How long the giver waits before it looks whether the driver is there.
const LOOK: Duration = Duration::from_millis(50);

/// What the processes tell the driver.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Something to be read.
    Said(String),
    /// A worker has a message in hand, and waits to be killed.
    InHand { worker: u32, message: String },
    /// A message is done.
    Done {
        message: String,
        attempt: u8,
        line: String,
    },
}

/// The handles that each process gets.
#[derive(Serialize, Deserialize)]
#[serde(bound = "M: Serialize + DeserializeOwned + 'static")]
pub(crate) struct Place<M> {
    pub(crate) messages: Channel<M>,
    pub(crate) log: Channel<Event>,
    /// How many messages were acknowledged.
    pub(crate) acknowledged: Counter,
    /// Held by the driver while it lives: who waits for it to act waits for this, and is told when it
    /// dies.
    pub(crate) driver: Mutex<()>,
}

impl<M> Clone for Place<M> {
    fn clone(&self) -> Self {
        Self {
            messages: self.messages.clone(),
            log: self.log.clone(),
            acknowledged: self.acknowledged.clone(),
            driver: self.driver.clone(),
        }
    }
}

/// A process that ended before its time says why.
pub(crate) type Ended = Result<(), String>;

fn why(error: impl Display) -> String {
    error.to_string()
}

impl<M: Serialize + DeserializeOwned + 'static> Place<M> {
    pub(crate) fn new() -> Result<Self, Failure> {
        let segment = Segment::anonymous()?;
        let options = ByteOptions::new(CELLS);
        Ok(Self {
            messages: segment.create("messages", options)?,
            log: segment.create("log", options)?,
            acknowledged: segment.create("acknowledged", 0)?,
            driver: segment.create("driver", ())?,
        })
    }

    /// Tells the driver something.
    pub(crate) fn tell(&self, event: &Event) -> Ended {
        self.log.send(event).map_err(why)
    }

    pub(crate) fn say(&self, line: String) -> Ended {
        self.tell(&Event::Said(line))
    }

    /// Has this process counted as one that gives messages: when it has gone, and nothing is left or
    /// in anybody's hands, the workers are told so.
    pub(crate) fn giver(&self) -> Result<SenderOf<Channel<M>>, String> {
        self.messages.sender().map_err(why)
    }

    /// Sends a message, waiting for room unless the driver is gone.
    pub(crate) fn send(&self, message: &M) -> Ended {
        loop {
            match self.messages.send_timeout(message, LOOK) {
                Err(SendTimeoutError::Timeout(())) if self.has_driver() => {}
                outcome => return outcome.map_err(why),
            }
        }
    }

    /// Waits until all messages are done, or the driver is gone.
    pub(crate) fn wait_until_done(&self) -> Ended {
        loop {
            match self.messages.wait_idle_timeout(LOOK) {
                Err(WaitIdleError::Timeout) if self.has_driver() => {}
                outcome => return outcome.map_err(why),
            }
        }
    }

    fn has_driver(&self) -> bool {
        matches!(self.driver.try_lock(), Err(TryLockError::WouldBlock { .. }))
    }

    /// The next message; `None` if nothing is left and nobody gives any.
    pub(crate) fn next(&self) -> Result<Option<Delivery<'_, Encoded<M>>>, String> {
        match self.messages.recv() {
            Ok(message) => Ok(Some(message)),
            Err(RecvError::Disconnected) => Ok(None),
            Err(error) => Err(why(error)),
        }
    }

    /// Waits, with a message in hand, until the driver kills this process.
    pub(crate) fn wait_to_be_killed(&self, worker: u32, message: &str) -> Ended {
        self.tell(&Event::InHand {
            worker,
            message: message.to_owned(),
        })?;
        let gone = self.driver.lock();
        Err(match gone {
            Ok(_) => "was not killed".to_owned(),
            Err(error) => why(error),
        })
    }

    /// Notes that a message is done, and acknowledges it. Killed between the two, a worker would have
    /// it done again: who must not do that looks whether it is noted.
    pub(crate) fn done(
        &self,
        held: Delivery<'_, Encoded<M>>,
        message: String,
        line: String,
    ) -> Ended {
        self.tell(&Event::Done {
            message,
            attempt: held.attempt(),
            line,
        })?;
        held.ack().map_err(why)?;
        self.acknowledged.add(1);
        Ok(())
    }
}
