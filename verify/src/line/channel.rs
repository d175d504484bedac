//! Channels, as the rigs use them: the value of a word, and values that are of another program's
//! type.

use std::time::Duration;

use crossdock::Fault;
use crossdock::queue::{
    Channel, CountError, Delivery, Encoded, ReceiverOf, RecvError, RecvTimeoutError, SenderOf,
    TryRecvError, WaitIdleError,
};
use serde::{Deserialize, Serialize};

use super::{Held, LEAST, Line, MOST_CELLS, Patience, Refused, bytes, common};

/// A value that is made of a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// No process sends it: so that the others are not the first.
    Nothing,
    /// The word's bytes, and what follows from it.
    Word { word: [u8; 8], rest: Vec<u8> },
}

/// As postcard has it: which variant it is, the word, and the length of the rest, which is below
/// 128.
const HEAD: usize = 1 + 8 + 1;
const MOST_REST: usize = 127;
/// Where [`Task::Word`] stands among the variants, and one that there is none of.
const WORD: u8 = 1;
const BROKEN: u8 = 9;

/// The longest rest of a value in this channel.
fn most(channel: &Channel<Task>) -> usize {
    let cells = usize::try_from(channel.capacity().min(MOST_CELLS)).unwrap_or(1);
    (cells * channel.cell_size() - HEAD).clamp(LEAST, MOST_REST)
}

impl Task {
    fn of(word: u64, most: usize) -> Self {
        Self::Word {
            word: word.to_le_bytes(),
            rest: bytes(word, most),
        }
    }

    /// The word; `None` if this is not as it was made.
    fn word(&self, most: usize) -> Option<u64> {
        let Self::Word { word, .. } = self else {
            return None;
        };
        let word = u64::from_le_bytes(*word);
        (*self == Self::of(word, most)).then_some(word)
    }
}

/// What a value is sent as, of a variant.
fn message(word: u64, variant: u8, most: usize) -> Vec<u8> {
    let rest = bytes(word, most);
    let len = u8::try_from(rest.len()).unwrap_or(0);
    let mut message = vec![variant];
    message.extend(word.to_le_bytes());
    message.push(len);
    message.extend(rest);
    message
}

/// A value in a holder's hands, or a dead letter, and how long the rest may be.
pub(crate) enum ChannelHeld<'q> {
    Value(Delivery<'q, Encoded<Task>>, usize),
    Letter(Delivery<'q, [u8]>, usize),
}

impl Line for Channel<Task> {
    type Held<'q> = ChannelHeld<'q>;
    const BREAKS: bool = true;

    fn send(&self, word: u64, patience: Patience) -> Result<(), Refused> {
        let task = Task::of(word, most(self));
        match patience {
            Patience::Try => self.try_send(&task)?,
            Patience::For(time) => self.send_timeout(&task, time)?,
            Patience::Ever => self.send(&task)?,
        }
        Ok(())
    }

    /// A channel has no loans.
    fn send_loan(&self, word: u64, patience: Patience, gives_up: bool) -> Result<(), Refused> {
        if gives_up {
            return Err(Refused::Nothing);
        }
        Line::send(self, word, patience)
    }

    fn send_broken(&self, word: u64, patience: Patience) -> Option<Result<(), Refused>> {
        let message = message(word, BROKEN, most(self));
        let bytes = self.as_bytes();
        Some(match patience {
            Patience::Try => bytes.try_send(&message).map_err(Refused::from),
            Patience::For(time) => bytes.send_timeout(&message, time).map_err(Refused::from),
            Patience::Ever => bytes.send(&message).map_err(Refused::from),
        })
    }

    fn receive(&self, patience: Patience) -> Result<ChannelHeld<'_>, Refused> {
        loop {
            let held = match patience {
                Patience::Try => match self.try_recv() {
                    Err(TryRecvError::Invalid { .. }) => continue,
                    received => received?,
                },
                Patience::For(time) => match self.recv_timeout(time) {
                    Err(RecvTimeoutError::Invalid { .. }) => continue,
                    received => received?,
                },
                Patience::Ever => match self.recv() {
                    Err(RecvError::Invalid { .. }) => continue,
                    received => received?,
                },
            };
            return Ok(ChannelHeld::Value(held, most(self)));
        }
    }

    fn letter(&self) -> Result<Option<ChannelHeld<'_>>, RecvError> {
        let letter = self.dead_letters().take()?;
        Ok(letter.map(|letter| ChannelHeld::Letter(letter, most(self))))
    }

    fn cells(&self, word: u64) -> u64 {
        let len = message(word, WORD, most(self)).len();
        len.div_ceil(self.cell_size()) as u64
    }

    common!();
}

impl Held for ChannelHeld<'_> {
    fn word(&self) -> Option<u64> {
        match self {
            Self::Value(value, most) => value.word(*most),
            Self::Letter(letter, most) => {
                let found = letter.to_vec();
                let word = u64::from_le_bytes(*found.get(1..)?.first_chunk()?);
                let variants = [WORD, BROKEN];
                let is_it = variants.map(|variant| message(word, variant, *most) == found);
                is_it.contains(&true).then_some(word)
            }
        }
    }

    fn attempt(&self) -> u8 {
        match self {
            Self::Value(value, _) => value.attempt(),
            Self::Letter(letter, _) => letter.attempt(),
        }
    }

    fn ack(self) -> Result<(), Fault> {
        match self {
            Self::Value(value, _) => value.ack(),
            Self::Letter(letter, _) => letter.ack(),
        }
    }

    fn nack(self, delay: Duration) -> Result<(), Fault> {
        match self {
            Self::Value(value, _) => value.nack(delay),
            Self::Letter(letter, _) => letter.nack(delay),
        }
    }

    fn reject(self) -> Result<(), Fault> {
        match self {
            Self::Value(value, _) => value.reject(),
            Self::Letter(letter, _) => letter.reject(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crossdock::Segment;
    use crossdock::queue::ByteOptions;

    use super::*;

    #[test]
    fn a_message_is_what_is_sent_and_a_broken_one_is_a_dead_letter() {
        let segment = Segment::anonymous().expect("a segment");
        let options = ByteOptions::new(30).cell_size(16);
        let channel = segment
            .create::<Channel<Task>>("tasks", options)
            .expect("a channel");
        for word in [1, 77, u64::MAX] {
            Line::send(&channel, word, Patience::Try).expect("it is sent");
            let sent = channel.as_bytes().try_recv().expect("it is there");
            assert_eq!(sent.to_vec(), message(word, WORD, most(&channel)));
            let cells = channel.capacity() - channel.room();
            assert_eq!(cells, channel.cells(word));
            sent.ack().expect("it is held");
        }
        let broken = channel.send_broken(5, Patience::Try);
        broken.expect("there are such").expect("it is sent");
        Line::send(&channel, 6, Patience::Try).expect("it is sent");
        let held = channel.receive(Patience::Try).expect("the next one");
        assert_eq!(held.word(), Some(6));
        let letter = channel.letter().expect("it works").expect("a dead letter");
        assert_eq!(letter.word(), Some(5));
        letter.ack().expect("it is held");
    }
}
