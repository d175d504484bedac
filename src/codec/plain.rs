//! The codec of values that processes of one program send each other: numbers as they are in
//! memory, where [`encode`](super::encode) has as few bytes as it can.
//!
//! | value | bytes |
//! |---|---|
//! | a number, `char` | as many as it has, little-endian |
//! | `bool`, the tag of an `Option` | 1: 0 or 1 |
//! | text, bytes, a sequence, a map | the length, 4 bytes; the elements |
//! | a tuple, a struct | the fields |
//! | an enum | the index of the variant, 4 bytes; its content |

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::bounds::Bounds;

type Error = postcard::Error;

/// Where bytes are written to, one after the other.
pub(crate) trait Output {
    /// Appends bytes. Fails if they do not fit; then nothing was appended.
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull>;
    /// Returns the number of bytes.
    fn len(&self) -> usize;
    /// Takes away all but the first bytes.
    fn truncate(&mut self, len: usize);
    /// Puts other bytes in the place of some that are there.
    fn put_at(&mut self, at: usize, bytes: [u8; 4]);
}

/// The output has no room for what is to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputFull;

impl Output for Vec<u8> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    #[inline(always)]
    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        self[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

pub(super) struct PlainWriter<'a, O> {
    pub(super) output: &'a mut O,
    pub(super) bounds: &'a Bounds,
}

impl<O: Output> PlainWriter<'_, O> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.output
            .append(bytes)
            .map_err(|OutputFull| Error::SerializeBufferFull)?;
        self.bounds.set_place(self.output.len());
        Ok(())
    }

    #[inline]
    fn put_length(&mut self, length: usize) -> Result<(), Error> {
        let length = u32::try_from(length).map_err(|_| Error::SerializeBufferFull)?;
        self.put(&length.to_le_bytes())
    }
}

/// Implements the methods of numbers.
macro_rules! write_numbers {
    ($($method:ident $type:ty)+) => {$(
        #[inline(always)]
        fn $method(self, value: $type) -> Result<(), Error> {
            self.put(&value.to_le_bytes())
        }
    )+};
}

/// Implements the methods of values that are these bytes.
macro_rules! write_alone {
    ($($method:ident($($name:ident: $type:ty),*) $bytes:expr;)+) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<(), Error> {
            self.put($bytes)
        }
    )+};
}

/// Implements the methods of values around another one, which stands behind these bytes.
macro_rules! write_around {
    ($($method:ident($($name:ident: $type:ty),*) $bytes:expr;)+) => {$(
        #[inline]
        fn $method<T: Serialize + ?Sized>(self, $($name: $type,)* value: &T) -> Result<(), Error> {
            self.put($bytes)?;
            value.serialize(self)
        }
    )+};
}

/// Implements the methods of values of as many parts as their type has, which stand behind these
/// bytes.
macro_rules! write_front {
    ($($method:ident($($name:ident: $type:ty),*) $bytes:expr;)+) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<Self, Error> {
            self.put($bytes)?;
            Ok(self)
        }
    )+};
}

impl<O: Output> Serializer for &mut PlainWriter<'_, O> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    write_numbers! {
        serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64 serialize_i128 i128
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64 serialize_u128 u128
        serialize_f32 f32 serialize_f64 f64
    }

    write_alone! {
        serialize_bool(value: bool) &[value.into()];
        serialize_char(value: char) &u32::from(value).to_le_bytes();
        serialize_none() &[0];
        serialize_unit() &[];
        serialize_unit_struct(_name: &'static str) &[];
        serialize_unit_variant(
            _name: &'static str, index: u32, _variant: &'static str
        ) &index.to_le_bytes();
    }

    write_around! {
        serialize_some() &[1];
        serialize_newtype_struct(_name: &'static str) &[];
        serialize_newtype_variant(
            _name: &'static str, index: u32, _variant: &'static str
        ) &index.to_le_bytes();
    }

    write_front! {
        serialize_tuple(_len: usize) &[];
        serialize_tuple_struct(_name: &'static str, _len: usize) &[];
        serialize_tuple_variant(
            _name: &'static str, index: u32, _variant: &'static str, _len: usize
        ) &index.to_le_bytes();
        serialize_struct(_name: &'static str, _len: usize) &[];
        serialize_struct_variant(
            _name: &'static str, index: u32, _variant: &'static str, _len: usize
        ) &index.to_le_bytes();
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.put_length(value.len())?;
        self.put(value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Error> {
        self.put_length(len.ok_or(Error::SerializeSeqLengthUnknown)?)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self, Error> {
        self.serialize_seq(len)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Implements the parts of values, which stand one behind the other.
macro_rules! write_parts {
    ($($parts:ident $($method:ident($($name:ident: $type:ty),*))+;)+) => {$(
        impl<O: Output> $parts for &mut PlainWriter<'_, O> {
            type Ok = ();
            type Error = Error;

            $(
                #[inline]
                fn $method<T: Serialize + ?Sized>(
                    &mut self,
                    $($name: $type,)*
                    value: &T,
                ) -> Result<(), Error> {
                    value.serialize(&mut **self)
                }
            )+

            #[inline]
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )+};
}

write_parts! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeMap serialize_key() serialize_value();
    SerializeStruct serialize_field(_name: &'static str);
    SerializeStructVariant serialize_field(_name: &'static str);
}

pub(super) struct PlainReader<'de, 'b> {
    pub(super) rest: &'de [u8],
    pub(super) bounds: &'b Bounds,
}

impl<'de> PlainReader<'de, '_> {
    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.set_place(rest.len());
        Ok(*taken)
    }

    #[inline]
    fn take_length(&mut self) -> Result<usize, Error> {
        let length = u32::from_le_bytes(self.take()?);
        usize::try_from(length).map_err(|_| Error::DeserializeUnexpectedEnd)
    }

    #[inline]
    fn take_bytes(&mut self) -> Result<&'de [u8], Error> {
        let length = self.take_length()?;
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        self.bounds.set_place(rest.len());
        Ok(taken)
    }

    #[inline]
    fn take_str(&mut self) -> Result<&'de str, Error> {
        std::str::from_utf8(self.take_bytes()?).map_err(|_| Error::DeserializeBadUtf8)
    }
}

/// Implements the methods of numbers.
macro_rules! read_numbers {
    ($($method:ident $visit:ident $type:ty)+) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(<$type>::from_le_bytes(self.take()?))
        }
    )+};
}

/// Implements the methods of what has no number of elements in front.
macro_rules! read_fields {
    ($($method:ident($($name:ident: $type:ty),*) $len:expr;)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            let left = $len;
            visitor.visit_seq(PlainElements { reader: self, left })
        }
    )+};
}

impl<'de> Deserializer<'de> for &mut PlainReader<'de, '_> {
    type Error = Error;

    read_numbers! {
        deserialize_i8 visit_i8 i8 deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32 deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128 deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16 deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64 deserialize_u128 visit_u128 u128
        deserialize_f32 visit_f32 f32 deserialize_f64 visit_f64 f64
    }

    read_fields! {
        deserialize_tuple(len: usize) len;
        deserialize_tuple_struct(_name: &'static str, len: usize) len;
        deserialize_struct(_name: &'static str, fields: &'static [&'static str]) fields.len();
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::WontImplement)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::WontImplement)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::WontImplement)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.take()? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            _ => Err(Error::DeserializeBadBool),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = char::from_u32(u32::from_le_bytes(self.take()?));
        visitor.visit_char(value.ok_or(Error::DeserializeBadChar)?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.take_str()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.take_bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.take()? {
            [0] => visitor.visit_none(),
            [1] => visitor.visit_some(self),
            _ => Err(Error::DeserializeBadOption),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.take_length()?;
        visitor.visit_seq(PlainElements { reader: self, left })
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.take_length()?;
        visitor.visit_map(PlainElements { reader: self, left })
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence or a map, or the fields of a struct.
struct PlainElements<'a, 'de, 'b> {
    reader: &'a mut PlainReader<'de, 'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for PlainElements<'_, 'de, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for PlainElements<'_, 'de, '_> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut PlainReader<'de, '_> {
    type Error = Error;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let index = u32::from_le_bytes(self.take()?);
        let variant = seed.deserialize(index.into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut PlainReader<'de, '_> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
