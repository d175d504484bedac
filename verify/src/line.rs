//! Work queues of all kinds, as the rigs use them: every message is made of a word.

mod channel;

use std::io::Write;
use std::time::Duration;

pub(crate) use channel::Task;
use crossdock::bytemuck::Pod;
use crossdock::queue::{
    ByteQueue, CountError, Countable, Delivery, ReceiverOf, RecvError, RecvTimeoutError, SendError,
    SendTimeoutError, SenderOf, TryRecvError, TrySendError, WaitIdleError, WorkQueue,
};
use crossdock::{Fault, Payload};

/// A message that is a value.
pub(crate) trait Message: Payload + Pod {
    fn of(word: u64) -> Self;

    /// The word; `None` if this is not as it was made.
    fn word(&self) -> Option<u64>;
}

impl Message for u64 {
    fn of(word: u64) -> Self {
        word
    }

    fn word(&self) -> Option<u64> {
        Some(*self)
    }
}

/// What is not done, and why.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no room, or nothing to receive, just now or within the time that was given.
    Nothing,
    /// No process is at the other side any more, or the queue is closed.
    Gone,
    /// What must not be.
    Wrong(String),
}

impl Refused {
    fn wrong(error: impl std::error::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// How long to wait for it: not at all, so long, or as long as it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    Try,
    For(Duration),
    Ever,
}

/// A message in a holder's hands.
pub(crate) trait Held {
    /// Its word; `None` if it is not as it was sent.
    fn word(&self) -> Option<u64>;
    fn attempt(&self) -> u8;
    fn ack(self) -> Result<(), Fault>;
    fn nack(self, delay: Duration) -> Result<(), Fault>;
    fn reject(self) -> Result<(), Fault>;
}

/// A work queue.
pub(crate) trait Line: Countable {
    type Held<'q>: Held
    where
        Self: 'q;
    /// Whether there are messages that no process can read.
    const BREAKS: bool = false;

    fn send(&self, word: u64, patience: Patience) -> Result<(), Refused>;
    /// The same, by a loan: written where it is, and sent, or given up.
    fn send_loan(&self, word: u64, patience: Patience, gives_up: bool) -> Result<(), Refused>;
    /// Sends a message that no process can read: its receiver makes a dead letter of it, and takes
    /// the next one. `None` where there are none such.
    fn send_broken(&self, _word: u64, _patience: Patience) -> Option<Result<(), Refused>> {
        None
    }
    fn receive(&self, patience: Patience) -> Result<Self::Held<'_>, Refused>;
    fn letter(&self) -> Result<Option<Self::Held<'_>>, RecvError>;
    fn wait_idle(&self, patience: Patience) -> Result<(), WaitIdleError>;
    fn is_idle(&self) -> bool;
    /// How many cells are free.
    fn room(&self) -> u64;
    /// How many there are.
    fn capacity(&self) -> u64;
    /// How many the message of a word takes.
    fn cells(&self, word: u64) -> u64;
    fn max_attempts(&self) -> u8;
    fn close(&self);
    fn is_closed(&self) -> bool;
    fn count_sender(&self) -> Result<SenderOf<Self>, CountError>;
    fn count_receiver(&self) -> Result<ReceiverOf<Self>, CountError>;
}

/// What the errors of one kind say.
macro_rules! refusals {
    ($($error:ty [$($value:ident)?] $nothing:pat => $gone:pat,)+) => {$(
        impl$(<$value>)? From<$error> for Refused {
            fn from(error: $error) -> Self {
                match error {
                    $nothing => Self::Nothing,
                    $gone => Self::Gone,
                    error => Self::Wrong(error.to_string()),
                }
            }
        }
    )+};
}

refusals! {
    TrySendError<T> [T] TrySendError::Full(_) | TrySendError::Busy(_) => TrySendError::Disconnected(_),
    SendTimeoutError<T> [T] SendTimeoutError::Timeout(_) => SendTimeoutError::Disconnected(_),
    TryRecvError [] TryRecvError::Empty | TryRecvError::Busy => TryRecvError::Disconnected,
    RecvTimeoutError [] RecvTimeoutError::Timeout => RecvTimeoutError::Disconnected,
}

impl<T> From<SendError<T>> for Refused {
    fn from(error: SendError<T>) -> Self {
        SendTimeoutError::from(error).into()
    }
}

impl From<RecvError> for Refused {
    fn from(error: RecvError) -> Self {
        RecvTimeoutError::from(error).into()
    }
}

/// Gives the processor away, so that kills and stops find a process with a loan.
fn dawdle() {
    std::thread::yield_now();
}

/// What is the same for all kinds.
macro_rules! common {
    () => {
        fn wait_idle(&self, patience: Patience) -> Result<(), WaitIdleError> {
            match patience {
                Patience::Try => self.wait_idle_timeout(Duration::ZERO),
                Patience::For(time) => self.wait_idle_timeout(time),
                Patience::Ever => Ok(self.wait_idle()?),
            }
        }

        fn is_idle(&self) -> bool {
            self.is_idle()
        }

        fn room(&self) -> u64 {
            self.free_capacity()
        }

        fn capacity(&self) -> u64 {
            self.capacity()
        }

        fn max_attempts(&self) -> u8 {
            self.max_attempts()
        }

        fn close(&self) {
            self.close();
        }

        fn is_closed(&self) -> bool {
            self.is_closed()
        }

        fn count_sender(&self) -> Result<SenderOf<Self>, CountError> {
            self.sender()
        }

        fn count_receiver(&self) -> Result<ReceiverOf<Self>, CountError> {
            self.receiver()
        }
    };
}
use common;

impl<T: Message> Line for WorkQueue<T> {
    type Held<'q>
        = Delivery<'q, T>
    where
        Self: 'q;

    fn send(&self, word: u64, patience: Patience) -> Result<(), Refused> {
        let value = T::of(word);
        match patience {
            Patience::Try => self.try_send(value)?,
            Patience::For(time) => self.send_timeout(value, time)?,
            Patience::Ever => self.send(value)?,
        }
        Ok(())
    }

    fn send_loan(&self, word: u64, patience: Patience, gives_up: bool) -> Result<(), Refused> {
        let mut loan = match patience {
            Patience::Try => self.try_loan()?,
            Patience::For(time) => self.loan_timeout(time)?,
            Patience::Ever => self.loan()?,
        };
        *loan = T::of(word);
        dawdle();
        if gives_up {
            return Err(Refused::Nothing);
        }
        loan.send()?;
        Ok(())
    }

    fn receive(&self, patience: Patience) -> Result<Delivery<'_, T>, Refused> {
        Ok(match patience {
            Patience::Try => self.try_recv()?,
            Patience::For(time) => self.recv_timeout(time)?,
            Patience::Ever => self.recv()?,
        })
    }

    fn letter(&self) -> Result<Option<Delivery<'_, T>>, RecvError> {
        self.dead_letters().take()
    }

    fn cells(&self, _: u64) -> u64 {
        1
    }

    common!();
}

impl<T: Message> Held for Delivery<'_, T> {
    fn word(&self) -> Option<u64> {
        T::word(self)
    }

    fn attempt(&self) -> u8 {
        self.attempt()
    }

    fn ack(self) -> Result<(), Fault> {
        self.ack()
    }

    fn nack(self, delay: Duration) -> Result<(), Fault> {
        self.nack(delay)
    }

    fn reject(self) -> Result<(), Fault> {
        self.reject()
    }
}

/// The most cells that a message of bytes takes.
const MOST_CELLS: u64 = 6;
/// The fewest bytes of a message: its word, and its length.
const LEAST: usize = 16;

/// The bytes that a word stands for: itself, how many they are, and what follows from it.
fn bytes(word: u64, most: usize) -> Vec<u8> {
    let mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = LEAST + usize::try_from(mixed >> 40).unwrap_or(0) % (most - LEAST + 1);
    let mut bytes = Vec::with_capacity(len + 8);
    bytes.extend(word.to_le_bytes());
    bytes.extend((len as u64).to_le_bytes());
    let mut next = mixed;
    while bytes.len() < len {
        bytes.extend(next.to_le_bytes());
        next = next.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23);
    }
    bytes.truncate(len);
    bytes
}

/// The longest message that is sent to a queue of bytes.
fn most(queue: &ByteQueue) -> usize {
    let cells = usize::try_from(queue.capacity().min(MOST_CELLS)).unwrap_or(1);
    cells * queue.cell_size()
}

impl Line for ByteQueue {
    type Held<'q> = BytesHeld<'q>;

    fn send(&self, word: u64, patience: Patience) -> Result<(), Refused> {
        let bytes = bytes(word, most(self));
        match patience {
            Patience::Try => self.try_send(&bytes)?,
            Patience::For(time) => self.send_timeout(&bytes, time)?,
            Patience::Ever => self.send(&bytes)?,
        }
        Ok(())
    }

    fn send_loan(&self, word: u64, patience: Patience, gives_up: bool) -> Result<(), Refused> {
        let bytes = bytes(word, most(self));
        let mut loan = match patience {
            Patience::Try => self.try_loan(bytes.len())?,
            Patience::For(time) => self.loan_timeout(bytes.len(), time)?,
            Patience::Ever => self.loan(bytes.len())?,
        };
        loan.write_all(&bytes).map_err(Refused::wrong)?;
        dawdle();
        if gives_up {
            return Err(Refused::Nothing);
        }
        loan.send()?;
        Ok(())
    }

    fn receive(&self, patience: Patience) -> Result<BytesHeld<'_>, Refused> {
        let delivery = match patience {
            Patience::Try => self.try_recv()?,
            Patience::For(time) => self.recv_timeout(time)?,
            Patience::Ever => self.recv()?,
        };
        Ok(BytesHeld(delivery, most(self)))
    }

    fn letter(&self) -> Result<Option<BytesHeld<'_>>, RecvError> {
        let letter = self.dead_letters().take()?;
        Ok(letter.map(|letter| BytesHeld(letter, most(self))))
    }

    fn cells(&self, word: u64) -> u64 {
        let len = bytes(word, most(self)).len();
        len.div_ceil(self.cell_size()) as u64
    }

    common!();
}

/// A message of bytes in a holder's hands, and how long they may be.
pub(crate) struct BytesHeld<'q>(Delivery<'q, [u8]>, usize);

impl Held for BytesHeld<'_> {
    fn word(&self) -> Option<u64> {
        let mut word = [0; 8];
        self.0.copy_to(&mut word);
        let word = u64::from_le_bytes(word);
        let expected = bytes(word, self.1);
        let mut rest = &expected[..];
        for part in self.0.parts() {
            rest = rest.strip_prefix(part)?;
        }
        rest.is_empty().then_some(word)
    }

    fn attempt(&self) -> u8 {
        self.0.attempt()
    }

    fn ack(self) -> Result<(), Fault> {
        self.0.ack()
    }

    fn nack(self, delay: Duration) -> Result<(), Fault> {
        self.0.nack(delay)
    }

    fn reject(self) -> Result<(), Fault> {
        self.0.reject()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_long_as_they_may_be() {
        let lens = (0..500).map(|word| bytes(word, 40).len());
        assert_eq!(lens.clone().min(), Some(LEAST));
        assert_eq!(lens.max(), Some(40));
    }

    #[test]
    fn other_words_are_other_bytes() {
        assert_ne!(bytes(1, 40)[16..], bytes(2, 40)[16..]);
    }
}
