//! Values under keys.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::iter::{KeyedValue, entry_of};
use super::store::{Store, decode, encode, value_bytes, with_scratch};
use super::{Iter, KeyOf, Keys, ObjectError, ObjectOptions, Stored, Values};
use crate::algorithm::blocks::index::Key;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::read::{Buffer, Content};
use crate::algorithm::blocks::{Blocks, Shape};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::payload::describe;
use crate::segment::{Entry, EntryError, Placeable};

/// Values under keys, of any types that serde encodes: a cache, counts, a table of clients.
///
/// As a [`HashMap`](std::collections::HashMap) that all processes read and change. Reads take no
/// lock; a change is made whole or not at all, wherever its process is killed. See [what holds for
/// each object](crate::object#what-holds-for-each-object). In a segment it has the room
/// that it was created with; in a [`Manager`](crate::Manager) it grows.
///
/// Keys are equal if their encodings are: two NaN of the same bits are, 0.0 and -0.0 are not, and
/// two `HashMap`s hardly ever.
///
/// What is read is a copy. To change a value, [`update`](Self::update) it: changing the copy that
/// [`get`](Self::get) returned changes nothing for others.
///
/// # Examples
///
/// ```
/// use crossdock::{Dict, Segment};
///
/// let segment = Segment::anonymous()?;
/// let stock = segment.create::<Dict<String, u32>>("stock", 100)?;
/// stock.insert(&"apples".to_owned(), &3)?;
/// assert_eq!(stock.get("apples")?, Some(3));
/// stock.update("apples", |count| *count += 2)?;
/// stock.update_or("pears", || 0, |count| *count += 1)?;
/// assert_eq!(stock.remove("apples")?, Some(5));
/// assert_eq!(format!("{stock:?}"), r#"{"pears": 1}"#);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "HashMap")]
#[doc(alias = "dict")]
pub struct Dict<K, V> {
    pub(super) store: Store,
    #[expect(
        clippy::type_complexity,
        reason = "it is decoded and encoded, and not kept"
    )]
    types: PhantomData<fn(K, V) -> (K, V)>,
}

impl<K: Stored, V: Stored> Dict<K, V> {
    /// Returns the value of a key, if there is one. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] if the key cannot be encoded, or the value not decoded;
    /// [`ObjectError::Fault`].
    #[inline]
    pub fn get<Q: KeyOf<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, ObjectError> {
        self.look_up(key, usize::MAX, |content, words| {
            Ok(decode(content, words)?)
        })
    }

    /// Copies the encoded value of a key into `bytes`, in place of what is there, and returns
    /// whether there is one; `bytes` is empty if not. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] if the key cannot be encoded; [`ObjectError::Fault`].
    #[inline]
    pub fn get_into<Q: KeyOf<K> + ?Sized>(
        &self,
        key: &Q,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, ObjectError> {
        bytes.clear();
        let content = with_scratch(|scratch| {
            let (key, ..) = scratch.key::<K, Q>(key)?;
            self.content(&key, usize::MAX, bytes)
        });
        let (content, _) = content?;
        // The last word may end with zeros.
        bytes.truncate(content.map_or(0, |content| content.len));
        Ok(content.is_some())
    }

    /// Returns whether there is such a key. Never blocks. The answer may be stale when it is
    /// returned.
    ///
    /// # Errors
    ///
    /// As [`get_into`](Self::get_into).
    pub fn contains_key<Q: KeyOf<K> + ?Sized>(&self, key: &Q) -> Result<bool, ObjectError> {
        Ok(self.look_up(key, 0, |_, _| Ok(()))?.is_some())
    }

    /// Sets the value of a key, and returns whether the key is new. Blocks while another process
    /// changes the dictionary.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Full`] if there is no room for the value beside what it replaces;
    /// [`ObjectError::Value`] if key or value cannot be encoded; [`ObjectError::Fault`]. Nothing is
    /// changed then.
    #[inline]
    pub fn insert(&self, key: &K, value: &V) -> Result<bool, ObjectError> {
        let inserted = self.put(key, value, |_| true);
        Ok(inserted?.unwrap_or(false))
    }

    /// Changes the value of a key, and returns what `change` does; `None` if there is no such key.
    /// `change` is called again if another process has changed the value meanwhile; if it panics,
    /// nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Dict, Segment};
    ///
    /// let baskets = Segment::anonymous()?.create::<Dict<u32, Vec<String>>>("baskets", 10)?;
    /// baskets.insert(&7, &vec![])?;
    /// let len = baskets.update(&7, |basket| {
    ///     basket.push("apple".into());
    ///     basket.len()
    /// })?;
    /// assert_eq!(len, Some(1));
    /// assert_eq!(baskets.update(&8, |_| ())?, None);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn update<Q: KeyOf<K> + ?Sized, R>(
        &self,
        key: &Q,
        mut change: impl FnMut(&mut V) -> R,
    ) -> Result<Option<R>, ObjectError> {
        let changed = self.change::<Q, R, ()>(key, |value| {
            let mut value = value.ok_or(())?;
            let result = change(&mut value);
            Ok((value, result))
        });
        changed.map(Result::ok)
    }

    /// Changes the value of a key as [`update`](Self::update) does, or what `init` returns if there
    /// is no such key, which is then inserted.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn update_or<Q: KeyOf<K> + ?Sized, R>(
        &self,
        key: &Q,
        mut init: impl FnMut() -> V,
        mut change: impl FnMut(&mut V) -> R,
    ) -> Result<R, ObjectError> {
        let changed = self.change::<Q, R, Infallible>(key, |value| {
            let mut value = value.unwrap_or_else(&mut init);
            let result = change(&mut value);
            Ok((value, result))
        });
        changed.map(|Ok(result)| result)
    }

    /// Returns the value of a key; if there is none, inserts what `init` returns. A process that
    /// was faster has its own value inserted, which is returned then.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn get_or_insert_with<Q: KeyOf<K> + ?Sized>(
        &self,
        key: &Q,
        init: impl FnOnce() -> V,
    ) -> Result<V, ObjectError> {
        if let Some(value) = self.get(key)? {
            return Ok(value);
        }
        let value = init();
        let mut found = None;
        let put = self.put(key, &value, |there| match there {
            None => true,
            Some((content, words)) => {
                found = Some(value_bytes(content, words).to_vec());
                false
            }
        });
        put?;
        match found {
            None => Ok(value),
            Some(bytes) => Ok(codec::decode(&bytes)?),
        }
    }

    /// Sets the value of a key to `new`, or removes it, if it is `current` now, by their encodings;
    /// `None` is no value. Returns the value that there is, if it is another.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Dict, Segment};
    ///
    /// let owners = Segment::anonymous()?.create::<Dict<u32, String>>("owners", 10)?;
    /// let (ann, bob) = ("Ann".to_owned(), "Bob".to_owned());
    /// assert_eq!(owners.compare_exchange(&1, None, Some(&ann))?, Ok(()));
    /// assert_eq!(owners.compare_exchange(&1, None, Some(&bob))?, Err(Some(ann.clone())));
    /// assert_eq!(owners.compare_exchange(&1, Some(&ann), None)?, Ok(()));
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn compare_exchange<Q: KeyOf<K> + ?Sized>(
        &self,
        key: &Q,
        current: Option<&V>,
        new: Option<&V>,
    ) -> Result<Result<(), Option<V>>, ObjectError> {
        let mut expected = Vec::new();
        if let Some(current) = current {
            encode(&mut expected, current)?;
        }
        let expected = current.map(|_| expected);
        let mut other = None;
        let mut is_current = |there: Option<(&Content, &[u64])>| {
            let bytes = there.map(|(content, words)| value_bytes(content, words));
            let same = bytes == expected.as_deref();
            if !same {
                other = Some(bytes.map(<[u8]>::to_vec));
            }
            same
        };
        match new {
            Some(new) => {
                self.put(key, new, &mut is_current)?;
            }
            None => {
                self.take(key, &mut is_current)?;
            }
        }
        match other {
            None => Ok(Ok(())),
            Some(None) => Ok(Err(None)),
            Some(Some(bytes)) => Ok(Err(Some(codec::decode(&bytes)?))),
        }
    }

    /// Removes a key, and returns its value; `None` if there was none. Blocks while another process
    /// changes the dictionary.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] if the key cannot be encoded, or the value, which is removed then,
    /// not decoded; [`ObjectError::Fault`].
    pub fn remove<Q: KeyOf<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, ObjectError> {
        let mut removed = None;
        self.take(key, |there| {
            removed = there.map(|(content, words)| value_bytes(content, words).to_vec());
            true
        })?;
        Ok(removed.map(|bytes| codec::decode(&bytes)).transpose()?)
    }

    /// Removes all keys at once. Blocks while another process changes the dictionary.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Fault`].
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.store.write(|writer| writer.clear())
    }

    /// Returns the number of keys. It may be stale when it is returned; if a process was killed in
    /// the middle of a change, it may be wrong by one until the next change.
    pub fn len(&self) -> u64 {
        self.store.peek(|blocks| blocks.len())
    }

    /// Returns whether there is no key; as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all keys with their values, in no order, while others go on changing them. A key
    /// that is there all the while comes exactly once, with a value that it had meanwhile. Never
    /// blocks.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(&self.store)
    }

    /// Returns all keys, as [`iter`](Self::iter) does.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(&self.store)
    }

    /// Returns all values, as [`iter`](Self::iter) does.
    pub fn values(&self) -> Values<'_, V> {
        Values::new(&self.store)
    }

    /// Returns all keys with their values, as they were at one instant. Blocks while another
    /// process changes the dictionary, and keeps others from it until all are copied.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] if one cannot be decoded; [`ObjectError::Fault`].
    pub fn snapshot(&self) -> Result<Vec<(K, V)>, ObjectError> {
        let mut all = Vec::new();
        let mut words = Vec::new();
        self.store.write(|writer| {
            all.clear();
            let add = |content: &Content, words: &[u64]| all.push(KeyedValue::new(content, words));
            writer.each(&mut words, add)
        })?;
        all.iter().map(entry_of).collect()
    }

    changes_of!("dictionary", |this| this.store);

    /// Looks a key up, and up to `most` words of its value.
    #[inline(always)]
    fn look_up<Q: KeyOf<K> + ?Sized, R>(
        &self,
        key: &Q,
        most: usize,
        found: impl FnOnce(&Content, &[u64]) -> Result<R, ObjectError>,
    ) -> Result<Option<R>, ObjectError> {
        self.look_up_seen(key, most, found).map(|(found, _)| found)
    }

    /// The same, and how often the dictionary had grown.
    #[inline(always)]
    fn look_up_seen<Q: KeyOf<K> + ?Sized, R>(
        &self,
        key: &Q,
        most: usize,
        found: impl FnOnce(&Content, &[u64]) -> Result<R, ObjectError>,
    ) -> Result<(Option<R>, u32), ObjectError> {
        with_scratch(|scratch| {
            let (key, _, words) = scratch.key::<K, Q>(key)?;
            let (content, seen) = self.content(&key, most, words)?;
            let found = content.map(|content| found(&content, words)).transpose()?;
            Ok((found, seen))
        })
    }

    /// Copies up to `most` words of a key's value, if there is one.
    #[inline(always)]
    fn content(
        &self,
        key: &Key<'_>,
        most: usize,
        out: &mut impl Buffer,
    ) -> Result<(Option<Content>, u32), ObjectError> {
        let (content, seen) = match self.store.generations() {
            // No closure that both have: what is called from two places is not inlined.
            None => (self.store.first().blocks().get(key, most, out), 0),
            Some(generations) => {
                let get = |blocks: Blocks<'_>, seen| (blocks.get(key, most, out), seen);
                self.store.read_managed(generations, get)?
            }
        };
        match content {
            Ok(content) => Ok((content, seen)),
            Err(corrupt) => Err(self.store.corrupt(corrupt)),
        }
    }

    /// Sets a value if `accepts` what there is; returns whether its key is new, `None` if
    /// it was not set.
    #[inline]
    fn put<Q: KeyOf<K> + ?Sized>(
        &self,
        key: &Q,
        value: &V,
        accepts: impl FnMut(Option<(&Content, &[u64])>) -> bool,
    ) -> Result<Option<bool>, ObjectError> {
        Ok(self.put_seen(None, key, value, accepts)?.flatten())
    }

    /// The same, if the dictionary has grown as often as it had when it was read; returns `None` if
    /// not.
    #[inline]
    fn put_seen<Q: KeyOf<K> + ?Sized>(
        &self,
        seen: Option<u32>,
        key: &Q,
        value: &V,
        mut accepts: impl FnMut(Option<(&Content, &[u64])>) -> bool,
    ) -> Result<Option<Option<bool>>, ObjectError> {
        with_scratch(|scratch| {
            let (key, bytes, words) = scratch.key::<K, Q>(key)?;
            encode(bytes, value)?;
            self.store
                .write_seen(seen, |writer| writer.put(&key, bytes, words, &mut accepts))
        })
    }

    fn take<Q: KeyOf<K> + ?Sized>(
        &self,
        key: &Q,
        mut accepts: impl FnMut(Option<(&Content, &[u64])>) -> bool,
    ) -> Result<bool, ObjectError> {
        with_scratch(|scratch| {
            let (key, _, words) = scratch.key::<K, Q>(key)?;
            self.store
                .write(|writer| writer.remove(&key, words, &mut accepts))
        })
    }

    /// Replaces the value by what `change` makes of it, until no other process was faster; does
    /// nothing if that is an error.
    fn change<Q: KeyOf<K> + ?Sized, R, N>(
        &self,
        key: &Q,
        mut change: impl FnMut(Option<V>) -> Result<(V, R), N>,
    ) -> Result<Result<R, N>, ObjectError> {
        loop {
            let (seen, generation) = self.look_up_seen(key, usize::MAX, |content, words| {
                Ok((*content, decode(content, words)?))
            })?;
            let (content, value) = seen.unzip();
            let (value, result) = match change(value) {
                Ok(changed) => changed,
                Err(unchanged) => return Ok(Err(unchanged)),
            };
            let is_seen = |there: Option<(&Content, &[u64])>| match (&content, there) {
                (None, None) => true,
                (Some(seen), Some((now, _))) => seen.is(now),
                _ => false,
            };
            // The contents of another generation are others.
            let put = self.put_seen(Some(generation), key, &value, is_seen)?;
            if put.flatten().is_some() {
                return Ok(Ok(result));
            }
        }
    }
}

impl<K, V> Dict<K, V> {
    /// A dictionary that is, or is in, an entry of that kind.
    pub(super) fn of(entry: Entry, kind: Kind) -> Option<Self> {
        Some(Self {
            store: Store::attach(entry, Shape::Index, kind)?,
            types: PhantomData,
        })
    }
}

impl<K, V> Clone for Dict<K, V> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            types: PhantomData,
        }
    }
}

/// Shows the contents, as [`iter`](Dict::iter) has them. Never blocks.
impl<K: Stored, V: Stored> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for entry in self.iter() {
            match entry {
                Ok((key, value)) => map.entry(&key, &value),
                Err(error) => map.entry(&"?", &error),
            };
        }
        map.finish()
    }
}

impl<K: Stored, V: Stored> Placeable for Dict<K, V> {
    type Config = ObjectOptions;

    const KIND: Kind = Kind::Dict;

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    fn named(_options: Option<&ObjectOptions>) -> Result<PayloadShape, &'static str> {
        let name = codec::name_of::<(K, V)>().map_err(|undecodable| undecodable.reason())?;
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

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        Some(BlocksLayout::of(Shape::Index, config)?.len())
    }

    fn refused(options: &ObjectOptions) -> EntryError {
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        Self::of(entry, Kind::Dict)
    }

    fn entry(&self) -> &Entry {
        self.store.entry()
    }
}
