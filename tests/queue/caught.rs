//! Processes that are caught in the middle of copying an item.
//!
//! A page in the middle of an item is taken from the process's own mapping. When the copy comes
//! to it, a signal handler gives it back and stops the process, which is then neither before its
//! claim nor behind its commit.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossdock::Segment;

use crate::support::process::{Child, child, exit};

const PAGE: usize = 4096;

/// So large that some pages have nothing in them but one item.
pub(crate) type Large = [u64; 4 * PAGE / 8];

pub(crate) const fn large(number: u64) -> Large {
    [number; 4 * PAGE / 8]
}

/// The number that an item was made of.
#[track_caller]
pub(crate) fn number(item: &Large) -> u64 {
    assert!(item.iter().all(|word| *word == item[0]), "torn");
    item[0]
}

/// At what a process is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// At reading and at writing.
    Touch,
    /// At writing only.
    Write,
}

/// The page that was taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A child that runs `body` until that copies the item in slot `slot` of the only entry of the
/// segment, a queue of [`Large`], and is stopped there.
pub(crate) fn caught(segment: &Segment, slot: usize, at: At, body: impl FnOnce()) -> Child {
    let child = child(|| {
        take_a_page(segment, slot, at);
        body();
    });
    child.stops();
    child
}

/// Takes the second page of an item, or a later one, of all its pages.
fn take_a_page(segment: &Segment, slot: usize, at: At) {
    let entry = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    assert!(entry.is_multiple_of(PAGE));
    let page = mapping(segment) + entry + 2 * PAGE + slot * size_of::<Large>();
    TAKEN.store(page, Ordering::Relaxed);
    // SAFETY: all zeros is a valid structure, without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_flags = libc::SA_SIGINFO;
    action.sa_sigaction = give_back as *const () as usize;
    // SAFETY: the handler calls nothing that is not async-signal-safe.
    let handled =
        unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) };
    assert_eq!(handled, 0);
    let left = match at {
        At::Touch => libc::PROT_NONE,
        At::Write => libc::PROT_READ,
    };
    protect(page, left);
}

/// Where this process has the segment mapped.
fn mapping(segment: &Segment) -> usize {
    let file = segment.as_fd().try_clone_to_owned().unwrap();
    let inode = std::fs::File::from(file)
        .metadata()
        .unwrap()
        .ino()
        .to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = maps.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some("00000000") && fields.nth(1) == Some(&inode)
    });
    let (Some(line), None) = (found.next(), found.next()) else {
        panic!("expected the segment to be mapped once:\n{maps}");
    };
    usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()
}

fn protect(page: usize, left: libc::c_int) {
    // SAFETY: a page of a mapping that stays; whoever touches it meanwhile gets a signal.
    let outcome = unsafe { libc::mprotect(page as *mut libc::c_void, PAGE, left) };
    if outcome != 0 {
        exit(103);
    }
}

extern "C" fn give_back(_: libc::c_int, info: *const libc::siginfo_t, _: *const libc::c_void) {
    // SAFETY: the kernel hands the handler a valid structure.
    let info = unsafe { &*info };
    // SAFETY: the signal has an address.
    let at = unsafe { info.si_addr() } as usize;
    let page = TAKEN.load(Ordering::Relaxed);
    if !(page..page + PAGE).contains(&at) {
        exit(102);
    }
    // SAFETY: has no preconditions.
    unsafe { libc::raise(libc::SIGSTOP) };
    protect(page, libc::PROT_READ | libc::PROT_WRITE);
}
