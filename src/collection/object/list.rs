//! Values in order.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use super::iter::KeyedValue;
use super::store::{Store, decode, encode, with_scratch};
use super::{ObjectError, ObjectOptions, Stored};
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::read::Content;
use crate::algorithm::blocks::write::Writer;
use crate::algorithm::blocks::{Blocks, Shape};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::payload::describe;
use crate::segment::{Entry, EntryError, Placeable};

/// Values in order, of any type that serde encodes, in a list that processes make longer and
/// shorter.
///
/// As a [`Vec`] that all processes read and change. Reads take no lock; a change is made whole or
/// not at all, wherever its process is killed. See [what holds for each
/// object](crate::object#what-holds-for-each-object). In a segment it has the room that it was
/// created with; in a [`Manager`](crate::Manager) it grows.
///
/// What is read is a copy. To change a value, [`update`](Self::update) it. `push`, `pop`, `set` and
/// `get` take the same time however long the list is; `insert` and `remove` in the middle move the
/// names of what follows, 8 bytes each.
///
/// # Examples
///
/// ```
/// use crossdock::{List, Segment};
///
/// let segment = Segment::anonymous()?;
/// let fruits = segment.create::<List<String>>("fruits", 100)?;
/// fruits.extend(["apple", "pear", "fig"].map(String::from))?;
/// fruits.push(&"plum".to_owned())?;
/// assert_eq!(fruits.get(1)?.as_deref(), Some("pear"));
/// fruits.sort()?;
/// assert_eq!(fruits.slice(1..3)?, ["fig", "pear"]);
/// assert_eq!(fruits.pop()?.as_deref(), Some("plum"));
/// assert_eq!(format!("{fruits:?}"), r#"["apple", "fig", "pear"]"#);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "Vec")]
#[doc(alias = "list")]
pub struct List<T> {
    store: Store,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Stored> List<T> {
    /// Returns the value at `index`; `None` if the list is not that long. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] and [`ObjectError::Fault`] if the bytes are no such value.
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>, ObjectError> {
        let found = self.look_at(index, |content, words| Ok(decode(content, words)?));
        found.map(|(value, _)| value)
    }

    /// Returns the values of a range, as far as the list has them, one after the other while others
    /// go on changing it: see [`snapshot`](Self::snapshot). Never blocks.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, ObjectError> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => usize::MAX,
        };
        self.values(first, end).collect()
    }

    /// Returns the values from the first on, until the list has no further one. Of a list that
    /// changes meanwhile, each is the one at its index when it is read. Never blocks.
    ///
    /// # Errors
    ///
    /// Each item may be an error, as that of [`get`](Self::get). After an error that is the list's
    /// and not a single value's, there is no further item.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, ObjectError>> {
        self.values(0, usize::MAX)
    }

    fn values(&self, first: usize, end: usize) -> impl Iterator<Item = Result<T, ObjectError>> {
        let mut is_readable = true;
        (first..end).map_while(move |index| {
            if !is_readable {
                return None;
            }
            let value = self.get(index).transpose()?;
            // Any other error can come again at each further index, and those have no end: no
            // length that can be trusted says where it is.
            is_readable = matches!(value, Ok(_) | Err(ObjectError::Value(_)));
            Some(value)
        })
    }

    /// Returns all values, as they were at one instant. Blocks while another process changes the
    /// list, and keeps others from it until all are copied.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn snapshot(&self) -> Result<Vec<T>, ObjectError> {
        self.all().map(|(values, _)| values)
    }

    /// Appends a value. Blocks while another process changes the list.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Full`] if there is no room; [`ObjectError::Value`] if the value cannot be
    /// encoded; [`ObjectError::Fault`]. Nothing is changed then.
    #[inline]
    pub fn push(&self, value: &T) -> Result<(), ObjectError> {
        with_scratch(|scratch| {
            let (bytes, _) = scratch.value(value)?;
            self.store
                .write(|writer| writer.push(std::iter::once(bytes)))
        })
    }

    /// Appends values, all at one instant or none. Blocks as [`push`](Self::push) does.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<(), ObjectError> {
        let encoded = values.into_iter().map(|value| codec::encode(&value));
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let push = |writer: Writer<'_>| writer.push(encoded.iter().map(Vec::as_slice));
        self.store.write(push)
    }

    /// Removes the last value and returns it; `None` if the list is empty. Blocks while another
    /// process changes the list.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Value`] if the value, which is removed then, cannot be decoded;
    /// [`ObjectError::Fault`].
    pub fn pop(&self) -> Result<Option<T>, ObjectError> {
        with_scratch(|scratch| {
            let popped = self.store.write(|writer| writer.pop(&mut scratch.words))?;
            let value = popped.map(|content| decode(&content, &scratch.words));
            Ok(value.transpose()?)
        })
    }

    /// Replaces the value at `index`; returns false if the list is not that long. Blocks as
    /// [`push`](Self::push) does.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn set(&self, index: usize, value: &T) -> Result<bool, ObjectError> {
        Ok(self.replace(index, None, value)?.flatten().is_some())
    }

    /// Changes the value at `index`, and returns what `change` does; `None` if the list is not that
    /// long. `change` is called again if another process has changed the value meanwhile; if it
    /// panics, nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn update<R>(
        &self,
        index: usize,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<Option<R>, ObjectError> {
        loop {
            let (seen, generation) = self.look_at(index, |content, words| {
                Ok((*content, decode(content, words)?))
            })?;
            let Some((content, mut value)) = seen else {
                return Ok(None);
            };
            let result = change(&mut value);
            // The contents of another generation are others.
            match self.replace(index, Some((&content, generation)), &value)? {
                Some(Some(true)) => return Ok(Some(result)),
                Some(Some(false)) | None => {}
                Some(None) => return Ok(None),
            }
        }
    }

    /// Inserts a value before the one at `index`, or behind the last one if `index` is the length;
    /// returns false if the list is shorter. Blocks as [`push`](Self::push) does.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn insert(&self, index: usize, value: &T) -> Result<bool, ObjectError> {
        with_scratch(|scratch| {
            let (bytes, _) = scratch.value(value)?;
            self.store.write(|writer| {
                let len = writer.len();
                if index > len {
                    return Ok(false);
                }
                let order = (0..=len).map(|at| match at.cmp(&index) {
                    std::cmp::Ordering::Less => Some(at),
                    std::cmp::Ordering::Equal => None,
                    std::cmp::Ordering::Greater => Some(at - 1),
                });
                writer.rearrange(None, Some(bytes), len + 1, order, |_| false)
            })
        })
    }

    /// Removes the value at `index` and returns it; `None` if the list is not that long. Blocks
    /// while another process changes the list.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn remove(&self, index: usize) -> Result<Option<T>, ObjectError> {
        with_scratch(|scratch| {
            let words = &mut scratch.words;
            let removed = self.store.write(|writer| {
                let len = writer.len();
                if index >= len {
                    return Ok(None);
                }
                let content = writer.copy(index, words)?;
                let order = (0..len).filter(|at| *at != index).map(Some);
                writer.rearrange(None, None, len - 1, order, |at| at == index)?;
                Ok(Some(content))
            })?;
            Ok(removed.map(|content| decode(&content, words)).transpose()?)
        })
    }

    /// Keeps the values that `keeps` returns true for, at one instant. It is called for all values
    /// again if another process has changed the list meanwhile.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); nothing is changed then.
    pub fn retain(&self, mut keeps: impl FnMut(&T) -> bool) -> Result<(), ObjectError> {
        self.reorder(|values| {
            let kept = values.iter().enumerate().filter(|(_, value)| keeps(value));
            kept.map(|(at, _)| at).collect()
        })
    }

    /// Sorts the list, at one instant; values that are equal keep their order. If another process
    /// has changed it meanwhile, it is sorted again.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); nothing is changed then.
    pub fn sort(&self) -> Result<(), ObjectError>
    where
        T: Ord,
    {
        self.sort_by(Ord::cmp)
    }

    /// Sorts the list as [`sort`](Self::sort) does, in the order of `compare`.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); nothing is changed then.
    pub fn sort_by(
        &self,
        mut compare: impl FnMut(&T, &T) -> std::cmp::Ordering,
    ) -> Result<(), ObjectError> {
        self.reorder(|values| {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|one, other| compare(&values[*one], &values[*other]));
            order
        })
    }

    /// Removes all values at once. Blocks while another process changes the list.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Fault`].
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.store
            .write(|writer| writer.rearrange(None, None, 0, std::iter::empty(), |_| true))?;
        Ok(())
    }

    /// Returns the number of values. It may be stale when it is returned.
    pub fn len(&self) -> usize {
        let len = self.store.peek(|blocks| blocks.len());
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// Returns whether there is no value; as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    changes_of!("list", |this| this.store);

    /// The value at an index, and how often the list had grown.
    #[inline]
    fn look_at<R>(
        &self,
        index: usize,
        found: impl FnOnce(&Content, &[u64]) -> Result<R, ObjectError>,
    ) -> Result<(Option<R>, u32), ObjectError> {
        with_scratch(|scratch| {
            let words = &mut scratch.words;
            let at = |blocks: Blocks<'_>, seen| (blocks.at(index as u64, words), seen);
            let (content, seen) = self.store.read_seen(at)?;
            match content {
                Ok(Some(content)) => found(&content, words).map(|found| (Some(found), seen)),
                Ok(None) => Ok((None, seen)),
                Err(corrupt) => Err(self.store.corrupt(corrupt)),
            }
        })
    }

    /// Replaces a value: as [`Writer::set`] says, or `None` if the list has grown since.
    fn replace(
        &self,
        index: usize,
        seen: Option<(&Content, u32)>,
        value: &T,
    ) -> Result<Option<Option<bool>>, ObjectError> {
        let (seen, generation) = seen.unzip();
        let mut bytes = Vec::new();
        encode(&mut bytes, value)?;
        with_scratch(|scratch| {
            let words = &mut scratch.words;
            self.store.write_seen(generation, |writer| {
                writer.set(index as u64, seen, &bytes, words)
            })
        })
    }

    /// All values, and the number of changes until then.
    fn all(&self) -> Result<(Vec<T>, u64), ObjectError> {
        let mut all = Vec::new();
        let changes = self.store.write(|writer| {
            let mut words = Vec::new();
            all.clear();
            writer.each(&mut words, |content, words| {
                all.push(KeyedValue::new(content, words))
            })?;
            Ok(writer.changes())
        })?;
        let values = all.iter().map(|one| Ok(codec::decode(one.parts().1)?));
        Ok((values.collect::<Result<_, ObjectError>>()?, changes))
    }

    /// Puts the values into the order that `order` makes of them, and drops the others.
    fn reorder(&self, mut order: impl FnMut(&[T]) -> Vec<usize>) -> Result<(), ObjectError> {
        loop {
            let (values, changes) = self.all()?;
            let order = order(&values);
            let mut goes = vec![true; values.len()];
            order.iter().for_each(|at| goes[*at] = false);
            let goes = |at| goes.get(at) == Some(&true);
            let arranged = self.store.write(|writer| {
                let each = order.iter().copied().map(Some);
                writer.rearrange(Some(changes), None, order.len(), each, goes)
            })?;
            if arranged {
                return Ok(());
            }
        }
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            value: PhantomData,
        }
    }
}

/// Shows the values, as [`iter`](List::iter) has them. Never blocks.
impl<T: Stored> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for value in self.iter() {
            match value {
                Ok(value) => list.entry(&value),
                Err(error) => list.entry(&error),
            };
        }
        list.finish()
    }
}

impl<T: Stored> Placeable for List<T> {
    type Config = ObjectOptions;

    const KIND: Kind = Kind::List;

    fn payload() -> PayloadShape {
        describe::<u8>()
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

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        Some(BlocksLayout::of(Shape::List, config)?.len())
    }

    fn refused(options: &ObjectOptions) -> EntryError {
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        Some(Self {
            store: Store::attach(entry, Shape::List, Kind::List)?,
            value: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.store.entry()
    }
}
