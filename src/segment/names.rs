//! Named segments as files: their paths, their list, and the removal of their names.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::{Name, NameError};
use crate::segment::RemoveError;
use crate::segment::SystemError;
use crate::segment::error::OpenError;
use crate::segment::mapping::FileId;
use crate::segment::{Segment, SegmentOptions};
use crate::sys::shm;

/// The directory of named segments.
pub(crate) const DIRECTORY: &str = "/dev/shm";
/// The prefix of the file names of all named segments.
const PREFIX: &str = "crossdock.";
/// The maximum length of a segment's name in bytes: a file name's 255 less the prefix.
const NAME_MAX: usize = 255 - PREFIX.len();

/// A name of a segment, and the attributes of its file; see [`SegmentOptions::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedSegment {
    /// The name.
    pub name: String,
    /// The size of the file, in bytes.
    pub len: u64,
    /// The user id of its owner.
    pub owner: u32,
}

impl SegmentOptions {
    /// Lists the named segments of this machine, sorted by name: all files with the name of a
    /// segment, of any owner and with any contents. Opens none of them.
    ///
    /// Other processes may create and remove names meanwhile.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system does not allow this process to read the directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    ///
    /// let name = format!("doc-list-{}", std::process::id());
    /// let segment = SegmentOptions::new().size(1 << 16).create_new(&name)?;
    /// let all = SegmentOptions::list()?;
    /// let this = all.iter().find(|found| found.name == name).expect("it is there");
    /// assert_eq!(this.len, 1 << 16);
    /// SegmentOptions::remove(&name)?;
    /// assert!(!segment.is_linked());
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn list() -> Result<Vec<NamedSegment>, SystemError> {
        let files = shm::files_of(Path::new(DIRECTORY));
        let files = files.map_err(|error| SystemError::new("reading /dev/shm", &error))?;
        let mut named: Vec<_> = files
            .into_iter()
            .filter(|(_, status)| status.is_regular)
            .filter_map(|(path, status)| {
                let name = name_of(&path)?;
                Name::check(name, NAME_MAX).is_ok().then(|| NamedSegment {
                    name: name.to_owned(),
                    len: status.len,
                    owner: status.uid,
                })
            })
            .collect();
        named.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(named)
    }

    /// Removes the name of a segment without opening it, whatever the file contains: it can be
    /// empty, of another layout version, or garbage.
    ///
    /// Processes that have it open keep it, as with [`Segment::unlink`].
    ///
    /// # Errors
    ///
    /// [`RemoveError::NotFound`] if there is none; [`RemoveError::Name`];
    /// [`RemoveError::Permission`], for a segment of another user in particular;
    /// [`RemoveError::System`].
    pub fn remove(name: &str) -> Result<(), RemoveError> {
        let own = || name.to_owned();
        let path = path_of(name).map_err(|source| RemoveError::Name {
            name: own(),
            source,
        })?;
        match shm::unlink(&path) {
            Err(source) if is_gone(&source) => Err(RemoveError::NotFound { name: own() }),
            removed => removed.map_err(|source| RemoveError::refused(name, &source)),
        }
    }
}

impl Segment {
    /// Returns the path of a named segment's file, for programs in other languages that map it (see
    /// [docs/attach.md]); `None` for an anonymous segment. The name may have been
    /// [removed](Self::is_linked) since.
    ///
    /// [docs/attach.md]: https://docs.rs/crate/crossdock/latest/source/docs/attach.md
    pub fn path(&self) -> Option<&Path> {
        self.mapping().path().map(PathBuf::as_path)
    }

    /// Returns whether the name of a named segment leads to it. Returns false if the name was
    /// removed, or leads to another file, and for an anonymous segment.
    pub fn is_linked(&self) -> bool {
        let path = self.mapping().path();
        path.is_some_and(|path| shm::place(path).is_ok_and(|place| self.stands_at(place)))
    }

    /// Removes the name of a named segment. No process can open it any more, and its memory is
    /// freed with its last user. Does nothing for an anonymous segment, or if the name is removed
    /// already.
    ///
    /// Handles passed by [`process::spawn`](crate::process::spawn) carry the name, so a worker may
    /// remove it as well as its parent.
    ///
    /// # Errors
    ///
    /// [`RemoveError::NameUnknown`] if the segment's file has a name that this process does not
    /// know: other code has renamed it, or the process that handed it over sees another /dev/shm.
    /// [`RemoveError::OtherFile`] if another file has that name now, which is left alone (a file
    /// that takes the name between the check and the removal is not detected);
    /// [`RemoveError::Permission`] and [`RemoveError::System`] if the system refuses.
    pub fn unlink(&self) -> Result<(), RemoveError> {
        let Some((path, name)) = self.mapping().path().zip(self.name()) else {
            return self.has_no_name();
        };
        match shm::place(path) {
            Err(error) if is_gone(&error) => return self.has_no_name(),
            Err(error) => return Err(RemoveError::refused(name, &error)),
            Ok(place) if !self.stands_at(place) => {
                return Err(RemoveError::OtherFile {
                    name: name.to_owned(),
                });
            }
            Ok(_) => {}
        }
        match shm::unlink(path) {
            Err(error) if !is_gone(&error) => Err(RemoveError::refused(name, &error)),
            _ => Ok(()),
        }
    }

    /// Fails if the file has a name, which this process does not know.
    fn has_no_name(&self) -> Result<(), RemoveError> {
        if self.mapping().geometry().anonymous {
            return Ok(());
        }
        let io = |error: io::Error| RemoveError::System {
            name: None,
            error: SystemError::new("asking whether the segment has a name", &error),
        };
        let status = shm::status(self.mapping().fd()).map_err(io)?;
        if FileId::from(status) != self.mapping().id() {
            return Err(io(shm::closed_by_other_code()));
        }
        match status.is_linked {
            true => Err(RemoveError::NameUnknown),
            false => Ok(()),
        }
    }

    fn stands_at(&self, (device, inode): (u64, u64)) -> bool {
        self.mapping().id() == FileId { device, inode }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Returns the path of the segment of that name.
pub(crate) fn path_of(name: &str) -> Result<PathBuf, NameError> {
    Name::check(name, NAME_MAX)?;
    Ok(Path::new(DIRECTORY).join(format!("{PREFIX}{name}")))
}

/// As [`path_of`], with the error of an open.
pub(crate) fn path_to_open(name: &str) -> Result<PathBuf, OpenError> {
    path_of(name).map_err(|source| OpenError::Name {
        name: name.to_owned(),
        source,
    })
}

/// Returns the name of the segment at that path.
pub(crate) fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)
}
