//! One value.

use std::fmt;
use std::marker::PhantomData;

use super::changes::{Since, UntilChanged};
use super::store::{Store, decode, with_scratch};
use super::{ObjectError, ObjectTimeoutError, SharedOptions, Stored};
use crate::Deadline;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::read::{Buffer, Content};
use crate::algorithm::blocks::write::{self, WriteError};
use crate::algorithm::blocks::{Blocks, Shape};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::payload::describe;
use crate::segment::{Bytes, Entry, EntryError, Fault, Placeable};

/// One value of any type that serde encodes, which all processes load, replace and wait for: a
/// configuration, a state, a result.
///
/// Where a [`Snapshot`](crate::Snapshot) has plain values of one writer, read in place, this has
/// strings, lists and enums, and any process may replace them. Loading copies and decodes; it takes
/// no lock. See [what holds for each object](crate::object#what-holds-for-each-object).
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, Shared};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Config {
///     greeting: String,
///     hosts: Vec<String>,
/// }
///
/// let segment = Segment::anonymous()?;
/// let first = Config { greeting: "hello".into(), hosts: vec![] };
/// let config = segment.create::<Shared<Config>>("config", first)?;
/// config.update(|config| config.hosts.push("rye".into()))?;
/// assert_eq!(config.load()?.hosts, ["rye"]);
/// assert_eq!(config.version()?, 1);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "Value")]
#[doc(alias = "Config")]
pub struct Shared<T> {
    store: Store,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Stored> Shared<T> {
    /// Returns the value. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] and [`ObjectError::Fault`] if the bytes are no such value.
    pub fn load(&self) -> Result<T, ObjectError> {
        self.load_versioned().map(|(value, _)| value)
    }

    /// Returns the value, and its version: how often it was replaced before. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_versioned(&self) -> Result<(T, u64), ObjectError> {
        with_scratch(|scratch| {
            let (content, _) = self.content(usize::MAX, &mut scratch.words)?;
            Ok((decode(&content, &scratch.words)?, content.mark))
        })
    }

    /// Copies the encoded value into `bytes`, in place of what is there, and returns its version.
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Fault`].
    pub fn load_into(&self, bytes: &mut Vec<u8>) -> Result<u64, ObjectError> {
        let content = self.content(usize::MAX, bytes);
        // Whole words were copied; if it is an error, of something else.
        bytes.truncate(content.as_ref().map_or(0, |(content, _)| content.len));
        content.map(|(content, _)| content.mark)
    }

    /// Replaces the value, and returns the new version. Blocks while another process replaces it.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]: the value before stays.
    pub fn store(&self, value: &T) -> Result<u64, ObjectError> {
        with_scratch(|scratch| {
            let (bytes, _) = scratch.value(value)?;
            let stored = self.replace(None, bytes)?;
            stored.flatten().ok_or_else(|| self.no_value())
        })
    }

    /// Replaces the value by what `change` makes of it, and returns what `change` does. It is
    /// called again if another process was faster; if it panics, the value stays.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]: the value before stays.
    pub fn update<R>(&self, mut change: impl FnMut(&mut T) -> R) -> Result<R, ObjectError> {
        with_scratch(|scratch| {
            loop {
                let seen = self.content(usize::MAX, &mut scratch.words)?;
                let mut value = decode(&seen.0, &scratch.words)?;
                let result = change(&mut value);
                let (bytes, _) = scratch.value(&value)?;
                if self.replace(Some(&seen), bytes)?.flatten().is_some() {
                    return Ok(result);
                }
            }
        })
    }

    /// Replaces the value if it is of that version, and returns the new version; `None` if another
    /// process has replaced it. Blocks as [`store`](Self::store) does.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]: the value before stays.
    pub fn store_if(&self, version: u64, value: &T) -> Result<Option<u64>, ObjectError> {
        with_scratch(|scratch| {
            loop {
                let seen = self.content(0, &mut scratch.words)?;
                if seen.0.mark != version {
                    return Ok(None);
                }
                let (bytes, _) = scratch.value(value)?;
                if let Some(stored) = self.replace(Some(&seen), bytes)? {
                    return Ok(stored);
                }
            }
        })
    }

    /// Returns the version: how often the value was replaced. It may be stale when it is returned.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Fault`].
    pub fn version(&self) -> Result<u64, ObjectError> {
        with_scratch(|scratch| Ok(self.content(0, &mut scratch.words)?.0.mark))
    }

    /// Blocks until the value has another version than `version`, and returns it with its version.
    ///
    /// A change that a process made just before it was killed is seen when the waiter asks for
    /// deaths, within twice the time that it has waited and a second at most.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn wait_newer(&self, version: u64) -> Result<(T, u64), ObjectError> {
        self.wait_until(version, &Deadline::never())
            .map_err(ObjectTimeoutError::without_deadline)
    }

    /// Blocks as [`wait_newer`](Self::wait_newer) does, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`ObjectTimeoutError::Timeout`], and as [`wait_newer`](Self::wait_newer).
    pub fn wait_newer_timeout(
        &self,
        version: u64,
        timeout: impl Into<Deadline>,
    ) -> Result<(T, u64), ObjectTimeoutError> {
        self.wait_until(version, &timeout.into())
    }

    /// A wait until the value has another version than `version`, for
    /// [`wait_any`](crate::queue::wait_any): as [`wait_newer`](Self::wait_newer), beside queues and
    /// processes.
    pub fn until_newer(&self, version: u64) -> UntilChanged<'_> {
        UntilChanged::new(&self.store, Since::Version(version))
    }

    /// Returns the most bytes of a value when encoded, until the object grows.
    pub fn capacity(&self) -> u64 {
        let (words, _) = self.store.newest();
        words.state.entry().record.config[0]
    }

    fn wait_until(
        &self,
        version: u64,
        deadline: &Deadline,
    ) -> Result<(T, u64), ObjectTimeoutError> {
        let newer = || match self.version() {
            Ok(now) if now == version => None,
            other => Some(other),
        };
        self.store.wait(newer, deadline)??;
        Ok(self.load_versioned()?)
    }

    /// The value, and how often the object had grown.
    fn content(&self, most: usize, out: &mut impl Buffer) -> Result<(Content, u32), ObjectError> {
        let load = |blocks: Blocks<'_>, seen| (blocks.load(most, out), seen);
        let (loaded, seen) = self.store.read_seen(load)?;
        let loaded = loaded.map_err(|corrupt| self.store.corrupt(corrupt))?;
        let content = loaded.ok_or_else(|| self.no_value())?;
        Ok((content, seen))
    }

    /// The slot is empty, which no protocol makes it.
    #[cold]
    fn no_value(&self) -> ObjectError {
        Fault::corrupt(Kind::Shared, 0_u64).into()
    }

    /// Replaces the value, and returns its number: as [`Writer::store`] says, or `None` if the
    /// object has grown since.
    fn replace(
        &self,
        seen: Option<&(Content, u32)>,
        bytes: &[u8],
    ) -> Result<Option<Option<u64>>, ObjectError> {
        let asked = bytes.len() as u64;
        let (seen, generation) = seen.map(|(seen, generation)| (seen, *generation)).unzip();
        let stored = self.store.write_seen(generation, |writer| {
            let free = self.capacity();
            match asked.checked_sub(free) {
                None | Some(0) => writer.store(seen.map(Some), bytes),
                Some(asked) => Err(WriteError::Full { asked, free: 0 }),
            }
        });
        match stored {
            // In bytes, and not in blocks.
            Err(ObjectError::Full { .. }) => {
                let free = self.capacity();
                Err(ObjectError::Full { asked, free })
            }
            stored => stored,
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            value: PhantomData,
        }
    }
}

/// Shows the value. Never blocks.
impl<T: Stored> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(value) => f.debug_tuple("Shared").field(&value).finish(),
            Err(error) => f.debug_tuple("Shared").field(&error).finish(),
        }
    }
}

impl<T: Stored> Placeable for Shared<T> {
    type Config = SharedOptions<T>;

    const KIND: Kind = Kind::Shared;

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    fn named(options: Option<&SharedOptions<T>>) -> Result<PayloadShape, &'static str> {
        if options.is_some_and(|options| options.first.is_err()) {
            return Err("the first value cannot be encoded");
        }
        let name = codec::name_of::<T>().map_err(|undecodable| undecodable.reason())?;
        Ok(PayloadShape {
            name,
            ..Self::payload()
        })
    }

    /// Both are the same program.
    fn handed_over(found: PayloadShape) -> PayloadShape {
        found
    }

    fn words(options: &SharedOptions<T>) -> [u64; 4] {
        options.words()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        Some(BlocksLayout::of(Shape::Single, config)?.len())
    }

    fn refused(options: &SharedOptions<T>) -> EntryError {
        options.refused()
    }

    fn prepare(bytes: &Bytes<'_>, options: SharedOptions<T>) {
        let layout = BlocksLayout::of(Shape::Single, options.words());
        if let (Some(layout), Ok(first), Some(state)) = (layout, options.first, bytes.state()) {
            let (header, slot) = write::first(state, first.len());
            bytes.write(layout.cells, &header);
            bytes.write_all(layout.cells + size_of_val(&header) as u64, &first);
            bytes.write(layout.tables + 8, &slot);
        }
    }

    fn attach(entry: Entry) -> Option<Self> {
        Some(Self {
            store: Store::attach(entry, Shape::Single, Kind::Shared)?,
            value: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.store.entry()
    }
}
