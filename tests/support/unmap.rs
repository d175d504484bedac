//! Other code that unmaps what it has not mapped: also for the crash sweep.

use std::fs::{self, File};
use std::io::{Error, Result};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::ptr;

use crossdock::Segment;

/// Takes its membership from this process, as the kernel would be asked to by code that unmaps what
/// it has not mapped: the page that holds its lock is gone.
pub(crate) fn unmap_lock(segment: &Segment) -> Result<()> {
    let inode = File::from(segment.as_fd().try_clone_to_owned()?)
        .metadata()?
        .ino();
    let maps = fs::read_to_string("/proc/thread-self/maps")?;
    let mut pages = maps.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next()?, fields.next()?);
        let is_it = access == "---s" && fields.nth(2)?.parse() == Ok(inode);
        let (start, _) = range.split_once('-')?;
        is_it.then(|| usize::from_str_radix(start, 16).ok())?
    });
    let (Some(page), None) = (pages.next(), pages.next()) else {
        return Err(Error::other(format!("not one page: {maps}")));
    };
    // SAFETY: what a careless library does to memory that is not its own; no process reads this
    // page.
    match unsafe { libc::munmap(ptr::without_provenance_mut(page), 4096) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
