//! Iteration over a dictionary while it changes.

use std::fmt;
use std::marker::PhantomData;

use super::store::Store;
use super::{ObjectError, Stored};
use crate::algorithm::blocks::iterate::{Homes, KeyBuffer};
use crate::algorithm::blocks::read::{Content, bytes_of};
use crate::codec;

/// A value with its key.
pub(super) struct KeyedValue {
    content: Content,
    /// The words of the key and of the value.
    words: Vec<u64>,
}

impl KeyedValue {
    pub(super) fn new(content: &Content, words: &[u64]) -> Self {
        Self {
            content: *content,
            words: words.to_vec(),
        }
    }

    /// The bytes of the key and of the value.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        let (key, value) = self.words.split_at(self.content.key_words);
        // Of a list the mark says nothing.
        let key_len = ((self.content.mark >> 32) as usize).min(size_of_val(key));
        (bytes_of(key, key_len), bytes_of(value, self.content.len))
    }

    fn key(&self) -> &[u64] {
        &self.words[..self.content.key_words]
    }
}

/// The entries of an index: see [`iterate`](crate::algorithm::blocks::iterate).
struct Entries<'a> {
    store: &'a Store,
    homes: Homes,
    found: Vec<KeyedValue>,
    words: Vec<u64>,
}

impl KeyBuffer for Vec<KeyedValue> {
    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn has(&self, from: usize, key: Option<&[u64]>) -> bool {
        self[from..].iter().any(|one| Some(one.key()) == key)
    }

    fn push(&mut self, content: &Content, words: &[u64]) {
        self.push(KeyedValue::new(content, words));
    }
}

impl<'a> Entries<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            homes: Homes::of(store.newest().0.blocks()),
            found: Vec::new(),
            words: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<Result<KeyedValue, ObjectError>> {
        loop {
            if let Some(found) = self.found.pop() {
                return Some(Ok(found));
            }
            let home = self.homes.next()?;
            let (found, words) = (&mut self.found, &mut self.words);
            match self.store.read(|blocks| blocks.keys_of(home, words, found)) {
                Ok(Ok(())) => {}
                Ok(Err(corrupt)) => return Some(Err(self.store.corrupt(corrupt))),
                Err(error) => {
                    self.homes.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Decodes a key and its value.
pub(super) fn entry_of<K: Stored, V: Stored>(found: &KeyedValue) -> Result<(K, V), ObjectError> {
    let (key, value) = found.parts();
    Ok((codec::decode(key)?, codec::decode(value)?))
}

/// Defines an iterator over a dictionary.
macro_rules! iterators {
    ($($(#[$docs:meta])+ $name:ident<$($generic:ident),+> of $item:ty, |$found:ident| $decode:expr;)+) => {$(
        $(#[$docs])+
        #[must_use = "it does nothing unless it is iterated over"]
        pub struct $name<'a, $($generic),+> {
            entries: Entries<'a>,
            types: PhantomData<fn() -> ($($generic,)+)>,
        }

        impl<'a, $($generic),+> $name<'a, $($generic),+> {
            pub(super) fn new(store: &'a Store) -> Self {
                let entries = Entries::new(store);
                Self { entries, types: PhantomData }
            }
        }

        impl<$($generic: Stored),+> Iterator for $name<'_, $($generic),+> {
            type Item = Result<$item, ObjectError>;

            fn next(&mut self) -> Option<Self::Item> {
                let next = self.entries.next()?;
                Some(next.and_then(|$found| $decode))
            }
        }

        impl<$($generic),+> fmt::Debug for $name<'_, $($generic),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
iterators! {
    /// The keys and values of a [`Dict`](crate::Dict): see [`Dict::iter`](crate::Dict::iter).
    Iter<K, V> of (K, V), |found| entry_of(&found);
    /// The keys of a [`Dict`](crate::Dict): see [`Dict::keys`](crate::Dict::keys).
    Keys<K> of K, |found| Ok(codec::decode(found.parts().0)?);
    /// The values of a [`Dict`](crate::Dict): see [`Dict::values`](crate::Dict::values).
    Values<V> of V, |found| Ok(codec::decode(found.parts().1)?);
}
