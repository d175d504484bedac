//! A deserializer around postcard's that holds the bounds of a message.
//!
//! Everything that can nest passes through [`Bounded`], which counts the levels, and every length that the
//! message states through [`Visit`], which holds it against the bytes that are left.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{MAX_DEPTH, MAX_EMPTY};

/// What of a message has been used, and which of its bounds it exceeded.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Bytes of the message that were not read yet.
    left: Cell<usize>,
    /// Levels that may still be entered.
    depth: Cell<u32>,
    /// Elements that may still take no bytes.
    empty: Cell<u32>,
    exceeded: Cell<Option<Exceeded>>,
}

/// The bound that a message exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Depth,
    Length { elements: usize, bytes: usize },
    Empty,
}

impl Bounds {
    pub(super) fn new(left: usize) -> Self {
        Self {
            left: Cell::new(left),
            depth: Cell::new(MAX_DEPTH),
            empty: Cell::new(MAX_EMPTY),
            exceeded: Cell::new(None),
        }
    }

    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }

    /// Notes the bound, since the codec forgets the words of its errors.
    #[cold]
    fn refuse<E: serde::de::Error>(&self, exceeded: Exceeded) -> E {
        self.exceeded.set(Some(exceeded));
        E::custom(exceeded)
    }

    /// Runs `f` one level deeper.
    fn nested<T, E: serde::de::Error>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let depth = self.depth.get();
        let Some(below) = depth.checked_sub(1) else {
            return Err(self.refuse(Exceeded::Depth));
        };
        self.depth.set(below);
        let result = f();
        self.depth.set(depth);
        result
    }

    /// Whether the bytes that are left can hold so many elements.
    fn check_length<E: serde::de::Error>(&self, elements: Option<usize>) -> Result<(), E> {
        let bytes = self.left();
        match elements {
            Some(elements) if elements > bytes.saturating_add(self.empty.get() as usize) => {
                Err(self.refuse(Exceeded::Length { elements, bytes }))
            }
            _ => Ok(()),
        }
    }

    /// Counts an element that was read when so many bytes were left, if it took none of them.
    fn count_element<E: serde::de::Error>(&self, before: usize) -> Result<(), E> {
        if self.left() < before {
            return Ok(());
        }
        let Some(empty) = self.empty.get().checked_sub(1) else {
            return Err(self.refuse(Exceeded::Empty));
        };
        self.empty.set(empty);
        Ok(())
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth => write!(
                f,
                "expected a value of at most {MAX_DEPTH} levels, found a deeper one"
            ),
            Self::Length { elements, bytes } => write!(
                f,
                "expected no more elements than the {bytes} bytes behind their number can hold, \
                 found {elements}"
            ),
            Self::Empty => write!(
                f,
                "expected at most {MAX_EMPTY} elements that take no bytes, found more"
            ),
        }
    }
}

/// The bytes of a message.
pub(super) struct Source<'de> {
    rest: &'de [u8],
    bounds: &'de Bounds,
}

impl<'de> Source<'de> {
    pub(super) fn new(bytes: &'de [u8], bounds: &'de Bounds) -> Self {
        Self {
            rest: bytes,
            bounds,
        }
    }
}

/// It gives no hint of its length: a length that is too great is then seen by [`Visit`], not hidden.
impl<'de> postcard::de_flavors::Flavor<'de> for Source<'de> {
    type Remainder = ();
    type Source = &'de [u8];

    #[inline]
    fn pop(&mut self) -> Result<u8, postcard::Error> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.left.set(rest.len());
        Ok(*first)
    }

    #[inline]
    fn try_take_n(&mut self, count: usize) -> Result<&'de [u8], postcard::Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.left.set(rest.len());
        Ok(taken)
    }

    fn finalize(self) -> Result<(), postcard::Error> {
        Ok(())
    }
}

/// A deserializer whose values are bounded.
pub(super) struct Bounded<'b, D> {
    inner: D,
    bounds: &'b Bounds,
}

impl<'b, D> Bounded<'b, D> {
    pub(super) fn new(inner: D, bounds: &'b Bounds) -> Self {
        Self { inner, bounds }
    }
}

/// What the type makes of the value that comes, one level deeper.
struct Visit<'b, V> {
    visitor: V,
    bounds: &'b Bounds,
    /// Whether the message says how many elements there are; else the type does.
    stated: bool,
}

/// Elements, each bounded.
struct Elements<'b, A> {
    inner: A,
    bounds: &'b Bounds,
    stated: bool,
}

/// An element, a field or a content, bounded.
struct Seed<'b, S> {
    seed: S,
    bounds: &'b Bounds,
}

/// An enum's variant, its content bounded.
struct Variant<'b, A> {
    inner: A,
    bounds: &'b Bounds,
}

/// Values in which nothing nests.
macro_rules! flat {
    ($($method:ident)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )+};
}

/// Values in which others nest, with what the type says of them; `stated` if the message says how
/// many.
macro_rules! nested {
    ($($method:ident($($name:ident: $type:ty),*) $stated:literal)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let Self { inner, bounds } = self;
            let visit = Visit { visitor, bounds, stated: $stated };
            bounds.nested(|| inner.$method($($name,)* visit))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    flat! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    nested! {
        deserialize_option() false
        deserialize_newtype_struct(name: &'static str) false
        deserialize_seq() true
        deserialize_tuple(len: usize) false
        deserialize_tuple_struct(name: &'static str, len: usize) false
        deserialize_map() true
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) false
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) false
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visit<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    #[inline]
    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Bounded::new(inner, self.bounds))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let bounded = Bounded::new(inner, self.bounds);
        self.visitor.visit_newtype_struct(bounded)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self {
            visitor,
            bounds,
            stated,
        } = self;
        if stated {
            bounds.check_length(inner.size_hint())?;
        }
        visitor.visit_seq(Elements {
            inner,
            bounds,
            stated,
        })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self {
            visitor,
            bounds,
            stated,
        } = self;
        bounds.check_length(inner.size_hint())?;
        visitor.visit_map(Elements {
            inner,
            bounds,
            stated,
        })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let bounds = self.bounds;
        self.visitor.visit_enum(Variant { inner, bounds })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Bounded::new(inner, self.bounds))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let bounds = self.bounds;
        let before = bounds.left();
        let element = self.inner.next_element_seed(Seed { seed, bounds })?;
        if self.stated && element.is_some() {
            bounds.count_element(before)?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    /// A key that takes no bytes is counted, even if its value takes some.
    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let bounds = self.bounds;
        let before = bounds.left();
        let key = self.inner.next_key_seed(Seed { seed, bounds })?;
        if key.is_some() {
            bounds.count_element(before)?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let bounds = self.bounds;
        self.inner.next_value_seed(Seed { seed, bounds })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Variant<'b, A> {
    type Error = A::Error;
    type Variant = Variant<'b, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        let bounds = self.bounds;
        Ok((value, Variant { inner, bounds }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variant<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let bounds = self.bounds;
        self.inner.newtype_variant_seed(Seed { seed, bounds })
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let bounds = self.bounds;
        let visit = Visit {
            visitor,
            bounds,
            stated: false,
        };
        self.inner.tuple_variant(len, visit)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let bounds = self.bounds;
        let visit = Visit {
            visitor,
            bounds,
            stated: false,
        };
        self.inner.struct_variant(fields, visit)
    }
}
