//! The faults that can happen to every operation, and the macros that declare errors.

use std::fmt;
use std::io;

use crate::format::Kind;
use crate::segment::entry_error::one;
use crate::sys::descriptor::{NO_DESCRIPTOR, NO_SYSTEM_DESCRIPTOR};

/// The errno of an error that has none.
const EIO: i32 = 5;

/// A request that the system refused, with the number of the error.
///
/// It is `Copy`, comparable, and means the same in another process, unlike [`io::Error`], into
/// which it converts.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub struct SystemError {
    what: Text,
    errno: i32,
}

/// A text of the program in an error. It means the same in another process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text(&'static str);

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self(text)
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl SystemError {
    /// Returns the error of a refused request `what`, a noun phrase.
    #[cold]
    pub(crate) fn new(what: &'static str, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(EIO);
        let what = Text(what);
        Self { what, errno }
    }

    /// Returns the request.
    pub fn what(&self) -> &'static str {
        self.what.0
    }

    /// Returns the number of the error, as in errno(3).
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> io::ErrorKind {
        io::Error::from(*self).kind()
    }
}

impl From<SystemError> for io::Error {
    fn from(error: SystemError) -> Self {
        Self::from_raw_os_error(error.errno)
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.what.0, io::Error::from(*self))?;
        if [NO_DESCRIPTOR, NO_SYSTEM_DESCRIPTOR].contains(&self.errno) {
            let cure = "drop handles, or raise the limit on open files (RLIMIT_NOFILE, ulimit -n)";
            write!(f, "; {cure}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SystemError {}

/// The error of a process that is not a participant of a segment.
///
/// Most operations join at their first use, and so can fail with this error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum MembershipError {
    /// The registry is full, also after the entries of dead participants were reclaimed: as many
    /// processes as the segment was made for take part in it, or an entry cannot be freed (see
    /// [`Reaping::stuck`](super::Reaping::stuck)).
    RegistryFull {
        /// The number of registry entries.
        participants: u32,
    },
    /// The membership was lost: other code of this process unmapped the page that proves to the
    /// peers that this process is alive, or the registry was overwritten with garbage, so the peers
    /// took this process for dead. What it held was recovered as a dead owner's. The next operation
    /// joins anew.
    ///
    /// Closing descriptors does not have this effect: it keeps a process from asking which peers
    /// are alive, which is an error of its own, [`System`](Self::System).
    Lost,
    /// The system refused a request; or other code of this process has closed the segment's
    /// descriptor (`close_range`, a daemonizing library), without which a process cannot ask which
    /// peers are alive. What this process holds stays its own, and operations that need no answer
    /// go on. Opening a named segment once more repairs all its handles.
    System(SystemError),
}

impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistryFull { participants } => write!(
                f,
                "the registry is full: the segment has room for {participants} participants \
                 (SegmentOptions::participants makes more)"
            ),
            Self::Lost => {
                f.write_str("other code has unmapped the page that kept this process a participant")
            }
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MembershipError {}

/// A fault that can happen to every operation on shared memory. Every error of an operation has it
/// as a variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Fault {
    /// A word in the segment has a value that crossdock never writes there. The operation changed
    /// nothing.
    Corrupt {
        /// The primitive that the word belongs to.
        kind: Kind,
        /// The value found; 0 if unknown.
        word: u64,
    },
    /// This process is not a participant of the segment.
    NotMember(MembershipError),
    /// This process no longer owns the handle's claim (a lock, a loan, a delivery, an endpoint): it
    /// is a forked child of the owner, or the owner's membership was [lost](MembershipError::Lost).
    NotOwner,
}

impl Fault {
    /// Returns the fault of a word of a `kind` that has an impossible value.
    #[cold]
    pub(crate) fn corrupt(kind: Kind, word: impl Into<u64>) -> Self {
        let word = word.into();
        Self::Corrupt { kind, word }
    }
}

impl From<MembershipError> for Fault {
    fn from(error: MembershipError) -> Self {
        Self::NotMember(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { kind, word: 0 } => {
                write!(
                    f,
                    "expected the state of {}, found something else",
                    one(kind)
                )
            }
            Self::Corrupt { kind, word } => {
                write!(f, "expected the state of {}, found {word:#x}", one(kind))
            }
            Self::NotMember(error) => error.fmt(f),
            Self::NotOwner => f.write_str(
                "this process no longer owns it: it is a forked child of the owner, or its \
                 membership was lost",
            ),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(feature = "process")]
mod text;

/// Declares the errors of an operation: each variant with its docs and its text, and [`Fault`]
/// last. Variants may have fields, which the text may name.
///
macro_rules! errors {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $($variants:tt)* }
    )+) => {$(
        $crate::segment::fault::plain_errors! {
            $(#[$meta])*
            #[derive(Copy)]
            pub enum $name {
                $($variants)*
                ..
                /// A fault that can happen to every operation.
                Fault($crate::segment::Fault),
            }
        }

        impl From<$crate::segment::Fault> for $name {
            fn from(fault: $crate::segment::Fault) -> Self {
                Self::Fault(fault)
            }
        }

        impl From<$crate::segment::MembershipError> for $name {
            fn from(error: $crate::segment::MembershipError) -> Self {
                Self::Fault(error.into())
            }
        }

    )+};
}
pub(crate) use errors;

/// As [`errors`], without [`Fault`]. A variant may hold one value in parentheses; `from` names the
/// field that is the error's source, 0 for that value; `through`, the field that the text has
/// already, whose source is the error's. A text may have arguments. After `..` come
/// variants that wrap another error, and say what it says; with `by ?` it converts into them.
macro_rules! plain_errors {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(
                $(#[$about:meta])*
                $variant:ident
                $({ $($(#[$of:meta])* $field:ident: $ty:ty),+ $(,)? })?
                $(($held:ident: $holds:ty))?
                => $text:literal $(($($argument:expr),+))? $(from $source:tt)? $(through $told:tt)?,
            )*
            $(.. $($(#[$wraps:meta])* $wrapper:ident($inner:ty) $(by $mark:tt)?,)+)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant $({ $($(#[$of])* $field: $ty),+ })? $(($holds))?,)*
            $($($(#[$wraps])* $wrapper($inner),)+)?
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant { $($($field),+)? $(0: $held)? } => {
                        $($(let _ = $field;)+)?
                        $(let _ = $held;)?
                        write!(f, $text $(, $($argument),+)?)
                    })*
                    $($(Self::$wrapper(error) => error.fmt(f),)+)?
                }
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $(Self::$variant { $($source: source,)? $($told: told,)? .. } => {
                        $crate::segment::fault::source_of!($(source, $source)? $(of told, $told)?)
                    })*
                    $($(Self::$wrapper(error) => std::error::Error::source(error),)+)?
                }
            }
        }

        #[cfg(test)]
        impl $crate::error::tests::Sample for $name {
            fn samples() -> Vec<Self> {
                $crate::error::tests::twice(|_round| vec![
                    $(Self::$variant
                        $({ $($field: $crate::error::tests::Sample::sample(_round)),+ })?
                        $((<$holds as $crate::error::tests::Sample>::sample(_round)))?,)*
                    $($(Self::$wrapper(<$inner as $crate::error::tests::Sample>::sample(_round)),)+)?
                ])
            }
        }

        $($($($crate::segment::fault::converted!($inner, $mark $name::$wrapper);)?)+)?
    )+};
}
pub(crate) use plain_errors;

/// Converts an error into the variant that wraps it.
macro_rules! converted {
    ($inner:ty, ? $name:ident::$wrapper:ident) => {
        impl From<$inner> for $name {
            fn from(error: $inner) -> Self {
                Self::$wrapper(error)
            }
        }
    };
}
pub(crate) use converted;

/// The source of an error, if a field is named that is it.
macro_rules! source_of {
    () => {
        None
    };
    ($source:ident, $field:tt) => {
        Some($source)
    };
    (of $told:ident, $field:tt) => {
        std::error::Error::source($told)
    };
}
pub(crate) use source_of;

/// As [`errors`], for errors that return a value: every variant has it, and may have one more
/// field, which its text names.
macro_rules! errors_with_value {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident<T> {
            $($(#[$about:meta])* $variant:ident $(($detail:ident: $ty:ty))? => $text:literal,)*
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name<T> {
            $($(#[$about])* $variant(T $(, $ty)?),)*
            /// A fault that can happen to every operation.
            Fault(T, $crate::segment::Fault),
        }

        impl From<$crate::segment::Fault> for $name<()> {
            fn from(fault: $crate::segment::Fault) -> Self {
                Self::Fault((), fault)
            }
        }

        impl From<$crate::segment::MembershipError> for $name<()> {
            fn from(error: $crate::segment::MembershipError) -> Self {
                Self::Fault((), error.into())
            }
        }

        impl<T> $name<T> {
            /// Returns the value.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$variant(value, ..) => value,)*
                    Self::Fault(value, _) => value,
                }
            }

            /// Returns the same error with another value.
            ///
            /// Out of line if the value is large: with one of megabytes, optimisers take minutes
            /// over the copies.
            #[inline(always)]
            pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> $name<U> {
                if size_of::<U>() > 64 {
                    return self.map_apart(change);
                }
                self.map_here(change)
            }

            #[cold]
            #[inline(never)]
            fn map_apart<U>(self, change: impl FnOnce(T) -> U) -> $name<U> {
                self.map_here(change)
            }

            #[inline(always)]
            fn map_here<U>(self, change: impl FnOnce(T) -> U) -> $name<U> {
                match self {
                    $(Self::$variant(value $(, $detail)?) => $name::$variant(change(value) $(, $detail)?),)*
                    Self::Fault(value, fault) => $name::Fault(change(value), fault),
                }
            }
        }

        /// Formats the fault without the value.
        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant(..) => f.write_str(concat!(stringify!($variant), "(..)")),)*
                    Self::Fault(_, fault) => write!(f, "Fault(.., {fault:?})"),
                }
            }
        }

        impl<T> std::fmt::Display for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant(_ $(, $detail)?) => write!(f, $text),)*
                    Self::Fault(_, fault) => fault.fmt(f),
                }
            }
        }

        impl<T> std::error::Error for $name<T> {}

        #[cfg(test)]
        impl $crate::error::tests::Sample for $name<()> {
            fn samples() -> Vec<Self> {
                $crate::error::tests::twice(|round| vec![
                    $(Self::$variant(() $(, <$ty as $crate::error::tests::Sample>::sample(round))?),)*
                    Self::Fault((), $crate::error::tests::Sample::sample(round)),
                ])
            }
        }
    )+};
}
pub(crate) use errors_with_value;

/// Declares the errors of an operation that fails as another one does, and in one way more: the
/// first variant, with its docs and its text, and the error of the other operation, `else`, which
/// may carry a guard `G`.
macro_rules! errors_around {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident $(<$guard:ident>)? {
            $(#[$about:meta])*
            $variant:ident $({ $($(#[$of:meta])* $field:ident: $ty:ty),+ $(,)? })? => $text:literal,
            $(#[$inner_about:meta])*
            else $inner:ident($error:ty)
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name $(<$guard = ()>)? {
            $(#[$about])*
            $variant $({ $($(#[$of])* $field: $ty),+ })?,
            $(#[$inner_about])*
            $inner($error),
        }

        impl$(<$guard>)? From<$error> for $name $(<$guard>)? {
            fn from(error: $error) -> Self {
                Self::$inner(error)
            }
        }

        impl$(<$guard>)? From<$crate::segment::Fault> for $name $(<$guard>)? {
            fn from(fault: $crate::segment::Fault) -> Self {
                Self::$inner(fault.into())
            }
        }

        impl$(<$guard>)? From<$crate::segment::MembershipError> for $name $(<$guard>)? {
            fn from(error: $crate::segment::MembershipError) -> Self {
                Self::$inner(error.into())
            }
        }

        impl$(<$guard>)? std::fmt::Display for $name $(<$guard>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::$variant $({ $($field),+ })? => write!(f, $text),
                    Self::$inner(error) => error.fmt(f),
                }
            }
        }

        /// Shows what happened, not what a lock protects.
        impl$(<$guard>)? std::fmt::Debug for $name $(<$guard>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::$variant $({ $($field),+ })? => f
                        .debug_struct(stringify!($variant))
                        $($(.field(stringify!($field), $field))+)?
                        .finish(),
                    Self::$inner(error) => f.debug_tuple(stringify!($inner)).field(error).finish(),
                }
            }
        }

        impl$(<$guard>)? std::error::Error for $name $(<$guard>)? {}

        #[cfg(test)]
        impl $crate::error::tests::Sample for $name {
            fn samples() -> Vec<Self> {
                $crate::error::tests::twice(|round| vec![
                    Self::$variant $({ $($field: $crate::error::tests::Sample::sample(round)),+ })?,
                    Self::$inner($crate::error::tests::Sample::sample(round)),
                ])
            }
        }
    )+};
}
pub(crate) use errors_around;

errors! {
    /// Why a role that one process has at a time was not claimed: an end of a
    /// [ring for two](crate::queue::spsc).
    pub enum ClaimError {
        /// A live process has the role: another one, or another handle of this one.
        RoleTaken {
            /// Its process id, in its own PID namespace; for people.
            pid: u32
        } => "process {pid} has the role",
    }
}

#[cfg(test)]
mod tests;
