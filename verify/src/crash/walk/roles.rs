//! What the processes of a family do: the first one, and those that it starts.

use std::fs;
use std::time::{Duration, Instant};

use crossdock::process::{
    self, Builder, Conn, ForkServerError, JoinError, Process, ScopedProcess, SpawnError,
    StartMethod, scope,
};
use crossdock::queue::{Queue, SenderOf};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::getppid;

use crate::crash::walk::family::{Family, ITEMS, Note, Notes};
use crate::process::has_state;

/// The numbers of system calls that there are none of: with them a process says that its walk
/// begins or ends.
pub(super) const BEGIN_OF_WALK: u64 = 0xc0dd;
pub(super) const END_OF_WALK: u64 = 0xc0de;

/// What the first process of a family exits with.
pub(super) const DONE: u8 = 0;
/// It was told that the process which it started was killed.
pub(super) const KILLED: u8 = 10;
/// A start was refused with an error that has a type.
pub(super) const REFUSED: u8 = 11;
const LEAKS: u8 = 12;
pub(super) const ZOMBIE: u8 = 13;
pub(super) const FAILED: u8 = 14;
/// A task was ended.
pub(super) const ENDED: u8 = 15;

/// The text of a code.
pub(super) fn meaning(code: u8) -> &'static str {
    match code {
        DONE => "done",
        KILLED => "told of a kill",
        REFUSED => "refused",
        LEAKS => "descriptors or threads are left",
        ZOMBIE => "a child is left",
        FAILED => "another error",
        ENDED => "a task was ended",
        _ => "another end",
    }
}

type Sender = SenderOf<Queue<u64>>;
type Sends = (Sender, Notes);

/// What the first process of a family does. It calls `begin` where its walk begins.
pub(super) type Subject = fn(&Family, bool, &mut dyn FnMut()) -> u8;

/// The sender that the first process has before its walk begins.
fn first_sender(family: &Family) -> Option<Sender> {
    let sender = family.queue.sender().ok()?;
    family.notes.add(Note::Counted);
    Some(sender)
}

pub(super) fn begin_of_walk() {
    // SAFETY: the kernel has no such call, and takes no argument of it.
    unsafe { libc::syscall(BEGIN_OF_WALK.cast_signed()) };
}

pub(super) fn end_of_walk() {
    // SAFETY: as above.
    unsafe { libc::syscall(END_OF_WALK.cast_signed()) };
}

fn parks((): ()) {
    loop {
        std::thread::park();
    }
}

/// Sends items; returns how many.
fn sends((sender, notes): Sends) -> u64 {
    notes.add(Note::Begun);
    send_all(&sender, &notes)
}

fn send_all(sender: &Sender, notes: &Notes) -> u64 {
    for item in 0..ITEMS {
        notes.add(Note::Intended);
        if sender.send(item).is_err() {
            // The parent died before this process had the sender.
            notes.add(Note::Settled);
            return item;
        }
        notes.add(Note::Sent);
    }
    notes.add(Note::Settled);
    ITEMS
}

/// Takes a sender of its own: its parent did not wait for it.
fn sends_by_itself((queue, notes): (Queue<u64>, Notes)) -> u64 {
    notes.add(Note::Begun);
    queue.sender().map_or(0, |sender| send_all(&sender, &notes))
}

fn sends_and_stays(args: Sends) {
    sends(args);
    end_of_walk();
    parks(());
}

fn sends_and_fails(args: Sends) -> Result<(), Errno> {
    sends(args);
    Err(Errno::EIO)
}

/// Says that it has begun, and ends.
fn counts(notes: Notes) -> u64 {
    notes.add(Note::Begun);
    ITEMS
}

/// The same, but ends without a result if the server that forked it is gone. It looks until the
/// server has slept for a moment: one that is walked or stopped does not sleep.
fn counts_for_its_server(notes: Notes) -> u64 {
    const SLEEPS: Duration = Duration::from_millis(50);
    notes.add(Note::Begun);
    let mut awake = Instant::now();
    while awake.elapsed() < SLEEPS {
        let server = getppid();
        let name = fs::read_to_string(format!("/proc/{server}/comm")).unwrap_or_default();
        if name.trim_end() != "fork-server" {
            std::process::exit(3);
        }
        if !has_state(server, &['S']) {
            awake = Instant::now();
        }
        std::thread::yield_now();
    }
    ITEMS
}

/// Answers until the other end is gone.
fn echoes(mut conn: Conn<u64, u64>) -> u64 {
    let mut answers = 0;
    while let Ok(item) = conn.recv() {
        if conn.send(&item).is_err() {
            break;
        }
        answers += 1;
    }
    answers
}

/// Answers so many questions, and takes the end for a pause.
fn echoes_all(mut conn: Conn<u64, u64>) -> u64 {
    let mut answers = 0;
    while answers < ITEMS {
        match conn.recv() {
            Ok(item) if conn.send(&item).is_ok() => answers += 1,
            _ => std::thread::yield_now(),
        }
    }
    answers
}

/// What this process has open, and how many threads it has.
fn held() -> (usize, usize) {
    let entries = |directory| fs::read_dir(directory).map_or(0, Iterator::count);
    (
        entries("/proc/thread-self/fd"),
        entries("/proc/thread-self/../"),
    )
}

/// The verdict of a process that has nothing left of a child.
fn cleared(code: u8, before: (usize, usize)) -> u8 {
    end_of_walk();
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, flags) {
        Err(Errno::ECHILD) if held() == before => code,
        Err(Errno::ECHILD) => LEAKS,
        _ => ZOMBIE,
    }
}

fn outcome(joined: Result<u64, JoinError>) -> u8 {
    match joined {
        Ok(ITEMS) => DONE,
        Err(JoinError::Killed {
            signal: libc::SIGKILL,
        }) => KILLED,
        other => {
            eprintln!("crossdock-verify: a join gives {other:?}");
            FAILED
        }
    }
}

fn refusal(error: &SpawnError) -> u8 {
    match error {
        SpawnError::ForkServer(
            ForkServerError::Died
            | ForkServerError::NotStarted(_)
            | ForkServerError::ProcessDied(_),
        ) => REFUSED,
        other => {
            eprintln!("crossdock-verify: a start gives {other:?}");
            FAILED
        }
    }
}

fn joined(started: Result<Process<u64>, SpawnError>) -> u8 {
    match started {
        Ok(process) => outcome(process.join()),
        Err(error) => refusal(&error),
    }
}

/// Waits for an item, as if the process that was to send it could not die.
pub(super) fn waits_for_an_item(family: &Family, method: StartMethod) -> u8 {
    let args = (family.queue.clone(), family.notes.clone());
    let started = Builder::new().start(method).spawn(sends_by_itself, args);
    // The rig's receiver and this one share the items.
    match started {
        Ok(process) if family.queue.recv() == Ok(0) => outcome(process.join()),
        _ => FAILED,
    }
}

/// Starts a process that sends, and joins it. With the bug, the sender is dropped here and taken
/// there.
pub(super) fn joins(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    let before = held();
    begin();
    let code = if seeded {
        drop(sender);
        let args = (family.queue.clone(), family.notes.clone());
        joined(Builder::new().spawn(sends_by_itself, args))
    } else {
        joined(process::spawn(sends, (sender, family.notes.clone())))
    };
    cleared(code, before)
}

/// The same. With the bug, it waits for an item and not for the process.
pub(super) fn hears(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    if seeded {
        begin();
        return waits_for_an_item(family, StartMethod::Spawn);
    }
    joins(family, false, begin)
}

/// Starts a process by the fork server, and joins it. With the bug, it waits for an item.
pub(super) fn hears_by_server(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    if seeded {
        begin();
        return waits_for_an_item(family, StartMethod::ForkServer);
    }
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    begin();
    let builder = Builder::new().start(StartMethod::ForkServer);
    let code = joined(builder.spawn(sends, (sender, family.notes.clone())));
    end_of_walk();
    code
}

/// Starts two processes by the fork server: the second is what that forked ahead. With the bug, it
/// waits for an item of the second.
pub(super) fn starts_by_a_spare(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    begin();
    let builder = Builder::new().start(StartMethod::ForkServer);
    let notes = &family.notes;
    let code = joined(builder.spawn(counts, notes.clone()));
    if code != DONE {
        return code;
    }
    if seeded {
        drop(sender);
        return waits_for_an_item(family, StartMethod::ForkServer);
    }
    let code = joined(builder.spawn(sends, (sender, notes.clone())));
    end_of_walk();
    code
}

/// Starts a daemon, and stays, or ends when that has sent its items. With the bug, it is none.
fn has_one(
    family: &Family,
    (method, stays): (StartMethod, bool),
    seeded: bool,
    begin: &mut dyn FnMut(),
) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    begin();
    let builder = Builder::new().start(method).daemon(!seeded);
    let started = builder.spawn(sends_and_stays, (sender, family.notes.clone()));
    end_of_walk();
    match started {
        Ok(_) if stays => parks(()),
        Ok(_) => {
            while family.notes.get(Note::Settled) == 0 {
                std::thread::yield_now();
            }
        }
        Err(error) => return refusal(&error),
    }
    DONE
}

pub(super) fn has_a_daemon(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    has_one(family, (StartMethod::Spawn, true), seeded, begin)
}

pub(super) fn has_a_daemon_by_server(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    has_one(family, (StartMethod::ForkServer, true), seeded, begin)
}

pub(super) fn had_a_daemon_by_server(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    has_one(family, (StartMethod::ForkServer, false), seeded, begin)
}

/// The error of the scopes here.
enum Left {
    Join(JoinError),
    Other,
}

impl From<JoinError> for Left {
    fn from(error: JoinError) -> Self {
        Self::Join(error)
    }
}

impl From<SpawnError> for Left {
    fn from(_: SpawnError) -> Self {
        Self::Other
    }
}

/// Has a scope of a process that never ends by itself and one that sends, and leaves it with an
/// error. With the bug, the first is none of the scope's.
pub(super) fn has_a_scope(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    let before = held();
    begin();
    let mut code = FAILED;
    let left: Result<(), Left> = scope(|scope| {
        if seeded {
            drop(process::spawn(parks, ())?);
        } else {
            scope.spawn(parks, ())?;
        }
        let args = (sender, family.notes.clone());
        code = outcome(scope.spawn(sends, args).and_then_join());
        Err(Left::Other)
    });
    let code = if left.is_err() { code } else { FAILED };
    if seeded {
        end_of_walk();
        return code;
    }
    cleared(code, before)
}

/// A start and its join, with one error.
trait AndThenJoin {
    fn and_then_join(self) -> Result<u64, JoinError>;
}

impl AndThenJoin for Result<ScopedProcess<'_, u64>, SpawnError> {
    fn and_then_join(self) -> Result<u64, JoinError> {
        self.map_err(|error| JoinError::Refused(error.to_string()))?
            .join()
    }
}

/// Has a scope of a process that never ends by itself and one that sends and fails: at the end of
/// the latter the scope ends the former. With the bug, they are joined in the order of their
/// starts.
pub(super) fn waits_for_a_scope(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    let before = held();
    begin();
    let args = (sender, family.notes.clone());
    if seeded {
        let first = process::spawn(parks, ());
        let second = process::try_spawn(sends_and_fails, args);
        return match (first.map(Process::join), second.map(Process::join)) {
            (Ok(Ok(())), Ok(Err(_))) => DONE,
            _ => FAILED,
        };
    }
    let left: Result<(), Left> = scope(|scope| {
        scope.spawn(parks, ())?;
        scope.try_spawn(sends_and_fails, args)?;
        Ok(())
    });
    let code = match left {
        Err(Left::Join(JoinError::Failed(_))) => DONE,
        Err(Left::Join(JoinError::Killed {
            signal: libc::SIGKILL,
        })) => KILLED,
        _ => FAILED,
    };
    cleared(code, before)
}

/// Starts two processes by the fork server, one after the other; a start that is refused is
/// repeated once. With the bug, the processes end with their server.
pub(super) fn starts_two(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Some(sender) = first_sender(family) else {
        return FAILED;
    };
    begin();
    let notes = &family.notes;
    let builder = Builder::new().start(StartMethod::ForkServer);
    let function = if seeded {
        counts_for_its_server
    } else {
        counts
    };
    let mut code = start(notes, || builder.spawn(function, notes.clone()));
    if code == DONE {
        code = start(notes, || {
            builder.spawn(sends, (sender.clone(), notes.clone()))
        });
    }
    end_of_walk();
    code
}

/// Starts a process, and once more if that is refused.
fn start(notes: &Notes, mut spawn: impl FnMut() -> Result<Process<u64>, SpawnError>) -> u8 {
    let started = spawn().or_else(|error| match refusal(&error) {
        REFUSED => spawn(),
        _ => Err(error),
    });
    if started.is_ok() {
        notes.add(Note::Started);
    }
    joined(started)
}

/// Starts a process by the fork server. With the bug, a refusal counts for a start.
pub(super) fn starts_anew(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    let notes = &family.notes;
    let builder = Builder::new().start(StartMethod::ForkServer);
    let code = if seeded {
        notes.add(Note::Started);
        let code = joined(builder.spawn(counts, notes.clone()));
        if code == REFUSED { DONE } else { code }
    } else {
        start(notes, || builder.spawn(counts, notes.clone()))
    };
    end_of_walk();
    code
}

/// Asks a process over a connection. With the bug, that process takes the end for a pause.
pub(super) fn asks(_: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let before = held();
    let Ok((mut own, given)) = process::duplex::<u64, u64>() else {
        return FAILED;
    };
    begin();
    let function = if seeded { echoes_all } else { echoes };
    let process = match process::spawn(function, given) {
        Ok(process) => process,
        Err(error) => return refusal(&error),
    };
    let answered = (0..ITEMS).all(|item| own.send(&item).is_ok() && own.recv() == Ok(item));
    drop(own);
    let code = match outcome(process.join()) {
        DONE if !answered => FAILED,
        code => code,
    };
    cleared(code, before)
}

/// The same. With the bug, it waits for an item of another way.
pub(super) fn hears_over_a_conn(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    if seeded {
        begin();
        return waits_for_an_item(family, StartMethod::Spawn);
    }
    asks(family, false, begin)
}
