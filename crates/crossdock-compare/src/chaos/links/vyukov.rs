//! Vyukov's ring, of the yardsticks.

use crossdock_bench::Failure;
use crossdock_bench::yardstick::{VyukovEnd, VyukovRing};

use super::{CAPACITY, Link, tries};

/// It tries.
pub(crate) struct Vyukov;

impl Link for Vyukov {
    type Handle = VyukovRing<1>;
    type Sender = VyukovEnd<1>;
    type Receiver = VyukovEnd<1>;
    const NAME: &'static str = "vyukov";

    fn create() -> Result<VyukovRing<1>, Failure> {
        VyukovRing::new(CAPACITY)
    }
    fn sender(ring: &VyukovRing<1>) -> Result<VyukovEnd<1>, Failure> {
        Ok(ring.open())
    }
    fn receiver(ring: &VyukovRing<1>) -> Result<VyukovEnd<1>, Failure> {
        Ok(ring.open())
    }
    fn send(sender: &mut VyukovEnd<1>, item: u64) -> Result<bool, Failure> {
        let sent = tries(|| Ok(sender.push(&[item]).then_some(())))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut VyukovEnd<1>) -> Result<Option<u64>, Failure> {
        let item = tries(|| Ok(receiver.pop()))?;
        Ok(item.map(|[item]| item))
    }
}
