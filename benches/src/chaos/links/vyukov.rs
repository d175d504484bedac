//! Vyukov's ring, of the yardsticks.

use crate::yardstick::{VyukovEnd, VyukovRing};
use crossdock_cli::Failure;

use super::{CAPACITY, Item, Link, WORDS, tries};

/// It tries.
pub(crate) struct Vyukov;

impl Link for Vyukov {
    type Handle = VyukovRing<WORDS>;
    type Sender = VyukovEnd<WORDS>;
    type Receiver = VyukovEnd<WORDS>;
    const NAME: &'static str = "vyukov";

    fn create() -> Result<VyukovRing<WORDS>, Failure> {
        VyukovRing::new(CAPACITY)
    }
    fn sender(ring: &VyukovRing<WORDS>) -> Result<VyukovEnd<WORDS>, Failure> {
        Ok(ring.open())
    }
    fn receiver(ring: &VyukovRing<WORDS>) -> Result<VyukovEnd<WORDS>, Failure> {
        Ok(ring.open())
    }
    fn send(sender: &mut VyukovEnd<WORDS>, item: &Item) -> Result<bool, Failure> {
        let sent = tries(|| Ok(sender.push(item).then_some(())))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut VyukovEnd<WORDS>) -> Result<Option<Item>, Failure> {
        tries(|| Ok(receiver.pop()))
    }
}
