//! A counter and an array of atomic numbers as they are seen from outside.

use crate::algorithm::look::{Look, Sight, number};

/// A counter.
pub(crate) fn counter(look: &Look<'_>) -> Option<Sight> {
    let value = number(look.payload(), look.u64(0)?);
    let sight = Sight::new().with("value", value);
    Some(sight.value("value", 0, look.payload().size()))
}

/// An array.
pub(crate) fn array(look: &Look<'_>) -> Option<Sight> {
    let [len, ..] = look.record.config;
    let sight = Sight::new().with("length", len);
    Some(sight.list("value", 0, len, look.payload().size()))
}
