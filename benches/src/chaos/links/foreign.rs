//! Queues of other libraries.

use std::marker::PhantomData;

use crate::queues::{Contestant, Idle, Receiver, Sender};
use crossdock_cli::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(boost)]
use super::SLICE;
use super::{Item, Link, WORDS, shape, tries};
use crate::chaos::RELIABLE;
#[cfg(boost)]
use crate::peers::queues::boost::{Boost, End};
use crate::peers::queues::iceoryx2::{Iceoryx2, Place, Publishes, Subscribes};

/// A contestant that tries.
pub(crate) struct Tries<C>(PhantomData<C>);

/// How many receivers a contestant has.
const fn receivers(most: u32) -> usize {
    if most > 1 { 2 } else { 1 }
}

impl<C: Contestant> Link for Tries<C>
where
    C::Handle<WORDS>: Serialize + DeserializeOwned,
{
    type Handle = C::Handle<WORDS>;
    type Sender = C::Sender<WORDS>;
    type Receiver = C::Receiver<WORDS>;
    const NAME: &'static str = C::NAME;
    const RECEIVERS: usize = receivers(C::CAN.consumers);

    fn create() -> Result<Self::Handle, Failure> {
        C::create(shape(Idle::Spin))
    }
    fn sender(handle: &Self::Handle) -> Result<Self::Sender, Failure> {
        C::sender(handle, Idle::Spin)
    }
    fn receiver(handle: &Self::Handle) -> Result<Self::Receiver, Failure> {
        C::receiver(handle, Idle::Spin)
    }
    fn send(sender: &mut Self::Sender, item: &Item) -> Result<bool, Failure> {
        let sent = tries(|| Ok(sender.try_send(item)?.then_some(())))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut Self::Receiver) -> Result<Option<Item>, Failure> {
        tries(|| receiver.try_recv())
    }
}

/// Boost's queue, waiting.
#[cfg(boost)]
impl Link for Boost {
    type Handle = <Self as Contestant>::Handle<WORDS>;
    type Sender = End;
    type Receiver = End;
    const NAME: &'static str = <Self as Contestant>::NAME;

    fn create() -> Result<Self::Handle, Failure> {
        <Self as Contestant>::create::<WORDS>(shape(Idle::Park))
    }
    fn sender(handle: &Self::Handle) -> Result<Self::Sender, Failure> {
        <Self as Contestant>::sender::<WORDS>(handle, Idle::Park)
    }
    fn receiver(handle: &Self::Handle) -> Result<Self::Receiver, Failure> {
        <Self as Contestant>::receiver::<WORDS>(handle, Idle::Park)
    }
    fn send(sender: &mut Self::Sender, item: &Item) -> Result<bool, Failure> {
        sender.push_for(item, SLICE)
    }
    fn recv(receiver: &mut Self::Receiver) -> Result<Option<Item>, Failure> {
        receiver.pop_for(SLICE)
    }
}

/// iceoryx2 whose sends retry until they are delivered.
pub(crate) struct Iceoryx2Reliable;

impl Link for Iceoryx2Reliable {
    type Handle = Place;
    type Sender = Publishes<WORDS>;
    type Receiver = Subscribes<WORDS>;
    const NAME: &'static str = RELIABLE;
    const RECEIVERS: usize = 1;

    fn create() -> Result<Self::Handle, Failure> {
        Iceoryx2::create::<WORDS>(shape(Idle::Spin))
    }
    fn sender(place: &Self::Handle) -> Result<Self::Sender, Failure> {
        Self::Sender::new(place, true, false)
    }
    fn receiver(place: &Self::Handle) -> Result<Self::Receiver, Failure> {
        Self::Receiver::new(place, false)
    }
    fn send(sender: &mut Self::Sender, item: &Item) -> Result<bool, Failure> {
        let sent = tries(|| Ok(sender.publish(item)?.then_some(())))?;
        Ok(sent.is_some())
    }
    fn recv(receiver: &mut Self::Receiver) -> Result<Option<Item>, Failure> {
        tries(|| receiver.try_recv())
    }
}
