//! Options for creating and opening segments.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::algorithm::stats::len as stats_len;
use crate::facade::{Deadline, Left};
use crate::format::{Geometry, MAX_ENTRIES, PAGE, Request};
use crate::participant::Tag;
use crate::segment::attachment::Attachment;
use crate::segment::error::{CreateError, OpenError, OpenOrCreateError};
use crate::segment::names::{DIRECTORY, path_of, path_to_open};
use crate::segment::stats::{self, Stats};
use crate::segment::{Segment, SystemError};
use crate::sys::{limits, shm};

const DEFAULT_SIZE: u64 = 1 << 20;
const DEFAULT_PARTICIPANTS: u32 = 128;
const DEFAULT_ENTRIES: u32 = 64;
/// The number of attempts of `open_or_create` while other processes create and unlink the same
/// name.
const RACES: u32 = 64;
/// The total time that it waits for other processes to finish removing the segment.
const REMOVAL_TIMEOUT: Duration = Duration::from_millis(100);

/// Options for creating or opening a [`Segment`], in the manner of [`std::fs::OpenOptions`].
///
/// # Examples
///
/// ```
/// use crossdock::SegmentOptions;
///
/// let segment = SegmentOptions::new().size(1 << 16).participants(8).anonymous()?;
/// assert_eq!(segment.len(), 65_536);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SegmentOptions {
    size: Option<u64>,
    participants: Option<u32>,
    entries: u32,
    mode: u32,
    owner: Option<u32>,
    reserve: bool,
    prefault: bool,
    stats: bool,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SegmentOptions {
    /// Returns the defaults: 1 MiB, 128 participants, 64 entries, mode 0600, reserved.
    pub fn new() -> Self {
        Self {
            size: None,
            participants: None,
            entries: DEFAULT_ENTRIES,
            mode: 0o600,
            owner: None,
            reserve: true,
            prefault: false,
            stats: false,
        }
    }

    /// Sets the size in bytes, registry and directory included. It is rounded up to a multiple of
    /// 4,096.
    ///
    /// An existing segment keeps its size; opening a smaller one is an error.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Sets the maximum number of participants, that is of processes at once: 1 to 1,023, 64 bytes
    /// each.
    ///
    /// An existing segment keeps its number; opening one with fewer is an error.
    pub fn participants(mut self, processes: u32) -> Self {
        self.participants = Some(processes);
        self
    }

    /// Sets the maximum number of entries: 1 to 65,536, some 264 bytes each.
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// Sets the permissions of a new named segment, whatever the umask: 0600 to 0666.
    ///
    /// A process that may write to a segment may corrupt it: processes of other users are trusted
    /// like one's own.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the user id of the expected owner when opening; by default the effective user of this
    /// process.
    pub fn owner(mut self, user: u32) -> Self {
        self.owner = Some(user);
        self
    }

    /// Sets whether all memory is reserved at creation, so that a full machine is an error then and
    /// not a killed process later. On by default.
    pub fn reserve(mut self, reserve: bool) -> Self {
        self.reserve = reserve;
        self
    }

    /// Sets whether every page is mapped at once, so that no first access takes a page fault. Off
    /// by default.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Sets whether the segment counts what happens on slow paths, for `crossdock metrics` and
    /// others that look from outside. Off by default.
    ///
    /// Counted are the operations that had to sleep, their sleeps, those that lasted a second or
    /// more, locks taken over from dead owners, messages received once more, and participants
    /// reaped. An operation that does not sleep costs the same as without. The counters are an
    /// entry, `crossdock.stats`, of 64 bytes for each participant, and this process takes part in
    /// the segment from its creation on, to make them.
    ///
    /// An existing segment counts if it was created so.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::SegmentOptions;
    /// use crossdock::queue::Queue;
    ///
    /// let segment = SegmentOptions::new().stats(true).anonymous()?;
    /// let queue = segment.create::<Queue<u64>>("empty", 4)?;
    /// assert!(queue.recv_timeout(Duration::from_millis(20)).is_err());
    /// assert_eq!(segment.entries()?[0].name, "crossdock.stats");
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn stats(mut self, stats: bool) -> Self {
        self.stats = stats;
        self
    }

    /// Creates a segment without a name: a memory file, sealed against any change of its size.
    ///
    /// It reaches other processes as an argument of [`process::spawn`](crate::process::spawn), by
    /// fork, or as a descriptor, and is freed with its last user.
    ///
    /// # Errors
    ///
    /// Every [`CreateError`] except those of names. A size that the machine cannot provide is
    /// refused before anything is allocated.
    pub fn anonymous(&self) -> Result<Segment, CreateError> {
        let geometry = self.plan(true)?;
        let io = |what| move |error: io::Error| CreateError::System(SystemError::new(what, &error));
        refuse_too_large(geometry.len, None)?;
        const NAME: &CStr = c"crossdock";
        let fd = shm::memfd(NAME).map_err(io("memfd_create"))?;
        self.fill(&fd, &geometry)?;
        shm::seal(fd.as_fd(), shm::segment_seals()).map_err(io("sealing the segment"))?;
        self.finish(fd, None)
    }

    /// Creates a segment with a name that is not in use; see [`Segment`] for its path.
    ///
    /// It appears fully initialised or not at all, whenever this process is killed.
    ///
    /// # Errors
    ///
    /// [`CreateError::Exists`] if there is a segment, or anything else, of that name; and every
    /// other [`CreateError`].
    pub fn create_new(&self, name: &str) -> Result<Segment, CreateError> {
        let path = path_of(name).map_err(CreateError::Name)?;
        let geometry = self.plan(false)?;
        let directory = Path::new(DIRECTORY);
        refuse_too_large(geometry.len, Some(directory))?;
        let io = |what: &'static str| {
            move |source: io::Error| match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    CreateError::Permission(SystemError::new(what, &source))
                }
                _ => CreateError::System(SystemError::new(what, &source)),
            }
        };
        let fd = shm::unlinked_file(directory).map_err(io("creating a file in /dev/shm"))?;
        self.fill(&fd, &geometry)?;
        shm::set_mode(fd.as_fd(), self.mode).map_err(io("fchmod of the segment"))?;
        let segment = self.finish(fd, Some(path.clone()))?;
        // From here on the segment exists.
        shm::link(segment.as_fd(), &path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists {
                name: name.to_owned(),
            },
            _ => io("linking the segment into /dev/shm, through /proc/thread-self/fd")(source),
        })?;
        Ok(segment)
    }

    /// Opens a named segment.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotFound`] if there is none, [`OpenError::Permission`],
    /// [`OpenError::OtherOwner`] and [`OpenError::Symlink`] if it is not to be trusted, and every
    /// other [`OpenError`] if the file is not a segment of this layout.
    pub fn open(&self, name: &str) -> Result<Segment, OpenError> {
        self.open_file(name).map_err(|error| error.of(name))
    }

    /// As [`open`](Self::open); errors may lack the name.
    fn open_file(&self, name: &str) -> Result<Segment, OpenError> {
        let path = path_to_open(name)?;
        let fd = shm::open_existing(&path).map_err(|source| Self::not_opened(name, source))?;
        let fstat = || OpenError::io("fstat of the segment");
        let status = shm::status(fd.as_fd()).map_err(fstat())?;
        self.check_owner(status.uid)?;
        let mapping = Attachment::of(fd, Some(path))?;
        // From here on no process finds it unused; it may have been removed before.
        if !shm::status(mapping.fd()).map_err(fstat())?.is_linked {
            return Err(OpenError::NotFound {
                name: name.to_owned(),
            });
        }
        let geometry = mapping.geometry();
        let smaller = [
            ("a size", self.size, geometry.len),
            (
                "participants",
                self.participants.map(u64::from),
                geometry.participants.into(),
            ),
        ];
        for (what, expected, found) in smaller {
            if let Some(expected) = expected.filter(|expected| *expected > found) {
                return Err(OpenError::Smaller {
                    name: None,
                    what: what.into(),
                    expected,
                    found,
                });
            }
        }
        let segment = Segment::from_mapping(mapping);
        if self.prefault {
            let prefaulted = segment.mapping().prefault();
            prefaulted.map_err(OpenError::io("mapping every page"))?;
        }
        Ok(segment)
    }

    /// Returns the error for a named segment's file that was not opened, or not removed.
    pub(crate) fn not_opened(name: &str, source: io::Error) -> OpenError {
        let own = || name.to_owned();
        match source.raw_os_error() {
            Some(code) if code == shm::NOT_FOUND => OpenError::NotFound { name: own() },
            Some(code) if code == shm::IS_LINK => OpenError::Symlink { name: own() },
            Some(code) if shm::NOT_A_FILE.contains(&code) => {
                OpenError::NotAFile { name: Some(own()) }
            }
            _ if source.kind() == io::ErrorKind::PermissionDenied => {
                let name = Some(own());
                let source = SystemError::new("opening the file", &source);
                OpenError::Permission { name, source }
            }
            _ => OpenError::io("opening the file")(source).of(name),
        }
    }

    /// Refuses a segment of another user than expected.
    pub(crate) fn check_owner(&self, found: u32) -> Result<(), OpenError> {
        let expected = self.owner.unwrap_or_else(shm::effective_user);
        let name = None;
        (found == expected)
            .then_some(())
            .ok_or(OpenError::OtherOwner {
                name,
                expected,
                found,
            })
    }

    /// Opens a named segment, or creates it if there is none.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) and [`create_new`](Self::create_new). [`OpenError::NotFound`]
    /// and [`CreateError::Exists`] are returned only if other processes create and unlink the name
    /// again and again meanwhile; [`OpenError::BeingRemoved`] only if a process was stopped while
    /// it removes the segment.
    pub fn open_or_create(&self, name: &str) -> Result<Segment, OpenOrCreateError> {
        let mut races = 0;
        let deadline = Deadline::after(REMOVAL_TIMEOUT);
        loop {
            races += 1;
            match self.open(name) {
                Err(OpenError::NotFound { .. }) => {}
                // The removing process has two calls to make, so this usually ends at once.
                Err(OpenError::BeingRemoved { .. }) if deadline.left() != Left::Passed => {
                    races -= 1;
                    std::thread::yield_now();
                    continue;
                }
                opened => return opened.map_err(OpenOrCreateError::Open),
            }
            match self.create_new(name) {
                Err(CreateError::Exists { .. }) if races < RACES => {}
                created => return created.map_err(OpenOrCreateError::Create),
            }
        }
    }

    fn plan(&self, anonymous: bool) -> Result<Geometry, CreateError> {
        let participants = self.participants.unwrap_or(DEFAULT_PARTICIPANTS);
        if participants == 0 || participants > Tag::MAX_PARTICIPANTS {
            let max = Tag::MAX_PARTICIPANTS;
            return Err(CreateError::Participants {
                found: participants,
                max,
            });
        }
        if self.entries == 0 || self.entries > MAX_ENTRIES {
            return Err(CreateError::Entries {
                found: self.entries,
                max: MAX_ENTRIES,
            });
        }
        if self.mode & !0o666 != 0 || self.mode & 0o600 != 0o600 {
            return Err(CreateError::Mode { found: self.mode });
        }
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        let len = size
            .checked_next_multiple_of(PAGE)
            .unwrap_or(u64::MAX - PAGE + 1);
        // The least segment has a page behind its tables, or as many as the counters take.
        let more = match self.stats {
            true => stats_len(participants).saturating_sub(1) / PAGE * PAGE,
            false => 0,
        };
        Geometry::plan(Request {
            len,
            participants,
            entries: self.entries,
            anonymous,
        })
        .map_err(|least| least + more)
        .and_then(|geometry| {
            let least = geometry.arena + PAGE + more;
            (len >= least).then_some(geometry).ok_or(least)
        })
        .map_err(|least| CreateError::TooSmall { size, least })
    }

    /// Gives a new file its length, its memory and its header.
    fn fill(&self, fd: &OwnedFd, geometry: &Geometry) -> Result<(), CreateError> {
        let io = |what: &'static str| {
            move |source: io::Error| match source.kind() {
                // The free space was taken since the limits were read.
                io::ErrorKind::StorageFull => CreateError::TooLarge {
                    size: geometry.len,
                    limit: limits::Limit::FileSystem,
                    available: 0,
                },
                _ => CreateError::System(SystemError::new(what, &source)),
            }
        };
        shm::set_len(fd.as_fd(), geometry.len).map_err(io("ftruncate of the segment"))?;
        if self.reserve {
            shm::reserve(fd.as_fd(), geometry.len).map_err(io("fallocate of the segment"))?;
        }
        // The file is zeroed, so the rest of it is in its initial state already.
        let header = geometry.encode().map(u64::to_le_bytes);
        let write = shm::write_first(fd.as_fd(), header.as_flattened());
        write.map_err(io("writing the segment's header"))
    }

    /// Opens the segment that was just created.
    fn finish(&self, fd: OwnedFd, path: Option<PathBuf>) -> Result<Segment, CreateError> {
        let made = Attachment::of(fd, path).map_err(|error| match error {
            OpenError::System { error, .. } => CreateError::System(error),
            other => CreateError::System(SystemError::new(
                "opening the new segment",
                &io::Error::other(other),
            )),
        })?;
        let segment = Segment::from_mapping(made);
        if self.stats {
            segment.create::<Stats>(stats::NAME, ()).map_err(|error| {
                let error = io::Error::other(error);
                CreateError::System(SystemError::new("creating the segment's counters", &error))
            })?;
        }
        if self.prefault {
            segment.mapping().prefault().map_err(|error| {
                CreateError::System(SystemError::new("mapping every page", &error))
            })?;
        }
        Ok(segment)
    }
}

fn refuse_too_large(size: u64, filesystem: Option<&Path>) -> Result<(), CreateError> {
    match limits::refusal(size, filesystem) {
        Some((limit, available)) => Err(CreateError::TooLarge {
            size,
            limit,
            available,
        }),
        None => Ok(()),
    }
}
