//! Families of processes, one of which is walked from one system call to the next, and killed or
//! stopped there, or has its parent killed.
//!
//! A start of a process takes half a million instructions, of which some hundred change what
//! another process can see: system calls, and stores to the segment. So a step is one of these. In
//! between a victim cannot be told from one that was killed at the step before. The board of a fork
//! server is no part of the segment; each store to it is followed by a system call.
//!
//! Of a pool also a thread is walked, and stores to the pool's own segment are steps. A worker is
//! walked from the point on where a task of it says so: until then it only waits for tasks.

mod cases;
mod family;
mod pool;
mod roles;
mod sweep;
mod tracee;

pub(crate) use cases::{LISTED, LISTED_POOLS};
