//! The table of entrants: each kind, what sort of thing it is, and what a reader has to know of it.

use crate::queues::{KINDS, Kind};
use serde::Serialize;

use super::posix_mq::{self, PosixMq};
use super::python;
use super::threads::{Crossbeam, Kanal, Rtrb};
use crate::peers::locks::python_version;

/// crossdock's, which the others are held beside.
pub(crate) const SPSC: &str = "spsc";
pub(crate) const SPSC_BATCH: &str = "spsc-batch";
pub(crate) const SPSC_ADAPTIVE: &str = "spsc-adaptive";
pub(crate) const QUEUE: &str = "queue";
pub(crate) const QUEUE_BATCH: &str = "queue-batch";
pub(crate) const QUEUE_ADAPTIVE: &str = "queue-adaptive";
pub(crate) const WORK: &str = "work";
pub(crate) const WORK_ADAPTIVE: &str = "work-adaptive";
/// What those are measured by.
pub(crate) const MINIMAL: &str = "lamport";
pub(crate) const NAIVE: &str = "vyukov";
pub(crate) const PIPE: &str = "pipe";
pub(crate) const BOOST: &str = "boost";
pub(crate) const ICEORYX2: &str = "iceoryx2";
pub(crate) const PYTHON: &str = "python";

/// What can be compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    /// crossdock's.
    Ours,
    /// Between processes.
    Processes,
    /// Between the threads of one process.
    Threads,
    /// Between processes, used by an interpreter.
    Interpreted,
}

impl Sort {
    /// In the words of the report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Ours | Self::Processes | Self::Interpreted => "processes",
            Self::Threads => "threads",
        }
    }
}

/// One entrant.
#[derive(Clone, Copy)]
pub(crate) struct Entrant {
    /// Its kind's name.
    pub(crate) name: &'static str,
    /// What it is, in the report.
    pub(crate) label: &'static str,
    pub(crate) sort: Sort,
    /// What else there is to know.
    note: &'static str,
    kind: Source,
}

/// Where the kind comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The table of `crossdock-cli` or of `queues`.
    Shared,
    /// Here.
    Own(Kind),
    /// It was not built: why.
    #[cfg(not(boost))]
    Missing(&'static str),
}

/// How many items a queue is made for.
pub(crate) const CAPACITY: u32 = 1024;

/// How often those are run at most whose runs cost more than the time that is measured.
pub(super) const COSTLY_RUNS: u32 = 5;

const fn entrant_of(
    name: &'static str,
    label: &'static str,
    sort: Sort,
    note: &'static str,
    kind: Source,
) -> Entrant {
    Entrant {
        name,
        label,
        sort,
        note,
        kind,
    }
}

const fn ours(name: &'static str, label: &'static str, note: &'static str) -> Entrant {
    entrant_of(name, label, Sort::Ours, note, Source::Shared)
}

const fn shared(name: &'static str, label: &'static str, note: &'static str) -> Entrant {
    entrant_of(name, label, Sort::Processes, note, Source::Shared)
}

const fn threads(kind: Kind, note: &'static str) -> Entrant {
    let source = Source::Own(kind);
    entrant_of(kind.name, kind.about, Sort::Threads, note, source)
}

const fn foreign(
    name: &'static str,
    label: &'static str,
    note: &'static str,
    kind: Source,
) -> Entrant {
    entrant_of(name, label, Sort::Processes, note, kind)
}

/// All of them, in the order of the report and of a round. Those that a goal compares stand
/// together, so that they are run close in time.
pub(crate) const ENTRANTS: &[Entrant] = &[
    shared(
        MINIMAL,
        "minimal ring for two",
        "one producer, one consumer; only tries",
    ),
    ours(
        SPSC,
        "crossdock `spsc`",
        "one producer, one consumer; a waiter sleeps at once",
    ),
    ours(
        SPSC_BATCH,
        "crossdock `spsc`, in slices",
        "32 items at once; only tries",
    ),
    shared(NAIVE, "naive ring for many (Vyukov)", "only tries"),
    ours(QUEUE, "crossdock `Queue`", "a waiter sleeps at once"),
    ours(
        QUEUE_BATCH,
        "crossdock `Queue`, in slices",
        "32 items at once; only tries",
    ),
    shared(PIPE, "pipe", "holds 64 KiB"),
    ours(
        WORK,
        "crossdock `WorkQueue`",
        "what is received is acknowledged at once; a waiter sleeps at once",
    ),
    foreign(BOOST, "Boost `message_queue`", "", BOOST_SOURCE),
    foreign(
        ICEORYX2,
        "iceoryx2",
        "gives each receiver every item: one receiver; a waiter waits for its events",
        ICEORYX2_SOURCE,
    ),
    ours(
        SPSC_ADAPTIVE,
        "crossdock `spsc`, adaptive",
        "as `spsc`; a waiter spins before it sleeps, as by default",
    ),
    ours(
        QUEUE_ADAPTIVE,
        "crossdock `Queue`, adaptive",
        "as `Queue`; a waiter spins before it sleeps, as by default",
    ),
    ours(
        WORK_ADAPTIVE,
        "crossdock `WorkQueue`, adaptive",
        "as `WorkQueue`; a waiter spins before it sleeps, as by default",
    ),
    shared(
        "pipe-batch",
        "pipe, several at once",
        "holds 64 KiB; 32 items at once, 4 KiB at most",
    ),
    shared(
        "socket",
        "Unix sockets, `SOCK_SEQPACKET`",
        "holds what the socket's buffer does",
    ),
    foreign(
        "posix-mq",
        "POSIX mq",
        "",
        Source::Own(Kind::of::<PosixMq>("POSIX mq")),
    ),
    foreign(
        "ipc-channel",
        "ipc-channel",
        "one receiver; a send always waits for room",
        IPC_CHANNEL_SOURCE,
    ),
    entrant_of(
        PYTHON,
        "Python `Queue`",
        Sort::Interpreted,
        "always waits; bytes, pickled",
        Source::Own(python::KIND),
    ),
    threads(
        Kind::threads::<Rtrb>("rtrb, threads"),
        "one producer, one consumer; only tries",
    ),
    threads(
        Kind::threads::<Crossbeam>("crossbeam `ArrayQueue`, threads"),
        "only tries",
    ),
    threads(Kind::threads::<Kanal>("kanal, threads"), ""),
];

#[cfg(boost)]
const BOOST_SOURCE: Source = Source::Own(Kind::of::<super::boost::Boost>("Boost"));
#[cfg(all(feature = "foreign", not(boost)))]
const BOOST_SOURCE: Source = Source::Missing("not built: headers missing");
#[cfg(not(feature = "foreign"))]
const BOOST_SOURCE: Source = Source::Missing(WITHOUT);

#[cfg(feature = "foreign")]
const ICEORYX2_SOURCE: Source =
    Source::Own(Kind::of::<super::iceoryx2::Iceoryx2>("iceoryx2").at_most(COSTLY_RUNS));
#[cfg(not(feature = "foreign"))]
const ICEORYX2_SOURCE: Source = Source::Missing(WITHOUT);

#[cfg(feature = "foreign")]
const IPC_CHANNEL_SOURCE: Source =
    Source::Own(Kind::of::<super::ipc_channel::IpcChannel>("ipc-channel"));
#[cfg(not(feature = "foreign"))]
const IPC_CHANNEL_SOURCE: Source = Source::Missing(WITHOUT);

#[cfg(not(feature = "foreign"))]
const WITHOUT: &str = "not built: without the feature `foreign`";

impl Entrant {
    /// What measures it here.
    ///
    /// # Errors
    ///
    /// Why nothing does.
    pub(crate) fn kind(&self) -> Result<Kind, String> {
        let kind = match self.kind {
            #[cfg(not(boost))]
            Source::Missing(why) => return Err(why.to_owned()),
            Source::Own(kind) => kind,
            Source::Shared => {
                let mut kinds = KINDS.iter();
                let kind = kinds.find(|kind| kind.name == self.name).copied();
                kind.ok_or_else(|| "not there".to_owned())?
            }
        };
        match self.name {
            PYTHON if python_version().is_none() => Err("no interpreter".to_owned()),
            "posix-mq" => match posix_mq::depth(CAPACITY, size_of::<u64>()) {
                Ok(_) => Ok(kind),
                Err(error) => Err(format!("not to be had: {error}")),
            },
            _ => Ok(kind),
        }
    }

    /// What there is to know of it, or why it is left out.
    pub(crate) fn note(&self) -> String {
        match self.kind() {
            Err(why) => why,
            Ok(_) if self.name == "posix-mq" => {
                let depth = |size| posix_mq::depth(CAPACITY, size).unwrap_or_default();
                let (small, large) = (depth(8), depth(1024));
                format!("holds what the limits allow: {small} items of 8 bytes, {large} of 1 KiB")
            }
            Ok(_) => self.note.to_owned(),
        }
    }
}

/// The entrant of that name.
pub(crate) fn entrant(name: &str) -> Option<&'static Entrant> {
    ENTRANTS.iter().find(|entrant| entrant.name == name)
}
