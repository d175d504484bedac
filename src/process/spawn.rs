//! Spawning: the parent's side.

use std::env;
use std::error::Error;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::children::{ChildRecord, Family};
use super::error::{READING_FILE, READING_START};
use super::fork_server::{self, Asked, Surroundings};
use super::handles::{Encoded, Received};
use super::init::Restart;
use super::job::{self, Harness, Job, VARIABLE, refusal};
use super::options::{EnvironmentChanges, SpawnOptions, StartLimit, StartMethod};
use super::own::Lineage;
use super::running::{Process, Started};
use super::spawned::Spawned;
use super::{
    CodecError, OptionError, Portable, RemoteError, SpawnError, Stdio, handles, own, trace,
};
use crate::segment::{Segment, SystemError};
use crate::sys::exe::{Code, Image, Program};
use crate::sys::start::{Command, Stream};
use crate::sys::{self, descriptor, identity, pidfd, process, shm};

/// Runs one job in the worker: decodes the arguments, calls the function at the address and encodes
/// its result.
pub(super) type Trampoline = fn(*const (), Received<'_>) -> Result<Returned, JobError>;

/// An encoded result: its bytes, and the segments that its handles live in.
pub(super) type Returned = (Vec<u8>, Vec<Segment>);

/// The error of a job whose function did not panic.
pub(super) enum JobError {
    Arguments(CodecError),
    Encode(CodecError),
    /// The function returned it.
    Failed(RemoteError),
}

pub(super) fn trampoline<A: DeserializeOwned, R: Serialize>(
    function: *const (),
    arguments: Received<'_>,
) -> Result<Returned, JobError> {
    // SAFETY: `spawn::<A, R>` sent the offset of a `fn(A) -> R` along with that of this very
    // instantiation, and the worker found both in the same program image.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    let arguments = arguments.decode().map_err(JobError::Arguments)?;
    let result = handles::encode_result(&function(arguments)).map_err(JobError::Encode)?;
    Ok((result.bytes, result.segments))
}

/// As [`trampoline`], for a function that may fail.
fn try_trampoline<A, R, E>(
    function: *const (),
    arguments: Received<'_>,
) -> Result<Returned, JobError>
where
    A: DeserializeOwned,
    R: Serialize,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    // SAFETY: `start_fallible::<A, R, E>` sent the offset of a `fn(A) -> Result<R, E>` along with
    // that of this very instantiation, and the worker found both in the same program image.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> Result<R, E>>(function) };
    let arguments = arguments.decode().map_err(JobError::Arguments)?;
    let value =
        function(arguments).map_err(|error| JobError::Failed(RemoteError::of(error.into())))?;
    let result = handles::encode_result(&value).map_err(JobError::Encode)?;
    Ok((result.bytes, result.segments))
}

/// Runs `function(args)` in a new process of this program.
///
/// `function` is a `fn` item, or a closure that captures nothing. A closure that captures does not
/// compile: pass the values as `args`, as a tuple if there are several. Arguments and result are
/// passed by serde ([`Portable`]). Handles among them refer to the same memory in the new process,
/// which is a participant of its own.
///
/// Blocks until the new process runs this program (a fraction of a millisecond, however much memory
/// this process has), not until the function begins. Other threads go on meanwhile, and no handler
/// of pthread_atfork(3) runs. Any number of segments, up to the limit on open files, may be passed
/// as arguments. Their descriptors reach no other process that any thread of this one starts
/// meanwhile.
///
/// Any thread may spawn, and a worker may spawn in turn.
///
/// # Senders and receivers
/// If [senders](crate::queue::SenderOf) or receivers are among the arguments, the call returns when
/// the new process has counted them, at the beginning of [`init`](super::init()), or has died.
/// Until then they are this process's, so their queues have them throughout; then they are dropped
/// here. Several threads may do so at the same time. A process that does not come to `init` keeps
/// the caller waiting: see [`Builder::start_timeout`](super::Builder::start_timeout).
///
/// # Errors
/// - [`SpawnError::NotInitialised`] if this process has not called [`init`](super::init()), so that
///   a program that forgets the call never becomes a chain of processes.
/// - [`SpawnError::Privileged`] if this process has more rights than its invoking user.
/// - [`SpawnError::NotInProgram`] if `function`, or this function's instantiation for it, lies in a
///   shared library.
/// - [`SpawnError::Encode`] if `args` do not serialise.
/// - [`SpawnError::TooLarge`] if their bytes exceed memory, the cgroup's limit or `RLIMIT_FSIZE`.
/// - [`SpawnError::System`] if memory, descriptors or processes are short, or /proc is not mounted.
///
/// # Panics
/// Panics if the `Serialize` of `args` panics. A panic of `function` is an error of
/// [`join`](Process::join).
///
/// # Examples
/// ```
/// use crossdock::process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     let worker = process::spawn(|(a, b): (u32, u32)| a + b, (2, 3))?;
///     assert_eq!(worker.join()?, 5);
///     Ok(())
/// }
/// ```
/// A closure that captures is a type error:
/// ```compile_fail,E0308
/// let offset = 3;
/// let worker = crossdock::process::spawn(|a: u32| a + offset, 2);
/// ```
pub fn spawn<A, R>(function: fn(A) -> R, args: A) -> Result<Process<R>, SpawnError>
where
    A: Portable + Serialize,
    R: Portable + Serialize,
{
    start(&SpawnOptions::new(), function, &args)
}

/// Runs `function(args)`, which may fail, in a new process of this program.
///
/// As [`spawn`], but an error of the function is an error of the join:
/// [`join`](Process::join) returns the `R`, or [`JoinError::Failed`](super::JoinError::Failed) with
/// the text of the error and of its causes. The error need not be a serde value. An error that is a
/// [`PortableError`](super::PortableError) arrives as itself, too, if the function returns a
/// [`RemoteError`]. The process exits with code 1 then, and prints nothing.
///
/// # Errors
/// As [`spawn`].
///
/// # Panics
/// As [`spawn`].
///
/// # Examples
/// ```
/// use crossdock::process::{self, JoinError};
///
/// fn parse(text: String) -> Result<u32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     assert_eq!(process::try_spawn(parse, "12".to_owned())?.join()?, 12);
///     match process::try_spawn(parse, "twelve".to_owned())?.join() {
///         Err(JoinError::Failed(error)) => {
///             assert_eq!(error.to_string(), "invalid digit found in string");
///         }
///         other => panic!("{other:?}"),
///     }
///     Ok(())
/// }
/// ```
pub fn try_spawn<A, R, E>(
    function: fn(A) -> Result<R, E>,
    args: A,
) -> Result<Process<R>, SpawnError>
where
    A: Portable + Serialize,
    R: Portable + Serialize,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    start_fallible(&SpawnOptions::new(), function, args)
}

/// Runs `function(args)`, which may fail, in a new process with these options.
pub(super) fn start_fallible<A, R, E>(
    options: &SpawnOptions,
    function: fn(A) -> Result<R, E>,
    args: A,
) -> Result<Process<R>, SpawnError>
where
    A: Portable,
    R: Portable,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let entry: Trampoline = try_trampoline::<A, R, E>;
    start_at(options, function as *const (), entry, &args)
}

/// Runs `function` in a new process with these options, with arguments that encode as an `A`.
pub(super) fn start<A, R>(
    options: &SpawnOptions,
    function: fn(A) -> R,
    args: &impl Serialize,
) -> Result<Process<R>, SpawnError>
where
    A: Portable,
    R: Portable,
{
    let entry: Trampoline = trampoline::<A, R>;
    start_at(options, function as *const (), entry, args)
}

/// Runs the function at an address by its trampoline, which returns an `R`.
fn start_at<A: Serialize, R>(
    options: &SpawnOptions,
    function: *const (),
    entry: Trampoline,
    args: &A,
) -> Result<Process<R>, SpawnError> {
    let mut encode = || handles::encode_arguments(args);
    let begun = begin_by(options, function, entry, &mut encode)?;
    begun.wait()?;
    Ok(Process::new(begun.started))
}

/// A process that was started, and may not have taken over the ends among its arguments.
pub(super) struct Begun {
    pub(super) started: Started,
    acknowledged: bool,
    limit: StartLimit,
}

impl Begun {
    /// Waits until the process has the ends, if it says so. The arguments, and the ends among them,
    /// are this process's meanwhile.
    pub(super) fn wait(&self) -> Result<(), SpawnError> {
        if self.acknowledged {
            self.started.spawned.wait_until_begun(self.limit)?;
        }
        Ok(())
    }
}

/// As [`start_at`], without waiting for the process.
pub(super) fn begin_at<A: Serialize>(
    options: &SpawnOptions,
    function: *const (),
    entry: Trampoline,
    args: &A,
) -> Result<Begun, SpawnError> {
    let mut encode = || handles::encode_arguments(args);
    begin_by(options, function, entry, &mut encode)
}

/// As [`begin_at`], with arguments that `encode` encodes. It is built once, and not for each
/// function of a program.
fn begin_by(
    options: &SpawnOptions,
    function: *const (),
    entry: Trampoline,
    encode: &mut dyn FnMut() -> Result<Encoded, CodecError>,
) -> Result<Begun, SpawnError> {
    let _span = trace::spawning();
    let limit = options.start_limit();
    let restart = Restart::current().ok_or(SpawnError::NotInitialised)?;
    if process::has_raised_privileges() {
        return Err(SpawnError::Privileged);
    }
    options.check()?;
    let code = Code::of_program();
    let offsets = (code.offset(function), code.offset(entry as *const ()));
    let (Some(function), Some(trampoline)) = offsets else {
        return Err(SpawnError::NotInProgram);
    };
    let arguments = encode().map_err(SpawnError::Encode)?;
    let task = SpawnTask {
        function,
        trampoline,
        arguments: &arguments,
        server: None,
    };
    Family::reap_detached();
    let started = task.start(options, restart, limit)?;
    let record = started.spawned.record();
    trace::started(&record.name, record.id);
    Ok(Begun {
        started,
        acknowledged: task.is_acknowledged(options),
        limit,
    })
}

/// Starts the process that becomes a fork server; see [`fork_server::serve`].
pub(super) fn start_server(
    restart: &Restart,
    arguments: Vec<u8>,
    handed: &[BorrowedFd<'_>],
) -> Result<Started, SpawnError> {
    let code = Code::of_program();
    let entry: Trampoline = trampoline::<(), ()>;
    let offset = code.offset(entry as *const ());
    let offset = offset.ok_or(SpawnError::NotInProgram)?;
    let arguments = Encoded {
        bytes: arguments,
        segments: Vec::new(),
        ends: Vec::new(),
    };
    let task = SpawnTask {
        // Neither is called.
        function: offset,
        trampoline: offset,
        arguments: &arguments,
        server: Some(handed),
    };
    let options = SpawnOptions::new();
    task.start(&options, restart, options.start_limit())
}

/// What a new process is to run: the part of a spawn that does not depend on the types.
struct SpawnTask<'a> {
    /// Offsets from the load base.
    function: u64,
    trampoline: u64,
    arguments: &'a Encoded,
    /// For a fork server: the descriptors that it is handed.
    server: Option<&'a [BorrowedFd<'a>]>,
}

impl SpawnTask<'_> {
    /// Whether the new process says when it has taken over the ends among its arguments.
    fn is_acknowledged(&self, options: &SpawnOptions) -> bool {
        !self.arguments.ends.is_empty() || options.start_timeout.is_some()
    }

    fn start(
        &self,
        options: &SpawnOptions,
        restart: &Restart,
        limit: StartLimit,
    ) -> Result<Started, SpawnError> {
        let family = Family::current().map_err(SpawnError::system("listing the children"))?;
        let program = Program::current().map_err(SpawnError::system(READING_START))?;
        let image = Image::current().map_err(SpawnError::system(READING_FILE))?;
        let directory = options
            .directory
            .as_deref()
            .map(open_directory)
            .transpose()?;
        let (pipes, childs_pipes) = pipes(options)?;
        let starter = match options.method {
            StartMethod::Spawn => {
                let pair = descriptor::socket_pair();
                let (socket, childs) = pair.map_err(SpawnError::system("making a socket pair"))?;
                let result = memfd(c"crossdock-result")
                    .map_err(SpawnError::system("making the result's memfd"))?;
                Starter::Exec {
                    socket,
                    childs,
                    result,
                }
            }
            // It works while this process prepares the request.
            StartMethod::ForkServer => Starter::Server(fork_server::ask(restart, limit)?),
        };
        let mut inherited = self
            .arguments
            .segments
            .iter()
            .map(Segment::duplicate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(SpawnError::system("duplicating a segment's descriptor"))?;
        let serves = self.server.is_some();
        let handed = self.server.unwrap_or_default();
        let mut segments: Vec<_> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
        segments.extend(handed.iter().map(AsRawFd::as_raw_fd));
        let mut parent = None;
        if options.daemon {
            let pidfd = pidfd::open(std::process::id())
                .map_err(SpawnError::system("opening a pidfd of this process"))?;
            parent = Some(pidfd.as_raw_fd());
            inherited.push(pidfd);
        }
        let mut streams = streams(options, &childs_pipes);
        let harness = match restart {
            Restart::Main => None,
            Restart::Test(worker) => {
                // The output of the harness is discarded; the worker restores the real output, if
                // there is one.
                let output = match std::mem::replace(&mut streams[1], Stream::Null) {
                    Stream::Null => Ok(None),
                    Stream::Inherit => descriptor::duplicate(stdout().as_raw_fd()),
                    Stream::Of(pipe) => descriptor::duplicate(pipe.as_raw_fd()),
                }
                .map_err(SpawnError::system("duplicating standard output"))?;
                let number = output.as_ref().map(AsRawFd::as_raw_fd);
                inherited.extend(output);
                Some(Harness {
                    output: number,
                    worker: worker.clone(),
                })
            }
        };

        let nonce = process::nonce().map_err(SpawnError::system("getting a random number"))?;
        let mut lineage = Lineage::default();
        if !serves {
            lineage = own::of_next_child(options.name.as_deref(), options.daemon);
        }
        if let (Starter::Server(_), Some(parent)) = (&starter, &mut lineage.parent) {
            parent.started = identity::own_start();
        }
        let name = lineage.name.clone();
        let bytes = Job {
            nonce,
            image,
            function: self.function,
            trampoline: self.trampoline,
            result: starter.numbers().0,
            socket: starter.numbers().1,
            segments,
            ends: self.arguments.ends.clone(),
            acknowledged: self.is_acknowledged(options),
            lineage,
            parent,
            serves,
            harness,
        }
        .encode(&self.arguments.bytes)
        .map_err(|error| SpawnError::Encode(error.into()))?;
        if let Some((limit, available)) = refusal(bytes.len()) {
            return Err(SpawnError::TooLarge {
                size: bytes.len() as u64,
                limit,
                available,
            });
        }

        let mut inherited: Vec<_> = inherited.iter().map(AsFd::as_fd).collect();
        inherited.extend(handed);
        let directory = directory.as_ref().map(AsFd::as_fd);
        let (id, pidfd, result, socket, relay) = match starter {
            Starter::Exec {
                socket,
                childs,
                result,
            } => {
                let job = job::written(&bytes)?;
                let variable = format!("{VARIABLE}={}:{nonce:x}", job.as_raw_fd());
                let (path, arguments) = command_line(&program, restart);
                let command = Command {
                    path,
                    arguments,
                    environment: environment(&options.environment, Some(variable)),
                    streams,
                    directory,
                    bare: serves,
                };
                inherited.extend([childs.as_fd(), job.as_fd()]);
                let (id, pidfd) = sys::start::start(&command, &inherited, &result)
                    .map_err(|(what, error)| SpawnError::System(SystemError::new(what, &error)))?;
                (id, pidfd, result, socket, None)
            }
            Starter::Server(asked) => {
                let current = descriptor::directory(".".as_ref())
                    .map_err(SpawnError::system("opening the current directory"))?;
                let surroundings = Surroundings {
                    environment: environment(&options.environment, None),
                    streams,
                    directory: directory.unwrap_or(current.as_fd()),
                };
                let forked = asked.start(&surroundings, &inherited, &bytes)?;
                let result = File::from(forked.result);
                (
                    forked.id,
                    forked.pidfd,
                    result,
                    forked.socket,
                    Some(forked.relay),
                )
            }
        };
        Ok(Started {
            spawned: Spawned::new(
                ChildRecord::of_started(&family, id, name, pidfd, relay),
                result,
                socket,
            ),
            pipes,
        })
    }
}

/// How a process is started.
enum Starter<'a> {
    /// By execve, with this process's end of the socket and its own, and the memfd of the result.
    Exec {
        socket: UnixStream,
        childs: UnixStream,
        result: File,
    },
    /// By the server that was asked.
    Server(Asked<'a>),
}

impl Starter<'_> {
    /// The numbers by which the job names the memfd of the result and the socket.
    fn numbers(&self) -> (i32, i32) {
        match self {
            Self::Exec { childs, result, .. } => (result.as_raw_fd(), childs.as_raw_fd()),
            Self::Server(_) => (fork_server::RESULT, fork_server::SOCKET),
        }
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, OptionError> {
    descriptor::directory(path).map_err(|error| OptionError::Directory {
        path: path.to_owned(),
        source: SystemError::new("opening the directory", &error),
    })
}

/// The ends of the standard streams that are pipes, in their order.
type Pipes = [Option<OwnedFd>; 3];

/// Makes the pipes that the options ask for; returns this process's ends and the child's.
fn pipes(options: &SpawnOptions) -> Result<(Pipes, Pipes), SpawnError> {
    let (mut own, mut childs) = (Pipes::default(), Pipes::default());
    let streams = [options.stdin, options.stdout, options.stderr];
    for (number, stream) in streams.into_iter().enumerate() {
        if stream == Stdio::Piped {
            let (reader, writer) =
                descriptor::pipe().map_err(SpawnError::system("making a pipe"))?;
            let (ours, other) = match number {
                0 => (writer, reader),
                _ => (reader, writer),
            };
            (own[number], childs[number]) = (Some(ours), Some(other));
        }
    }
    Ok((own, childs))
}

/// Returns what the standard streams of the child are, with its ends of the pipes.
fn streams<'a>(options: &SpawnOptions, pipes: &'a Pipes) -> [Stream<'a>; 3] {
    let [stdin, stdout, stderr] = pipes;
    [
        (options.stdin, stdin),
        (options.stdout, stdout),
        (options.stderr, stderr),
    ]
    .map(|(stream, pipe)| match (stream, pipe) {
        (_, Some(pipe)) => Stream::Of(pipe.as_fd()),
        (Stdio::Inherit, None) => Stream::Inherit,
        (Stdio::Null | Stdio::Piped, None) => Stream::Null,
    })
}

/// Returns the program that the child starts, and its command line: the program's name and the
/// arguments of the restart.
fn command_line(program: &Program, restart: &Restart) -> (CString, Vec<CString>) {
    let (path, words) = program.command();
    let mut arguments = words.to_vec();
    if arguments.is_empty() {
        let name = env::args_os().next().unwrap_or_default();
        arguments.push(text(name));
    }
    let rest = restart.arguments().into_iter();
    arguments.extend(rest.map(|word| text(word.into())));
    (path, arguments)
}

/// Returns the environment of the child, with the variable that names its job, if it finds that by
/// one.
fn environment(changes: &EnvironmentChanges, variable: Option<String>) -> Vec<CString> {
    let line = |(mut line, value): (OsString, OsString)| {
        line.push("=");
        line.push(value);
        text(line)
    };
    let inherited = env::vars_os().filter(|(name, _)| name != VARIABLE && changes.inherits(name));
    let set = changes.variables.iter();
    let set = set.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let mut lines: Vec<_> = inherited.chain(set).map(line).collect();
    lines.extend(variable.map(|variable| text(variable.into())));
    lines
}

/// Returns a text that contains no NUL: it came over execve or was checked, except that of a
/// restart, and a worker's name that contains one names no test.
fn text(text: OsString) -> CString {
    CString::new(text.into_vec()).unwrap_or_default()
}

fn memfd(name: &CStr) -> io::Result<File> {
    Ok(shm::memfd(name)?.into())
}
