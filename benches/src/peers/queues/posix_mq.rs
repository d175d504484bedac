//! POSIX message queues: mq_overview(7).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

use super::named::Named;
use super::wall_clock;

pub(crate) struct PosixMq;

/// A descriptor of a queue: on Linux it is one of a file.
pub(crate) struct End(OwnedFd);

fn path(name: &str) -> CString {
    CString::new(format!("/{name}")).expect("a name has no zeros")
}

fn remove(name: &str) {
    // SAFETY: takes a string. One that is gone already is no error.
    unsafe { libc::mq_unlink(path(name).as_ptr()) };
}

fn opened(descriptor: libc::mqd_t) -> io::Result<End> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now, and is no other owner's.
    Ok(End(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

fn make(name: &str, depth: u32, size: usize) -> io::Result<End> {
    // SAFETY: a struct of numbers, of which zeros are one.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = depth.into();
    attributes.mq_msgsize = libc::c_long::try_from(size).map_err(io::Error::other)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    let (path, mode): (_, libc::mode_t) = (path(name), 0o600);
    // SAFETY: takes a string, flags, and what they say follows.
    opened(unsafe { libc::mq_open(path.as_ptr(), flags, mode, &raw const attributes) })
}

/// Makes one of `capacity` items, or of as many as the limits allow; how many.
fn make_at_most(name: &str, capacity: u32, size: usize) -> io::Result<u32> {
    let mut depth = capacity;
    loop {
        match make(name, depth, size).map(drop) {
            Err(error) if depth > 1 && is_limit(&error) => {
                // What any process may have, else half as many.
                depth = most().filter(|most| *most < depth).unwrap_or(depth / 2);
            }
            made => return made.map(|()| depth),
        }
    }
}

/// How many items a queue of an ordinary process has at most.
fn most() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/fs/mqueue/msg_max").ok()?;
    text.trim().parse().ok()
}

/// fs.mqueue.msg_max says EINVAL, RLIMIT_MSGQUEUE says EMFILE.
fn is_limit(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EMFILE | libc::ENOMEM)
    )
}

/// How many items of `size` bytes one holds here, if `capacity` are asked for.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn depth(capacity: u32, size: usize) -> io::Result<u32> {
    let named = Named::new(remove);
    make_at_most(named.as_str(), capacity, size)
}

fn open(named: &Named, way: libc::c_int) -> Result<End, Failure> {
    // SAFETY: takes a string and flags.
    let descriptor = unsafe { libc::mq_open(path(named.as_str()).as_ptr(), way) };
    opened(descriptor).map_err(Failure::io("mq_open"))
}

fn flags(idle: Idle) -> libc::c_int {
    match idle {
        Idle::Spin => libc::O_NONBLOCK,
        Idle::Park => 0,
    }
}

/// Whether a call did what it should; not when there was no room, no item, or no time left.
fn done(what: &'static str, failed: bool) -> Result<bool, Failure> {
    if !failed {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ETIMEDOUT | libc::EINTR) => Ok(false),
        _ => Err(Failure::io(what)(error)),
    }
}

impl End {
    #[inline]
    fn push<const W: usize>(&self, item: &Item<W>) -> Result<bool, Failure> {
        let (at, descriptor) = (item.as_ptr().cast(), self.0.as_raw_fd());
        // SAFETY: so many bytes are there to be read; the descriptor is open as long as `self`.
        let sent = unsafe { libc::mq_send(descriptor, at, size_of::<Item<W>>(), 0) };
        done("mq_send", sent != 0)
    }

    #[inline]
    fn pop<const W: usize>(&self) -> Result<Option<Item<W>>, Failure> {
        let mut item = [0; W];
        let (at, descriptor) = (item.as_mut_ptr().cast(), self.0.as_raw_fd());
        let no_priority = std::ptr::null_mut();
        // SAFETY: so many bytes are there to be written; the descriptor is open as long as `self`.
        let got = unsafe { libc::mq_receive(descriptor, at, size_of::<Item<W>>(), no_priority) };
        Ok(done("mq_receive", got < 0)?.then_some(item))
    }

    /// Sends, for so long at most.
    pub(crate) fn push_for<const W: usize>(
        &self,
        item: &Item<W>,
        time: Duration,
    ) -> Result<bool, Failure> {
        let (until, size) = (wall_clock(time), size_of::<Item<W>>());
        let (at, descriptor) = (item.as_ptr().cast(), self.0.as_raw_fd());
        // SAFETY: so many bytes are there to be read; the descriptor is open as long as `self`.
        let sent = unsafe { libc::mq_timedsend(descriptor, at, size, 0, &raw const until) };
        done("mq_timedsend", sent != 0)
    }

    /// Receives, for so long at most.
    pub(crate) fn pop_for<const W: usize>(
        &self,
        time: Duration,
    ) -> Result<Option<Item<W>>, Failure> {
        let until = wall_clock(time);
        let mut item = [0; W];
        let size = size_of::<Item<W>>();
        let (at, descriptor) = (item.as_mut_ptr().cast(), self.0.as_raw_fd());
        let no_priority = std::ptr::null_mut();
        // SAFETY: so many bytes are there to be written; the descriptor is open as long as `self`.
        let got =
            unsafe { libc::mq_timedreceive(descriptor, at, size, no_priority, &raw const until) };
        Ok(done("mq_timedreceive", got < 0)?.then_some(item))
    }
}

impl Contestant for PosixMq {
    type Handle<const W: usize> = Named;
    type Sender<const W: usize> = End;
    type Receiver<const W: usize> = End;

    const NAME: &'static str = "posix-mq";
    const CAN: Can = Can::MANY_TO_MANY;

    fn create<const W: usize>(shape: Shape) -> Result<Named, Failure> {
        let named = Named::new(remove);
        make_at_most(named.as_str(), shape.capacity, size_of::<Item<W>>())
            .map_err(Failure::io("mq_open"))?;
        Ok(named)
    }

    fn sender<const W: usize>(named: &Named, idle: Idle) -> Result<End, Failure> {
        open(named, libc::O_WRONLY | flags(idle))
    }

    fn receiver<const W: usize>(named: &Named, idle: Idle) -> Result<End, Failure> {
        open(named, libc::O_RDONLY | flags(idle))
    }
}

impl<const W: usize> Sender<W> for End {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        self.push(item)
    }

    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        while !self.push(item)? {}
        Ok(())
    }
}

impl<const W: usize> Receiver<W> for End {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        self.pop()
    }

    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        loop {
            if let Some(item) = self.pop()? {
                return Ok(item);
            }
        }
    }
}
