//! iceoryx2's publish and subscribe. It gives each subscriber every sample, so there is one
//! receiver.

use std::fs;
use std::time::Duration;

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::{event, publish_subscribe};
use serde::{Deserialize, Serialize};

use super::named::Named;
use crate::peers::locks::failed;

/// A try looks, and sends again what a full buffer does not take. A waiter sleeps until an
/// event tells of a sample, and its send retries until it is delivered.
pub(crate) struct Iceoryx2;

/// The folder of the services and nodes of one queue, and how they are made.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    named: Named,
    capacity: u32,
}

/// Longer than any answer takes: it looks whether it missed one.
const SLICE: Duration = Duration::from_millis(50);

fn said(error: impl std::fmt::Debug) -> Failure {
    failed("iceoryx2", format!("{error:?}"))
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(name)
}

fn remove(name: &str) {
    // What is gone already is no error.
    let _ = fs::remove_dir_all(folder(name));
    let shared = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    for entry in shared {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{name}_"))
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Place {
    fn new(shape: Shape) -> Self {
        Self {
            named: Named::new(remove),
            capacity: shape.capacity,
        }
    }

    /// A node of this process, which cleans up after dead ones as it is made: the default.
    fn node(&self) -> Result<Node<ipc::Service>, Failure> {
        set_log_level(LogLevel::Fatal);
        let name = self.named.as_str();
        let folder = folder(name);
        let mut config = Config::default();
        let path = Path::new(folder.as_os_str().as_encoded_bytes()).map_err(said)?;
        config.global.set_root_path(&path);
        config.global.prefix = FileName::new(format!("{name}_").as_bytes()).map_err(said)?;
        let node = NodeBuilder::new().config(&config);
        let node = node.signal_handling_mode(SignalHandlingMode::Disabled);
        node.create::<ipc::Service>().map_err(said)
    }
}

/// How many ports of a sort there are at most: those of a run, and some that come for others.
const PORTS: usize = 32;

pub(crate) struct Publishes<const W: usize> {
    publisher: Publisher<ipc::Service, Item<W>, ()>,
    notifier: Option<Notifier<ipc::Service>>,
    _node: Node<ipc::Service>,
}

pub(crate) struct Subscribes<const W: usize> {
    subscriber: Subscriber<ipc::Service, Item<W>, ()>,
    listener: Option<Listener<ipc::Service>>,
    _node: Node<ipc::Service>,
}

fn items<const W: usize>(
    node: &Node<ipc::Service>,
    place: &Place,
) -> Result<publish_subscribe::PortFactory<ipc::Service, Item<W>, ()>, Failure> {
    node.service_builder(&"items".try_into().map_err(said)?)
        .publish_subscribe::<Item<W>>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(place.capacity as usize)
        .max_publishers(PORTS)
        .max_nodes(2 * PORTS)
        .open_or_create()
        .map_err(said)
}

fn news(node: &Node<ipc::Service>) -> Result<event::PortFactory<ipc::Service>, Failure> {
    node.service_builder(&"news".try_into().map_err(said)?)
        .event()
        .max_notifiers(PORTS)
        .max_nodes(2 * PORTS)
        .open_or_create()
        .map_err(said)
}

impl<const W: usize> Publishes<W> {
    /// `reliable`: its sends retry until they are delivered; else what finds no room is discarded.
    pub(crate) fn new(place: &Place, reliable: bool, events: bool) -> Result<Self, Failure> {
        let node = place.node()?;
        let strategy = if reliable {
            BackpressureStrategy::RetryUntilDelivered
        } else {
            BackpressureStrategy::DiscardData
        };
        let notifier = || news(&node)?.notifier_builder().create().map_err(said);
        Ok(Self {
            publisher: items(&node, place)?
                .publisher_builder()
                .backpressure_strategy(strategy)
                .create()
                .map_err(said)?,
            notifier: events.then(notifier).transpose()?,
            _node: node,
        })
    }

    /// Publishes a sample; whether a process got it.
    #[inline]
    pub(crate) fn publish(&self, item: &Item<W>) -> Result<bool, Failure> {
        let delivered = self.publisher.send_copy(*item).map_err(said)? > 0;
        if let Some(notifier) = self.notifier.as_ref().filter(|_| delivered) {
            notifier.notify().map_err(said)?;
        }
        Ok(delivered)
    }
}

impl<const W: usize> Subscribes<W> {
    pub(crate) fn new(place: &Place, events: bool) -> Result<Self, Failure> {
        let node = place.node()?;
        let listener = || news(&node)?.listener_builder().create().map_err(said);
        Ok(Self {
            // Before the first sample can come.
            listener: events.then(listener).transpose()?,
            subscriber: items(&node, place)?
                .subscriber_builder()
                .create()
                .map_err(said)?,
            _node: node,
        })
    }
}

impl Contestant for Iceoryx2 {
    type Handle<const W: usize> = Place;
    type Sender<const W: usize> = Publishes<W>;
    type Receiver<const W: usize> = Subscribes<W>;

    const NAME: &'static str = "iceoryx2";
    const CAN: Can = Can {
        consumers: 1,
        ..Can::MANY_TO_MANY
    };

    fn create<const W: usize>(shape: Shape) -> Result<Place, Failure> {
        Ok(Place::new(shape))
    }

    fn sender<const W: usize>(place: &Place, idle: Idle) -> Result<Publishes<W>, Failure> {
        let waits = idle == Idle::Park;
        Publishes::new(place, waits, waits)
    }

    fn receiver<const W: usize>(place: &Place, idle: Idle) -> Result<Subscribes<W>, Failure> {
        Subscribes::new(place, idle == Idle::Park)
    }
}

impl<const W: usize> Sender<W> for Publishes<W> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        self.publish(item)
    }

    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        // Not as long as no process has subscribed.
        while !self.publish(item)? {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl<const W: usize> Receiver<W> for Subscribes<W> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        let sample = self.subscriber.receive().map_err(said)?;
        Ok(sample.map(|sample| *sample.payload()))
    }

    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        loop {
            if let Some(item) = self.try_recv()? {
                return Ok(item);
            }
            if let Some(listener) = &self.listener {
                listener.timed_wait(|_| (), SLICE).map_err(said)?;
            }
        }
    }
}
