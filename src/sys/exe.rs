//! The program that is running: where its code lies, and which file it came from.

use std::ffi::{CStr, CString, OsStr, c_void};
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::descriptor;

/// The path through which a process starts its own program, replaced on disk or not.
const SELF_EXE: &str = "/proc/thread-self/exe";
/// The same for a child that is about to start it: that is the main thread of its process, and
/// /proc makes fewer entries for this.
const CHILDS_EXE: &CStr = c"/proc/self/exe";

/// Which file the kernel started for this process's program, and how a child of it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The program itself.
    Itself,
    /// The dynamic loader, which was given the program as an argument: these words, the last of
    /// which is the program's path.
    Loader(Vec<CString>),
    /// An emulator, such as valgrind, which has mapped the program from this path.
    Emulator(PathBuf),
}

impl Program {
    /// Whether a parent started this process by the link of /proc to its own program: then it is
    /// the same program, and no look at its file can say more.
    pub(crate) fn is_the_parents() -> bool {
        executed() == CHILDS_EXE && !is_loaded()
    }

    /// Looks at this process, once.
    ///
    /// Fails if the program is not what the kernel started, and its file is no longer at its path.
    pub(crate) fn current() -> io::Result<Self> {
        static CURRENT: OnceLock<Program> = OnceLock::new();
        if let Some(known) = CURRENT.get() {
            return Ok(known.clone());
        }
        let found = Self::find()?;
        Ok(CURRENT.get_or_init(|| found).clone())
    }

    fn find() -> io::Result<Self> {
        if Self::is_the_parents() {
            return Ok(Self::Itself);
        }
        let loader = is_loaded();
        let started = std::fs::metadata(SELF_EXE)?;
        let same = |file: Metadata| (file.dev(), file.ino()) == (started.dev(), started.ino());
        // The cheap look first; it fails where the path is relative to another directory, too.
        let named = Path::new(OsStr::from_bytes(executed().to_bytes()));
        if !loader && std::fs::metadata(named).is_ok_and(same) {
            return Ok(Self::Itself);
        }
        let maps = own_maps()?;
        let mapped = Mapped::of_code(&maps)?;
        // Both say "(deleted)" behind the path of a file that was replaced.
        if !loader && std::fs::read_link(SELF_EXE)? == Path::new(mapped.path) {
            return Ok(Self::Itself);
        }
        let path = mapped.file()?;
        if loader {
            return loader_words(&path).map(Self::Loader);
        }
        Ok(Self::Emulator(path))
    }

    /// The path to start, and the words of its command line that come before the arguments, if
    /// they are not the program's name.
    pub(crate) fn command(&self) -> (CString, &[CString]) {
        match self {
            Self::Itself => (CHILDS_EXE.to_owned(), &[]),
            Self::Loader(words) => (CHILDS_EXE.to_owned(), words),
            Self::Emulator(path) => {
                let path = CString::new(path.as_os_str().as_bytes());
                (path.unwrap_or_default(), &[])
            }
        }
    }

    /// stat(2) of the program's file.
    fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Itself => std::fs::metadata(SELF_EXE),
            Self::Loader(_) | Self::Emulator(_) => {
                std::fs::metadata(Mapped::of_code(&own_maps()?)?.file()?)
            }
        }
    }
}

/// getauxval(3), `AT_BASE`: whether the dynamic loader was started, and loaded the program, which
/// names one.
fn is_loaded() -> bool {
    // SAFETY: getauxval takes an integer and reads what the kernel left at exec.
    let loader_at = unsafe { libc::getauxval(libc::AT_BASE) };
    Code::of_program().has_loader && loader_at == 0
}

/// getauxval(3), `AT_EXECFN`: the path by which the program was started; empty if that is not
/// known.
fn executed() -> &'static CStr {
    // SAFETY: getauxval takes an integer and reads what the kernel left at exec.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let path = usize::try_from(path).unwrap_or(0);
    if path == 0 {
        return c"";
    }
    let path = std::ptr::with_exposed_provenance(path);
    // SAFETY: the kernel, or the loader in its place, left a path there that ends with a zero and
    // stays for the life of the process.
    unsafe { CStr::from_ptr(path) }
}

/// proc_pid_maps(5) of this process. A path that is no text is not found under what it becomes,
/// which the look at the file says.
fn own_maps() -> io::Result<String> {
    let maps = descriptor::read(Path::new("/proc/thread-self/maps"))?;
    Ok(String::from_utf8_lossy(&maps).into_owned())
}

/// A line of proc_pid_maps(5): `start-end rwxp offset major:minor inode path`.
struct Mapped<'a> {
    device: (u32, u32),
    inode: u64,
    path: &'a str,
}

impl<'a> Mapped<'a> {
    /// The mapping that this program's code is in.
    fn of_code(maps: &'a str) -> io::Result<Self> {
        let anchor: fn() = anchor;
        let anchor = (anchor as *const ()).expose_provenance() as u64;
        let mapped = maps.lines().find_map(|line| Self::parse(line, anchor));
        mapped.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no file has its code"))
    }

    /// The path of the file, if it is still there.
    fn file(&self) -> io::Result<PathBuf> {
        let gone = || {
            let why = "the program's file is no longer where it was mapped from";
            io::Error::new(io::ErrorKind::NotFound, why)
        };
        let file = std::fs::metadata(self.path).map_err(|_| gone())?;
        let device = (libc::major(file.dev()), libc::minor(file.dev()));
        if (device, file.ino()) != (self.device, self.inode) {
            return Err(gone());
        }
        Ok(self.path.into())
    }

    /// The mapping of this line, if it is of a file and has the address.
    fn parse(line: &'a str, address: u64) -> Option<Self> {
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        if !(hex(start)?..hex(end)?).contains(&address) {
            return None;
        }
        let (major, minor) = words.nth(2)?.split_once(':')?;
        let device = (
            u32::try_from(hex(major)?).ok()?,
            u32::try_from(hex(minor)?).ok()?,
        );
        let inode = words.next()?.parse().ok()?;
        let path = words.next()?.trim_start();
        path.starts_with('/').then_some(Self {
            device,
            inode,
            path,
        })
    }
}

/// proc_pid_cmdline(5): the words with which the loader was started, its options and the program's
/// path among them, which is the last of them.
fn loader_words(program: &Path) -> io::Result<Vec<CString>> {
    let bytes = descriptor::read(Path::new("/proc/thread-self/cmdline"))?;
    let mut words: Vec<CString> = bytes
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|word| CStr::from_bytes_with_nul(word).ok().map(CStr::to_owned))
        .collect();
    // The program sees its own words only, its path or name first.
    let own = std::env::args_os().len();
    let before = words.len().checked_sub(own).filter(|before| *before > 0);
    let Some(before) = before else {
        let why = "the command line of the dynamic loader has been changed";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    words.truncate(before);
    let path = CString::new(program.as_os_str().to_owned().into_vec());
    words.push(path.map_err(io::Error::other)?);
    Ok(words)
}

/// Which file a program was started from, and how it was linked.
///
/// Equal in two processes exactly when an offset from the load base means the same code in both:
/// device, inode, size and modification time name the bytes, the anchor's offset their layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Image {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) anchor: u64,
}

impl Image {
    /// stat(2) of the program's file, once: the image of this process.
    pub(crate) fn current() -> io::Result<Self> {
        static CURRENT: OnceLock<Image> = OnceLock::new();
        if let Some(known) = CURRENT.get() {
            return Ok(*known);
        }
        let found = Self::find()?;
        Ok(*CURRENT.get_or_init(|| found))
    }

    fn find() -> io::Result<Self> {
        let file = Program::current()?.metadata()?;
        let anchor: fn() = anchor;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            anchor: Code::of_program()
                .offset(anchor as *const ())
                .unwrap_or(u64::MAX),
        })
    }
}

/// A function whose place in the program is part of the program's identity.
#[inline(never)]
fn anchor() {
    std::hint::black_box(0x5eed_c0de_u64);
}

/// The executable segments of the main program, and the base that their offsets count from.
#[derive(Debug, Default)]
pub(crate) struct Code {
    base: u64,
    segments: Vec<Range<u64>>,
    /// Whether the program names a dynamic loader.
    has_loader: bool,
}

impl Code {
    /// dl_iterate_phdr(3), once: the code of the main program, which is its first object.
    pub(crate) fn of_program() -> &'static Self {
        static PROGRAM: OnceLock<Code> = OnceLock::new();
        if let Some(known) = PROGRAM.get() {
            return known;
        }
        // Not while the cell is locked, for which no fork waits.
        let mut code = Self::default();
        let place: *mut Self = &raw mut code;
        // SAFETY: `first_object` has the required signature and does not unwind; `place` points to
        // `code`, which outlives the call and is not touched during it.
        unsafe { libc::dl_iterate_phdr(Some(first_object), place.cast()) };
        PROGRAM.get_or_init(|| code)
    }

    /// The offset of `address` from the load base, or `None` if it is not in the program's code.
    pub(crate) fn offset(&self, address: *const ()) -> Option<u64> {
        let address = u64::try_from(address.expose_provenance()).ok()?;
        let inside = self
            .segments
            .iter()
            .any(|segment| segment.contains(&address));
        inside.then(|| address.wrapping_sub(self.base))
    }

    /// The address at `offset` from the load base, or `None` if it is not in the program's code.
    pub(crate) fn address(&self, offset: u64) -> Option<*const ()> {
        let address = self.base.wrapping_add(offset);
        let inside = self
            .segments
            .iter()
            .any(|segment| segment.contains(&address));
        let address = usize::try_from(address).ok()?;
        inside.then(|| std::ptr::with_exposed_provenance(address))
    }
}

/// Writes the code of the object it is called for into the `Code` at `data`, and ends the walk.
///
/// # Safety
/// - `info` must be the pointer that dl_iterate_phdr passes to its callback.
/// - `data` must point to a `Code` that nothing else accesses during the call.
unsafe extern "C" fn first_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut c_void,
) -> libc::c_int {
    // SAFETY: `info` is valid and unaliased during the callback (first duty of the caller).
    let info = unsafe { &*info };
    // SAFETY: `data` points to a `Code` that only this call accesses (second duty).
    let code = unsafe { &mut *data.cast::<Code>() };
    // SAFETY: the dynamic linker describes its table of program headers by this pointer and
    // count; the headers of the main program stay mapped and unchanged for the process's life.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    code.base = info.dlpi_addr;
    for header in headers {
        code.has_loader |= header.p_type == libc::PT_INTERP;
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0 {
            let start = code.base.wrapping_add(header.p_vaddr);
            code.segments
                .push(start..start.wrapping_add(header.p_memsz));
        }
    }
    1
}
