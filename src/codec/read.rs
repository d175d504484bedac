//! A deserializer around postcard's that enforces the bounds of a message.
//!
//! Every value that can nest passes through [`BoundedDeserializer`], which counts the levels. Every
//! length in the message passes through [`Visit`], which compares it with the bytes that are left.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::bounds::Bounds;

/// The bytes of a message.
pub(super) struct MessageInput<'de> {
    rest: &'de [u8],
    bounds: &'de Bounds,
}

impl<'de> MessageInput<'de> {
    pub(super) fn new(bytes: &'de [u8], bounds: &'de Bounds) -> Self {
        Self {
            rest: bytes,
            bounds,
        }
    }
}

/// It gives no size hint, so that [`Visit`] sees a length that is too great.
impl<'de> postcard::de_flavors::Flavor<'de> for MessageInput<'de> {
    type Remainder = ();
    type Source = &'de [u8];

    #[inline]
    fn pop(&mut self) -> Result<u8, postcard::Error> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.set_place(rest.len());
        Ok(*first)
    }

    #[inline]
    fn try_take_n(&mut self, count: usize) -> Result<&'de [u8], postcard::Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.set_place(rest.len());
        Ok(taken)
    }

    fn finalize(self) -> Result<(), postcard::Error> {
        Ok(())
    }
}

/// A deserializer whose values are bounded.
pub(super) struct BoundedDeserializer<'b, D> {
    inner: D,
    bounds: &'b Bounds,
}

impl<'b, D> BoundedDeserializer<'b, D> {
    pub(super) fn new(inner: D, bounds: &'b Bounds) -> Self {
        Self { inner, bounds }
    }
}

/// The type's visitor, one level deeper.
struct Visit<'b, V> {
    visitor: V,
    bounds: &'b Bounds,
    /// Whether the message states the number of elements; otherwise the type does.
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

/// Implements the methods of values that do not nest.
macro_rules! flat {
    ($($method:ident)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )+};
}

/// Implements the methods of values that nest, with the type's arguments; `stated` if the message
/// states the number of elements.
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
            bounds.nested(D::Error::custom, || inner.$method($($name,)* visit))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for BoundedDeserializer<'_, D> {
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
        self.visitor
            .visit_some(BoundedDeserializer::new(inner, self.bounds))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let bounded = BoundedDeserializer::new(inner, self.bounds);
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
            bounds.check_length(A::Error::custom, inner.size_hint())?;
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
        bounds.check_length(A::Error::custom, inner.size_hint())?;
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
        self.seed
            .deserialize(BoundedDeserializer::new(inner, self.bounds))
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
        let before = bounds.place();
        let element = self.inner.next_element_seed(Seed { seed, bounds })?;
        if self.stated && element.is_some() {
            bounds.count_element(A::Error::custom, before)?;
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

    /// Counts a key that takes no bytes, even if its value takes some.
    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let bounds = self.bounds;
        let before = bounds.place();
        let key = self.inner.next_key_seed(Seed { seed, bounds })?;
        if key.is_some() {
            bounds.count_element(A::Error::custom, before)?;
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
