//! Values, each once.

use std::fmt;

use super::{Dict, KeyOf, Keys, ObjectError, ObjectOptions, Stored};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::segment::{Entry, EntryError, Placeable};

/// Values of any type that serde encodes, each once: what was seen, what is being done.
///
/// As a [`HashSet`](std::collections::HashSet) that all processes read and change; in everything
/// else as a [`Dict`] of keys without values.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, Set};
///
/// let seen = Segment::anonymous()?.create::<Set<String>>("seen", 100)?;
/// assert!(seen.insert(&"a.html".to_owned())?);
/// assert!(!seen.insert(&"a.html".to_owned())?);
/// assert!(seen.contains("a.html")?);
/// assert_eq!(format!("{seen:?}"), r#"{"a.html"}"#);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "HashSet")]
#[doc(alias = "set")]
pub struct Set<T>(Dict<T, ()>);

impl<T: Stored> Set<T> {
    /// Inserts a value, and returns whether it is new. Blocks while another process changes the
    /// set. Of several processes that insert the same value at once, one is told that it is new.
    ///
    /// # Errors
    ///
    /// As [`Dict::insert`].
    pub fn insert(&self, value: &T) -> Result<bool, ObjectError> {
        self.0.insert(value, &())
    }

    /// Removes a value, and returns whether it was there. Blocks as [`insert`](Self::insert) does.
    ///
    /// # Errors
    ///
    /// As [`Dict::remove`].
    pub fn remove<Q: KeyOf<T> + ?Sized>(&self, value: &Q) -> Result<bool, ObjectError> {
        Ok(self.0.remove(value)?.is_some())
    }

    /// Returns whether the value is there. Never blocks. The answer may be stale when it is
    /// returned.
    ///
    /// # Errors
    ///
    /// As [`Dict::contains_key`].
    pub fn contains<Q: KeyOf<T> + ?Sized>(&self, value: &Q) -> Result<bool, ObjectError> {
        self.0.contains_key(value)
    }

    /// Removes all values at once. Blocks as [`insert`](Self::insert) does.
    ///
    /// # Errors
    ///
    /// As [`Dict::clear`].
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.0.clear()
    }

    /// Returns the number of values; as [`Dict::len`].
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns whether there is no value; as [`Dict::len`].
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all values, in no order, as [`Dict::iter`] does.
    pub fn iter(&self) -> Keys<'_, T> {
        self.0.keys()
    }

    changes_of!("set", |this| this.0.store);

    /// Returns all values, as they were at one instant; as [`Dict::snapshot`].
    ///
    /// # Errors
    ///
    /// As [`Dict::snapshot`].
    pub fn snapshot(&self) -> Result<Vec<T>, ObjectError> {
        let all = self.0.snapshot()?;
        Ok(all.into_iter().map(|(value, ())| value).collect())
    }
}

impl<T> Clone for Set<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Shows the values, as [`iter`](Set::iter) has them. Never blocks.
impl<T: Stored> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for value in self.iter() {
            match value {
                Ok(value) => set.entry(&value),
                Err(error) => set.entry(&error),
            };
        }
        set.finish()
    }
}

impl<T: Stored> Placeable for Set<T> {
    type Config = ObjectOptions;

    const KIND: Kind = Kind::Set;

    fn payload() -> PayloadShape {
        Dict::<T, ()>::payload()
    }

    fn named(_options: Option<&ObjectOptions>) -> Result<PayloadShape, &'static str> {
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

    fn words(options: &ObjectOptions) -> [u64; 4] {
        options.words()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Dict::<T, ()>::size(config, participants)
    }

    fn refused(options: &ObjectOptions) -> EntryError {
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        Dict::of(entry, Kind::Set).map(Self)
    }

    fn entry(&self) -> &Entry {
        self.0.entry()
    }
}
