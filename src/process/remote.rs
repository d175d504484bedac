//! Errors that cross to another process.

use std::any::{TypeId, type_name};
use std::error::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;

/// The most causes that cross; an error may be its own cause.
const MAX_CAUSES: usize = 32;

/// An error that crosses to another process as itself, not only as text.
///
/// Implement it for an error that serde can encode and decode; there is nothing to write. A
/// function that returns a [`RemoteError`] then converts it by `?`, and [`RemoteError::downcast`]
/// gives it back in the parent.
///
/// # Examples
/// ```
/// use std::fmt;
///
/// use crossdock::process::{self, JoinError, PortableError, RemoteError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Burnt {
///     minutes: u32,
/// }
///
/// impl fmt::Display for Burnt {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "burnt after {} minutes", self.minutes)
///     }
/// }
///
/// impl std::error::Error for Burnt {}
/// impl PortableError for Burnt {}
///
/// fn bake(minutes: u32) -> Result<String, RemoteError> {
///     if minutes > 40 {
///         Err(Burnt { minutes })?;
///     }
///     Ok("a loaf".to_owned())
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     assert_eq!(process::try_spawn(bake, 30)?.join()?, "a loaf");
///     match process::try_spawn(bake, 60)?.join() {
///         Err(JoinError::Failed(error)) => {
///             assert_eq!(error.to_string(), "burnt after 60 minutes");
///             assert_eq!(error.downcast(), Some(Burnt { minutes: 60 }));
///         }
///         other => panic!("{other:?}"),
///     }
///     Ok(())
/// }
/// ```
pub trait PortableError: Error + Serialize + DeserializeOwned + 'static {}

/// The error that a function returned in another process: its text, and those of its causes.
///
/// Its `Display` is that of the error, its [`source`](Error::source) the cause, which is a
/// `RemoteError` too, up to 32 causes deep. `Debug` is the text and the causes, separated by
/// colons. An error whose type is a [`PortableError`] is itself there as well, see
/// [`downcast`](Self::downcast).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteError {
    message: String,
    source: Option<Box<RemoteError>>,
    itself: Option<EncodedError>,
}

/// An encoded error, with what says which type it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EncodedError {
    type_name: String,
    /// Of the type's id. Processes of one program agree on it.
    type_hash: u64,
    bytes: Vec<u8>,
}

impl RemoteError {
    /// Returns the error itself, if its type is `E`, a [`PortableError`].
    pub fn downcast<E: PortableError>(&self) -> Option<E> {
        let itself = self.itself.as_ref()?;
        let same = itself.type_name == type_name::<E>() && itself.type_hash == type_hash::<E>();
        if !same {
            return None;
        }
        codec::decode(&itself.bytes).ok()
    }

    /// Returns what crosses of an error that a function returned: a `RemoteError` as it is.
    pub(in crate::process) fn of(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::described(&*error),
        }
    }

    /// Returns the texts of an error and of its causes.
    fn described(error: &(dyn Error + 'static)) -> Self {
        let mut texts = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next.filter(|_| texts.len() <= MAX_CAUSES) {
            texts.push(error.to_string());
            next = error.source();
        }
        let nest = |source: Option<Box<Self>>, message| {
            Some(Box::new(Self {
                message,
                source,
                itself: None,
            }))
        };
        let nested = texts.into_iter().rev().fold(None, nest);
        nested.map_or_else(|| Self::with_message(String::new()), |error| *error)
    }

    pub(crate) fn with_message(message: String) -> Self {
        Self {
            message,
            source: None,
            itself: None,
        }
    }
}

/// Two types of one name, of two versions of a crate, have two ids.
fn type_hash<E: 'static>() -> u64 {
    let mut hasher = DefaultHasher::new();
    TypeId::of::<E>().hash(&mut hasher);
    hasher.finish()
}

impl<E: PortableError> From<E> for RemoteError {
    fn from(error: E) -> Self {
        let mut described = Self::described(&error);
        // What does not encode, such as a handle of shared memory, crosses as text.
        described.itself = codec::encode(&error).ok().map(|bytes| EncodedError {
            type_name: type_name::<E>().to_owned(),
            type_hash: type_hash::<E>(),
            bytes,
        });
        described
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source:?}"),
            None => Ok(()),
        }
    }
}

impl Error for RemoteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}
