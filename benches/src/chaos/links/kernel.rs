//! What the kernel has: a pipe, and POSIX message queues.

use crate::queues::{Contestant, Idle};
use crate::yardstick::{Blocking, Channel, End};
use bytemuck::{bytes_of, bytes_of_mut};
use crossdock_cli::Failure;

use super::{Item, Link, SLICE, WORDS, shape, tries};
use crate::peers::queues::posix_mq::{self, PosixMq};

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
    fn send(sender: &mut End, item: &Item) -> Result<bool, Failure> {
        // So few bytes go together, or not at all.
        let sent = tries(|| sender.write(bytes_of(item)))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut End) -> Result<Option<Item>, Failure> {
        let mut item = [0; WORDS];
        let received = tries(|| receiver.read(bytes_of_mut(&mut item)))?;
        // Where others write as many at once, as many come at once; anything else shows in the
        // item.
        Ok(received.map(|_| item))
    }
}

/// POSIX message queues, waiting.
impl Link for PosixMq {
    type Handle = <Self as Contestant>::Handle<WORDS>;
    type Sender = posix_mq::End;
    type Receiver = posix_mq::End;
    const NAME: &'static str = <Self as Contestant>::NAME;

    fn create() -> Result<Self::Handle, Failure> {
        <Self as Contestant>::create::<WORDS>(shape(Idle::Park))
    }
    fn sender(handle: &Self::Handle) -> Result<posix_mq::End, Failure> {
        <Self as Contestant>::sender::<WORDS>(handle, Idle::Park)
    }
    fn receiver(handle: &Self::Handle) -> Result<posix_mq::End, Failure> {
        <Self as Contestant>::receiver::<WORDS>(handle, Idle::Park)
    }
    fn send(sender: &mut posix_mq::End, item: &Item) -> Result<bool, Failure> {
        sender.push_for(item, SLICE)
    }
    fn recv(receiver: &mut posix_mq::End) -> Result<Option<Item>, Failure> {
        receiver.pop_for(SLICE)
    }
}
