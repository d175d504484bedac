//! A file in memory that a ledger is written to: no part of what is tortured.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

use memmap2::{MmapOptions, MmapRaw};

use crate::process::{Broken, Rig};

/// The file, mapped. Of it only what was touched is in memory.
///
/// Invariant 1: `len` bytes are mapped.
pub(crate) struct Sheet {
    file: File,
    map: MmapRaw,
    len: usize,
}

impl Sheet {
    /// memfd_create(2): `len` zeros.
    pub(crate) fn create(len: usize) -> Rig<Self> {
        // SAFETY: the name is a string that ends with a zero.
        let fd = unsafe { libc::memfd_create(c"ledger".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the call has just made the descriptor, and no other code knows of it.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(len as u64)?;
        Self::map(file, len)
    }

    /// The one in the file at `path`, whose length follows from its first word.
    pub(crate) fn open(path: &str, len: impl FnOnce(u64) -> Rig<usize>) -> Rig<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut first = [0; 8];
        file.read_exact_at(&mut first, 0)?;
        let len = len(u64::from_le_bytes(first))?;
        if file.metadata()?.len() != len as u64 {
            return Err(Broken(format!("{path} is no ledger of {len} bytes")));
        }
        Self::map(file, len)
    }

    fn map(file: File, len: usize) -> Rig<Self> {
        // INVARIANT: 1, by the length.
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        Ok(Self { file, map, len })
    }

    /// The descriptor, for others to find it at this process.
    pub(crate) fn fd(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// What stands at an offset.
    ///
    /// # Safety
    ///
    /// The offset is a multiple of `T`'s alignment, and a `T` consists of atomics.
    ///
    /// # Panics
    ///
    /// If that is not in the file.
    pub(crate) unsafe fn at<T>(&self, offset: usize) -> &T {
        let end = offset.checked_add(size_of::<T>());
        assert!(
            end.is_some_and(|end| end <= self.len),
            "{offset} is outside"
        );
        // SAFETY: Invariant 1, and inside.
        let place = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: aligned, by the caller's word; any bytes are atomics.
        unsafe { &*place.cast() }
    }

    /// Makes zeros of all from `offset` on. No other process is using it.
    pub(crate) fn clear_from(&self, offset: usize) -> Rig {
        self.file.set_len(offset as u64)?;
        self.file.set_len(self.len as u64)?;
        Ok(())
    }
}
