//! A segment's bytes from the outside: where everything is, copies, forgeries.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

pub(crate) const CONTROL: usize = 128;
pub(crate) const COUNT: usize = 256;
pub(crate) const INDEXED: usize = 320;
pub(crate) const CURSOR: usize = 384;
pub(crate) const REGISTRY: usize = 512;
pub(crate) const PARTICIPANT_LEN: usize = 64;
pub(crate) const RECORD_LEN: usize = 256;
pub(crate) const HEADER_CHECKSUM: usize = 120;
pub(crate) const RECORD_CHECKSUM: usize = 72;
pub(crate) const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Where the record of entry `index` is.
pub(crate) fn record(participants: usize, index: usize) -> usize {
    REGISTRY + participants * PARTICIPANT_LEN + index * RECORD_LEN
}

/// How many slots the index of so many entries has.
pub(crate) fn slots(entries: usize) -> usize {
    (2 * entries).next_power_of_two()
}

/// The slot that the record of that name and number has, and the first place where it is looked for.
pub(crate) fn slot(name: &str, number: usize, entries: usize) -> (usize, u32) {
    let mut bytes = [0; 64];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    let hash = checksum((0..8).map(|word| u64_at(&bytes, word * 8)));
    let (low, high) = (hash & 0xffff_ffff, hash >> 32);
    let word = (high & 0xfffe_0000) | (number as u64 + 1);
    let home = low % slots(entries) as u64;
    (
        usize::try_from(home).expect("64 bits"),
        u32::try_from(word).expect("32 bits"),
    )
}

/// Where the arena begins.
pub(crate) fn arena(participants: usize, entries: usize) -> usize {
    let index_end = record(participants, entries) + slots(entries) * 4;
    index_end.next_multiple_of(4096)
}

/// The bytes of the file behind `fd`.
pub(crate) fn bytes(fd: &impl AsFd) -> Vec<u8> {
    let file = File::from(fd.as_fd().try_clone_to_owned().expect("dup"));
    let len = file.metadata().expect("fstat").len();
    let mut bytes = vec![0; usize::try_from(len).expect("64 bits")];
    file.read_exact_at(&mut bytes, 0).expect("pread");
    bytes
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The checksum of the layout, over whole words: written down here a second time.
pub(crate) fn checksum(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        let hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
        hash ^ (hash >> 29)
    })
}

/// Makes the header's checksum right again.
pub(crate) fn sign_header(bytes: &mut [u8]) {
    let sum = checksum((0..15).map(|word| u64_at(bytes, word * 8)));
    put_u64(bytes, HEADER_CHECKSUM, sum);
}

/// Makes a record's checksum right again.
pub(crate) fn sign_record(bytes: &mut [u8], at: usize) {
    let words = (0..32).filter(|word| *word != RECORD_CHECKSUM / 8);
    let sum = checksum(words.map(|word| u64_at(bytes, at + word * 8)));
    put_u64(bytes, at + RECORD_CHECKSUM, sum);
}

/// memfd_create(2), unsealed.
pub(crate) fn unsealed(bytes: &[u8]) -> OwnedFd {
    const NAME: &CStr = c"crossdock-forged";
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name outlives the call.
    let fd = unsafe { libc::memfd_create(NAME.as_ptr(), flags) };
    assert!(fd >= 0, "memfd_create");
    // SAFETY: just opened, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let file = File::from(fd);
    file.write_all_at(bytes, 0).expect("pwrite");
    file.into()
}

/// A sealed memory file with these bytes: what a segment's descriptor looks like.
pub(crate) fn sealed(bytes: &[u8]) -> OwnedFd {
    let fd = unsealed(bytes);
    seal(&fd, SEALS);
    fd
}

/// fcntl(2), `F_ADD_SEALS`.
pub(crate) fn seal(fd: &OwnedFd, seals: libc::c_int) {
    // SAFETY: the descriptor is open.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(result, 0, "F_ADD_SEALS");
}

/// A second mapping of a segment's file, through which a test plays the part of garbage.
pub(crate) struct Window {
    base: NonNull<u8>,
    len: usize,
}

impl Window {
    pub(crate) fn of(fd: &impl AsFd) -> Self {
        let file = File::from(fd.as_fd().try_clone_to_owned().expect("dup"));
        let len = usize::try_from(file.metadata().expect("fstat").len()).expect("64 bits");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place that the kernel picks.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED, "mmap");
        let base = NonNull::new(base.cast()).expect("not at 0");
        Self { base, len }
    }

    fn place<T>(&self, at: usize) -> &T {
        assert!(at.is_multiple_of(align_of::<T>()) && at + size_of::<T>() <= self.len);
        // SAFETY: inside the mapping, by the assertion.
        let place = unsafe { self.base.add(at) };
        // SAFETY: aligned by the assertion, mapped while `self` lives, and `T` is an atomic here.
        unsafe { place.cast().as_ref() }
    }

    pub(crate) fn byte(&self, at: usize) -> &AtomicU8 {
        self.place(at)
    }

    pub(crate) fn word(&self, at: usize) -> &AtomicU32 {
        self.place(at)
    }

    pub(crate) fn long(&self, at: usize) -> &AtomicU64 {
        self.place(at)
    }

    /// All bytes, read one after another.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (0..self.len)
            .map(|at| self.byte(at).load(Ordering::Relaxed))
            .collect()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping is this window's own, and nobody has a reference into it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
