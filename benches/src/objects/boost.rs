//! A map of Boost.Interprocess, through functions of `boost.cpp`.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use crossdock_cli::Failure;

use super::{Key, Map, Place};

/// The C++ object; only ever behind a pointer.
#[repr(C)]
struct Store {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn compare_boost_map_open(name: *const c_char, size: usize) -> *mut Store;
    fn compare_boost_map_close(store: *mut Store);
    fn compare_boost_map_remove(name: *const c_char);
    fn compare_boost_map_put(
        store: *mut Store,
        key: *const c_void,
        value: *const c_void,
        size: usize,
    ) -> c_int;
    fn compare_boost_map_get(
        store: *mut Store,
        key: *const c_void,
        value: *mut c_void,
        room: usize,
        size: *mut usize,
    ) -> c_int;
}

pub(super) struct Boost(NonNull<Store>);

const ROOM: usize = 128 << 20;
/// The most bytes of a value.
const MOST: usize = 1 << 10;

fn text(name: &str) -> CString {
    CString::new(name).expect("a name has no zeros")
}

/// Removes the memory of that name, if there is one.
pub(super) fn remove(name: &str) {
    // SAFETY: takes a string. One that is gone already is no error.
    unsafe { compare_boost_map_remove(text(name).as_ptr()) };
}

fn said(what: &str) -> Failure {
    Failure::worker(format!("Boost's map could not be {what}"))
}

impl Drop for Boost {
    fn drop(&mut self) {
        // SAFETY: made by `open`, and closed once.
        unsafe { compare_boost_map_close(self.0.as_ptr()) };
    }
}

impl Map for Boost {
    fn open(place: &Place) -> Result<Self, Failure> {
        // SAFETY: takes a string and a size.
        let store = unsafe { compare_boost_map_open(text(&place.memory()).as_ptr(), ROOM) };
        NonNull::new(store).map(Self).ok_or_else(|| said("opened"))
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        let (key, bytes) = (key.as_ptr().cast(), value.as_ptr().cast());
        // SAFETY: the map is open as long as `self`, and so many bytes are there to be read.
        match unsafe { compare_boost_map_put(self.0.as_ptr(), key, bytes, value.len()) } {
            1 => Ok(()),
            _ => Err(said("changed")),
        }
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let (store, key) = (self.0.as_ptr(), key.as_ptr().cast());
        let mut len = 0;
        bytes.resize(MOST, 0);
        let place = bytes.as_mut_ptr().cast();
        // SAFETY: the map is open as long as `self`; so many bytes are there to be read, and to be
        // written, and the length.
        match unsafe { compare_boost_map_get(store, key, place, MOST, &raw mut len) } {
            0 => Ok(false),
            1 => {
                bytes.truncate(len);
                Ok(true)
            }
            _ => Err(said("read")),
        }
    }
}
