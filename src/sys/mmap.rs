//! Shared mappings of whole files.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};

/// A shared, readable and writable mapping; unmapped on drop.
///
/// Never handed out as a slice: other processes write to it.
#[derive(Debug)]
pub(crate) struct Map {
    map: MmapRaw,
}

impl Map {
    /// mmap(2) of the first `len` bytes of `fd`, `MAP_SHARED`.
    pub(crate) fn new(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(len).map_raw(fd.as_raw_fd())?;
        Ok(Self { map })
    }

    /// The first byte; as many as were asked for follow, aligned to a page.
    pub(crate) fn base(&self) -> NonNull<u8> {
        // The kernel never picks address 0 for a mapping.
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }

    /// madvise(2), `MADV_POPULATE_WRITE`: maps every page now. Kernels before 5.14 cannot, and
    /// map at first use as always.
    pub(crate) fn prefault(&self) -> io::Result<()> {
        match self.map.advise(Advice::PopulateWrite) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }
}
