//! Pipes and connections: values of any type and length between two processes.
mod duplex;
mod error;
mod frame;
mod listen_error;
mod listener;
mod options;
mod pollable;
mod reader;
mod receiver;
mod request;
mod sender;
mod source;
mod travel;
mod writer;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use duplex::Conn;
pub use error::{PipeError, RecvIntoError};
pub use listen_error::{AcceptError, BindError, ConnectError};
pub use listener::{Listener, ListenerOptions, PeerCredentials};
pub use options::PipeOptions;
pub use pollable::{Pollable, PollableMut};
pub use receiver::PipeReceiver;
pub use sender::PipeSender;

/// Makes a connection between two processes: each end sends values of one type and receives values
/// of the other.
///
/// # Examples
///
/// ```
/// use crossdock::process;
///
/// let (mut asks, mut answers) = process::duplex::<String, usize>()?;
/// asks.send(&"four".to_string())?;
/// let asked = answers.recv()?;
/// answers.send(&asked.len())?;
/// assert_eq!(asks.recv()?, 4);
/// drop(asks);
/// assert_eq!(answers.recv(), Err(crossdock::queue::RecvError::Disconnected));
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// # Errors
///
/// [`PipeError`].
#[expect(
    clippy::type_complexity,
    reason = "a name would hide which end is which"
)]
pub fn duplex<A, B>() -> Result<(Conn<A, B>, Conn<B, A>), PipeError>
where
    A: Serialize + DeserializeOwned + 'static,
    B: Serialize + DeserializeOwned + 'static,
{
    PipeOptions::new().duplex()
}

/// Makes a pipe between two processes, in one direction.
///
/// # Examples
///
/// ```
/// use crossdock::process;
///
/// let (mut sender, mut receiver) = process::pipe::<Vec<u32>>()?;
/// sender.send(&vec![1, 2, 3])?;
/// sender.send(&vec![])?;
/// drop(sender);
/// let received: Result<Vec<_>, _> = receiver.iter().collect();
/// assert_eq!(received?, [vec![1, 2, 3], vec![]]);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// # Errors
///
/// [`PipeError`].
pub fn pipe<T>() -> Result<(PipeSender<T>, PipeReceiver<T>), PipeError>
where
    T: Serialize + DeserializeOwned + 'static,
{
    PipeOptions::new().pipe()
}
