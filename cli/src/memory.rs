//! Plain shared memory for what is not crossdock's: yardsticks bring their own state.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Failure;

/// A zeroed memfd, mapped shared.
///
/// It travels to worker processes as the place of its maker's descriptor in /proc, so its maker
/// must keep it until they have it.
#[derive(Clone, Debug)]
pub struct Memory {
    file: Arc<File>,
    map: Arc<MmapRaw>,
}

impl Memory {
    /// Makes one of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    pub fn new(len: usize) -> Result<Self, Failure> {
        let fd = memfd_create(c"crossdock-bench", MFdFlags::MFD_CLOEXEC)
            .map_err(|errno| Failure::io("memfd_create")(errno.into()))?;
        let file = File::from(fd);
        file.set_len(len as u64)
            .map_err(Failure::io("the size of a memfd"))?;
        Self::map(file).map_err(Failure::io("mmap of a memfd"))
    }

    fn map(file: File) -> io::Result<Self> {
        let map = MmapOptions::new().map_raw(&file)?;
        Ok(Self {
            file: Arc::new(file),
            map: Arc::new(map),
        })
    }

    /// A pointer to a `T` at byte `offset`, valid as long as a clone of this lives.
    ///
    /// # Panics
    ///
    /// If it would not be inside, or not aligned.
    pub fn at<T>(&self, offset: usize) -> NonNull<T> {
        let end = offset.checked_add(size_of::<T>());
        assert!(
            end.is_some_and(|end| end <= self.map.len()) && offset.is_multiple_of(align_of::<T>()),
            "{} bytes at {offset} of {}",
            size_of::<T>(),
            self.map.len()
        );
        // SAFETY: inside the mapping, by the assertion.
        let place = unsafe { self.map.as_mut_ptr().add(offset) };
        NonNull::new(place.cast()).expect("no mapping is at 0")
    }
}

impl AsFd for Memory {
    /// The memfd. Where it came to by travelling, its description is that process's own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The process and descriptor that a [`Memory`] can be opened through, and which file it is: a
/// process id may mean another process to the one that opens it.
#[derive(Serialize, Deserialize)]
struct Place {
    pid: u32,
    number: i32,
    device: u64,
    inode: u64,
}

fn place(file: &File) -> io::Result<Place> {
    let found = file.metadata()?;
    Ok(Place {
        pid: std::process::id(),
        number: file.as_raw_fd(),
        device: found.dev(),
        inode: found.ino(),
    })
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        place(&self.file)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = Place::deserialize(deserializer)?;
        let path = format!("/proc/{}/fd/{}", expected.pid, expected.number);
        let found = std::fs::metadata(&path).map_err(D::Error::custom)?;
        if (found.dev(), found.ino()) != (expected.device, expected.inode) {
            return Err(D::Error::custom(format!("{path} is another file here")));
        }
        let mut options = File::options();
        let file = options.read(true).write(true).open(path);
        file.and_then(Self::map).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_are_one_memory() {
        let memory = Memory::new(4096).unwrap();
        let again = Memory::map(memory.file.try_clone().unwrap()).unwrap();
        // SAFETY: inside the mapping, aligned, and no other owner's.
        unsafe { memory.at::<u64>(8).write(7) };
        // SAFETY: as above.
        assert_eq!(unsafe { again.at::<u64>(8).read() }, 7);
    }

    #[test]
    #[should_panic(expected = "8 bytes at 4096 of 4096")]
    fn what_is_outside_is_refused() {
        let _outside = Memory::new(4096).unwrap().at::<u64>(4096);
    }

    #[test]
    #[should_panic(expected = "8 bytes at 4 of 4096")]
    fn what_is_not_aligned_is_refused() {
        let _crooked = Memory::new(4096).unwrap().at::<u64>(4);
    }
}
