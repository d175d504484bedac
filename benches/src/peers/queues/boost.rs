//! Boost.Interprocess's `message_queue`, through functions of `boost.cpp`.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use crate::queues::{Can, Contestant, Idle, Item, Receiver, Sender, Shape};
use crossdock_cli::Failure;

use super::named::Named;
use crate::peers::locks::failed;

/// The C++ object; only ever behind a pointer.
#[repr(C)]
struct MessageQueue {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn compare_boost_version() -> *const c_char;
    fn compare_boost_create(name: *const c_char, capacity: usize, size: usize)
    -> *mut MessageQueue;
    fn compare_boost_open(name: *const c_char) -> *mut MessageQueue;
    fn compare_boost_close(queue: *mut MessageQueue);
    fn compare_boost_remove(name: *const c_char);
    fn compare_boost_send(queue: *mut MessageQueue, item: *const c_void, size: usize) -> c_int;
    fn compare_boost_try_send(queue: *mut MessageQueue, item: *const c_void, size: usize) -> c_int;
    fn compare_boost_timed_send(
        queue: *mut MessageQueue,
        item: *const c_void,
        size: usize,
        millis: c_uint,
    ) -> c_int;
    fn compare_boost_receive(queue: *mut MessageQueue, item: *mut c_void, size: usize) -> c_int;
    fn compare_boost_try_receive(queue: *mut MessageQueue, item: *mut c_void, size: usize)
    -> c_int;
    fn compare_boost_timed_receive(
        queue: *mut MessageQueue,
        item: *mut c_void,
        size: usize,
        millis: c_uint,
    ) -> c_int;
}

pub(crate) struct Boost;

/// A mapping of a queue.
pub(crate) struct End(NonNull<MessageQueue>);

// SAFETY: a message_queue may be used by any thread; it has no tie to the one that opened it.
unsafe impl Send for End {}

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: made by `create` or `open`, and closed once.
        unsafe { compare_boost_close(self.0.as_ptr()) };
    }
}

/// Which Boost it is.
pub(crate) fn version() -> String {
    // SAFETY: takes nothing, and returns a string that lives as long as the program.
    let version = unsafe { compare_boost_version() };
    // SAFETY: as above.
    let version = unsafe { CStr::from_ptr(version) };
    version.to_string_lossy().replace('_', ".")
}

fn text(name: &str) -> CString {
    CString::new(name).expect("a name has no zeros")
}

fn remove(name: &str) {
    // SAFETY: takes a string. One that is gone already is no error.
    unsafe { compare_boost_remove(text(name).as_ptr()) };
}

fn end(queue: *mut MessageQueue) -> Result<End, Failure> {
    let queue = NonNull::new(queue).ok_or_else(|| said("made or opened"))?;
    Ok(End(queue))
}

fn said(what: &str) -> Failure {
    failed("Boost's message_queue", format!("could not be {what}"))
}

fn outcome(returned: c_int, what: &str) -> Result<bool, Failure> {
    match returned {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(said(what)),
    }
}

fn millis(time: Duration) -> c_uint {
    c_uint::try_from(time.as_millis()).unwrap_or(c_uint::MAX)
}

impl End {
    #[inline]
    fn put<const W: usize>(
        &self,
        item: &Item<W>,
        call: unsafe extern "C" fn(*mut MessageQueue, *const c_void, usize) -> c_int,
    ) -> Result<bool, Failure> {
        let at = item.as_ptr().cast();
        // SAFETY: the queue is open as long as `self`, and so many bytes are there to be read.
        let returned = unsafe { call(self.0.as_ptr(), at, size_of::<Item<W>>()) };
        outcome(returned, "sent to")
    }

    #[inline]
    fn take<const W: usize>(
        &self,
        call: unsafe extern "C" fn(*mut MessageQueue, *mut c_void, usize) -> c_int,
    ) -> Result<Option<Item<W>>, Failure> {
        let mut item = [0; W];
        let at = item.as_mut_ptr().cast();
        // SAFETY: the queue is open as long as `self`, and so many bytes are there to be written.
        let returned = unsafe { call(self.0.as_ptr(), at, size_of::<Item<W>>()) };
        Ok(outcome(returned, "received from")?.then_some(item))
    }

    /// Sends, for so long at most.
    pub(crate) fn push_for<const W: usize>(
        &self,
        item: &Item<W>,
        time: Duration,
    ) -> Result<bool, Failure> {
        let (queue, at) = (self.0.as_ptr(), item.as_ptr().cast());
        let size = size_of::<Item<W>>();
        // SAFETY: the queue is open as long as `self`, and so many bytes are there to be read.
        let returned = unsafe { compare_boost_timed_send(queue, at, size, millis(time)) };
        outcome(returned, "sent to")
    }

    /// Receives, for so long at most.
    pub(crate) fn pop_for<const W: usize>(
        &self,
        time: Duration,
    ) -> Result<Option<Item<W>>, Failure> {
        let mut item = [0; W];
        let size = size_of::<Item<W>>();
        let (queue, at) = (self.0.as_ptr(), item.as_mut_ptr().cast());
        // SAFETY: the queue is open as long as `self`, and so many bytes are there to be written.
        let returned = unsafe { compare_boost_timed_receive(queue, at, size, millis(time)) };
        Ok(outcome(returned, "received from")?.then_some(item))
    }
}

impl Contestant for Boost {
    type Handle<const W: usize> = Named;
    type Sender<const W: usize> = End;
    type Receiver<const W: usize> = End;

    const NAME: &'static str = "boost";
    const CAN: Can = Can::MANY_TO_MANY;

    fn create<const W: usize>(shape: Shape) -> Result<Named, Failure> {
        let named = Named::new(remove);
        let (name, capacity) = (text(named.as_str()), shape.capacity as usize);
        // SAFETY: takes a string and sizes.
        end(unsafe { compare_boost_create(name.as_ptr(), capacity, size_of::<Item<W>>()) })?;
        Ok(named)
    }

    fn sender<const W: usize>(named: &Named, _idle: Idle) -> Result<End, Failure> {
        // SAFETY: takes a string.
        end(unsafe { compare_boost_open(text(named.as_str()).as_ptr()) })
    }

    fn receiver<const W: usize>(named: &Named, idle: Idle) -> Result<End, Failure> {
        Self::sender::<W>(named, idle)
    }
}

impl<const W: usize> Sender<W> for End {
    #[inline]
    fn try_send(&mut self, item: &Item<W>) -> Result<bool, Failure> {
        self.put(item, compare_boost_try_send)
    }

    #[inline]
    fn send(&mut self, item: &Item<W>) -> Result<(), Failure> {
        self.put(item, compare_boost_send).map(drop)
    }
}

impl<const W: usize> Receiver<W> for End {
    #[inline]
    fn try_recv(&mut self) -> Result<Option<Item<W>>, Failure> {
        self.take(compare_boost_try_receive)
    }

    #[inline]
    fn recv(&mut self) -> Result<Item<W>, Failure> {
        let item = self.take(compare_boost_receive)?;
        item.ok_or_else(|| said("received from"))
    }
}
