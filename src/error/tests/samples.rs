//! What the sample errors of the walk are made of.

use std::io;

use crate::fixed::{FixedBytes, TooLongError};
use crate::segment::{MembershipError, SystemError};

pub(super) fn refused() -> io::Error {
    io::Error::from_raw_os_error(13)
}

pub(super) fn system() -> SystemError {
    SystemError::new("mmap of the segment", &refused())
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

pub(super) fn kind() -> crate::segment::FoundKind {
    crate::segment::FoundKind::of(1)
}

pub(super) fn payload() -> Box<crate::segment::PayloadShape> {
    Box::new(crate::segment::PayloadShape::none())
}

pub(super) fn value() -> crate::queue::ValueError {
    crate::payload::Cause::LeftOver(3).into()
}

pub(super) fn too_long() -> TooLongError {
    FixedBytes::<1>::new(&[0; 2]).unwrap_err()
}
