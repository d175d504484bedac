//! Short calls for what Python's `Manager` makes.

use std::any::Any;

use super::Manager;
use crate::collection::array::{Atomic, AtomicArray, Init};
use crate::collection::object::{Dict, List, Namespace, ObjectOptions, Set, Shared, Stored};
use crate::segment::{EntryError, IntoConfig};
use crate::sync::{Event, Mutex};

impl Manager {
    /// Creates a dictionary, with room for so many values at first; see [`Dict`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::Manager;
    ///
    /// let manager = Manager::new(256 << 10)?;
    /// let counts = manager.dict::<String, u32>("counts", 100)?;
    /// counts.insert(&"apples".to_owned(), &3)?;
    /// let names = manager.list::<String>("names", 100)?;
    /// names.push(&"ann".to_owned())?;
    /// let config = manager.value("config", vec![1, 2, 3])?;
    /// config.update(|config| config.push(4))?;
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn dict<K: Stored, V: Stored>(
        &self,
        name: &str,
        room: impl IntoConfig<ObjectOptions>,
    ) -> Result<Dict<K, V>, EntryError> {
        self.create(name, room.into_config())
    }

    /// Creates a list, with room for so many values at first; see [`List`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn list<T: Stored>(
        &self,
        name: &str,
        room: impl IntoConfig<ObjectOptions>,
    ) -> Result<List<T>, EntryError> {
        self.create(name, room.into_config())
    }

    /// Creates a set, with room for so many values at first; see [`Set`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn set<T: Stored>(
        &self,
        name: &str,
        room: impl IntoConfig<ObjectOptions>,
    ) -> Result<Set<T>, EntryError> {
        self.create(name, room.into_config())
    }

    /// Creates a namespace, with room for so many attributes at first; see [`Namespace`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn namespace(
        &self,
        name: &str,
        room: impl IntoConfig<ObjectOptions>,
    ) -> Result<Namespace, EntryError> {
        self.create(name, room.into_config())
    }

    /// Creates one value of any serde type, with room for 4,096 bytes when encoded at first; see
    /// [`Shared`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn value<T: Stored + Any>(&self, name: &str, first: T) -> Result<Shared<T>, EntryError> {
        self.create(name, first)
    }

    /// Creates an array of atomic numbers, all 0, of that length; see [`AtomicArray`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn array<T: Atomic>(&self, name: &str, len: usize) -> Result<AtomicArray<T>, EntryError> {
        self.create(name, Init::zeroed(len))
    }

    /// Creates a lock without data; see [`Mutex`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn lock(&self, name: &str) -> Result<Mutex<()>, EntryError> {
        self.create(name, ())
    }

    /// Creates an event that is not set; see [`Event`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn event(&self, name: &str) -> Result<Event, EntryError> {
        self.create(name, false)
    }
}
