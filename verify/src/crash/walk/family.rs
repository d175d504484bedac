//! The world of a walk: a queue that processes of a family send to, and what they note.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossdock::array::Init;
use crossdock::queue::{Queue, RecvTimeoutError};
use crossdock::{AtomicArray, Segment};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::crash::operation::{Base, Scene};
use crate::crash::walk::pool::TaskNotes;
use crate::process::{Broken, Rig, wait_readable};

/// How many items a sender sends; the queue has room for all of them.
pub(super) const ITEMS: u64 = 3;
/// How long the rig listens while a process is stopped.
pub(super) const LISTENS: Duration = Duration::from_millis(2);

/// What the processes note: no part of what is swept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Notes(AtomicArray<u64>);

/// A word of the notes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// How many functions have begun.
    Begun,
    /// How many starts have succeeded, as their parent sees it.
    Started,
    /// How many items were meant to be sent.
    Intended,
    /// How many items were sent.
    Sent,
    /// Not 0 once the sender has done what it does.
    Settled,
    /// Not 0 if the queue had a sender.
    Counted,
}

impl Notes {
    fn new() -> Rig<Self> {
        Ok(Self(
            Segment::anonymous()?.create("notes", Init::zeroed(6))?,
        ))
    }

    pub(super) fn add(&self, note: Note) {
        self.0[note as usize].fetch_add(1);
    }

    pub(super) fn get(&self, note: Note) -> u64 {
        self.0[note as usize].load()
    }
}

pub(super) struct Family {
    pub(super) base: Base,
    pub(super) queue: Queue<u64>,
    pub(super) notes: Notes,
    pub(super) tasks: TaskNotes,
    /// The segment of the pool that the first process has.
    pool: Option<MmapRaw>,
    /// Ends when no process of the family is left: all have the other end as standard output.
    all: RefCell<PipeReader>,
    writer: RefCell<Option<PipeWriter>>,
    received: Cell<u64>,
    /// The receiver was told that no item comes any more.
    told: Cell<bool>,
}

/// What can be seen of the segments of a family.
#[derive(Default)]
pub(super) struct Image {
    base: Vec<u8>,
    pool: Vec<u8>,
}

impl Image {
    /// Whether the segments are others than when this was last asked.
    pub(super) fn has_changed(&mut self, family: &Family) -> Rig<bool> {
        let mut base = Vec::with_capacity(self.base.len());
        family.base.image(&mut base)?;
        let mut changed = base != self.base;
        self.base = base;
        if let Some(pool) = &family.pool {
            self.pool.resize(pool.len(), 0);
            let (now, before) = (pool.as_ptr(), self.pool.as_mut_ptr());
            // SAFETY: both have so many bytes. Others write to the first meanwhile, which no
            // reference of this process is to.
            if unsafe { libc::memcmp(now.cast(), before.cast(), pool.len()) } != 0 {
                changed = true;
                // SAFETY: as above; they do not overlap.
                unsafe { now.copy_to_nonoverlapping(before, pool.len()) };
            }
        }
        Ok(changed)
    }
}

impl Family {
    pub(super) fn new() -> Rig<Self> {
        let base = Base::new(8)?;
        let queue = base.segment.create::<Queue<u64>>("queue", 8)?;
        let (all, writer) = std::io::pipe()?;
        Ok(Self {
            base,
            queue,
            notes: Notes::new()?,
            tasks: TaskNotes::new()?,
            pool: None,
            all: RefCell::new(all),
            writer: RefCell::new(Some(writer)),
            received: Cell::new(0),
            told: Cell::new(false),
        })
    }

    /// In the first process of the family: makes the pipe its standard output.
    pub(super) fn enter(&self) {
        if let Some(writer) = self.writer.take() {
            // SAFETY: takes two integers; the rig's child prints nothing.
            unsafe { libc::dup2(writer.as_raw_fd(), libc::STDOUT_FILENO) };
        }
    }

    /// In the rig, once the first process is there.
    pub(super) fn has_begun(&self) {
        drop(self.writer.take());
    }

    /// Has images show the segment of the pool that the first process has: the largest of its
    /// memory files that are no segment of the family.
    pub(super) fn watch_pool_of(&mut self, first: Pid) -> Rig {
        let known = [self.base.file().metadata()?.ino()];
        let mut largest: Option<(u64, PathBuf)> = None;
        for entry in fs::read_dir(format!("/proc/{first}/fd"))? {
            let path = entry?.path();
            let is_memory = fs::read_link(&path)
                .is_ok_and(|link| link.to_string_lossy().starts_with("/memfd:crossdock"));
            let Ok(file) = fs::metadata(&path) else {
                continue;
            };
            let is_larger = largest.as_ref().is_none_or(|(len, _)| file.len() > *len);
            if is_memory && !known.contains(&file.ino()) && is_larger {
                largest = Some((file.len(), path));
            }
        }
        let (_, path) = largest.ok_or_else(|| Broken("the first process has no pool".into()))?;
        self.pool = Some(MmapOptions::new().map_raw_read_only(&File::open(path)?)?);
        Ok(())
    }

    /// What can be seen of the segments now.
    pub(super) fn image(&self) -> Rig<Image> {
        let mut image = Image::default();
        image.has_changed(self)?;
        Ok(image)
    }

    /// Receives what comes, for a moment.
    pub(super) fn listen(&self, scene: &mut Scene) {
        while self.receive(LISTENS, scene) {}
    }

    /// Receives an item. Returns false if none comes.
    fn receive(&self, patience: Duration, scene: &mut Scene) -> bool {
        match self.queue.recv_timeout(patience) {
            Ok(item) => {
                if self.told.get() {
                    scene.duplicated("an item comes after the receiver was told of the end");
                }
                if item != self.received.get() {
                    let expected = self.received.get();
                    scene.lost(format!("item {item} comes in place of {expected}"));
                }
                self.received.set(item + 1);
                true
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.told.set(true);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(error) => {
                scene.lost(format!("receiving: {error}"));
                false
            }
        }
    }

    /// When no process is left: what was sent has arrived, and the receiver is told of the end.
    pub(super) fn settle(&self, scene: &mut Scene) {
        if self.notes.get(Note::Counted) == 0 {
            return;
        }
        while self.receive(scene.patience, scene) {}
        let (sent, intended) = (self.notes.get(Note::Sent), self.notes.get(Note::Intended));
        let received = self.received.get();
        if received < sent || received > intended {
            scene.lost(format!(
                "{received} items were received, {sent} sent and {intended} intended"
            ));
        }
        let told = self.queue.recv_timeout(scene.patience);
        if !matches!(told, Err(RecvTimeoutError::Disconnected)) {
            scene.stuck(format!("no sender is left, and recv gives {told:?}"));
        }
        scene.outcome(match received {
            ITEMS => "all items",
            0 => "no item",
            _ => "some items",
        });
    }

    /// Waits until no process of the family is left, and collects those that have become the rig's
    /// children. Returns how long that took; those that stay are killed.
    pub(super) fn end(&self, scene: &mut Scene) -> Rig<Duration> {
        let begun = Instant::now();
        if !self.ends_within(scene.patience)? {
            let left = self.members()?;
            scene.stuck(format!("{} processes are left", left.len()));
            for one in left {
                // It may have ended meanwhile.
                let _ = kill(one, Signal::SIGKILL);
                let _ = kill(one, Signal::SIGCONT);
            }
            self.ends_within(Duration::from_secs(20))?;
        }
        let took = begun.elapsed();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
                Err(Errno::ECHILD) => return Ok(took),
                Err(error) => return Err(error.into()),
                Ok(WaitStatus::StillAlive) if Instant::now() > deadline => {
                    scene.stuck("a process has closed its output and does not end");
                    return Ok(took);
                }
                Ok(WaitStatus::StillAlive) => std::thread::yield_now(),
                Ok(WaitStatus::Signaled(pid, signal, _)) if signal != Signal::SIGKILL => {
                    scene.lost(format!("orphan {pid} died of {signal}"));
                }
                Ok(_) => {}
            }
        }
    }

    /// Waits for the end of the pipe.
    fn ends_within(&self, patience: Duration) -> Rig<bool> {
        let deadline = Instant::now() + patience;
        let mut all = self.all.borrow_mut();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !wait_readable(&*all, left)? {
                if left.is_zero() {
                    return Ok(false);
                }
                continue;
            }
            match all.read(&mut [0; 64]) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The processes whose standard output is the pipe.
    fn members(&self) -> Rig<Vec<Pid>> {
        let all = self.all.borrow();
        let own = fs::metadata(format!("/proc/thread-self/fd/{}", all.as_fd().as_raw_fd()))?.ino();
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let pid = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            let Some(pid) = pid.map(Pid::from_raw) else {
                continue;
            };
            let output = fs::metadata(path.join("fd/1"));
            if output.is_ok_and(|output| output.ino() == own) {
                members.push(pid);
            }
        }
        Ok(members)
    }
}
