//! Looks at a segment from outside: read-only, without joining it, and without mapping it.
//!
//! Everything is read by pread(2) into memory of this process. So nothing that other processes do
//! with the file, not even cutting it short, can raise a signal here, no byte of it can change, and
//! what is decoded cannot change while it is decoded.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::ptr::NonNull;

use crate::facade::Ordering::Relaxed;
use crate::facade::Words;
use crate::format::{Geometry, HEADER_WORDS, LAYOUT_VERSION, Padded};
use crate::participant::Tag;
use crate::participant::registry::{ByteLocks, RegistryEntry};
use crate::segment::error::OpenError;
use crate::segment::inspect::{EntryInfo, ParticipantInfo, entries_of, participants_of};
use crate::segment::mapping::{ParticipantEntry, decode};
use crate::segment::membership::LOCKS_BASE;
use crate::segment::names::{name_of, path_to_open};
use crate::segment::presence;
use crate::segment::tables::Tables;
use crate::segment::{EntryError, SegmentOptions, SystemError};
use crate::sys::identity::{self, Identity};
use crate::sys::shm::FileStatus;
use crate::sys::{locks, shm};

/// A segment looked at from outside: opened for reading only, never joined, never changed.
///
/// It works on segments of other users as far as their mode allows to read them, and on files with
/// any contents: what is wrong with them is an error of the look. No look blocks, and each may be
/// old when it returns, since the segment's processes go on meanwhile.
///
/// # Examples
///
/// ```
/// use crossdock::segment::Inspection;
/// use crossdock::{Counter, SegmentOptions};
///
/// let name = format!("doc-inspection-{}", std::process::id());
/// let segment = SegmentOptions::new().create_new(&name)?;
/// segment.create::<Counter>("total", 0)?;
///
/// let inspection = Inspection::open(&name)?;
/// let seen = inspection.overview()?;
/// assert_eq!(seen.entries[0].name, "total");
/// assert!(inspection.is_in_use()?);
/// segment.unlink()?;
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Debug)]
pub struct Inspection {
    pub(super) fd: OwnedFd,
    name: Option<String>,
    status: FileStatus,
    created: u64,
}

/// The file behind a segment, whatever its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The size, in bytes.
    pub len: u64,
    /// The user id of the owner.
    pub owner: u32,
    /// The time at which the segment was created, in seconds since 1970: the last write of the file
    /// by a system call, which its creation ends with.
    pub created: u64,
    /// The device that it is on.
    pub device: u64,
    /// The inode, which tells it from the other files of the device.
    pub inode: u64,
    /// Whether it has a name. An anonymous segment has none, nor has one whose name was removed.
    pub is_linked: bool,
}

/// The contents of a segment at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// The layout version, that of this build.
    pub layout_version: u32,
    /// The size, in bytes.
    pub len: u64,
    /// The bytes up to the end of the last entry, registry and directory included.
    pub used: u64,
    /// Whether it was created without a name.
    pub is_anonymous: bool,
    /// The entries, in the order of their creation. Those with a damaged record are left out.
    pub entries: Vec<EntryInfo>,
    /// The first damage that was found in the directory.
    pub damaged: Option<EntryError>,
    /// The maximum number of entries.
    pub max_entries: u32,
    /// The participants that are alive, and the dead ones that were not reaped yet.
    pub participants: Vec<ParticipantInfo>,
    /// The maximum number of participants.
    pub max_participants: u32,
}

impl Inspection {
    /// Opens a named segment for looking at it, whatever its contents, owner and layout version.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotFound`], [`OpenError::Symlink`], [`OpenError::NotAFile`],
    /// [`OpenError::Permission`], [`OpenError::Name`] and [`OpenError::System`].
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let path = path_to_open(name)?;
        let refused = |source| SegmentOptions::not_opened(name, source);
        let fd = shm::open_to_read(&path).map_err(refused)?;
        Self::of(fd, Some(name.to_owned())).map_err(|error| error.of(name))
    }

    /// Opens the segment at a path for looking at it: of a file, or of a descriptor of some process
    /// (`/proc/PID/fd/N`), as the only way to an anonymous segment.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_path(path: &Path) -> Result<Self, OpenError> {
        let text = path.display().to_string();
        let refused = |source| SegmentOptions::not_opened(&text, source);
        let fd = shm::open_any_to_read(path).map_err(refused)?;
        let name = name_of(path).map(str::to_owned);
        Self::of(fd, name).map_err(|error| error.of(&text))
    }

    fn of(fd: OwnedFd, name: Option<String>) -> Result<Self, OpenError> {
        let status = shm::status(fd.as_fd()).map_err(OpenError::io("fstat of the segment"))?;
        if !status.is_regular {
            return Err(OpenError::NotAFile { name: None });
        }
        let created = shm::written_at(fd.as_fd());
        let created = created.map_err(OpenError::io("fstat of the segment"))?;
        Ok(Self {
            fd,
            name,
            status,
            created,
        })
    }

    /// Returns the name of a segment that was opened by its name or its path in /dev/shm.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns what the system says of the file, as it was when it was opened.
    pub fn file(&self) -> FileInfo {
        FileInfo {
            len: self.status.len,
            owner: self.status.uid,
            created: self.created,
            device: self.status.device,
            inode: self.status.inode,
            is_linked: self.status.is_linked,
        }
    }

    /// Returns whether any process has the segment open, this one included.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system refuses to tell.
    pub fn is_in_use(&self) -> Result<bool, SystemError> {
        presence::is_in_use(self.fd.as_fd())
            .map_err(|error| SystemError::new("asking whether the segment is in use", &error))
    }

    /// Looks at the registry and the directory.
    ///
    /// # Errors
    ///
    /// [`OpenError::LayoutVersion`] for a segment of another layout version;
    /// [`OpenError::NotASegment`], [`OpenError::Empty`], [`OpenError::ByteOrder`],
    /// [`OpenError::Corrupt`] and [`OpenError::OtherSize`] for a file that is no segment, or is cut
    /// short; [`OpenError::System`].
    pub fn overview(&self) -> Result<Overview, OpenError> {
        let copy = self.copy()?;
        let geometry = &copy.geometry;
        let (mut entries, mut damaged) = (Vec::new(), None);
        for entry in entries_of(copy.tables().directory()) {
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => damaged = damaged.or(Some(error)),
            }
        }
        let used = entries.iter().map(|entry| entry.offset + entry.len).max();
        Ok(Overview {
            layout_version: LAYOUT_VERSION,
            len: geometry.len,
            used: used.unwrap_or(geometry.arena),
            is_anonymous: geometry.anonymous,
            entries,
            damaged,
            max_entries: geometry.entries,
            participants: self.participants_in(&copy),
            max_participants: geometry.participants,
        })
    }

    fn participants_in(&self, copy: &TablesCopy) -> Vec<ParticipantInfo> {
        let tables = copy.tables();
        let own = identity::own();
        let is_alive = |tag: Tag| {
            let registry = tables.registry();
            // The copy is as old as the look; the kernel's answer is of the index's owner now.
            registry.probe(tag, self) && self.is_unchanged(copy, tag)
        };
        let is_self = |_, entry: &ParticipantEntry| {
            let found = Identity {
                pid: entry.pid.load(Relaxed),
                start_time: entry.start_time.load(Relaxed),
                pid_namespace: entry.pid_namespace.load(Relaxed),
                time_namespace: entry.time_namespace.load(Relaxed),
            };
            found == own
        };
        participants_of(tables, is_alive, is_self).collect()
    }

    /// Returns whether the participant's word is the same as in the copy.
    fn is_unchanged(&self, copy: &TablesCopy, tag: Tag) -> bool {
        let Some(entry) = copy.tables().participants().get(tag.index() as usize) else {
            return false;
        };
        let at = u64::from(tag.index()) * size_of::<ParticipantEntry>() as u64;
        let mut word = [0; 4];
        let read = shm::read_at(self.fd.as_fd(), copy.geometry.registry + at, &mut word);
        let now = u32::from_le_bytes(word);
        read.is_ok_and(|len| len == word.len()) && entry.word().load(Relaxed) == now
    }

    /// Copies the header and the tables behind it.
    pub(super) fn copy(&self) -> Result<TablesCopy, OpenError> {
        let copied = self.copy_unnamed();
        copied.map_err(|error| match &self.name {
            Some(name) => error.of(name),
            None => error,
        })
    }

    fn copy_unnamed(&self) -> Result<TablesCopy, OpenError> {
        let io = OpenError::io;
        let status = shm::status(self.fd.as_fd()).map_err(io("fstat of the segment"))?;
        if status.len == 0 {
            return Err(OpenError::Empty { name: None });
        }
        let mut header = [[0; 8]; HEADER_WORDS];
        let read = self.bytes(0, header.as_flattened_mut())?;
        if read < size_of_val(&header) {
            return Err(OpenError::NotASegment { name: None });
        }
        let geometry = decode(&header.map(u64::from_le_bytes), status.len)?;
        let cut_short = |found: usize| OpenError::OtherSize {
            name: None,
            expected: geometry.len,
            found: found as u64,
        };
        let len = usize::try_from(geometry.arena).map_err(|_| cut_short(0))?;
        let mut bytes = vec![0; len];
        let read = self.bytes(0, &mut bytes)?;
        if read < len {
            return Err(cut_short(read));
        }
        Ok(TablesCopy::new(geometry, &bytes))
    }

    fn bytes(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, OpenError> {
        shm::read_at(self.fd.as_fd(), offset, bytes).map_err(OpenError::io("reading the segment"))
    }
}

/// Opens a segment that came as a descriptor for looking at it; it need only be readable.
///
/// # Errors
///
/// [`OpenError::NotAFile`] and [`OpenError::System`].
impl TryFrom<OwnedFd> for Inspection {
    type Error = OpenError;

    fn try_from(fd: OwnedFd) -> Result<Self, OpenError> {
        let status = shm::status(fd.as_fd()).map_err(OpenError::io("fstat of the descriptor"))?;
        if !status.is_regular {
            return Err(OpenError::NotAFile { name: None });
        }
        // The locks taken through a description look free through itself.
        let own = shm::reopen_to_read(fd.as_fd()).unwrap_or(fd);
        Self::of(own, None)
    }
}

/// The kernel's answers, through a description that never locks.
impl ByteLocks for Inspection {
    type Error = io::Error;

    fn try_lock(&self, _: u32) -> io::Result<bool> {
        Ok(false)
    }

    fn unlock(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn is_locked(&self, index: u32) -> bool {
        let byte = LOCKS_BASE + u64::from(index);
        locks::is_byte_locked(self.fd.as_fd(), byte).unwrap_or(true)
    }
}

/// The words of as many bytes as the tables' states are aligned to.
type Line = Padded<Words<16>>;

/// A copy of a segment's tables.
///
/// Invariant 1: `lines` are the bytes before `geometry.arena`, a multiple of 4,096.
pub(super) struct TablesCopy {
    pub(super) geometry: Geometry,
    lines: Box<[Line]>,
}

impl TablesCopy {
    /// `bytes` are those before the arena.
    fn new(geometry: Geometry, bytes: &[u8]) -> Self {
        // SAFETY: words of zeros are valid.
        let blank = || unsafe { std::mem::zeroed::<Line>() };
        let line = |bytes: &[[u8; 8]]| {
            let line = blank();
            let mut words = [0; 16];
            for (word, bytes) in words.iter_mut().zip(bytes) {
                *word = u64::from_le_bytes(*bytes);
            }
            line.as_ref().write(&words);
            line
        };
        let (words, _) = bytes.as_chunks::<8>();
        // INVARIANT: 1.
        let lines = words.chunks(16).map(line).collect();
        Self { geometry, lines }
    }

    pub(super) fn tables(&self) -> Tables<'_> {
        let base = NonNull::from(&*self.lines).cast::<u8>();
        // SAFETY: Invariant 1, and a geometry that was decoded is a plan; the lines are atomics,
        // aligned to 128, and stay as long as `self`.
        unsafe { Tables::new(base, &self.geometry) }
    }
}
