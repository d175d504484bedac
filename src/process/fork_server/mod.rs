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
//! pair; sends (slot, end) ---->  takes the end, then forks -->  closes what is the server's
//! closes its copy of the end     closes the end                 sends pidfd and memfd, sleeps
//! request over the pair ------------------------------------->  enters the surroundings
//! compares its rights
//! takes pidfd and memfd  <------------------------------------
//! "go on" --------------------------------------------------->  outlives the server
//! has its process  <------------------------------------------  answers, then begins its job
//!                                waits for it, posts in slot
//! ```
//! The first line comes before the asker prepares its request. After the first start it comes ahead
//! of the next one: a start leaves a *spare* process behind, which the server forks while the new
//! process works, and which sleeps until the next start has a request for it. It ends when the
//! asker closes its end, and is killed at the end of the server, until it is told to go on.
//!
//! The answer comes from the process itself, as does the pidfd: so it is exact whatever the server
//! does meanwhile. Descriptors come before the process is told to go on: an asker that can hold
//! none has no process that runs. No function begins before its answer was sent. The asker waits
//! for it without a lock, and its wait ends when no process has the other end of the pair any more,
//! or at the deadline of the start, which bounds each of its waits.
//!
//! What the asker passes on and no request can, its rights and limits, is compared after the
//! request was sent, while the process wakes up. A process that is not told to go on answers
//! nothing.
//!
//! How a process ended is known to its parent, the server, which posts it on a
//! [board](crate::sys::board). The slot is the asker's to give, and is given anew once something
//! was posted in it.
//!
//! # Crash
//! | killed | what is left | what the asker does |
//! |---|---|---|
//! | server, before it has forked | the end is closed with its socket | no answer, and the server is dead: asks a new one |
//! | server, before the process is told to go on | the process is killed | as above |
//! | server, after that | the process, which answers | goes on; the status comes from the kernel (`PIDFD_INFO_EXIT`), or is lost, which a typed error says |
//! | process, before its answer | the end is closed | no answer, and a status in the slot: an error with the signal |
//! | spare, before its answer | the end is closed | no answer: asks for another process |
//! | process, after its answer | result or none, status in the slot | joins |
//! | server and process, before the answer | the end is closed | as in the first row: the function has not begun |
//! | asker | its sockets are closed, its pidfd is readable | the server and the spare end, the processes go on, or end as daemons |
//! | server or spare, stopped | | a start waits, until its `start_timeout`; so does the question for the status of a process that has ended, not that for its result |
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
mod starting;

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::error::ForkServerError;
use self::handle::ServerHandle;
pub(super) use self::relay::Relay;
use self::request::{ForkRequest, PreparedRequest, StartAnswer};
pub(super) use self::request::{RESULT, SOCKET, Surroundings};
pub(super) use self::serve::{Forked, serve};
use self::starting::{Reported, StartingServer};
use super::init::Restart;
use super::options::StartLimit;
use super::{JoinError, SpawnError};
use crate::Deadline;
use crate::segment::SystemError;
use crate::sys::board::Posted;
use crate::sys::child;
use crate::sys::events::Here;
use crate::sys::exe::Code;
use crate::sys::fork::{Guarded, exclusive};
use crate::sys::private::Private;
use crate::sys::standing::Standing;
use crate::sys::start::NotStarted;
use crate::sys::surroundings::Dispositions;

/// How many servers a start tries that die under it.
const TRIES: u32 = 3;
/// What this process has of fork servers, which a forked child does not.
struct Owner {
    here: Here,
    server: Mutex<Option<ServerState>>,
    /// What the next start takes.
    spare: Mutex<Option<Spare>>,
}

/// The server that this process has.
enum ServerState {
    Starts(Box<StartingServer>),
    Runs(Arc<ServerHandle>),
}

/// A process that the server forks ahead of its request, which it waits for.
struct Spare {
    relay: Relay,
    /// Between two starts other code may fork, or close it.
    socket: Private,
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
            spare: Mutex::new(None),
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

    fn spare(&self) -> MutexGuard<'_, Option<Spare>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_spare(&self) -> bool {
        self.spare().is_some()
    }

    /// Takes the spare process, unless there is none, or it is known to have ended, or other code
    /// has closed its socket.
    fn take_spare(&self) -> Option<Forking> {
        let spare = self.spare().take();
        let Spare { relay, socket } = spare.filter(|spare| !spare.relay.has_ended())?;
        let socket = socket.into_owned()?.into();
        Some(Forking {
            relay,
            socket,
            tries: TRIES,
            is_spare: true,
        })
    }

    /// Has the server fork a process for the next start, unless there is one.
    ///
    /// It is of use to the next start only, and so no error is this one's.
    fn order_spare(&self, server: &Arc<ServerHandle>) {
        let mut spare = self.spare();
        if spare.is_some() {
            return;
        }
        let Some(slot) = server.take_slot() else {
            return;
        };
        let relay = Relay {
            server: Arc::clone(server),
            slot,
        };
        match server.try_connect(slot) {
            Some(Ok(socket)) => *spare = Some(Spare { relay, socket }),
            Some(Err(_)) | None => relay.cancel(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<ServerState>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the server, started if there is none but the `unfit` one.
    ///
    /// Threads that want the first server wait until it has reported, without the lock.
    fn server(
        &self,
        restart: &Restart,
        unfit: Option<&Arc<ServerHandle>>,
        limit: StartLimit,
    ) -> Result<Arc<ServerHandle>, SpawnError> {
        let is_unfit =
            |server: &Arc<ServerHandle>| unfit.is_some_and(|unfit| Arc::ptr_eq(unfit, server));
        loop {
            let mut state = self.state();
            let control = match &*state {
                Some(ServerState::Runs(server)) if !is_unfit(server) => {
                    return Ok(Arc::clone(server));
                }
                Some(ServerState::Starts(starting)) => Arc::clone(&starting.control),
                Some(ServerState::Runs(_)) | None => {
                    // It ends once nothing asks for the status of its processes any more.
                    *state = None;
                    let starting = StartingServer::start(restart, standing()?, preloads())?;
                    let control = Arc::clone(&starting.control);
                    *state = Some(ServerState::Starts(Box::new(starting)));
                    control
                }
            };
            drop(state);
            let in_time = child::wait(control.as_fd(), limit.deadline);
            if !in_time.map_err(SpawnError::system(WAITING))? {
                return Err(limit.passed());
            }
            let mut state = self.state();
            let starting = match state.take() {
                Some(ServerState::Starts(starting)) if Arc::ptr_eq(&starting.control, &control) => {
                    starting
                }
                // Another thread was the first to see the report.
                other => {
                    *state = other;
                    continue;
                }
            };
            match starting.reported(&self.here)? {
                Reported::Nothing(starting) => *state = Some(ServerState::Starts(starting)),
                Reported::Runs(server, helper) => {
                    *state = Some(ServerState::Runs(Arc::clone(&server)));
                    drop(state);
                    // So that no zombie is left.
                    let _ = starting::end_of(helper, limit);
                    return Ok(server);
                }
                Reported::Fails(report, helper) => {
                    drop(state);
                    return Err(starting::failure(report, helper, limit));
                }
            }
        }
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
    /// The memfd of its result.
    pub(super) result: OwnedFd,
    pub(super) socket: UnixStream,
    pub(super) relay: Relay,
}

/// A start by this process's server.
pub(super) struct Asked<'a> {
    restart: &'a Restart,
    limit: StartLimit,
    owner: Arc<Owner>,
    /// The process that was asked for; `None` if the spare one is to be taken, which is left where
    /// it is until its request is ready.
    process: Option<Forking>,
}

/// A process that a server was asked for, and that waits for its request.
struct Forking {
    relay: Relay,
    socket: UnixStream,
    /// How many servers may still be asked.
    tries: u32,
    /// Whether it was forked ahead, and may have been killed since.
    is_spare: bool,
}

/// Asks this process's server for a process, unless there is a spare one. While it forks, the
/// request can be prepared.
pub(super) fn ask(restart: &Restart, limit: StartLimit) -> Result<Asked<'_>, SpawnError> {
    let owner = Owner::current().map_err(SpawnError::system("making room for a fork server"))?;
    let process = match owner.has_spare() {
        true => None,
        false => Some(owner.ask(restart, None, TRIES, limit)?),
    };
    Ok(Asked {
        restart,
        limit,
        owner,
        process,
    })
}

impl Owner {
    /// Asks `tries` servers at most, and not the `unfit` one.
    fn ask(
        &self,
        restart: &Restart,
        mut unfit: Option<Arc<ServerHandle>>,
        mut tries: u32,
        limit: StartLimit,
    ) -> Result<Forking, SpawnError> {
        while tries > 0 {
            let server = self.server(restart, unfit.as_ref(), limit)?;
            let slot = server.take_slot().ok_or_else(|| {
                let error = io::ErrorKind::QuotaExceeded.into();
                SpawnError::system("finding a place for the exit status")(error)
            })?;
            let relay = Relay { server, slot };
            tries -= 1;
            let connected = relay.server.connect(slot, limit);
            if !matches!(connected, Ok(Some(_))) {
                relay.cancel();
            }
            if let Some(socket) = connected? {
                return Ok(Forking {
                    relay,
                    socket,
                    tries,
                    is_spare: false,
                });
            }
            unfit = Some(Arc::clone(&relay.server));
        }
        Err(ForkServerError::Died.into())
    }
}

/// What becomes of a request.
enum RequestFate {
    Runs(ByServer),
    /// The server, or a process that was forked ahead, has died, and no process runs.
    Lost(Forking),
    /// This process is not any more what it was when the server started, and no process runs.
    Unfit(Forking),
}

impl Asked<'_> {
    /// Sends the request, and waits until the process has taken it.
    ///
    /// `inherited` are the descriptors that the job names.
    pub(super) fn start(
        self,
        surroundings: &Surroundings<'_>,
        inherited: &[BorrowedFd<'_>],
        job: &[u8],
    ) -> Result<ByServer, SpawnError> {
        let limit = self.limit;
        let request = ForkRequest::encode(surroundings, inherited, job)?;
        let (owner, restart) = (&self.owner, self.restart);
        let mut process = match self.process.or_else(|| owner.take_spare()) {
            Some(process) => process,
            // Another thread has taken it.
            None => owner.ask(restart, None, TRIES, limit)?,
        };
        loop {
            match process.send(&request, limit)? {
                RequestFate::Runs(started) => {
                    // While this one works.
                    owner.order_spare(&started.relay.server);
                    return Ok(started);
                }
                RequestFate::Lost(lost) => {
                    let dead = lost.relay.server.has_died();
                    let server = dead.then(|| Arc::clone(&lost.relay.server));
                    process = owner.ask(restart, server, lost.tries, limit)?;
                }
                RequestFate::Unfit(unfit) => {
                    let server = Some(Arc::clone(&unfit.relay.server));
                    process = owner.ask(restart, server, unfit.tries, limit)?;
                }
            }
        }
    }
}

impl Forking {
    /// Sends the request, and waits for the answer. At the deadline, the process does not run its
    /// function, or was killed.
    fn send(
        self,
        request: &PreparedRequest<'_>,
        limit: StartLimit,
    ) -> Result<RequestFate, SpawnError> {
        let (socket, deadline) = (self.socket.as_fd(), limit.deadline);
        if !is_sent(request.send(socket, deadline))? {
            return Err(limit.passed());
        }
        // What the process does meanwhile, waking up above all, takes longer.
        if !self.relay.server.is_fit()? {
            return Ok(RequestFate::Unfit(self));
        }
        let ignored = Dispositions::current().inherited();
        // Before it is told to go on, so that none runs which this process cannot hold.
        let descriptors = match self.await_answer(deadline)? {
            Some(StartAnswer::Process(_, descriptors)) => descriptors,
            Some(StartAnswer::Refused(error)) => return Err(refused(&error)),
            Some(StartAnswer::Nothing) => return self.has_died(limit),
            None => return Err(limit.passed()),
        };
        let [pidfd, result] = descriptors.try_into().map_err(|_| {
            let error = io::ErrorKind::InvalidData.into();
            SpawnError::system(WAITING)(error)
        })?;
        if !is_sent(request::send_go(socket, ignored, deadline))? {
            return Err(limit.passed());
        }
        let mut answer = self.await_answer(deadline)?;
        let in_time = answer.is_some();
        if !in_time {
            // Nothing can be sent to it after this, so what is there now is all that comes.
            let closed = self.socket.shutdown(Shutdown::Both);
            closed.map_err(SpawnError::system(WAITING))?;
            answer = self.await_answer(Deadline::never())?;
        }
        match answer {
            Some(StartAnswer::Process(..)) if !in_time => {
                child::kill(pidfd.as_fd())
                    .map_err(SpawnError::system("killing the new process"))?;
                Err(limit.passed())
            }
            _ if !in_time => Err(limit.passed()),
            Some(StartAnswer::Process(id, _)) => Ok(RequestFate::Runs(ByServer {
                id,
                pidfd,
                result,
                socket: self.socket,
                relay: self.relay,
            })),
            Some(StartAnswer::Refused(error)) => Err(refused(&error)),
            Some(StartAnswer::Nothing) | None => self.has_died(limit),
        }
    }

    /// Waits for an answer; `None` if the deadline passes.
    fn await_answer(&self, deadline: Deadline) -> Result<Option<StartAnswer>, SpawnError> {
        let socket = self.socket.as_fd();
        let in_time = child::wait(socket, deadline).map_err(SpawnError::system(WAITING))?;
        let answer = in_time.then(|| request::await_answer(socket)).transpose();
        answer.map_err(SpawnError::system(WAITING))
    }

    /// What is to be done about a process that has died before it had answered.
    fn has_died(self, limit: StartLimit) -> Result<RequestFate, SpawnError> {
        if self.is_spare {
            // At any time since the last start, or with its server.
            return Ok(RequestFate::Lost(self));
        }
        match self.relay.wait_until(limit.deadline) {
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
            None if self.relay.server.has_died() => Ok(RequestFate::Lost(self)),
            // It has not told yet, stopped perhaps.
            None => Err(limit.passed()),
        }
    }
}

const WAITING: &str = "waiting for the fork server";

/// Whether something was sent in time. To a socket that is closed, too: why that is, the answer or
/// the slot says.
fn is_sent(sent: io::Result<()>) -> Result<bool, SpawnError> {
    match sent {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(true),
            io::ErrorKind::WouldBlock => Ok(false),
            _ => Err(SpawnError::system("handing descriptors to the fork server")(error)),
        },
    }
}

fn refused((what, error): &NotStarted) -> SpawnError {
    SpawnError::System(SystemError::new(what, error))
}
