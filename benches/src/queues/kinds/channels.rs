//! The yardsticks that the kernel keeps: their size is their own, in bytes.

use std::marker::PhantomData;

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crate::yardstick::{ATOMIC, Blocking, Channel, End};
use crossdock_cli::Failure;

/// Whether a channel waits.
fn blocking(idle: Idle) -> Blocking {
    match idle {
        Idle::Spin => Blocking::No,
        Idle::Park => Blocking::Yes,
    }
}

/// A way to make a channel.
pub(super) trait Make: 'static {
    const NAME: &'static str;

    fn make(blocking: Blocking) -> Result<Channel, Failure>;
}

/// A pipe.
pub(super) struct Pipe;

impl Make for Pipe {
    const NAME: &'static str = "pipe";

    fn make(blocking: Blocking) -> Result<Channel, Failure> {
        Channel::pipe(blocking)
    }
}

/// A pair of Unix sockets, `SOCK_SEQPACKET`.
pub(super) struct Socket;

impl Make for Socket {
    const NAME: &'static str = "socket";

    fn make(blocking: Blocking) -> Result<Channel, Failure> {
        Channel::sockets(blocking)
    }
}

/// The contestant of what is made so.
pub(super) struct Of<M>(PhantomData<M>);

impl<M: Make> Contestant for Of<M> {
    type Handle<const W: usize> = Channel;
    type Sender<const W: usize> = End;
    type Receiver<const W: usize> = End;
    const NAME: &'static str = M::NAME;
    const CAN: Can = Can::MANY_TO_MANY;

    fn create<const W: usize>(shape: Shape) -> Result<Channel, Failure> {
        M::make(blocking(shape.idle))
    }
    fn sender<const W: usize>(channel: &Channel, _idle: Idle) -> Result<End, Failure> {
        Ok(channel.sender.clone())
    }
    fn receiver<const W: usize>(channel: &Channel, _idle: Idle) -> Result<End, Failure> {
        Ok(channel.receiver.clone())
    }
}

/// How many whole items were passed.
#[inline(always)]
fn whole<const W: usize>(bytes: usize) -> Result<usize, Failure> {
    let size = size_of::<Item<W>>();
    if bytes > 0 && bytes.is_multiple_of(size) {
        Ok(bytes / size)
    } else {
        let message = format!("{bytes} bytes are no items of {size}");
        Err(Failure::Worker(message))
    }
}

/// As many of `count` items as are passed together.
#[inline(always)]
fn together<const W: usize>(count: usize) -> usize {
    count.min(ATOMIC / size_of::<Item<W>>())
}

impl<const W: usize> Sender<W> for End {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        let sent = self.try_send_some(std::slice::from_ref(item))?;
        Ok(sent == 1)
    }
    #[inline]
    fn try_send_some(&mut self, items: &[Item<W>]) -> Result<usize, Failure> {
        let bytes = bytemuck::cast_slice(&items[..together::<W>(items.len())]);
        self.write(bytes)?.map_or(Ok(0), whole::<W>)
    }
    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        // An end that waits has room then.
        self.try_send(item).map(drop)
    }
}

impl<const W: usize> Receiver<W> for End {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        let mut item = [0; W];
        let received = self.try_recv_some(std::slice::from_mut(&mut item))?;
        Ok((received == 1).then_some(item))
    }
    #[inline]
    fn try_recv_some(&mut self, items: &mut [Item<W>]) -> Result<usize, Failure> {
        let count = together::<W>(items.len());
        let bytes = bytemuck::cast_slice_mut(&mut items[..count]);
        self.read(bytes)?.map_or(Ok(0), whole::<W>)
    }
    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        let nothing = || Failure::Worker("an end that waits received nothing".to_owned());
        self.try_recv()?.ok_or_else(nothing)
    }
}
