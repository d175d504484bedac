//! Named segments as files: where they are, which there are, and how their names go.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::{Name, NameError};
use crate::segment::SystemError;
use crate::segment::error::OpenError;
use crate::segment::mapping::FileId;
use crate::segment::name_error::RemoveError;
use crate::segment::{Segment, SegmentOptions};
use crate::sys::shm;

/// Where named segments are.
pub(crate) const DIRECTORY: &str = "/dev/shm";
/// What the file names of all named segments begin with.
const PREFIX: &str = "crossdock.";
/// The most bytes that a segment's name can have: a file name's 255 less the prefix.
const NAME_MAX: usize = 255 - PREFIX.len();

/// A name of a segment, and what the file of that name is like; see [`SegmentOptions::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedSegment {
    /// The name.
    pub name: String,
    /// The size of the file, in bytes.
    pub len: u64,
    /// The user that it belongs to, by user id.
    pub owner: u32,
}

impl SegmentOptions {
    /// Lists the named segments of this machine, sorted by name: the files whose names are those of
    /// segments, whoever they belong to and whatever is in them. Opens none of them.
    ///
    /// Others may create and remove names meanwhile.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system does not let this process look.
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

    /// Removes the name of a segment without opening it, whatever is in the file: it can be empty, of
    /// another layout version, or garbage.
    ///
    /// Those who have it open keep it, as with [`Segment::unlink`].
    ///
    /// # Errors
    ///
    /// [`RemoveError::NotFound`] if there is none; [`RemoveError::Name`]; [`RemoveError::Permission`],
    /// for a segment of another user in particular; [`RemoveError::System`].
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
    /// Returns whether the name of a named segment leads to it: false once it was removed, or another
    /// file has the name; false for an anonymous one.
    pub fn is_linked(&self) -> bool {
        let path = self.mapping().path();
        path.is_some_and(|path| shm::place(path).is_ok_and(|place| self.stands_at(place)))
    }

    /// Removes the name of a named segment: nobody can open it any more, and its memory goes with
    /// its last user. Does nothing to an anonymous one, or if the name is gone already.
    ///
    /// The name travels with the handles of [`process::spawn`](crate::process::spawn), so a worker may
    /// remove it as well as its parent.
    ///
    /// # Errors
    ///
    /// [`RemoveError::NameUnknown`] if the segment's file has a name and this process does not know it:
    /// other code has renamed it, or the process that handed it over sees another /dev/shm.
    /// [`RemoveError::OtherFile`] if another file has that name by now, which is left alone (one that
    /// takes the name between that look and the removal is not told apart);
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

    /// An error if the file has a name, which this process does not know.
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

/// Where the segment of that name is.
pub(crate) fn path_of(name: &str) -> Result<PathBuf, NameError> {
    Name::check(name, NAME_MAX)?;
    Ok(Path::new(DIRECTORY).join(format!("{PREFIX}{name}")))
}

/// As [`path_of`], for who opens it.
pub(crate) fn path_to_open(name: &str) -> Result<PathBuf, OpenError> {
    path_of(name).map_err(|source| OpenError::Name {
        name: name.to_owned(),
        source,
    })
}

/// The name of the segment at that path.
pub(crate) fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)
}
