//! A serializer around postcard's that enforces the bounds of a message, as the deserializer
//! does.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::bounds::Bounds;
use super::plain::{Output, OutputFull};

/// The bytes of a message.
pub(super) struct MessageOutput<'b, O> {
    output: &'b mut O,
    bounds: &'b Bounds,
}

impl<'b, O: Output> MessageOutput<'b, O> {
    pub(super) fn new(output: &'b mut O, bounds: &'b Bounds) -> Self {
        Self { output, bounds }
    }
}

impl<O: Output> postcard::ser_flavors::Flavor for MessageOutput<'_, O> {
    type Output = ();

    #[inline(always)]
    fn try_extend(&mut self, data: &[u8]) -> Result<(), postcard::Error> {
        self.output
            .append(data)
            .map_err(|OutputFull| postcard::Error::SerializeBufferFull)?;
        self.bounds.set_place(self.output.len());
        Ok(())
    }

    #[inline(always)]
    fn try_push(&mut self, data: u8) -> Result<(), postcard::Error> {
        self.try_extend(&[data])
    }

    fn finalize(self) -> Result<(), postcard::Error> {
        Ok(())
    }
}

/// A serializer whose values are bounded.
pub(super) struct BoundedSerializer<'b, S> {
    inner: S,
    bounds: &'b Bounds,
}

impl<'b, S> BoundedSerializer<'b, S> {
    pub(super) fn new(inner: S, bounds: &'b Bounds) -> Self {
        Self { inner, bounds }
    }
}

/// An element, a field or a content, bounded.
struct Part<'b, T: ?Sized> {
    value: &'b T,
    bounds: &'b Bounds,
}

impl<T: Serialize + ?Sized> Serialize for Part<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value
            .serialize(BoundedSerializer::new(inner, self.bounds))
    }
}

/// Implements the methods of values that do not nest.
macro_rules! flat {
    ($($method:ident($($name:ident: $type:ty),*))+) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        }
    )+};
}

/// Implements the methods of values that are one level around one other value.
macro_rules! around_one {
    ($($method:ident($($name:ident: $type:ty),*))+) => {$(
        #[inline]
        fn $method<T: Serialize + ?Sized>(
            self,
            $($name: $type,)*
            value: &T,
        ) -> Result<S::Ok, S::Error> {
            let Self { inner, bounds } = self;
            bounds.nested(S::Error::custom, || inner.$method($($name,)* &Part { value, bounds }))
        }
    )+};
}

/// Implements the methods of values that nest a number of others, and end with the `end` of their
/// parts.
macro_rules! around_many {
    ($($method:ident($($name:ident: $type:ty),*) $parts:ident)+) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<Self::$parts, S::Error> {
            let Self { inner, bounds } = self;
            bounds.enter(S::Error::custom)?;
            Ok(BoundedSerializer::new(inner.$method($($name),*)?, bounds))
        }
    )+};
}

impl<'b, S: Serializer> Serializer for BoundedSerializer<'b, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = BoundedSerializer<'b, S::SerializeSeq>;
    type SerializeTuple = BoundedSerializer<'b, S::SerializeTuple>;
    type SerializeTupleStruct = BoundedSerializer<'b, S::SerializeTupleStruct>;
    type SerializeTupleVariant = BoundedSerializer<'b, S::SerializeTupleVariant>;
    type SerializeMap = BoundedSerializer<'b, S::SerializeMap>;
    type SerializeStruct = BoundedSerializer<'b, S::SerializeStruct>;
    type SerializeStructVariant = BoundedSerializer<'b, S::SerializeStructVariant>;

    flat! {
        serialize_bool(value: bool) serialize_i8(value: i8) serialize_i16(value: i16)
        serialize_i32(value: i32) serialize_i64(value: i64) serialize_i128(value: i128)
        serialize_u8(value: u8) serialize_u16(value: u16) serialize_u32(value: u32)
        serialize_u64(value: u64) serialize_u128(value: u128) serialize_f32(value: f32)
        serialize_f64(value: f64) serialize_char(value: char) serialize_str(value: &str)
        serialize_bytes(value: &[u8]) serialize_unit() serialize_unit_struct(name: &'static str)
    }

    around_one! {
        serialize_some()
        serialize_newtype_struct(name: &'static str)
        serialize_newtype_variant(name: &'static str, index: u32, variant: &'static str)
    }

    around_many! {
        serialize_seq(len: Option<usize>) SerializeSeq
        serialize_tuple(len: usize) SerializeTuple
        serialize_tuple_struct(name: &'static str, len: usize) SerializeTupleStruct
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) SerializeTupleVariant
        serialize_map(len: Option<usize>) SerializeMap
        serialize_struct(name: &'static str, len: usize) SerializeStruct
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) SerializeStructVariant
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        let Self { inner, bounds } = self;
        bounds.nested(S::Error::custom, || inner.serialize_none())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        let Self { inner, bounds } = self;
        bounds.nested(S::Error::custom, || {
            inner.serialize_unit_variant(name, index, variant)
        })
    }

    #[inline]
    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Implements the parts whose number the type knows.
macro_rules! parts {
    ($($parts:ident $method:ident($($name:ident: $type:ty),*))+) => {$(
        impl<A: $parts> $parts for BoundedSerializer<'_, A> {
            type Ok = A::Ok;
            type Error = A::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)*
                value: &T,
            ) -> Result<(), A::Error> {
                let bounds = self.bounds;
                self.inner.$method($($name,)* &Part { value, bounds })
            }

            #[inline]
            fn end(self) -> Result<A::Ok, A::Error> {
                self.bounds.leave();
                self.inner.end()
            }
        }
    )+};
}

parts! {
    SerializeTuple serialize_element()
    SerializeTupleStruct serialize_field()
    SerializeTupleVariant serialize_field()
    SerializeStruct serialize_field(name: &'static str)
    SerializeStructVariant serialize_field(name: &'static str)
}

impl<A: SerializeSeq> SerializeSeq for BoundedSerializer<'_, A> {
    type Ok = A::Ok;
    type Error = A::Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), A::Error> {
        let bounds = self.bounds;
        let before = bounds.place();
        self.inner.serialize_element(&Part { value, bounds })?;
        bounds.count_element(A::Error::custom, before)
    }

    #[inline]
    fn end(self) -> Result<A::Ok, A::Error> {
        self.bounds.leave();
        self.inner.end()
    }
}

impl<A: SerializeMap> SerializeMap for BoundedSerializer<'_, A> {
    type Ok = A::Ok;
    type Error = A::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), A::Error> {
        let bounds = self.bounds;
        let before = bounds.place();
        self.inner.serialize_key(&Part { value, bounds })?;
        bounds.count_element(A::Error::custom, before)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), A::Error> {
        let bounds = self.bounds;
        self.inner.serialize_value(&Part { value, bounds })
    }

    #[inline]
    fn end(self) -> Result<A::Ok, A::Error> {
        self.bounds.leave();
        self.inner.end()
    }
}
