//! Processes: run a function in a process of its own and get its result.
//!
//! [`spawn()`] starts this program again, and [`init()`], the first call of `main`, turns the new
//! process into the worker. The worker decodes the arguments, calls the function, sends the result
//! to the parent and exits. Arguments and results are any serde values, including handles of shared
//! memory.
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
//! locks or open files (except the segments of handles), and `static`s in their initial state.
//!
//! It inherits the environment, the working directory, standard output and standard error. Its
//! standard input is `/dev/null`, as in Python's multiprocessing, so that workers do not compete
//! for the terminal. [`Builder`] changes each of them. It is called `Process-1`, `Process-2` and so
//! on, as in Python, or as [`Builder::name`] says; ps(1) shows the name, and the program's name as
//! its command line. No signal is blocked in it. SIGPIPE, SIGTERM and SIGINT have their default
//! action, and so has every signal that the parent handles; other signals that the parent ignores
//! are ignored.
//!
//! It outlives its parent, unless it is a [`daemon`](Builder::daemon), and dropping its [`Process`]
//! does not end it. Processes of a [`scope`](scope()) end with the scope.
//! [`current()`] and [`parent`] tell a process what it is.
//!
//! That is [`StartMethod::Spawn`]. With [`StartMethod::ForkServer`] a helper process that has one
//! thread and little memory forks the worker, in a third of the time; [`preload()`] has it load
//! what all workers share. [`Builder::start`] says in what such a worker differs.
//!
//! # Deaths
//! The result is passed in a memfd that the worker seals; sealing is the commit. A worker that is
//! killed before the commit has no result ([`JoinError::Killed`]); one killed after it has
//! delivered. Workers of a parent that dies go on running, unless they are
//! [daemons](Builder::daemon), and their results are dropped.
//!
//! A function that may fail has two ways: as a value, [`spawn()`] returns its `Result` as any
//! other; [`try_spawn`] makes its error one of the join ([`JoinError::Failed`]).
//!
//! A panic of the function is printed with the name and the id of the process. It is an error of
//! the join ([`JoinError::Panicked`]) that carries the message, the place and, if `RUST_BACKTRACE`
//! asks for one, the backtrace. The hook that prints it replaces a hook that the program set before
//! [`init()`]; a hook that the function sets replaces it in turn, and then only the message
//! arrives.
//!
//! # Pipes and connections
//! [`pipe`] makes two ends for values in one direction, [`duplex`] two for both; they are arguments
//! of processes, and in shared memory. [`Listener`] and [`Conn::connect`] connect programs that do
//! not know each other, by a name. Whatever happens to one side, the other gets everything that was
//! sent and then [`Disconnected`](crate::queue::RecvError::Disconnected), within half a second.
//!
//! ```
//! use crossdock::process::{self, Conn};
//!
//! fn double(mut conn: Conn<u64, u64>) -> Result<(), crossdock::Error> {
//!     while let Ok(number) = conn.recv() {
//!         conn.send(&(2 * number))?;
//!     }
//!     Ok(())
//! }
//!
//! fn main() -> Result<(), crossdock::Error> {
//!     process::init();
//!     let (mut conn, other) = process::duplex()?;
//!     let worker = process::spawn(double, other)?;
//!     conn.send(&21)?;
//!     assert_eq!(conn.recv()?, 42);
//!     drop(conn);
//!     worker.join()?
//! }
//! ```
//!
//! # Tests
//! Under `cargo test` and `cargo nextest`, where `main` belongs to the harness, call [`init_test`].
//!
//! # Tracing
//! With feature `tracing`, the crate of that name is told of each process, under the target
//! `crossdock`: in the parent a span `spawn` and the events of start and exit, in the worker a span
//! `process` around its function. A worker is a new program image, so its subscriber is what
//! `main` sets before it calls [`init()`].
//!
//! # How a function is passed
//! As its offset in the program, so it must lie in the program itself and not in a shared library
//! ([`SpawnError::NotInProgram`]). The worker runs /proc's link to its parent's program, so a
//! program that was replaced on disk meanwhile still spawns itself. Unless the kernel confirms that
//! it was started by that link, the worker compares device, inode, size, modification time and
//! layout with its parent's before it trusts an offset ([`JoinError::Refused`]).
//!
//! A program that was started through the dynamic loader is started through it again. Under
//! valgrind, the program is started by its path, and the worker runs without valgrind unless
//! valgrind follows children.
//!
//! A program with more rights than its invoking user (setuid, file capabilities) does not
//! trust its environment: it is never a worker and cannot spawn ([`SpawnError::Privileged`]).
//!
//! The codec is postcard. It is not self-describing: types whose `Deserialize` asks for the type of
//! the next value (`#[serde(untagged)]`, `#[serde(flatten)]`, `serde_json::Value`) do not decode.
//! Bytes left over behind a value, values nested deeper than 128 levels, and more than 65,536
//! elements that take no bytes are errors ([`JoinError::Arguments`], [`JoinError::Decode`]), as in
//! a [`Channel`](crate::queue::Channel).

mod bound;
mod builder;
mod children;
mod claimed;
mod conn;
mod current;
mod ends;
mod error;
mod exits;
mod fork_server;
mod handle_serde;
pub(crate) mod handles;
mod init;
mod job;
mod notice;
mod options;
mod outcome;
mod own;
mod panic;
mod pool;
mod portable;
mod remote;
mod running;
mod scope;
mod spawn;
mod spawn_all;
mod spawned;
#[cfg(test)]
mod tests;

mod trace;
mod worker;

pub use crate::queue::{WaitAnyError, Waitable, wait_any, wait_any_timeout};
pub use builder::Builder;
pub use children::{ActiveChild, active_children};
pub use conn::{
    AcceptError, BindError, Conn, ConnectError, Listener, ListenerOptions, PeerCredentials,
    PipeError, PipeOptions, PipeReceiver, PipeSender, Pollable, PollableMut, RecvIntoError, duplex,
    pipe,
};
pub use current::{CurrentProcess, ParentProcess, available_parallelism, current, parent};
#[doc(hidden)]
pub use ends::take_over_sender;
pub use error::{
    CodecError, JoinError, JoinTimeoutError, SpawnError, StatusError, WaitTimeoutError,
};
pub use fork_server::{ForkServerError, preload};
pub use init::{init, init_test};
pub use options::{OptionError, StartMethod, Stdio, VariableFault};
pub use panic::{Panic, PanicLocation};
pub use pool::{
    AsCompleted, BuildError, Fallible, Imap, MapError, OnParentDeath, Options, Pool, PoolBuilder,
    Progress, State, SubmitError, Task, TaskError, WorkerState, as_completed,
};
pub use portable::Portable;
pub use remote::{PortableError, RemoteError};
pub use running::Process;
pub use scope::{Scope, ScopedProcess, scope};
pub use spawn::{spawn, try_spawn};
