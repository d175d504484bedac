//! A segment in this process: the mapping, checked once, and shared by all handles.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::algorithm::directory::Directory;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::facade::{AtomicU64, Words};
use crate::format::{Geometry, HEADER_WORDS, HeaderFault, LAYOUT_VERSION, Record};
use crate::participant::attachment::Link;
use crate::participant::registry::Registry;
use crate::segment::error::OpenError;
use crate::segment::membership::Membership;
use crate::segment::presence;
use crate::segment::private::PrivateWords;
use crate::segment::stats;
pub(crate) use crate::segment::tables::ParticipantEntry;
use crate::segment::tables::Tables;
use crate::segment::watch_requests::WatchRequests;
use crate::sys::mmap::Map;
use crate::sys::probe::Probe;
use crate::sys::shm::FileStatus;

/// The geometry in the header of a file of `len` bytes; errors lack the name.
pub(crate) fn decode(words: &[u64; HEADER_WORDS], len: u64) -> Result<Geometry, OpenError> {
    Geometry::decode(words, len).map_err(|fault| match fault {
        HeaderFault::Magic => OpenError::NotASegment { name: None },
        HeaderFault::ByteOrder { found } => OpenError::ByteOrder { name: None, found },
        HeaderFault::Version { found } => OpenError::LayoutVersion {
            name: None,
            expected: LAYOUT_VERSION,
            found,
        },
        HeaderFault::Checksum | HeaderFault::Geometry => OpenError::Corrupt { name: None },
        HeaderFault::Len { header } => OpenError::OtherSize {
            name: None,
            expected: header,
            found: len,
        },
    })
}

/// The identity of a file while it exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl From<FileStatus> for FileId {
    fn from(status: FileStatus) -> Self {
        Self {
            device: status.device,
            inode: status.inode,
        }
    }
}

/// One mapped segment.
///
/// Invariant 1: `map` has `geometry.len` bytes, and `geometry` is a plan (see
/// [`Geometry::decode`]), so all its offsets are inside and aligned.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: Map,
    geometry: Geometry,
    id: FileId,
    probe: Probe,
    /// The path of a named segment.
    path: OnceLock<PathBuf>,
    membership: Membership,
    watch_requests: WatchRequests,
    link: Link<Self>,
    private: PrivateWords,
    /// The record of the counters of slow paths, if the segment has some.
    stats: OnceLock<Option<Record>>,
}

impl Mapping {
    /// Maps the segment behind `fd`.
    pub(crate) fn map(
        fd: OwnedFd,
        status: FileStatus,
        path: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        let io = OpenError::io;
        if !status.is_regular {
            return Err(OpenError::NotAFile { name: None });
        }
        if status.len == 0 {
            return Err(OpenError::Empty { name: None });
        }
        let words_len = HEADER_WORDS * 8;
        let len = usize::try_from(status.len).map_err(|_| OpenError::Corrupt { name: None })?;
        if len < words_len {
            return Err(OpenError::NotASegment { name: None });
        }
        let map = Map::new(fd.as_fd(), len).map_err(io("mmap of the segment"))?;
        let header = map.base().cast::<Words<HEADER_WORDS>>();
        // SAFETY: the mapping has at least that many bytes, page-aligned, and any bytes are words.
        let words = unsafe { header.as_ref() }.read();
        let geometry = decode(&words, status.len)?;
        if !presence::show(fd.as_fd()).map_err(io("locking a byte of the segment"))? {
            return Err(OpenError::BeingRemoved { name: None });
        }
        let membership = Membership::new().map_err(io("a page that fork wipes"))?;
        Ok(Self {
            map,
            geometry,
            id: status.into(),
            probe: Probe::new(fd, (status.device, status.inode)),
            path: path.map(OnceLock::from).unwrap_or_default(),
            membership,
            watch_requests: WatchRequests::new(),
            link: Link::new(),
            private: PrivateWords::new(),
            stats: OnceLock::new(),
        })
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.path.get()
    }

    /// Stores the path, if it was not known.
    pub(crate) fn learn_path(&self, path: Option<PathBuf>) {
        if let Some(path) = path {
            let _ = self.path.set(path);
        }
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The requests of this process's waiters to its monitor.
    pub(crate) fn watch_requests(&self) -> &WatchRequests {
        &self.watch_requests
    }

    /// Maps every page at once.
    pub(crate) fn prefault(&self) -> std::io::Result<()> {
        self.map.prefault()
    }

    /// The descriptor that probes whether peers are alive.
    pub(crate) fn probe(&self) -> &Probe {
        &self.probe
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.probe.fd()
    }

    /// Returns whether the descriptor is still the segment's.
    pub(crate) fn is_intact(&self) -> bool {
        self.probe.is_intact()
    }

    /// The private words of this process for each entry.
    pub(crate) fn private(&self) -> &PrivateWords {
        &self.private
    }

    /// The record of the counters of slow paths, if the segment has some. It is created with the
    /// segment, so it does not change.
    pub(crate) fn stats(&self) -> Option<&Record> {
        self.stats.get_or_init(|| stats::find(self)).as_ref()
    }

    /// The link among the mappings of this process.
    pub(crate) fn link(&self) -> &Link<Self> {
        &self.link
    }

    /// Returns a pointer to `count` values of `T` at byte `offset`, if all of them are inside and
    /// aligned.
    #[inline(always)]
    pub(crate) fn at<T>(&self, offset: u64, count: usize) -> Option<NonNull<T>> {
        let len = size_of::<T>().checked_mul(count)?;
        let end = usize::try_from(offset).ok()?.checked_add(len)?;
        let offset = usize::try_from(offset).ok()?;
        if end as u64 > self.geometry.len || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: `offset` is inside the mapping (Invariant 1).
        Some(unsafe { self.map.base().add(offset) }.cast())
    }

    /// The tables in front of the arena.
    #[inline(always)]
    pub(crate) fn tables(&self) -> Tables<'_> {
        // SAFETY: the mapping has all bytes before the arena (Invariant 1), at the start of a page,
        // and lives as long as `self`; every process accesses them through atomics.
        unsafe { Tables::new(self.map.base(), &self.geometry) }
    }

    #[inline(always)]
    pub(crate) fn participants(&self) -> &[ParticipantEntry] {
        self.tables().participants()
    }

    #[inline(always)]
    pub(crate) fn registry(&self) -> Registry<'_, ParticipantEntry> {
        self.tables().registry()
    }

    /// The time at which waiting participants are next to probe for dead peers: nanoseconds of the
    /// monotonic clock.
    pub(crate) fn reaping_due(&self) -> &AtomicU64 {
        self.tables().reaping_due()
    }

    pub(crate) fn directory(&self) -> Directory<'_> {
        self.tables().directory()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.watch_requests.end(&self.membership);
    }
}

/// An entry's bytes, for a helper that knows only its kind.
pub(crate) struct EntryBytes<'a> {
    mapping: &'a Mapping,
    offset: u64,
    len: u64,
}

impl<'a> EntryBytes<'a> {
    /// The bytes of the entry of a record.
    pub(crate) fn new(mapping: &'a Mapping, record: &Record) -> Self {
        Self {
            mapping,
            offset: record.offset,
            len: record.len,
        }
    }

    /// The entry of a record.
    pub(crate) fn located(mapping: &'a Mapping, record: &'a Record) -> Located<'a, Self> {
        Located {
            record,
            participants: mapping.geometry().participants,
            region: Self::new(mapping, record),
        }
    }
}

// SAFETY: `at` checks that the state is inside the mapping, which outlives the reference, and
// aligned; the length check that it is inside the entry.
unsafe impl Region for EntryBytes<'_> {
    fn state<S: SharedState>(&self) -> Option<&S> {
        if (size_of::<S>() as u64) > self.len {
            return None;
        }
        let place = self.mapping.at::<S>(self.offset, 1)?;
        // SAFETY: as said above.
        Some(unsafe { place.as_ref() })
    }

    fn states<S: SharedState>(&self, offset: u64, count: u64) -> Option<&[S]> {
        let len = (size_of::<S>() as u64).checked_mul(count)?;
        let count = usize::try_from(count).ok()?;
        if offset.checked_add(len)? > self.len {
            return None;
        }
        let place = self
            .mapping
            .at::<S>(self.offset.checked_add(offset)?, count)?;
        // SAFETY: as said above.
        Some(unsafe { core::slice::from_raw_parts(place.as_ptr(), count) })
    }
}
