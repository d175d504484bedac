//! The files behind segments: sealed memory files, and files under /dev/shm.

use std::ffi::CStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
#[cfg(feature = "inspect")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag};
use nix::sys::memfd::MFdFlags;
use nix::unistd::{Whence, lseek};

use super::{descriptor, restarted, signals};

/// Nothing stands at that path.
pub(crate) const NOT_FOUND: i32 = libc::ENOENT;
/// A symbolic link stands there, and `O_NOFOLLOW` was given.
pub(crate) const IS_LINK: i32 = libc::ELOOP;
/// A directory or a socket stands there.
pub(crate) const NOT_A_FILE: [i32; 2] = [libc::EISDIR, libc::ENXIO];

/// What fstat(2) says of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileStatus {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Bytes.
    pub(crate) len: u64,
    pub(crate) uid: u32,
    /// Whether it has a name.
    pub(crate) is_linked: bool,
    pub(crate) is_regular: bool,
}

/// What to say of a descriptor that other code has closed: EBADF, whatever its number means now.
pub(crate) fn closed_by_other_code() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// memfd_create(2): a memory file that can be sealed, with mode 0600.
pub(crate) fn memfd(name: &CStr) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let no_exec = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    // Kernels before 6.3 do not know MFD_NOEXEC_SEAL.
    let fd = match descriptor::memfd(name, flags | no_exec) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => descriptor::memfd(name, flags)?,
        result => result?,
    };
    set_mode(fd.as_fd(), 0o600)?;
    Ok(fd)
}

/// The seals of a segment's memory file: the memory cannot be removed from under a mapping.
pub(crate) fn segment_seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

/// fcntl(2), `F_ADD_SEALS`.
pub(crate) fn seal(fd: BorrowedFd<'_>, seals: SealFlag) -> io::Result<()> {
    nix::fcntl::fcntl(fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(())
}

/// fcntl(2), `F_GET_SEALS`; none for a file that cannot be sealed.
pub(crate) fn seals(fd: BorrowedFd<'_>) -> io::Result<SealFlag> {
    match nix::fcntl::fcntl(fd, FcntlArg::F_GET_SEALS) {
        Ok(bits) => Ok(SealFlag::from_bits_retain(bits)),
        Err(nix::Error::EINVAL) => Ok(SealFlag::empty()),
        Err(error) => Err(error.into()),
    }
}

/// open(2), `O_TMPFILE`: a file in `directory` that has no name yet.
pub(crate) fn unlinked_file(directory: &Path) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.mode(0o600).custom_flags(libc::O_TMPFILE);
    descriptor::open(&options, directory)
}

/// The path of a descriptor, `/proc/thread-self/fd/N`, made without allocating. Not through
/// that of the process, which has no descriptors any more when the main thread has ended.
pub(crate) struct ProcPath {
    /// Ends with a zero.
    text: [u8; Self::LEN],
}

impl ProcPath {
    const START: &[u8] = b"/proc/thread-self/fd/";
    /// The start, the ten digits that a number can have, and the zero.
    const LEN: usize = Self::START.len() + 11;

    pub(crate) fn new(fd: BorrowedFd<'_>) -> Self {
        let mut text = [0; Self::LEN];
        text[..Self::START.len()].copy_from_slice(Self::START);
        let number = fd.as_raw_fd().unsigned_abs();
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for place in text[Self::START.len()..][..digits].iter_mut().rev() {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        Self { text }
    }
}

impl std::ops::Deref for ProcPath {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.text).unwrap_or(c"")
    }
}

/// linkat(2): gives a file from [`unlinked_file`] its name; fails if that exists.
pub(crate) fn link(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let from = ProcPath::new(fd);
    nix::unistd::linkat(
        nix::fcntl::AT_FDCWD,
        &*from,
        nix::fcntl::AT_FDCWD,
        path,
        nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW,
    )?;
    Ok(())
}

fn open(path: &Path, writes: bool, flags: libc::c_int) -> io::Result<OwnedFd> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).write(writes).custom_flags(flags);
    descriptor::open(&options, path)
}

/// open(2), `O_NOFOLLOW`: an existing file, for reading and writing; never blocks.
pub(crate) fn open_existing(path: &Path) -> io::Result<OwnedFd> {
    open(path, true, libc::O_NOFOLLOW)
}

/// open(2), `O_NOFOLLOW`: an existing file, for reading only; never blocks.
pub(crate) fn open_to_read(path: &Path) -> io::Result<OwnedFd> {
    open(path, false, libc::O_NOFOLLOW)
}

/// stat(2), open(2): what stands at a path of any kind, a link of /proc among them, for reading
/// only; never blocks, and opens nothing but regular files.
#[cfg(feature = "inspect")]
pub(crate) fn open_any_to_read(path: &Path) -> io::Result<OwnedFd> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    open(path, false, 0)
}

/// open(2) of `/proc/thread-self/fd/N`: a fresh description of the file behind `fd`, for reading
/// only.
#[cfg(feature = "inspect")]
pub(crate) fn reopen_to_read(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = ProcPath::new(fd);
    open_any_to_read(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())))
}

/// fstat(2): when a file was last written by a system call, in seconds since 1970.
#[cfg(feature = "inspect")]
pub(crate) fn written_at(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(u64::try_from(nix::sys::stat::fstat(fd)?.st_mtime).unwrap_or(0))
}

/// pread(2): reads at `offset` until `bytes` are full or the file ends, and returns how many were
/// read.
#[cfg(feature = "inspect")]
pub(crate) fn read_at(fd: BorrowedFd<'_>, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        let at = offset.checked_add(done as u64);
        let at = at.and_then(|at| i64::try_from(at).ok());
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        match nix::sys::uio::pread(fd, &mut bytes[done..], at) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// lseek(2), `SEEK_DATA` and `SEEK_HOLE`: the first bytes at or behind `at` that may have been
/// written, and where they end; `None` if all is a hole. Fails if the descriptor is not that of
/// this file. Moves the position of the descriptor, which nothing here reads at.
pub(crate) fn written(
    fd: BorrowedFd<'_>,
    file: (u64, u64),
    at: u64,
) -> io::Result<Option<(u64, u64)>> {
    let found = status(fd)?;
    if (found.device, found.inode) != file {
        return Err(closed_by_other_code());
    }
    let seek = |at: u64, whence| {
        let at = i64::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok::<_, io::Error>(u64::try_from(lseek(fd, at, whence)?).unwrap_or(u64::MAX))
    };
    match seek(at, Whence::SeekData) {
        Ok(first) => Ok(Some((first, seek(first, Whence::SeekHole)?))),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// stat(2), open(2) of `/proc/PID/fd/N`, which is given as a path: a fresh description, for reading
/// and writing, of the file behind a descriptor of another process. `None` if that is not the file
/// with this device and inode. Never blocks, and opens no other file unless the number is given to
/// one in between.
#[cfg(feature = "process")]
pub(crate) fn open_of_process(path: &Path, file: (u64, u64)) -> io::Result<Option<OwnedFd>> {
    let meta = fs::metadata(path)?;
    if (meta.dev(), meta.ino()) != file {
        return Ok(None);
    }
    let fd = open(path, true, 0)?;
    let found = status(fd.as_fd())?;
    Ok(((found.device, found.inode) == file).then_some(fd))
}

/// unlink(2).
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// readdir(3), and stat(2) without following links: what stands in a directory. What goes meanwhile
/// is passed over.
pub(crate) fn files_of(directory: &Path) -> io::Result<Vec<(std::path::PathBuf, FileStatus)>> {
    let mut found = Vec::new();
    for path in descriptor::paths_in(directory)? {
        if let Ok(meta) = fs::symlink_metadata(&path) {
            let status = FileStatus {
                device: meta.dev(),
                inode: meta.ino(),
                len: meta.len(),
                uid: meta.uid(),
                is_regular: meta.is_file(),
                is_linked: meta.nlink() > 0,
            };
            found.push((path, status));
        }
    }
    Ok(found)
}

/// stat(2) without following a link: the device and inode at `path`.
pub(crate) fn place(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// ftruncate(2).
pub(crate) fn set_len(fd: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    nix::unistd::ftruncate(fd, i64::try_from(len).map_err(io::Error::other)?)?;
    Ok(())
}

/// The most bytes that one call reserves: about 2 ms of work.
const PIECE: u64 = 16 << 20;
/// The fewest.
const LEAST_PIECE: u64 = 4096;
/// So often in a row the smallest piece may be interrupted while signals are blocked: a debugger or
/// a freezer can do that, but not forever.
const TRIES: u32 = 1000;

/// fallocate(2): has the kernel find memory for the first `len` bytes now.
///
/// A call that a signal interrupts gives back all that it had found, so one for a large file can be
/// interrupted forever by a timer. It is reserved in pieces, each of which is progress; an
/// interrupted piece is halved, and the smallest is reserved with signals blocked.
pub(crate) fn reserve(fd: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    in_pieces(len, |offset, len| {
        nix::fcntl::fallocate(fd, FallocateFlags::empty(), offset, len)
    })
}

fn in_pieces(len: u64, mut reserve: impl FnMut(i64, i64) -> nix::Result<()>) -> io::Result<()> {
    let signed = |number: u64| i64::try_from(number).map_err(io::Error::other);
    let (mut done, mut piece) = (0, PIECE);
    let mut tries = 0;
    while done < len {
        let next = piece.min(len - done);
        let (offset, bytes) = (signed(done)?, signed(next)?);
        let result = if piece > LEAST_PIECE {
            reserve(offset, bytes)
        } else {
            signals::blocked(|| reserve(offset, bytes))
        };
        match result {
            Ok(()) => (done, tries) = (done + next, 0),
            Err(nix::Error::EINTR) if piece > LEAST_PIECE => piece /= 2,
            Err(nix::Error::EINTR) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// pwrite(2): the first bytes of a file.
pub(crate) fn write_first(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the bytes are readable, and the call keeps no pointer to them.
    let write = || unsafe { libc::pwrite(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    if restarted(write)?.cast_unsigned() < bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// fchmod(2).
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(nix::sys::stat::fchmod(
        fd,
        nix::sys::stat::Mode::from_bits_truncate(mode),
    )?)
}

/// fstat(2).
pub(crate) fn status(fd: BorrowedFd<'_>) -> io::Result<FileStatus> {
    let stat = nix::sys::stat::fstat(fd)?;
    Ok(FileStatus {
        device: stat.st_dev,
        inode: stat.st_ino,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        uid: stat.st_uid,
        is_linked: stat.st_nlink > 0,
        is_regular: stat.st_mode & libc::S_IFMT == libc::S_IFREG,
    })
}

/// fcntl(2), `F_GETFL`: whether the descriptor reads and writes.
pub(crate) fn is_read_write(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: the descriptor is open, and F_GETFL takes no argument.
    let flags = restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    let path_only = OFlag::from_bits_retain(flags).contains(OFlag::O_PATH);
    Ok(flags & libc::O_ACCMODE == libc::O_RDWR && !path_only)
}

/// geteuid(2).
pub(crate) fn effective_user() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::sys::filter::{self, Refused};

    fn shm_path(name: &str) -> std::path::PathBuf {
        Path::new("/dev/shm").join(format!("crossdock-sys-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_sealed_memory_file_cannot_shrink_or_grow() {
        let fd = memfd(c"crossdock-test").unwrap();
        set_len(fd.as_fd(), 8192).unwrap();
        assert!(!seals(fd.as_fd()).unwrap().contains(segment_seals()));
        seal(fd.as_fd(), segment_seals()).unwrap();
        assert!(seals(fd.as_fd()).unwrap().contains(segment_seals()));
        assert!(set_len(fd.as_fd(), 4096).is_err());
        assert!(set_len(fd.as_fd(), 16384).is_err());
    }

    #[test]
    fn a_file_appears_under_its_name_only_when_linked_and_only_once() {
        let path = shm_path("link");
        let first = unlinked_file(Path::new("/dev/shm")).unwrap();
        let second = unlinked_file(Path::new("/dev/shm")).unwrap();
        assert!(!path.exists());
        link(first.as_fd(), &path).unwrap();
        let again = link(second.as_fd(), &path).unwrap_err();
        let there = place(&path).unwrap();
        unlink(&path).unwrap();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        let status = status(first.as_fd()).unwrap();
        assert_eq!(there, (status.device, status.inode));
    }

    #[test]
    fn a_link_is_not_followed() {
        let path = shm_path("symlink");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let error = open_existing(&path).unwrap_err();
        unlink(&path).unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    /// Each byte of `len` is reserved once, in order, by calls that are refused if they are as
    /// `is_refused` says; returns how many were made.
    fn calls_to_reserve(len: u64, is_refused: impl Fn(u64, u64) -> bool) -> u64 {
        let (mut calls, mut end) = (0, 0);
        in_pieces(len, |offset, bytes| {
            calls += 1;
            let bytes = u64::try_from(bytes).unwrap();
            if is_refused(calls, bytes) {
                return Err(nix::Error::EINTR);
            }
            assert_eq!(u64::try_from(offset).unwrap(), end);
            end += bytes;
            Ok(())
        })
        .unwrap();
        assert_eq!(end, len);
        calls
    }

    #[test]
    fn what_is_interrupted_is_reserved_in_smaller_pieces() {
        let len = (1 << 30) + 123;
        assert_eq!(calls_to_reserve(1000, |_, _| false), 1);
        assert_eq!(calls_to_reserve(len, |_, _| false), len.div_ceil(PIECE));
        for most in [LEAST_PIECE, 1 << 20] {
            let halvings = u64::from((PIECE / most).ilog2());
            let calls = calls_to_reserve(len, |_, bytes| bytes > most);
            assert_eq!(calls, halvings + len.div_ceil(most));
        }
        // Every other call of any size.
        calls_to_reserve(1 << 20, |calls, _| calls % 2 == 1);
    }

    #[test]
    fn what_is_always_interrupted_is_an_error_in_the_end() {
        let mut calls = 0;
        let reserved = in_pieces(1 << 40, |_, _| {
            calls += 1;
            Err(nix::Error::EINTR)
        });
        let error = reserved.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(calls < 2 * TRIES);
    }

    #[test]
    fn a_file_is_reserved_where_long_calls_are_interrupted() {
        let most = Refused::AtLeast(3, (1 << 20) + 1);
        let len = 8 << 20;
        let file = memfd(c"crossdock-test").unwrap();
        filter::refusing_some(libc::SYS_fallocate, most, libc::EINTR, || {
            reserve(file.as_fd(), len).unwrap();
        });
        let meta = fs::File::from(file).metadata().unwrap();
        assert_eq!((meta.len(), meta.blocks()), (len, len / 512));
    }

    /// Signals at this thread, as fast as another one can send them.
    #[test]
    fn a_file_is_reserved_in_a_storm_of_signals() {
        extern "C" fn nothing(_: libc::c_int) {}
        let handler: extern "C" fn(libc::c_int) = nothing;
        // SAFETY: the handler does nothing; no other code of the tests uses SIGURG.
        unsafe { libc::signal(libc::SIGURG, handler as libc::sighandler_t) };
        // SAFETY: has no preconditions.
        let thread = unsafe { libc::pthread_self() };
        let done = AtomicBool::new(false);
        let file = memfd(c"crossdock-test").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // SAFETY: that thread waits for this one at the end of the scope.
                    unsafe { libc::pthread_kill(thread, libc::SIGURG) };
                }
            });
            let reserved = reserve(file.as_fd(), 32 << 20);
            done.store(true, Ordering::Release);
            reserved.unwrap();
        });
    }

    #[test]
    fn the_path_of_a_descriptor_has_its_number() {
        for number in [0, 7, 10, 999, 1_048_575, i32::MAX] {
            // SAFETY: the number is not used as a descriptor.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            let path = ProcPath::new(fd);
            let expected = format!("/proc/thread-self/fd/{number}");
            assert_eq!(path.to_str().unwrap(), expected);
        }
    }

    #[test]
    fn a_read_only_descriptor_is_told() {
        let file = fs::File::open("/proc/thread-self/stat").unwrap();
        assert!(!is_read_write(file.as_fd()).unwrap());
        assert!(is_read_write(memfd(c"crossdock-test").unwrap().as_fd()).unwrap());
    }
}
