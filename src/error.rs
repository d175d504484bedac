//! One error for programs that only propagate errors.

use std::fmt;

use crate::collection::array::{
    CopyError, LeaseError, LeaseTimeoutError, NumberTimeoutError, RestartError, TryLeaseError,
};
use crate::collection::snapshot::{ReaderError, WaitNewerError, WaitNewerTimeoutError};
use crate::fixed::{ContentError, TooLongError};
use crate::queue::{
    CountError, PairError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError, WaitAnyError, WaitIdleError,
};
use crate::segment::{
    ClaimError, CreateError, EntryError, Fault, MembershipError, MonitorError, OpenError,
    OpenOrCreateError, RemoveError, SystemError,
};
use crate::sync::{
    AcquireError, AcquireTimeoutError, AddPermitsError, BarrierError, BarrierTimeoutError,
    ClaimPromiseError, CondvarError, EventTimeoutError, LockError, LockTimeoutError, PromiseError,
    PromiseTimeoutError, TryAcquireError, TryLockError,
};

/// Defines [`Error`] and its conversions. An error with a guard or a value in it drops that, and
/// keeps what happened.
macro_rules! umbrella {
    (
        $(#[$docs:meta])* $name:ident
        $($(#[doc = $doc:literal])+ $(#[cfg($gate:meta)])? $variant:ident($error:ty $(, of <$generic:ident> $of:ty, by $strip:expr)?);)+
    ) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $doc])+ $(#[cfg($gate)])? $variant($error),)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($(#[cfg($gate)])? Self::$variant(error) => error.fmt(f),)+
                }
            }
        }

        /// Formats as [`Display`](fmt::Display) does, for a `main` that returns it; `{:#?}` shows
        /// the structure.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if !f.alternate() {
                    return self.fmt_chain(f);
                }
                match self {
                    $($(#[cfg($gate)])? Self::$variant(error) => {
                        f.debug_tuple(stringify!($variant)).field(error).finish()
                    })+
                }
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $($(#[cfg($gate)])? Self::$variant(error) => error.source(),)+
                }
            }
        }

        #[cfg(test)]
        impl $name {
            /// Returns samples of all errors that convert into this one, and what they are of.
            fn samples_of_all() -> Vec<tests::Walked> {
                let mut all = Vec::new();
                $($(#[cfg($gate)])? tests::walk_to::<$error>(stringify!($error), &mut all);)+
                all
            }
        }

        $(umbrella! { @from $(#[cfg($gate)])? $name $variant($error $(, of <$generic> $of, by $strip)?) })+
    };
    (@from $(#[$meta:meta])? $name:ident $variant:ident($error:ty)) => {
        $(#[$meta])?
        impl From<$error> for $name {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    };
    (@from $(#[$meta:meta])? $name:ident $variant:ident($error:ty, of <$generic:ident> $of:ty, by $strip:expr)) => {
        $(#[$meta])?
        impl<$generic> From<$of> for $name {
            fn from(error: $of) -> Self {
                let strip: fn($of) -> $error = $strip;
                Self::$variant(strip(error))
            }
        }
    };
}

umbrella! {
    /// Any error of this crate, for `?` in a `main`.
    ///
    /// Operations have errors of their own, which list what can happen to them; each converts into
    /// this one. An error that holds a guard or a value drops it: the lock is released, the value
    /// is gone, and what happened is kept.
    ///
    /// `Debug` shows the same text as `Display` and the causes behind it, so that a `main` that
    /// returns an error prints what a person can read; `{:#?}` shows the structure. An error
    /// crosses to another process, in the result of a spawned function, as what it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::queue::Queue;
    /// use crossdock::{Mutex, Segment};
    ///
    /// fn main() -> Result<(), crossdock::Error> {
    ///     let segment = Segment::anonymous()?;
    ///     let total = segment.create::<Mutex<u64>>("total", 0)?;
    ///     *total.lock()? += 1;
    ///     let orders = segment.create::<Queue<u64>>("orders", 4)?;
    ///     orders.try_send(7)?;
    ///     assert_eq!(orders.recv()?, 7);
    ///     Ok(())
    /// }
    /// ```
    Error

    /// A segment was not created.
    Create(CreateError);
    /// A segment was not opened.
    Open(OpenError);
    /// The name of a segment was not removed.
    Remove(RemoveError);
    /// The system refused a request.
    System(SystemError);
    /// An entry was not created or opened.
    Entry(EntryError);
    /// This process is not a participant of a segment.
    Membership(MembershipError);
    /// A fault that can happen to every operation.
    Fault(Fault);
    /// A monitor does not watch.
    Monitor(MonitorError);
    /// Text or bytes do not fit into a value of bounded length.
    TooLong(TooLongError);
    /// A value of bounded length has contents that no constructor makes.
    Content(ContentError);
    /// A lock was not taken, or an owner died or panicked.
    Lock(LockError, of <G> LockError<G>, by |error| error.without_guard());
    /// A lock was not taken without waiting, or an owner died or panicked.
    TryLock(TryLockError, of <G> TryLockError<G>, by |error| error.without_guard());
    /// A lock was not taken in time, or an owner died or panicked.
    LockTimeout(LockTimeoutError, of <G> LockTimeoutError<G>, by |error| error.without_guard());
    /// A barrier is broken, or has no seat.
    Barrier(BarrierError);
    /// A barrier is broken, or the timeout passed.
    BarrierTimeout(BarrierTimeoutError);
    /// A wait by a condition variable failed.
    Condvar(CondvarError, of <G> CondvarError<G>, by |error| error.without_guard());
    /// No permit was acquired.
    Acquire(AcquireError);
    /// No permit was acquired without waiting.
    TryAcquire(TryAcquireError);
    /// No permit was acquired in time.
    AcquireTimeout(AcquireTimeoutError);
    /// No permits were added.
    AddPermits(AddPermitsError);
    /// An event was not set in time.
    EventTimeout(EventTimeoutError);
    /// A promise was not claimed.
    ClaimPromise(ClaimPromiseError);
    /// A promise has no value.
    Promise(PromiseError);
    /// A promise had no value in time.
    PromiseTimeout(PromiseTimeoutError);
    /// A number had no such value in time.
    NumberTimeout(NumberTimeoutError);
    /// No chunk of an array was leased.
    Lease(LeaseError);
    /// No chunk of an array was leased, without waiting.
    TryLease(TryLeaseError);
    /// No chunk of an array was leased in time.
    LeaseTimeout(LeaseTimeoutError);
    /// The chunks of an array were not made to do again.
    Restart(RestartError);
    /// Values were not copied from or to an array.
    Copy(CopyError);
    /// A role was not claimed.
    Claim(ClaimError);
    /// A sender or a receiver was not counted.
    Count(CountError);
    /// Nothing was sent.
    Send(SendError<()>, of <T> SendError<T>, by |error| error.map(drop));
    /// Nothing was sent, without waiting.
    TrySend(TrySendError<()>, of <T> TrySendError<T>, by |error| error.map(drop));
    /// Nothing was sent in time.
    SendTimeout(SendTimeoutError<()>, of <T> SendTimeoutError<T>, by |error| error.map(drop));
    /// Nothing was received.
    Recv(RecvError);
    /// Nothing was received, without waiting.
    TryRecv(TryRecvError);
    /// Nothing was received in time.
    RecvTimeout(RecvTimeoutError);
    /// None of several queues was ready.
    WaitAny(WaitAnyError);
    /// A queue was not idle.
    WaitIdle(WaitIdleError);
    /// No reader slot of a snapshot was claimed.
    Reader(ReaderError);
    /// No newer value was published.
    WaitNewer(WaitNewerError);
    /// No newer value was published in time.
    WaitNewerTimeout(WaitNewerTimeoutError);
    /// A value was not encoded, or a message not decoded.
    Value(crate::queue::ValueError);
    /// An object was not read or changed.
    #[cfg(feature = "process")]
    Object(crate::collection::object::ObjectError);
    /// An attribute of a namespace was not set or read.
    #[cfg(feature = "process")]
    Attribute(crate::collection::object::AttributeError);
    /// An object did not change in time.
    #[cfg(feature = "process")]
    ObjectTimeout(crate::collection::object::ObjectTimeoutError);
    /// A pipe or a connection was not made.
    #[cfg(feature = "process")]
    Pipe(crate::process::PipeError);
    /// A listener was not made.
    #[cfg(feature = "process")]
    Bind(crate::process::BindError);
    /// No connection was accepted.
    #[cfg(feature = "process")]
    Accept(crate::process::AcceptError);
    /// No connection was made.
    #[cfg(feature = "process")]
    Connect(crate::process::ConnectError);
    /// A message was not received into memory of a fixed length.
    #[cfg(feature = "process")]
    RecvInto(crate::process::RecvIntoError);
    /// A process was not started.
    #[cfg(feature = "process")]
    Spawn(crate::process::SpawnError);
    /// A process gave no result.
    #[cfg(feature = "process")]
    Process(crate::process::JoinError);
    /// The exit status of a process is unknown.
    #[cfg(feature = "process")]
    Status(crate::process::StatusError);
    /// A process has not exited in time.
    #[cfg(feature = "process")]
    WaitTimeout(crate::process::WaitTimeoutError);
    /// A process gave no result in time.
    #[cfg(feature = "process")]
    JoinTimeout(crate::process::JoinTimeoutError);
    /// A pool was not built.
    #[cfg(feature = "process")]
    Build(crate::process::BuildError);
    /// A task was not submitted to a pool.
    #[cfg(feature = "process")]
    Submit(crate::process::SubmitError);
    /// A task of a pool has no result.
    #[cfg(feature = "process")]
    Task(crate::process::TaskError);
    /// An item of a pool's map has no result.
    #[cfg(feature = "process")]
    Map(crate::process::MapError);
}

impl Error {
    /// Writes the error and its causes, separated by colons.
    fn fmt_chain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<OpenOrCreateError> for Error {
    fn from(error: OpenOrCreateError) -> Self {
        match error {
            OpenOrCreateError::Open(error) => Self::Open(error),
            OpenOrCreateError::Create(error) => Self::Create(error),
        }
    }
}

impl From<PairError> for Error {
    fn from(error: PairError) -> Self {
        match error {
            PairError::Create(error) => Self::Create(error),
            PairError::Entry(error) => Self::Entry(error),
            PairError::Count(error) => Self::Count(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
