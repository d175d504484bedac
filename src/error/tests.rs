//! What every error of the crate says: in lower case, without a full stop, and its cause once.

mod complete;
mod samples;

use std::error::Error as StdError;
use std::io;

use super::*;
use crate::segment::{NameError, RemoveError};
use crate::sync::Holder;
use samples::{kind, membership, name, payload, refused, system, too_long, value};

/// Runs the test on one value of each variant. The match does not compile if a variant is missing.
macro_rules! walk {
    ($($(#[$gate:meta])? $error:ty { $($pattern:pat => $value:expr),+ $(,)? })+) => {
        fn walk() -> Vec<(&'static str, Box<dyn StdError>)> {
            let mut all: Vec<(&'static str, Box<dyn StdError>)> = Vec::new();
            $($(#[$gate])? {
                let values: Vec<$error> = vec![$($value),+];
                for value in &values {
                    match value { $($pattern => {})+ }
                }
                for value in values {
                    all.push((stringify!($error), Box::new(value)));
                }
            })+
            all
        }
    };
}

walk! {
    TooLongError { _ => too_long() }
    ContentError {
        ContentError::Length { .. } => ContentError::Length { len: 2, limit: 1 },
        ContentError::NotUtf8 { .. } => ContentError::NotUtf8 { valid_up_to: 2 },
    }
    NameError {
        NameError::Empty => NameError::Empty,
        NameError::TooLong { .. } => NameError::TooLong { len: 65, max: 64 },
        NameError::Forbidden { .. } => NameError::Forbidden { character: '/' },
        NameError::Dots => NameError::Dots,
    }
    CreateError {
        CreateError::Name(_) => CreateError::Name(NameError::Empty),
        CreateError::Exists { .. } => CreateError::Exists { name: name() },
        CreateError::TooSmall { .. } => CreateError::TooSmall { size: 1, least: 2 },
        CreateError::TooLarge { .. } => CreateError::TooLarge {
            size: 2, limit: crate::segment::Limit::FileSize, available: 1,
        },
        CreateError::Participants { .. } => CreateError::Participants { found: 0, max: 1023 },
        CreateError::Entries { .. } => CreateError::Entries { found: 0, max: 9 },
        CreateError::Mode { .. } => CreateError::Mode { found: 0o777 },
        CreateError::Permission(_) => CreateError::Permission(system()),
        CreateError::System(_) => CreateError::System(system()),
    }
    OpenError {
        OpenError::Name { .. } => OpenError::Name { name: name(), source: NameError::Empty },
        OpenError::NotFound { .. } => OpenError::NotFound { name: name() },
        OpenError::Permission { .. } => OpenError::Permission { name: Some(name()), source: system() },
        OpenError::Symlink { .. } => OpenError::Symlink { name: name() },
        OpenError::OtherOwner { .. } => OpenError::OtherOwner { name: Some(name()), expected: 1, found: 2 },
        OpenError::NotAFile { .. } => OpenError::NotAFile { name: None },
        OpenError::Empty { .. } => OpenError::Empty { name: None },
        OpenError::OtherSize { .. } => OpenError::OtherSize { name: None, expected: 1, found: 2 },
        OpenError::NotASegment { .. } => OpenError::NotASegment { name: None },
        OpenError::LayoutVersion { .. } => OpenError::LayoutVersion { name: None, expected: 2, found: 1 },
        OpenError::ByteOrder { .. } => OpenError::ByteOrder { name: None, found: 1 },
        OpenError::Corrupt { .. } => OpenError::Corrupt { name: None },
        OpenError::Smaller { .. } => OpenError::Smaller {
            name: None, what: "a size".into(), expected: 2, found: 1,
        },
        OpenError::BeingRemoved { .. } => OpenError::BeingRemoved { name: Some(name()) },
        OpenError::ReadOnly { .. } => OpenError::ReadOnly { name: None },
        OpenError::Unsealed { .. } => OpenError::Unsealed { name: None },
        OpenError::System { .. } => OpenError::io("opening the file")(refused()).of("stock"),
    }
    PairError {
        PairError::Create(_) => PairError::Create(CreateError::Name(NameError::Dots)),
        PairError::Entry(_) => PairError::Entry(EntryError::Name(NameError::Dots)),
        PairError::Count(_) => PairError::Count(CountError::TooMany),
    }
    OpenOrCreateError {
        OpenOrCreateError::Open(_) => OpenOrCreateError::Open(OpenError::io("opening the file")(refused())),
        OpenOrCreateError::Create(_) => OpenOrCreateError::Create(CreateError::Name(NameError::Dots)),
    }
    RemoveError {
        RemoveError::Name { .. } => RemoveError::Name { name: name(), source: NameError::Empty },
        RemoveError::NotFound { .. } => RemoveError::NotFound { name: name() },
        RemoveError::NameUnknown => RemoveError::NameUnknown,
        RemoveError::OtherFile { .. } => RemoveError::OtherFile { name: name() },
        RemoveError::Permission { .. } => RemoveError::refused("stock", &refused()),
        RemoveError::System { .. } => RemoveError::refused("stock", &io::Error::from_raw_os_error(30)),
    }
    SystemError {
        _ => SystemError::new("mmap of the segment", &refused()),
    }
    Fault {
        Fault::Corrupt { .. } => Fault::corrupt(crate::segment::Kind::Queue, 1_u64),
        Fault::NotMember(_) => Fault::NotMember(membership()),
        Fault::NotOwner => Fault::NotOwner,
    }
    MembershipError {
        MembershipError::RegistryFull { .. } => MembershipError::RegistryFull { participants: 2 },
        MembershipError::Lost => MembershipError::Lost,
        MembershipError::System(_) => membership(),
    }
    MonitorError {
        MonitorError::Inherited => MonitorError::Inherited,
        MonitorError::Ended => MonitorError::Ended,
        MonitorError::System(_) => MonitorError::System(system()),
    }
    EntryError {
        EntryError::Name(_) => EntryError::Name(NameError::Empty),
        EntryError::Exists { .. } => EntryError::Exists { name: name(), found: kind() },
        EntryError::NotFound { .. } => EntryError::NotFound { name: name() },
        EntryError::OtherKind { .. } => EntryError::OtherKind { name: name(), expected: crate::segment::Kind::Counter, found: kind() },
        EntryError::OtherPayload { .. } => EntryError::OtherPayload { name: name(), expected: payload(), found: payload() },
        EntryError::Undecodable { .. } => EntryError::Undecodable { name: name(), reason: "it is untagged".into() },
        EntryError::OtherSize { .. } => EntryError::OtherSize { name: name(), expected: 1, found: 2 },
        EntryError::OtherCapacity { .. } => EntryError::OtherCapacity { name: name(), expected: 1, found: 2 },
        EntryError::OtherLength { .. } => EntryError::OtherLength { name: name(), expected: 1, found: 2 },
        EntryError::OtherConfig { .. } => EntryError::OtherConfig { name: name(), expected: Box::new([0; 4]), found: Box::new([1; 4]) },
        EntryError::Attempts { .. } => EntryError::Attempts { found: 0, least: 1, most: 2 },
        EntryError::CellSize { .. } => EntryError::CellSize { found: 0, least: 1, most: 2 },
        EntryError::Readers { .. } => EntryError::Readers { found: 0, least: 1, most: 2 },
        EntryError::Capacity { .. } => EntryError::Capacity { found: 0, least: 1, most: 2 },
        EntryError::Length { .. } => EntryError::Length { found: 0, least: 1, most: 2 },
        EntryError::ChunkLength { .. } => EntryError::ChunkLength { found: 0, least: 1, most: 2 },
        EntryError::Payload { .. } => EntryError::Payload { found: payload() },
        EntryError::DirectoryFull { .. } => EntryError::DirectoryFull { entries: 64 },
        EntryError::ArenaFull { .. } => EntryError::ArenaFull { needed: 2, free: 1 },
        EntryError::ManagerFull { .. } => EntryError::ManagerFull { needed: 1_024, free: 512 },
        EntryError::ManagerObjects { .. } => EntryError::ManagerObjects { objects: 64 },
        EntryError::Corrupt { record: None } => EntryError::Corrupt { record: None },
        EntryError::Corrupt { record: Some(_) } => EntryError::Corrupt { record: Some(1) },
        EntryError::Fault(_) => EntryError::from(membership()),
    }
    BarrierError {
        BarrierError::Broken => BarrierError::Broken,
        BarrierError::Full { .. } => BarrierError::Full { parties: 2 },
        BarrierError::Fault(_) => BarrierError::Fault(membership().into()),
    }
    BarrierTimeoutError {
        BarrierTimeoutError::Timeout => BarrierTimeoutError::Timeout,
        BarrierTimeoutError::Barrier(_) => BarrierTimeoutError::Barrier(BarrierError::Broken),
    }
    LockError {
        LockError::OwnerDied(()) => LockError::OwnerDied(()),
        LockError::Poisoned(()) => LockError::Poisoned(()),
        LockError::TooManyReaders { .. } => LockError::TooManyReaders { most: 1023 },
        LockError::TooDeep { .. } => LockError::TooDeep { most: u32::MAX },
        LockError::Fault(_) => LockError::Fault(membership().into()),
    }
    TryLockError {
        TryLockError::WouldBlock { .. } => TryLockError::WouldBlock { holder: Holder::Other },
        TryLockError::Lock(_) => TryLockError::Lock(LockError::OwnerDied(())),
    }
    LockTimeoutError {
        LockTimeoutError::Timeout { .. } => LockTimeoutError::Timeout { holder: Holder::ThisProcess },
        LockTimeoutError::Lock(_) => LockTimeoutError::Lock(membership().into()),
    }
    AcquireError {
        AcquireError::Closed => AcquireError::Closed,
        AcquireError::OutOfRange { .. } => AcquireError::OutOfRange { asked: 9, most: 8 },
        AcquireError::Fault(_) => AcquireError::Fault(membership().into()),
    }
    TryAcquireError {
        TryAcquireError::WouldBlock => TryAcquireError::WouldBlock,
        TryAcquireError::Acquire(_) => TryAcquireError::Acquire(AcquireError::Closed),
    }
    AcquireTimeoutError {
        AcquireTimeoutError::Timeout => AcquireTimeoutError::Timeout,
        AcquireTimeoutError::Acquire(_) => AcquireTimeoutError::Acquire(membership().into()),
    }
    CondvarError {
        CondvarError::OtherMutex => CondvarError::OtherMutex,
        CondvarError::Lock(_) => CondvarError::Lock(LockError::OwnerDied(())),
    }
    EventTimeoutError {
        EventTimeoutError::Timeout => EventTimeoutError::Timeout,
        EventTimeoutError::Fault(_) => EventTimeoutError::Fault(membership().into()),
    }
    ClaimPromiseError {
        ClaimPromiseError::Set => ClaimPromiseError::Set,
        ClaimPromiseError::Claimed { .. } => ClaimPromiseError::Claimed { holder: Holder::Other },
        ClaimPromiseError::OwnClaim => ClaimPromiseError::OwnClaim,
        ClaimPromiseError::Fault(_) => ClaimPromiseError::Fault(membership().into()),
    }
    PromiseError {
        PromiseError::Abandoned => PromiseError::Abandoned,
        PromiseError::OwnClaim => PromiseError::OwnClaim,
        PromiseError::Fault(_) => PromiseError::Fault(membership().into()),
    }
    PromiseTimeoutError {
        PromiseTimeoutError::Timeout => PromiseTimeoutError::Timeout,
        PromiseTimeoutError::Promise(_) => PromiseTimeoutError::Promise(membership().into()),
    }
    NumberTimeoutError {
        NumberTimeoutError::Timeout => NumberTimeoutError::Timeout,
        NumberTimeoutError::Fault(_) => NumberTimeoutError::Fault(membership().into()),
    }
    AddPermitsError { AddPermitsError::NoRoom { .. } => AddPermitsError::NoRoom { asked: 1, added: 0, most: 8 } }
    LeaseError {
        LeaseError::Leased { .. } => LeaseError::Leased { pid: 7 },
        LeaseError::OutOfRange { .. } => LeaseError::OutOfRange { chunk: 2, chunks: 2 },
        LeaseError::OwnerDied => LeaseError::OwnerDied,
        LeaseError::Poisoned => LeaseError::Poisoned,
        LeaseError::Fault(_) => LeaseError::from(membership()),
    }
    TryLeaseError {
        TryLeaseError::WouldBlock => TryLeaseError::WouldBlock,
        TryLeaseError::Lease(_) => TryLeaseError::from(membership()),
    }
    LeaseTimeoutError {
        LeaseTimeoutError::Timeout => LeaseTimeoutError::Timeout,
        LeaseTimeoutError::Lease(_) => LeaseTimeoutError::from(membership()),
    }
    RestartError {
        RestartError::Leased { .. } => RestartError::Leased { pid: 7 },
        RestartError::Fault(_) => RestartError::from(membership()),
    }
    CopyError {
        CopyError::OutOfRange { .. } => CopyError::OutOfRange { at: 1, count: 2, len: 2 },
        CopyError::Lock(_) => CopyError::Lock(LockError::Poisoned(())),
    }
    ClaimError {
        ClaimError::RoleTaken { .. } => ClaimError::RoleTaken { pid: 7 },
        ClaimError::Fault(_) => ClaimError::Fault(membership().into()),
    }
    TrySendError<()> {
        TrySendError::Full(()) => TrySendError::Full(()),
        TrySendError::Busy(()) => TrySendError::Busy(()),
        TrySendError::Disconnected(()) => TrySendError::Disconnected(()),
        TrySendError::TooLong(..) => TrySendError::TooLong((), too_long()),
        TrySendError::Invalid(..) => TrySendError::Invalid((), value()),
        TrySendError::Fault(..) => membership().into(),
    }
    SendError<()> {
        SendError::Disconnected(()) => SendError::Disconnected(()),
        SendError::TooLong(..) => SendError::TooLong((), too_long()),
        SendError::Invalid(..) => SendError::Invalid((), value()),
        SendError::Fault(..) => membership().into(),
    }
    SendTimeoutError<()> {
        SendTimeoutError::Timeout(()) => SendTimeoutError::Timeout(()),
        SendTimeoutError::Disconnected(()) => SendTimeoutError::Disconnected(()),
        SendTimeoutError::TooLong(..) => SendTimeoutError::TooLong((), too_long()),
        SendTimeoutError::Invalid(..) => SendTimeoutError::Invalid((), value()),
        SendTimeoutError::Fault(..) => membership().into(),
    }
    TryRecvError {
        TryRecvError::Empty => TryRecvError::Empty,
        TryRecvError::Busy => TryRecvError::Busy,
        TryRecvError::Disconnected => TryRecvError::Disconnected,
        TryRecvError::Invalid { .. } => TryRecvError::Invalid { reason: value() },
        TryRecvError::Truncated => TryRecvError::Truncated,
        TryRecvError::Fault(_) => membership().into(),
    }
    RecvError {
        RecvError::Disconnected => RecvError::Disconnected,
        RecvError::Invalid { .. } => RecvError::Invalid { reason: value() },
        RecvError::Truncated => RecvError::Truncated,
        RecvError::Fault(_) => membership().into(),
    }
    RecvTimeoutError {
        RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
        RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
        RecvTimeoutError::Invalid { .. } => RecvTimeoutError::Invalid { reason: value() },
        RecvTimeoutError::Truncated => RecvTimeoutError::Truncated,
        RecvTimeoutError::Fault(_) => membership().into(),
    }
    CountError {
        CountError::TooMany => CountError::TooMany,
        CountError::Fault(_) => membership().into(),
    }
    WaitIdleError {
        WaitIdleError::Timeout => WaitIdleError::Timeout,
        WaitIdleError::Fault(_) => membership().into(),
    }
    WaitAnyError {
        WaitAnyError::NoSources => WaitAnyError::NoSources,
        WaitAnyError::Timeout => WaitAnyError::Timeout,
        WaitAnyError::Fault { .. } => WaitAnyError::Fault { index: 1, fault: membership().into() },
    }
    ReaderError {
        ReaderError::NoFreeSlot { .. } => ReaderError::NoFreeSlot { slots: 4 },
        ReaderError::Fault(_) => ReaderError::from(membership()),
    }
    WaitNewerError {
        WaitNewerError::Disconnected => WaitNewerError::Disconnected,
        WaitNewerError::Fault(_) => WaitNewerError::from(membership()),
    }
    WaitNewerTimeoutError {
        WaitNewerTimeoutError::Timeout => WaitNewerTimeoutError::Timeout,
        WaitNewerTimeoutError::Disconnected => WaitNewerTimeoutError::Disconnected,
        WaitNewerTimeoutError::Fault(_) => WaitNewerTimeoutError::from(membership()),
    }
    crate::queue::ValueError {
        _ => value(),
    }
    #[cfg(feature = "process")]
    CodecError {
        _ => CodecError::from(value()),
    }
    #[cfg(feature = "process")]
    PipeError {
        PipeError::Capacity { .. } => PipeError::Capacity { found: 1, least: 512, most: 1 << 40 },
        PipeError::Values { .. } => PipeError::Values { reason: "they are handles".into() },
        PipeError::Create(_) => PipeError::Create(CreateError::System(system())),
        PipeError::Open(_) => PipeError::Open(OpenError::Unsealed { name: None }),
        PipeError::Entry(_) => PipeError::Entry(EntryError::Corrupt { record: None }),
        PipeError::Claim(_) => PipeError::Claim(ClaimError::RoleTaken { pid: 7 }),
    }
    #[cfg(feature = "process")]
    BindError {
        BindError::Name(_) => BindError::Name(NameError::Empty),
        BindError::InUse { .. } => BindError::InUse { name: name() },
        BindError::Pipe(_) => BindError::Pipe(PipeError::Values { reason: "they are handles".into() }),
        BindError::System(_) => BindError::System(system()),
    }
    #[cfg(feature = "process")]
    AcceptError {
        AcceptError::Timeout => AcceptError::Timeout,
        AcceptError::Pipe(_) => AcceptError::Pipe(PipeError::Claim(ClaimError::RoleTaken { pid: 7 })),
        AcceptError::System(_) => AcceptError::System(system()),
    }
    #[cfg(feature = "process")]
    ConnectError {
        ConnectError::Name(_) => ConnectError::Name(NameError::Empty),
        ConnectError::NotListening { .. } => ConnectError::NotListening { name: name() },
        ConnectError::BacklogFull { .. } => ConnectError::BacklogFull { name: name() },
        ConnectError::Timeout { .. } => ConnectError::Timeout { name: name() },
        ConnectError::OtherUser { .. } => ConnectError::OtherUser { name: name(), user: 1 },
        ConnectError::OtherOwner { .. } => ConnectError::OtherOwner { name: name(), expected: 1, found: 2 },
        ConnectError::OtherVersion { .. } => ConnectError::OtherVersion { name: name(), expected: 1, found: 2 },
        ConnectError::OtherTypes { .. } => ConnectError::OtherTypes {
            name: name(),
            expected: Box::new((name(), name())),
            found: Box::new((name(), name())),
        },
        ConnectError::Pipe(_) => ConnectError::Pipe(PipeError::Create(CreateError::System(system()))),
        ConnectError::Failed { .. } => ConnectError::Failed { name: name(), text: name() },
        ConnectError::System(_) => ConnectError::System(system()),
    }
    #[cfg(feature = "process")]
    RecvIntoError {
        RecvIntoError::TooSmall { .. } => RecvIntoError::TooSmall { message: 9, memory: 4 },
        RecvIntoError::Recv(_) => RecvIntoError::Recv(RecvError::Truncated),
    }
    #[cfg(feature = "process")]
    SpawnError {
        SpawnError::NotInitialised => SpawnError::NotInitialised,
        SpawnError::Privileged => SpawnError::Privileged,
        SpawnError::NotInProgram => SpawnError::NotInProgram,
        SpawnError::Option(_) => SpawnError::Option(OptionError::EmptyName),
        SpawnError::Encode(_) => SpawnError::Encode(value().into()),
        SpawnError::TooLarge { .. } => SpawnError::TooLarge {
            size: 2, limit: crate::segment::Limit::FileSize, available: 1,
        },
        SpawnError::StartTimeout { .. } => SpawnError::StartTimeout {
            timeout: std::time::Duration::from_secs(1),
        },
        SpawnError::ForkServer(_) => SpawnError::ForkServer(ForkServerError::Died),
        SpawnError::System(_) => SpawnError::System(system()),
    }
    #[cfg(feature = "process")]
    RemoteError {
        _ => RemoteError::with_message(name()),
    }
    #[cfg(feature = "process")]
    ForkServerError {
        ForkServerError::Threads { .. } => ForkServerError::Threads { count: 2, preloading: true },
        ForkServerError::Panicked(_) => ForkServerError::Panicked(name()),
        ForkServerError::NotStarted(_) => {
            ForkServerError::NotStarted(Box::new(JoinError::NotStarted { code: 1 }))
        },
        ForkServerError::Died => ForkServerError::Died,
        ForkServerError::ProcessDied(_) => {
            ForkServerError::ProcessDied(Box::new(JoinError::Killed { signal: 9 }))
        },
        ForkServerError::System(_) => ForkServerError::System(system()),
    }
    #[cfg(feature = "process")]
    OptionError {
        OptionError::EmptyName => OptionError::EmptyName,
        OptionError::NameTooLong { .. } => OptionError::NameTooLong { len: 300, limit: 255 },
        OptionError::NulInName { .. } => OptionError::NulInName { at: 1 },
        OptionError::Variable { .. } => OptionError::Variable {
            name: name(),
            fault: VariableFault::EqualsSign,
        },
        OptionError::Directory { .. } => OptionError::Directory {
            path: name().into(),
            source: system(),
        },
    }
    #[cfg(feature = "process")]
    ObjectError {
        ObjectError::Full { .. } => ObjectError::Full { asked: 96, free: 0 },
        ObjectError::Removed => ObjectError::Removed,
        ObjectError::Value(_) => ObjectError::Value(value()),
        ObjectError::Fault(_) => ObjectError::Fault(membership().into()),
    }
    #[cfg(feature = "process")]
    ObjectTimeoutError {
        ObjectTimeoutError::Timeout => ObjectTimeoutError::Timeout,
        ObjectTimeoutError::Object(_) => ObjectTimeoutError::Object(membership().into()),
    }
    #[cfg(feature = "process")]
    AttributeError {
        AttributeError::OtherType { .. } => AttributeError::OtherType { expected: name(), found: name() },
        AttributeError::Undecodable(_) => AttributeError::Undecodable("it is untagged".into()),
        AttributeError::Object(_) => AttributeError::Object(membership().into()),
    }
    #[cfg(feature = "process")]
    JoinError {
        JoinError::Panicked(_) => JoinError::Panicked(Panic::with_message(&name())),
        JoinError::Failed(_) => JoinError::Failed(RemoteError::with_message(name())),
        JoinError::Killed { .. } => JoinError::Killed { signal: 9 },
        JoinError::Exited { .. } => JoinError::Exited { code: 1 },
        JoinError::NotStarted { .. } => JoinError::NotStarted { code: 1 },
        JoinError::Refused(_) => JoinError::Refused(name()),
        JoinError::Reaped => JoinError::Reaped,
        JoinError::ServerDied => JoinError::ServerDied,
        JoinError::Arguments(_) => JoinError::Arguments(value().into()),
        JoinError::Encode(_) => JoinError::Encode(value().into()),
        JoinError::Unsent(_) => JoinError::Unsent(system()),
        JoinError::Decode(_) => JoinError::Decode(value().into()),
        JoinError::Taken => JoinError::Taken,
        JoinError::System(_) => JoinError::System(system()),
    }
    #[cfg(feature = "process")]
    JoinTimeoutError {
        JoinTimeoutError::Timeout => JoinTimeoutError::Timeout,
        JoinTimeoutError::Join(_) => JoinTimeoutError::Join(JoinError::Unsent(system())),
    }
    #[cfg(feature = "process")]
    StatusError {
        StatusError::Reaped => StatusError::Reaped,
        StatusError::ServerDied => StatusError::ServerDied,
        StatusError::System(_) => StatusError::System(system()),
    }
    #[cfg(feature = "process")]
    BuildError {
        BuildError::Workers { .. } => BuildError::Workers { found: 0, most: 9 },
        BuildError::InFlight { .. } => BuildError::InFlight { found: 0, most: 9 },
        BuildError::Spawn(_) => BuildError::Spawn(SpawnError::NotInProgram),
        BuildError::Segment(_) => BuildError::Segment(CreateError::Name(NameError::Empty)),
        BuildError::Entry(_) => BuildError::Entry(membership().into()),
        BuildError::Initializer { .. } => BuildError::Initializer { message: name() },
        BuildError::System(_) => BuildError::System(system()),
    }
    #[cfg(feature = "process")]
    SubmitError {
        SubmitError::Full => SubmitError::Full,
        SubmitError::Encode(_) => SubmitError::Encode(value().into()),
        SubmitError::TooLarge { .. } => SubmitError::TooLarge { size: 2, most: 1 },
        SubmitError::NotInProgram => SubmitError::NotInProgram,
        SubmitError::Closed => SubmitError::Closed,
        SubmitError::Broken(_) => SubmitError::Broken(name()),
        SubmitError::Fault(_) => SubmitError::Fault(membership().into()),
    }
    #[cfg(feature = "process")]
    TaskError {
        TaskError::Panicked(_) => TaskError::Panicked(Panic::with_message("no")),
        TaskError::Failed(_) => TaskError::Failed(RemoteError::with_message(name())),
        TaskError::WorkerDied { .. } => TaskError::WorkerDied {
            signal: Some(9), code: None, oom: Some(true), started: true, attempts: 1,
        },
        TaskError::TimedOut { .. } => TaskError::TimedOut {
            limit: std::time::Duration::from_secs(1), attempts: 1,
        },
        TaskError::Cancelled => TaskError::Cancelled,
        TaskError::Arguments(_) => TaskError::Arguments(value().into()),
        TaskError::Encode(_) => TaskError::Encode(value().into()),
        TaskError::Decode(_) => TaskError::Decode(value().into()),
        TaskError::TooLarge { .. } => TaskError::TooLarge { size: 2, most: 1 },
        TaskError::Closed => TaskError::Closed,
        TaskError::Broken(_) => TaskError::Broken(name()),
        TaskError::Submit(_) => TaskError::Submit(SubmitError::Full),
    }
    #[cfg(feature = "process")]
    MapError {
        _ => MapError { index: 3, error: TaskError::Cancelled },
    }
    #[cfg(feature = "process")]
    WaitTimeoutError {
        WaitTimeoutError::Timeout => WaitTimeoutError::Timeout,
        WaitTimeoutError::Status(_) => WaitTimeoutError::Status(StatusError::Reaped),
    }
}

#[cfg(feature = "process")]
use crate::collection::object::{AttributeError, ObjectError, ObjectTimeoutError};
#[cfg(feature = "process")]
use crate::process::{AcceptError, BindError, ConnectError};
#[cfg(feature = "process")]
use crate::process::{
    BuildError, CodecError, ForkServerError, JoinError, JoinTimeoutError, MapError, OptionError,
    Panic, PipeError, RecvIntoError, RemoteError, SpawnError, StatusError, SubmitError, TaskError,
    VariableFault, WaitTimeoutError,
};
#[test]
fn every_error_begins_in_lower_case_and_has_no_full_stop() {
    for (error, value) in walk() {
        let words = value.to_string();
        assert!(!words.is_empty(), "{error}: {value:?}");
        assert!(
            !words.ends_with(['.', '!', '\n', ' ']),
            "{error}: {words:?}"
        );
        let first = words.chars().next().expect("not empty");
        // An option that is named at the beginning may be written as it is.
        assert!(!first.is_uppercase(), "{error}: {words:?}");
    }
}

#[test]
fn an_error_of_a_main_shows_its_text_and_its_causes() {
    let error = Error::from(CreateError::Name(NameError::Empty));
    assert_eq!(
        format!("{error:?}"),
        format!("{error}: {}", NameError::Empty)
    );
    assert_eq!(
        format!("{error:#?}"),
        "Create(\n    Name(\n        Empty,\n    ),\n)"
    );
    let error = Error::from(TrySendError::Full(7));
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn an_error_is_of_any_thread() {
    fn holds<T: Send + Sync + 'static>() {}
    holds::<Error>();
}

#[test]
fn no_error_says_its_cause_twice() {
    for (error, value) in walk() {
        let mut outer = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            let words = inner.to_string();
            assert!(
                !outer.contains(&words),
                "{error}: {outer:?} says {words:?}, too"
            );
            outer = words;
            cause = inner.source();
        }
    }
}

#[test]
fn what_the_system_said_is_in_every_chain() {
    let causes = |value: &dyn StdError| {
        let mut deepest = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            deepest = inner.to_string();
            cause = inner.source();
        }
        deepest
    };
    let said = refused().to_string();
    for value in [
        Box::new(EntryError::from(membership())) as Box<dyn StdError>,
        Box::new(LockError::<()>::from(membership())),
        Box::new(Error::from(OpenError::io("opening the file")(refused()))),
        Box::new(WaitIdleError::from(membership())),
        Box::new(WaitAnyError::Fault {
            index: 0,
            fault: membership().into(),
        }),
    ] {
        assert!(causes(&*value).ends_with(&said), "{value}");
    }
}
