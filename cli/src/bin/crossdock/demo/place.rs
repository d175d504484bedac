//! The entries that all processes of a demo share.

use std::fmt::Display;
use std::time::Duration;

use crossdock::queue::{
    ByteOptions, Channel, Delivery, Encoded, ReceiverOf, RecvError, SendTimeoutError, SenderOf,
    WaitIdleError,
};
use crossdock::sync::TryLockError;
use crossdock::{Counter, Mutex, Segment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Failure;

/// The capacity of each of the two queues: small, so that senders wait for workers.
const CELLS: u64 = 64;
/// The interval at which the sender checks whether the driver is alive.
const LOOK: Duration = Duration::from_millis(50);

/// A report of a process to the driver.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A line of text.
    Line(String),
    /// A worker holds a message, and waits to be killed.
    InHand { worker: u32, message: String },
    /// A message is completed.
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
    /// The number of acknowledged messages.
    pub(crate) acknowledged: Counter,
    /// Held by the driver while it is alive: a process that waits for the driver waits for this
    /// lock, and is told when the driver dies.
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

/// A sender and a receiver of the messages.
pub(crate) type Ends<M> = (SenderOf<Channel<M>>, ReceiverOf<Channel<M>>);

/// Receives the next message; `None` if none is left and there is no sender.
pub(crate) fn next<M: Serialize + DeserializeOwned + 'static>(
    from: &ReceiverOf<Channel<M>>,
) -> Result<Option<Delivery<'_, Encoded<M>>>, String> {
    match from.recv() {
        Ok(message) => Ok(Some(message)),
        Err(RecvError::Disconnected) => Ok(None),
        Err(error) => Err(why(error)),
    }
}

/// The error of a process that exited early.
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

    /// Sends a report to the driver.
    pub(crate) fn tell(&self, event: &Event) -> Ended {
        self.log.send(event).map_err(why)
    }

    pub(crate) fn say(&self, line: String) -> Ended {
        self.tell(&Event::Line(line))
    }

    /// Takes a sender and a receiver of the messages, for the processes. When the sender's process
    /// has exited, and no message is pending or in flight, the workers are told so.
    pub(crate) fn ends(&self) -> Result<Ends<M>, Failure> {
        Ok((self.messages.sender()?, self.messages.receiver()?))
    }

    /// Sends a message, waiting for room unless the driver is gone.
    pub(crate) fn send(&self, to: &SenderOf<Channel<M>>, message: &M) -> Ended {
        loop {
            match to.send_timeout(message, LOOK) {
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

    /// Waits, holding a message, until the driver kills this process.
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

    /// Records that a message is completed, and acknowledges it. If the worker is killed between
    /// the two, the message is processed again: a worker that must not do so checks the record.
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
