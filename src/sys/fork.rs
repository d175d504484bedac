//! What must be true in a forked child: that it is not its parent.
//!
//! - A [`ForkPage`] has words that the kernel clears in a child (`MADV_WIPEONFORK`), whether it was
//!   made by fork or by a bare clone. What shows the others that the parent lives is
//!   [held](super::locks::Held) by a mapping that a child does not have.
//! - Descriptors that are of use to this process alone are kept in [slots](adopt); a
//!   `pthread_atfork` handler closes them in the child, or replaces them.
//! - [`exclusive`] is the process's one lock for its table of mappings and those slots. A fork
//!   waits for it, so a child always finds both consistent and the lock free.
//!
//! A child made by a bare clone (no handlers run) keeps those descriptors until it execs or ends,
//! and finds the lock taken forever if another thread had it at that moment.

use core::sync::atomic::{AtomicU32, AtomicUsize};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use memmap2::{MmapOptions, MmapRaw};

use super::shm;

/// Some words of private memory that read 0 in a forked child.
#[derive(Debug)]
pub(crate) struct ForkPage {
    page: MmapRaw,
}

/// What is in the page.
#[repr(C)]
struct Wiped {
    words: [AtomicU32; ForkPage::WORDS],
    address: AtomicUsize,
}

impl ForkPage {
    /// How many words there are.
    pub(crate) const WORDS: usize = 4;

    /// mmap(2) of one anonymous page, and madvise(2), `MADV_WIPEONFORK`.
    pub(crate) fn new() -> io::Result<Self> {
        let page = MmapRaw::from(MmapOptions::new().len(4096).map_anon()?);
        let base = page.as_mut_ptr().cast();
        // SAFETY: the page is mapped, and this changes only what a child of fork sees of it.
        super::checked(unsafe { libc::madvise(base, page.len(), libc::MADV_WIPEONFORK) })?;
        Ok(Self { page })
    }

    /// The words; only ever accessed through this.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU32; Self::WORDS] {
        &self.wiped().words
    }

    /// One more word, as long as an address; only ever accessed through this.
    pub(crate) fn address(&self) -> &AtomicUsize {
        &self.wiped().address
    }

    #[inline]
    fn wiped(&self) -> &Wiped {
        let wiped = self.page.as_mut_ptr().cast::<Wiped>();
        // SAFETY: the page is mapped while `self` lives, zeroed, aligned, and writable, and all
        // access is through the atomics.
        unsafe { &*wiped }
    }
}

/// A lock that a fork waits for: a plain pthread mutex, which may be unlocked in the child.
struct ForkLock {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    slots: UnsafeCell<Vec<Option<DescriptorSlot>>>,
}

/// A descriptor that was taken in, with what tells whether the number still means that file.
struct DescriptorSlot {
    file: File,
    device: u64,
    inode: u64,
    in_child: InChild,
}

/// What becomes of a descriptor in a forked child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InChild {
    Closed,
    /// Its number means a file that is of no use: what borrows it is no other file's.
    #[cfg(feature = "process")]
    Replaced,
}

// SAFETY: the mutex is made for this; `slots` is only reached by its holder.
unsafe impl Sync for ForkLock {}

static LOCK: ForkLock = ForkLock {
    mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
    slots: UnsafeCell::new(Vec::new()),
};

extern "C" fn prepare() {
    // SAFETY: an initialised mutex; `exclusive` never calls out, so this thread does not hold it.
    unsafe { libc::pthread_mutex_lock(LOCK.mutex.get()) };
}

extern "C" fn parent() {
    // SAFETY: locked by this thread in `prepare`.
    unsafe { libc::pthread_mutex_unlock(LOCK.mutex.get()) };
}

extern "C" fn child() {
    // SAFETY: this thread holds the lock since `prepare`, and is the only one here.
    let slots = unsafe { &mut *LOCK.slots.get() };
    for place in slots {
        *place = place.take().and_then(DescriptorSlot::leave);
    }
    parent();
}

impl DescriptorSlot {
    /// fstat(2): takes a descriptor in.
    fn new(file: File, in_child: InChild) -> Self {
        // It fails for no open file. What it is not known for is not closed.
        let status = shm::status(file.as_fd());
        let (device, inode) = status.map_or((0, 0), |status| (status.device, status.inode));
        Self {
            file,
            device,
            inode,
            in_child,
        }
    }

    /// What is left of it in a forked child. Async-signal-safe.
    fn leave(self) -> Option<Self> {
        match self.in_child {
            InChild::Closed => {
                self.close();
                None
            }
            #[cfg(feature = "process")]
            InChild::Replaced if self.is_ours() => {
                let file = super::private::replaced(self.file)?;
                Some(Self::new(file, self.in_child))
            }
            #[cfg(feature = "process")]
            InChild::Replaced => Some(self),
        }
    }

    /// Whether the number still means the file that was adopted. Async-signal-safe.
    fn is_ours(&self) -> bool {
        shm::status(self.file.as_fd())
            .is_ok_and(|now| (now.device, now.inode) == (self.device, self.inode))
    }

    /// Closes the descriptor, unless other code has closed it and its number means another file.
    /// Async-signal-safe: fstat and close only.
    fn close(self) {
        drop(self.into_owned());
    }

    /// The descriptor; `None` if other code has closed it. Async-signal-safe.
    fn into_owned(self) -> Option<OwnedFd> {
        if self.is_ours() {
            return Some(self.file.into());
        }
        let _not_ours = std::mem::ManuallyDrop::new(self.file);
        None
    }
}

/// The process's own exclusion, for as long as it lives: no fork happens meanwhile.
#[derive(Debug)]
pub(crate) struct Exclusive {
    _not_send: PhantomData<*mut ()>,
}

/// Names a descriptor that was [adopted](adopt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotId(usize);

/// Registers the handlers when the program or library is loaded. At first use it would be too late:
/// a fork in another thread at that moment would leave a child without handlers and with the lock
/// taken forever, by a thread that it does not have.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = register;

extern "C" fn register() {
    // It fails only for want of memory; children are then as those of a bare clone.
    // SAFETY: the handlers are functions of this program and stay loaded.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// Locks the process's table of mappings and the slots; must not be called twice by one thread.
///
/// A holder allocates nothing, frees nothing, formats nothing and reads nothing of /proc: an
/// allocator may have fork handlers that were registered after these, and a fork in another thread
/// then holds the allocator's lock while it waits for this one. `tests/fork_lock.rs` holds this.
pub(crate) fn exclusive() -> Exclusive {
    // A program that links this function links the handlers.
    std::hint::black_box(&REGISTER);
    prepare();
    Exclusive {
        _not_send: PhantomData,
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        parent();
    }
}

/// A value that is reached under the process's exclusion only, and so is consistent in a forked
/// child.
#[derive(Debug)]
pub(crate) struct Guarded<T>(UnsafeCell<T>);

// SAFETY: `get` gives access to the holder of the exclusion only, of which there is one.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, as long as the exclusion is borrowed.
    pub(crate) fn get<'a>(&'a self, _exclusive: &'a mut Exclusive) -> &'a mut T {
        // SAFETY: there is one `Exclusive` at a time in the process, and it is borrowed mutably as
        // long as the reference lives.
        unsafe { &mut *self.0.get() }
    }
}

/// Takes a descriptor in, to be closed in a forked child. Takes the exclusion.
pub(crate) fn adopt(fd: OwnedFd) -> SlotId {
    let slot = DescriptorSlot::new(File::from(fd), InChild::Closed);
    let mut room = Vec::new();
    let exclusive = exclusive_with_room(1, &mut room);
    exclusive.put(slot)
}

/// Locks as [`exclusive`] does, with room for `count` more descriptors. `room` is to be freed after
/// the lock.
fn exclusive_with_room(count: usize, room: &mut Vec<Option<DescriptorSlot>>) -> Exclusive {
    loop {
        let exclusive = exclusive();
        let slots = exclusive.slots();
        let free = slots.iter().filter(|slot| slot.is_none()).count();
        if free + slots.capacity() - slots.len() >= count {
            return exclusive;
        }
        if room.capacity() >= slots.len() + count {
            room.append(slots);
            std::mem::swap(slots, room);
            return exclusive;
        }
        let needed = 2 * slots.len() + 8 + count;
        drop(exclusive);
        *room = Vec::with_capacity(needed);
    }
}

/// Calls `make` under the exclusion, with what takes in up to `count` descriptors that it makes:
/// those are replaced in a forked child. `make` is under the rules for a holder.
#[cfg(feature = "process")]
pub(super) fn replacing<R>(count: usize, make: impl FnOnce(&mut Replacing) -> R) -> R {
    let mut room = Vec::new();
    let exclusive = exclusive_with_room(count, &mut room);
    let mut replacing = Replacing { exclusive, count };
    make(&mut replacing)
}

/// Takes in descriptors, while the exclusion is held.
#[cfg(feature = "process")]
#[derive(Debug)]
pub(super) struct Replacing {
    exclusive: Exclusive,
    /// How many there is room for.
    count: usize,
}

#[cfg(feature = "process")]
impl Replacing {
    /// Takes a descriptor in.
    pub(super) fn adopt(&mut self, fd: OwnedFd) -> SlotId {
        debug_assert!(self.count > 0);
        self.count = self.count.saturating_sub(1);
        let slot = DescriptorSlot::new(File::from(fd), InChild::Replaced);
        self.exclusive.put(slot)
    }

    /// As [`Exclusive::borrow`].
    pub(super) fn borrow(&self, id: SlotId) -> Option<BorrowedFd<'_>> {
        self.exclusive.borrow(id)
    }
}

impl Exclusive {
    #[expect(
        clippy::mut_from_ref,
        reason = "the lock is held, and each method uses it once"
    )]
    fn slots(&self) -> &mut Vec<Option<DescriptorSlot>> {
        // SAFETY: `self` proves that this thread holds the lock; no method calls another with the
        // reference at hand.
        unsafe { &mut *LOCK.slots.get() }
    }

    /// Puts a descriptor into a free slot, for which there is room.
    fn put(&self, slot: DescriptorSlot) -> SlotId {
        let slots = self.slots();
        if let Some(free) = slots.iter().position(Option::is_none) {
            slots[free] = Some(slot);
            return SlotId(free);
        }
        slots.push(Some(slot));
        SlotId(slots.len() - 1)
    }

    /// The descriptor; none if other code has closed it, whatever its number means now, or if this
    /// is a forked child.
    pub(crate) fn borrow(&self, id: SlotId) -> Option<BorrowedFd<'_>> {
        self.slots()
            .get(id.0)?
            .as_ref()
            .filter(|slot| slot.is_ours())
            .map(|slot| slot.file.as_fd())
    }

    /// Closes the descriptor.
    pub(crate) fn close(&self, id: SlotId) {
        drop(self.take(id));
    }

    /// Gives the descriptor back; `None` if other code has closed it, whatever its number means
    /// now.
    pub(crate) fn take(&self, id: SlotId) -> Option<OwnedFd> {
        let slot = self.slots().get_mut(id.0).and_then(Option::take)?;
        slot.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shm;
    use core::sync::atomic::Ordering;
    use std::os::fd::AsRawFd;

    /// fork(2); the child runs `body` and exits with its value.
    fn forked(body: impl FnOnce() -> u8) -> i32 {
        // SAFETY: the child calls what `body` does and _exit; tests allocate nothing there.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = body();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code.into()) }
        }
        pid
    }

    fn exit_code(pid: i32) -> i32 {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        assert!(libc::WIFEXITED(status));
        libc::WEXITSTATUS(status)
    }

    #[test]
    fn the_word_is_zero_in_a_child_and_kept_in_the_parent() {
        let page = ForkPage::new().unwrap();
        let [word, ..] = page.words();
        word.store(77, Ordering::Relaxed);
        page.address().store(78, Ordering::Relaxed);
        let pid = forked(|| {
            let address = page.address().load(Ordering::Relaxed);
            u8::from(word.load(Ordering::Relaxed) != 0 || address != 0)
        });
        assert_eq!(exit_code(pid), 0);
        assert_eq!(word.load(Ordering::Relaxed), 77);
        assert_eq!(page.address().load(Ordering::Relaxed), 78);
    }

    #[test]
    fn an_adopted_descriptor_is_closed_in_a_child_and_there_in_the_parent() {
        let own = shm::memfd(c"crossdock-test").unwrap();
        let number = own.as_raw_fd();
        let id = adopt(own);
        let pid = forked(|| {
            // SAFETY: asks whether the number is open.
            let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
            u8::from(flags != -1 || exclusive().borrow(id).is_some())
        });
        assert_eq!(exit_code(pid), 0);
        assert!(exclusive().borrow(id).is_some());
        exclusive().close(id);
    }

    #[test]
    fn a_number_that_means_another_file_is_not_closed() {
        let own = shm::memfd(c"crossdock-test").unwrap();
        let other = shm::memfd(c"crossdock-test").unwrap();
        let number = own.as_raw_fd();
        let id = adopt(own);
        // SAFETY: replaces the file behind a number, as a careless library would.
        let result = unsafe { libc::dup2(other.as_raw_fd(), number) };
        assert_eq!(result, number);
        exclusive().close(id);
        // SAFETY: asks whether the number is open.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        assert_ne!(flags, -1);
        // SAFETY: no other code owns that number.
        unsafe { libc::close(number) };
    }
}
