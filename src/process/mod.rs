//! Processes: run a function in a process of its own, and get its result back.
//!
//! [`spawn`] starts this very program again, and [`init`], the first call of `main`, turns the new
//! process into the worker: it decodes the arguments, calls the function, hands the result to the
//! parent and ends the process. Arguments and results are any serde values, handles of shared
//! memory among them.
//!
//! ```
//! use crossdock::process;
//!
//! fn square(number: u64) -> u64 {
//!     number * number
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     process::init(); // a spawned worker begins, and ends, here
//!     let worker = process::spawn(square, 12)?;
//!     assert_eq!(worker.join()?, 144);
//!     Ok(())
//! }
//! ```
//!
//! # What the worker is
//! A new program image, not a fork: it has its own address space, none of the parent's threads,
//! locks or open files (handles that travel excepted), and `static`s in their initial state. It
//! inherits the environment, the working directory, standard output and standard error; its
//! standard input is `/dev/null`, as in Python's multiprocessing, so that workers do not fight over
//! the terminal; of the parent's command line it has only the program's name, under which ps(1) shows
//! it, too. No signal is blocked in it, whatever its parent has blocked. SIGPIPE, SIGTERM and SIGINT are
//! at their default, and so is every signal that the parent handles; others that the parent ignores are
//! ignored.
//!
//! It does not end with its parent, and a dropped [`Process`] does not end it either.
//!
//! # When somebody dies
//! The result travels in a memfd that the worker seals, and sealing is the commit: a worker killed
//! before it has no result ([`JoinError::Killed`]), one killed after it has delivered. A parent
//! that dies leaves its workers running; what they return is dropped with them.
//!
//! # Tests
//! Under `cargo test` and `cargo nextest`, where `main` belongs to the harness, call [`init_test`].
//!
//! # How a function travels
//! As its offset in the program, so it must lie in the program itself and not in a shared library
//! ([`SpawnError::NotInProgram`]). The worker runs the link of /proc to its parent's
//! program, so one that was replaced on disk meanwhile still spawns what it is; it then compares device, inode, size, modification
//! time and layout with its parent's before it believes an offset ([`JoinError::Refused`]), unless
//! the kernel says that it was started by this very link.
//!
//! A program that was started through the dynamic loader is started through it again. One that runs
//! under valgrind is started by its path, and the worker runs without valgrind unless that follows
//! children.
//!
//! A program that has more rights than who started it (setuid, file capabilities) does not believe
//! its environment, so it is never a worker and cannot spawn ([`SpawnError::Privileged`]).
//!
//! The codec is postcard. It is not self-describing: types whose `Deserialize` asks what comes next
//! (`#[serde(untagged)]`, `#[serde(flatten)]`, `serde_json::Value`) do not decode. Bytes left over behind
//! a value, values nested deeper than 128 levels, and more than 65,536 elements that take no bytes are
//! errors ([`JoinError::Arguments`], [`JoinError::Decode`]), as at a [`Channel`](crate::queue::Channel).

mod bound;
mod error;
mod handle_serde;
pub(crate) mod handles;
mod init;
mod job;
mod outcome;
mod portable;
mod running;
mod spawn;
#[cfg(test)]
mod tests;

mod worker;

pub use error::{CodecError, JoinError, JoinTimeoutError, SpawnError, StatusError};
pub use init::{init, init_test};
pub use portable::Portable;
pub use running::Process;
pub use spawn::spawn;
#[doc(hidden)]
pub use spawn::spawn_bound;
