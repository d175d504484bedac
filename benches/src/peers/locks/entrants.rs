//! The table of entrants: each kind, what sort of thing it is, and what a kill does to it.

use crossdock_cli::contention::{KINDS, Kind};
use serde::Serialize;

use super::python;
use super::threads::{ParkingLot, Std};
use super::{Adds, AddsBeside, Flock, Permits, RawSync, Semaphore, SystemV};

/// crossdock's mutex, which the others are held beside.
pub(crate) const OURS: &str = "mutex";
/// crossdock's semaphore.
pub(crate) const OUR_SEMAPHORE: &str = "permits";
/// The other lock that survives its owner.
pub(crate) const ROBUST: &str = "pthread-robust";

/// What can be compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    /// A lock between processes.
    Lock,
    /// A number that needs no lock, and protects nothing else.
    Number,
    /// A lock between the threads of one process.
    Threads,
    /// A lock between processes, used by an interpreter.
    Interpreted,
}

/// What an owner that is killed leaves to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AfterKill {
    /// The lock, and the news.
    Told,
    /// The lock, and perhaps a half-made change that is not mentioned.
    Released,
    /// A lock that stays held.
    Held,
    /// Nothing: it has no owner.
    Nothing,
    /// Does not arise: all users die together.
    Together,
}

impl AfterKill {
    /// In the words of the report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Told => "the lock, and the news",
            Self::Released => "the lock, no news",
            Self::Held => "a lock held forever",
            Self::Nothing => "nothing is held",
            Self::Together => "no user is left",
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
    pub(crate) after_kill: AfterKill,
    kind: Source,
}

/// Where the kind comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The table of `crossdock-cli` or of `queues`.
    Shared,
    /// Here.
    Own(Kind),
    /// It was not built: for want of what.
    #[cfg(not(boost_locks))]
    Missing(&'static str),
}

/// What is to be installed for Boost's locks.
#[cfg(not(boost_locks))]
const BOOST: &str = "Boost's headers, a C++ compiler and the feature `boost`";

const fn shared(
    name: &'static str,
    label: &'static str,
    sort: Sort,
    after_kill: AfterKill,
) -> Entrant {
    Entrant {
        name,
        label,
        sort,
        after_kill,
        kind: Source::Shared,
    }
}

const fn own(kind: Kind, sort: Sort, after_kill: AfterKill) -> Entrant {
    Entrant {
        name: kind.name,
        label: kind.about,
        sort,
        after_kill,
        kind: Source::Own(kind),
    }
}

/// A lock of Boost's.
const fn boosts(name: &'static str, label: &'static str, kind: Source) -> Entrant {
    Entrant {
        name,
        label,
        sort: Sort::Lock,
        after_kill: AfterKill::Held,
        kind,
    }
}

#[cfg(boost_locks)]
const BOOST_MUTEX: Source = Source::Own(Kind::of::<Adds<super::BoostMutex>>("Boost"));
#[cfg(boost_locks)]
const BOOST_SEMAPHORE: Source = Source::Own(Kind::of::<Adds<super::BoostSemaphore>>("Boost"));
#[cfg(not(boost_locks))]
const BOOST_MUTEX: Source = Source::Missing(BOOST);
#[cfg(not(boost_locks))]
const BOOST_SEMAPHORE: Source = Source::Missing(BOOST);

/// All of them, in the order of the report.
pub(crate) const ENTRANTS: &[Entrant] = &[
    shared(OURS, "crossdock `Mutex`", Sort::Lock, AfterKill::Told),
    shared(
        ROBUST,
        "pthread, shared and robust",
        Sort::Lock,
        AfterKill::Told,
    ),
    shared("pthread", "pthread, shared", Sort::Lock, AfterKill::Held),
    shared(
        "futex",
        "plain three-state futex",
        Sort::Lock,
        AfterKill::Held,
    ),
    own(
        Kind::of::<Adds<RawSync>>("raw_sync `Mutex`"),
        Sort::Lock,
        AfterKill::Held,
    ),
    own(
        Kind::of::<Adds<Semaphore>>("POSIX semaphore"),
        Sort::Lock,
        AfterKill::Held,
    ),
    boosts("boost-mutex", "Boost `interprocess_mutex`", BOOST_MUTEX),
    boosts(
        "boost-semaphore",
        "Boost `interprocess_semaphore`",
        BOOST_SEMAPHORE,
    ),
    own(
        Kind::of::<AddsBeside<Permits>>("crossdock `Semaphore`, 1 permit"),
        Sort::Lock,
        AfterKill::Released,
    ),
    own(
        Kind::of::<AddsBeside<SystemV>>("System V, `SEM_UNDO`"),
        Sort::Lock,
        AfterKill::Released,
    ),
    own(
        Kind::of::<Adds<Flock>>("flock(2)"),
        Sort::Lock,
        AfterKill::Released,
    ),
    own(python::KIND, Sort::Interpreted, AfterKill::Held),
    own(
        Kind::threads::<Std>("std `Mutex`, threads"),
        Sort::Threads,
        AfterKill::Together,
    ),
    own(
        Kind::threads::<ParkingLot>("parking_lot `Mutex`, threads"),
        Sort::Threads,
        AfterKill::Together,
    ),
    shared(
        "counter",
        "crossdock `Counter`",
        Sort::Number,
        AfterKill::Nothing,
    ),
    shared(
        "sharded",
        "crossdock `ShardedCounter`",
        Sort::Number,
        AfterKill::Nothing,
    ),
];

impl Entrant {
    /// For want of what it was not built.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        match self.kind {
            #[cfg(not(boost_locks))]
            Source::Missing(what) => Some(what),
            _ => None,
        }
    }

    /// What measures it.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.kind {
            Source::Own(kind) => Some(kind),
            #[cfg(not(boost_locks))]
            Source::Missing(_) => None,
            Source::Shared => KINDS.iter().find(|kind| kind.name == self.name).copied(),
        }
    }
}

/// The entrant of that name.
pub(crate) fn entrant(name: &str) -> Option<&'static Entrant> {
    ENTRANTS.iter().find(|entrant| entrant.name == name)
}
