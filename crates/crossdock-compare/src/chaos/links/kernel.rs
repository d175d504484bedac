//! What the kernel has: a pipe, and POSIX message queues.

use crossdock_bench::Failure;
use crossdock_bench::queues::{Contestant, Idle};
use crossdock_bench::yardstick::{Blocking, Channel, End};

use super::{Link, SLICE, shape, tries};
use crate::queues::posix_mq::{self, PosixMq};

/// A pipe, of the yardsticks. How many items it holds is its own.
pub(crate) struct Pipe;

impl Link for Pipe {
    type Handle = Channel;
    type Sender = End;
    type Receiver = End;
    const NAME: &'static str = "pipe";

    fn create() -> Result<Channel, Failure> {
        Channel::pipe(Blocking::No)
    }
    fn sender(channel: &Channel) -> Result<End, Failure> {
        Ok(channel.sender.clone())
    }
    fn receiver(channel: &Channel) -> Result<End, Failure> {
        Ok(channel.receiver.clone())
    }
    fn send(sender: &mut End, item: u64) -> Result<bool, Failure> {
        // So few bytes go together, or not at all.
        let sent = tries(|| sender.write(&item.to_ne_bytes()))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut End) -> Result<Option<u64>, Failure> {
        let mut bytes = [0; size_of::<u64>()];
        let received = tries(|| receiver.read(&mut bytes))?;
        Ok(received.map(|_| u64::from_ne_bytes(bytes)))
    }
}

/// POSIX message queues, waiting.
impl Link for PosixMq {
    type Handle = <Self as Contestant>::Handle<1>;
    type Sender = posix_mq::End;
    type Receiver = posix_mq::End;
    const NAME: &'static str = <Self as Contestant>::NAME;

    fn create() -> Result<Self::Handle, Failure> {
        <Self as Contestant>::create::<1>(shape(Idle::Park))
    }
    fn sender(handle: &Self::Handle) -> Result<posix_mq::End, Failure> {
        <Self as Contestant>::sender::<1>(handle, Idle::Park)
    }
    fn receiver(handle: &Self::Handle) -> Result<posix_mq::End, Failure> {
        <Self as Contestant>::receiver::<1>(handle, Idle::Park)
    }
    fn send(sender: &mut posix_mq::End, item: u64) -> Result<bool, Failure> {
        sender.push_for(item, SLICE)
    }
    fn recv(receiver: &mut posix_mq::End) -> Result<Option<u64>, Failure> {
        receiver.pop_for(SLICE)
    }
}
