//! ipc-channel: many senders, one receiver, over a Unix socket. Bytes travel as they are. A send
//! waits for room; there is no other.
//!
//! Its ends travel through its own channels only. So a thread of the driver, the doorman, has both
//! ends, and hands a copy of the one, or the other itself, to every process that asks: a process
//! that makes a one-shot server, and writes its name into the doorman's socket.

use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;
use ipc_channel::TryRecvError;
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};
use serde::{Deserialize, Serialize};

use super::End;
use super::named::Named;
use crate::peers::locks::failed;

pub(crate) struct IpcChannel;

/// An end, on its way.
#[derive(Serialize, Deserialize)]
enum Handed {
    Sender(IpcBytesSender),
    Receiver(IpcBytesReceiver),
    /// The receiver is a process's, and gone with it.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Sender,
    Receiver,
}

fn said(error: impl std::fmt::Display) -> Failure {
    failed("ipc-channel", error)
}

fn address(name: &str) -> Result<SocketAddr, Failure> {
    SocketAddr::from_abstract_name(name).map_err(Failure::io("the name of a socket"))
}

/// What the doorman is told: an end and the name of a server, or that he may go.
const SENDER: &str = "sender ";
const RECEIVER: &str = "receiver ";
const GO: &str = "go";

fn knock(name: &str, line: &str) -> Result<(), Failure> {
    let mut door = UnixStream::connect_addr(&address(name)?).map_err(said)?;
    writeln!(door, "{line}").map_err(said)
}

/// Tells the doorman to go.
fn dismiss(name: &str) {
    // He is gone already, if this fails.
    let _ = knock(name, GO);
}

fn doorman(listener: &UnixListener, sender: &IpcBytesSender, receiver: IpcBytesReceiver) {
    let mut receiver = Some(receiver);
    for visitor in listener.incoming().map_while(Result::ok) {
        let mut line = String::new();
        let read = BufReader::new(&visitor).read_line(&mut line);
        let line = line.trim_end();
        let (end, name) = if let Some(name) = line.strip_prefix(SENDER) {
            (Handed::Sender(sender.clone()), name)
        } else if let Some(name) = line.strip_prefix(RECEIVER) {
            let receiver = receiver.take();
            (receiver.map_or(Handed::Nothing, Handed::Receiver), name)
        } else if line == GO {
            return;
        } else {
            // A client that died while it connected.
            continue;
        };
        // A client that is gone needs no answer.
        if read.is_ok()
            && let Ok(door) = IpcSender::connect(name.to_owned())
        {
            let _ = door.send(end);
        }
    }
}

fn ask(named: &Named, wanted: Wanted) -> Result<Handed, Failure> {
    let (server, name) = IpcOneShotServer::<Handed>::new().map_err(said)?;
    let word = match wanted {
        Wanted::Sender => SENDER,
        Wanted::Receiver => RECEIVER,
    };
    knock(named.as_str(), &format!("{word}{name}"))?;
    let (_, end) = server.accept().map_err(said)?;
    Ok(end)
}

impl Contestant for IpcChannel {
    type Handle<const W: usize> = Named;
    type Sender<const W: usize> = End<IpcBytesSender>;
    type Receiver<const W: usize> = End<IpcBytesReceiver>;

    const NAME: &'static str = "ipc-channel";
    const CAN: Can = Can {
        consumers: 1,
        ..Can::MANY_TO_MANY
    };

    fn create<const W: usize>(_shape: Shape) -> Result<Named, Failure> {
        let named = Named::new(dismiss);
        let listener = UnixListener::bind_addr(&address(named.as_str())?)
            .map_err(Failure::io("a listening socket"))?;
        let (sender, receiver) = bytes_channel().map_err(said)?;
        thread::spawn(move || doorman(&listener, &sender, receiver));
        Ok(named)
    }

    fn sender<const W: usize>(named: &Named, _idle: Idle) -> Result<End<IpcBytesSender>, Failure> {
        match ask(named, Wanted::Sender)? {
            Handed::Sender(sender) => Ok(End(sender)),
            _ => Err(said("no sender was handed out")),
        }
    }

    fn receiver<const W: usize>(
        named: &Named,
        _idle: Idle,
    ) -> Result<End<IpcBytesReceiver>, Failure> {
        match ask(named, Wanted::Receiver)? {
            Handed::Receiver(receiver) => Ok(End(receiver)),
            _ => Err(said("the receiver is gone with its process")),
        }
    }
}

fn item<const W: usize>(bytes: &[u8]) -> Result<Item<W>, Failure> {
    let read = bytemuck::checked::try_pod_read_unaligned(bytes);
    read.map_err(|_| said(format!("{} bytes came", bytes.len())))
}

impl<const W: usize> Sender<W> for End<IpcBytesSender> {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        // It waits for room: there is no other send.
        Sender::send(self, item).map(|()| true)
    }

    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        self.0.send(bytemuck::bytes_of(item)).map_err(said)
    }
}

impl<const W: usize> Receiver<W> for End<IpcBytesReceiver> {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        match self.0.try_recv() {
            Ok(bytes) => item(&bytes).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(error) => Err(said(error)),
        }
    }

    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        item(&self.0.recv().map_err(said)?)
    }
}
