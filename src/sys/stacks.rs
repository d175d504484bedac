//! The stacks of loom's coroutines, used again instead of mapped anew.
//!
//! Loom runs every interleaving on fresh coroutines. The crate `generator` maps a stack for each,
//! guards it and unmaps it at the end, which, with the faults of its pages, is more than half of a
//! model's time. The calls below take the place of libc's for the Rust code of the models' program
//! (the symbols of a program come before those of its libraries): a stack that is unmapped is kept,
//! guard page and all, for the next `mmap` of a stack of that length. Everything else goes to the
//! kernel as it came.

use std::ptr;
use std::sync::{Mutex, PoisonError};

use libc::{c_int, c_void, off_t, size_t};

/// A stack that was mapped, guard page included.
#[derive(Clone, Copy)]
struct Stack {
    base: usize,
    len: usize,
    guarded: bool,
    in_use: bool,
}

/// More coroutines than a model has at a time; a stack beyond them is not kept.
const MOST: usize = 16;

/// The stacks, the used ones and the kept ones.
static STACKS: Mutex<[Option<Stack>; MOST]> = Mutex::new([None; MOST]);

/// What `look` makes of the stacks.
fn with_stacks<R>(look: impl FnOnce(&mut [Option<Stack>; MOST]) -> R) -> R {
    look(&mut STACKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The base of a kept stack of `len` bytes, which is in use from now on.
fn kept(len: usize) -> Option<usize> {
    with_stacks(|stacks| {
        let mut stacks = stacks.iter_mut().flatten();
        let stack = stacks.find(|stack| !stack.in_use && stack.len == len)?;
        stack.in_use = true;
        Some(stack.base)
    })
}

/// Keeps the stack if there is room for it; whether it was one.
fn keep(base: usize, len: usize) -> bool {
    with_stacks(|stacks| {
        let mut stacks = stacks.iter_mut().flatten();
        let Some(stack) = stacks.find(|stack| stack.base == base && stack.len == len) else {
            return false;
        };
        stack.in_use = false;
        true
    })
}

/// mmap(2), of a kept stack if one is asked for and there is one.
///
/// # Safety
///
/// As mmap(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    at: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let a_stack = at.is_null() && flags & libc::MAP_STACK != 0;
    if a_stack && let Some(base) = kept(len) {
        return ptr::with_exposed_provenance_mut(base);
    }
    // SAFETY: the caller's arguments, as they are.
    let mapped =
        unsafe { libc::syscall(libc::SYS_mmap, at, len, protection, flags, fd, offset) } as usize;
    if a_stack && mapped != libc::MAP_FAILED as usize {
        with_stacks(|stacks| {
            if let Some(free) = stacks.iter_mut().find(|stack| stack.is_none()) {
                *free = Some(Stack {
                    base: mapped,
                    len,
                    guarded: false,
                    in_use: true,
                });
            }
        });
    }
    ptr::with_exposed_provenance_mut(mapped)
}

/// mprotect(2), which a kept stack's guard page has had already.
///
/// # Safety
///
/// As mprotect(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(at: *mut c_void, len: size_t, protection: c_int) -> c_int {
    let guards = protection == libc::PROT_NONE;
    let had_it = with_stacks(|stacks| {
        let mut stacks = stacks.iter_mut().flatten();
        let stack = stacks.find(|stack| stack.base == at.addr() && guards)?;
        Some(std::mem::replace(&mut stack.guarded, true))
    });
    if had_it == Some(true) {
        return 0;
    }
    // SAFETY: the caller's arguments, as they are.
    (unsafe { libc::syscall(libc::SYS_mprotect, at, len, protection) }) as c_int
}

/// munmap(2), but that stacks are kept.
///
/// # Safety
///
/// As munmap(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(at: *mut c_void, len: size_t) -> c_int {
    if keep(at.addr(), len) {
        return 0;
    }
    // SAFETY: the caller's arguments, as they are.
    (unsafe { libc::syscall(libc::SYS_munmap, at, len) }) as c_int
}
