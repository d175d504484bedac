//! The server's side: one thread, which forks a process for each request.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::thread;

use serde::{Deserialize, Serialize};

use super::request::{self, ForkRequest, MAKE, OPEN, RECEIVE, RESULT, SOCKET};
use crate::codec;
use crate::process::handles;
use crate::process::job::Job;
use crate::process::panic::message_of;
use crate::sys::board::{Board, Posted};
use crate::sys::exe::Code;
use crate::sys::forked::{self, ChildEnds};
use crate::sys::process::{errno, on_main_thread, set_name};
use crate::sys::socket::{self, Full};
use crate::sys::start::NotStarted;
use crate::sys::surroundings::{self, Dispositions};
use crate::sys::{pidfd, shm};

/// The stack of the thread that preloads: as much as a main thread has.
const STACK: usize = 8 << 20;
/// How often the server looks whether a test harness's main thread sleeps, before it gives up.
const LOOKS: u32 = 1_000_000;

/// What the server tells its owner when it is ready, or cannot be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It takes requests. Its pidfd comes with this.
    Ready,
    /// There are so many threads, before or after the preloading.
    Threads { count: u32, preloading: bool },
    /// The threads could not be counted.
    NotCounted(i32),
    /// A preloaded function panicked, with this message.
    Panicked(String),
    /// A system call failed.
    System(i32),
}

/// A process that the server has forked, with the job that it is to run.
pub(in crate::process) struct Forked {
    pub(in crate::process) job: Job,
    pub(in crate::process) arguments: Vec<u8>,
    /// By the numbers that they have in the asker.
    pub(in crate::process) descriptors: BTreeMap<i32, OwnedFd>,
}

/// Serves until the owner is gone. Returns in the processes that it forks, and only there.
///
/// `preloads` are offsets of functions, encoded; the descriptors are the owner's socket, the
/// owner's pidfd and the board.
pub(in crate::process) fn serve(preloads: &[u8], descriptors: Vec<OwnedFd>) -> Forked {
    let Ok([control, owner, board]) = <[OwnedFd; 3]>::try_from(descriptors) else {
        forked::end(1)
    };
    set_name(c"fork-server");
    let ready = become_server(preloads, &board).and_then(|ends| {
        let server = Server {
            id: std::process::id(),
            dispositions: ends.0,
            ends: ends.1,
            board: ends.2,
            children: BTreeMap::new(),
        };
        let pidfd =
            pidfd::open(std::process::id()).map_err(|error| Report::System(errno(&error)))?;
        Ok((server, pidfd))
    });
    drop(board);
    let (report, server) = match ready {
        Ok((server, pidfd)) => (Report::Ready, Some((server, pidfd))),
        Err(report) => (report, None),
    };
    let pidfd = server.as_ref().map(|(_, pidfd)| pidfd.as_fd());
    let bytes = codec::encode(&report).unwrap_or_default();
    let told = socket::send(control.as_fd(), &bytes, pidfd.as_slice(), Full::Waits);
    match (told, server) {
        (Ok(_), Some((server, _))) => server.run(control, owner),
        _ => forked::end(1),
    }
}

/// Makes this process one of one thread, and preloads.
fn become_server(
    preloads: &[u8],
    board: &OwnedFd,
) -> Result<(Dispositions, ChildEnds, Board), Report> {
    let system = |error: io::Error| Report::System(errno(&error));
    check_threads_before()?;
    flush();
    // The process that serves is no child of its owner: code that waits for all its children does
    // not wait for it. In it there is this thread only, under a test harness, too.
    // SAFETY: this is the only thread, or the other one is a test harness's that sleeps.
    match unsafe { forked::fork() }.map_err(system)? {
        Some(_) => forked::end(0),
        None => preload(preloads)?,
    }
    let count = count_threads()?;
    if count > 1 {
        return Err(Report::Threads {
            count,
            preloading: true,
        });
    }
    rehearse();
    flush();
    surroundings::leave();
    let dispositions = Dispositions::current();
    let ends = ChildEnds::watch().map_err(system)?;
    let board = Board::open_alone(board.as_fd()).map_err(system)?;
    surroundings::set_signal_mask(surroundings::terminal_signals());
    Ok((dispositions, ends, board))
}

/// Checks that there is no thread but this one and, under a test harness, that of main, and waits
/// until that sleeps: then it holds no lock that a forked process would find taken.
fn check_threads_before() -> Result<(), Report> {
    let (own, main) = (forked::thread(), std::process::id());
    let others = threads()?
        .into_iter()
        .filter(|thread| *thread != own && *thread != main);
    let others = u32::try_from(others.count()).unwrap_or(u32::MAX);
    let threads = |count| Report::Threads {
        count,
        preloading: false,
    };
    if others > 0 {
        return Err(threads(others + 1 + u32::from(!on_main_thread())));
    }
    if on_main_thread() {
        return Ok(());
    }
    for _ in 0..LOOKS {
        match forked::sleeps(main) {
            Ok(true) => return Ok(()),
            Ok(false) => thread::yield_now(),
            Err(error) => return Err(Report::NotCounted(errno(&error))),
        }
    }
    Err(threads(2))
}

fn threads() -> Result<Vec<u32>, Report> {
    forked::threads().map_err(|error| Report::NotCounted(errno(&error)))
}

fn count_threads() -> Result<u32, Report> {
    threads().map(|threads| u32::try_from(threads.len()).unwrap_or(u32::MAX))
}

/// Calls the functions, on a thread that has ended when this returns. What the standard library
/// keeps for each thread, such as the seeds of its hash maps, is then made anew in each process.
fn preload(offsets: &[u8]) -> Result<(), Report> {
    let offsets: Vec<u64> = codec::decode(offsets).unwrap_or_default();
    if offsets.is_empty() {
        return Ok(());
    }
    let code = Code::of_program();
    let functions: Vec<fn()> = offsets
        .into_iter()
        .filter_map(|offset| code.address(offset))
        .map(|address| {
            // SAFETY: the owner took the offset from a `fn()`, and this process runs the same
            // program, or `locate` had refused the job.
            unsafe { std::mem::transmute::<*const (), fn()>(address) }
        })
        .collect();
    let run = move || {
        let called = catch_unwind(AssertUnwindSafe(|| {
            for function in functions {
                function();
            }
        }));
        let message = called.err().map(|payload| message_of(&*payload).to_owned());
        (forked::thread(), message)
    };
    let thread = thread::Builder::new()
        .name("preload".to_owned())
        .stack_size(STACK)
        .spawn(run)
        .map_err(|error| Report::System(errno(&error)))?;
    let Ok((id, message)) = thread.join() else {
        return Err(Report::Panicked(String::new()));
    };
    while !forked::thread_is_gone(id) {
        thread::yield_now();
    }
    message.map_or(Ok(()), |message| Err(Report::Panicked(message)))
}

/// Does what each process would have to do for the first time: symbols that the loader looks up at
/// their first use, and what the library notes of its program and thread.
fn rehearse() {
    let _ = Code::of_program();
    if let Ok(encoded) = handles::encode_arguments(&()) {
        let received = handles::Received::new(&encoded.bytes, Vec::new());
        let _ = received.and_then(|received| received.decode::<()>());
    }
}

/// Writes what this process has printed: a forked process would print it again.
fn flush() {
    let _ = io::stdout().flush();
    forked::flush_c_streams();
}

struct Server {
    id: u32,
    /// Those of a process of this program.
    dispositions: Dispositions,
    ends: ChildEnds,
    board: Board,
    /// The slots of the children, by their pids.
    children: BTreeMap<u32, u32>,
}

impl Server {
    fn run(mut self, control: OwnedFd, owner: OwnedFd) -> Forked {
        loop {
            let watched = [control.as_fd(), owner.as_fd(), self.ends.descriptor()];
            let Ok([asked, owner_ended, ended]) = forked::wait(watched) else {
                // Other code has taken the memory, or the descriptors.
                forked::end(1)
            };
            if owner_ended {
                forked::end(0);
            }
            if ended {
                self.post_ends();
            }
            if !asked {
                continue;
            }
            let mut slot = [0; 4];
            let received = socket::receive(control.as_fd(), &mut slot, Full::Fails);
            let number = u32::from_le_bytes(slot);
            match received {
                // The owner has let go.
                Ok((0, _)) => forked::end(0),
                Ok((_, fds)) => {
                    let Some(socket) = fds.into_iter().next() else {
                        continue;
                    };
                    if self.forks(number) {
                        drop((control, owner));
                        return self.become_child(socket);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.board.post(number, Posted::NotForked(errno(&error))),
            }
        }
    }

    fn post_ends(&mut self) {
        let (board, children) = (&self.board, &mut self.children);
        self.ends.take(|pid, status: ExitStatus| {
            if let Some(slot) = children.remove(&pid) {
                board.post(slot, Posted::Ended(status));
            }
        });
    }

    /// Forks a process, whose end is posted in `slot`. Returns whether this is that process, in
    /// which all signals are blocked.
    fn forks(&mut self, slot: u32) -> bool {
        let mask = surroundings::block_signals();
        // SAFETY: this process has one thread, as was counted, and starts none.
        match unsafe { forked::fork() } {
            Ok(None) => return true,
            Ok(Some(pid)) => {
                self.children.insert(pid, slot);
            }
            Err(error) => self.board.post(slot, Posted::NotForked(errno(&error))),
        }
        surroundings::set_signal_mask(mask);
        false
    }

    /// Waits for the asker's request, becomes what it says, and answers.
    fn become_child(self, socket: OwnedFd) -> Forked {
        // It is not mapped here, so there is nothing to unmap.
        std::mem::forget(self.board);
        self.ends.forget();
        forked::end_with_parent(self.id);
        set_name(c"fork-spare");
        match take_request(&socket, self.dispositions) {
            Ok(Some(mut forked)) => {
                forked.descriptors.insert(SOCKET, socket);
                surroundings::set_signal_mask(0);
                forked
            }
            // Its asker has let go.
            Ok(None) => forked::end(0),
            Err(error) => {
                request::answer_error(socket.as_fd(), &error);
                forked::end(127)
            }
        }
    }
}

/// Receives a request, enters its surroundings, and answers. `None` if none comes.
fn take_request(
    socket: &OwnedFd,
    dispositions: Dispositions,
) -> Result<Option<Forked>, NotStarted> {
    let at = |step| move |error| (step, error);
    let pid = std::process::id();
    let pidfd = pidfd::open(pid).map_err(at(OPEN))?;
    let result = shm::memfd(c"crossdock-result").map_err(at(MAKE))?;
    let own = [pidfd.as_fd(), result.as_fd()];
    request::answer(socket.as_fd(), pid, &own).map_err(at(OPEN))?;
    drop(pidfd);
    let received = ForkRequest::receive(socket.as_fd()).map_err(at(RECEIVE))?;
    let Some(mut received) = received else {
        return Ok(None);
    };
    let (environment, directory, streams) = received.surroundings().map_err(at(RECEIVE))?;
    // SAFETY: this process has one thread, that which forked it.
    unsafe { surroundings::set_environment(environment) };
    surroundings::enter(&directory, streams)?;
    let (job, arguments) =
        Job::decode(&received.job).ok_or_else(|| (RECEIVE, io::ErrorKind::InvalidData.into()))?;
    let Some(ignored) = request::await_go(socket.as_fd()).map_err(at(RECEIVE))? else {
        return Ok(None);
    };
    dispositions.inherit(ignored);
    forked::outlive_parent();
    request::answer(socket.as_fd(), pid, &[]).map_err(at(OPEN))?;
    let mut descriptors = received.descriptors;
    descriptors.insert(RESULT, result);
    Ok(Some(Forked {
        job,
        arguments,
        descriptors,
    }))
}
