//! Connections between programs that do not know each other: a name to listen at.
//!
//! # Protocol
//!
//! A client makes the memory of the connection, claims its end, and sends the listener one
//! datagram: its credentials (the kernel checks them), the versions and the names of the types, and
//! two descriptors, of the memory and of a socket for the answer. So a request is there whole or
//! not at all, and a client that dies or is stopped afterwards keeps no other client waiting. The
//! listener claims the other end and answers. If it dies before, the kernel closes the answer's
//! socket with the request, and the client knows.
//!
//! The listener's socket and the answer's are [private](crate::sys::private): a forked child of
//! either process has no copy that would keep them open.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::listen_error::{AcceptError, BindError, ConnectError};
use super::options::{PipeOptions, name_of, open_rings};
use super::reader::FrameReader;
use super::request::{ConnectAnswer, ConnectRequest};
use super::writer::FrameWriter;
use super::{Conn, PipeError, PipeReceiver, PipeSender};
use crate::facade::Deadline;
use crate::format::{Name, NameError};
use crate::segment::{Placeable, Segment, SystemError};
use crate::sys::local::{self, Credentials, Datagram, Event};
use crate::sys::private::Private;
use crate::sys::shm;

/// What every address begins with.
const PREFIX: &str = "crossdock.conn";
/// Room for the user's number and two slashes.
const USER: usize = 12;
/// The longest name, in bytes.
const MAX_NAME: usize = local::MAX_NAME - PREFIX.len() - USER;

/// A name at which other programs [connect](Conn::connect); it accepts connections that send
/// values of `S` and receive values of `R` at this end.
///
/// The name belongs to the user, and is an address of the kernel (an abstract unix socket), no
/// file: when the listener is dropped or its process dies, it is free at once. It is known in one
/// network namespace.
///
/// A forked child of its process is no listener: it keeps neither the name nor a client waiting,
/// and to accept there is an error ([`AcceptError::System`]).
///
/// The listener is [`AsFd`]: it is readable while a request waits, so it can be part of a poll(2)
/// loop, with [`try_accept`](Self::try_accept).
///
/// # Examples
///
/// ```
/// use std::thread;
///
/// use crossdock::process::{Conn, Listener};
///
/// let name = format!("till-{}", std::process::id());
/// let listener = Listener::<u32, String>::bind(&name)?;
/// let customer = thread::spawn(move || -> Result<u32, crossdock::Error> {
///     let mut till = Conn::<String, u32>::connect(&name)?;
///     till.send(&"two rolls".to_string())?;
///     Ok(till.recv()?)
/// });
/// let (mut customers, peer) = listener.accept()?;
/// assert_eq!(peer.pid(), std::process::id());
/// assert_eq!(customers.recv()?, "two rolls");
/// customers.send(&160)?;
/// assert_eq!(customer.join().unwrap()?, 160);
/// # Ok::<(), crossdock::Error>(())
/// ```
pub struct Listener<S, R> {
    socket: Private,
    name: String,
    allowed: Allowed,
    /// What this end receives, and what it sends.
    types: (Name, Name),
    values: PhantomData<fn(S) -> R>,
}

/// The users whose programs may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Users(Vec<u32>),
    All,
}

/// Options for a [`Listener`].
///
/// # Examples
///
/// ```
/// use crossdock::process::ListenerOptions;
///
/// let name = format!("open-{}", std::process::id());
/// let listener = ListenerOptions::new().allow_user(1000).bind::<u8, u8>(&name)?;
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenerOptions {
    allowed: Allowed,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ListenerOptions {
    /// Returns the defaults: programs of the effective user of this process may connect.
    pub fn new() -> Self {
        Self {
            allowed: Allowed::Users(vec![shm::effective_user()]),
        }
    }

    /// Lets programs of another user connect as well. They are trusted like one's own: they share
    /// memory with this process.
    pub fn allow_user(mut self, user: u32) -> Self {
        if let Allowed::Users(users) = &mut self.allowed {
            users.push(user);
        }
        self
    }

    /// Lets programs of all users connect. See [`allow_user`](Self::allow_user).
    pub fn allow_all_users(mut self) -> Self {
        self.allowed = Allowed::All;
        self
    }

    /// Listens at a name; see [`Listener::bind`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn bind<S, R>(&self, name: &str) -> Result<Listener<S, R>, BindError>
    where
        S: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let address = address(name, shm::effective_user())?;
        let types = (name_of::<R>()?, name_of::<S>()?);
        let socket = Private::bound(&address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse {
                name: name.to_owned(),
            },
            _ => BindError::System(SystemError::new("binding a socket", &error)),
        })?;
        Ok(Listener {
            socket,
            name: name.to_owned(),
            allowed: self.allowed.clone(),
            types,
            values: PhantomData,
        })
    }
}

/// The process at the other end of a connection, as the kernel knew it when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials(Credentials);

impl PeerCredentials {
    /// Returns its process id in the PID namespace of this process; 0 if it is not seen from there.
    /// It may have ended, and its number have another owner, by now.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Returns its effective user id.
    pub fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Returns its effective group id.
    pub fn gid(&self) -> u32 {
        self.0.gid
    }
}

impl<S, R> Listener<S, R>
where
    S: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    /// Listens at a name: 1 to 81 bytes without `/` and NUL.
    ///
    /// # Errors
    ///
    /// - [`BindError::Name`].
    /// - [`BindError::InUse`] while another listener of this user has the name.
    /// - [`BindError::Pipe`] if no values of the types can be sent.
    /// - [`BindError::System`].
    pub fn bind(name: &str) -> Result<Self, BindError> {
        ListenerOptions::new().bind(name)
    }

    /// Waits for a program that connects, and returns the connection and which process it is.
    ///
    /// A program of a user that is not allowed, with other types or another version is refused, and
    /// the wait goes on. No client can hold up the others.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]; not `Timeout`.
    pub fn accept(&self) -> Result<(Conn<S, R>, PeerCredentials), AcceptError> {
        self.accept_until(&Deadline::never())
    }

    /// As [`accept`](Self::accept), until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`AcceptError`].
    pub fn accept_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<(Conn<S, R>, PeerCredentials), AcceptError> {
        self.accept_until(&timeout.into())
    }

    /// As [`accept`](Self::accept), without waiting; `None` if no program has connected.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]; not `Timeout`.
    #[expect(clippy::type_complexity, reason = "a name would hide what is accepted")]
    pub fn try_accept(&self) -> Result<Option<(Conn<S, R>, PeerCredentials)>, AcceptError> {
        let mut bytes = [0; ConnectRequest::MAX_LEN];
        loop {
            match Private::received(self.socket.as_fd(), &mut bytes) {
                Ok((datagram, answers)) => {
                    if let Some(accepted) = self.answer(datagram, answers, &bytes)? {
                        return Ok(Some(accepted));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(system("receiving a request", &error)),
            }
        }
    }

    fn accept_until(
        &self,
        deadline: &Deadline,
    ) -> Result<(Conn<S, R>, PeerCredentials), AcceptError> {
        loop {
            if let Some(accepted) = self.try_accept()? {
                return Ok(accepted);
            }
            let waited = local::wait(self.socket.as_fd(), Event::Readable, deadline);
            match waited.map_err(|error| system("waiting for a request", &error))? {
                true => {}
                false => return Err(AcceptError::Timeout),
            }
        }
    }

    /// Answers a request; `None` if it was refused, or if the client has gone.
    #[expect(clippy::type_complexity, reason = "as for `try_accept`")]
    fn answer(
        &self,
        datagram: Datagram,
        answers: Option<Private>,
        bytes: &[u8],
    ) -> Result<Option<(Conn<S, R>, PeerCredentials)>, AcceptError> {
        let is_cut = datagram.is_cut;
        let [memory, _] = datagram.fds;
        let (Some(credentials), Some(memory), Some(socket)) =
            (datagram.credentials, memory, answers)
        else {
            if is_cut {
                // The client finds its socket closed.
                let error = local::no_descriptors();
                return Err(system("receiving the descriptors of a request", &error));
            }
            return Ok(None);
        };
        let request = bytes.get(..datagram.len).unwrap_or_default();
        let refused = match self.judge(credentials, request) {
            Some(refusal) => refusal,
            None => match connected(memory) {
                Ok(conn) => {
                    let sent = local::send(socket.as_fd(), &ConnectAnswer::Accepted.encode(), &[]);
                    // A client that waits no more has dropped its end.
                    return Ok(sent.is_ok().then_some((conn, PeerCredentials(credentials))));
                }
                Err(error) => {
                    let answer = ConnectAnswer::Failed {
                        text: error.to_string(),
                    };
                    let _ = local::send(socket.as_fd(), &answer.encode(), &[]);
                    return Err(AcceptError::Pipe(error));
                }
            },
        };
        let _ = local::send(socket.as_fd(), &refused.encode(), &[]);
        Ok(None)
    }

    /// Returns the refusal of a request, if there is a reason for one.
    fn judge(&self, credentials: Credentials, request: &[u8]) -> Option<ConnectAnswer> {
        let is_allowed = match &self.allowed {
            Allowed::All => true,
            Allowed::Users(users) => users.contains(&credentials.uid),
        };
        if !is_allowed {
            return Some(ConnectAnswer::OtherUser);
        }
        let request = match ConnectRequest::decode(request) {
            Ok(request) => request,
            Err(refusal) => return Some(refusal),
        };
        let (receives, sends) = (self.types.0.to_string(), self.types.1.to_string());
        if (request.sends, request.receives) == (receives.clone(), sends.clone()) {
            return None;
        }
        Some(ConnectAnswer::OtherTypes { sends, receives })
    }
}

/// Takes the listener's end of a client's memory.
fn connected<S, R>(memory: OwnedFd) -> Result<Conn<S, R>, PipeError> {
    let segment = Segment::try_from(memory).map_err(PipeError::Open)?;
    let [forth, back] = open_rings(&segment)?;
    let sender = PipeSender::new(FrameWriter::claim(&back)?);
    let receiver = PipeReceiver::new(FrameReader::claim(&forth)?);
    Ok(Conn::from((sender, receiver)))
}

impl<S, R> Conn<S, R>
where
    S: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    /// Connects to the [`Listener`] at a name of this user. Blocks until that accepts.
    ///
    /// # Errors
    ///
    /// - [`ConnectError::NotListening`] if there is none, or it has gone meanwhile.
    /// - [`ConnectError::Name`] if there can be no such name.
    /// - [`ConnectError::OtherTypes`], [`ConnectError::OtherVersion`] and
    ///   [`ConnectError::OtherUser`] if it refuses.
    /// - [`ConnectError::Pipe`] if the memory was not made, here or there.
    /// - [`ConnectError::System`].
    pub fn connect(name: &str) -> Result<Self, ConnectError> {
        PipeOptions::new().connect(name)
    }

    /// As [`connect`](Self::connect), until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`ConnectError::BacklogFull`] if too many requests of others wait there to be accepted
    /// before; [`ConnectError::Timeout`] if the request waits, and is withdrawn; and as
    /// [`connect`](Self::connect).
    pub fn connect_timeout(name: &str, timeout: impl Into<Deadline>) -> Result<Self, ConnectError> {
        PipeOptions::new().connect_timeout(name, timeout)
    }
}

impl PipeOptions {
    /// Connects with these options; see [`Conn::connect`]. The capacity holds for both directions.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn connect<S, R>(&self, name: &str) -> Result<Conn<S, R>, ConnectError>
    where
        S: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.connect_until(name, &Deadline::never())
    }

    /// Connects with these options; see [`Conn::connect_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn connect_timeout<S, R>(
        &self,
        name: &str,
        timeout: impl Into<Deadline>,
    ) -> Result<Conn<S, R>, ConnectError>
    where
        S: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.connect_until(name, &timeout.into())
    }

    fn connect_until<S, R>(
        &self,
        name: &str,
        deadline: &Deadline,
    ) -> Result<Conn<S, R>, ConnectError>
    where
        S: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let user = self.user.unwrap_or_else(shm::effective_user);
        let address = address(name, user)?;
        let request = ConnectRequest {
            sends: name_of::<S>()?.to_string(),
            receives: name_of::<R>()?.to_string(),
        };
        let encoded = request.encode();
        let refused = |what| move |error: io::Error| refused(name, what, &error);
        let listener = local::connect(&address).map_err(refused("connecting a socket"))?;
        let [forth, back] = self.rings()?;
        let segment = Segment::from_mapping(forth.entry().mapping.clone());
        let sender = PipeSender::new(FrameWriter::claim(&forth).map_err(PipeError::Claim)?);
        let receiver = PipeReceiver::new(FrameReader::claim(&back).map_err(PipeError::Claim)?);
        let memory = segment.duplicate();
        let memory = memory.map_err(refused("duplicating the segment's descriptor"))?;
        let pair = Private::socket_pair().map_err(refused("making a socket pair"))?;
        let (own, answers) = pair;
        local::receive_credentials(own.as_fd()).map_err(refused("asking for credentials"))?;
        loop {
            match local::send(
                listener.as_fd(),
                &encoded,
                &[memory.as_fd(), answers.as_fd()],
            ) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waited = local::wait(listener.as_fd(), Event::Writable, deadline);
                    if !waited.map_err(refused("waiting for the listener"))? {
                        return Err(ConnectError::BacklogFull {
                            name: name.to_owned(),
                        });
                    }
                }
                Err(error) => return Err(refused("sending a request")(error)),
            }
        }
        // From here on the listener has the only other end: if that is closed, it has gone.
        drop(answers);
        if !local::wait(own.as_fd(), Event::Readable, deadline)
            .map_err(refused("waiting for the listener's answer"))?
        {
            return Err(ConnectError::Timeout {
                name: name.to_owned(),
            });
        }
        answered(name, user, request, own.as_fd())?;
        Ok(Conn::from((sender, receiver)))
    }
}

/// Reads the answer of a listener, which must be a process of `user`.
fn answered(
    name: &str,
    user: u32,
    request: ConnectRequest,
    socket: BorrowedFd<'_>,
) -> Result<(), ConnectError> {
    let mut bytes = [0; ConnectAnswer::MAX_LEN];
    let answer = local::receive(socket, &mut bytes)
        .map_err(|error| refused(name, "receiving the listener's answer", &error))?;
    let name = name.to_owned();
    let (Some(credentials), 1..) = (answer.credentials, answer.len) else {
        return Err(ConnectError::NotListening { name });
    };
    if credentials.uid != user {
        return Err(ConnectError::OtherOwner {
            name,
            expected: user,
            found: credentials.uid,
        });
    }
    let version = |found| ConnectError::OtherVersion {
        name: name.clone(),
        expected: ConnectRequest::VERSION,
        found,
    };
    Err(
        match ConnectAnswer::decode(bytes.get(..answer.len).unwrap_or_default()) {
            Some(ConnectAnswer::Accepted) => return Ok(()),
            Some(ConnectAnswer::OtherUser) => ConnectError::OtherUser {
                name,
                user: shm::effective_user(),
            },
            Some(ConnectAnswer::OtherVersion { found }) => version(found),
            Some(ConnectAnswer::OtherTypes { receives, sends }) => ConnectError::OtherTypes {
                name,
                expected: Box::new((request.sends, request.receives)),
                found: Box::new((receives, sends)),
            },
            Some(ConnectAnswer::Failed { text }) => ConnectError::Failed { name, text },
            None => version(0),
        },
    )
}

/// Returns the error of a client that the system refused something.
fn refused(name: &str, what: &'static str, error: &io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => ConnectError::NotListening {
            name: name.to_owned(),
        },
        _ => ConnectError::System(SystemError::new(what, error)),
    }
}

fn system(what: &'static str, error: &io::Error) -> AcceptError {
    AcceptError::System(SystemError::new(what, error))
}

/// Returns the abstract address of a name of `user`.
fn address(name: &str, user: u32) -> Result<Vec<u8>, NameError> {
    Name::check(name, MAX_NAME)?;
    Ok(format!("{PREFIX}/{user}/{name}").into_bytes())
}

impl<S, R> AsFd for Listener<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

debug!([S, R] Listener<S, R>, |this| { name: this.name, .. });
