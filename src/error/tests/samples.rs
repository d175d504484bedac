//! What the sample errors of the walk are made of.

use std::io;
use std::time::Duration;

use super::Sample;
use crate::fixed::{FixedBytes, TooLongError};
use crate::segment::{FoundKind, Kind, Limit, MembershipError, PayloadShape, SystemError, Text};
use crate::sync::Holder;

/// Makes samples of what is no error.
macro_rules! plain {
    ($($ty:ty: $($value:expr),+;)+) => {$(
        impl Sample for $ty {
            fn samples() -> Vec<Self> {
                vec![$($value),+]
            }
        }
    )+};
}

plain! {
    bool: true, false;
    char: '/';
    i32: 9;
    u8: 9;
    u32: 7, 9;
    u64: 7, 9;
    usize: 7, 9;
    [u64; 4]: [0; 4], [1; 4];
    Duration: Duration::from_secs(1);
    std::path::PathBuf: name().into();
    String: name();
    Text: Text::from("it is untagged");
    FoundKind: FoundKind::of(1);
    Kind: Kind::Counter;
    Holder: Holder::Other, Holder::ThisProcess;
    Limit: Limit::FileSize;
    PayloadShape: PayloadShape::none();
}

#[cfg(feature = "process")]
plain! {
    crate::process::Panic: crate::process::Panic::with_message("no");
}

impl<T: Sample> Sample for Box<T> {
    fn samples() -> Vec<Self> {
        T::samples().into_iter().map(Self::new).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn samples() -> Vec<Self> {
        vec![Some(T::sample(0)), None]
    }
}

impl<T: Sample, U: Sample> Sample for (T, U) {
    fn samples() -> Vec<Self> {
        vec![(T::sample(0), U::sample(0))]
    }
}

pub(super) fn refused() -> io::Error {
    io::Error::from_raw_os_error(13)
}

pub(super) fn membership() -> MembershipError {
    MembershipError::System(SystemError::new(
        "locking a byte of the segment",
        &refused(),
    ))
}

pub(super) fn name() -> String {
    "stock".to_owned()
}

pub(super) fn value() -> crate::queue::ValueError {
    crate::payload::Cause::LeftOver(3).into()
}

pub(super) fn too_long() -> TooLongError {
    FixedBytes::<1>::new(&[0; 2]).unwrap_err()
}
