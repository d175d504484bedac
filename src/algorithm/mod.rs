//! The algorithms, a folder for each primitive: its words, where they are in an entry, what
//! processes do with them, and the models.
//!
//! The same code runs in a segment and under loom, over borrowed state. Nothing here knows of
//! files, mappings, threads or system calls. Which processes are alive comes in through
//! [`Liveness`](crate::participant::Liveness); everything shared is reached through the facade.

pub(crate) mod barrier;
#[cfg_attr(
    not(any(loom, feature = "process")),
    expect(dead_code, reason = "objects are of values that serde encodes")
)]
pub(crate) mod blocks;
pub(crate) mod chunks;
pub(crate) mod condvar;
pub(crate) mod counter;
pub(crate) mod directory;
pub(crate) mod element;
pub(crate) mod ends;
pub(crate) mod event;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod look;
pub(crate) mod manager;
pub(crate) mod mpmc;
pub(crate) mod mutex;
pub(crate) mod promise;
pub(crate) mod reentrant;
pub(crate) mod region;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod snapshot;
pub(crate) mod spsc;
#[cfg_attr(loom, expect(dead_code, reason = "segments count"))]
pub(crate) mod stats;
#[cfg_attr(
    not(any(loom, feature = "process")),
    expect(dead_code, reason = "pools are of processes")
)]
pub(crate) mod tasks;
pub(crate) mod work;
