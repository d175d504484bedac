//! The errors of listening at a name and of connecting to it.

use super::PipeError;
use crate::format::NameError;
use crate::segment::SystemError;
use crate::segment::fault::plain_errors;

plain_errors! {
    /// The error of listening at a name.
    pub enum BindError {
        /// No listener can have the name.
        Name(source: NameError) => "the name is not valid for a listener" from 0,
        /// A listener of this user has the name already.
        InUse {
            /// The name.
            name: String,
        } => "a process of this user listens at {name:?} already",
        ..
        /// No values of the types can be sent.
        Pipe(PipeError) by ?,
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of accepting a connection.
    pub enum AcceptError {
        /// The deadline passed before a program connected.
        Timeout => "no program had connected at the deadline",
        ..
        /// The memory that a client made cannot be used; the client is told. The next call accepts
        /// the next client.
        Pipe(PipeError),
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of connecting to a name.
    pub enum ConnectError {
        /// No listener can have the name.
        Name(source: NameError) => "the name is not valid for a listener" from 0,
        /// No process of the user listens at the name, or it stopped listening before it had
        /// accepted.
        NotListening {
            /// The name.
            name: String,
        } => "no process listens at {name:?} (the name belongs to the user, and to the network \
              namespace)",
        /// The deadline passed while the listener had more requests waiting than the kernel queues:
        /// `net.unix.max_dgram_qlen`, which is 10 or more.
        BacklogFull {
            /// The name.
            name: String,
        } => "the listener at {name:?} still had too many requests waiting at the deadline \
              (net.unix.max_dgram_qlen allows more)",
        /// The deadline passed before the listener accepted. The request is withdrawn.
        Timeout {
            /// The name.
            name: String,
        } => "the listener at {name:?} had not accepted at the deadline",
        /// The listener does not allow the user of this process.
        OtherUser {
            /// The name.
            name: String,
            /// The user of this process.
            user: u32,
        } => "the listener at {name:?} does not allow user {user} (ListenerOptions::allow_user does)",
        /// A process of another user has the name: it is not the expected listener.
        OtherOwner {
            /// The name.
            name: String,
            /// The user whose listener was expected.
            expected: u32,
            /// The user of the process that has the name.
            found: u32,
        } => "expected a listener of user {expected} at {name:?}, found a process of user {found}",
        /// The listener is of another version of crossdock.
        OtherVersion {
            /// The name.
            name: String,
            /// The version of this program's requests.
            expected: u32,
            /// The version of the listener's.
            found: u32,
        } => "expected version {expected} of requests at {name:?}, found {found}: the programs \
              are built with different versions of crossdock",
        /// The listener sends and receives values of other types.
        OtherTypes {
            /// The name.
            name: String,
            /// What this program would have sent and received.
            expected: Box<(String, String)>,
            /// What the listener receives and sends.
            found: Box<(String, String)>,
        } => "expected a listener at {name:?} that receives {} and sends {}, found {} and {}"
            (expected.0, expected.1, found.0, found.1),
        /// The listener could not use the memory.
        Failed {
            /// The name.
            name: String,
            /// What the listener says.
            text: String,
        } => "the listener at {name:?} could not use the memory: {text}",
        ..
        /// The memory was not made.
        Pipe(PipeError) by ?,
        /// The system refused a request.
        System(SystemError),
    }
}

impl From<NameError> for BindError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<NameError> for ConnectError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}
