//! A deserializer without a message: it records the requests of a type, and returns samples.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::tree::{At, Names, NodeKind, ROOT, Tree};
use super::{END, HANDLE, Undecodable};

/// The maximum number of times that a type is deserialized before less of it is recorded.
const MOST_RUNS: usize = 1024;
/// The maximum depth of values that are filled in without being recorded.
const MOST_FILLED: usize = 48;
/// The maximum number of recorded parts of a tuple: an array may be long.
const MOST_PARTS: usize = 64;

/// The record of a type.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) tree: Tree,
    pub(super) undecodable: Option<Undecodable>,
    /// The node of the last plain value, and its number of samples.
    last: Option<(At, usize)>,
    /// The node that was reached last.
    reached: At,
    /// The variant to fill in for each enum that is not recorded.
    shallow: Vec<(NodeKind, usize)>,
    /// The enums being filled in, by their index in `shallow`.
    making: Vec<usize>,
    /// Set if a filled-in value does not end.
    endless: bool,
    runs: usize,
}

/// Deserializes a type until all of it is recorded.
pub(super) fn record<T: DeserializeOwned>(most_again: usize) -> Notes {
    let notes = RefCell::new(Notes {
        tree: Tree::new(most_again),
        undecodable: None,
        last: None,
        reached: ROOT,
        shallow: Vec::new(),
        making: Vec::new(),
        endless: false,
        runs: 0,
    });
    while notes.borrow_mut().begin(most_again) {
        let recorder = Recorder {
            notes: &notes,
            place: Position::Noted(ROOT),
        };
        // A panic of the type counts as a refusal.
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(recorder).is_ok()));
        notes.borrow_mut().end(run.unwrap_or(false));
    }
    notes.into_inner()
}

impl Notes {
    /// Returns whether the record is complete, within the limits.
    pub(super) fn is_whole(&self) -> bool {
        self.runs < MOST_RUNS && !self.tree.is_full()
    }

    fn begin(&mut self, most_again: usize) -> bool {
        let more = !self.tree.nodes[ROOT].done && self.undecodable.is_none();
        // A type that exceeds the limits is recorded again with fewer rounds, if there are fewer.
        let vain = most_again > 1 && self.tree.is_full();
        if !more || vain || self.runs >= MOST_RUNS {
            return false;
        }
        self.runs += 1;
        (self.last, self.reached, self.endless) = (None, ROOT, false);
        self.making.clear();
        true
    }

    /// Selects another sample or variant after a run that the type refused.
    fn end(&mut self, accepted: bool) {
        if !accepted {
            if self.endless && self.make_another_variant() {
                return;
            }
            if let Some((at, samples)) = self.last
                && self.tree.nodes[at].sample + 1 < samples
            {
                self.tree.nodes[at].sample += 1;
                return;
            }
            self.tree.refuse(self.reached);
        }
        self.tree.settle();
    }

    /// Selects the next variant of the innermost filled-in enum that has one.
    fn make_another_variant(&mut self) -> bool {
        for at in self.making.drain(..).rev() {
            let (shape, variant) = &mut self.shallow[at];
            if let NodeKind::Enum(_, variants) = shape
                && *variant + 1 < variants.len()
            {
                *variant += 1;
                return true;
            }
        }
        false
    }

    /// Returns the index of an enum in `shallow`.
    fn shallow(&mut self, shape: NodeKind) -> usize {
        let known = self.shallow.iter().position(|(known, _)| *known == shape);
        known.unwrap_or_else(|| {
            self.shallow.push((shape, 0));
            self.shallow.len() - 1
        })
    }
}

/// The position of a value.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// At a node, which records it.
    Noted(At),
    /// Not recorded: filled in with as short a value as there is, `depth` levels deep, with the
    /// sample of the node `like`, if it is known.
    Filled { like: Option<At>, depth: usize },
}

#[derive(Clone, Copy)]
pub(super) struct Recorder<'n> {
    notes: &'n RefCell<Notes>,
    place: Position,
}

/// The error that ends a run: the type refused, or is not to be recorded further. It has no text of
/// the type.
#[derive(Debug)]
pub(super) struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample value was refused")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_words: T) -> Self {
        Self
    }
}

impl Recorder<'_> {
    /// Returns the sample for a plain value.
    fn sample<T: Copy>(&self, kind: &'static str, samples: &[T]) -> Result<T, Stop> {
        let mut notes = self.notes.borrow_mut();
        let at = match self.place {
            Position::Noted(at) => {
                notes.reached = at;
                notes.tree.enter(at, NodeKind::Plain(kind));
                Some(at)
            }
            Position::Filled { like, .. } => like,
        };
        let node = at.filter(|at| {
            let shape = notes.tree.nodes[*at].shape;
            shape == NodeKind::Plain(kind) || shape == NodeKind::Deep
        });
        notes.last = node.map(|at| (at, samples.len()));
        let sample = node.map_or(0, |at| notes.tree.nodes[at].sample);
        samples.get(sample).copied().ok_or(Stop)
    }

    /// Records a request for a value with parts, and returns the position of its parts: at the
    /// node's, or not recorded.
    fn parts(&self, shape: NodeKind) -> Result<Position, Stop> {
        let mut notes = self.notes.borrow_mut();
        match self.place {
            Position::Noted(at) => {
                notes.reached = at;
                if notes.tree.enter(at, shape) {
                    return Ok(Position::Noted(at));
                }
                let like = notes.tree.around(at, shape);
                Ok(Position::Filled { like, depth: 0 })
            }
            Position::Filled { depth, .. } if depth >= MOST_FILLED => {
                notes.endless = true;
                Err(Stop)
            }
            Position::Filled { like, depth } => {
                let like = like.filter(|at| notes.tree.nodes[*at].shape == shape);
                let depth = depth + 1;
                Ok(Position::Filled { like, depth })
            }
        }
    }

    fn undecodable<T>(&self, why: Undecodable) -> Result<T, Stop> {
        self.notes.borrow_mut().undecodable = Some(why);
        Err(Stop)
    }
}

/// The parts of a value, in order.
struct Parts<'n> {
    notes: &'n RefCell<Notes>,
    of: Position,
    next: usize,
    count: usize,
}

impl<'n> Parts<'n> {
    fn new(notes: &'n RefCell<Notes>, of: Position, count: usize) -> Self {
        Self {
            notes,
            of,
            next: 0,
            count,
        }
    }

    /// The only part.
    fn one(notes: &'n RefCell<Notes>, of: Position) -> Recorder<'n> {
        Self::new(notes, of, 1).part()
    }

    fn part(&mut self) -> Recorder<'n> {
        let number = self.next;
        self.next += 1;
        let mut notes = self.notes.borrow_mut();
        let place = match self.of {
            Position::Noted(at) => {
                let long = matches!(
                    notes.tree.nodes[at].shape,
                    NodeKind::Tuple(_) | NodeKind::TupleStruct(..) | NodeKind::TupleVariant(_)
                );
                if long && number >= MOST_PARTS {
                    let like = notes.tree.nodes[at].children.first().copied();
                    Position::Filled { like, depth: 0 }
                } else {
                    Position::Noted(notes.tree.child(at, number))
                }
            }
            Position::Filled { like, depth } => {
                let like = like.and_then(|at| notes.tree.nodes[at].children.get(number).copied());
                Position::Filled { like, depth }
            }
        };
        Recorder {
            notes: self.notes,
            place,
        }
    }
}

/// One element, or none if it is not recorded.
fn elements(place: Position) -> usize {
    match place {
        Position::Noted(_) => 1,
        Position::Filled { .. } => 0,
    }
}

const STRINGS: &[&str] = &[
    "a",
    "",
    "1",
    "A",
    "/",
    "a.a",
    "1.0.0",
    "true",
    "127.0.0.1",
    "127.0.0.1:1",
    "1970-01-01",
    "00:00:00",
    "1970-01-01T00:00:00",
    "1970-01-01T00:00:00Z",
    "a@a.a",
    "http://a.a/",
    "00000000-0000-0000-0000-000000000000",
];
const BYTES: &[&[u8]] = &[
    &[1],
    &[],
    &[1; 2],
    &[1; 4],
    &[1; 6],
    &[1; 8],
    &[1; 12],
    &[1; 16],
    &[1; 20],
    &[1; 32],
    &[1; 64],
];

macro_rules! plain {
    ($($method:ident $visit:ident $kind:literal $samples:expr;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.$visit(self.sample($kind, $samples)?)
        }
    )+};
}

macro_rules! self_describing {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
            self.undecodable(Undecodable::SelfDescribing)
        }
    )+};
}

/// Implements the methods of values with so many parts.
macro_rules! sequences {
    ($($method:ident($($name:ident: $type:ty),*) $shape:expr, $len:expr;)+) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, Stop> {
            let place = self.parts($shape)?;
            visitor.visit_seq(Parts::new(self.notes, place, $len))
        }
    )+};
}

impl<'de> Deserializer<'de> for Recorder<'_> {
    type Error = Stop;

    plain! {
        deserialize_bool visit_bool "bool" &[false, true];
        deserialize_i8 visit_i8 "i8" &[1, 0, 2, 100, -1];
        deserialize_i16 visit_i16 "i16" &[1, 0, 2, 100, -1];
        deserialize_i32 visit_i32 "i32" &[1, 0, 2, 100, -1];
        deserialize_i64 visit_i64 "i64" &[1, 0, 2, 100, -1];
        deserialize_i128 visit_i128 "i128" &[1, 0, 2, 100, -1];
        deserialize_u8 visit_u8 "u8" &[1, 0, 2, 100];
        deserialize_u16 visit_u16 "u16" &[1, 0, 2, 100];
        deserialize_u32 visit_u32 "u32" &[1, 0, 2, 100];
        deserialize_u64 visit_u64 "u64" &[1, 0, 2, 100];
        deserialize_u128 visit_u128 "u128" &[1, 0, 2, 100];
        deserialize_f32 visit_f32 "f32" &[1.0, 0.0, 0.5, -1.0];
        deserialize_f64 visit_f64 "f64" &[1.0, 0.0, 0.5, -1.0];
        deserialize_char visit_char "char" &['a', '1', 'A'];
        deserialize_str visit_borrowed_str "string" STRINGS;
        deserialize_string visit_str "string" STRINGS;
        deserialize_bytes visit_borrowed_bytes "bytes" BYTES;
        deserialize_byte_buf visit_bytes "bytes" BYTES;
    }

    self_describing! {
        deserialize_any deserialize_identifier deserialize_ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.sample("()", &[()])?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.parts(NodeKind::Unit(name))?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name == HANDLE {
            return self.undecodable(Undecodable::Handle);
        }
        if name == END {
            return self.undecodable(Undecodable::End);
        }
        let place = self.parts(NodeKind::Newtype(name))?;
        visitor.visit_newtype_struct(Parts::one(self.notes, place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.parts(NodeKind::Option)? {
            Position::Filled { .. } => visitor.visit_none(),
            noted => visitor.visit_some(Parts::one(self.notes, noted)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let place = self.parts(NodeKind::Seq)?;
        visitor.visit_seq(Parts::new(self.notes, place, elements(place)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let place = self.parts(NodeKind::Map)?;
        visitor.visit_map(Parts::new(self.notes, place, 2 * elements(place)))
    }

    sequences! {
        deserialize_tuple(len: usize) NodeKind::Tuple(len), len;
        deserialize_tuple_struct(
            name: &'static str, len: usize
        ) NodeKind::TupleStruct(name, len), len;
        deserialize_struct(
            name: &'static str, fields: Names
        ) NodeKind::Struct(name, fields), fields.len();
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: Names,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let shape = NodeKind::Enum(name, variants);
        let place = self.parts(shape)?;
        let mut notes = self.notes.borrow_mut();
        let variant = match place {
            Position::Noted(at) => notes.tree.variant(at, variants.len()),
            Position::Filled { .. } => {
                let known = notes.shallow(shape);
                notes.making.push(known);
                notes.shallow[known].1
            }
        };
        let mut content = Parts::new(self.notes, place, variants.len());
        content.next = variant;
        drop(notes);
        let content = content.part();
        let made = visitor.visit_enum(Chosen { variant, content })?;
        let mut notes = self.notes.borrow_mut();
        match (place, content.place) {
            (Position::Noted(_), Position::Noted(at)) => notes.tree.nodes[at].passed = true,
            _ => drop(notes.making.pop()),
        }
        Ok(made)
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if self.next == self.count {
            return Ok(None);
        }
        seed.deserialize(self.part()).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.next)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(self.part())
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.count - self.next) / 2)
    }
}

/// An enum's variant, and the position of its content.
struct Chosen<'n> {
    variant: usize,
    content: Recorder<'n>,
}

impl<'de, 'n> EnumAccess<'de> for Chosen<'n> {
    type Error = Stop;
    type Variant = Recorder<'n>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Recorder<'n>), Stop> {
        let number = u32::try_from(self.variant).map_err(|_| Stop)?;
        let number: U32Deserializer<Stop> = number.into_deserializer();
        Ok((seed.deserialize(number)?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Recorder<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.parts(NodeKind::UnitVariant).map(drop)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        let place = self.parts(NodeKind::NewtypeVariant)?;
        seed.deserialize(Parts::one(self.notes, place))
    }

    sequences! {
        tuple_variant(len: usize) NodeKind::TupleVariant(len), len;
        struct_variant(fields: Names) NodeKind::StructVariant(fields), fields.len();
    }
}
