//! Fork servers: the asker's side.
//!
//! A server is a process of this program with one thread, which [`init`](super::init()) turned into
//! it. It forks a process for each request, so that a start copies the server's few pages, however
//! much memory the asker has, and neither loads nor links the program. Its processes may do
//! anything, start threads too, since no other thread was there that could hold a lock.
//!
//! # Protocol
//! ```text
//! asker                          server                        process
//! pair; sends (slot, end) ---->  takes the end
//! closes its copy of the end
//! request over the pair ------>  takes it, then forks  ----->  closes what is the server's
//!                                closes the end                enters the asker's surroundings
//! has pid and pidfd  <---------------------------------------  answers, then begins its job
//!                                waits for it, posts in slot
//! ```
//! The asker sends the end first and prepares its request while the server wakes up. The server
//! takes the request, as what is done before the fork costs no copies of pages; it watches its
//! owner and its children meanwhile, and forks nothing for an asker that sends none.
//!
//! The answer comes from the process itself, with a pidfd of itself: so it is exact whatever the
//! server does meanwhile. No function begins before its answer was sent. The asker waits for it
//! without a lock, and its wait ends when no process has the other end of the pair any more.
//!
//! How a process ended is known to its parent, the server, which posts it on a
//! [board](crate::sys::board). The slot is the asker's to give, and is given anew once something
//! was posted in it.
//!
//! # Crash
//! | killed | what is left | what the asker does |
//! |---|---|---|
//! | server, before it has forked, the request taken or not | the end is closed with its socket | no answer, and the server is dead: asks a new one |
//! | server, after it has forked | the process, which answers | goes on; the status comes from the kernel (`PIDFD_INFO_EXIT`), or is lost, which a typed error says |
//! | process, before its answer | the end is closed | no answer, and a status in the slot: an error with the signal |
//! | process, after its answer | result or none, status in the slot | joins |
//! | server and process, before the answer | the end is closed | as in the first row: the function has not begun |
//! | asker | its sockets are closed, its pidfd is readable | the server ends, the processes go on, or end as daemons |
//! | server, stopped | | a start waits; so does the question for the status of a process that has ended, not that for its result |
//!
//! # Why fork, and not a clone with `CLONE_PARENT`
//! That would make the process the asker's own child, and there would be no board. But it runs no
//! handler of pthread_atfork(3), by which some libraries seed their random generators in a child:
//! processes of one server would draw the same numbers. And it leaves the C library's list of
//! threads as it was.

mod error;
mod handle;
mod relay;
mod request;
mod serve;

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::error::ForkServerError;
use self::handle::ServerHandle;
pub(super) use self::relay::Relay;
use self::request::{ForkRequest, PreparedRequest, StartAnswer};
pub(super) use self::request::{SOCKET, Surroundings};
pub(super) use self::serve::{Forked, serve};
use super::init::Restart;
use super::{JoinError, SpawnError};
use crate::Deadline;
use crate::segment::SystemError;
use crate::sys::board::Posted;
use crate::sys::child;
use crate::sys::events::Here;
use crate::sys::exe::Code;
use crate::sys::fork::{Guarded, exclusive};
use crate::sys::standing::Standing;

/// How many servers a start tries that die under it.
const TRIES: u32 = 3;
/// What this process has of fork servers, which a forked child does not.
struct Owner {
    here: Here,
    server: Mutex<Option<Arc<ServerHandle>>>,
}

/// The offsets of the functions to preload; in a forked child, too.
static PRELOADS: Guarded<Option<Arc<Vec<u64>>>> = Guarded::new(None);

fn preloads() -> Arc<Vec<u64>> {
    let known = PRELOADS.get(&mut exclusive()).clone();
    known.unwrap_or_default()
}

/// What this process is now.
fn standing() -> Result<Standing, SpawnError> {
    Standing::current().map_err(SpawnError::system(
        "comparing the rights and limits of this process",
    ))
}

static OWNER: Guarded<Option<Arc<Owner>>> = Guarded::new(None);

impl Owner {
    /// Returns that of this process, made at the first call.
    fn current() -> io::Result<Arc<Self>> {
        let known = OWNER.get(&mut exclusive()).clone();
        if let Some(owner) = known.filter(|owner| owner.here.is_here()) {
            return Ok(owner);
        }
        let fresh = Arc::new(Self {
            here: Here::new()?,
            server: Mutex::new(None),
        });
        let mut exclusive = exclusive();
        let place = OWNER.get(&mut exclusive);
        if let Some(owner) = place.as_ref().filter(|owner| owner.here.is_here()) {
            let owner = Arc::clone(owner);
            drop(exclusive);
            return Ok(owner);
        }
        let parents = place.replace(Arc::clone(&fresh));
        drop(exclusive);
        // In a forked child, the parent's: another thread may have been changing it.
        std::mem::forget(parents);
        Ok(fresh)
    }

    /// Returns the server, started if there is none but the `unfit` one.
    ///
    /// Threads that want the first server wait here until one of them has started it.
    fn server(
        &self,
        restart: &Restart,
        unfit: Option<&Arc<ServerHandle>>,
    ) -> Result<Arc<ServerHandle>, SpawnError> {
        let mut current = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = &*current
            && !unfit.is_some_and(|unfit| Arc::ptr_eq(unfit, server))
        {
            return Ok(Arc::clone(server));
        }
        // It ends once nothing asks for the status of its processes any more.
        *current = None;
        let server = Arc::new(ServerHandle::start(
            &self.here,
            restart,
            standing()?,
            preloads(),
        )?);
        *current = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// Has the fork server of this process call `function` once, before it forks the first process.
///
/// What the function puts into `static`s, such as a model in a [`OnceLock`](std::sync::OnceLock),
/// is there in each process that is started by
/// [`StartMethod::ForkServer`](super::StartMethod::ForkServer), and takes memory once as long as
/// none of them writes to it. Several functions are called in the order of the calls of `preload`.
///
/// The server is started by the first process that needs it, so this returns at once. A server that
/// runs already is replaced by the next start; its processes go on.
///
/// In the server the function runs on a thread of its own, which ends before the first process is
/// forked: values of thread-locals are not kept. If a function panics, leaves a thread behind or
/// ends the server, each start fails with [`SpawnError::ForkServer`]. Preload no secrets that not
/// all of the processes may have, and no random generator: each process would draw the same
/// numbers. (The seeds of the standard library's hash maps are different ones in each process.)
///
/// # Errors
/// [`SpawnError::NotInProgram`] if the function lies in a shared library.
///
/// # Examples
/// ```
/// use std::sync::OnceLock;
///
/// use crossdock::process::{self, Builder, StartMethod};
///
/// static PRIMES: OnceLock<Vec<u32>> = OnceLock::new();
///
/// fn load() {
///     let is_prime = |n: &u32| (2..*n).all(|d| n % d != 0);
///     PRIMES.get_or_init(|| (2..1_000).filter(is_prime).collect());
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     process::preload(load)?;
///     let worker = Builder::new()
///         .start(StartMethod::ForkServer)
///         .spawn(|index: usize| PRIMES.get().map(|primes| primes[index]), 4)?;
///     assert_eq!(worker.join()?, Some(11));
///     assert!(PRIMES.get().is_none()); // not loaded in this process
///     Ok(())
/// }
/// ```
pub fn preload(function: fn()) -> Result<(), SpawnError> {
    let offset = Code::of_program()
        .offset(function as *const ())
        .ok_or(SpawnError::NotInProgram)?;
    loop {
        let known = preloads();
        let more = Arc::new(known.iter().copied().chain([offset]).collect::<Vec<_>>());
        let mut exclusive = exclusive();
        let place = PRELOADS.get(&mut exclusive);
        // Another thread may have added one meanwhile.
        if place.as_ref().is_none_or(|now| Arc::ptr_eq(now, &known)) {
            let before = place.replace(more);
            drop(exclusive);
            drop((before, known));
            return Ok(());
        }
    }
}

/// A process started by a server, with what tells how it ended.
pub(super) struct ByServer {
    pub(super) id: u32,
    pub(super) pidfd: OwnedFd,
    pub(super) socket: UnixStream,
    pub(super) relay: Relay,
}

/// A process that a server was asked for, and that waits for its request.
pub(super) struct Asked<'a> {
    restart: &'a Restart,
    owner: Arc<Owner>,
    relay: Relay,
    socket: UnixStream,
    /// How many servers may still be asked.
    tries: u32,
}

/// Asks this process's server for a process. While it forks, the request can be prepared.
pub(super) fn ask(restart: &Restart) -> Result<Asked<'_>, SpawnError> {
    let owner = Owner::current().map_err(SpawnError::system("making room for a fork server"))?;
    ask_one(restart, owner, None, TRIES)
}

/// Asks `tries` servers at most, and not the `unfit` one.
fn ask_one(
    restart: &Restart,
    owner: Arc<Owner>,
    mut unfit: Option<Arc<ServerHandle>>,
    mut tries: u32,
) -> Result<Asked<'_>, SpawnError> {
    while tries > 0 {
        let server = owner.server(restart, unfit.as_ref())?;
        let slot = server.take_slot().ok_or_else(|| {
            let error = io::ErrorKind::QuotaExceeded.into();
            SpawnError::system("finding a place for the exit status")(error)
        })?;
        let relay = Relay { server, slot };
        let asked = relay.server.connect(slot)?;
        // Compared while the server wakes up, which forks nothing before it has the request.
        let is_fit = relay.server.preloads == preloads() && relay.server.standing == standing()?;
        match asked {
            Some(socket) if is_fit => {
                return Ok(Asked {
                    restart,
                    owner,
                    relay,
                    socket,
                    tries: tries - 1,
                });
            }
            Some(_) => {}
            None => tries -= 1,
        }
        unfit = Some(Arc::clone(&relay.server));
    }
    Err(ForkServerError::Died.into())
}

/// What becomes of a request.
enum RequestFate<A> {
    Runs(ByServer),
    /// The time was up, and the process does not run its function, or was killed.
    Late,
    /// The server has died, and no process runs.
    Lost(A),
}

impl Asked<'_> {
    /// Sends the request, and waits until the process has taken it.
    ///
    /// `inherited` are the descriptors that the job names, `job` its memfd and its nonce.
    pub(super) fn start(
        mut self,
        surroundings: &Surroundings<'_>,
        inherited: &[BorrowedFd<'_>],
        job: (BorrowedFd<'_>, u64),
        timeout: Option<Duration>,
    ) -> Result<ByServer, SpawnError> {
        let deadline = timeout.map_or(Deadline::never(), Deadline::after);
        let request = ForkRequest::encode(surroundings, inherited, job)?;
        loop {
            match self.send(&request, deadline)? {
                RequestFate::Runs(started) => return Ok(started),
                RequestFate::Late => {
                    return Err(SpawnError::StartTimeout {
                        timeout: timeout.unwrap_or_default(),
                    });
                }
                RequestFate::Lost(lost) => {
                    let server = Some(Arc::clone(&lost.relay.server));
                    self = ask_one(lost.restart, lost.owner, server, lost.tries)?;
                }
            }
        }
    }

    /// Sends the request, and waits for the answer.
    fn send(
        self,
        request: &PreparedRequest<'_>,
        deadline: Deadline,
    ) -> Result<RequestFate<Self>, SpawnError> {
        if let Err(error) = request.send(self.socket.as_fd()) {
            let is_closed = matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            );
            // Why it is closed, the answer or the slot says.
            if !is_closed {
                return Err(SpawnError::system("handing descriptors to the fork server")(error));
            }
        }
        let waiting = "waiting for the fork server";
        let in_time =
            child::wait(self.socket.as_fd(), deadline).map_err(SpawnError::system(waiting))?;
        if !in_time {
            // Nothing can be sent to it after this, so what is there now is all that comes.
            let closed = self.socket.shutdown(Shutdown::Both);
            closed.map_err(SpawnError::system(waiting))?;
        }
        let answer = request::await_answer(self.socket.as_fd());
        match answer.map_err(SpawnError::system(waiting))? {
            StartAnswer::Runs(_, pidfd) if !in_time => {
                child::kill(pidfd.as_fd())
                    .map_err(SpawnError::system("killing the new process"))?;
                Ok(RequestFate::Late)
            }
            _ if !in_time => Ok(RequestFate::Late),
            StartAnswer::Runs(id, pidfd) => Ok(RequestFate::Runs(ByServer {
                id,
                pidfd,
                socket: self.socket,
                relay: self.relay,
            })),
            StartAnswer::Refused((what, error)) => {
                Err(SpawnError::System(SystemError::new(what, &error)))
            }
            StartAnswer::Nothing => match self.relay.wait(None) {
                Some(Posted::Ended(status)) => {
                    let how = match status.signal() {
                        Some(signal) => JoinError::Killed { signal },
                        None => JoinError::NotStarted {
                            code: status.code().unwrap_or(0),
                        },
                    };
                    Err(ForkServerError::ProcessDied(Box::new(how)).into())
                }
                Some(Posted::NotForked(errno)) => {
                    let error = io::Error::from_raw_os_error(errno);
                    Err(SpawnError::system("forking in the fork server")(error))
                }
                None => Ok(RequestFate::Lost(self)),
            },
        }
    }
}
