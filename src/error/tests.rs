//! What every error of the crate says: in lower case, without a full stop, and its cause once.

mod complete;
mod samples;

use std::error::Error as StdError;

use super::*;
use crate::payload::ValueError;
use crate::segment::NameError;
#[cfg(feature = "process")]
use samples::name;
use samples::{membership, refused, too_long, value};

/// What can be in an error: samples of it are what the tests walk over.
pub(crate) trait Sample: Sized {
    /// Returns a value of each variant, or several.
    fn samples() -> Vec<Self>;

    /// Returns the sample of a round: the first in round 0.
    fn sample(round: usize) -> Self {
        let mut all = Self::samples();
        all.swap_remove(round % all.len())
    }
}

/// Returns the samples of two rounds: of each optional part, one with it and one without.
pub(crate) fn twice<E>(samples: impl Fn(usize) -> Vec<E>) -> Vec<E> {
    [0, 1].into_iter().flat_map(samples).collect()
}

/// An error, and the name of its type.
pub(super) type Walked = (&'static str, Box<dyn StdError>);

/// Adds the samples of a type to `all`.
pub(super) fn walk_to<E: Sample + StdError + 'static>(name: &'static str, all: &mut Vec<Walked>) {
    all.extend(E::samples().into_iter().map(|error| (name, error.into())));
}

/// Returns samples of all errors.
fn walk() -> Vec<Walked> {
    let mut all = Error::samples_of_all();
    walk_to::<NameError>("NameError", &mut all);
    walk_to::<OpenOrCreateError>("OpenOrCreateError", &mut all);
    walk_to::<PairError>("PairError", &mut all);
    #[cfg(feature = "process")]
    {
        walk_to::<CodecError>("CodecError", &mut all);
        walk_to::<ForkServerError>("ForkServerError", &mut all);
        walk_to::<OptionError>("OptionError", &mut all);
        walk_to::<RemoteError>("RemoteError", &mut all);
    }
    all
}

/// Makes samples of errors that no macro declares. The match does not compile if a variant is
/// missing.
macro_rules! samples {
    ($($(#[$gate:meta])? $error:ty { $($pattern:pat => $value:expr),+ $(,)? })+) => {$(
        $(#[$gate])?
        impl Sample for $error {
            fn samples() -> Vec<Self> {
                let values: Vec<Self> = vec![$($value),+];
                for value in &values {
                    match value { $($pattern => {})+ }
                }
                values
            }
        }
    )+};
}

samples! {
    TooLongError { _ => too_long() }
    ContentError {
        ContentError::Length { .. } => ContentError::Length { len: 2, limit: 1 },
        ContentError::NotUtf8 { .. } => ContentError::NotUtf8 { valid_up_to: 2 },
    }
    NameError {
        NameError::Empty => NameError::Empty,
        NameError::TooLong { .. } => NameError::TooLong { len: 65, max: 64 },
        NameError::Forbidden { .. } => NameError::Forbidden { character: '/' },
        NameError::Dots => NameError::Dots,
    }
    SystemError {
        _ => SystemError::new("mmap of the segment", &refused()),
    }
    Fault {
        Fault::Corrupt { .. } => Fault::corrupt(crate::segment::Kind::Queue, 1_u64),
        Fault::NotMember(_) => Fault::NotMember(membership()),
        Fault::NotOwner => Fault::NotOwner,
    }
    MembershipError {
        MembershipError::RegistryFull { .. } => MembershipError::RegistryFull { participants: 2 },
        MembershipError::Lost => MembershipError::Lost,
        MembershipError::System(_) => membership(),
    }
    LockError {
        LockError::OwnerDied(()) => LockError::OwnerDied(()),
        LockError::Poisoned(()) => LockError::Poisoned(()),
        LockError::TooManyReaders { .. } => LockError::TooManyReaders { most: 1023 },
        LockError::TooDeep { .. } => LockError::TooDeep { most: u32::MAX },
        LockError::Fault(_) => LockError::Fault(membership().into()),
    }
    ValueError {
        _ => value(),
    }
    #[cfg(feature = "process")]
    CodecError {
        _ => CodecError::from(value()),
    }
    #[cfg(feature = "process")]
    RemoteError {
        _ => RemoteError::with_message(name()),
    }
    #[cfg(feature = "process")]
    MapError {
        _ => MapError { index: 3, error: TaskError::Cancelled },
    }
}

#[cfg(feature = "process")]
use crate::process::{CodecError, ForkServerError, MapError, OptionError, RemoteError, TaskError};

#[test]
fn every_error_begins_in_lower_case_and_has_no_full_stop() {
    for (error, value) in walk() {
        let words = value.to_string();
        assert!(!words.is_empty(), "{error}: {value:?}");
        assert!(
            !words.ends_with(['.', '!', '\n', ' ']),
            "{error}: {words:?}"
        );
        let first = words.chars().next().expect("not empty");
        // An option that is named at the beginning may be written as it is.
        assert!(!first.is_uppercase(), "{error}: {words:?}");
    }
}

#[test]
fn an_error_of_a_main_shows_its_text_and_its_causes() {
    let error = Error::from(CreateError::Name(NameError::Empty));
    assert_eq!(
        format!("{error:?}"),
        format!("{error}: {}", NameError::Empty)
    );
    assert_eq!(
        format!("{error:#?}"),
        "Create(\n    Name(\n        Empty,\n    ),\n)"
    );
    let error = Error::from(TrySendError::Full(7));
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn an_error_is_of_any_thread() {
    fn holds<T: Send + Sync + 'static>() {}
    holds::<Error>();
}

#[test]
fn no_error_says_its_cause_twice() {
    for (error, value) in walk() {
        let mut outer = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            let words = inner.to_string();
            assert!(
                !outer.contains(&words),
                "{error}: {outer:?} says {words:?}, too"
            );
            outer = words;
            cause = inner.source();
        }
    }
}

#[test]
fn what_the_system_said_is_in_every_chain() {
    let causes = |value: &dyn StdError| {
        let mut deepest = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            deepest = inner.to_string();
            cause = inner.source();
        }
        deepest
    };
    let said = refused().to_string();
    for value in [
        Box::new(EntryError::from(membership())) as Box<dyn StdError>,
        Box::new(LockError::<()>::from(membership())),
        Box::new(Error::from(OpenError::io("opening the file")(refused()))),
        Box::new(WaitIdleError::from(membership())),
        Box::new(WaitAnyError::Fault {
            index: 0,
            fault: membership().into(),
        }),
    ] {
        assert!(causes(&*value).ends_with(&said), "{value}");
    }
}
