//! Attributes by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Dict, ObjectError, ObjectOptions, Stored};
use crate::codec;
use crate::format::{Kind, PayloadShape};
use crate::payload::ValueError;
use crate::segment::fault::plain_errors;
use crate::segment::{Entry, EntryError, Fault, Placeable};

/// Attributes by name, each of a type of its own: what processes tell each other of themselves.
///
/// As Python's `Namespace`. An attribute has the name of its type with it, and is read as that type
/// only; setting it may change the type. Where all attributes are known beforehand, a struct in a
/// [`Shared`](crate::Shared) is checked by the compiler.
///
/// # Examples
///
/// ```
/// use crossdock::{Namespace, Segment};
///
/// let state = Segment::anonymous()?.create::<Namespace>("state", 20)?;
/// state.set("phase", &"warm-up".to_owned())?;
/// state.set("rounds", &3_u32)?;
/// assert_eq!(state.get::<u32>("rounds")?, Some(3));
/// assert_eq!(state.get::<u32>("hosts")?, None);
/// assert!(state.get::<u32>("phase").is_err(), "it is a String");
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone)]
pub struct Namespace(Dict<String, Attribute>);

/// The value of an attribute, encoded, and what its type is to serde.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Attribute {
    type_name: String,
    bytes: Vec<u8>,
}

/// Shows the type.
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = self
            .type_name
            .rsplit_once('#')
            .unwrap_or((&self.type_name, ""));
        f.write_str(name)
    }
}

plain_errors! {
    /// The error of an attribute of a [`Namespace`].
    pub enum AttributeError {
        /// The attribute is of another type.
        OtherType {
            /// The type that was asked for.
            expected: String,
            /// The type that was set.
            found: String,
        } => "expected an attribute of type {expected}, found {found}",
        /// No value of the type can be an attribute.
        Undecodable(reason: crate::segment::Text) => "the attribute cannot be decoded: {reason}",
        ..
        /// The error of the object.
        Object(ObjectError) by ?,
    }
}

impl From<ValueError> for AttributeError {
    fn from(error: ValueError) -> Self {
        Self::Object(error.into())
    }
}

impl From<Fault> for AttributeError {
    fn from(fault: Fault) -> Self {
        Self::Object(fault.into())
    }
}

impl Namespace {
    changes_of!("namespace", |this| this.0.store);

    /// Sets an attribute. Blocks while another process changes the namespace.
    ///
    /// # Errors
    ///
    /// [`AttributeError::Object`] as [`Dict::insert`]; [`AttributeError::Undecodable`].
    pub fn set<T: Stored>(&self, name: &str, value: &T) -> Result<(), AttributeError> {
        let attribute = Attribute {
            type_name: type_name::<T>()?,
            bytes: codec::encode(value)?,
        };
        self.0.insert(&name.to_owned(), &attribute)?;
        Ok(())
    }

    /// Returns an attribute; `None` if it is not set. Never blocks.
    ///
    /// # Errors
    ///
    /// [`AttributeError::OtherType`] if it was set as another type; [`AttributeError::Object`] as
    /// [`Dict::get`].
    pub fn get<T: Stored>(&self, name: &str) -> Result<Option<T>, AttributeError> {
        let expected = type_name::<T>()?;
        match self.0.get(name)? {
            None => Ok(None),
            Some(attribute) if attribute.type_name == expected => {
                Ok(Some(codec::decode(&attribute.bytes)?))
            }
            Some(attribute) => Err(AttributeError::OtherType {
                expected,
                found: attribute.type_name,
            }),
        }
    }

    /// Removes an attribute, and returns whether it was set. Blocks as [`set`](Self::set) does.
    ///
    /// # Errors
    ///
    /// [`AttributeError::Object`] as [`Dict::remove`].
    pub fn remove(&self, name: &str) -> Result<bool, AttributeError> {
        Ok(self.0.remove(name)?.is_some())
    }

    /// Returns the names of all attributes, in no order, as [`Dict::keys`] does. Never blocks.
    ///
    /// # Errors
    ///
    /// [`AttributeError::Object`].
    pub fn names(&self) -> Result<Vec<String>, AttributeError> {
        let names = self.0.keys().collect::<Result<_, _>>();
        Ok(names?)
    }
}

/// The name of a type, by which it is compared.
fn type_name<T: Stored>() -> Result<String, AttributeError> {
    match codec::name_of::<T>() {
        Ok(name) => Ok(name.to_string()),
        Err(undecodable) => Err(AttributeError::Undecodable(undecodable.reason().into())),
    }
}

/// Shows the names with their types. Never blocks.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Placeable for Namespace {
    type Config = ObjectOptions;

    const KIND: Kind = Kind::Namespace;

    fn payload() -> PayloadShape {
        Dict::<String, Attribute>::payload()
    }

    fn words(options: &ObjectOptions) -> [u64; 4] {
        options.words()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Dict::<String, Attribute>::size(config, participants)
    }

    fn refused(options: &ObjectOptions) -> EntryError {
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        Dict::of(entry, Kind::Namespace).map(Self)
    }

    fn entry(&self) -> &Entry {
        self.0.entry()
    }
}
