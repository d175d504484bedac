//! The worker's side: taking the job, running it, committing the outcome.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::{Mutex, PoisonError};

use super::CodecError;
use super::bound;
use super::fork_server::{self, Forked};
use super::handles::Received;
use super::init::Restart;
use super::job::{Harness, Job, JobLookup, VARIABLE};
use super::outcome::{OutcomeKind, commit, progress, record_start};
use super::panic::{self, Panic};
use super::spawn::{JobError, Returned, Trampoline};
use super::{own, trace};
use crate::codec;
use crate::segment::Segment;
use crate::sys::descriptor::{adopt, duplicate};
use crate::sys::exe::{Code, Image, Program};
use crate::sys::process::{errno, has_raised_privileges, remove_variable, replace_stdout};
use crate::sys::socket::{FDS_PER_MESSAGE, send_byte, send_fds};

/// The exit code after a panic, as of a Rust program whose main panics.
const PANICKED: i32 = 101;
/// The exit code when there is a job and no result, without a panic, as of a Rust program whose
/// main returns an error.
const FAILED: i32 = 1;

/// Runs this process's job, if it has one, and then never returns.
///
/// Removes a variable that is stale, or inherited from a process that did not take its job.
pub(super) fn run_pending() {
    static CLAIM: Mutex<()> = Mutex::new(());
    let claim = CLAIM.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(variable) = env::var_os(VARIABLE) else {
        return;
    };
    // Otherwise any user that can start a privileged program could make it jump anywhere in its
    // code.
    let found = if has_raised_privileges() {
        Ok(JobLookup::NotAJob)
    } else {
        find(&variable)
    };
    // SAFETY: `init` is the first call of main, where there is one thread; under a test harness the
    // main thread waits for this one. The docs warn programs with other threads at this point, and
    // those threads would have to call the C library's getenv at this very moment.
    unsafe { remove_variable(VARIABLE) };
    let job = match found {
        Ok(JobLookup::NotAJob) => return,
        Ok(JobLookup::Incompatible(what)) => fail(what),
        Ok(JobLookup::Job(job, arguments)) => {
            Assignment::take_over(*job, arguments, &mut Descriptors::Inherited)
        }
        Err(error) => fail(&format!("cannot read the job: {error}")),
    };
    drop(claim);
    match job {
        Ok(assignment) => assignment.run(),
        Err(error) => fail(&format!("cannot take over what was inherited: {error}")),
    }
}

/// Looks up the job that the variable names, if it is this process's own.
fn find(variable: &OsStr) -> io::Result<JobLookup> {
    let parsed = variable.to_str().and_then(|text| {
        let (fd, nonce) = text.split_once(':')?;
        Some((fd.parse().ok()?, u64::from_str_radix(nonce, 16).ok()?))
    });
    let Some((fd, nonce)) = parsed else {
        return Ok(JobLookup::NotAJob);
    };
    // Uses duplicates: until the nonce is checked, the numbers may belong to other code. An error
    // does not mean that there is no job: a child that took itself for the first process would
    // spawn anew.
    let Some(file) = duplicate(fd)? else {
        return Ok(JobLookup::NotAJob);
    };
    let found = Job::read(&File::from(file), nonce)?;
    if let JobLookup::Job(job, _) = &found {
        // A child that did not take its job may have started this process and left it its
        // descriptors: the job is for the process that the parent forked, once.
        let Some(result) = duplicate(job.result)? else {
            return Ok(JobLookup::NotAJob);
        };
        if progress(&File::from(result))? != (std::process::id(), false) {
            return Ok(JobLookup::NotAJob);
        }
        // SAFETY: `fd` is the job's memfd, as its nonce proves, inherited for this module alone; it
        // is taken over once, because the variable is removed under the claim lock.
        drop(unsafe { adopt(fd) }?);
    }
    Ok(found)
}

/// Ends a process that has a job and no way to report an error to its parent.
fn fail(what: &str) -> ! {
    eprintln!("crossdock: a spawned process cannot run its function: {what}");
    exit(FAILED)
}

/// Where the descriptors are that a job names.
enum Descriptors {
    /// In this process, under the job's numbers.
    Inherited,
    /// Here, by the job's numbers.
    Received(BTreeMap<i32, OwnedFd>),
}

impl Descriptors {
    fn take(&mut self, number: i32) -> io::Result<OwnedFd> {
        match self {
            // SAFETY: the parent inherited this number to this process for this job alone, listed
            // it once, and the job is taken over once, before anything else runs here.
            Self::Inherited => unsafe { adopt(number) },
            Self::Received(known) => {
                let fd = known.remove(&number);
                fd.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

/// A job with its descriptors.
struct Assignment {
    job: Job,
    arguments: Vec<u8>,
    result: File,
    socket: UnixStream,
    segments: Vec<OwnedFd>,
    /// The parent's pidfd, if this process exits with it.
    parent: Option<OwnedFd>,
    /// Whether the parent that started it is so to the kernel, which a fork server's asker is not.
    is_child: bool,
    pid: u32,
}

impl Assignment {
    fn take_over(
        mut job: Job,
        arguments: Vec<u8>,
        descriptors: &mut Descriptors,
    ) -> io::Result<Self> {
        let is_child = matches!(descriptors, Descriptors::Inherited);
        let mut inherited = |number| descriptors.take(number);
        // A fork server is none of its owner's children.
        if !job.serves {
            own::take(std::mem::take(&mut job.lineage), is_child);
        }
        let result = inherited(job.result)?.into();
        let socket = inherited(job.socket)?.into();
        let segments = job
            .segments
            .iter()
            .copied()
            .map(&mut inherited)
            .collect::<io::Result<_>>()?;
        let parent = job.parent.map(&mut inherited).transpose()?;
        let restart = match &job.harness {
            Some(Harness { output, worker }) => {
                // The rest of the harness's buffer belongs to the harness's output.
                io::stdout().flush()?;
                if let Some(output) = output {
                    replace_stdout(&inherited(*output)?)?;
                }
                Restart::Test(worker.clone())
            }
            None => Restart::Main,
        };
        restart.set();
        Ok(Self {
            job,
            arguments,
            result,
            socket,
            segments,
            parent,
            is_child,
            pid: std::process::id(),
        })
    }

    fn run(mut self) -> ! {
        if let Err(error) = record_start(&self.result) {
            fail(&format!("cannot record the start: {error}"));
        }
        let (watched, is_parent) = (self.parent.take(), self.is_child);
        if let Some(Err(error)) = watched.map(|pidfd| bound::end_with(pidfd, is_parent)) {
            let what = format!("it cannot watch its parent: {error}");
            self.end(OutcomeKind::Refused, 0, what.as_bytes(), FAILED)
        }
        if self.job.serves {
            self.serve();
        }
        let arguments = std::mem::take(&mut self.arguments);
        let segments = std::mem::take(&mut self.segments);
        // Before anything is decoded, or refused: the parent waits.
        let received = match self.take_over_ends(&arguments, segments) {
            Ok(received) => received,
            Err(error) => {
                let what = describe(&error);
                self.end(OutcomeKind::Arguments, 0, what.as_bytes(), FAILED)
            }
        };
        let (function, trampoline) = match locate(&self.job) {
            Ok(addresses) => addresses,
            Err(what) => {
                eprintln!("crossdock: a spawned process refuses its function: {what}");
                self.end(OutcomeKind::Refused, 0, what.as_bytes(), FAILED)
            }
        };
        let returned = {
            let _span = trace::running();
            panic::install();
            catch_unwind(AssertUnwindSafe(|| {
                panic::crossdock_begin_short_backtrace(|| trampoline(function, received))
            }))
        };
        match returned {
            Ok(Ok(returned)) => self.hand_over(returned),
            Ok(Err(JobError::Arguments(error))) => self.end(
                OutcomeKind::Arguments,
                0,
                describe(&error).as_bytes(),
                FAILED,
            ),
            Ok(Err(JobError::Encode(error))) => {
                self.end(OutcomeKind::Encode, 0, describe(&error).as_bytes(), FAILED)
            }
            Ok(Err(JobError::Failed(error))) => {
                // Texts and bytes always serialise.
                let bytes = codec::encode(&error).unwrap_or_default();
                self.end(OutcomeKind::Failed, 0, &bytes, FAILED)
            }
            Err(payload) => {
                let panic = Panic::of(&*payload);
                // Its drop may panic, and the process exits anyway.
                std::mem::forget(payload);
                // Texts and numbers always serialise.
                let bytes = codec::encode(&panic).unwrap_or_default();
                self.end(OutcomeKind::Panicked, 0, &bytes, PANICKED)
            }
        }
    }

    /// Takes over the ends among the arguments, and tells the parent.
    fn take_over_ends<'a>(
        &self,
        arguments: &'a [u8],
        segments: Vec<OwnedFd>,
    ) -> Result<Received<'a>, CodecError> {
        let mut received = Received::new(arguments, segments)?;
        received.take_over(&self.job.ends)?;
        if self.job.acknowledged {
            // It fails if the parent has died, which does not matter here.
            let _ = send_byte(self.socket.as_fd());
        }
        Ok(received)
    }

    /// Becomes a fork server, and in the processes that it forks, their worker.
    fn serve(mut self) -> ! {
        // Functions to preload are offsets, too.
        if let Err(what) = locate(&self.job) {
            self.end(OutcomeKind::Refused, 0, what.as_bytes(), FAILED)
        }
        let arguments = std::mem::take(&mut self.arguments);
        let descriptors = std::mem::take(&mut self.segments);
        // The outcome is that of the process that forks the server and ends.
        drop(self);
        let Forked {
            job,
            arguments,
            descriptors,
        } = fork_server::serve(&arguments, descriptors);
        let mut descriptors = Descriptors::Received(descriptors);
        match Self::take_over(job, arguments, &mut descriptors) {
            Ok(assignment) => assignment.run(),
            Err(error) => fail(&format!("cannot take over what it was sent: {error}")),
        }
    }

    /// Sends the segments, then commits the value.
    fn hand_over(self, (value, segments): Returned) -> ! {
        if std::process::id() != self.pid {
            // The function forked, and this is the child: the outcome does not come from here.
            let _ = io::stdout().flush();
            exit(0);
        }
        let duplicates = segments.iter().map(Segment::duplicate);
        let sent = duplicates.collect::<io::Result<Vec<_>>>().and_then(|fds| {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            send_all(self.socket.as_fd(), &fds)
        });
        match sent {
            Ok(count) => self.end(OutcomeKind::Value, count, &value, 0),
            Err(error) => self.end(OutcomeKind::Unsent, 0, &errno_of(&error), FAILED),
        }
    }

    /// Commits the outcome and ends the process.
    fn end(self, kind: OutcomeKind, segments: u32, payload: &[u8], code: i32) -> ! {
        trace::ended(kind);
        // Flushes what was printed before the commit; an error cannot be reported.
        let _ = io::stdout().flush();
        if std::process::id() != self.pid {
            // The function forked, and this is the child: the outcome is its parent's.
            exit(code);
        }
        let committed = commit(&self.result, kind, segments, payload)
            .or_else(|error| commit(&self.result, OutcomeKind::Unsent, 0, &errno_of(&error)));
        match committed {
            Ok(()) => exit(code),
            Err(error) => fail(&format!("cannot hand its result over: {error}")),
        }
    }
}

/// Returns the addresses of the function and its trampoline, if this is the parent's program.
pub(super) fn locate(job: &Job) -> Result<(*const (), Trampoline), String> {
    if !Program::is_the_parents() {
        let image =
            Image::current().map_err(|error| format!("cannot examine its file: {error}"))?;
        if image != job.image {
            return Err(format!(
                "this program is not its parent's: {image:?} is not {:?}",
                job.image
            ));
        }
    }
    let code = Code::of_program();
    let addresses = (code.address(job.function), code.address(job.trampoline));
    let (Some(function), Some(trampoline)) = addresses else {
        return Err("the function does not lie in the program's code".to_owned());
    };
    // SAFETY: the parent took this offset from a `Trampoline` in its code, and this process
    // runs the same file: it was started by the link of /proc to it, or device, inode, size, time
    // and layout (the anchor) say so.
    let trampoline = unsafe { std::mem::transmute::<*const (), Trampoline>(trampoline) };
    Ok((function, trampoline))
}

/// Sends descriptors in as many messages as they need, without blocking. Returns their number.
pub(super) fn send_all(socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<u32> {
    let count = u32::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    for fds in fds.chunks(FDS_PER_MESSAGE) {
        send_fds(socket, fds)?;
    }
    Ok(count)
}

/// Formats an error and its sources in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn errno_of(error: &io::Error) -> [u8; 4] {
    errno(error).to_le_bytes()
}
