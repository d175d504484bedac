//! The algorithms of queues and snapshots, over borrowed state: what runs in a segment and under loom
//! alike.
//!
//! As in `raw`, nothing here knows of files, mappings, threads or syscalls.

pub(crate) mod any;
pub(crate) mod bell;
pub(crate) mod ends;
pub(crate) mod role;
pub(crate) mod slots;
pub(crate) mod snapshot;
pub(crate) mod spsc;
pub(crate) mod wait;
pub(crate) mod work;
