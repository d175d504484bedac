//! Spawning: the parent's side.

use std::env;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, stdout};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::init::Restart;
use super::job::{Job, VARIABLE, refusal};
use super::running::{self, Process};
use super::{CodecError, SpawnError, handles};
use crate::segment::Segment;
use crate::sys::exe::{Code, Image, SELF_EXE};
use crate::sys::process::{self, Inherited};
use crate::sys::{descriptor, shm, socket};

/// Runs one job in the worker: decodes the arguments for the function at the address, calls it and
/// encodes what it returns.
pub(super) type Trampoline = fn(*const (), &[u8], Vec<OwnedFd>) -> Result<Returned, Failure>;

/// A result on its way: its bytes, and the segments that its handles live in.
pub(super) type Returned = (Vec<u8>, Vec<Segment>);

/// Why a job has no result though nothing panicked.
pub(super) enum Failure {
    Arguments(CodecError),
    Encode(CodecError),
}

fn trampoline<A: DeserializeOwned, R: Serialize>(
    function: *const (),
    arguments: &[u8],
    segments: Vec<OwnedFd>,
) -> Result<Returned, Failure> {
    // SAFETY: `spawn::<A, R>` sent the offset of a `fn(A) -> R` along with that of this very
    // instantiation, and the worker found both in the same program image.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    let arguments = handles::decode(arguments, segments).map_err(Failure::Arguments)?;
    handles::encode(&function(arguments)).map_err(Failure::Encode)
}

/// Runs `function(args)` in a new process of this program.
///
/// `function` is a `fn` item, or a closure that captures nothing; one that captures does not
/// compile: hand it its values as `args`, a tuple if there are several. Arguments and result travel
/// by serde, and handles of shared memory among them refer to the same memory on the other side,
/// where the new process is a participant of its own.
///
/// Blocks until the new process runs this program (about a millisecond), not until the function
/// begins. Up to the limit on open files, any number of segments may travel as arguments. Their
/// descriptors reach no other process that this one starts meanwhile, on whatever thread.
///
/// Any thread may spawn, and a worker may spawn in turn.
///
/// # Errors
/// - [`SpawnError::NotInitialised`] if this process has not called [`init`](super::init). So a
///   program that forgets it never becomes a chain of processes.
/// - [`SpawnError::Privileged`] if it runs with more rights than who started it.
/// - [`SpawnError::NotInProgram`] if `function`, or this function's instantiation for it, lies in a
///   shared library.
/// - [`SpawnError::Encode`] if `args` do not serialise.
/// - [`SpawnError::TooLarge`] if their bytes are more than memory, the cgroup's limit or
///   `RLIMIT_FSIZE` allow.
/// - [`SpawnError::Io`] if memory, descriptors or processes are short, or /proc is not mounted.
///
/// # Panics
/// If the `Serialize` of `args` does. What `function` panics with is for
/// [`join`](Process::join) to tell.
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
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
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
    start(&restart, (function, entry), &arguments, &segments)
}

/// The part of [`spawn`] that does not depend on the types.
fn start<R>(
    restart: &Restart,
    (function, trampoline): (u64, u64),
    arguments: &[u8],
    segments: &[Segment],
) -> Result<Process<R>, SpawnError> {
    running::reap_orphans();
    let (socket, childs_socket) =
        descriptor::socket_pair().map_err(SpawnError::io("make a socket pair"))?;
    let result = memfd(c"crossdock-result").map_err(SpawnError::io("make the result's memfd"))?;
    let childs_result = result
        .try_clone()
        .map_err(SpawnError::io("duplicate a descriptor"))?;
    let job = memfd(c"crossdock-job").map_err(SpawnError::io("make the job's memfd"))?;
    let mut others = segments
        .iter()
        .map(Segment::duplicate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(SpawnError::io("duplicate a segment's descriptor"))?;
    let inherited_segments = others.iter().map(AsRawFd::as_raw_fd).collect();

    let mut command = Command::new(SELF_EXE);
    if let Some(name) = env::args_os().next() {
        command.arg0(name);
    }
    command.args(restart.arguments()).stdin(Stdio::null());
    let mut harness = None;
    if let Restart::Test(worker) = restart {
        // What the harness prints goes nowhere; the worker puts the real output back, if there is
        // one.
        let output = descriptor::duplicate(stdout().as_raw_fd())
            .map_err(SpawnError::io("duplicate standard output"))?;
        command.stdout(Stdio::null());
        harness = Some((output.as_ref().map(AsRawFd::as_raw_fd), worker.clone()));
        others.extend(output);
    }

    let nonce = process::nonce().map_err(SpawnError::io("get a random number"))?;
    let bytes = Job {
        nonce,
        image: Image::current().map_err(SpawnError::io("look at /proc/thread-self/exe"))?,
        function,
        trampoline,
        result: childs_result.as_raw_fd(),
        socket: childs_socket.as_raw_fd(),
        segments: inherited_segments,
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
        .map_err(SpawnError::io("write the job"))?;
    process::freeze(&job).map_err(SpawnError::io("seal the job"))?;
    command.env(VARIABLE, format!("{}:{nonce:x}", job.as_raw_fd()));
    others.push(job.into());

    let inherited = Inherited {
        socket: childs_socket,
        result: childs_result,
        others,
    };
    let mut child = process::spawn(command, inherited)
        .map_err(SpawnError::io("start /proc/thread-self/exe"))?;
    // The child's ends were closed just now, so the limit on open files leaves room for this one.
    let pidfd = socket::receive_fds(socket.as_fd())
        .and_then(|fds| {
            fds.into_iter()
                .next()
                .ok_or(io::ErrorKind::UnexpectedEof.into())
        })
        .map_err(|source| {
            // Not reaped yet, so the number is its own: nothing runs, and no zombie stays.
            let _ = child.kill();
            let _ = child.wait();
            SpawnError::io("receive the child's pidfd")(source)
        })?;
    Ok(Process::new(child.id(), pidfd, result, socket))
}

fn memfd(name: &CStr) -> io::Result<File> {
    Ok(shm::memfd(name)?.into())
}
