//! Spawning: the parent's side.

use std::env;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, stdout};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::init::Restart;
use super::job::{Job, VARIABLE, refusal};
use super::running::{self, Process};
use super::{CodecError, Portable, SpawnError, handles};
use crate::segment::Segment;
use crate::segment::SystemError;
use crate::sys::exe::{self, Code, Image, Program};
use crate::sys::start::Command;
use crate::sys::{self, descriptor, pidfd, process, shm};

/// Runs one job in the worker: decodes the arguments, calls the function at the address and encodes
/// its result.
pub(super) type Trampoline = fn(*const (), &[u8], Vec<OwnedFd>) -> Result<Returned, TaskError>;

/// An encoded result: its bytes, and the segments that its handles live in.
pub(super) type Returned = (Vec<u8>, Vec<Segment>);

/// The error of a job whose function did not panic.
pub(super) enum TaskError {
    Arguments(CodecError),
    Encode(CodecError),
}

fn trampoline<A: DeserializeOwned, R: Serialize>(
    function: *const (),
    arguments: &[u8],
    segments: Vec<OwnedFd>,
) -> Result<Returned, TaskError> {
    // SAFETY: `spawn::<A, R>` sent the offset of a `fn(A) -> R` along with that of this very
    // instantiation, and the worker found both in the same program image.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    let arguments = handles::decode(arguments, segments).map_err(TaskError::Arguments)?;
    handles::encode(&function(arguments)).map_err(TaskError::Encode)
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
/// # Errors
/// - [`SpawnError::NotInitialised`] if this process has not called [`init`](super::init), so that a
///   program that forgets the call never becomes a chain of processes.
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
    spawn_as(function, args, Lifetime::Own)
}

/// As [`spawn`](super::spawn()), for a process that exits with this one, whatever ends this one.
///
/// It exits as if killed: at once, wherever its function is. If this process has exited before the
/// new one calls [`init`](super::init), the function does not begin.
///
/// # Errors
/// As [`spawn`](super::spawn()).
#[doc(hidden)]
pub fn spawn_bound<A, R>(function: fn(A) -> R, args: A) -> Result<Process<R>, SpawnError>
where
    A: Portable + Serialize,
    R: Portable + Serialize,
{
    spawn_as(function, args, Lifetime::OfTheParent)
}

/// The lifetime of a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// Until it exits or is ended.
    Own,
    /// At most until its parent exits.
    OfTheParent,
}

fn spawn_as<A, R>(
    function: fn(A) -> R,
    args: A,
    lifetime: Lifetime,
) -> Result<Process<R>, SpawnError>
where
    A: Portable,
    R: Portable,
{
    let restart = Restart::current().ok_or(SpawnError::NotInitialised)?;
    if process::has_raised_privileges() {
        return Err(SpawnError::Privileged);
    }
    let code = Code::of_program();
    let entry: Trampoline = trampoline::<A, R>;
    let offsets = (
        code.offset(function as *const ()),
        code.offset(entry as *const ()),
    );
    let (Some(function), Some(entry)) = offsets else {
        return Err(SpawnError::NotInProgram);
    };
    let (arguments, segments) = handles::encode(&args).map_err(SpawnError::Encode)?;
    start(&restart, (function, entry), &arguments, &segments, lifetime)
}

/// Runs the part of [`spawn`] that does not depend on the types.
fn start<R>(
    restart: &Restart,
    (function, trampoline): (u64, u64),
    arguments: &[u8],
    segments: &[Segment],
    lifetime: Lifetime,
) -> Result<Process<R>, SpawnError> {
    running::reap_orphans();
    let program = Program::current().map_err(SpawnError::system(
        "finding out how this program was started",
    ))?;
    let image = Image::current().map_err(SpawnError::system("looking at this program's file"))?;
    let (socket, childs_socket) =
        descriptor::socket_pair().map_err(SpawnError::system("making a socket pair"))?;
    let result =
        memfd(c"crossdock-result").map_err(SpawnError::system("making the result's memfd"))?;
    let job = memfd(c"crossdock-job").map_err(SpawnError::system("making the job's memfd"))?;
    let mut inherited = segments
        .iter()
        .map(Segment::duplicate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(SpawnError::system("duplicating a segment's descriptor"))?;
    let inherited_segments = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let mut parent = None;
    if lifetime == Lifetime::OfTheParent {
        let pidfd = pidfd::open(std::process::id())
            .map_err(SpawnError::system("opening a pidfd of this process"))?;
        parent = Some(pidfd.as_raw_fd());
        inherited.push(pidfd);
    }
    let mut harness = None;
    if let Restart::Test(worker) = restart {
        // The output of the harness is discarded; the worker restores the real output, if there is
        // one.
        let output = descriptor::duplicate(stdout().as_raw_fd())
            .map_err(SpawnError::system("duplicating standard output"))?;
        harness = Some((output.as_ref().map(AsRawFd::as_raw_fd), worker.clone()));
        inherited.extend(output);
    }

    let nonce = process::nonce().map_err(SpawnError::system("getting a random number"))?;
    let mute = harness.is_some();
    let bytes = Job {
        nonce,
        image,
        function,
        trampoline,
        result: result.as_raw_fd(),
        socket: childs_socket.as_raw_fd(),
        segments: inherited_segments,
        name: exe::name().to_bytes().to_owned(),
        parent,
        harness,
    }
    .encode(arguments)
    .map_err(|error| SpawnError::Encode(error.into()))?;
    if let Some((limit, available)) = refusal(bytes.len()) {
        return Err(SpawnError::TooLarge {
            size: bytes.len() as u64,
            limit,
            available,
        });
    }
    job.write_all_at(&bytes, 0)
        .map_err(SpawnError::system("writing the job"))?;
    process::freeze(&job).map_err(SpawnError::system("sealing the job"))?;

    let variable = format!("{VARIABLE}={}:{nonce:x}", job.as_raw_fd());
    let command = command(&program, restart, variable, mute);
    let inherited: Vec<_> = inherited
        .iter()
        .map(AsFd::as_fd)
        .chain([childs_socket.as_fd(), job.as_fd()])
        .collect();
    let (id, pidfd) = sys::start::start(&command, &inherited, &result)
        .map_err(|(what, error)| SpawnError::System(SystemError::new(what, &error)))?;
    Ok(Process::new(id, pidfd, result, socket))
}

/// Returns the command of the child: this program, with its name and the arguments of the restart.
fn command(program: &Program, restart: &Restart, variable: String, mute: bool) -> Command {
    // None of these texts contains a NUL: they came over execve, except those of the restart, and a
    // worker's name that contains one names no test.
    let text = |bytes: Vec<u8>| CString::new(bytes).unwrap_or_default();
    let (path, words) = program.command();
    let mut arguments = words.to_vec();
    if arguments.is_empty() {
        let name = env::args_os().next().unwrap_or_default();
        arguments.push(text(name.into_vec()));
    }
    let rest = restart.arguments().into_iter();
    arguments.extend(rest.map(|word| text(word.as_bytes().to_owned())));
    let inherited = env::vars_os().filter(|(name, _)| name != VARIABLE);
    let inherited = inherited.map(|(mut line, value)| {
        line.push("=");
        line.push(value);
        text(line.into_vec())
    });
    let environment = inherited.chain([text(variable.into_bytes())]).collect();
    Command {
        path,
        arguments,
        environment,
        mute,
    }
}

fn memfd(name: &CStr) -> io::Result<File> {
    Ok(shm::memfd(name)?.into())
}
