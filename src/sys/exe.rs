//! The program that is running: where its code lies, and which file it came from.

use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// The path through which a process starts its own program, replaced on disk or not.
pub(crate) const SELF_EXE: &str = "/proc/thread-self/exe";

/// Which file a program was started from, and how it was linked.
///
/// Equal in two processes exactly when an offset from the load base means the same code in both:
/// device, inode, size and modification time name the bytes, the anchor's offset their layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) anchor: u64,
}

impl Image {
    /// stat(2) of `/proc/thread-self/exe`: the image of this process.
    pub(crate) fn current() -> io::Result<Self> {
        let file = std::fs::metadata(SELF_EXE)?;
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
}

impl Code {
    /// dl_iterate_phdr(3), once: the code of the main program, which is its first object.
    pub(crate) fn of_program() -> &'static Self {
        static PROGRAM: OnceLock<Code> = OnceLock::new();
        PROGRAM.get_or_init(|| {
            let mut code = Self::default();
            let place: *mut Self = &raw mut code;
            // SAFETY: `first_object` has the required signature and does not unwind; `place`
            // points to `code`, which outlives the call and is not touched during it.
            unsafe { libc::dl_iterate_phdr(Some(first_object), place.cast()) };
            code
        })
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
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0 {
            let start = code.base.wrapping_add(header.p_vaddr);
            code.segments
                .push(start..start.wrapping_add(header.p_memsz));
        }
    }
    1
}
